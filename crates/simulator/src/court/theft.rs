//! Theft: a revoked commitment, and HTLC transactions upon it, alone or several in one.

use super::lie::Lie;
use super::rewrite;
use crate::prototype::prototype;
use crate::totals::Seen;
use crate::violation::Violation;
use crate::world::World;
use astrape_channel::Open;
use astrape_primitives::{ChannelKeysId, CommitmentNumber, PaymentHash, PaymentPreimage};
use astrape_regtest::RegtestChain;
use astrape_transactions::signing::{
    ClaimInput, ClaimRequest, LocalCommitmentRequest, Signer as _, Spend, SpendPath,
};
use astrape_transactions::{Commitment, CommitmentFormat, HtlcDirection, HtlcTransaction};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{Transaction, Txid};
use rand::Rng as _;
use std::collections::BTreeMap;

/// A commitment of the keeper, with all that it takes to broadcast it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) node: usize,
    pub(crate) keys: ChannelKeysId,
    pub(crate) number: CommitmentNumber,
    pub(super) request: LocalCommitmentRequest,
    htlc_signatures: Vec<Signature>,
}

impl Kept {
    fn of(node: usize, keys: ChannelKeysId, open: &Open) -> Self {
        Self {
            node,
            keys,
            number: open.local.number,
            request: open.local_request(),
            htlc_signatures: open.local.signatures.htlcs.clone(),
        }
    }

    /// How many HTLCs it has.
    pub(crate) fn htlcs(&self) -> usize {
        self.request.content.htlcs.len()
    }

    /// The transaction, signed by a signer that remembers nothing.
    pub(crate) fn sign(&self) -> Option<Transaction> {
        prototype().signers[self.node].clone().sign_local_commitment(&self.request).ok()
    }
}

impl World {
    /// The keeper keeps each of its commitments.
    pub(crate) fn keep(&mut self, node: usize) {
        if self.court.keeper != Some(node) {
            return;
        }
        let Some(process) = &self.machines[node].process else { return };
        for (keys, channel) in process.node.channels() {
            let Some(open) = channel.open() else { continue };
            let newest = self.court.kept.iter().rev().find(|k| k.keys == keys).map(|k| k.number);
            if newest.is_none_or(|newest| newest < open.local.number) {
                self.court.kept.push(Kept::of(node, keys, open));
            }
        }
    }

    /// An old commitment of a channel.
    pub(crate) fn old_state(&self, node: usize, keys: &ChannelKeysId) -> Option<&Kept> {
        self.court.kept.iter().find(|kept| kept.node == node && kept.keys == *keys)
    }
}

/// The keeper dies, and its owner broadcasts an old commitment of one of its channels.
pub(super) fn steal(world: &mut World) -> Result<(), Violation> {
    let old = stealable(world);
    let with_htlcs: Vec<Kept> = old.iter().filter(|k| !k.request.content.htlcs.is_empty()).cloned().collect();
    let old = if !with_htlcs.is_empty() && world.rng.gen_bool(0.7) { with_htlcs } else { old };
    if old.is_empty() {
        return Ok(());
    }
    let any = world.rng.gen_range(0..old.len());
    let fullest = old.iter().max_by_key(|kept| kept.htlcs()).filter(|_| world.rng.gen_bool(0.4));
    let kept = fullest.unwrap_or(&old[any]).clone();
    steal_with(world, kept);
    Ok(())
}

/// The commitments that the keeper can steal with.
pub(super) fn stealable(world: &World) -> Vec<Kept> {
    let Some(node) = world.court.keeper else { return Vec::new() };
    let Some(process) = &world.machines[node].process else { return Vec::new() };
    let is_old = |kept: &&Kept| {
        let open = process.node.channel(&kept.keys).and_then(|c| c.open());
        let withholds = world.court.lie == Some((node, Lie::Withholds));
        open.is_some_and(|o| {
            // Who withholds its revocation has two that are valid.
            let fits = if withholds { !is_revoked(world, kept) } else { kept.number < o.local.number };
            fits && world.chain.is_unspent(&o.funding.terms.outpoint)
        })
    };
    world.court.kept.iter().filter(is_old).cloned().collect()
}

/// The owner of a commitment dies and broadcasts it.
pub(super) fn steal_with(world: &mut World, kept: Kept) {
    let node = kept.node;
    world.court.thief = Some(node);
    world.leave(node);
    let Some(tx) = kept.sign() else { return };
    if is_revoked(world, &kept) {
        world.court.stolen.insert(tx.compute_txid());
        world.totals.court.saw(Seen::Theft);
    } else {
        world.totals.court.saw(Seen::Previous);
    }
    world.trace.say(|| format!("{} node {node} steals with commitment {}", world.now.0, kept.number));
    world.court.kept = vec![kept];
    if world.rng.gen_bool(0.5) {
        mine_with(world, &[tx]);
    } else if world.chain.submit(tx).is_ok() {
        world.mempool_is_another();
    }
}

/// The newest commitments of a node, before it goes.
pub(super) fn last_words(world: &World, node: usize) -> Vec<Kept> {
    let channels = world.process(node).into_iter().flat_map(|p| p.node.channels());
    channels.filter_map(|(keys, c)| Some(Kept::of(node, keys, c.open()?))).collect()
}

/// Whoever is gone went on chain before.
pub(super) fn say_last_words(world: &mut World, last: Vec<Kept>) {
    for kept in last {
        let Some(tx) = kept.sign().filter(|_| world.chain.is_unspent(&kept.request.terms.outpoint)) else {
            continue;
        };
        world.totals.court.saw(Seen::LastWords);
        if world.rng.gen_bool(0.5) {
            mine_with(world, &[tx]);
        } else if world.chain.submit(tx).is_ok() {
            world.mempool_is_another();
        }
    }
}

