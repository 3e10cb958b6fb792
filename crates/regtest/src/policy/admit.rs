//! One transaction from beginning to end, in the order of Bitcoin Core's `MemPoolAccept`.

use crate::consensus::{self, check_scripts, check_transaction, is_final, sequence_locks_met};
use crate::ledger::{Coin, Ledger};
use crate::mempool::{Entry, Mempool};
use crate::policy::{Policy, fee_at, replace, script, standard, truc};
use crate::reject::{MempoolReject, TxInvalid};
use bitcoin::{OutPoint, Transaction, Txid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// `DEFAULT_ANCESTOR_LIMIT` and `DEFAULT_DESCENDANT_LIMIT`, each with the transaction itself.
pub(crate) const MAX_CHAIN_COUNT: usize = 25;
/// `DEFAULT_ANCESTOR_SIZE_LIMIT_KVB` and `DEFAULT_DESCENDANT_SIZE_LIMIT_KVB`, in virtual bytes.
pub(crate) const MAX_CHAIN_VSIZE: u64 = 101_000;
/// Largest size of the one descendant above the limit that a transaction with a single ancestor may be: the carve-out
/// made for anchor outputs (`EXTRA_DESCENDANT_TX_SIZE_LIMIT`).
const CARVE_OUT_VSIZE: u64 = 10_000;
/// Virtual bytes that a signature operation counts at least, times 4 (`DEFAULT_BYTES_PER_SIGOP`).
const WEIGHT_PER_SIGOP: u64 = 20;

/// What a transaction is checked against.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) mempool: &'a Mempool,
    pub(crate) policy: &'a Policy,
}

/// How a transaction comes.
#[derive(Clone, Copy)]
pub(crate) enum Admission<'a> {
    /// Alone.
    Single,
    /// With these before it that are not in the mempool yet.
    Package(&'a [Arc<Transaction>]),
    /// Out of a block that went: neither floors nor the rules of version 3 and its dust are asked (`bypass_limits`).
    Disconnected,
    /// Unconfirmed before and after a block went: only what the chain changed is asked (`removeForReorg`,
    /// `UpdateTransactionsFromBlock`).
    Kept,
}

impl<'a> Admission<'a> {
    fn package(self) -> &'a [Arc<Transaction>] {
        match self {
            Admission::Package(package) => package,
            Admission::Single | Admission::Disconnected | Admission::Kept => &[],
        }
    }
}

/// A transaction that passed all rules but those of replacement and scripts.
pub(crate) struct Candidate {
    pub(crate) entry: Entry,
    /// What it conflicts with, and the sibling that it evicts by the TRUC rules.
    pub(crate) conflicts: BTreeSet<Txid>,
    coins: Vec<Coin>,
}

