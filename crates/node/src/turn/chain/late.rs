//! Spends in blocks that were told before it was known that they count, and how far blocks were looked through for them.

use crate::state::ChainState;
use crate::turn::Turn;
use astrape_primitives::{BlockId, ConfirmedTx, Height};
use bitcoin::{OutPoint, Transaction};

impl Turn<'_> {
    /// What a watch that was set too late for a block of ours has found in it.
    pub(super) fn late(&mut self, block: BlockId, matched: &[ConfirmedTx]) {
        if !self.node.chain.get(&()).is_some_and(|chain| chain.has(block)) {
            return;
        }
        for confirmed in matched
            .iter()
            .filter(|confirmed| !self.is_known_spend(&confirmed.tx))
            .cloned()
            .collect::<Vec<_>>()
        {
            self.confirmed(block.height, &confirmed);
        }
    }

    /// Blocks were looked through for outputs whose watches came after them. Who was asked for anew meanwhile still is.
    pub(super) fn looked_back(&mut self, outputs: &[(OutPoint, Height)]) {
        let unseen = &mut self.node.world.unseen;
        for (outpoint, from) in outputs {
            if unseen.get(outpoint) == Some(from) {
                unseen.remove(outpoint);
            }
        }
        let tip = self.height();
        if let Some(chain) = self.node.chain.get(&()).filter(|chain| chain.looked_to != Some(tip)).cloned()
            && self.node.world.unseen.is_empty()
        {
            self.node.chain.set((), ChainState { looked_to: Some(tip), ..chain });
        }
    }

    /// An output is watched from now on that blocks which were told may spend, from a height on.
    pub(in crate::turn) fn look_back_for(&mut self, outpoint: OutPoint, from: Height) {
        let below = Height(from.0.saturating_sub(1));
        let Some(chain) = self.node.chain.get(&()).filter(|chain| chain.height() >= from).cloned() else {
            return;
        };
        self.node.world.unseen.insert(outpoint, from);
        if chain.looked_to.is_some_and(|seen| seen > below) {
            self.node.chain.set((), ChainState { looked_to: Some(below), ..chain });
        }
    }

    /// Whether all that is followed of what a transaction spends is known to be spent by it.
    fn is_known_spend(&self, tx: &Transaction) -> bool {
        let txid = tx.compute_txid();
        let spends = |outpoint: &OutPoint| {
            let keys = self.node.index.by_tracked(outpoint)?;
            let spent = self.node.resolutions.get(&keys)?.outputs.get(outpoint)?.spent;
            Some(spent.is_some_and(|spent| spent.txid == txid))
        };
        let mut followed = tx.input.iter().filter_map(|input| spends(&input.previous_output)).peekable();
        followed.peek().is_some() && followed.all(|known| known)
    }
}
