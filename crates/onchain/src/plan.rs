//! Which claims to make now, and for which fee.
//!
//! A claim is owed until its inputs are spent: it goes out with every block (attack 36), for more as its deadline nears, and
//! never for less than before. When somebody spends an input of it, the rest is claimed anew in the same step, each alone
//! and for no less (attacks 16 and 18).
//!
//! | room | what is in it |
//! |---|---|
//! | `group` | which outputs are claimed together |
//! | `terms` | what is at stake, by when, who else waits for the coins |
//! | [`fee`] | what follows for the fee |
//! | `build` | the transaction |
//! | `together` | one coin for HTLC transactions that have none of their own |

pub(crate) mod build;
pub mod fee;
pub(crate) mod group;
mod terms;
mod together;

use crate::claim::{Claim, ClaimId};
use crate::output::{Output, Parent, Story};
use crate::resolution::{Resolution, View};
use crate::tracked::{Role, Tracked};
use astrape_primitives::{FeeratePerKw, Height, Sat, Side};
use astrape_transactions::WalletInput;
use bitcoin::OutPoint;
use build::{Built, NotBuilt, Purse, Shared};
use fee::MIN_INCREMENT;
use group::{Group, group};
use std::collections::BTreeSet;
use std::sync::Arc;
use terms::{Terms, after_waiting, is_after_others, offer, terms};
use together::{share, together};

/// Most claims of one resolution: more than a commitment has outputs.
const MAX_CLAIMS: usize = 2_000;

/// What to do with the claims that stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A block came: all go out again, for more where it is time.
    Block,
    /// Something changed: only what is new goes out.
    Change,
}

/// Plans the claims of a resolution.
pub(crate) fn plan(resolution: &mut Resolution, view: &View<'_>, occasion: Occasion, out: &mut Vec<Output>) {
    drop_broken(resolution);
    if resolution.script.is_none() {
        if resolution.outputs.values().any(|t| !matches!(t.role, Role::Foreign)) {
            out.push(Output::ScriptNeeded);
        }
        return;
    }
    if occasion == Occasion::Block {
        drop_without_coins(resolution, view);
    }
    let mut pool = free_coins(resolution, view);
    if occasion == Occasion::Block {
        for id in resolution.claims.keys().copied().collect::<Vec<_>>() {
            renew(resolution, view, id, &mut pool, out);
        }
    }
    let (as_one, each) = share(resolution, new_groups(resolution, view.tip), pool.len());
    let mut lacking: Vec<_> = as_one.into_iter().map(|(_, inputs)| (inputs, Sat::ZERO)).collect();
    for (_, inputs) in each {
        if let Err(NotBuilt::NoCoins(missing)) = begin(resolution, view, &inputs, &mut pool, out) {
            lacking.push((inputs, missing));
        }
    }
    together(resolution, view, lacking, &mut pool, out);
}

/// What goes out again after a restart: every claim whose inputs stand.
pub(crate) fn owed(resolution: &Resolution, out: &mut Vec<Output>) {
    if resolution.script.is_none() && !resolution.outputs.is_empty() {
        out.push(Output::ScriptNeeded);
    }
    for (id, claim) in &resolution.claims {
        let stands = |o: &OutPoint| {
            resolution
                .outputs
                .get(o)
                .is_some_and(|t| t.spent.is_none() && t.claimable_from(resolution.format).is_some())
        };
        if claim.inputs.iter().all(stands) {
            send(resolution, *id, out);
        }
    }
}

/// Claims of which an input was spent by another transaction cannot confirm any more: the others are claimed anew.
fn drop_broken(resolution: &mut Resolution) {
    let outputs = &resolution.outputs;
    let is_spent = |o: &OutPoint| outputs.get(o).is_none_or(|t| t.spent.is_some());
    let broken: Vec<ClaimId> = resolution
        .claims
        .iter()
        .filter(|(_, claim)| {
            let spent = claim.inputs.iter().filter(|o| is_spent(o)).count();
            let gone = claim.inputs.iter().any(|o| !outputs.contains_key(o));
            gone || (spent > 0 && spent < claim.inputs.len())
        })
        .map(|(id, _)| *id)
        .collect();
    for id in broken {
        resolution.split(id);
    }
}

