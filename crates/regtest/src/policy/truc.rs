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
    /// Unconfirmed ancestors in the mempool.
    pub(crate) ancestors: &'a BTreeSet<Txid>,
    /// Parents in the same package that are not in the mempool.
    pub(crate) package_parents: &'a [Arc<Transaction>],
    /// What the transaction replaces anyway.
    pub(crate) conflicts: &'a BTreeSet<Txid>,
    /// Whether a sibling may be replaced (alone, never in a package).
    pub(crate) may_evict_sibling: bool,
}

/// Checks the rules. Gives the sibling to evict in favour of this transaction, if there must be one.
pub(crate) fn check(question: &Question<'_>) -> Result<Option<Txid>, MempoolReject> {
    let Question { mempool, tx, vsize, ancestors, package_parents, conflicts, may_evict_sibling } = question;
    let in_mempool = ancestors.iter().filter_map(|txid| mempool.get(txid)).map(|entry| &entry.tx);
    if in_mempool.chain(*package_parents).any(|ancestor| is_truc(ancestor) != is_truc(tx)) {
        return Err(MempoolReject::TrucViolation);
    }
    if !is_truc(tx) {
        return Ok(None);
    }
    let count = ancestors.len() + package_parents.len();
    let limit = if count == 0 { MAX_VSIZE } else { CHILD_MAX_VSIZE };
    let has_grandparent = package_parents.iter().any(|parent| !mempool.parents(parent).is_empty());
    if *vsize > limit || count > 1 || has_grandparent {
        return Err(MempoolReject::TrucViolation);
    }
    let Some(parent) = ancestors.first() else { return Ok(None) };
    let children = mempool.children(*parent);
    if children.is_empty() || !children.is_disjoint(conflicts) {
        return Ok(None);
    }
    let family = mempool.with_descendants(&BTreeSet::from([*parent]));
    let only_child = children.first().and_then(|child| mempool.get(child)).filter(|_| family.len() == 2);
    match only_child {
        Some(sibling) if *may_evict_sibling && mempool.ancestors(&sibling.tx).len() == 1 => {
            Ok(Some(sibling.txid))
        }
        _ => Err(MempoolReject::TrucViolation),
    }
}
