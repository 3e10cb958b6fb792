//! A row of the ledger: its columns as values of SQLite, and back.

use rusqlite::types::Value;

/// A row of the ledger. Which columns a kind fills is said in the room above.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) at: u64,
    pub(super) topic: String,
    pub(super) kind: String,
    pub(super) payment_hash: Option<[u8; 32]>,
    pub(super) preimage: Option<[u8; 32]>,
    pub(super) channel: Option<[u8; 32]>,
    pub(super) other_channel: Option<[u8; 32]>,
    pub(super) channel_id: Option<[u8; 32]>,
    pub(super) peer: Option<[u8; 33]>,
    pub(super) txid: Option<[u8; 32]>,
    pub(super) vout: Option<u32>,
    pub(super) amount_msat: Option<u64>,
    pub(super) fee_msat: Option<u64>,
    pub(super) amount_sat: Option<u64>,
    pub(super) fee_sat: Option<u64>,
    pub(super) by_us: Option<bool>,
    pub(super) detail: Option<String>,
    pub(super) took_ms: Option<u64>,
    pub(super) height: Option<u32>,
    pub(super) custom: Option<Vec<u8>>,
    pub(super) invoice: Option<String>,
}

impl Row {
    /// The values in the order of the columns.
    pub(super) fn into_values(self) -> Vec<Value> {
        let blob = |b: Option<[u8; 32]>| b.map_or(Value::Null, |b| Value::Blob(b.to_vec()));
        // Amounts are far below 2^63; what is not is kept as the same 64 bits.
        let number = |n: Option<u64>| n.map_or(Value::Null, |n| Value::Integer(n.cast_signed()));
        vec![
            number(Some(self.number)),
            number(Some(self.at)),
            Value::Text(self.topic),
            Value::Text(self.kind),
            blob(self.payment_hash),
            blob(self.preimage),
            blob(self.channel),
            blob(self.other_channel),
            blob(self.channel_id),
            self.peer.map_or(Value::Null, |p| Value::Blob(p.to_vec())),
            blob(self.txid),
            number(self.vout.map(u64::from)),
            number(self.amount_msat),
            number(self.fee_msat),
            number(self.amount_sat),
            number(self.fee_sat),
            number(self.by_us.map(u64::from)),
            self.detail.map_or(Value::Null, Value::Text),
            number(self.took_ms),
            number(self.height.map(u64::from)),
            self.custom.map_or(Value::Null, Value::Blob),
            self.invoice.map_or(Value::Null, Value::Text),
        ]
    }

    /// The row of such values; `None` when one has another type than its column.
    pub(super) fn from_values(values: Vec<Value>) -> Option<Row> {
        let mut cells = Cells(values.into_iter());
        Some(Row {
            number: cells.number()??,
            at: cells.number()??,
            topic: cells.text()??,
            kind: cells.text()??,
            payment_hash: cells.bytes()?,
            preimage: cells.bytes()?,
            channel: cells.bytes()?,
            other_channel: cells.bytes()?,
            channel_id: cells.bytes()?,
            peer: cells.bytes()?,
            txid: cells.bytes()?,
            vout: cells.number()?.map(u32::try_from).transpose().ok()?,
            amount_msat: cells.number()?,
            fee_msat: cells.number()?,
            amount_sat: cells.number()?,
            fee_sat: cells.number()?,
            by_us: cells.number()?.map(|n| n != 0),
            detail: cells.text()?,
            took_ms: cells.number()?,
            height: cells.number()?.map(u32::try_from).transpose().ok()?,
            custom: cells.blob()?,
            invoice: cells.text()?,
        })
    }
}

/// The values of a row one after another: `None` for one of another type, `Some(None)` for none.
struct Cells(std::vec::IntoIter<Value>);

impl Cells {
    fn number(&mut self) -> Option<Option<u64>> {
        match self.0.next()? {
            Value::Null => Some(None),
            Value::Integer(number) => Some(Some(number.cast_unsigned())),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<Option<String>> {
        match self.0.next()? {
            Value::Null => Some(None),
            Value::Text(text) => Some(Some(text)),
            _ => None,
        }
    }

    fn blob(&mut self) -> Option<Option<Vec<u8>>> {
        match self.0.next()? {
            Value::Null => Some(None),
            Value::Blob(blob) => Some(Some(blob)),
            _ => None,
        }
    }

    fn bytes<const N: usize>(&mut self) -> Option<Option<[u8; N]>> {
        match self.0.next()? {
            Value::Null => Some(None),
            Value::Blob(blob) => blob.try_into().ok().map(Some),
            _ => None,
        }
    }
}
