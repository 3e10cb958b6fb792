//! The confirmed part: blocks, coins, and how a block connects and disconnects.

use crate::consensus::{
    MAX_BLOCK_WEIGHT, check_inputs, check_scripts, check_transaction, is_final, sequence_locks_met,
};
use crate::events::BlockEvent;
use crate::reject::{BlockReject, TxInvalid};
use astrape_primitives::{BlockId, Height, Sat};
use bitcoin::constants::genesis_block;
use bitcoin::{Block, BlockHash, Network, OutPoint, Transaction, TxOut, Txid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Largest script that can be spent (`MAX_SCRIPT_SIZE`); outputs above it never become coins.
const MAX_SCRIPT_SIZE: usize = 10_000;

/// An output and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coin {
    pub(crate) output: TxOut,
    /// Height of its block; for an unconfirmed one, of the next block.
    pub(crate) height: Height,
    pub(crate) coinbase: bool,
}

/// A block that is or was in the best chain, with the coins it spent.
#[derive(Clone, Debug)]
pub(crate) struct StoredBlock {
    pub(crate) block: Arc<Block>,
    pub(crate) height: Height,
    undo: Arc<Vec<(OutPoint, Arc<Coin>)>>,
}

/// Blocks and coins.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// The best chain by height.
    active: Vec<BlockHash>,
    /// Every block that was ever connected; stale ones stay, so that events can be told from them.
    blocks: BTreeMap<BlockHash, StoredBlock>,
    /// All of them but the genesis block, in the order in which they came.
    made: Vec<BlockHash>,
    coins: BTreeMap<OutPoint, Arc<Coin>>,
    /// Where the transactions of the best chain are.
    places: BTreeMap<Txid, (Height, u32)>,
}

