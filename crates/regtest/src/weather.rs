//! Scripted congestion and miners with a will of their own: what the attacks on deadlines need. None of it is a rule of
//! Bitcoin Core; it sets the knobs that Bitcoin Core has, block by block, and leaves out what a miner may leave out.

use crate::chain::RegtestChain;
use crate::consensus::MAX_BLOCK_WEIGHT;
use crate::mempool::Mempool;
use crate::policy::Policy;
use astrape_primitives::FeeratePerKw;
use bitcoin::{OutPoint, Script, Txid};
use std::collections::BTreeSet;

/// The deepest reorganisation that is played by [`RegtestChain::replace_blocks`].
pub const MAX_REPLACED_BLOCKS: u32 = 6;

/// What it is like to get into one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Where the mempool's floor stands from this block on ([`Policy::mempool_min`]): what pays less is evicted.
    pub mempool_min: FeeratePerKw,
    /// What the block's cheapest package pays ([`Policy::block_min`]).
    pub block_min: FeeratePerKw,
    /// The weight that is left for us ([`Policy::block_weight`]).
    pub block_weight: u64,
}

impl Weather {
    /// Empty mempools and empty blocks.
    #[must_use]
    pub fn fair() -> Self {
        let Policy { mempool_min, block_min, block_weight, .. } = Policy::default();
        Self { mempool_min, block_min, block_weight }
    }

    /// Blocks that are full of what pays this, and a mempool that takes half of it.
    #[must_use]
    pub fn full_at(feerate: FeeratePerKw) -> Self {
        Self { mempool_min: FeeratePerKw(feerate.0 / 2), block_min: feerate, ..Self::fair() }
    }

    /// No room for anything of the mempool: the fullest block, or an empty one.
    #[must_use]
    pub fn no_room() -> Self {
        Self { block_weight: 0, ..Self::fair() }
    }
}

/// What miners leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Censorship {
    what: Censored,
    /// For so many more blocks.
    blocks: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Censored {
    Transaction(Txid),
    Spend(OutPoint),
}

impl RegtestChain {
    /// Scripts the weather of the next blocks, the next one first; the last stays.
    pub fn forecast(&mut self, weather: impl IntoIterator<Item = Weather>) {
        self.weather = weather.into_iter().collect();
    }

    /// Makes the weather of the next block, if one was scripted for it. Gives what is evicted.
    pub(crate) fn next_weather(&mut self) -> BTreeSet<Txid> {
        let Some(Weather { mempool_min, block_min, block_weight }) = self.weather.pop_front() else {
            return BTreeSet::new();
        };
        let block_weight = block_weight.min(MAX_BLOCK_WEIGHT);
        self.set_policy(Policy { mempool_min, block_min, block_weight, ..self.policy() })
    }

    /// Miners leave this transaction and all that hangs on it out of the next blocks; it stays in the mempool.
    pub fn censor(&mut self, txid: Txid, blocks: u32) {
        self.censorship.push(Censorship { what: Censored::Transaction(txid), blocks });
    }

    /// Miners leave whatever spends this output out of the next blocks.
    pub fn censor_spend(&mut self, outpoint: OutPoint, blocks: u32) {
        self.censorship.push(Censorship { what: Censored::Spend(outpoint), blocks });
    }

    pub(crate) fn censored(&self, mempool: &Mempool) -> BTreeSet<Txid> {
        let named = |censorship: &Censorship| match &censorship.what {
            Censored::Transaction(txid) => Some(*txid),
            Censored::Spend(outpoint) => mempool.spender(outpoint),
        };
        self.censorship.iter().filter_map(named).collect()
    }

    pub(crate) fn one_block_less(&mut self) {
        for censorship in &mut self.censorship {
            censorship.blocks = censorship.blocks.saturating_sub(1);
        }
        self.censorship.retain(|censorship| censorship.blocks > 0);
    }

    /// Another branch wins: the last `depth` blocks (at most [`MAX_REPLACED_BLOCKS`]) go, their transactions wait in the
    /// mempool, and one block more than went is mined of what is there. What `left_out` names is in none of them.
    pub fn replace_blocks(&mut self, depth: u32, left_out: &BTreeSet<Txid>, coinbase_script: &Script) {
        let depth = depth.min(MAX_REPLACED_BLOCKS);
        self.reorg(depth);
        for txid in left_out {
            self.censor(*txid, depth + 1);
        }
        self.mine(depth + 1, coinbase_script);
    }
}
