//! Outputs that are followed are spent in a block.

use super::{Resolution, View};
use crate::output::{Output, Story};
use crate::tracked::{Role, Spent, Tracked};
use crate::witness::{Way, way};
use astrape_primitives::{Height, HtlcId, Sat, Side};
use bitcoin::{OutPoint, Transaction, Txid};

impl Resolution {
    /// A confirmed transaction, which may spend several of them.
    pub(super) fn spent(&mut self, tx: &Transaction, height: Height, view: &View<'_>, out: &mut Vec<Output>) {
        let txid = tx.compute_txid();
        let mut claimed = Sat::ZERO;
        let fee = self.settle_claim(tx, &self.taken_by_us(tx));
        for (index, input) in tx.input.iter().enumerate() {
            let outpoint = input.previous_output;
            let way = way(&input.witness);
            self.extract(&outpoint, way, view, out);
            let Some(tracked) = self.outputs.get_mut(&outpoint) else {
                continue;
            };
            let is_news = tracked.spent.is_none_or(|spent| spent.txid != txid);
            let by_us = is_ours(&tracked.role, way);
            tracked.spent = Some(Spent { txid, height, by_us });
            let tracked = tracked.clone();
            if by_us && (fee.is_some() || !matches!(tracked.role, Role::Anchor { .. })) {
                claimed = claimed.saturating_add(tracked.value());
            }
            if is_news {
                tell_of(&tracked, way, by_us, txid, out);
            }
            self.follow_second_stage(&tracked, (tx, index), height, view, out);
        }
        if claimed > Sat::ZERO {
            out.push(Output::Story(Story::Claimed { txid, value: claimed, fee }));
        }
    }

    /// The outputs that a transaction takes in a way that is ours.
    fn taken_by_us(&self, tx: &Transaction) -> Vec<OutPoint> {
        let is_taken = |outpoint: &OutPoint, input: &bitcoin::TxIn| {
            self.outputs.get(outpoint).is_some_and(|tracked| is_ours(&tracked.role, way(&input.witness)))
        };
        let inputs = tx.input.iter().map(|input| (input.previous_output, input));
        inputs.filter(|(outpoint, input)| is_taken(outpoint, input)).map(|(outpoint, _)| outpoint).collect()
    }

    /// A preimage that a spend shows, whoever's: of the HTLC whose output it takes, or else of whichever live HTLC has its
    /// hash, in whatever valid commitment that is (attack 17).
    pub(super) fn extract(&self, outpoint: &OutPoint, way: Way, view: &View<'_>, out: &mut Vec<Output>) {
        let Some(preimage) = way.preimage() else { return };
        let hash = preimage.payment_hash();
        let of_output = self.outputs.get(outpoint).and_then(Tracked::htlc);
        let fits = of_output.filter(|h| h.offered_by == Side::Local && h.payment_hash == hash);
        let is_news = |id: Option<HtlcId>| {
            let mut asks =
                view.evidence.offered().filter(|l| l.htlc.payment_hash == hash && l.preimage.is_none());
            asks.any(|l| id.is_none_or(|id| l.htlc.id == id))
        };
        let htlc = fits.map(|htlc| htlc.id);
        if is_news(htlc) {
            out.push(Output::Preimage { htlc, preimage });
        }
    }

    /// The output of an HTLC transaction of the commitment's owner: ours to wait for, or the peer's to take by penalty.
    /// There may be several in one transaction, each at the index of its input (attack 6). It is known by its script alone: whatever
    /// pays to that is followed.
    fn follow_second_stage(
        &mut self,
        tracked: &Tracked,
        (tx, index): (&Transaction, usize),
        height: Height,
        view: &View<'_>,
        out: &mut Vec<Output>,
    ) {
        let role = match &tracked.role {
            Role::OurHtlc { number, .. } => {
                Role::Delayed { number: *number, delay: view.evidence.terms.local.to_self_delay }
            }
            Role::RevokedHtlc { secret, delay, .. } => {
                Role::RevokedDelayed { secret: *secret, delay: *delay }
            }
            _ => return,
        };
        let Some(script) = self.close.as_ref().and_then(|close| close.delayed.clone()) else {
            return;
        };
        let Some(output) = tx.output.get(index).filter(|o| o.script_pubkey == script.to_p2wsh()) else {
            return;
        };
        let Ok(vout) = u32::try_from(index) else { return };
        let outpoint = OutPoint { txid: tx.compute_txid(), vout };
        if self.outputs.contains_key(&outpoint) {
            return;
        }
        let next = Tracked::new(output, Some(script), role, height, Some(height));
        self.watch(outpoint, &next, out);
        self.outputs.insert(outpoint, next);
    }
}

/// Whether a spend is ours: the scripts leave each side its own ways.
pub(super) fn is_ours(role: &Role, way: Way) -> bool {
    match role {
        Role::OurHtlc { .. } => matches!(way, Way::SecondStage(_)),
        // With one signature it is ours, whatever stands beside it; the peer needs both.
        Role::TheirHtlc { .. } | Role::RevokedHtlc { .. } => {
            matches!(way, Way::Penalty | Way::Plain | Way::Preimage(_))
        }
        Role::RevokedDelayed { .. } => way == Way::Penalty,
        Role::Delayed { .. } | Role::ToRemote => true,
        Role::Anchor { .. } => way != Way::Anyone,
        Role::Foreign => false,
    }
}

/// A foreign spend is recorded as such (attack 26).
fn tell_of(tracked: &Tracked, way: Way, by_us: bool, txid: Txid, out: &mut Vec<Output>) {
    let value = tracked.value();
    match &tracked.role {
        Role::RevokedDelayed { .. } if !by_us => out.push(Output::Story(Story::Lost { value, txid })),
        Role::OurHtlc { htlc, .. } | Role::TheirHtlc { htlc, .. } if !by_us => {
            let (htlc, with_preimage) = ((htlc.offered_by, htlc.id), way.preimage().is_some());
            out.push(Output::Story(Story::TakenByPeer { htlc, value, with_preimage, txid }));
        }
        _ => {}
    }
}
