//! What the mempool shows: a preimage before its block, a conflict with a claim of ours, the peer's commitment.

use super::spend::is_ours;
use super::{Resolution, View};
use crate::claim::ClaimId;
use crate::output::Output;
use crate::spender::{Spender, classify};
use crate::tracked::Role;
use crate::witness::way;
use astrape_primitives::{Sat, Side};
use bitcoin::Transaction;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Resolution {
    /// Unconfirmed transactions. Nothing is believed of them but a preimage, which proves itself; the rest only changes how
    /// we claim.
    pub(super) fn seen(&mut self, txs: &[Arc<Transaction>], view: &View<'_>, out: &mut Vec<Output>) {
        self.commitment_seen(txs, view, out);
        let mut contested: BTreeSet<ClaimId> = BTreeSet::new();
        for tx in txs {
            for input in &tx.input {
                let (outpoint, way) = (input.previous_output, way(&input.witness));
                if outpoint == view.evidence.terms.outpoint {
                    continue;
                }
                self.extract(&outpoint, way, view, out);
                let Some(tracked) = self.outputs.get_mut(&outpoint).filter(|t| t.spent.is_none()) else {
                    continue;
                };
                if !is_ours(&tracked.role, way) && !matches!(tracked.role, Role::Foreign) {
                    tracked.alone = true;
                    let with = |(_, claim): &(&ClaimId, &crate::Claim)| {
                        claim.inputs.len() > 1 && claim.inputs.contains(&outpoint)
                    };
                    contested.extend(self.claims.iter().filter(with).map(|(id, _)| *id));
                }
            }
        }
        for id in contested {
            self.split(id);
        }
    }

    /// A commitment of the peer waits in the mempool, or waits there no more: then ours is to get its child again.
    fn commitment_seen(&mut self, txs: &[Arc<Transaction>], view: &View<'_>, out: &mut Vec<Output>) {
        let funding = view.evidence.terms.outpoint;
        let spends = |tx: &&Arc<Transaction>| tx.input.iter().any(|i| i.previous_output == funding);
        let spender = txs.iter().find(spends).filter(|_| self.close.is_none());
        self.seen = spender.filter(|tx| self.wait_for_peers(tx, view, out)).cloned();
    }

    /// Where ours would wait behind a commitment of the peer, our anchor on that one brings it into a block. Whether this is one,
    /// and has such an anchor.
    pub(super) fn wait_for_peers(
        &mut self,
        tx: &Transaction,
        view: &View<'_>,
        out: &mut Vec<Output>,
    ) -> bool {
        let (Spender::Theirs { .. } | Spender::Revoked { .. } | Spender::Future { .. }, _) =
            classify(view.secp, view.evidence, tx)
        else {
            return false;
        };
        let paid: Sat = tx.output.iter().map(|o| Sat::from(o.value)).sum();
        let fee = self.capacity.saturating_sub(paid);
        let weight = tx.weight().to_wu();
        let payment =
            view.evidence.terms.format.to_remote_script(&view.evidence.terms.local.basepoints.payment);
        let ours = tx.output.iter().filter(|o| o.script_pubkey == payment);
        let balance: Sat = ours.map(|o| Sat::from(o.value)).sum();
        let parent = self.parent(Side::Remote, fee, weight, balance, view);
        self.wait_with_anchor(tx, parent, view, out)
    }
}
