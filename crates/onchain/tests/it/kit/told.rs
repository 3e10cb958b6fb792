//! What was told, and what it came to.

use super::{Court, wallet_script};
use astrape_onchain::{HtlcKey, Output, Story};
use astrape_primitives::{Height, HtlcId, Sat};
use astrape_transactions::Keychain;
use bitcoin::{OutPoint, Transaction};
use std::sync::Arc;

impl Court {
    /// The output that holds an HTLC.
    pub(crate) fn output_of(&self, key: HtlcKey) -> OutPoint {
        let found = self.resolution.outputs.iter().find(|(_, t)| t.key() == Some(key));
        *found.expect("the HTLC has an output").0
    }

    /// Whether the end of an HTLC of ours was told as failed.
    pub(crate) fn has_failed(&self, id: u64) -> bool {
        self.told.contains(&Output::Failed(HtlcId(id)))
    }

    /// The preimages that were told, by HTLC.
    pub(crate) fn preimages(&self) -> Vec<Option<HtlcId>> {
        let of = |o: &Output| match o {
            Output::Preimage { htlc, .. } => Some(*htlc),
            _ => None,
        };
        self.told.iter().filter_map(of).collect()
    }

    /// The child of our commitment in the mempool.
    pub(crate) fn child(&self) -> Option<Arc<Transaction>> {
        let parent = self.our_commitment().compute_txid();
        self.chain.mempool().into_iter().find(|tx| tx.input[0].previous_output.txid == parent)
    }

    pub(crate) fn is_resolved(&self) -> bool {
        self.told.contains(&Output::Resolved)
    }

    pub(crate) fn stories(&self) -> Vec<&Story> {
        let mut stories = Vec::new();
        for output in &self.told {
            if let Output::Story(story) = output {
                stories.push(story);
            }
        }
        stories
    }

    /// What stands on chain for our wallet, without the coins that it had.
    pub(crate) fn in_our_wallet(&self) -> Sat {
        let script = wallet_script(Keychain::Internal, 0);
        let mut sum = Sat::ZERO;
        for height in 0..=self.tip().0 {
            let Some(block) = self.chain.block_at(Height(height)) else { continue };
            for tx in &block.txdata {
                let txid = tx.compute_txid();
                for (vout, output) in (0_u32..).zip(&tx.output).filter(|(_, o)| o.script_pubkey == script) {
                    if self.chain.is_unspent(&OutPoint { txid, vout }) {
                        sum = sum.saturating_add(output.value.into());
                    }
                }
            }
        }
        sum
    }

    /// Asserts that every claim that was sent was taken by the mempool.
    pub(crate) fn assert_none_refused(&self) {
        assert!(self.refused.is_empty(), "{:?}", self.refused);
    }
}
