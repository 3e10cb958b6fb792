//! What changes with every payment: the phase, the balances, the ids, the fees.

use super::super::codec::{In, Out, Unreadable};
use super::super::parts::{get_all, get_numbers, put_numbers, tx_bytes, tx_of};
use astrape_channel::fee::{FeeChange, Fees};
use astrape_channel::{Balances, Channel, How, Open, Phase, Readiness, Shutdown};
use astrape_primitives::{FeeratePerKw, HtlcId};
use astrape_transactions::signing::ClosingRequest;
use astrape_wire::codec::Field as _;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{Transaction, Txid};
use std::sync::Arc;

/// The head of a channel.
#[derive(Clone, PartialEq)]
pub(super) struct Head {
    pub(super) phase: PhaseTag,
    pub(super) body: Option<Body>,
}

#[derive(Clone, PartialEq)]
pub(super) enum PhaseTag {
    Open,
    Closing(HowRow),
    Closed(Txid),
}

/// How a channel ends, without the terms of the funding, which has a row of its own.
#[derive(Clone, PartialEq)]
pub(super) enum HowRow {
    Cooperative { tx: Transaction, remote_signature: Signature },
    OurCommitment { reason: String },
    AwaitPeersCommitment { reason: String },
    Spent,
}

impl HowRow {
    fn of(how: &How) -> Self {
        match how {
            How::Cooperative { request, remote_signature } => {
                HowRow::Cooperative { tx: request.tx.clone(), remote_signature: *remote_signature }
            }
            How::OurCommitment { reason } => HowRow::OurCommitment { reason: reason.clone() },
            How::AwaitPeersCommitment { reason } => HowRow::AwaitPeersCommitment { reason: reason.clone() },
            How::Spent => HowRow::Spent,
        }
    }

    /// With what the other rows hold.
    pub(super) fn with(self, open: &Open) -> How {
        match self {
            HowRow::Cooperative { tx, remote_signature } => {
                let terms = Arc::clone(&open.funding.terms);
                let request = Box::new(ClosingRequest { keys: open.params.keys, terms, tx });
                How::Cooperative { request, remote_signature }
            }
            HowRow::OurCommitment { reason } => How::OurCommitment { reason },
            HowRow::AwaitPeersCommitment { reason } => How::AwaitPeersCommitment { reason },
            HowRow::Spent => How::Spent,
        }
    }
}

#[derive(Clone, PartialEq)]
pub(super) struct Body {
    pub(super) balances: Balances,
    pub(super) fees: Fees,
    pub(super) next_local_id: HtlcId,
    pub(super) next_remote_id: HtlcId,
    pub(super) waiting_feerate: Option<FeeratePerKw>,
    pub(super) readiness: Readiness,
    pub(super) shutdown: Shutdown,
}

impl Body {
    fn of(open: &Open) -> Self {
        Self {
            balances: open.balances,
            fees: open.fees.clone(),
            next_local_id: open.next_local_id,
            next_remote_id: open.next_remote_id,
            waiting_feerate: open.waiting_feerate,
            readiness: open.readiness.clone(),
            shutdown: open.shutdown.clone(),
        }
    }
}

