//! Replacement by fee: full RBF (no signalling asked) with the fee rules of BIP 125.

use crate::mempool::{Entry, Mempool};
use crate::policy::{Policy, fee_at};
use crate::reject::{MempoolReject, PackageFault};
use bitcoin::{Transaction, Txid};
use std::collections::BTreeSet;

/// Most transactions that one replacement may evict: BIP 125 rule 5 (`MAX_REPLACEMENT_CANDIDATES`).
const MAX_REPLACED: usize = 100;

/// Checks the rules for a single replacement. Gives all that it evicts: `conflicts` with their descendants.
pub(crate) fn check(
    mempool: &Mempool,
    policy: &Policy,
    entry: &Entry,
    conflicts: &BTreeSet<Txid>,
) -> Result<BTreeSet<Txid>, MempoolReject> {
    let direct = || conflicts.iter().filter_map(|txid| mempool.get(txid));
    if !direct().all(|conflict| entry.pays_better_than(conflict)) {
        return Err(MempoolReject::InsufficientFee);
    }
    let evicted = mempool.with_descendants(conflicts);
    if evicted.len() > MAX_REPLACED {
        return Err(MempoolReject::TooManyReplacements);
    }
    if adds_unconfirmed(mempool, &entry.tx, conflicts) {
        return Err(MempoolReject::ReplacementAddsUnconfirmed);
    }
    let (evicted_fee, _) = mempool.totals(&evicted);
    if entry.fee < evicted_fee + fee_at(policy.incremental, entry.vsize) {
        return Err(MempoolReject::InsufficientFee);
    }
    Ok(evicted)
}

/// BIP 125 rule 2: an unconfirmed parent that none of the replaced had (`HasNoNewUnconfirmed`).
fn adds_unconfirmed(mempool: &Mempool, tx: &Transaction, conflicts: &BTreeSet<Txid>) -> bool {
    let before: BTreeSet<Txid> = conflicts
        .iter()
        .filter_map(|txid| mempool.get(txid))
        .flat_map(|conflict| conflict.tx.input.iter().map(|input| input.previous_output.txid))
        .collect();
    mempool.parents(tx).difference(&before).next().is_some()
}

/// Package RBF (`PackageRBFChecks`): one parent with one child may together replace what the parent or the child
/// conflicts with. Gives all that is evicted.
pub(crate) fn check_package(
    mempool: &Mempool,
    policy: &Policy,
    members: &[&Entry],
    conflicts: &BTreeSet<Txid>,
) -> Result<BTreeSet<Txid>, PackageFault> {
    let [parent, child] = members else { return Err(PackageFault::Replacement) };
    let has_ancestors =
        members.iter().any(|member| mempool.parents(&member.tx).iter().any(|txid| *txid != parent.txid));
    let evicted = mempool.with_descendants(conflicts);
    if has_ancestors || evicted.len() > MAX_REPLACED {
        return Err(PackageFault::Replacement);
    }
    let together = Entry {
        fee: parent.fee + child.fee,
        vsize: parent.vsize + child.vsize,
        weight: parent.weight + child.weight,
        ..Entry::clone(parent)
    };
    let (evicted_fee, _) = mempool.totals(&evicted);
    let pays_for_itself = together.fee >= evicted_fee + fee_at(policy.incremental, together.vsize);
    let mut direct = conflicts.iter().filter_map(|txid| mempool.get(txid));
    let pays_better =
        together.pays_better_than(parent) && direct.all(|conflict| together.pays_better_than(conflict));
    if pays_for_itself && pays_better { Ok(evicted) } else { Err(PackageFault::Replacement) }
}
