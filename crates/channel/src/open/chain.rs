//! The funding transaction in the chain: found, verified, deep enough, or gone again.

use super::Work;
use crate::channel::Open;
use crate::fault::Fault;
use crate::funding::Confirmation;
use crate::output::{Output, Story, Transition};
use crate::policy::COINBASE_MATURITY;
use astrape_primitives::{Height, Msat, Side};
use bitcoin::Transaction;

impl Open {
    /// Whether the peer has opened the channel and its funding was not deep in any block.
    fn awaits_the_peers_funding(&self) -> bool {
        self.params.opener == Side::Remote
            && self.funding.confirmed.is_none()
            && self.funding.spent.is_none()
            && !self.readiness.sent
    }

    /// Whether the peer may give the channel up and leave us nothing to wait for: it opened it, the funding is in no block, and should
    /// that come after all, nothing in it is ours.
    #[must_use]
    pub fn is_the_peers_to_give_up(&self) -> bool {
        self.awaits_the_peers_funding() && self.balances.local == Msat::ZERO && self.htlcs.is_empty()
    }
}

impl Work<'_> {
    /// The transaction with the funding's txid is in a block. The outpoint must have the agreed script and amount (attack 1).
    pub(super) fn funding_confirmed(
        mut self,
        tx: &Transaction,
        height: Height,
        index: u32,
    ) -> Result<Transition, Fault> {
        let terms = &self.open.funding.terms;
        if tx.compute_txid() != terms.outpoint.txid {
            return Ok(self.finish());
        }
        let Some(output) = usize::try_from(terms.outpoint.vout).ok().and_then(|vout| tx.output.get(vout))
        else {
            return Err(Fault::Funding(format!("it has no output {}", terms.outpoint.vout)));
        };
        if *output != terms.funding_output() {
            return Err(Fault::Funding(format!(
                "output {} has {} sat and script {}, where {} sat and {} were agreed on",
                terms.outpoint.vout,
                output.value.to_sat(),
                output.script_pubkey,
                terms.capacity.0,
                terms.funding_script(),
            )));
        }
        self.note_confirmation(tx, height, index);
        let tip = self.view.tip.max(height);
        self.check_depth(tip);
        self.announce(tip);
        Ok(self.finish())
    }

    /// The funding is confirmed.
    pub(crate) fn note_confirmation(&mut self, tx: &Transaction, height: Height, index: u32) {
        if tx.compute_txid() == self.open.funding.terms.outpoint.txid {
            self.open.funding.confirmed = Some(Confirmation { height, index });
            self.outputs.push(Output::Story(Story::FundingConfirmed));
        }
    }

    /// The funding left the chain. The channel waits: no new HTLCs until it is back (see [`crate::Refusal`]).
    pub(crate) fn funding_reorged(mut self) -> Result<Transition, Fault> {
        if self.open.funding.confirmed.take().is_some() {
            self.open.announcement = Default::default();
            if let crate::Link::Up(up) = &mut self.link {
                up.announcement = Default::default();
            }
            self.outputs.push(Output::Story(Story::FundingReorged));
        }
        Ok(self.finish())
    }

    /// A new best height: the funding may be deep enough, or too late.
    pub(super) fn tip(mut self, tip: Height) -> Result<Transition, Fault> {
        self.check_depth(tip);
        self.announce(tip);
        self.drop_expired();
        self.forget_what_was_never_funded(tip);
        Ok(self.finish())
    }

    /// BOLT 2: a fundee forgets a channel whose funding does not come; also one that was given up meanwhile.
    pub(crate) fn forget_what_was_never_funded(&mut self, tip: Height) {
        let waited = tip.0.saturating_sub(self.open.params.funded_at.0);
        if self.open.awaits_the_peers_funding() && waited > self.view.policy.funding_timeout {
            let reason = format!("the peer's funding transaction did not confirm within {waited} blocks");
            self.outputs.push(Output::Forgotten { reason });
        }
    }

    fn check_depth(&mut self, tip: Height) {
        let Some(confirmed) = self.open.funding.confirmed else {
            return;
        };
        let depth = if confirmed.index == 0 {
            self.open.params.minimum_depth.max(COINBASE_MATURITY)
        } else {
            self.open.params.minimum_depth
        };
        if confirmed.height.confirmations_at(tip) >= depth {
            self.become_ready();
        }
    }
}
