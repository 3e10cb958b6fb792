//! The resolution of a channel on chain: a head, a row for each output that is followed, and one for each claim.

use super::codec::{In, Out, Unreadable};
use super::key::Kind;
use super::parts::{
    arc_tx_of, get_all, get_outpoint, get_side, get_some, get_wallet_input, put_outpoint, put_side, put_some,
    put_wallet_input, tx_bytes,
};
use crate::journal::Key;
use astrape_onchain::{Claim, ClaimId, Close, Left, Parent, Resolution, Role, Spender, Spent, Tracked};
use astrape_primitives::{ChannelKeysId, HtlcId, Sat};
use astrape_transactions::{CommitmentFormat, CommittedHtlc};
use astrape_wire::ValueError;
use astrape_wire::codec::{Field as _, Reader};
use bitcoin::{OutPoint, ScriptBuf, TxOut};
use std::collections::{BTreeMap, BTreeSet};

/// The rows of a resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResolutionRow {
    Head,
    Output(OutPoint),
    Claim(ClaimId),
}

impl ResolutionRow {
    pub(crate) fn key(self, channel: &ChannelKeysId) -> Key {
        let mut about = channel.0.to_vec();
        match self {
            ResolutionRow::Head => about.push(0),
            ResolutionRow::Output(outpoint) => {
                about.push(1);
                put_outpoint(&outpoint, &mut about);
            }
            ResolutionRow::Claim(id) => {
                about.push(2);
                about.extend(id.0.to_be_bytes());
            }
        }
        Kind::Resolution.key(&about)
    }

    pub(crate) fn of(about: &[u8]) -> Option<(ChannelKeysId, ResolutionRow)> {
        let (channel, rest) = about.split_first_chunk::<32>()?;
        let (row, rest) = rest.split_first()?;
        let row = match row {
            0 if rest.is_empty() => ResolutionRow::Head,
            1 => {
                let mut reader = Reader::new(rest);
                ResolutionRow::Output(get_outpoint(&mut reader).ok().filter(|_| reader.is_empty())?)
            }
            2 => ResolutionRow::Claim(ClaimId(u64::from_be_bytes(rest.try_into().ok()?))),
            _ => return None,
        };
        Some((ChannelKeysId(*channel), row))
    }
}

/// Adds the rows that differ between two values of a resolution.
pub(crate) fn diff_resolution(
    keys: &ChannelKeysId,
    old: Option<&Resolution>,
    new: Option<&Resolution>,
    out: &mut BTreeMap<Key, Option<Vec<u8>>>,
) {
    let head = |r: Option<&Resolution>| r.map(encode_head);
    let mut set = |row: ResolutionRow, value: Option<Vec<u8>>| {
        out.insert(row.key(keys), value);
    };
    let (before, now) = (head(old), head(new));
    if before != now {
        set(ResolutionRow::Head, now);
    }
    let (outputs, claims) = (BTreeMap::new(), BTreeMap::new());
    let (o, n) = (old.map_or(&outputs, |r| &r.outputs), new.map_or(&outputs, |r| &r.outputs));
    for (outpoint, tracked) in n.iter().filter(|(outpoint, tracked)| o.get(*outpoint) != Some(*tracked)) {
        set(ResolutionRow::Output(*outpoint), Some(encode_output(tracked)));
    }
    for outpoint in o.keys().filter(|outpoint| !n.contains_key(*outpoint)) {
        set(ResolutionRow::Output(*outpoint), None);
    }
    let (o, n) = (old.map_or(&claims, |r| &r.claims), new.map_or(&claims, |r| &r.claims));
    for (id, claim) in n.iter().filter(|(id, claim)| o.get(*id) != Some(*claim)) {
        set(ResolutionRow::Claim(*id), Some(encode_claim(claim)));
    }
    for id in o.keys().filter(|id| !n.contains_key(*id)) {
        set(ResolutionRow::Claim(*id), None);
    }
}

/// The rows of one resolution, as they are read.
#[derive(Default)]
pub(crate) struct ResolutionRows {
    head: Option<Resolution>,
    outputs: BTreeMap<OutPoint, Tracked>,
    claims: BTreeMap<ClaimId, Claim>,
}

impl ResolutionRows {
    pub(crate) fn add(
        &mut self,
        keys: &ChannelKeysId,
        row: ResolutionRow,
        value: &[u8],
    ) -> Result<(), Unreadable> {
        match row {
            ResolutionRow::Head => self.head = Some(decode_head(keys, value)?),
            ResolutionRow::Output(outpoint) => {
                self.outputs.insert(outpoint, decode_output(value)?);
            }
            ResolutionRow::Claim(id) => {
                self.claims.insert(id, decode_claim(value)?);
            }
        }
        Ok(())
    }

    pub(crate) fn restore(self) -> Result<Resolution, Unreadable> {
        let head = self.head.ok_or(Unreadable::NoRow)?;
        Ok(Resolution { outputs: self.outputs, claims: self.claims, ..head })
    }
}