impl Head {
    pub(super) fn of(channel: &Channel) -> Option<Self> {
        Some(match &channel.phase {
            Phase::Opening(_) => return None,
            Phase::Open(open) => Self { phase: PhaseTag::Open, body: Some(Body::of(open)) },
            Phase::Closing(c) => {
                Self { phase: PhaseTag::Closing(HowRow::of(&c.how)), body: Some(Body::of(&c.open)) }
            }
            Phase::Closed(closed) => Self { phase: PhaseTag::Closed(closed.txid), body: None },
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let out = match &self.phase {
            PhaseTag::Open => Out::new().field(0, |out| out.push(1)),
            PhaseTag::Closing(how) => put_how(Out::new().field(0, |out| out.push(2)), how),
            PhaseTag::Closed(txid) => Out::new().field(0, |out| out.push(3)).value(2, txid),
        };
        let Some(body) = &self.body else {
            return out.finish();
        };
        out.field(20, |out| {
            body.balances.local.write(out);
            body.balances.remote.write(out);
        })
        .field(22, |out| {
            body.next_local_id.write(out);
            body.next_remote_id.write(out);
        })
        .field(24, |out| body.fees.changes().iter().for_each(|change| put_change(change, out)))
        .some(26, body.waiting_feerate.as_ref())
        .field(28, |out| out.extend([u8::from(body.readiness.sent), u8::from(body.readiness.received)]))
        .some(30, body.readiness.remote_alias.as_ref())
        .field(32, |out| out.push(u8::from(body.shutdown.by_us)))
        .some(34, body.shutdown.local.as_ref())
        .some(36, body.shutdown.remote.as_ref())
        .some(37, body.shutdown.late_from.as_ref())
        .some(39, Some(&1_u8).filter(|_| body.shutdown.fees_apart))
        .finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let phase = match r.value::<u8>(0)? {
            1 => PhaseTag::Open,
            2 => PhaseTag::Closing(get_how(&mut r)?),
            3 => PhaseTag::Closed(r.value(2)?),
            _ => return Err(Unreadable::Senseless("an unknown phase")),
        };
        let body = match phase {
            PhaseTag::Closed(_) => None,
            _ => Some(get_body(&mut r)?),
        };
        r.finish()?;
        Ok(Self { phase, body })
    }
}

fn get_body(r: &mut In<'_>) -> Result<Body, Unreadable> {
    let balances = r.field(20, |r| Ok(Balances { local: r.read()?, remote: r.read()? }))?;
    let (next_local_id, next_remote_id) = r.field(22, |r| Ok((r.read()?, r.read()?)))?;
    let changes =
        r.field(24, |r| get_all(r, |r| Ok(FeeChange { feerate: r.read()?, from: get_numbers(r)? })))?;
    let fees = Fees::from_changes(changes)
        .ok_or(Unreadable::Senseless("feerates that do not begin or do not end"))?;
    let waiting_feerate = r.some(26)?;
    let ready: [u8; 2] = r.field(28, |r| r.array())?;
    let readiness = Readiness { sent: ready[0] != 0, received: ready[1] != 0, remote_alias: r.some(30)? };
    let by_us = r.value::<u8>(32)? != 0;
    let shutdown = Shutdown {
        by_us,
        local: r.some(34)?,
        remote: r.some(36)?,
        late_from: r.some(37)?,
        fees_apart: r.some::<u8>(39)?.is_some(),
    };
    Ok(Body { balances, fees, next_local_id, next_remote_id, waiting_feerate, readiness, shutdown })
}

fn put_change(change: &FeeChange, out: &mut Vec<u8>) {
    change.feerate.write(out);
    put_numbers(&change.from, out);
}

fn put_how(out: Out, how: &HowRow) -> Out {
    match how {
        HowRow::Cooperative { tx, remote_signature } => {
            out.field(4, |out| out.push(1)).bytes(6, &tx_bytes(tx)).value(8, remote_signature)
        }
        HowRow::OurCommitment { reason } => out.field(4, |out| out.push(2)).bytes(10, reason.as_bytes()),
        HowRow::AwaitPeersCommitment { reason } => {
            out.field(4, |out| out.push(3)).bytes(10, reason.as_bytes())
        }
        HowRow::Spent => out.field(4, |out| out.push(4)),
    }
}

fn get_how(r: &mut In<'_>) -> Result<HowRow, Unreadable> {
    Ok(match r.value::<u8>(4)? {
        1 => HowRow::Cooperative { tx: tx_of(6, r.bytes(6)?)?, remote_signature: r.value(8)? },
        2 => HowRow::OurCommitment { reason: r.text(10)? },
        3 => HowRow::AwaitPeersCommitment { reason: r.text(10)? },
        4 => HowRow::Spent,
        _ => return Err(Unreadable::Senseless("an unknown way to close")),
    })
}
