//! One HTLC for its lifetime, and one that waits.

use super::super::codec::{In, Out, Unreadable, read_with};
use super::super::parts::{get_numbers, put_numbers};
use astrape_channel::htlc::{
    Attribution, Direction, Htlc, NewHtlc, OnionSource, Origin, Removal, Resolution,
};
use astrape_onion::{FailurePacket, HoldTime, OnionRecipe, decode_peeled, encode_peeled};
use astrape_primitives::{ChannelKeysId, HtlcId, Side, Timestamp};
use astrape_wire::codec::{Field, Reader};
use astrape_wire::{OnionPacket, ValueError};
use std::sync::Arc;

pub(super) fn encode(htlc: &Htlc) -> Vec<u8> {
    let out = Out::new()
        .value(0, &htlc.amount)
        .value(2, &htlc.payment_hash)
        .value(4, &htlc.cltv_expiry)
        .field(6, |out| put_numbers(&htlc.added, out))
        .value(8, &htlc.at.0)
        .value(10, &u8::from(htlc.over_dust_exposure));
    let out = match &htlc.direction {
        Direction::Incoming(onion) => out.bytes(12, &encode_peeled(onion)),
        Direction::Outgoing { origin, onion, preimage } => {
            put_onion(put_origin(out, origin), onion).some(20, preimage.as_ref())
        }
    };
    match &htlc.removal {
        None => out.finish(),
        Some(removal) => put_removal(out, removal).finish(),
    }
}

pub(super) fn decode(offered_by: Side, id: HtlcId, bytes: &[u8]) -> Result<Htlc, Unreadable> {
    let mut r = In::new(bytes)?;
    let (amount, payment_hash, cltv_expiry) = (r.value(0)?, r.value(2)?, r.value(4)?);
    let added = r.field(6, get_numbers)?;
    let at = Timestamp(r.value(8)?);
    let over_dust_exposure = r.value::<u8>(10)? != 0;
    let direction = match offered_by {
        Side::Remote => Direction::Incoming(Arc::new(read_with(12, r.bytes(12)?, decode_peeled)?)),
        Side::Local => Direction::Outgoing {
            origin: get_origin(&mut r)?,
            onion: get_onion(&mut r)?,
            preimage: r.some(20)?,
        },
    };
    let removal = get_removal(&mut r)?;
    r.finish()?;
    Ok(Htlc {
        offered_by,
        id,
        amount,
        payment_hash,
        cltv_expiry,
        direction,
        added,
        removal,
        over_dust_exposure,
        at,
    })
}

pub(super) fn encode_new(new: &NewHtlc) -> Vec<u8> {
    let out = Out::new().value(0, &new.amount).value(2, &new.payment_hash).value(4, &new.cltv_expiry);
    put_onion(put_origin(out, &new.origin), &new.onion).finish()
}

pub(super) fn decode_new(bytes: &[u8]) -> Result<NewHtlc, Unreadable> {
    let mut r = In::new(bytes)?;
    let new = NewHtlc {
        amount: r.value(0)?,
        payment_hash: r.value(2)?,
        cltv_expiry: r.value(4)?,
        origin: get_origin(&mut r)?,
        onion: get_onion(&mut r)?,
    };
    r.finish()?;
    Ok(new)
}

fn put_origin(out: Out, origin: &Origin) -> Out {
    out.field(14, |out| match origin {
        Origin::Payment { payment_hash, part } => {
            out.push(0);
            payment_hash.write(out);
            part.write(out);
        }
        Origin::Relay { channel, id } => {
            out.push(1);
            out.extend(channel.0);
            id.write(out);
        }
    })
}

fn get_origin(r: &mut In<'_>) -> Result<Origin, Unreadable> {
    r.field(14, |r| {
        Ok(match r.read::<u8>()? {
            0 => Origin::Payment { payment_hash: r.read()?, part: r.read()? },
            _ => Origin::Relay { channel: ChannelKeysId(r.array()?), id: r.read()? },
        })
    })
}

fn put_onion(out: Out, onion: &OnionSource) -> Out {
    match onion {
        OnionSource::Packet(packet) => out.value(16, packet),
        OnionSource::Recipe(recipe) => out.bytes(18, &recipe.to_bytes()),
    }
}

fn get_onion(r: &mut In<'_>) -> Result<OnionSource, Unreadable> {
    match r.some::<OnionPacket>(16)? {
        Some(packet) => Ok(OnionSource::Packet(packet)),
        None => Ok(OnionSource::Recipe(Arc::new(read_with(18, r.bytes(18)?, OnionRecipe::from_bytes)?))),
    }
}

fn put_removal(out: Out, removal: &Removal) -> Out {
    let out = out.field(22, |out| put_numbers(&removal.from, out));
    let out = match &removal.resolution {
        Resolution::Fulfilled { preimage, attribution } => {
            put_attribution(out.value(24, preimage), attribution)
        }
        Resolution::Failed(packet) => out
            .some_bytes(26, packet.attribution_data.as_ref().map(|a| &a.as_bytes()[..]))
            .bytes(28, &packet.reason),
        Resolution::Malformed { sha256_of_onion, failure_code } => out.field(30, |out| {
            out.extend(sha256_of_onion);
            failure_code.write(out);
        }),
    };
    // Odd, since an older Astrape passes over it: the failure stands for it.
    out.some(35, removal.late_preimage.as_ref())
}

fn put_attribution(out: Out, attribution: &Attribution) -> Out {
    match attribution {
        Attribution::Silent => out,
        Attribution::Data(data) => out.bytes(26, data.as_bytes()),
        // Odd, since the database of an older Astrape may be opened by it again: it says nothing then.
        Attribution::Held(time) => out.value(33, &time.0),
    }
}

fn get_removal(r: &mut In<'_>) -> Result<Option<Removal>, Unreadable> {
    let Some(from) = r.some_field(22, get_numbers)? else {
        return Ok(None);
    };
    let preimage = r.some(24)?;
    let attribution_data = r.some_field(26, get_attribution)?;
    let reason = r.some_bytes(28);
    let malformed = r.some_field(30, |r| Ok((r.array()?, r.read()?)))?;
    let held = r.some(33)?.map(HoldTime);
    let resolution = match (preimage, reason, malformed) {
        (Some(preimage), None, None) => {
            let attribution = attribution_data.map(Attribution::Data).or(held.map(Attribution::Held));
            Resolution::Fulfilled { preimage, attribution: attribution.unwrap_or(Attribution::Silent) }
        }
        (None, Some(reason), None) => {
            Resolution::Failed(FailurePacket { reason: reason.to_vec(), attribution_data })
        }
        (None, None, Some((sha256_of_onion, failure_code))) => {
            Resolution::Malformed { sha256_of_onion, failure_code }
        }
        _ => return Err(Unreadable::Senseless("an HTLC that ends in no way or in two")),
    };
    Ok(Some(Removal { resolution, from, late_preimage: r.some(35)? }))
}

fn get_attribution(r: &mut Reader<'_>) -> Result<astrape_wire::AttributionData, ValueError> {
    r.array().map(|bytes| astrape_wire::AttributionData::from_bytes(&bytes))
}
