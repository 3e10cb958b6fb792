//! All that depends on a funding output. A channel has one for now; splicing will give it more.

use astrape_primitives::Height;
use astrape_transactions::FundingTerms;
use bitcoin::Transaction;
use std::sync::Arc;

/// A funding output and what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funding {
    /// Outpoint, capacity, keys, format.
    pub terms: Arc<FundingTerms>,
    /// The transaction, when we made it and owe it to the network.
    pub tx: Option<Arc<Transaction>>,
    /// Where it stands in the chain, verified.
    pub confirmed: Option<Confirmation>,
    /// The confirmed transaction that spends it.
    pub spent: Option<Spend>,
}

/// A place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The block's height.
    pub height: Height,
    /// The transaction's index in the block; 0 is the coinbase.
    pub index: u32,
}

/// A spend of the funding output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spend {
    /// The transaction.
    pub tx: Arc<Transaction>,
    /// The block's height.
    pub height: Height,
}
