//! A fact as a row with true columns, and back.

use super::checksum;
use super::error::{damaged, failed};
use astrape_node::{ChannelFact, Entry, Fact, JournalError};
use astrape_primitives::{
    ChannelId, ChannelKeysId, Height, Msat, NodeId, PaymentHash, PaymentPreimage, Sat, Timestamp,
};
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};
use row::Row;
use rusqlite::types::Value;
use std::collections::BTreeMap;

mod row;

/// The columns in their order; the checksum is the last.
pub(super) const COLUMNS: &str = "number, at_ms, topic, kind, payment_hash, preimage, channel, other_channel, channel_id, \
     peer, txid, vout, amount_msat, fee_msat, amount_sat, fee_sat, by_us, detail, took_ms, height, custom, invoice, checksum";

/// How many they are, without the checksum.
const WIDTH: usize = 22;

/// Those of the first version. What is empty beyond them is not part of the checksum, so that rows of then still fit theirs.
const FIRST_WIDTH: usize = 18;

/// Topic of payments that this node sent or received.
pub(super) const PAYMENT: &str = "payment";
/// Topic of invoices of ours that are held or cancelled.
pub(super) const INVOICE: &str = "invoice";
/// Topic of payments of others.
pub(super) const FORWARD: &str = "forward";
/// Topic of what happened to channels.
pub(super) const CHANNEL: &str = "channel";
/// Kinds of the facts that end the opening of a channel.
pub(super) const OPENED: &str = "opened";
pub(super) const NOT_OPENED: &str = "not_opened";
/// Kind of the fact that ends a channel.
pub(super) const OVER: &str = "over";
/// Topic of what happened to coins.
const WALLET: &str = "wallet";

/// The values of a row, its checksum last.
pub(super) fn values(entry: &Entry) -> Vec<Value> {
    let mut values = Row::of(entry).into_values();
    let sum = sum_of(&values);
    values.push(Value::Blob(sum.to_vec()));
    values
}

/// The hash of a payment that this node sent or received, and the number of the fact.
pub(super) fn payment(entry: &Entry) -> Option<(PaymentHash, u64)> {
    match &entry.fact {
        Fact::PaymentSent { payment_hash, .. }
        | Fact::PaymentFailed { payment_hash, .. }
        | Fact::PaymentReceived { payment_hash, .. } => Some((*payment_hash, entry.number)),
        _ => None,
    }
}

fn sum_of(values: &[Value]) -> [u8; checksum::LEN] {
    let empty = values.iter().rev().take_while(|value| matches!(value, Value::Null)).count();
    let width = values.len().saturating_sub(empty).max(FIRST_WIDTH).min(values.len());
    checksum::of_values("ledger", &values[..width])
}

/// The fact of a row that was selected by [`COLUMNS`].
///
/// # Errors
/// When it is not as it was written.
pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<Entry, JournalError> {
    let values: Vec<Value> = (0..WIDTH).map(|i| row.get(i)).collect::<Result<_, _>>().map_err(failed)?;
    let number = match values.first() {
        Some(Value::Integer(number)) => number.cast_unsigned(),
        _ => return Err(damaged("ledger", "without a number")),
    };
    let sum: Vec<u8> = row.get(WIDTH).map_err(failed)?;
    if sum != sum_of(&values) {
        return Err(damaged("ledger", number));
    }
    Row::from_values(values).and_then(|row| row.entry()).ok_or_else(|| damaged("ledger", number))
}