fn encode_head(r: &Resolution) -> Vec<u8> {
    let out = Out::new()
        .field(0, |out| out.push(u8::from(r.format == CommitmentFormat::Anchors)))
        .value(2, &r.capacity)
        .some(4, r.script.as_ref())
        .value(6, &r.next_claim.0)
        .field(8, |out| r.told.iter().for_each(|id| id.write(out)))
        .value(10, &u8::from(r.short_of_coins));
    let out = match &r.close {
        None => out,
        Some(close) => out
            .bytes(12, &tx_bytes(&close.tx))
            .value(14, &close.height)
            .field(16, |out| put_spender(&close.spender, out))
            .some(18, close.delayed.as_ref())
            .value(20, &u8::from(close.has_rows)),
    };
    let out = match &r.left {
        None => out,
        Some(left) => out
            .bytes(22, &tx_bytes(&left.tx))
            .field(24, |out| put_spender(&left.spender, out))
            .value(26, &left.since),
    };
    match &r.seen {
        None => out.finish(),
        Some(tx) => out.bytes(28, &tx_bytes(tx)).finish(),
    }
}

fn decode_head(keys: &ChannelKeysId, bytes: &[u8]) -> Result<Resolution, Unreadable> {
    let mut r = In::new(bytes)?;
    let anchors = r.value::<u8>(0)? != 0;
    let (capacity, script, next_claim) = (r.value(2)?, r.some::<ScriptBuf>(4)?, ClaimId(r.value(6)?));
    let told: Vec<HtlcId> = r.field(8, |r| get_all(r, |r| r.read()))?;
    let short_of_coins = r.value::<u8>(10)? != 0;
    let close = match r.some_bytes(12) {
        None => None,
        Some(tx) => Some(Close {
            tx: arc_tx_of(12, tx)?,
            height: r.value(14)?,
            spender: r.field(16, get_spender)?,
            delayed: r.some(18)?,
            has_rows: r.value::<u8>(20)? != 0,
        }),
    };
    let left = match r.some_bytes(22) {
        None => None,
        Some(tx) => {
            Some(Left { tx: arc_tx_of(22, tx)?, spender: r.field(24, get_spender)?, since: r.value(26)? })
        }
    };
    let seen = r.some_bytes(28).map(|tx| arc_tx_of(28, tx)).transpose()?;
    r.finish()?;
    Ok(Resolution {
        keys: *keys,
        format: if anchors { CommitmentFormat::Anchors } else { CommitmentFormat::StaticRemotekey },
        capacity,
        script,
        close,
        left,
        seen,
        outputs: BTreeMap::new(),
        claims: BTreeMap::new(),
        next_claim,
        told: told.into_iter().collect::<BTreeSet<_>>(),
        short_of_coins,
    })
}

fn put_spender(spender: &Spender, out: &mut Vec<u8>) {
    match spender {
        Spender::Cooperative => out.push(0),
        Spender::Ours { number } => {
            out.push(1);
            number.write(out);
        }
        Spender::Theirs { number, point } => {
            out.push(2);
            number.write(out);
            point.write(out);
        }
        Spender::Revoked { number, secret } => {
            out.push(3);
            number.write(out);
            out.extend(secret);
        }
        Spender::Future { number } => {
            out.push(4);
            number.write(out);
        }
        Spender::Unknown => out.push(5),
    }
}

fn get_spender(r: &mut Reader<'_>) -> Result<Spender, ValueError> {
    Ok(match r.read::<u8>()? {
        0 => Spender::Cooperative,
        1 => Spender::Ours { number: r.read()? },
        2 => Spender::Theirs { number: r.read()?, point: r.read()? },
        3 => Spender::Revoked { number: r.read()?, secret: r.array()? },
        4 => Spender::Future { number: r.read()? },
        _ => Spender::Unknown,
    })
}

fn encode_output(t: &Tracked) -> Vec<u8> {
    let out = Out::new()
        .field(0, |out| {
            Sat::from(t.output.value).write(out);
            t.output.script_pubkey.write(out);
        })
        .some(2, t.witness_script.as_ref())
        .field(4, |out| put_role(&t.role, out))
        .value(6, &t.since)
        .some(8, t.confirmed.as_ref());
    let out = match &t.spent {
        None => out,
        Some(spent) => out.field(10, |out| {
            spent.txid.write(out);
            spent.height.write(out);
            out.push(u8::from(spent.by_us));
        }),
    };
    out.value(12, &u8::from(t.alone)).value(14, &t.paid).finish()
}

fn decode_output(bytes: &[u8]) -> Result<Tracked, Unreadable> {
    let mut r = In::new(bytes)?;
    let output = |r: &mut Reader<'_>| {
        Ok(TxOut { value: r.read::<Sat>()?.into(), script_pubkey: r.read::<ScriptBuf>()? })
    };
    let spent =
        |r: &mut Reader<'_>| Ok(Spent { txid: r.read()?, height: r.read()?, by_us: r.read::<u8>()? != 0 });
    let tracked = Tracked {
        output: r.field(0, output)?,
        witness_script: r.some(2)?,
        role: r.field(4, get_role)?.ok_or(Unreadable::Senseless("an output of no known role"))?,
        since: r.value(6)?,
        confirmed: r.some(8)?,
        spent: r.some_field(10, spent)?,
        alone: r.value::<u8>(12)? != 0,
        paid: r.value(14)?,
    };
    r.finish()?;
    Ok(tracked)
}

