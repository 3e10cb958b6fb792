//! Requests that were carried out, as rows, and back.

use super::checksum;
use super::error::{damaged, failed};
use super::write::execute;
use astrape_node::{JournalError, Outcome, PastRequest, Request, RequestId};
use astrape_primitives::{ChannelKeysId, PaymentHash, Sat};
use bitcoin::Txid;
use bitcoin::hashes::Hash as _;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

/// The columns without the checksum, which is the last.
const WIDTH: usize = 9;

/// An id is carried out once: that one is there already is an error of this node, and what came with it is not written.
pub(super) fn add(conn: &Connection, past: &PastRequest) -> Result<(), JournalError> {
    let sql = "INSERT INTO requests (id, digest, kind, payment_hash, channel, txid, amount_sat, fee_sat, invoice, checksum) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut values = values(past);
    let sum = checksum::of_values("requests", &values);
    values.push(Value::Blob(sum.to_vec()));
    execute(conn, sql, params_from_iter(values)).map(|_| ())
}

fn values(past: &PastRequest) -> Vec<Value> {
    let PastRequest { request, outcome } = past;
    let (mut hash, mut channel, mut txid) = (Value::Null, Value::Null, Value::Null);
    let (mut amount, mut fee, mut invoice) = (Value::Null, Value::Null, Value::Null);
    let kind = match outcome {
        Outcome::Invoiced { bolt11 } => {
            invoice = Value::Text(bolt11.clone());
            "invoiced"
        }
        Outcome::Opening { channel: of } => {
            channel = Value::Blob(of.0.to_vec());
            "opening"
        }
        Outcome::Paying { payment_hash } => {
            hash = Value::Blob(payment_hash.0.to_vec());
            "paying"
        }
        Outcome::Withdrawing { txid: of, amount: paid, fee: cost } => {
            txid = Value::Blob(of.to_byte_array().to_vec());
            (amount, fee) = (Value::Integer(paid.0.cast_signed()), Value::Integer(cost.0.cast_signed()));
            "withdrawing"
        }
    };
    let id = Value::Text(request.id.as_str().to_owned());
    let digest = Value::Blob(request.digest.to_vec());
    vec![id, digest, Value::Text(kind.to_owned()), hash, channel, txid, amount, fee, invoice]
}

/// What was carried out under an id.
pub(super) fn find(conn: &Connection, id: &RequestId) -> Result<Option<PastRequest>, JournalError> {
    let sql = "SELECT id, digest, kind, payment_hash, channel, txid, amount_sat, fee_sat, invoice, checksum \
         FROM requests WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let row = statement
        .query_row([id.as_str()], |row| {
            let values: Vec<Value> = (0..WIDTH).map(|i| row.get(i)).collect::<Result<_, _>>()?;
            Ok((values, row.get::<_, Vec<u8>>(WIDTH)?))
        })
        .optional()
        .map_err(failed)?;
    let Some((values, sum)) = row else { return Ok(None) };
    if sum != checksum::of_values("requests", &values) {
        return Err(damaged("requests", id));
    }
    of_values(values).map(Some).ok_or_else(|| damaged("requests", id))
}

fn of_values(values: Vec<Value>) -> Option<PastRequest> {
    let values: [Value; WIDTH] = values.try_into().ok()?;
    let [id, digest, kind, hash, channel, txid, amount, fee, invoice] = values;
    let outcome = match text(kind)?.as_str() {
        "invoiced" => Outcome::Invoiced { bolt11: text(invoice)? },
        "opening" => Outcome::Opening { channel: ChannelKeysId(bytes(channel)?) },
        "paying" => Outcome::Paying { payment_hash: PaymentHash(bytes(hash)?) },
        "withdrawing" => Outcome::Withdrawing {
            txid: Txid::from_byte_array(bytes(txid)?),
            amount: Sat(number(amount)?),
            fee: Sat(number(fee)?),
        },
        _ => return None,
    };
    let request = Request { id: text(id)?.parse().ok()?, digest: bytes(digest)? };
    Some(PastRequest { request, outcome })
}

fn text(value: Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text) } else { None }
}

fn bytes(value: Value) -> Option<[u8; 32]> {
    if let Value::Blob(blob) = value { blob.try_into().ok() } else { None }
}

fn number(value: Value) -> Option<u64> {
    if let Value::Integer(number) = value { Some(number.cast_unsigned()) } else { None }
}