/// The same, in a block at once.
pub(super) fn mine_last_words(world: &mut World, last: &[Kept]) {
    let txs: Vec<Transaction> = last.iter().filter_map(Kept::sign).collect();
    mine_with(world, &txs);
}

/// Whether the peer of a channel has the secret of a commitment.
fn is_revoked(world: &World, kept: &Kept) -> bool {
    let outpoint = kept.request.terms.outpoint;
    (0..world.machines.len()).filter(|n| *n != kept.node).any(|node| {
        let channels = world.process(node).into_iter().flat_map(|p| p.node.channels());
        channels
            .filter_map(|(_, c)| c.open())
            .any(|o| o.funding.terms.outpoint == outpoint && o.remote.secrets.get(kept.number).is_some())
    })
}

/// The thief goes on: with HTLC transactions on its commitment, as soon as they are valid and nobody was quicker.
pub(super) fn go_on(world: &mut World) -> Result<(), Violation> {
    let Some((kept, mut loot)) = loot(world) else { return Ok(()) };
    loot.retain(|one| world.chain.is_unspent(&one.htlc.outpoint()));
    let is_batch = kept.request.terms.format == CommitmentFormat::Anchors && world.rng.gen_bool(0.5);
    for group in groups(loot, is_batch) {
        take(world, &kept, &group);
    }
    Ok(())
}

/// The commitment of the thief, and those of its HTLCs that it can take now, if no block has taken them.
pub(super) fn loot(world: &World) -> Option<(Kept, Vec<Loot>)> {
    let [kept] = &world.court.kept[..] else { return None };
    if world.court.thief != Some(kept.node) {
        return None;
    }
    let commitment = Commitment::build(&world.secp, &kept.request.terms, &kept.request.content).ok()?;
    if world.chain.confirmations(&commitment.txid()) == 0 {
        return None;
    }
    let known: BTreeMap<PaymentHash, PaymentPreimage> =
        world.users.deals.iter().map(|deal| (deal.payment_hash, deal.preimage)).collect();
    let mut loot: Vec<Loot> = Vec::new();
    for (htlc, signature) in commitment.htlcs().iter().zip(&kept.htlc_signatures) {
        let preimage = known.get(&htlc.htlc().payment_hash).copied();
        let has_preimage = htlc.direction() == HtlcDirection::Received;
        let is_expired = htlc.htlc().cltv_expiry.0 <= world.chain.tip().height.0;
        if if has_preimage { preimage.is_some() } else { is_expired } {
            loot.push(Loot {
                htlc: htlc.clone(),
                signature: *signature,
                preimage: preimage.filter(|_| has_preimage),
            });
        }
    }
    Some((kept.clone(), loot))
}

/// An HTLC that the thief can take.
pub(super) struct Loot {
    pub(super) htlc: HtlcTransaction,
    signature: Signature,
    preimage: Option<PaymentPreimage>,
}

impl Loot {
    /// The input that takes it.
    pub(super) fn input(&self, kept: &Kept) -> ClaimInput {
        ClaimInput {
            prevout: self.htlc.output(),
            spend: Spend::Channel {
                keys: kept.keys,
                witness_script: Some(self.htlc.witness_script().clone()),
                path: SpendPath::HtlcTransaction {
                    number: kept.number,
                    format: kept.request.terms.format,
                    remote_signature: self.signature,
                    preimage: self.preimage,
                },
            },
        }
    }
}

/// Those of one lock time together, or each alone.
fn groups(loot: Vec<Loot>, is_batch: bool) -> Vec<Vec<Loot>> {
    if !is_batch {
        return loot.into_iter().map(|one| vec![one]).collect();
    }
    let mut by_lock: BTreeMap<u32, Vec<Loot>> = BTreeMap::new();
    for one in loot {
        by_lock.entry(one.htlc.tx().lock_time.to_consensus_u32()).or_default().push(one);
    }
    by_lock.into_values().collect()
}

/// Mined at once by a miner who is in league with the thief, so that no fee is needed.
fn take(world: &mut World, kept: &Kept, group: &[Loot]) {
    let Some(first) = group.first() else { return };
    let mut tx = first.htlc.tx().clone();
    for one in group.iter().skip(1) {
        tx.input.extend(one.htlc.tx().input.iter().cloned());
        tx.output.extend(one.htlc.tx().output.iter().cloned());
    }
    let request = ClaimRequest { tx, inputs: group.iter().map(|one| one.input(kept)).collect() };
    let Ok(signed) = prototype().signers[kept.node].clone().sign_claim(&request) else { return };
    let signed = rewrite::perhaps(world, signed);
    if mine_with(world, &[signed]).is_some() {
        world.trace.say(|| format!("{} the thief takes {} HTLCs", world.now.0, group.len()));
        let by_timeout = group.iter().filter(|one| one.preimage.is_none()).count() as u64;
        world.totals.court.saw_many(Seen::TheftByTimeout, by_timeout);
        world.totals.court.saw_many(Seen::TheftByPreimage, group.len() as u64 - by_timeout);
        world.totals.court.saw_many(Seen::TheftOfMany, u64::from(group.len() > 1));
    }
}

/// A block of exactly these, if it is valid.
fn mine_with(world: &mut World, txs: &[Transaction]) -> Option<Txid> {
    world.chain.set_now(world.now);
    world.chain.mine_with(txs, &RegtestChain::faucet_script()).ok()?;
    world.totals.blocks += 1;
    world.blocks_are_there();
    txs.first().map(Transaction::compute_txid)
}