impl Context<'_> {
    /// A lone transaction: all rules. Gives the entry and what it evicts.
    pub(crate) fn admit_single(
        &self,
        tx: &Arc<Transaction>,
    ) -> Result<(Entry, BTreeSet<Txid>), MempoolReject> {
        let candidate = self.candidate(tx, Admission::Single)?;
        let evicted = self.replaced(&candidate)?;
        self.check_scripts(&candidate)?;
        Ok((candidate.entry, evicted))
    }

    /// A transaction whose scripts were verified before the blocks went.
    pub(crate) fn admit_again(
        &self,
        tx: &Arc<Transaction>,
        admission: Admission<'_>,
    ) -> Result<(Entry, BTreeSet<Txid>), MempoolReject> {
        let candidate = self.candidate(tx, admission)?;
        let evicted = self.replaced(&candidate)?;
        Ok((candidate.entry, evicted))
    }

    fn replaced(&self, candidate: &Candidate) -> Result<BTreeSet<Txid>, MempoolReject> {
        if candidate.conflicts.is_empty() {
            return Ok(BTreeSet::new());
        }
        replace::check(self.mempool, self.policy, &candidate.entry, &candidate.conflicts)
    }

    /// Everything but replacement and scripts (`PreChecks`).
    pub(crate) fn candidate(
        &self,
        tx: &Arc<Transaction>,
        admission: Admission<'_>,
    ) -> Result<Candidate, MempoolReject> {
        if tx.is_coinbase() {
            return Err(MempoolReject::Coinbase);
        }
        check_transaction(tx)?;
        standard::check_form(tx)?;
        let tip = self.ledger.tip();
        if !is_final(tx, tip.height.plus(1), self.ledger.tip_median_time()) {
            return Err(TxInvalid::NonFinal.into());
        }
        let txid = tx.compute_txid();
        self.check_unknown(tx, txid)?;
        let coins = self.coins(tx, txid, admission.package())?;
        if !sequence_locks_met(tx, &coins, self.ledger) {
            return Err(TxInvalid::NonBip68Final.into());
        }
        let fee = consensus::check_inputs(tx, &coins, tip.height.plus(1))?.0;
        standard::check_inputs(tx, &coins)?;
        let sigops = standard::check_sigops(tx, &coins)?;
        let weight = tx.weight().to_wu();
        let vsize = weight.max(sigops * WEIGHT_PER_SIGOP).div_ceil(4);
        let entry = Entry { tx: Arc::clone(tx), txid, fee, weight, vsize, sequence: 0 };
        let mut conflicts = self.mempool.conflicts(tx);
        if matches!(admission, Admission::Single | Admission::Package(_)) {
            self.check_dust(&entry, admission.package())?;
            self.check_floors(&entry, admission)?;
            conflicts.extend(self.check_truc(&entry, &conflicts, admission)?);
        }
        if !matches!(admission, Admission::Kept) {
            self.check_descendants(&entry, &conflicts)?;
        }
        self.check_ancestors(&entry, &conflicts)?;
        Ok(Candidate { entry, conflicts, coins })
    }

    /// Policy and consensus of scripts (`PolicyScriptChecks`, `ConsensusScriptChecks`).
    pub(crate) fn check_scripts(&self, candidate: &Candidate) -> Result<(), MempoolReject> {
        script::check_signature_policy(&candidate.entry.tx, &candidate.coins)?;
        Ok(check_scripts(&candidate.entry.tx, &candidate.coins)?)
    }

    fn check_unknown(&self, tx: &Transaction, txid: Txid) -> Result<(), MempoolReject> {
        match self.mempool.get(&txid) {
            Some(entry) if *entry.tx == *tx => Err(MempoolReject::AlreadyInMempool),
            Some(_) => Err(MempoolReject::SameNonWitnessDataInMempool),
            None if self.ledger.has_coins_of(txid) => Err(MempoolReject::AlreadyKnown),
            None => Ok(()),
        }
    }

    /// The coins that a transaction spends: of the chain, the mempool or the package.
    fn coins(
        &self,
        tx: &Transaction,
        txid: Txid,
        package: &[Arc<Transaction>],
    ) -> Result<Vec<Coin>, MempoolReject> {
        let coins = tx.input.iter().map(|input| self.coin(&input.previous_output, package));
        let coins: Option<Vec<Coin>> = coins.collect();
        coins.ok_or_else(|| match self.ledger.place(&txid) {
            Some(_) => MempoolReject::AlreadyKnown,
            None => TxInvalid::MissingInputs.into(),
        })
    }

    fn coin(&self, outpoint: &OutPoint, package: &[Arc<Transaction>]) -> Option<Coin> {
        if let Some(coin) = self.ledger.coin(outpoint) {
            return Some(coin.clone());
        }
        let parent = match self.mempool.get(&outpoint.txid) {
            Some(entry) => &entry.tx,
            None => package.iter().find(|tx| tx.compute_txid() == outpoint.txid)?,
        };
        let output = parent.output.get(usize::try_from(outpoint.vout).ok()?)?.clone();
        Some(Coin { output, height: self.ledger.tip().height.plus(1), coinbase: false })
    }

    /// Dust is allowed only without a fee, and only when a child spends it at once (`PreCheckEphemeralTx`,
    /// `CheckEphemeralSpends`).
    fn check_dust(&self, entry: &Entry, package: &[Arc<Transaction>]) -> Result<(), MempoolReject> {
        if entry.fee > 0 && standard::dust_outputs(&entry.tx).next().is_some() {
            return Err(MempoolReject::Dust);
        }
        let spent: BTreeSet<OutPoint> = entry.tx.input.iter().map(|input| input.previous_output).collect();
        let in_mempool =
            self.mempool.parents(&entry.tx).into_iter().filter_map(|txid| self.mempool.get(&txid));
        let in_mempool = in_mempool.map(|parent| (parent.txid, &parent.tx));
        let in_package = package.iter().map(|tx| (tx.compute_txid(), tx));
        let in_package = in_package.filter(|(txid, _)| spent.iter().any(|outpoint| outpoint.txid == *txid));
        let mut dust = in_mempool.chain(in_package).flat_map(|(txid, parent)| {
            standard::dust_outputs(parent).map(move |vout| OutPoint { txid, vout })
        });
        if dust.any(|outpoint| !spent.contains(&outpoint)) {
            return Err(MempoolReject::MissingEphemeralSpends);
        }
        Ok(())
    }

    /// The two floors. In a package only the first counts for a single one, and not for version 3.
    fn check_floors(&self, entry: &Entry, admission: Admission<'_>) -> Result<(), MempoolReject> {
        let alone = matches!(admission, Admission::Single);
        if alone && entry.fee < fee_at(self.policy.mempool_min, entry.vsize) {
            return Err(MempoolReject::MempoolMinFee);
        }
        let relays_free = truc::is_truc(&entry.tx) && !alone;
        if !relays_free && entry.fee < fee_at(self.policy.min_relay, entry.vsize) {
            return Err(MempoolReject::MinRelayFee);
        }
        Ok(())
    }

    fn check_truc(
        &self,
        entry: &Entry,
        conflicts: &BTreeSet<Txid>,
        admission: Admission<'_>,
    ) -> Result<Option<Txid>, MempoolReject> {
        let inputs: BTreeSet<Txid> = entry.tx.input.iter().map(|input| input.previous_output.txid).collect();
        let is_parent = |tx: &&Arc<Transaction>| inputs.contains(&tx.compute_txid());
        let package_parents: Vec<_> = admission.package().iter().filter(is_parent).cloned().collect();
        truc::check(&truc::Question {
            mempool: self.mempool,
            tx: &entry.tx,
            vsize: entry.vsize,
            ancestors: &self.mempool.ancestors(&entry.tx),
            package_parents: &package_parents,
            conflicts,
            may_evict_sibling: matches!(admission, Admission::Single),
        })
    }

    /// Limits of ancestors (`CalculateMemPoolAncestors`).
    fn check_ancestors(&self, entry: &Entry, conflicts: &BTreeSet<Txid>) -> Result<(), MempoolReject> {
        let ancestors = self.mempool.ancestors(&entry.tx);
        if !ancestors.is_disjoint(conflicts) {
            return Err(MempoolReject::SpendsConflicting);
        }
        let (_, vsize) = self.mempool.totals(&ancestors);
        if ancestors.len() >= MAX_CHAIN_COUNT || vsize + entry.vsize > MAX_CHAIN_VSIZE {
            return Err(MempoolReject::TooLongChain);
        }
        Ok(())
    }

    /// Limits of the descendants of each ancestor (`CalculateMemPoolAncestors`), with the carve-out for one more small
    /// child.
    fn check_descendants(&self, entry: &Entry, conflicts: &BTreeSet<Txid>) -> Result<(), MempoolReject> {
        let ancestors = self.mempool.ancestors(&entry.tx);
        let carve_out = ancestors.len() == 1 && entry.vsize <= CARVE_OUT_VSIZE;
        let (more, more_vsize) = if carve_out { (1, CARVE_OUT_VSIZE) } else { (0, 0) };
        for ancestor in &ancestors {
            let mut family = self.mempool.with_descendants(&BTreeSet::from([*ancestor]));
            // A single direct conflict makes room for what takes its place.
            if conflicts.len() == 1 {
                family = family.difference(conflicts).copied().collect();
            }
            let (_, vsize) = self.mempool.totals(&family);
            if family.len() >= MAX_CHAIN_COUNT + more || vsize + entry.vsize > MAX_CHAIN_VSIZE + more_vsize {
                return Err(MempoolReject::TooLongChain);
            }
        }
        Ok(())
    }
}
