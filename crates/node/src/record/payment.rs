//! Payments to us: invoices that are not paid, and what waits for the rest of its money.

use super::Row;
use super::codec::{In, Out, Unreadable};
use super::key::Kind;
use super::parts::get_all;
use astrape_payment::{OpenInvoice, Part, Receiving};
use astrape_primitives::{ChannelKeysId, PaymentHash, PaymentSecret, Timestamp};
use astrape_wire::ValueError;
use astrape_wire::codec::{Field as _, Reader};
use astrape_wire::tlv::{TlvStream, write_record};
use std::collections::BTreeMap;

impl Row for OpenInvoice {
    type Id = PaymentHash;
    const KIND: Kind = Kind::Invoice;

    fn id_bytes(id: &PaymentHash) -> Vec<u8> {
        id.0.to_vec()
    }

    fn id_of(bytes: &[u8]) -> Option<PaymentHash> {
        bytes.try_into().ok().map(PaymentHash)
    }

    fn encode(&self) -> Vec<u8> {
        Out::new()
            .some(0, self.preimage.as_ref())
            .bytes(2, &self.payment_secret.0)
            .some(4, self.amount.as_ref())
            .some_bytes(6, self.metadata.as_deref())
            .value(8, &self.expires_at.0)
            .value(10, &self.min_final_cltv_expiry_delta)
            .value(12, &self.created_at.0)
            .bytes(14, self.description.as_bytes())
            .bytes(16, self.bolt11.as_bytes())
            .some_bytes(18, self.hold.then_some(&[]))
            .some_bytes(20, self.canceled.then_some(&[]))
            .finish()
    }

    fn decode(id: &PaymentHash, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let invoice = Self {
            payment_hash: *id,
            preimage: r.some(0)?,
            payment_secret: PaymentSecret(r.field(2, |r| r.array())?),
            amount: r.some(4)?,
            metadata: r.some_bytes(6).map(<[u8]>::to_vec),
            expires_at: Timestamp(r.value(8)?),
            min_final_cltv_expiry_delta: r.value(10)?,
            created_at: Timestamp(r.value(12)?),
            description: r.text(14)?,
            bolt11: r.text(16)?,
            hold: r.some_bytes(18).is_some(),
            canceled: r.some_bytes(20).is_some(),
        };
        r.finish()?;
        if invoice.preimage.is_none() && !invoice.hold {
            return Err(Unreadable::Missing(0));
        }
        Ok(invoice)
    }
}

impl Row for Receiving {
    type Id = PaymentHash;
    const KIND: Kind = Kind::Receiving;

    fn id_bytes(id: &PaymentHash) -> Vec<u8> {
        id.0.to_vec()
    }

    fn id_of(bytes: &[u8]) -> Option<PaymentHash> {
        bytes.try_into().ok().map(PaymentHash)
    }

    fn encode(&self) -> Vec<u8> {
        Out::new()
            .value(0, &self.total)
            .value(2, &self.promised)
            .value(4, &self.since.0)
            .field(6, |out| self.parts.iter().for_each(|part| put_received(part, out)))
            .some(8, self.held_since.map(|at| at.0).as_ref())
            .some_bytes(10, custom_bytes(&self.custom_records).as_deref())
            .finish()
    }

    fn decode(id: &PaymentHash, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let receiving = Self {
            payment_hash: *id,
            total: r.value(0)?,
            promised: r.value(2)?,
            since: Timestamp(r.value(4)?),
            parts: r.field(6, |r| get_all(r, get_received))?,
            held_since: r.some(8)?.map(Timestamp),
            custom_records: custom_of(10, r.some_bytes(10).unwrap_or_default())?,
        };
        r.finish()?;
        Ok(receiving)
    }
}

/// Custom records as they stood in the onion: a TLV stream. None where there are none.
fn custom_bytes(records: &BTreeMap<u64, Vec<u8>>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    records.iter().for_each(|(kind, value)| write_record(&mut bytes, *kind, value));
    (!records.is_empty()).then_some(bytes)
}

fn custom_of(field: u64, bytes: &[u8]) -> Result<BTreeMap<u64, Vec<u8>>, Unreadable> {
    let records = TlvStream::new(bytes, |_| true);
    let read = records.map(|record| record.map(|record| (record.number, record.value.to_vec())));
    read.collect::<Result<_, _>>().map_err(|e| Unreadable::Field(field, e.to_string()))
}

fn put_received(part: &Part, out: &mut Vec<u8>) {
    out.extend(part.channel.0);
    part.id.write(out);
    part.amount.write(out);
    part.cltv_expiry.write(out);
    part.at.0.write(out);
}

fn get_received(r: &mut Reader<'_>) -> Result<Part, ValueError> {
    Ok(Part {
        channel: ChannelKeysId(r.array()?),
        id: r.read()?,
        amount: r.read()?,
        cltv_expiry: r.read()?,
        at: Timestamp(r.read()?),
    })
}