impl Ledger {
    /// The genesis block alone. Its coinbase is no coin, as in Bitcoin Core.
    pub(crate) fn new() -> Self {
        let block = Arc::new(genesis_block(Network::Regtest));
        let hash = block.block_hash();
        let stored = StoredBlock { block, height: Height(0), undo: Arc::default() };
        Self {
            active: vec![hash],
            blocks: BTreeMap::from([(hash, stored)]),
            made: Vec::new(),
            coins: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    pub(crate) fn tip(&self) -> BlockId {
        let hash = *self.active.last().expect("the genesis block is never disconnected");
        BlockId { height: Height(u32::try_from(self.active.len() - 1).unwrap_or(u32::MAX)), hash }
    }

    pub(crate) fn hash_at(&self, height: Height) -> Option<BlockHash> {
        self.active.get(usize::try_from(height.0).ok()?).copied()
    }

    /// A block of the best chain or a stale one.
    pub(crate) fn stored(&self, hash: &BlockHash) -> Option<&StoredBlock> {
        self.blocks.get(hash)
    }

    /// Every block that was ever connected, in order.
    pub(crate) fn made(&self) -> impl ExactSizeIterator<Item = &Arc<Block>> {
        self.made.iter().map(|hash| &self.blocks[hash].block)
    }

    pub(crate) fn coin(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.coins.get(outpoint).map(Arc::as_ref)
    }

    /// Coins with this script, in the order of their outpoints.
    pub(crate) fn coins_of<'a>(
        &'a self,
        script: &'a bitcoin::Script,
    ) -> impl Iterator<Item = (OutPoint, &'a Coin)> + 'a {
        self.coins
            .iter()
            .filter(move |(_, coin)| coin.output.script_pubkey.as_script() == script)
            .map(|(outpoint, coin)| (*outpoint, coin.as_ref()))
    }

    /// Whether any output of this transaction is unspent in the chain.
    pub(crate) fn has_coins_of(&self, txid: Txid) -> bool {
        let first = OutPoint { txid, vout: 0 };
        let last = OutPoint { txid, vout: u32::MAX };
        self.coins.range(first..=last).next().is_some()
    }

    pub(crate) fn place(&self, txid: &Txid) -> Option<(BlockId, u32, &Transaction)> {
        let (height, index) = *self.places.get(txid)?;
        let hash = self.hash_at(height)?;
        let tx = self.blocks.get(&hash)?.block.txdata.get(usize::try_from(index).ok()?)?;
        Some((BlockId { height, hash }, index, tx))
    }

    /// Median of the times of a block and the ten below (`GetMedianTimePast`).
    pub(crate) fn median_time_at(&self, height: Height) -> u32 {
        let from = height.0.saturating_sub(10);
        let mut times: Vec<u32> = (from..=height.0)
            .filter_map(|h| self.blocks.get(&self.hash_at(Height(h))?))
            .map(|stored| stored.block.header.time)
            .collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(0)
    }

    pub(crate) fn tip_median_time(&self) -> u32 {
        self.median_time_at(self.tip().height)
    }

    /// Coinbase reward before fees: 50 bitcoin, halved every 150 blocks on regtest (`GetBlockSubsidy`).
    pub(crate) fn subsidy(height: Height) -> Sat {
        Sat(5_000_000_000_u64.checked_shr(height.0 / 150).unwrap_or(0))
    }

    /// Checks a list of transactions for the next block, in order, and gives their fees. `known` says whose scripts were
    /// verified before.
    pub(crate) fn check_block(
        &self,
        txs: &[Arc<Transaction>],
        known: impl Fn(&Transaction) -> bool,
    ) -> Result<Sat, BlockReject> {
        let height = self.tip().height.plus(1);
        let median_time = self.tip_median_time();
        let mut made: BTreeMap<OutPoint, Coin> = BTreeMap::new();
        let mut spent = std::collections::BTreeSet::new();
        let mut fees = Sat::ZERO;
        for tx in txs {
            if tx.is_coinbase() {
                return Err(BlockReject::SecondCoinbase);
            }
            let txid = tx.compute_txid();
            let wrong = |invalid| BlockReject::Transaction { txid, invalid };
            check_transaction(tx).map_err(wrong)?;
            if !is_final(tx, height, median_time) {
                return Err(wrong(TxInvalid::NonFinal));
            }
            let mut coins = Vec::with_capacity(tx.input.len());
            for input in &tx.input {
                let outpoint = input.previous_output;
                let coin = made.get(&outpoint).or_else(|| self.coin(&outpoint));
                let unspent = coin.filter(|_| spent.insert(outpoint));
                coins.push(unspent.ok_or_else(|| wrong(TxInvalid::MissingInputs))?.clone());
            }
            if !sequence_locks_met(tx, &coins, self) {
                return Err(wrong(TxInvalid::NonBip68Final));
            }
            fees = fees.saturating_add(check_inputs(tx, &coins, height).map_err(wrong)?);
            if !known(tx) {
                check_scripts(tx, &coins).map_err(wrong)?;
            }
            made.extend(new_coins(tx, txid, height));
        }
        Ok(fees)
    }

    /// Puts a block on the tip. Its transactions have passed [`Ledger::check_block`].
    pub(crate) fn connect(&mut self, block: Block) -> Result<BlockId, BlockReject> {
        if block.weight().to_wu() > MAX_BLOCK_WEIGHT {
            return Err(BlockReject::Weight);
        }
        let id = BlockId { height: self.tip().height.plus(1), hash: block.block_hash() };
        let mut undo = Vec::new();
        for (index, tx) in (0_u32..).zip(&block.txdata) {
            let txid = tx.compute_txid();
            for input in tx.input.iter().filter(|_| !tx.is_coinbase()) {
                if let Some(coin) = self.coins.remove(&input.previous_output) {
                    undo.push((input.previous_output, coin));
                }
            }
            self.coins
                .extend(new_coins(tx, txid, id.height).map(|(outpoint, coin)| (outpoint, Arc::new(coin))));
            self.places.insert(txid, (id.height, index));
        }
        let stored = StoredBlock { block: Arc::new(block), height: id.height, undo: Arc::new(undo) };
        self.blocks.insert(id.hash, stored);
        self.made.push(id.hash);
        self.active.push(id.hash);
        Ok(id)
    }

    /// Takes the block on top off, unless it is the genesis block.
    pub(crate) fn disconnect(&mut self) -> Option<(BlockId, Arc<Block>)> {
        let id = self.tip();
        if id.height == Height(0) {
            return None;
        }
        let stored = self.blocks.get(&id.hash)?.clone();
        // First what it spent comes back, then what it made goes: a coin made and spent in this block ends up gone.
        self.coins.extend(stored.undo.iter().cloned());
        for tx in &stored.block.txdata {
            let txid = tx.compute_txid();
            self.places.remove(&txid);
            for (outpoint, _) in new_coins(tx, txid, id.height) {
                self.coins.remove(&outpoint);
            }
        }
        self.active.pop();
        Some((id, stored.block))
    }

    /// What changed since `cursor` was the tip: first what went, from its top down, then what came. `None` when this
    /// block was never in the chain.
    pub(crate) fn events_since(&self, cursor: BlockHash) -> Option<Vec<BlockEvent>> {
        let mut events = Vec::new();
        let mut at = self.blocks.get(&cursor)?;
        let mut hash = cursor;
        while self.hash_at(at.height) != Some(hash) {
            events.push(BlockEvent::Disconnected { id: BlockId { height: at.height, hash } });
            hash = at.block.header.prev_blockhash;
            at = self.blocks.get(&hash)?;
        }
        let above = usize::try_from(at.height.0).ok()?.checked_add(1)?;
        for hash in self.active.get(above..)? {
            let stored = self.blocks.get(hash)?;
            let id = BlockId { height: stored.height, hash: *hash };
            events.push(BlockEvent::Connected { id, block: Arc::clone(&stored.block) });
        }
        Some(events)
    }
}

/// The coins a transaction makes: its outputs but those that can never be spent (`IsUnspendable`).
fn new_coins(tx: &Transaction, txid: Txid, height: Height) -> impl Iterator<Item = (OutPoint, Coin)> + '_ {
    let coinbase = tx.is_coinbase();
    (0_u32..)
        .zip(&tx.output)
        .filter(|(_, out)| !out.script_pubkey.is_op_return() && out.script_pubkey.len() <= MAX_SCRIPT_SIZE)
        .map(move |(vout, output)| {
            (OutPoint { txid, vout }, Coin { output: output.clone(), height, coinbase })
        })
}