/// Claims that spend a coin which the wallet has no more, though their outputs are still there, may never confirm: the coin went
/// elsewhere, with what another channel had in the mempool when it was forgotten; or it left the chain. They are made anew.
fn drop_without_coins(resolution: &mut Resolution, view: &View<'_>) {
    let has = |outpoint: OutPoint| view.coins.iter().any(|coin| coin.outpoint == outpoint);
    let outputs = &resolution.outputs;
    let waits =
        |claim: &Claim| claim.inputs.iter().all(|o| outputs.get(o).is_some_and(|t| t.spent.is_none()));
    let lacks = |claim: &Claim| claim.coins.iter().any(|coin| !has(coin.outpoint));
    let broken = resolution.claims.iter().filter(|(_, claim)| waits(claim) && lacks(claim));
    for id in broken.map(|(id, _)| *id).collect::<Vec<_>>() {
        resolution.claims.remove(&id);
    }
}

/// Coins that no claim of this resolution has, the largest first.
fn free_coins(resolution: &Resolution, view: &View<'_>) -> Vec<WalletInput> {
    let used: BTreeSet<OutPoint> = resolution.coins().collect();
    let mut pool: Vec<WalletInput> =
        view.coins.iter().filter(|coin| !used.contains(&coin.outpoint)).cloned().collect();
    pool.sort_by_key(|coin| (std::cmp::Reverse(coin.prevout.value), coin.outpoint));
    pool
}

/// What can be claimed now and is in no claim, the first deadline and then the most money first.
fn new_groups(resolution: &Resolution, tip: Height) -> Vec<(Group, Vec<OutPoint>)> {
    let claimed: BTreeSet<OutPoint> =
        resolution.claims.values().flat_map(|claim| claim.inputs.iter().copied()).collect();
    let format = resolution.format;
    let now = |tracked: &Tracked| tracked.claimable_from(format).is_some_and(|from| from <= tip);
    let open = resolution
        .outputs
        .iter()
        .filter(|(outpoint, t)| t.spent.is_none() && now(t) && !claimed.contains(outpoint));
    let mut groups = group(open, format);
    groups.sort_by_cached_key(|(_, inputs)| {
        let tracked = || inputs.iter().filter_map(|o| resolution.outputs.get(o));
        let deadline = tracked().filter_map(Tracked::deadline).min().unwrap_or(Height(u32::MAX));
        let value: Sat = tracked().map(Tracked::value).sum();
        (deadline, std::cmp::Reverse(value))
    });
    groups
}

/// A version of a claim that was built.
struct Made {
    built: Built,
    terms: Terms,
    feerate: FeeratePerKw,
}

/// Makes a first claim of some outputs.
fn begin(
    resolution: &mut Resolution,
    view: &View<'_>,
    inputs: &[OutPoint],
    pool: &mut Vec<WalletInput>,
    out: &mut Vec<Output>,
) -> Result<(), NotBuilt> {
    if resolution.claims.len() >= MAX_CLAIMS {
        return Ok(());
    }
    let (made, inputs) = {
        let Some(shared) = shared(resolution) else { return Ok(()) };
        let all = items(resolution, inputs);
        let first = offer(resolution, view, &shared, &all)?;
        let items = shared.worth(&all, first.1);
        let (terms, feerate) =
            if items.len() < all.len() { offer(resolution, view, &shared, &items)? } else { first };
        if is_after_others(resolution, view, &items, &terms, pool.len()) {
            return Err(NotBuilt::AfterOthers);
        }
        let pieces = terms.pieces(&shared, view, feerate);
        let built = shared.build(&items, feerate, Purse { kept: &[], pool, pieces })?;
        let inputs: Vec<OutPoint> = items.iter().map(|(outpoint, _)| *outpoint).collect();
        (Made { built, terms, feerate }, inputs)
    };
    let id = resolution.next_claim;
    resolution.next_claim = ClaimId(id.0.saturating_add(1));
    let value = made.terms.value;
    install(resolution, view.tip, id, &inputs, made, pool);
    announce(resolution, id, value, true, out);
    send(resolution, id, out);
    Ok(())
}

/// A claim that stands goes out again, for more where it is time.
fn renew(
    resolution: &mut Resolution,
    view: &View<'_>,
    id: ClaimId,
    pool: &mut Vec<WalletInput>,
    out: &mut Vec<Output>,
) {
    let Some(claim) = resolution.claims.get(&id).cloned() else {
        return;
    };
    // Spent, or of a commitment that left the chain: nothing to send until it is back.
    let is_idle = |t: &Tracked| t.spent.is_some() || t.claimable_from(resolution.format).is_none();
    if claim.inputs.iter().any(|o| resolution.outputs.get(o).is_none_or(is_idle)) {
        return;
    }
    if let Some(made) = replacement(resolution, view, &claim, pool) {
        let value = made.terms.value;
        install(resolution, view.tip, id, &claim.inputs, made, pool);
        announce(resolution, id, value, false, out);
    }
    send(resolution, id, out);
}

