//! Which outputs of a transaction that spends the funding concern us (BOLT 5), and what each is.

use crate::evidence::{Evidence, LiveHtlc};
use crate::spender::Spender;
use crate::tracked::{Role, Tracked};
use astrape_primitives::{CltvExpiry, Height, HtlcId, PaymentHash, Sat, Side};
use astrape_transactions::keys::CommitmentKeys;
use astrape_transactions::scripts::{HtlcScripts, anchor_witness_script, delayed_witness_script};
use astrape_transactions::{
    Commitment, CommitmentFormat, CommittedHtlc, HtlcDirection, per_commitment_point,
};
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::{OutPoint, ScriptBuf, Transaction, TxOut};
use std::collections::{BTreeMap, VecDeque};

/// The outputs of a spend, and the witness script of delayed outputs that its HTLC transactions make.
pub(crate) struct Layout {
    pub(crate) outputs: BTreeMap<OutPoint, Tracked>,
    pub(crate) delayed: Option<ScriptBuf>,
}

/// Lays out a transaction that spends the funding. `rows` are the HTLCs of a revoked commitment.
pub(crate) fn lay_out(
    secp: &Secp256k1<All>,
    evidence: &Evidence,
    spender: &Spender,
    commitment: Option<&Commitment>,
    tx: &Transaction,
    height: Height,
    rows: &[CommittedHtlc],
) -> Layout {
    let mut builder = Builder { evidence, tx, height, outputs: BTreeMap::new() };
    let delayed = match (spender, commitment) {
        (Spender::Ours { .. }, Some(commitment)) => Some(builder.ours(commitment)),
        (Spender::Theirs { .. }, Some(commitment)) => {
            builder.theirs(commitment);
            None
        }
        (Spender::Revoked { secret, .. }, _) => builder.revoked(secp, secret, rows),
        (Spender::Cooperative, _) => {
            builder.cooperative();
            None
        }
        _ => {
            builder.unknown();
            None
        }
    };
    Layout { outputs: builder.outputs, delayed }
}

struct Builder<'a> {
    evidence: &'a Evidence,
    tx: &'a Transaction,
    height: Height,
    outputs: BTreeMap<OutPoint, Tracked>,
}

