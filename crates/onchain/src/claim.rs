//! A transaction of ours that claims outputs: the version of it that is owed to the network now.

use crate::tracked::Tracked;
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Height, Sat};
use astrape_transactions::{ClaimInput, ClaimRequest, CommitmentFormat, Spend, WalletInput};
use bitcoin::{OutPoint, Transaction, Txid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names a claim of a resolution through all its versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimId(pub u64);

/// A claim that is owed to the network until an input of it is spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The outputs that it claims: the first inputs of the transaction, in this order.
    pub inputs: Vec<OutPoint>,
    /// Coins of our wallet that pay for it: the inputs after them.
    pub coins: Vec<WalletInput>,
    /// The transaction, unsigned.
    pub tx: Arc<Transaction>,
    /// What it pays: for a child, what it pays beside its parent.
    pub fee: Sat,
    /// The feerate that it brings about: for a child, that of the package.
    pub feerate: FeeratePerKw,
    /// Its weight, signed.
    pub weight: u64,
    /// The tip when this version was made: no two versions are made for one block.
    pub made: Height,
    /// The block by which it must be in.
    pub deadline: Option<Height>,
}

impl Claim {
    /// Its id, which its signatures do not change.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.tx.compute_txid()
    }

    /// What the signer is asked for; `None` when an output is followed no more.
    #[must_use]
    pub fn request(
        &self,
        keys: ChannelKeysId,
        format: CommitmentFormat,
        outputs: &BTreeMap<OutPoint, Tracked>,
    ) -> Option<ClaimRequest> {
        let of_channel = self.inputs.iter().map(|outpoint| {
            let tracked = outputs.get(outpoint)?;
            Some(ClaimInput { prevout: tracked.output.clone(), spend: tracked.spend(keys, format)? })
        });
        let of_wallet = self.coins.iter().map(|coin| {
            let spend = Spend::Wallet { keychain: coin.keychain, index: coin.index };
            Some(ClaimInput { prevout: coin.prevout.clone(), spend })
        });
        let inputs: Option<Vec<ClaimInput>> = of_channel.chain(of_wallet).collect();
        Some(ClaimRequest { tx: (*self.tx).clone(), inputs: inputs? })
    }
}