/// The next version of a claim: when its feerate is to rise by the least step or more, and the network will take it for the
/// one before.
fn replacement(
    resolution: &Resolution,
    view: &View<'_>,
    claim: &Claim,
    pool: &[WalletInput],
) -> Option<Made> {
    let is_child_of_confirmed = |t: &Tracked| matches!(t.role, Role::Anchor { parent: None });
    let items_of = items(resolution, &claim.inputs);
    // The child of a commitment that is confirmed has done its work.
    if claim.made >= view.tip
        || (!claim.coins.is_empty() && items_of.iter().any(|(_, t)| is_child_of_confirmed(t)))
    {
        return None;
    }
    let shared = shared(resolution)?;
    let terms = terms(resolution, view, &shared, &items_of);
    let wanted = fee::feerate(terms.stake, terms.weight, view.tip, &view.feerates)?;
    let wanted = wanted.max(after_waiting(view, &terms, claim.feerate, claim.made));
    if wanted < FeeratePerKw(claim.feerate.0.saturating_add(MIN_INCREMENT.0)) {
        return None;
    }
    let pieces = terms.pieces(&shared, view, wanted);
    let built = shared.build(&items_of, wanted, Purse { kept: &claim.coins, pool, pieces }).ok()?;
    // BIP 125 rules 3 and 4.
    let least = claim.fee.saturating_add(fee::fee(MIN_INCREMENT, built.weight));
    let higher = u128::from(built.fee.0) * u128::from(claim.weight)
        > u128::from(claim.fee.0) * u128::from(built.weight);
    (built.fee >= least && higher).then_some(Made { built, terms, feerate: wanted })
}

fn shared(resolution: &Resolution) -> Option<Shared<'_>> {
    Some(Shared {
        keys: resolution.keys,
        format: resolution.format,
        script: resolution.script.as_ref()?,
        delayed: resolution.close.as_ref().and_then(|close| close.delayed.as_ref()),
    })
}

fn items<'a>(resolution: &'a Resolution, inputs: &[OutPoint]) -> Vec<(OutPoint, &'a Tracked)> {
    inputs.iter().filter_map(|o| Some((*o, resolution.outputs.get(o)?))).collect()
}

fn install(
    resolution: &mut Resolution,
    tip: Height,
    id: ClaimId,
    inputs: &[OutPoint],
    made: Made,
    pool: &mut Vec<WalletInput>,
) {
    let Made { built, terms, feerate } = made;
    pool.retain(|coin| !built.coins.iter().any(|used| used.outpoint == coin.outpoint));
    for outpoint in inputs {
        if let Some(tracked) = resolution.outputs.get_mut(outpoint) {
            tracked.paid = tracked.paid.max(feerate);
        }
    }
    let claim = Claim {
        inputs: inputs.to_vec(),
        coins: built.coins,
        tx: Arc::new(built.tx),
        fee: built.fee,
        feerate,
        weight: built.weight,
        made: tip,
        deadline: terms.deadline,
    };
    resolution.claims.insert(id, claim);
}

fn announce(resolution: &Resolution, id: ClaimId, value: Sat, is_first: bool, out: &mut Vec<Output>) {
    if let Some(claim) = resolution.claims.get(&id) {
        let (txid, fee, deadline) = (claim.txid(), claim.fee, claim.deadline);
        out.push(Output::Story(Story::Claiming { txid, value, fee, deadline, is_first }));
    }
}

fn send(resolution: &Resolution, id: ClaimId, out: &mut Vec<Output>) {
    let Some(claim) = resolution.claims.get(&id) else { return };
    let parent = claim.inputs.iter().find_map(|o| match resolution.outputs.get(o).map(|t| &t.role) {
        Some(Role::Anchor { parent: Some(parent) }) if parent.owner == Side::Local => Some(Parent::Ours),
        // The mempool may have dropped it since it was told, or ask more by now than it pays.
        Some(Role::Anchor { parent: Some(_) }) => {
            resolution.parent_that_was_shown(o.txid).map(Parent::Signed)
        }
        _ => None,
    });
    if let Some(request) = claim.request(resolution.keys, resolution.format, &resolution.outputs) {
        let deadline = claim.deadline;
        out.push(Output::Broadcast { request: Box::new(request), parent, deadline });
    }
}