impl Row {
    fn of(entry: &Entry) -> Row {
        let (topic, kind) = names(&entry.fact);
        let row = Row {
            number: entry.number,
            at: entry.at.0,
            topic: topic.to_owned(),
            kind: kind.to_owned(),
            ..Row::default()
        };
        match &entry.fact {
            Fact::PaymentSent { payment_hash, preimage, amount, fee, destination, rebalance: _ } => Row {
                payment_hash: Some(payment_hash.0),
                preimage: Some(preimage.0),
                amount_msat: Some(amount.0),
                fee_msat: Some(fee.0),
                peer: Some(*destination.as_bytes()),
                ..row
            },
            Fact::PaymentFailed { payment_hash, amount, destination, reason, rebalance: _ } => Row {
                payment_hash: Some(payment_hash.0),
                amount_msat: Some(amount.0),
                peer: Some(*destination.as_bytes()),
                detail: Some(reason.clone()),
                ..row
            },
            Fact::PaymentReceived {
                payment_hash,
                preimage,
                amount,
                keysend: _,
                custom_records,
                rebalance: _,
                description,
                bolt11,
            } => Row {
                payment_hash: Some(payment_hash.0),
                preimage: Some(preimage.0),
                amount_msat: Some(amount.0),
                custom: custom_bytes(custom_records),
                detail: (!description.is_empty()).then(|| description.clone()),
                invoice: (!bolt11.is_empty()).then(|| bolt11.clone()),
                ..row
            },
            Fact::InvoiceHeld { payment_hash, amount, until } => Row {
                payment_hash: Some(payment_hash.0),
                amount_msat: Some(amount.0),
                height: Some(until.0),
                ..row
            },
            Fact::InvoiceCanceled { payment_hash, amount, reason } => Row {
                payment_hash: Some(payment_hash.0),
                amount_msat: Some(amount.0),
                detail: Some(reason.clone()),
                ..row
            },
            Fact::Forwarded { payment_hash, incoming, outgoing, amount_in, amount_out, took_ms } => Row {
                payment_hash: Some(payment_hash.0),
                channel: Some(incoming.0),
                other_channel: Some(outgoing.0),
                amount_msat: Some(amount_out.0),
                fee_msat: Some(amount_in.0.wrapping_sub(amount_out.0)),
                took_ms: Some(*took_ms),
                ..row
            },
            Fact::ForwardFailed {
                payment_hash,
                incoming,
                outgoing,
                amount_in,
                amount_out,
                took_ms,
                by_us,
                reason,
            } => Row {
                payment_hash: Some(payment_hash.0),
                channel: Some(incoming.0),
                other_channel: outgoing.map(|keys| keys.0),
                amount_msat: Some(amount_in.0),
                fee_msat: Some(amount_in.0.wrapping_sub(amount_out.0)),
                took_ms: Some(*took_ms),
                by_us: Some(*by_us),
                detail: Some(reason.clone()),
                ..row
            },
            Fact::Channel { keys, channel_id, peer, event } => Row {
                channel: Some(keys.0),
                channel_id: Some(channel_id.0),
                peer: Some(*peer.as_bytes()),
                ..row.of_channel(event)
            },
            Fact::FeeBumped { txid, child, fee } => Row {
                txid: Some(child.to_byte_array()),
                fee_sat: Some(fee.0),
                detail: Some(txid.to_string()),
                ..row
            },
            Fact::NeverConfirmed { txid, by } => {
                Row { txid: Some(txid.to_byte_array()), detail: Some(by.to_string()), ..row }
            }
            Fact::Withdrawn { txid, amount, fee } => Row {
                txid: Some(txid.to_byte_array()),
                amount_sat: Some(amount.0),
                fee_sat: Some(fee.0),
                ..row
            },
        }
    }

    fn of_channel(self, event: &ChannelFact) -> Row {
        match event {
            ChannelFact::FundingConfirmed | ChannelFact::FundingReorged | ChannelFact::Ready => self,
            ChannelFact::Over { returned, fees } => {
                Row { amount_sat: returned.map(|amount| amount.0), fee_sat: fees.map(|fee| fee.0), ..self }
            }
            ChannelFact::NotOpened { reason }
            | ChannelFact::ForceClosing { reason }
            | ChannelFact::WaitingForPeersCommitment { reason }
            | ChannelFact::Quarantined { reason } => Row { detail: Some(reason.clone()), ..self },
            ChannelFact::Opened { outpoint, capacity, by_us } => Row {
                txid: Some(outpoint.txid.to_byte_array()),
                vout: Some(outpoint.vout),
                amount_sat: Some(capacity.0),
                by_us: Some(*by_us),
                ..self
            },
            ChannelFact::ShuttingDown { by_us } => Row { by_us: Some(*by_us), ..self },
            ChannelFact::ClosingAgreed { txid, fee } => {
                Row { txid: Some(txid.to_byte_array()), fee_sat: Some(fee.0), ..self }
            }
            ChannelFact::OnChain { txid, what, amount, fee } => Row {
                txid: txid.map(|txid| txid.to_byte_array()),
                detail: Some(what.clone()),
                amount_sat: amount.map(|amount| amount.0),
                fee_sat: fee.map(|fee| fee.0),
                ..self
            },
            ChannelFact::Spent { txid, how } => {
                Row { txid: Some(txid.to_byte_array()), detail: Some(how.clone()), ..self }
            }
        }
    }

