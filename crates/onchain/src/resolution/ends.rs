//! How HTLCs of ours end, and when all is over.

use super::{Close, Resolution, View};
use crate::evidence::{HtlcKey, LiveHtlc};
use crate::output::Output;
use crate::plan::build::PAID_BY_COIN_WEIGHT;
use crate::plan::fee::per_kw;
use crate::spender::Spender;
use crate::tracked::{Role, Tracked};
use astrape_primitives::{FeeratePerKw, Height, Sat, Side};
use astrape_transactions::weights::dust_threshold;
use bitcoin::OutPoint;

/// Blocks after its expiry from which an HTLC whose outcome we cannot follow (after a loss of data) counts as failed, as does one of
/// ours that is worth no claim; and one of the peer without a preimage counts as the peer's.
pub(super) const PATIENCE_BLOCKS: u32 = 144;

/// An output below this is small change.
const SMALL_CHANGE: Sat = Sat(1_000);

/// For so long a claim of small change may come to be worth its fee: two days.
const BLOCKS_FOR_SMALL_CHANGE: u32 = 288;

impl Resolution {
    /// Fails what has ended without a preimage and is deep: by our timeout, or because the confirmed commitment has no output
    /// for it (dust, or not in it). Never one whose preimage is known (attacks 14 and 15).
    pub(super) fn end_htlcs(&mut self, view: &View<'_>, out: &mut Vec<Output>) {
        let Some(close) = self.close.clone() else {
            return;
        };
        for live in view.evidence.offered() {
            let id = live.htlc.id;
            if self.told.contains(&id) {
                continue;
            }
            let learnt = out.iter().any(|o| match o {
                Output::Preimage { htlc: Some(of), .. } => *of == id,
                Output::Preimage { htlc: None, preimage } => {
                    preimage.payment_hash() == live.htlc.payment_hash
                }
                _ => false,
            });
            if live.preimage.is_some() || learnt {
                self.told.insert(id);
            } else if self.has_failed(&close, live, view) {
                self.told.insert(id);
                out.push(self.end_of(live, view));
            }
        }
    }

    /// Where the confirmed commitment has no output for it, another HTLC of its hash may have shown the preimage.
    fn end_of(&self, live: &LiveHtlc, view: &View<'_>) -> Output {
        let hash = live.htlc.payment_hash;
        let has_output = self.outputs.values().any(|t| t.key() == Some(live.key()));
        let known =
            view.evidence.htlcs.iter().filter(|l| l.htlc.payment_hash == hash).find_map(|l| l.preimage);
        match known.filter(|_| !has_output) {
            Some(preimage) => Output::Preimage { htlc: Some(live.htlc.id), preimage },
            None => Output::Failed(live.htlc.id),
        }
    }

    fn has_failed(&self, close: &Close, live: &LiveHtlc, view: &View<'_>) -> bool {
        let depth = Self::depth_for(live.htlc.amount.to_sat_floor());
        let is_deep = |height: Height| height.confirmations_at(view.tip) >= depth;
        match close.spender {
            // Its HTLCs are not known to us, and the peer may still show the preimage of any.
            Spender::Future { .. } | Spender::Unknown => {
                let patience = Height(live.htlc.cltv_expiry.0).plus(PATIENCE_BLOCKS);
                is_deep(close.height) && view.tip >= patience
            }
            _ if !close.has_rows => false,
            _ => match self.outputs.iter().find(|(_, t)| t.key() == Some(live.key())) {
                Some((outpoint, tracked)) => match tracked.spent {
                    Some(spent) => spent.by_us && is_deep(spent.height),
                    // The peer could still take it, and what it is worth is lost then.
                    None => {
                        let patience = Height(live.htlc.cltv_expiry.0).plus(PATIENCE_BLOCKS);
                        view.tip >= patience && self.is_given_up(outpoint, tracked, view)
                    }
                },
                None => is_deep(close.height),
            },
        }
    }

    /// Whether all is irrevocably resolved: the spend and all that follows from it are deep, and nothing is left to tell.
    pub(super) fn is_resolved(&self, view: &View<'_>) -> bool {
        let Some(close) = &self.close else {
            return false;
        };
        let depth = Self::depth_for(self.capacity).max(view.closing_depth);
        let is_deep = |height: Height| height.confirmations_at(view.tip) >= depth;
        close.has_rows
            && is_deep(close.height)
            && view.evidence.offered().all(|live| self.told.contains(&live.htlc.id))
            && self.outputs.iter().all(|(outpoint, t)| match t.spent {
                Some(spent) => is_deep(spent.height),
                None => self.is_given_up(outpoint, t, view),
            })
    }

    /// Whether an output that nobody has spent is none of our affair any more.
    fn is_given_up(&self, outpoint: &OutPoint, tracked: &Tracked, view: &View<'_>) -> bool {
        let expired = |key: Option<HtlcKey>| {
            let expiry = tracked.htlc().map(|htlc| Height(htlc.cltv_expiry.0));
            key.is_some_and(|(side, _)| side == Side::Remote)
                && expiry.is_some_and(|expiry| view.tip >= expiry.plus(PATIENCE_BLOCKS))
        };
        match &tracked.role {
            Role::Anchor { .. } | Role::Foreign => true,
            Role::OurHtlc { preimage: None, .. } | Role::TheirHtlc { preimage: None, .. }
                if expired(tracked.key()) =>
            {
                true
            }
            _ => self.costs_more_than_it_brings(tracked) || self.is_small_change(outpoint, tracked, view),
        }
    }

    /// Whether an output is small and has waited for days on which a claim of it costs less than it brings. Its close is not kept
    /// open for it for ever.
    fn is_small_change(&self, outpoint: &OutPoint, tracked: &Tracked, view: &View<'_>) -> bool {
        let Some(from) = tracked.claimable_from(self.format) else { return false };
        let asleep = view.nights.between(from, view.tip);
        let waited = view.tip.0.saturating_sub(from.0).saturating_sub(asleep);
        tracked.value() < SMALL_CHANGE
            && tracked.deadline().is_none()
            && waited >= BLOCKS_FOR_SMALL_CHANGE
            && !self.claims.values().any(|claim| claim.inputs.contains(outpoint))
    }

    /// Whether the least fee that is relayed is more than half of an output, or leaves dust of it: then no claim is ever made
    /// of it.
    fn costs_more_than_it_brings(&self, tracked: &Tracked) -> bool {
        let Some(spend) = tracked.spend(self.keys, self.format) else {
            return true;
        };
        let weight = LEAST_CLAIM_WEIGHT + spend.max_witness_weight();
        let half = Sat(tracked.value().0 / 2);
        let dust = self.script.as_deref().map_or(Sat::ZERO, dust_threshold);
        let (most, weight) = match tracked.needs_coins(self.format) {
            true => (half, weight + PAID_BY_COIN_WEIGHT),
            false => (half.min(tracked.value().saturating_sub(dust)), weight),
        };
        per_kw(most, weight) < FeeratePerKw::FLOOR
    }
}

/// A transaction with one input and one output to a taproot script, without its witness.
const LEAST_CLAIM_WEIGHT: u64 = 42 + 164 + 172;
