//! Justice is possible for every state that was ever signed: from the journal alone comes, for each revoked commitment of a
//! peer, its secret and each of its HTLCs. The list of what was signed is the world's own.

use crate::check::closes::has_ended;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_channel::htlc::Standing;
use astrape_channel::{Open, Outgoing, Signing};
use astrape_node::{Effect, Journal as _, Speech};
use astrape_primitives::{ChannelKeysId, CltvExpiry, CommitmentNumber, HtlcId, Msat, PaymentHash, Side};
use astrape_transactions::{CommitmentContent, per_commitment_point};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An HTLC as justice needs it.
type Row = (Side, HtlcId, Msat, PaymentHash, CltvExpiry);

/// Every remote commitment that a commit has bound a node to, by node and channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signed {
    contents: BTreeMap<(usize, ChannelKeysId), BTreeMap<CommitmentNumber, Arc<CommitmentContent>>>,
    /// Secrets that were seen to be those of their commitments: the same bytes need no second look.
    secrets: BTreeSet<(usize, ChannelKeysId, CommitmentNumber, [u8; 32])>,
}

impl Signed {
    /// What a commit binds to, sent or not. Of one number there is one content.
    pub(super) fn record(&mut self, node: usize, effects: &[Effect]) -> Result<(), Violation> {
        for effect in effects {
            let Effect::Send { speech: Speech::Channel(Outgoing::Sign(signing)), .. } = effect else {
                continue;
            };
            let (Signing::CommitmentSigned { request, .. } | Signing::FundingSigned { request, .. }) =
                signing
            else {
                continue;
            };
            let of_channel = self.contents.entry((node, request.keys)).or_default();
            let content =
                of_channel.entry(request.content.number).or_insert_with(|| Arc::new(request.content.clone()));
            ensure(same(content, &request.content), Checker::Justice, || {
                format!("node {node} signs two commitments {} of one channel", request.content.number)
            })?;
        }
        Ok(())
    }

    /// Whether a commitment was signed in an earlier commit.
    pub(super) fn has(&self, node: usize, keys: &ChannelKeysId, number: CommitmentNumber) -> bool {
        self.contents.get(&(node, *keys)).is_some_and(|contents| contents.contains_key(&number))
    }
}

fn same(a: &CommitmentContent, b: &CommitmentContent) -> bool {
    rows(a) == rows(b)
        && (a.per_commitment_point, a.feerate, a.local_balance, a.remote_balance)
            == (b.per_commitment_point, b.feerate, b.local_balance, b.remote_balance)
}

fn rows(content: &CommitmentContent) -> Vec<Row> {
    let row = |h: &astrape_transactions::CommittedHtlc| {
        (h.offered_by, h.id, h.amount, h.payment_hash, h.cltv_expiry)
    };
    let mut rows: Vec<Row> = content.htlcs.iter().map(row).collect();
    rows.sort();
    rows
}

/// When a process has just started: its state is the journal's.
pub(crate) fn after_restart(world: &mut World, node: usize) -> Result<(), Violation> {
    let seen = check(world, node)?;
    world.checks.signed.secrets.extend(seen);
    Ok(())
}

/// A secret that is the one of its commitment.
type Seen = (usize, ChannelKeysId, CommitmentNumber, [u8; 32]);

/// All channels of a node.
pub(super) fn check(world: &World, node: usize) -> Result<Vec<Seen>, Violation> {
    let mut seen = Vec::new();
    if world.late == Some(node) {
        return Ok(seen);
    }
    let Some(process) = world.process(node) else { return Ok(seen) };
    for ((_, keys), contents) in world.checks.signed.contents.iter().filter(|((n, _), _)| *n == node) {
        let Some(open) = process.node.channel(keys).and_then(|c| c.open()) else {
            ensure(has_ended(&world.machines[node], keys), Checker::Justice, || {
                format!("node {node} has signed for channel {keys} and does not know it")
            })?;
            continue;
        };
        for (number, content) in contents {
            seen.extend(revoked(world, node, keys, open, *number, content)?);
            htlcs(world, node, keys, open, *number, content)?;
        }
    }
    Ok(seen)
}

/// The secret of a commitment that is revoked; what was not seen before is returned.
fn revoked(
    world: &World,
    node: usize,
    keys: &ChannelKeysId,
    open: &Open,
    number: CommitmentNumber,
    content: &CommitmentContent,
) -> Result<Option<Seen>, Violation> {
    ensure(number <= open.remote.number, Checker::Justice, || {
        let newest = open.remote.number;
        format!("node {node}, channel {keys}: {number} was signed, and the journal knows only {newest}")
    })?;
    if number >= open.remote.acked() {
        return Ok(None);
    }
    let seen = open.remote.secrets.get(number).map(|secret| (node, *keys, number, secret));
    if seen.is_some_and(|seen| world.checks.signed.secrets.contains(&seen)) {
        return Ok(None);
    }
    let point = seen.and_then(|(_, _, _, secret)| per_commitment_point(&world.secp, &secret));
    ensure(point == Some(content.per_commitment_point), Checker::Justice, || {
        format!("node {node}, channel {keys}: {number} is revoked, and its secret is not there")
    })?;
    Ok(seen)
}

/// The HTLCs of a commitment, of those that live and those that are archived.
fn htlcs(
    world: &World,
    node: usize,
    keys: &ChannelKeysId,
    open: &Open,
    number: CommitmentNumber,
    content: &CommitmentContent,
) -> Result<(), Violation> {
    let mut known = live(open, number);
    let retired = world.machines[node].disk.retired_htlcs(keys, number).unwrap_or_default();
    known.extend(retired.iter().map(|h| (h.offered_by, h.id, h.amount, h.payment_hash, h.cltv_expiry)));
    known.sort();
    let signed = rows(content);
    ensure(known == signed, Checker::Justice, || {
        format!("node {node}, channel {keys}: {number} was signed with {signed:?}, the journal has {known:?}")
    })
}

/// The HTLCs of a commitment of the peer that have a live row.
fn live(open: &Open, number: CommitmentNumber) -> Vec<Row> {
    let stands = |h: &&Arc<astrape_channel::Htlc>| h.standing(Side::Remote, number) == Standing::Pending;
    open.htlcs
        .values()
        .filter(stands)
        .map(|h| (h.offered_by, h.id, h.amount, h.payment_hash, h.cltv_expiry))
        .collect()
}
