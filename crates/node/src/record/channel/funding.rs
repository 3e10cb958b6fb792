//! The funding output and what was seen of it.

use super::super::codec::{In, Out, Unreadable};
use super::super::parts::{arc_tx_of, get_outpoint, put_outpoint, tx_bytes};
use astrape_channel::Params;
use astrape_channel::funding::{Confirmation, Funding, Spend};
use astrape_transactions::{FundingTerms, PartyTerms};
use std::sync::Arc;

pub(super) fn encode(funding: &Funding) -> Vec<u8> {
    Out::new()
        .field(0, |out| put_outpoint(&funding.terms.outpoint, out))
        .value(2, &funding.terms.capacity)
        .some_bytes(4, funding.tx.as_ref().map(|tx| tx_bytes(tx)).as_deref())
        .some_bytes(
            6,
            funding.confirmed.map(|c| [c.height.0.to_be_bytes(), c.index.to_be_bytes()].concat()).as_deref(),
        )
        .some(8, funding.spent.as_ref().map(|s| s.height).as_ref())
        .some_bytes(10, funding.spent.as_ref().map(|s| tx_bytes(&s.tx)).as_deref())
        .finish()
}

/// The rest of the terms is what was agreed on.
pub(super) fn decode(bytes: &[u8], params: &Params) -> Result<Funding, Unreadable> {
    let mut r = In::new(bytes)?;
    let terms = FundingTerms {
        format: params.format,
        outpoint: r.field(0, get_outpoint)?,
        capacity: r.value(2)?,
        opener: params.opener,
        // The delay of a side's outputs is what the other side asked for.
        local: PartyTerms {
            basepoints: params.local.basepoints,
            dust_limit: params.local.dust_limit,
            to_self_delay: params.remote.to_self_delay,
        },
        remote: PartyTerms {
            basepoints: params.remote.basepoints,
            dust_limit: params.remote.dust_limit,
            to_self_delay: params.local.to_self_delay,
        },
    };
    let tx = r.some_bytes(4).map(|bytes| arc_tx_of(4, bytes)).transpose()?;
    let confirmed = r.some_field(6, |r| Ok(Confirmation { height: r.read()?, index: r.read()? }))?;
    let spent_at = r.some(8)?;
    let spent_by = r.some_bytes(10).map(|bytes| arc_tx_of(10, bytes)).transpose()?;
    let spent = match (spent_at, spent_by) {
        (Some(height), Some(tx)) => Some(Spend { tx, height }),
        (None, None) => None,
        _ => return Err(Unreadable::Senseless("half of a spend")),
    };
    r.finish()?;
    Ok(Funding { terms: Arc::new(terms), tx, confirmed, spent })
}
