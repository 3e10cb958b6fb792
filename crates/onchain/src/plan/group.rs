//! What is claimed together. Never what is contested or could be pinned with what is safe, and never two deadlines in one.

use crate::tracked::{Role, Tracked};
use astrape_primitives::{CltvExpiry, Height, Side};
use astrape_transactions::CommitmentFormat;
use bitcoin::OutPoint;
use std::collections::BTreeMap;

/// Most outputs of one claim that the peer can contest: a conflict then costs little to mend, and replacing it stays cheap.
pub(crate) const MAX_CONTESTED_INPUTS: usize = 50;

/// Most outputs of one claim that are safe: 250 weigh a quarter of what nodes relay.
pub(crate) const MAX_SAFE_INPUTS: usize = 250;

/// What a claim is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// The child of a commitment that waits for its fee.
    Child(OutPoint),
    /// An HTLC transaction that is as both have signed it: `static_remotekey`.
    Presigned(OutPoint),
    /// HTLC transactions of our commitment with one expiry, with coins of the wallet for their fee.
    SecondStage(Side, CltvExpiry),
    /// HTLCs of the peer's commitment with one expiry.
    Htlcs(Side, CltvExpiry),
    /// HTLCs of a revoked commitment: the peer can spend them under our hands.
    RevokedHtlcs,
    /// Delayed outputs of a revoked commitment, by the block from which on the peer can take them.
    RevokedDelayed(Height),
    /// What nobody can take from us.
    Safe,
    /// One that somebody contested.
    Alone(OutPoint),
}

impl Group {
    /// The group of an output.
    pub(crate) fn of(outpoint: OutPoint, tracked: &Tracked, format: CommitmentFormat) -> Option<Group> {
        Some(match &tracked.role {
            Role::Foreign => return None,
            Role::Anchor { parent: Some(_) } => Group::Child(outpoint),
            Role::OurHtlc { .. } if format == CommitmentFormat::StaticRemotekey => Group::Presigned(outpoint),
            _ if tracked.alone => Group::Alone(outpoint),
            Role::OurHtlc { htlc, .. } => Group::SecondStage(htlc.offered_by, htlc.cltv_expiry),
            Role::TheirHtlc { htlc, .. } => Group::Htlcs(htlc.offered_by, htlc.cltv_expiry),
            Role::RevokedHtlc { .. } => Group::RevokedHtlcs,
            Role::RevokedDelayed { .. } => Group::RevokedDelayed(tracked.deadline().unwrap_or_default()),
            Role::Delayed { .. } | Role::ToRemote | Role::Anchor { parent: None } => Group::Safe,
        })
    }

    const fn most(self) -> usize {
        match self {
            Group::Safe | Group::RevokedDelayed(_) => MAX_SAFE_INPUTS,
            _ => MAX_CONTESTED_INPUTS,
        }
    }
}

/// Puts outputs into groups of bounded size.
pub(crate) fn group<'a>(
    outputs: impl Iterator<Item = (&'a OutPoint, &'a Tracked)>,
    format: CommitmentFormat,
) -> Vec<(Group, Vec<OutPoint>)> {
    let mut groups: BTreeMap<Group, Vec<OutPoint>> = BTreeMap::new();
    for (outpoint, tracked) in outputs {
        if let Some(group) = Group::of(*outpoint, tracked, format) {
            groups.entry(group).or_default().push(*outpoint);
        }
    }
    let split = |(group, all): (Group, Vec<OutPoint>)| -> Vec<(Group, Vec<OutPoint>)> {
        all.chunks(group.most()).map(|chunk| (group, chunk.to_vec())).collect()
    };
    groups.into_iter().flat_map(split).collect()
}
