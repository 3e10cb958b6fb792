//! The outputs of a close, in words.

use super::secs_until;
use astrape_api::v1::CloseOutput;
use astrape_onchain::{Claim, Resolution, Role, Tracked};
use astrape_primitives::{Height, Side};
use bitcoin::OutPoint;

/// The outputs that are followed, the first to be due first.
pub(super) fn outputs(resolution: &Resolution, tip: Height) -> Vec<CloseOutput> {
    let mut all: Vec<(&OutPoint, &Tracked)> = resolution.outputs.iter().collect();
    all.sort_by_key(|(outpoint, tracked)| (tracked.spent.is_some(), tracked.deadline(), **outpoint));
    all.into_iter().map(|(outpoint, tracked)| output(resolution, outpoint, tracked, tip)).collect()
}

/// When the last of what is pending can be spent: the tip from which on a transaction may enter the next block.
pub(in crate::service) fn last_spendable(resolution: &Resolution) -> Option<Height> {
    let open = resolution.outputs.values().filter(|t| t.spent.is_none() && !is_minor(&t.role));
    open.filter_map(|tracked| tracked.claimable_from(resolution.format)).max()
}

const fn is_minor(role: &Role) -> bool {
    matches!(role, Role::Anchor { .. } | Role::Foreign)
}

fn output(resolution: &Resolution, outpoint: &OutPoint, tracked: &Tracked, tip: Height) -> CloseOutput {
    let from = tracked.claimable_from(resolution.format).filter(|_| tracked.spent.is_none());
    let claim = resolution.claims.values().find(|claim| claim.inputs.contains(outpoint));
    let claim_txid = match tracked.spent {
        Some(spent) => Some(spent.txid),
        None => claim.map(Claim::txid),
    };
    let of_claim = claim.filter(|claim| Some(claim.txid()) == claim_txid);
    CloseOutput {
        outpoint: outpoint.to_string(),
        what: what(tracked),
        amount_sat: tracked.value().0,
        status: status(tracked, claim, from, tip),
        spent: tracked.spent.is_some(),
        spendable_height: from.map(|height| height.0),
        spendable_in_secs: from.map(|height| secs_until(height, tip)),
        deadline: tracked.deadline().filter(|_| tracked.spent.is_none()).map(|height| height.0),
        claim_txid: claim_txid.map(|txid| txid.to_string()),
        claim_fee_sat: of_claim.map(|claim| claim.fee.0),
    }
}

fn what(tracked: &Tracked) -> String {
    match &tracked.role {
        Role::Delayed { delay, .. } => format!("ours, after a delay of {delay} blocks"),
        Role::ToRemote => "our balance".to_owned(),
        Role::Anchor { parent: Some(_) } => "our anchor, to bring the commitment into a block".to_owned(),
        Role::Anchor { parent: None } => "our anchor".to_owned(),
        Role::OurHtlc { htlc, preimage, .. } | Role::TheirHtlc { htlc, preimage, .. } => {
            let expiry = htlc.cltv_expiry;
            match (htlc.offered_by, preimage) {
                (Side::Local, _) => {
                    format!("payment to the peer, ours again from block {expiry} on unless it is claimed")
                }
                (Side::Remote, Some(_)) => {
                    format!("payment from the peer, ours with its preimage until block {expiry}")
                }
                (Side::Remote, None) => {
                    format!(
                        "payment from the peer, whose preimage is not known: the peer's from block {expiry} on"
                    )
                }
            }
        }
        Role::RevokedDelayed { .. } => "the peer's balance, forfeited".to_owned(),
        Role::RevokedHtlc { .. } => "payment in a revoked state, forfeited".to_owned(),
        Role::Foreign => "not ours; watched for a preimage".to_owned(),
    }
}

fn status(tracked: &Tracked, claim: Option<&Claim>, from: Option<Height>, tip: Height) -> String {
    if let Some(spent) = tracked.spent {
        let (at, confirmations) = (spent.height, spent.height.confirmations_at(tip));
        let whose = if spent.by_us { "claimed by us" } else { "taken by the peer" };
        return format!("{whose} in block {at}, {confirmations} deep");
    }
    match (claim, from) {
        (Some(claim), _) => {
            let due = claim.deadline.map_or_else(String::new, |height| format!(", due by block {height}"));
            format!("being claimed for a fee of {}{due}", claim.fee)
        }
        (None, Some(from)) if from > tip => format!("waits for block {from}"),
        (None, Some(_)) if is_minor(&tracked.role) => "not worth a transaction of its own".to_owned(),
        (None, Some(_)) => "to be claimed when its fee is worth it".to_owned(),
        (None, None) => "nothing for us to do".to_owned(),
    }
}
