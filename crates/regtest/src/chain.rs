//! [`RegtestChain`]: the whole public face.

use crate::assemble::{self, Frame, RESERVED_WEIGHT};
use crate::events::BlockEvent;
use crate::ledger::{Coin, Ledger};
use crate::mempool::{Entry, Mempool};
use crate::policy::admit::{Admission, Context};
use crate::policy::{Policy, fee_at, package};
use crate::reject::{BlockReject, MempoolReject, PackageFault, PackageReject};
use crate::template::{self, Wishes};
use crate::weather::{Censorship, Weather};
use astrape_primitives::{BlockId, Height, Sat, Timestamp};
use bitcoin::{Block, BlockHash, OutPoint, Script, Transaction, TxOut, Txid};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// A regtest chain with its mempool. See the crate's page.
#[derive(Clone, Debug)]
pub struct RegtestChain {
    ledger: Arc<Ledger>,
    mempool: Arc<Mempool>,
    policy: Policy,
    now: Timestamp,
    /// What the next blocks are like, the next one first.
    pub(crate) weather: VecDeque<Weather>,
    pub(crate) censorship: Vec<Censorship>,
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Unconfirmed.
    Mempool,
    /// In a block of the best chain.
    Block {
        /// The block.
        id: BlockId,
        /// Its index in the block; the coinbase is 0.
        index: u32,
        /// 1 in the tip.
        confirmations: u32,
    },
}

/// A transaction that the chain or the mempool has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The transaction.
    pub tx: Arc<Transaction>,
    /// Where it is.
    pub place: Place,
}

/// An output that nothing spends, in the chain or the mempool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unspent {
    /// The output.
    pub output: TxOut,
    /// 1 in the tip, 0 in the mempool.
    pub confirmations: u32,
    /// Whether a coinbase made it: then it can be spent from 100 confirmations on.
    pub coinbase: bool,
}