    fn entry(self) -> Option<Entry> {
        let (number, at) = (self.number, Timestamp(self.at));
        let fact = match self.kind.as_str() {
            "payment_sent" | "rebalance_sent" => Fact::PaymentSent {
                payment_hash: PaymentHash(self.payment_hash?),
                preimage: PaymentPreimage(self.preimage?),
                amount: Msat(self.amount_msat?),
                fee: Msat(self.fee_msat?),
                destination: NodeId::from_bytes(self.peer?).ok()?,
                rebalance: self.kind == "rebalance_sent",
            },
            "payment_failed" | "rebalance_failed" => Fact::PaymentFailed {
                payment_hash: PaymentHash(self.payment_hash?),
                amount: Msat(self.amount_msat?),
                destination: NodeId::from_bytes(self.peer?).ok()?,
                reason: self.detail?,
                rebalance: self.kind == "rebalance_failed",
            },
            "payment_received" | "keysend_received" | "rebalance_received" => Fact::PaymentReceived {
                payment_hash: PaymentHash(self.payment_hash?),
                preimage: PaymentPreimage(self.preimage?),
                amount: Msat(self.amount_msat?),
                keysend: self.kind == "keysend_received",
                custom_records: custom_of(&self.custom.unwrap_or_default())?,
                rebalance: self.kind == "rebalance_received",
                description: self.detail.unwrap_or_default(),
                bolt11: self.invoice.unwrap_or_default(),
            },
            "invoice_held" => Fact::InvoiceHeld {
                payment_hash: PaymentHash(self.payment_hash?),
                amount: Msat(self.amount_msat?),
                until: Height(self.height?),
            },
            "invoice_canceled" => Fact::InvoiceCanceled {
                payment_hash: PaymentHash(self.payment_hash?),
                amount: Msat(self.amount_msat?),
                reason: self.detail?,
            },
            "forwarded" => Fact::Forwarded {
                payment_hash: PaymentHash(self.payment_hash?),
                incoming: ChannelKeysId(self.channel?),
                outgoing: ChannelKeysId(self.other_channel?),
                amount_in: Msat(self.amount_msat?.wrapping_add(self.fee_msat?)),
                amount_out: Msat(self.amount_msat?),
                took_ms: self.took_ms.unwrap_or_default(),
            },
            // The first version kept neither where it was to go out nor how long it took.
            "forward_failed" => Fact::ForwardFailed {
                payment_hash: PaymentHash(self.payment_hash?),
                incoming: ChannelKeysId(self.channel?),
                outgoing: self.other_channel.map(ChannelKeysId),
                amount_in: Msat(self.amount_msat?),
                amount_out: Msat(
                    self.fee_msat.map_or(0, |fee| self.amount_msat.unwrap_or(0).wrapping_sub(fee)),
                ),
                took_ms: self.took_ms.unwrap_or_default(),
                by_us: self.by_us.unwrap_or(true),
                reason: self.detail?,
            },
            "fee_bumped" => Fact::FeeBumped {
                txid: self.detail?.parse().ok()?,
                child: Txid::from_byte_array(self.txid?),
                fee: Sat(self.fee_sat?),
            },
            "never_confirmed" => Fact::NeverConfirmed {
                txid: Txid::from_byte_array(self.txid?),
                by: self.detail?.parse().ok()?,
            },
            "withdrawn" => Fact::Withdrawn {
                txid: Txid::from_byte_array(self.txid?),
                amount: Sat(self.amount_sat?),
                fee: Sat(self.fee_sat?),
            },
            _ => Fact::Channel {
                keys: ChannelKeysId(self.channel?),
                channel_id: ChannelId(self.channel_id?),
                peer: NodeId::from_bytes(self.peer?).ok()?,
                event: self.channel_event()?,
            },
        };
        Some(Entry { number, at, fact })
    }