fn put_htlc(htlc: &CommittedHtlc, out: &mut Vec<u8>) {
    put_side(htlc.offered_by, out);
    htlc.id.write(out);
    htlc.amount.write(out);
    htlc.payment_hash.write(out);
    htlc.cltv_expiry.write(out);
}

fn get_htlc(r: &mut Reader<'_>) -> Result<CommittedHtlc, ValueError> {
    Ok(CommittedHtlc {
        offered_by: get_side(r)?,
        id: r.read()?,
        amount: r.read()?,
        payment_hash: r.read()?,
        cltv_expiry: r.read()?,
    })
}

fn put_role(role: &Role, out: &mut Vec<u8>) {
    match role {
        Role::Delayed { number, delay } => {
            out.push(0);
            number.write(out);
            delay.write(out);
        }
        Role::ToRemote => out.push(1),
        Role::Anchor { parent: None } => out.push(2),
        Role::Anchor { parent: Some(parent) } => {
            out.push(3);
            put_side(parent.owner, out);
            parent.fee.write(out);
            parent.weight.write(out);
            parent.at_stake.write(out);
            parent.balance.write(out);
            put_some(parent.deadline.as_ref(), out);
        }
        Role::OurHtlc { htlc, number, remote_signature, second_stage, preimage, upstream_expiry } => {
            out.push(4);
            put_htlc(htlc, out);
            number.write(out);
            remote_signature.write(out);
            second_stage.write(out);
            put_some(preimage.as_ref(), out);
            put_some(upstream_expiry.as_ref(), out);
        }
        Role::TheirHtlc { htlc, point, preimage, upstream_expiry } => {
            out.push(5);
            put_htlc(htlc, out);
            point.write(out);
            put_some(preimage.as_ref(), out);
            put_some(upstream_expiry.as_ref(), out);
        }
        Role::RevokedDelayed { secret, delay } => {
            out.push(6);
            out.extend(secret);
            delay.write(out);
        }
        Role::RevokedHtlc { htlc, secret, delay } => {
            out.push(7);
            put_htlc(htlc, out);
            out.extend(secret);
            delay.write(out);
        }
        Role::Foreign => out.push(8),
    }
}

fn get_role(r: &mut Reader<'_>) -> Result<Option<Role>, ValueError> {
    Ok(Some(match r.read::<u8>()? {
        0 => Role::Delayed { number: r.read()?, delay: r.read()? },
        1 => Role::ToRemote,
        2 => Role::Anchor { parent: None },
        3 => Role::Anchor {
            parent: Some(Parent {
                owner: get_side(r)?,
                fee: r.read()?,
                weight: r.read()?,
                at_stake: r.read()?,
                balance: r.read()?,
                deadline: get_some(r)?,
            }),
        },
        4 => Role::OurHtlc {
            htlc: get_htlc(r)?,
            number: r.read()?,
            remote_signature: r.read()?,
            second_stage: r.read()?,
            preimage: get_some(r)?,
            upstream_expiry: get_some(r)?,
        },
        5 => Role::TheirHtlc {
            htlc: get_htlc(r)?,
            point: r.read()?,
            preimage: get_some(r)?,
            upstream_expiry: get_some(r)?,
        },
        6 => Role::RevokedDelayed { secret: r.array()?, delay: r.read()? },
        7 => Role::RevokedHtlc { htlc: get_htlc(r)?, secret: r.array()?, delay: r.read()? },
        8 => Role::Foreign,
        _ => return Ok(None),
    }))
}

fn encode_claim(claim: &Claim) -> Vec<u8> {
    Out::new()
        .field(0, |out| claim.inputs.iter().for_each(|outpoint| put_outpoint(outpoint, out)))
        .field(2, |out| claim.coins.iter().for_each(|coin| put_wallet_input(coin, out)))
        .bytes(4, &tx_bytes(&claim.tx))
        .value(6, &claim.fee)
        .value(8, &claim.feerate)
        .value(10, &claim.weight)
        .value(12, &claim.made)
        .some(14, claim.deadline.as_ref())
        .finish()
}

fn decode_claim(bytes: &[u8]) -> Result<Claim, Unreadable> {
    let mut r = In::new(bytes)?;
    let claim = Claim {
        inputs: r.field(0, |r| get_all(r, get_outpoint))?,
        coins: r.field(2, |r| get_all(r, get_wallet_input))?,
        tx: arc_tx_of(4, r.bytes(4)?)?,
        fee: r.value(6)?,
        feerate: r.value(8)?,
        weight: r.value(10)?,
        made: r.value(12)?,
        deadline: r.some(14)?,
    };
    r.finish()?;
    Ok(claim)
}
