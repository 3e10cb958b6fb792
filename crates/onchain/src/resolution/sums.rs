//! What a close has brought and cost so far, for people.

use super::Resolution;
use crate::tracked::{Role, Tracked};
use astrape_primitives::{Sat, Side};
use bitcoin::{OutPoint, Transaction, Txid};

/// What a close comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// What of it is claimed in blocks: less the fees, so much more is in the wallet.
    pub returned: Sat,
    /// What is ours and not claimed in a block yet, and what may become ours by timeout.
    pub pending: Sat,
    /// What our transactions in blocks have paid to miners.
    pub fees: Sat,
}

impl Resolution {
    /// What the close has brought and cost so far.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let mut sums = Sums { fees: self.fees(), ..Sums::default() };
        for (outpoint, tracked) in &self.outputs {
            match tracked.spent {
                Some(spent) if spent.by_us => {
                    let brought = self.brought(outpoint, tracked, spent.txid);
                    sums.returned = sums.returned.saturating_add(brought);
                }
                None if is_ours_to_come(tracked) => {
                    sums.pending = sums.pending.saturating_add(tracked.value());
                }
                _ => {}
            }
        }
        sums
    }

    fn fees(&self) -> Sat {
        let is_in_block = |txid: Txid, inputs: &[OutPoint]| {
            inputs.iter().any(|o| self.outputs.get(o).and_then(|t| t.spent).is_some_and(|s| s.txid == txid))
        };
        self.claims.values().filter(|c| is_in_block(c.txid(), &c.inputs)).map(|c| c.fee).sum()
    }

    /// What an output that we have spent has brought, before fees.
    fn brought(&self, outpoint: &OutPoint, tracked: &Tracked, by: Txid) -> Sat {
        let is_claimed = || self.claims.values().any(|c| c.inputs.contains(outpoint) && c.txid() == by);
        match tracked.role {
            // The rest of it is in an output that is followed in its stead.
            Role::OurHtlc { second_stage, .. } => tracked.value().saturating_sub(second_stage),
            Role::Foreign => Sat::ZERO,
            // Anybody may take an anchor.
            Role::Anchor { .. } if !is_claimed() => Sat::ZERO,
            _ => tracked.value(),
        }
    }

    /// A transaction in a block that takes outputs of a claim for us: its fee. It may be a version of the claim before the
    /// newest; then that is the one that stands. One with a coin that the claim no longer had, because the wallet read that block
    /// before us, ends it: its fee is not known, and no coin is kept for what has its place.
    pub(super) fn settle_claim(&mut self, tx: &Transaction, taken: &[OutPoint]) -> Option<Sat> {
        let outputs = &self.outputs;
        let txid = tx.compute_txid();
        let (id, claim) = self
            .claims
            .iter_mut()
            .find(|(_, c)| !taken.is_empty() && c.inputs.iter().all(|o| taken.contains(o)))?;
        if claim.txid() == txid {
            return Some(claim.fee);
        }
        let value = |of: &OutPoint| {
            let coin = claim.coins.iter().find(|coin| coin.outpoint == *of);
            outputs.get(of).map(Tracked::value).or_else(|| coin.map(|coin| coin.prevout.value.into()))
        };
        let brought: Option<Vec<Sat>> = tx.input.iter().map(|i| value(&i.previous_output)).collect();
        let Some(brought) = brought else {
            let id = *id;
            self.claims.remove(&id);
            return None;
        };
        let brought: Sat = brought.into_iter().sum();
        let made: Sat = tx.output.iter().map(|o| Sat::from(o.value)).sum();
        claim.coins.retain(|coin| tx.input.iter().any(|i| i.previous_output == coin.outpoint));
        let mut unsigned = tx.clone();
        unsigned.input.iter_mut().for_each(|input| input.witness.clear());
        claim.tx = unsigned.into();
        claim.fee = brought.saturating_sub(made);
        Some(claim.fee)
    }
}

/// Whether an output that is not spent will be ours, or may be.
fn is_ours_to_come(tracked: &Tracked) -> bool {
    match &tracked.role {
        Role::Delayed { .. } | Role::ToRemote | Role::RevokedDelayed { .. } | Role::RevokedHtlc { .. } => {
            true
        }
        Role::OurHtlc { htlc, preimage, .. } | Role::TheirHtlc { htlc, preimage, .. } => {
            htlc.offered_by == Side::Local || preimage.is_some()
        }
        Role::Anchor { .. } | Role::Foreign => false,
    }
}