    fn channel_event(self) -> Option<ChannelFact> {
        let txid = self.txid.map(Txid::from_byte_array);
        Some(match self.kind.as_str() {
            NOT_OPENED => ChannelFact::NotOpened { reason: self.detail? },
            OPENED => ChannelFact::Opened {
                outpoint: OutPoint { txid: txid?, vout: self.vout? },
                capacity: Sat(self.amount_sat?),
                by_us: self.by_us?,
            },
            "funding_confirmed" => ChannelFact::FundingConfirmed,
            "funding_reorged" => ChannelFact::FundingReorged,
            "ready" => ChannelFact::Ready,
            "shutting_down" => ChannelFact::ShuttingDown { by_us: self.by_us? },
            "closing_agreed" => ChannelFact::ClosingAgreed { txid: txid?, fee: Sat(self.fee_sat?) },
            "force_closing" => ChannelFact::ForceClosing { reason: self.detail? },
            "waiting_for_peers_commitment" => ChannelFact::WaitingForPeersCommitment { reason: self.detail? },
            "spent" => ChannelFact::Spent { txid: txid?, how: self.detail? },
            "on_chain" => ChannelFact::OnChain {
                txid,
                what: self.detail?,
                amount: self.amount_sat.map(Sat),
                fee: self.fee_sat.map(Sat),
            },
            OVER => ChannelFact::Over { returned: self.amount_sat.map(Sat), fees: self.fee_sat.map(Sat) },
            "quarantined" => ChannelFact::Quarantined { reason: self.detail? },
            _ => return None,
        })
    }
}

/// Topic and kind of a fact, as the columns say them. They never change: users query them.
fn names(fact: &Fact) -> (&'static str, &'static str) {
    match fact {
        Fact::PaymentSent { rebalance: true, .. } => (PAYMENT, "rebalance_sent"),
        Fact::PaymentSent { .. } => (PAYMENT, "payment_sent"),
        Fact::PaymentFailed { rebalance: true, .. } => (PAYMENT, "rebalance_failed"),
        Fact::PaymentFailed { .. } => (PAYMENT, "payment_failed"),
        Fact::PaymentReceived { rebalance: true, .. } => (PAYMENT, "rebalance_received"),
        Fact::PaymentReceived { keysend: false, .. } => (PAYMENT, "payment_received"),
        Fact::PaymentReceived { keysend: true, .. } => (PAYMENT, "keysend_received"),
        Fact::InvoiceHeld { .. } => (INVOICE, "invoice_held"),
        Fact::InvoiceCanceled { .. } => (INVOICE, "invoice_canceled"),
        Fact::Forwarded { .. } => (FORWARD, "forwarded"),
        Fact::ForwardFailed { .. } => (FORWARD, "forward_failed"),
        Fact::FeeBumped { .. } => (WALLET, "fee_bumped"),
        Fact::NeverConfirmed { .. } => (WALLET, "never_confirmed"),
        Fact::Withdrawn { .. } => (WALLET, "withdrawn"),
        Fact::Channel { event, .. } => (
            CHANNEL,
            match event {
                ChannelFact::NotOpened { .. } => NOT_OPENED,
                ChannelFact::Opened { .. } => OPENED,
                ChannelFact::FundingConfirmed => "funding_confirmed",
                ChannelFact::FundingReorged => "funding_reorged",
                ChannelFact::Ready => "ready",
                ChannelFact::ShuttingDown { .. } => "shutting_down",
                ChannelFact::ClosingAgreed { .. } => "closing_agreed",
                ChannelFact::ForceClosing { .. } => "force_closing",
                ChannelFact::WaitingForPeersCommitment { .. } => "waiting_for_peers_commitment",
                ChannelFact::Spent { .. } => "spent",
                ChannelFact::OnChain { .. } => "on_chain",
                ChannelFact::Over { .. } => OVER,
                ChannelFact::Quarantined { .. } => "quarantined",
            },
        ),
    }
}

/// Custom records, each as its type, its length and its bytes; none where there are none.
fn custom_bytes(records: &BTreeMap<u64, Vec<u8>>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (kind, value) in records {
        bytes.extend(kind.to_be_bytes());
        bytes.extend(u32::try_from(value.len()).expect("an onion is shorter").to_be_bytes());
        bytes.extend_from_slice(value);
    }
    (!records.is_empty()).then_some(bytes)
}

fn custom_of(mut bytes: &[u8]) -> Option<BTreeMap<u64, Vec<u8>>> {
    let mut records = BTreeMap::new();
    while !bytes.is_empty() {
        let (kind, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        records.insert(u64::from_be_bytes(*kind), value.to_vec());
        bytes = rest;
    }
    Some(records)
}

#[cfg(test)]
mod tests;
