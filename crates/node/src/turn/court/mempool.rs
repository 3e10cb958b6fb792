//! What the mempool is told to have of what the courts follow. It may never confirm: nothing is believed of it but a preimage.

use crate::turn::Turn;
use astrape_onchain::{Event, Output, Resolution};
use astrape_primitives::ChannelKeysId;
use bitcoin::Transaction;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Turn<'_> {
    /// Unconfirmed transactions that spend what is watched. For a channel that is not on its way to the chain only a
    /// preimage counts: the rest may never confirm. One that was told of a commitment there hears of it too when that is gone.
    pub(in crate::turn) fn seen_in_mempool(&mut self, txs: &[Arc<Transaction>]) {
        let waits = self.node.resolutions.iter().filter(|(_, resolution)| resolution.seen.is_some());
        let mut concerned: BTreeSet<ChannelKeysId> = waits.map(|(keys, _)| *keys).collect();
        self.node.world.unconfirmed.clear();
        for (tx, input) in txs.iter().flat_map(|tx| tx.input.iter().map(move |input| (tx, input))) {
            let outpoint = input.previous_output;
            let funded = self.node.index.by_outpoint(&outpoint);
            if !funded.is_empty() {
                self.node.world.unconfirmed.insert(outpoint, Arc::clone(tx));
            }
            concerned.extend(funded);
            concerned.extend(self.node.index.by_tracked(&outpoint));
        }
        for keys in concerned {
            let event = Event::Seen(txs.to_vec());
            if self.node.resolutions.contains(&keys) {
                self.court(keys, event);
                continue;
            }
            let Some(evidence) = self.evidence(keys) else { continue };
            let (_, outputs) = self.handle(keys, &Resolution::new(&evidence), event, &evidence);
            for output in outputs {
                if let Output::Preimage { htlc, preimage } = output {
                    self.preimage_on_chain(keys, htlc, preimage);
                }
            }
        }
    }

    /// What spends the funding of a channel in the mempool, as it was told last.
    pub(super) fn unconfirmed_spend(&self, keys: ChannelKeysId) -> Option<Arc<Transaction>> {
        let open = self.node.channels.get(&keys)?.open()?;
        self.node.world.unconfirmed.get(&open.funding.terms.outpoint).cloned()
    }
}