impl RegtestChain {
    /// The genesis block alone, at this time.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            ledger: Arc::new(Ledger::new()),
            mempool: Arc::default(),
            policy: Policy::default(),
            now,
            weather: VecDeque::new(),
            censorship: Vec::new(),
        }
    }

    /// The caller's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Sets the time of the next blocks. Their headers stay above the median of the last eleven, whatever is set.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The settable relay rules.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Sets the relay rules and evicts what pays less than the new floor, alone and with its descendants
    /// (`CTxMemPool::TrimToSize`). Gives what went.
    pub fn set_policy(&mut self, policy: Policy) -> BTreeSet<Txid> {
        self.policy = policy;
        let mempool = Arc::make_mut(&mut self.mempool);
        let mut gone = BTreeSet::new();
        loop {
            let is_below = |entry: &Arc<Entry>| {
                let family = mempool.with_descendants(&BTreeSet::from([entry.txid]));
                let (fee, vsize) = mempool.totals(&family);
                let floor = |vsize| fee_at(policy.mempool_min, vsize);
                entry.fee < floor(entry.vsize) && fee < floor(vsize)
            };
            let below: BTreeSet<Txid> =
                mempool.in_order().iter().filter(|entry| is_below(entry)).map(|entry| entry.txid).collect();
            if below.is_empty() {
                return gone;
            }
            gone.extend(mempool.remove_with_descendants(&below));
        }
    }

    // ---- looking -----------------------------------------------------------------------------------------

    /// The best block.
    #[must_use]
    pub fn tip(&self) -> BlockId {
        self.ledger.tip()
    }

    /// Hash of the best chain's block at a height.
    #[must_use]
    pub fn hash_at(&self, height: Height) -> Option<BlockHash> {
        self.ledger.hash_at(height)
    }

    /// A block by hash, stale ones too.
    #[must_use]
    pub fn block(&self, hash: &BlockHash) -> Option<Arc<Block>> {
        self.ledger.stored(hash).map(|stored| Arc::clone(&stored.block))
    }

    /// The best chain's block at a height.
    #[must_use]
    pub fn block_at(&self, height: Height) -> Option<Arc<Block>> {
        self.block(&self.hash_at(height)?)
    }

    /// Every block that was ever the best one, in the order in which they came, the genesis block left out. One that stands
    /// on another than the one before it replaced what stood there.
    pub fn blocks_as_made(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.ledger.made()
    }

    /// What changed since `cursor` was the tip: first what went, from its top down, then what came. `None` when that
    /// block was never in this chain.
    #[must_use]
    pub fn events_since(&self, cursor: BlockHash) -> Option<Vec<BlockEvent>> {
        self.ledger.events_since(cursor)
    }

    /// A transaction in the best chain or the mempool.
    #[must_use]
    pub fn transaction(&self, txid: &Txid) -> Option<Seen> {
        if let Some(entry) = self.mempool.get(txid) {
            return Some(Seen { tx: Arc::clone(&entry.tx), place: Place::Mempool });
        }
        let (id, index, tx) = self.ledger.place(txid)?;
        let confirmations = id.height.confirmations_at(self.tip().height);
        Some(Seen { tx: Arc::new(tx.clone()), place: Place::Block { id, index, confirmations } })
    }

    /// Confirmations of a transaction: 0 in the mempool or when it is unknown.
    #[must_use]
    pub fn confirmations(&self, txid: &Txid) -> u32 {
        match self.ledger.place(txid) {
            Some((id, _, _)) => id.height.confirmations_at(self.tip().height),
            None => 0,
        }
    }

    /// An output that neither the chain nor the mempool spends (`gettxout` with the mempool).
    #[must_use]
    pub fn unspent(&self, outpoint: &OutPoint) -> Option<Unspent> {
        if self.mempool.spender(outpoint).is_some() {
            return None;
        }
        self.unspent_in_chain(outpoint).or_else(|| {
            let entry = self.mempool.get(&outpoint.txid)?;
            let output = entry.tx.output.get(usize::try_from(outpoint.vout).ok()?)?.clone();
            Some(Unspent { output, confirmations: 0, coinbase: false })
        })
    }

    /// An output of the chain that the chain does not spend (`gettxout` without the mempool).
    #[must_use]
    pub fn unspent_in_chain(&self, outpoint: &OutPoint) -> Option<Unspent> {
        let Coin { output, height, coinbase } = self.ledger.coin(outpoint)?;
        let confirmations = height.confirmations_at(self.tip().height);
        Some(Unspent { output: output.clone(), confirmations, coinbase: *coinbase })
    }

    /// Whether an output exists and neither the chain nor the mempool spends it.
    #[must_use]
    pub fn is_unspent(&self, outpoint: &OutPoint) -> bool {
        self.unspent(outpoint).is_some()
    }

    /// The mempool transaction that spends an output (`gettxspendingprevout`).
    #[must_use]
    pub fn spender_in_mempool(&self, outpoint: &OutPoint) -> Option<Arc<Transaction>> {
        let txid = self.mempool.spender(outpoint)?;
        Some(Arc::clone(&self.mempool.get(&txid)?.tx))
    }

    /// All unconfirmed transactions, parents before children.
    #[must_use]
    pub fn mempool(&self) -> Vec<Arc<Transaction>> {
        self.mempool.in_order().iter().map(|entry| Arc::clone(&entry.tx)).collect()
    }

    /// Whether a transaction is unconfirmed.
    #[must_use]
    pub fn in_mempool(&self, txid: &Txid) -> bool {
        self.mempool.get(txid).is_some()
    }

    /// Fee and virtual size of an unconfirmed transaction.
    #[must_use]
    pub fn mempool_fee(&self, txid: &Txid) -> Option<(Sat, u64)> {
        self.mempool.get(txid).map(|entry| (Sat(entry.fee), entry.vsize))
    }

    // ---- changing ----------------------------------------------------------------------------------------

    /// Offers a transaction to the mempool (`sendrawtransaction`).
    ///
    /// # Errors
    /// The rule that refuses it; nothing has changed then.
    pub fn submit(&mut self, tx: Transaction) -> Result<Txid, MempoolReject> {
        self.submit_shared(&Arc::new(tx))
    }

    fn submit_shared(&mut self, tx: &Arc<Transaction>) -> Result<Txid, MempoolReject> {
        let (entry, evicted) = self.context().admit_single(tx)?;
        let txid = entry.txid;
        self.take_in(vec![entry], &evicted);
        Ok(txid)
    }

    /// Offers a child with its unconfirmed parents, the child last (`submitpackage`). Members that pass alone go in alone;
    /// what is left passes or fails together, by the feerate of the whole. Members already in the mempool are fine.
    ///
    /// # Errors
    /// What is wrong with the package or its members. Members not named in the error are in the mempool.
    pub fn submit_package(&mut self, txs: &[Transaction]) -> Result<Vec<Txid>, PackageReject> {
        let txs: Vec<Arc<Transaction>> = txs.iter().cloned().map(Arc::new).collect();
        package::check_form(&txs)?;
        let mut left = Vec::new();
        let mut rejects = Vec::new();
        for tx in &txs {
            match self.submit_shared(tx) {
                Ok(_) => {}
                Err(reject) if reject.is_already_there() => {}
                Err(reject) => {
                    rejects.push((tx.compute_txid(), reject));
                    left.push(Arc::clone(tx));
                }
            }
        }
        if left.len() == 1 || !rejects.iter().all(|(_, reject)| package::may_be_cured(reject)) {
            return Err(PackageReject { fault: PackageFault::Transaction, transactions: rejects });
        }
        if !left.is_empty() {
            let (entries, evicted) = package::admit(&self.context(), &left)?;
            self.take_in(entries, &evicted);
        }
        Ok(txs.iter().map(|tx| tx.compute_txid()).collect())
    }

    /// Drops a transaction from the mempool with all that hangs on it, as a full mempool or a miner's whim would. Gives
    /// what went; it may be submitted again.
    pub fn evict(&mut self, txid: &Txid) -> BTreeSet<Txid> {
        Arc::make_mut(&mut self.mempool).remove_with_descendants(&BTreeSet::from([*txid]))
    }

    /// What the next block would be made of, in its order, but for the coinbase (`getblocktemplate`).
    #[must_use]
    pub fn template(&self) -> Vec<Arc<Transaction>> {
        let wishes = Wishes {
            max_weight: self.policy.block_weight.saturating_sub(RESERVED_WEIGHT),
            min_feerate: self.policy.block_min,
            censored: &self.censored(&self.mempool),
        };
        template::choose(&self.mempool, &wishes).iter().map(|entry| Arc::clone(&entry.tx)).collect()
    }

    /// Mines blocks of what pays best in the mempool, the rewards going to `coinbase_script`, each in the weather that was
    /// scripted for it ([`RegtestChain::forecast`]). Gives their hashes.
    pub fn mine(&mut self, blocks: u32, coinbase_script: &Script) -> Vec<BlockHash> {
        let mine_one = |_| {
            self.next_weather();
            let txs = self.template();
            self.mine_block(&txs, coinbase_script).expect("what is in the mempool is valid in the next block")
        };
        (0..blocks).map(mine_one).collect()
    }

    /// Mines one block of exactly these transactions, in this order. Consensus rules hold, policy does not; what conflicts
    /// with them leaves the mempool.
    ///
    /// # Errors
    /// The rule that makes the block invalid; nothing has changed then.
    pub fn mine_with(
        &mut self,
        txs: &[Transaction],
        coinbase_script: &Script,
    ) -> Result<BlockHash, BlockReject> {
        let txs: Vec<_> = txs.iter().cloned().map(Arc::new).collect();
        self.mine_block(&txs, coinbase_script)
    }

    /// Disconnects the `depth` best blocks, at most down to the genesis block. Their transactions, and those of the mempool
    /// that are still valid, wait in the mempool. Gives the blocks that went, the highest first. A longer chain comes by
    /// mining more than `depth` blocks then; they have other hashes than the ones before.
    pub fn reorg(&mut self, depth: u32) -> Vec<BlockId> {
        let ledger = Arc::make_mut(&mut self.ledger);
        let gone: Vec<(BlockId, Arc<Block>)> = (0..depth).map_while(|_| ledger.disconnect()).collect();
        let before = std::mem::take(&mut self.mempool);
        for (_, block) in gone.iter().rev() {
            for tx in block.txdata.iter().skip(1) {
                self.take_again(&Arc::new(tx.clone()), Admission::Disconnected);
            }
        }
        for entry in before.in_order() {
            self.take_again(&entry.tx, Admission::Kept);
        }
        gone.into_iter().map(|(id, _)| id).collect()
    }

    fn take_again(&mut self, tx: &Arc<Transaction>, admission: Admission<'_>) {
        if let Ok((entry, evicted)) = self.context().admit_again(tx, admission) {
            self.take_in(vec![entry], &evicted);
        }
    }

    fn context(&self) -> Context<'_> {
        Context { ledger: &self.ledger, mempool: &self.mempool, policy: &self.policy }
    }

    fn take_in(&mut self, entries: Vec<Entry>, evicted: &BTreeSet<Txid>) {
        let mempool = Arc::make_mut(&mut self.mempool);
        mempool.remove_with_descendants(evicted);
        for entry in entries {
            mempool.insert(entry);
        }
    }

    fn mine_block(&mut self, txs: &[Arc<Transaction>], script: &Script) -> Result<BlockHash, BlockReject> {
        let fees = self.ledger.check_block(txs, |tx| self.mempool.has_same(tx))?;
        let previous = self.tip();
        let now = u32::try_from(self.now.secs()).unwrap_or(u32::MAX);
        let frame = Frame {
            previous,
            time: now.max(self.ledger.tip_median_time().saturating_add(1)),
            extra_nonce: u64::try_from(self.ledger.made().len()).unwrap_or(u64::MAX),
            reward: Ledger::subsidy(previous.height.plus(1)).saturating_add(fees),
            reward_script: script,
        };
        let block = assemble::assemble(&frame, txs);
        let id = Arc::make_mut(&mut self.ledger).connect(block)?;
        self.forget_confirmed(txs);
        self.one_block_less();
        Ok(id.hash)
    }

    /// Takes out of the mempool what a block confirmed and what it made impossible (`removeForBlock`).
    fn forget_confirmed(&mut self, txs: &[Arc<Transaction>]) {
        if txs.is_empty() {
            return;
        }
        let mempool = Arc::make_mut(&mut self.mempool);
        for tx in txs {
            mempool.remove(&tx.compute_txid());
            let conflicts = mempool.conflicts(tx);
            mempool.remove_with_descendants(&conflicts);
        }
    }

    /// Spendable coins of the chain with this script: mature, and not spent in the mempool.
    pub(crate) fn spendable(&self, script: &Script) -> Vec<(OutPoint, Sat)> {
        let next = self.tip().height.plus(1);
        let is_ready = |outpoint: &OutPoint, coin: &Coin| {
            let young = next.0.saturating_sub(coin.height.0) < crate::consensus::COINBASE_MATURITY;
            !(coin.coinbase && young) && self.mempool.spender(outpoint).is_none()
        };
        let coins = self.ledger.coins_of(script).filter(|(outpoint, coin)| is_ready(outpoint, coin));
        coins.map(|(outpoint, coin)| (outpoint, coin.output.value.into())).collect()
    }
}
