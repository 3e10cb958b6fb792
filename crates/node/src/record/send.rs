//! Payments of ours that are under way, with their parts and what was learnt from those that failed.

use super::Row;
use super::codec::{In, Out, Unreadable, read_with};
use super::key::Kind;
use super::parts::get_all;
use astrape_onion::OnionRecipe;
use astrape_payment::send::{Lessons, Limit, Told, What};
use astrape_payment::{Payment, PaymentPart};
use astrape_primitives::{ChannelKeysId, Msat, NodeId, PaymentHash, ShortChannelId, Timestamp};
use astrape_routing::Direction;
use astrape_routing::search::Asked;
use astrape_wire::ValueError;
use astrape_wire::codec::{Field as _, Reader};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Row for Payment {
    type Id = PaymentHash;
    const KIND: Kind = Kind::Payment;

    fn id_bytes(id: &PaymentHash) -> Vec<u8> {
        id.0.to_vec()
    }

    fn id_of(bytes: &[u8]) -> Option<PaymentHash> {
        bytes.try_into().ok().map(PaymentHash)
    }

    fn encode(&self) -> Vec<u8> {
        let (invoice, keysend) = match &self.what {
            What::Invoice(text) => (Some(text.as_bytes()), None),
            What::Keysend { preimage, custom_records } => (None, Some((preimage, custom_records))),
            // Stands in a table that has no records.
            What::Probe { .. } => (None, None),
        };
        let own = self.lessons.own.iter();
        let (closed, limited) = by_channel(&self.lessons);
        Out::new()
            .value(0, &self.destination)
            .field(2, |out| [self.amount, self.max_fee].iter().for_each(|amount| amount.write(out)))
            .some_bytes(4, invoice)
            .bytes(6, &self.session_key_seed)
            .field(8, |out| [self.started_at, self.retry_until].iter().for_each(|at| at.0.write(out)))
            .value(10, &self.attempts)
            .field(12, |out| self.parts.iter().for_each(|(number, part)| put_part(*number, part, out)))
            .field(14, |out| {
                own.for_each(|(channel, most)| {
                    out.extend(channel.0);
                    most.write(out);
                });
            })
            .field(16, |out| {
                closed.into_iter().for_each(|(channel, most)| {
                    channel.write(out);
                    most.write(out);
                });
            })
            .field(18, |out| self.lessons.nodes.iter().for_each(|node| node.write(out)))
            .some(20, self.preimage.as_ref())
            .some_bytes(22, self.gave_up.as_ref().map(String::as_bytes))
            .some_bytes(24, self.last_failure.as_ref().map(String::as_bytes))
            .some(26, Some(&self.searches).filter(|searches| **searches > 0))
            .some(28, self.asked_at.map(|at| at.0).as_ref())
            .some(30, keysend.map(|(preimage, _)| preimage))
            .some_field(32, keysend.map(|(_, records)| records), put_records)
            .some_field(
                34,
                Some(&self.lessons.suspects).filter(|suspects| !suspects.is_empty()),
                put_suspects,
            )
            .some(36, Some(&self.lessons.bears).filter(|bears| **bears > 0))
            .some_field(38, Some(&limited).filter(|limited| !limited.is_empty()), put_limits)
            .some_field(39, Some(&self.beside).filter(|beside| !beside.is_empty()), put_beside)
            .some_field(41, Some(&self.lessons.asked).filter(|asked| !asked.is_empty()), put_asked)
            .finish()
    }

    fn decode(id: &PaymentHash, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let (amount, max_fee) = r.field(2, |r| Ok((r.read()?, r.read()?)))?;
        let (started_at, retry_until) = r.field(8, |r| Ok((Timestamp(r.read()?), Timestamp(r.read()?))))?;
        let parts = r.field(12, |r| get_all(r, get_part))?;
        let own = r.field(14, |r| get_all(r, |r| Ok((ChannelKeysId(r.array()?), r.read::<Msat>()?))))?;
        let channels =
            r.field(16, |r| get_all(r, |r| Ok((r.read::<ShortChannelId>()?, r.read::<Msat>()?))))?;
        let suspects = r.some_field(34, |r| get_all(r, |r| Ok((r.read::<NodeId>()?, r.read::<u32>()?))))?;
        let limited = r.some_field(38, |r| get_all(r, get_limit))?;
        let beside = r.some_field(39, |r| get_all(r, |r| Ok(((r.read()?, r.read()?), r.read()?))))?;
        let asked = r.some_field(41, |r| get_all(r, get_asked))?;
        let both = channels.into_iter().flat_map(|(channel, most)| {
            Direction::BOTH.map(|direction| ((channel, direction), Limit { most, dared: 0 }))
        });
        let payment = Self {
            payment_hash: *id,
            destination: r.value(0)?,
            amount,
            max_fee,
            what: what(&mut r)?,
            session_key_seed: r.field(6, |r| r.array())?,
            started_at,
            retry_until,
            attempts: r.value(10)?,
            searches: r.some(26)?.unwrap_or_default(),
            asked_at: r.some(28)?.map(Timestamp),
            parts: parts.into_iter().map(with_recipe).collect::<Result<_, _>>()?,
            beside: beside.unwrap_or_default().into_iter().collect(),
            lessons: Lessons {
                own: own.into_iter().collect(),
                channels: both.chain(limited.unwrap_or_default()).collect(),
                asked: asked.unwrap_or_default().into_iter().collect(),
                nodes: r.field(18, |r| get_all(r, |r| r.read()))?.into_iter().collect(),
                suspects: suspects.unwrap_or_default().into_iter().collect(),
                bears: r.some(36)?.unwrap_or_default(),
            },
            preimage: r.some(20)?,
            gave_up: r.some_text(22)?,
            last_failure: r.some_text(24)?,
        };
        r.finish()?;
        Ok(payment)
    }
}

