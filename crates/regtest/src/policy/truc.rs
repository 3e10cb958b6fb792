//! Version 3 transactions (TRUC, BIP 431; `SingleTRUCChecks`, `PackageTRUCChecks`).

use crate::mempool::Mempool;
use crate::reject::MempoolReject;
use bitcoin::{Transaction, Txid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Largest size in virtual bytes (`TRUC_MAX_VSIZE`).
const MAX_VSIZE: u64 = 10_000;
/// Largest size of one with an unconfirmed parent (`TRUC_CHILD_MAX_VSIZE`).
const CHILD_MAX_VSIZE: u64 = 1_000;

/// Whether a transaction is bound by these rules (`TRUC_VERSION`).
pub(crate) fn is_truc(tx: &Transaction) -> bool {
    tx.version.0 == 3
}

/// What these rules look at.
pub(crate) struct Question<'a> {
    pub(crate) mempool: &'a Mempool,
    pub(crate) tx: &'a Transaction,
    pub(crate) vsize: u64,
    /// Unconfirmed parents in the mempool.
    pub(crate) parents: &'a BTreeSet<Txid>,
    /// Parents in the same package that are not in the mempool.
    pub(crate) package_parents: &'a [Arc<Transaction>],
    /// What the transaction replaces anyway.
    pub(crate) conflicts: &'a BTreeSet<Txid>,
    /// Whether a sibling may be replaced (alone, never in a package).
    pub(crate) may_evict_sibling: bool,
}

/// Checks the rules. Gives the sibling to evict in favour of this transaction, if there must be one.
pub(crate) fn check(question: &Question<'_>) -> Result<Option<Txid>, MempoolReject> {
    let Question { mempool, tx, vsize, parents, package_parents, conflicts, may_evict_sibling } = question;
    let in_mempool = parents.iter().filter_map(|txid| mempool.get(txid)).map(|entry| &entry.tx);
    if in_mempool.chain(*package_parents).any(|parent| is_truc(parent) != is_truc(tx)) {
        return Err(MempoolReject::TrucViolation);
    }
    if !is_truc(tx) {
        return Ok(None);
    }
    let parent_count = parents.len() + package_parents.len();
    let limit = if parent_count == 0 { MAX_VSIZE } else { CHILD_MAX_VSIZE };
    if *vsize > limit || parent_count > 1 {
        return Err(MempoolReject::TrucViolation);
    }
    let Some(parent) = parents.first().and_then(|txid| mempool.get(txid)) else { return Ok(None) };
    if !mempool.parents(&parent.tx).is_empty() {
        return Err(MempoolReject::TrucViolation);
    }
    let siblings: Vec<Txid> = mempool.children(parent.txid).difference(conflicts).copied().collect();
    match siblings.as_slice() {
        [] => Ok(None),
        [sibling] if *may_evict_sibling && mempool.children(*sibling).is_empty() => Ok(Some(*sibling)),
        _ => Err(MempoolReject::TrucViolation),
    }
}
