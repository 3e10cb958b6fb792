//! One coin.

use astrape_primitives::{ChannelKeysId, Height, Sat};
use astrape_transactions::signing::{Keychain, WalletInput};
use bitcoin::{OutPoint, ScriptBuf, TxOut};

/// Confirmations from which a block's reward may be spent: it is in the 100th block above its own (consensus).
pub const COINBASE_MATURITY: u32 = 100;

/// What a coin is set aside for. Nothing else may spend it until it is released or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reservation {
    /// The funding transaction of a channel.
    Opening(ChannelKeysId),
    /// A withdrawal, by its own id.
    Withdrawal([u8; 32]),
    /// The claims of a channel that goes or went on chain, for their fees.
    Claim(ChannelKeysId),
}

/// A coin as a scanner finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCoin {
    /// Where it stands.
    pub outpoint: OutPoint,
    /// The branch of its address.
    pub keychain: Keychain,
    /// The index of its address.
    pub index: u32,
    /// What it is worth.
    pub amount: Sat,
    /// What it is locked with: P2TR of the key at `index`.
    pub script_pubkey: ScriptBuf,
    /// Whether it is the reward of a block.
    pub is_coinbase: bool,
    /// Whether a transaction all of whose inputs are ours made it. Such a coin cannot be taken back by a stranger, and
    /// may be spent before it is confirmed.
    pub ours_change: bool,
}

/// A coin of ours, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// What it is.
    pub found: FoundCoin,
    /// Height of the block that it was made in.
    pub confirmed: Option<Height>,
    /// Height of the block that it was spent in. A spent coin is kept until no reorganisation can give it back.
    pub spent: Option<Height>,
    /// What it is set aside for.
    pub reserved: Option<Reservation>,
}

impl Coin {
    /// Where it stands.
    #[must_use]
    pub const fn outpoint(&self) -> OutPoint {
        self.found.outpoint
    }

    /// What it is worth.
    #[must_use]
    pub const fn amount(&self) -> Sat {
        self.found.amount
    }

    /// Confirmations when the tip is at `tip`; 0 also for a block that is above the tip.
    #[must_use]
    pub fn confirmations(&self, tip: Height) -> u32 {
        self.confirmed.map_or(0, |height| height.confirmations_at(tip))
    }

    /// Whether it is the reward of a block that may not be spent in the block after `tip` yet.
    #[must_use]
    pub fn is_immature(&self, tip: Height) -> bool {
        self.found.is_coinbase && self.confirmations(tip) < COINBASE_MATURITY
    }

    /// Whether it is unspent and cannot be taken back: it is in a block, or change of a transaction of ours.
    #[must_use]
    pub fn is_there(&self, tip: Height) -> bool {
        self.spent.is_none() && (self.found.ours_change || self.confirmations(tip) > 0)
    }

    /// Whether it may be selected: free, unspent, mature and with `min_confirmations`. Unconfirmed coins of strangers
    /// may vanish, and are never taken.
    #[must_use]
    pub fn is_spendable(&self, tip: Height, min_confirmations: u32) -> bool {
        self.reserved.is_none()
            && self.is_there(tip)
            && self.confirmations(tip) >= min_confirmations
            && !self.is_immature(tip)
    }

    /// What a signer must know of it.
    #[must_use]
    pub fn to_input(&self) -> WalletInput {
        WalletInput {
            outpoint: self.found.outpoint,
            prevout: TxOut {
                value: self.found.amount.into(),
                script_pubkey: self.found.script_pubkey.clone(),
            },
            keychain: self.found.keychain,
            index: self.found.index,
        }
    }
}
