//! What the mempool takes: Bitcoin Core's relay policy.
//!
//! | room | rules |
//! |---|---|
//! | `admit` | one transaction from beginning to end (`MemPoolAccept`) |
//! | `standard` | forms of transactions, outputs and witnesses |
//! | `script` | signature rules beyond consensus |
//! | `replace` | full RBF with the fee rules of BIP 125 |
//! | `truc` | version 3 transactions, BIP 431 |
//! | `package` | a child with its parents |

pub(crate) mod admit;
pub(crate) mod package;
pub(crate) mod replace;
pub(crate) mod script;
pub(crate) mod standard;
pub(crate) mod truc;

use crate::consensus::MAX_BLOCK_WEIGHT;
use astrape_primitives::FeeratePerKw;

/// The part of the rules that a caller sets, to make a fee market. The defaults are those of Bitcoin Core 29.0; later ones
/// relay from 0.1 sat/vbyte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Lowest feerate of any transaction but version 3 in a package (`-minrelaytxfee`, 1 sat/vbyte).
    pub min_relay: FeeratePerKw,
    /// Lowest feerate of a package: where a full mempool's floor stands (`CTxMemPool::GetMinFee`). Raising it evicts what
    /// pays less.
    pub mempool_min: FeeratePerKw,
    /// Feerate of the difference that a replacement must pay for its own size (`-incrementalrelayfee`, 1 sat/vbyte).
    pub incremental: FeeratePerKw,
    /// Lowest feerate of a package that a miner takes (`-blockmintxfee`, 1 sat/vbyte). Above the mempool's floor it stands for
    /// blocks that others fill with what pays better.
    pub block_min: FeeratePerKw,
    /// Weight that a miner fills (`-blockmaxweight`), at most 4,000,000; smaller values make blocks scarce.
    pub block_weight: u64,
    /// Whether the node takes packages (`submitpackage`, on all networks from Bitcoin Core 26 on).
    pub packages: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_relay: FeeratePerKw::from_sat_per_vb(1),
            mempool_min: FeeratePerKw(0),
            incremental: FeeratePerKw::from_sat_per_vb(1),
            block_min: FeeratePerKw::from_sat_per_vb(1),
            block_weight: MAX_BLOCK_WEIGHT,
            packages: true,
        }
    }
}

impl Policy {
    /// The higher one of the two floors: what a lone transaction must pay.
    #[must_use]
    pub fn floor(&self) -> FeeratePerKw {
        self.min_relay.max(self.mempool_min)
    }
}

/// Fee in satoshi for a size, rounded up (`CFeeRate::GetFee`).
pub(crate) fn fee_at(rate: FeeratePerKw, vsize: u64) -> u64 {
    u64::from(rate.0).saturating_mul(vsize).saturating_mul(4).div_ceil(1000)
}