/// What is paid: one of two.
fn what(r: &mut In<'_>) -> Result<What, Unreadable> {
    let records = r.some_field(32, |r| get_all(r, |r| Ok((r.read::<u64>()?, r.read::<Vec<u8>>()?))))?;
    match r.some(30)? {
        None => r.text(4).map(What::Invoice),
        Some(preimage) => {
            let custom_records = records.unwrap_or_default().into_iter().collect();
            Ok(What::Keysend { preimage, custom_records })
        }
    }
}

fn put_beside(beside: &BTreeMap<(u64, u8), Msat>, out: &mut Vec<u8>) {
    for ((part, index), amount) in beside {
        part.write(out);
        index.write(out);
        amount.write(out);
    }
}

fn put_suspects(suspects: &BTreeMap<NodeId, u32>, out: &mut Vec<u8>) {
    for (node, times) in suspects {
        node.write(out);
        times.write(out);
    }
}

/// Limits by channel alone, and others by the way that it is crossed.
type Limits = (Vec<(ShortChannelId, Msat)>, Vec<(Crossed, Limit)>);

/// Limits that are the same both ways stand as the first version had all of them, by channel alone; and the others.
fn by_channel(lessons: &Lessons) -> Limits {
    let is_same = |(channel, direction): &Crossed, limit: &Limit| {
        limit.dared == 0 && lessons.channels.get(&(*channel, direction.reverse())) == Some(limit)
    };
    let (same, others): (Vec<_>, Vec<_>) = lessons
        .channels
        .iter()
        .map(|(key, limit)| (*key, *limit))
        .partition(|(key, limit)| is_same(key, limit));
    let once = same.into_iter().filter(|((_, direction), _)| *direction == Direction::FromNode1);
    (once.map(|((channel, _), limit)| (channel, limit.most)).collect(), others)
}

/// A channel, one way.
type Crossed = (ShortChannelId, Direction);

fn put_limits(limits: &Vec<(Crossed, Limit)>, out: &mut Vec<u8>) {
    for ((channel, direction), limit) in limits {
        channel.write(out);
        u8::from(*direction == Direction::FromNode2).write(out);
        limit.most.write(out);
        limit.dared.write(out);
    }
}

fn get_limit(r: &mut Reader<'_>) -> Result<(Crossed, Limit), ValueError> {
    let key = (r.read()?, Direction::from_flags(r.read()?));
    Ok((key, Limit { most: r.read()?, dared: r.read()? }))
}

fn put_asked(all: &BTreeMap<Crossed, Told>, out: &mut Vec<u8>) {
    for ((channel, direction), Told { asked, since }) in all {
        channel.write(out);
        u8::from(*direction == Direction::FromNode2).write(out);
        asked.fee_base_msat.write(out);
        asked.fee_proportional_millionths.write(out);
        asked.cltv_expiry_delta.write(out);
        asked.htlc_minimum.write(out);
        asked.htlc_maximum.write(out);
        since.write(out);
    }
}

fn get_asked(r: &mut Reader<'_>) -> Result<(Crossed, Told), ValueError> {
    let (short_channel_id, direction) = (r.read()?, Direction::from_flags(r.read()?));
    let asked = Asked {
        short_channel_id,
        direction,
        fee_base_msat: r.read()?,
        fee_proportional_millionths: r.read()?,
        cltv_expiry_delta: r.read()?,
        htlc_minimum: r.read()?,
        htlc_maximum: r.read()?,
    };
    Ok(((short_channel_id, direction), Told { asked, since: r.read()? }))
}

fn put_records(records: &BTreeMap<u64, Vec<u8>>, out: &mut Vec<u8>) {
    for (kind, value) in records {
        kind.write(out);
        value.write(out);
    }
}

/// Lists stand behind their length of 2 bytes: a route has at most 27 hops, and its recipe fits one onion.
fn put_part(number: u64, part: &PaymentPart, out: &mut Vec<u8>) {
    number.write(out);
    out.extend(part.channel.0);
    part.amount.write(out);
    part.fee.write(out);
    part.channels.write(out);
    part.recipe.to_bytes().write(out);
}

/// A part whose recipe was not read yet.
struct Raw {
    number: u64,
    channel: ChannelKeysId,
    amount: Msat,
    fee: Msat,
    channels: Vec<ShortChannelId>,
    recipe: Vec<u8>,
}

fn get_part(r: &mut Reader<'_>) -> Result<Raw, ValueError> {
    Ok(Raw {
        number: r.read()?,
        channel: ChannelKeysId(r.array()?),
        amount: r.read()?,
        fee: r.read()?,
        channels: r.read()?,
        recipe: r.read()?,
    })
}

fn with_recipe(raw: Raw) -> Result<(u64, PaymentPart), Unreadable> {
    let Raw { number, channel, amount, fee, channels, recipe } = raw;
    let recipe = Arc::new(read_with(12, &recipe, OnionRecipe::from_bytes)?);
    if recipe.hops.is_empty() {
        return Err(Unreadable::Senseless("a part without a hop"));
    }
    Ok((number, PaymentPart::new(channel, amount, fee, channels, recipe)))
}