impl Builder<'_> {
    fn track(&mut self, vout: u32, witness_script: Option<ScriptBuf>, role: Role) {
        let Some(output) = usize::try_from(vout).ok().and_then(|index| self.tx.output.get(index)) else {
            return;
        };
        let tracked = Tracked::new(output, witness_script, role, self.height, Some(self.height));
        self.outputs.insert(OutPoint { txid: self.tx.compute_txid(), vout }, tracked);
    }

    fn live(&self, htlc: &CommittedHtlc) -> Option<&LiveHtlc> {
        self.evidence.htlc((htlc.offered_by, htlc.id))
    }

    /// Our commitment. `to_remote` is the peer's affair.
    fn ours(&mut self, commitment: &Commitment) -> ScriptBuf {
        let number = commitment.number();
        let delay = self.evidence.terms.local.to_self_delay;
        let delayed = commitment.delayed_witness_script();
        if let Some(output) = commitment.to_local() {
            self.track(output.index, Some(delayed.clone()), Role::Delayed { number, delay });
        }
        if let Some(output) = commitment.anchor(Side::Local) {
            let script = commitment.anchor_witness_script(Side::Local);
            self.track(output.index, Some(script), Role::Anchor { parent: None });
        }
        for (second, signature) in commitment.htlcs().iter().zip(&self.evidence.htlc_signatures) {
            let live = self.live(second.htlc());
            let role = Role::OurHtlc {
                htlc: *second.htlc(),
                number,
                remote_signature: *signature,
                second_stage: second.tx().output.first().map_or(Sat::ZERO, |output| output.value.into()),
                preimage: preimage_for_us(second.htlc(), live),
                upstream_expiry: live.and_then(|l| l.upstream_expiry),
            };
            self.track(second.output_index(), Some(second.witness_script().clone()), role);
        }
        delayed
    }

    /// A valid commitment of the peer. `to_local` is the peer's affair.
    fn theirs(&mut self, commitment: &Commitment) {
        if let Some(output) = commitment.to_remote() {
            self.track(output.index, commitment.to_remote_witness_script(), Role::ToRemote);
        }
        if let Some(output) = commitment.anchor(Side::Local) {
            let script = commitment.anchor_witness_script(Side::Local);
            self.track(output.index, Some(script), Role::Anchor { parent: None });
        }
        let contents = &self.evidence.remote;
        let Some(content) = contents.iter().find(|content| content.number == commitment.number()) else {
            return;
        };
        for second in commitment.htlcs() {
            let live = self.live(second.htlc());
            let role = Role::TheirHtlc {
                htlc: *second.htlc(),
                point: content.per_commitment_point,
                preimage: preimage_for_us(second.htlc(), live),
                upstream_expiry: live.and_then(|l| l.upstream_expiry),
            };
            self.track(second.output_index(), Some(second.witness_script().clone()), role);
        }
    }

    /// A revoked commitment: known by its scripts alone, since its balances are not kept.
    fn revoked(
        &mut self,
        secp: &Secp256k1<All>,
        secret: &[u8; 32],
        rows: &[CommittedHtlc],
    ) -> Option<ScriptBuf> {
        let terms = &self.evidence.terms;
        let point = per_commitment_point(secp, secret)?;
        let keys = CommitmentKeys::derive(secp, terms, Side::Remote, &point).ok()?;
        let delay = terms.remote.to_self_delay;
        let delayed = delayed_witness_script(&keys.revocation, delay, &keys.delayed);
        let (to_local, secret) = (delayed.to_p2wsh(), *secret);
        let mut htlcs = by_output(terms.format, &keys, rows);
        for (vout, output) in (0_u32..).zip(&self.tx.output) {
            if output.script_pubkey == to_local {
                self.track(vout, Some(delayed.clone()), Role::RevokedDelayed { secret, delay });
            } else if let Some((script, role)) = self.of_static_keys(output) {
                self.track(vout, script, role);
            } else if let Some((htlc, script)) = htlcs
                .get_mut(&(output.value.into(), output.script_pubkey.clone()))
                .and_then(VecDeque::pop_front)
            {
                self.track(vout, Some(script), Role::RevokedHtlc { htlc, secret, delay });
            }
        }
        Some(delayed)
    }

    /// A cooperative close. What it pays to our wallet is a coin already; for a peer that knows no taproot it pays to the
    /// script of `to_remote`.
    fn cooperative(&mut self) {
        for (vout, output) in (0_u32..).zip(&self.tx.output) {
            if let Some((script, Role::ToRemote)) = self.of_static_keys(output) {
                self.track(vout, script, Role::ToRemote);
            }
        }
    }

    /// What is ours of any commitment of the peer, whatever its number: the keys of `to_remote` and of the anchor are always
    /// the same. Everything else is watched for preimages.
    fn unknown(&mut self) {
        for (vout, output) in (0_u32..).zip(&self.tx.output).take(MAX_FOREIGN) {
            let (script, role) = self.of_static_keys(output).unwrap_or((None, Role::Foreign));
            self.track(vout, script, role);
        }
    }

    fn of_static_keys(&self, output: &TxOut) -> Option<(Option<ScriptBuf>, Role)> {
        let terms = &self.evidence.terms;
        let payment = &terms.local.basepoints.payment;
        if output.script_pubkey == terms.format.to_remote_script(payment) {
            return Some((terms.format.to_remote_witness_script(payment), Role::ToRemote));
        }
        let anchor = anchor_witness_script(&terms.local.basepoints.funding);
        (terms.format == CommitmentFormat::Anchors && output.script_pubkey == anchor.to_p2wsh())
            .then_some((Some(anchor), Role::Anchor { parent: None }))
    }
}

/// Outputs of an unknown transaction that are looked at: as many as a commitment can have.
const MAX_FOREIGN: usize = 970;

/// An HTLC offered by the peer is claimed with its preimage; one of ours never is.
fn preimage_for_us(
    htlc: &CommittedHtlc,
    live: Option<&LiveHtlc>,
) -> Option<astrape_primitives::PaymentPreimage> {
    live.filter(|_| htlc.offered_by == Side::Remote).and_then(|l| l.preimage)
}

/// HTLCs of a commitment of the peer by the output that each has, twins in the order of BOLT 3 (attack 23): the n-th output
/// with one script and value belongs to the n-th of them.
fn by_output(
    format: CommitmentFormat,
    keys: &CommitmentKeys,
    rows: &[CommittedHtlc],
) -> BTreeMap<(Sat, ScriptBuf), VecDeque<(CommittedHtlc, ScriptBuf)>> {
    let scripts = HtlcScripts::new(format, keys);
    let mut rows: Vec<&CommittedHtlc> = rows.iter().collect();
    let order =
        |h: &&CommittedHtlc| -> (CltvExpiry, HtlcId, PaymentHash) { (h.cltv_expiry, h.id, h.payment_hash) };
    rows.sort_by_key(order);
    let mut found: BTreeMap<_, VecDeque<_>> = BTreeMap::new();
    for htlc in rows {
        let script = match htlc.direction(Side::Remote) {
            HtlcDirection::Offered => scripts.offered(&htlc.payment_hash),
            HtlcDirection::Received => scripts.received(&htlc.payment_hash, htlc.cltv_expiry),
        };
        found.entry((htlc.amount.to_sat_floor(), script.to_p2wsh())).or_default().push_back((*htlc, script));
    }
    found
}
