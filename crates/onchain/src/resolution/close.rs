//! The funding is spent, or about to be.

use super::{Close, Resolution, View};
use crate::deadline::TIMEOUT_MARGIN_BLOCKS;
use crate::evidence::HtlcKey;
use crate::layout::lay_out;
use crate::output::{Output, Story};
use crate::spender::{Spender, classify};
use crate::tracked::{Parent, Role, Tracked};
use astrape_primitives::{Height, PaymentPreimage, Sat, Side};
use astrape_transactions::scripts::anchor_witness_script;
use astrape_transactions::weights::FUNDING_WITNESS_WEIGHT;
use astrape_transactions::{Commitment, CommitmentFormat, CommittedHtlc};
use bitcoin::{OutPoint, Transaction};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Resolution {
    /// Our commitment goes to the network: where it has anchors, ours will bring the fee. While the mempool has one of the peer,
    /// our anchor on that one does.
    pub(super) fn go_on_chain(&mut self, view: &View<'_>, out: &mut Vec<Output>) {
        // Not two that exclude each other.
        self.left = None;
        let is_settled = self.close.is_some() || self.seen.is_some() || self.waits_with_ours();
        if is_settled || self.format != CommitmentFormat::Anchors {
            return;
        }
        let evidence = view.evidence;
        if let Ok(commitment) = Commitment::build(view.secp, &evidence.terms, &evidence.local) {
            let weight = commitment.tx().weight().to_wu().saturating_add(FUNDING_WITNESS_WEIGHT);
            let balance = commitment.to_local().map_or(Sat::ZERO, |output| output.value);
            let parent = self.parent(Side::Local, commitment.fee(), weight, balance, view);
            self.wait_with_anchor(commitment.tx(), parent, view, out);
        }
    }

    fn waits_with_ours(&self) -> bool {
        let is_ours = |parent: &Parent| parent.owner == Side::Local;
        let roles = self.outputs.values().map(|tracked| &tracked.role);
        roles.into_iter().any(|role| matches!(role, Role::Anchor { parent: Some(parent) } if is_ours(parent)))
    }

    /// What hangs on a commitment that is not confirmed: HTLCs that somebody else can take when it comes late.
    pub(super) fn parent(&self, owner: Side, fee: Sat, weight: u64, balance: Sat, view: &View<'_>) -> Parent {
        let mut parent = Parent { owner, fee, weight, at_stake: Sat::ZERO, balance, deadline: None };
        for live in &view.evidence.htlcs {
            let deadline = match live.htlc.offered_by {
                Side::Local if live.preimage.is_none() => {
                    live.upstream_expiry.map(|e| Height(e.0.saturating_sub(TIMEOUT_MARGIN_BLOCKS)))
                }
                Side::Remote if live.preimage.is_some() => Some(Height(live.htlc.cltv_expiry.0)),
                _ => None,
            };
            // What we offered for a payment of our own nobody waits for: it comes back at leisure, and only by this commitment.
            if deadline.is_none() && live.htlc.offered_by == Side::Local && live.preimage.is_none() {
                parent.balance = parent.balance.saturating_add(live.htlc.amount.to_sat_floor());
            }
            if let Some(deadline) = deadline {
                parent.at_stake = parent.at_stake.saturating_add(live.htlc.amount.to_sat_floor());
                parent.deadline = Some(parent.deadline.map_or(deadline, |first| first.min(deadline)));
            }
        }
        parent
    }

    /// Follows our anchor of an unconfirmed commitment, in place of that of another. Whether it has one.
    pub(super) fn wait_with_anchor(
        &mut self,
        tx: &Transaction,
        parent: Parent,
        view: &View<'_>,
        out: &mut Vec<Output>,
    ) -> bool {
        let script = anchor_witness_script(&view.evidence.terms.local.basepoints.funding);
        let pays = script.to_p2wsh();
        let place = (0_u32..).zip(&tx.output).find(|(_, output)| output.script_pubkey == pays);
        let Some((vout, output)) = place else { return false };
        let outpoint = OutPoint { txid: tx.compute_txid(), vout };
        if self.outputs.contains_key(&outpoint) {
            return true;
        }
        // The close has waited since then, whichever commitment makes it.
        let since = self.forget_waiting_anchors(out).unwrap_or(view.tip);
        let role = Role::Anchor { parent: Some(parent) };
        let tracked = Tracked::new(output, Some(script), role, since, None);
        self.watch(outpoint, &tracked, out);
        self.outputs.insert(outpoint, tracked);
        true
    }

    /// Gives since when the first of them was followed.
    fn forget_waiting_anchors(&mut self, out: &mut Vec<Output>) -> Option<Height> {
        let waits = |t: &Tracked| matches!(t.role, Role::Anchor { parent: Some(_) });
        let gone: Vec<(OutPoint, Height)> =
            self.outputs.iter().filter(|(_, t)| waits(t)).map(|(o, t)| (*o, t.since)).collect();
        for (outpoint, _) in &gone {
            self.outputs.remove(outpoint);
            self.claims.retain(|_, claim| !claim.inputs.contains(outpoint));
            out.push(Output::Forget(*outpoint));
        }
        gone.into_iter().map(|(_, since)| since).min()
    }

    /// A confirmed transaction spends the funding.
    pub(super) fn funding_spent(
        &mut self,
        tx: Arc<Transaction>,
        height: Height,
        view: &View<'_>,
        out: &mut Vec<Output>,
    ) {
        if self
            .close
            .as_ref()
            .is_some_and(|close| close.txid() == tx.compute_txid() && close.height == height)
        {
            return;
        }
        let (spender, commitment) = classify(view.secp, view.evidence, &tx);
        (self.left, self.seen) = (None, None);
        let rows = live_rows(&spender, view);
        let laid = lay_out(view.secp, view.evidence, &spender, commitment.as_ref(), &tx, height, &rows);
        out.push(Output::Story(Story::Spent { txid: tx.compute_txid(), spender }));
        // Of a revoked commitment also HTLCs that are long gone have outputs.
        let has_rows = !matches!(spender, Spender::Revoked { .. });
        self.close = Some(Close { tx, height, spender, delayed: laid.delayed, has_rows });
        self.adopt(laid.outputs, out);
        self.ask(out);
    }

    /// Takes the outputs of a confirmed commitment, keeping what is known of those that were followed before.
    fn adopt(&mut self, laid: BTreeMap<OutPoint, Tracked>, out: &mut Vec<Output>) {
        let mut before = std::mem::take(&mut self.outputs);
        for (outpoint, mut tracked) in laid {
            match before.remove(&outpoint) {
                Some(old) => {
                    (tracked.alone, tracked.paid) = (old.alone, old.paid);
                    if let (Some(preimage), Some(key)) = (preimage_of(&old), old.key()) {
                        learn_in(&mut tracked, key, preimage);
                    }
                }
                None => self.watch(outpoint, &tracked, out),
            }
            self.outputs.insert(outpoint, tracked);
        }
        let outputs = &self.outputs;
        self.claims.retain(|_, claim| claim.inputs.iter().all(|o| outputs.contains_key(o)));
        out.extend(before.into_keys().map(Output::Forget));
    }

    /// The archived HTLCs of the revoked commitment: lays it out anew with them.
    pub(super) fn take_rows(&mut self, rows: &[CommittedHtlc], view: &View<'_>, out: &mut Vec<Output>) {
        let Some(close) = self.close.clone().filter(|close| !close.has_rows) else {
            return;
        };
        let mut all = live_rows(&close.spender, view);
        let known: Vec<HtlcKey> = all.iter().map(|h| (h.offered_by, h.id)).collect();
        all.extend(rows.iter().filter(|h| !known.contains(&(h.offered_by, h.id))));
        let laid = lay_out(view.secp, view.evidence, &close.spender, None, &close.tx, close.height, &all);
        for (outpoint, tracked) in laid.outputs {
            // With all rows the n-th of several equal outputs may be another HTLC than before.
            match self.outputs.get_mut(&outpoint) {
                Some(known) if known.role != tracked.role => known.role = tracked.role,
                Some(_) => {}
                None => {
                    self.watch(outpoint, &tracked, out);
                    self.outputs.insert(outpoint, tracked);
                }
            }
        }
        if let Some(close) = &mut self.close {
            close.has_rows = true;
        }
    }

    pub(super) fn watch(&self, outpoint: OutPoint, tracked: &Tracked, out: &mut Vec<Output>) {
        let script = tracked.output.script_pubkey.clone();
        out.push(Output::Watch { outpoint, script, from: tracked.confirmed.unwrap_or(tracked.since) });
    }

    /// What the channel knows: with the preimage of an HTLC that the peer offered its output becomes claimable, on whichever
    /// commitment it is (attack 10); and more hangs on a commitment that waits.
    pub(super) fn learn(&mut self, view: &View<'_>) {
        let of_peer = view.evidence.htlcs.iter().filter(|l| l.htlc.offered_by == Side::Remote);
        let known: BTreeMap<HtlcKey, PaymentPreimage> =
            of_peer.filter_map(|l| Some((l.key(), l.preimage?))).collect();
        for tracked in self.outputs.values_mut() {
            if let Some((key, preimage)) = tracked.key().and_then(|key| Some((key, *known.get(&key)?))) {
                learn_in(tracked, key, preimage);
            }
        }
        let now = self.parent(Side::Local, Sat::ZERO, 0, Sat::ZERO, view);
        for tracked in self.outputs.values_mut() {
            if let Role::Anchor { parent: Some(parent) } = &mut tracked.role {
                (parent.at_stake, parent.deadline) = (now.at_stake, now.deadline);
            }
        }
    }
}

fn learn_in(tracked: &mut Tracked, key: HtlcKey, preimage: PaymentPreimage) {
    if tracked.key() != Some(key) || key.0 != Side::Remote {
        return;
    }
    if let Role::OurHtlc { htlc, preimage: known, .. } | Role::TheirHtlc { htlc, preimage: known, .. } =
        &mut tracked.role
        && preimage.payment_hash() == htlc.payment_hash
    {
        *known = Some(preimage);
    }
}

fn preimage_of(tracked: &Tracked) -> Option<PaymentPreimage> {
    match &tracked.role {
        Role::OurHtlc { preimage, .. } | Role::TheirHtlc { preimage, .. } => *preimage,
        _ => None,
    }
}

/// The HTLCs of a revoked commitment that still live.
fn live_rows(spender: &Spender, view: &View<'_>) -> Vec<CommittedHtlc> {
    match spender {
        Spender::Revoked { number, .. } => {
            view.evidence.htlcs.iter().filter(|l| l.is_in_remote(*number)).map(|l| l.htlc).collect()
        }
        _ => Vec::new(),
    }
}
