//! A child with its unconfirmed parents, taken together (`ProcessNewPackage`, the rules of `submitpackage`).

use crate::mempool::{Entry, Mempool};
use crate::policy::admit::{Admission, Candidate, Context, MAX_CHAIN_COUNT, MAX_CHAIN_VSIZE};
use crate::policy::{fee_at, replace};
use crate::reject::{MempoolReject, PackageFault, PackageReject, TxInvalid};
use bitcoin::{Transaction, Txid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// `MAX_PACKAGE_COUNT`.
const MAX_COUNT: usize = 25;
/// `MAX_PACKAGE_WEIGHT`.
const MAX_WEIGHT: u64 = 404_000;

/// Rules of the package's form that need no chain (`IsWellFormedPackage`, `IsChildWithParents`).
pub(crate) fn check_form(package: &[Arc<Transaction>]) -> Result<(), PackageFault> {
    if package.is_empty() || package.len() > MAX_COUNT {
        return Err(PackageFault::TooMany);
    }
    if package.iter().map(|tx| tx.weight().to_wu()).sum::<u64>() > MAX_WEIGHT {
        return Err(PackageFault::TooLarge);
    }
    let txids: Vec<Txid> = package.iter().map(|tx| tx.compute_txid()).collect();
    if txids.iter().collect::<BTreeSet<_>>().len() != txids.len() {
        return Err(PackageFault::Duplicates);
    }
    let mut later: BTreeSet<Txid> = txids.iter().copied().collect();
    let mut spent = BTreeSet::new();
    for (tx, txid) in package.iter().zip(&txids) {
        if tx.input.iter().any(|input| later.contains(&input.previous_output.txid)) {
            return Err(PackageFault::NotSorted);
        }
        if !tx.input.iter().all(|input| spent.insert(input.previous_output)) {
            return Err(PackageFault::Conflict);
        }
        later.remove(txid);
    }
    let Some((child, _)) = package.split_last() else { return Err(PackageFault::TooMany) };
    let parents: BTreeSet<Txid> = child.input.iter().map(|input| input.previous_output.txid).collect();
    let all_parents = txids.iter().take(txids.len() - 1).all(|txid| parents.contains(txid));
    if all_parents { Ok(()) } else { Err(PackageFault::NotChildWithParents) }
}

/// Whether a refusal of a single one may be cured by the others in the package.
pub(crate) fn may_be_cured(reject: &MempoolReject) -> bool {
    reject.is_reconsiderable() || *reject == MempoolReject::Invalid(TxInvalid::MissingInputs)
}

/// What is left of a package after its members that pass alone went in: all or nothing
/// (`AcceptMultipleTransactions`). Gives the entries and what they evict.
pub(crate) fn admit(
    context: &Context<'_>,
    package: &[Arc<Transaction>],
) -> Result<(Vec<Entry>, BTreeSet<Txid>), PackageReject> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for (index, tx) in package.iter().enumerate() {
        let before = package.get(..index).unwrap_or_default();
        let candidate = context.candidate(tx, Admission::Package(before));
        candidates.push(candidate.map_err(|reject| failed(tx, reject))?);
    }
    check_limits(context.mempool, &candidates)?;
    check_floor(context, &candidates)?;
    let entries: Vec<&Entry> = candidates.iter().map(|candidate| &candidate.entry).collect();
    let conflicts: BTreeSet<Txid> = candidates.iter().flat_map(|c| c.conflicts.iter().copied()).collect();
    let evicted = if conflicts.is_empty() {
        BTreeSet::new()
    } else {
        replace::check_package(context.mempool, context.policy, &entries, &conflicts)?
    };
    for candidate in &candidates {
        context.check_scripts(candidate).map_err(|reject| failed(&candidate.entry.tx, reject))?;
    }
    Ok((candidates.into_iter().map(|candidate| candidate.entry).collect(), evicted))
}

fn failed(tx: &Transaction, reject: MempoolReject) -> PackageReject {
    PackageReject { fault: PackageFault::Transaction, transactions: vec![(tx.compute_txid(), reject)] }
}

/// The package counts as one chain (`CheckPackageLimits`).
fn check_limits(mempool: &Mempool, candidates: &[Candidate]) -> Result<(), PackageFault> {
    let ancestors: BTreeSet<Txid> = candidates.iter().flat_map(|c| mempool.ancestors(&c.entry.tx)).collect();
    let (_, ancestor_vsize) = mempool.totals(&ancestors);
    let vsize: u64 = candidates.iter().map(|candidate| candidate.entry.vsize).sum();
    if ancestors.len() + candidates.len() > MAX_CHAIN_COUNT || ancestor_vsize + vsize > MAX_CHAIN_VSIZE {
        return Err(PackageFault::MempoolLimits);
    }
    Ok(())
}

/// The fee of all for the size of all.
fn check_floor(context: &Context<'_>, candidates: &[Candidate]) -> Result<(), PackageReject> {
    let fee: u64 = candidates.iter().map(|candidate| candidate.entry.fee).sum();
    let vsize: u64 = candidates.iter().map(|candidate| candidate.entry.vsize).sum();
    let reject = if fee < fee_at(context.policy.mempool_min, vsize) {
        MempoolReject::MempoolMinFee
    } else if fee < fee_at(context.policy.min_relay, vsize) {
        MempoolReject::MinRelayFee
    } else {
        return Ok(());
    };
    let transactions = candidates.iter().map(|candidate| (candidate.entry.txid, reject.clone())).collect();
    Err(PackageReject { fault: PackageFault::Transaction, transactions })
}
