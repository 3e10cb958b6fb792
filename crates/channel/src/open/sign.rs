//! `commitment_signed`, both ways.

use super::Work;
use crate::channel::{Link, Open, Up};
use crate::commitments::{Numbers, RemoteSignatures, Unrevoked};
use crate::fault::Fault;
use crate::htlc::{Direction, Htlc, Removal, Resolution};
use crate::output::{Outgoing, Output, Signing, Transition};
use astrape_primitives::{CommitmentNumber, HtlcId, Side, Timestamp};
use astrape_transactions::Commitment;
use astrape_transactions::signing::{RemoteCommitmentRequest, RevocationRequest};
use astrape_wire::{
    CommitmentSigned, Message, UpdateFailHtlc, UpdateFailMalformedHtlc, UpdateFee, UpdateFulfillHtlc,
};
use std::sync::Arc;

impl Work<'_> {
    /// Signs what waits, if anything may be signed now: the link is up, the last `commitment_signed` was answered, and there
    /// is something to say.
    pub(super) fn propose(mut self) -> Result<Transition, Fault> {
        if !self.may_sign() {
            return Ok(self.finish());
        }
        self.drop_expired();
        self.drop_what_does_not_fit();
        self.drop_fee_that_does_not_fit();
        let number = self.open.remote.number.next();
        if self.open.number_updates_for(number, self.view.now) {
            let point = self.open.remote.next_point.expect("may_sign has looked");
            self.open.remote.number = number;
            self.open.remote.unrevoked = Some(Unrevoked { signed_after_local: self.open.local.number });
            debug_assert_eq!(self.open.remote.newest_point(), point);
            self.say_commitment();
        }
        Ok(self.finish())
    }

    fn may_sign(&self) -> bool {
        matches!(&self.link, Link::Up(up) if up.negotiation.is_none())
            && self.open.is_ready()
            && self.open.remote.unrevoked.is_none()
            && self.open.remote.next_point.is_some()
            && self.open.remote.number < CommitmentNumber::MAX
    }

    /// Says the updates of our newest `commitment_signed`, and the message itself. First the ends of HTLCs, then the fee,
    /// then new HTLCs by id, so that each step of the way can be afforded. Used again after a disconnection.
    pub(super) fn say_commitment(&mut self) {
        let number = self.open.remote.number;
        let first_in = |n: &Numbers| n.remote == Some(number);
        let channel_id = self.open.params.channel_id;
        let mut said: Vec<Outgoing> = Vec::new();
        for htlc in self.open.htlcs.values().filter(|h| h.offered_by == Side::Remote) {
            if let Some(removal) = htlc.removal.as_ref().filter(|r| first_in(&r.from)) {
                said.push(Outgoing::Plain(self.end_of(htlc, &removal.resolution)));
            }
        }
        if self.open.params.opener == Side::Local {
            let changes = self.open.fees.changes().iter().filter(|c| first_in(&c.from));
            said.extend(changes.map(|change| {
                Outgoing::Plain(Message::UpdateFee(UpdateFee { channel_id, feerate_per_kw: change.feerate }))
            }));
        }
        for htlc in self.open.htlcs.values().filter(|h| h.offered_by == Side::Local && first_in(&h.added)) {
            let Direction::Outgoing { onion, .. } = &htlc.direction else {
                unreachable!("an HTLC that we offered is outgoing");
            };
            said.push(Outgoing::Add {
                channel_id,
                id: htlc.id,
                amount: htlc.amount,
                payment_hash: htlc.payment_hash,
                cltv_expiry: htlc.cltv_expiry,
                onion: onion.clone(),
            });
        }
        let request = self.open.remote_request();
        said.push(Outgoing::Sign(Signing::CommitmentSigned { request: Box::new(request), channel_id }));
        self.outputs.extend(said.into_iter().map(Output::Send));
    }

    fn end_of(&self, htlc: &Htlc, resolution: &Resolution) -> Message {
        let (channel_id, id) = (self.open.params.channel_id, htlc.id);
        match resolution {
            Resolution::Fulfilled { preimage, attribution } => {
                Message::UpdateFulfillHtlc(UpdateFulfillHtlc {
                    channel_id,
                    id,
                    payment_preimage: *preimage,
                    attribution_data: htlc.attribution_data(attribution),
                })
            }
            Resolution::Failed(packet) => Message::UpdateFailHtlc(UpdateFailHtlc {
                channel_id,
                id,
                reason: packet.reason.clone(),
                attribution_data: packet.attribution_data.clone(),
            }),
            Resolution::Malformed { sha256_of_onion, failure_code } => {
                Message::UpdateFailMalformedHtlc(UpdateFailMalformedHtlc {
                    channel_id,
                    id,
                    sha256_of_onion: *sha256_of_onion,
                    failure_code: *failure_code,
                })
            }
        }
    }

    /// The peer signs our next commitment: checks it, makes it ours, revokes the one before.
    pub(super) fn commitment_signed(mut self, message: CommitmentSigned) -> Result<Transition, Fault> {
        let funding_txid = self.open.funding.terms.outpoint.txid;
        if message.funding_txid.is_some_and(|txid| txid != funding_txid) {
            return Err(Fault::OtherFunding);
        }
        if !self.open.is_ready() {
            return Err(Fault::Unexpected {
                message: "commitment_signed",
                phase: "waiting for channel_ready",
            });
        }
        let up = self.up("commitment_signed")?;
        if up.negotiation.is_some() {
            return Err(Fault::AfterShutdown("commitment_signed"));
        }
        let (shutdown_received, shutdown_refused) = (up.shutdown_received, up.shutdown_refused);
        let announcement = up.announcement.clone();
        let rest = Up { shutdown_received, shutdown_refused, announcement, ..Up::default() };
        let up = std::mem::replace(up, rest);
        if self.open.local.number >= CommitmentNumber::MAX {
            return Err(Fault::Unexpected {
                message: "commitment_signed",
                phase: "out of commitment numbers",
            });
        }
        let number = self.open.next_local_number();
        self.open.take_signed_updates(up, number);
        // Before we revoke: there would be nothing that we could sign in answer.
        if !self.open.next_remote().has_output(&self.open) {
            return Err(Fault::NoOutputs);
        }
        let signatures = RemoteSignatures { commitment: message.signature, htlcs: message.htlc_signature };
        self.check_signatures(number, &signatures)?;
        self.revoke_before(number, signatures)?;
        self.settle_what_is_gone();
        self.open_negotiation();
        Ok(self.finish())
    }

    fn check_signatures(&self, number: CommitmentNumber, signatures: &RemoteSignatures) -> Result<(), Fault> {
        let content = self.open.content(Side::Local, number, self.open.local.points[1]);
        let commitment = Commitment::build(self.view.secp, &self.open.funding.terms, &content)
            .map_err(|e| Fault::Signature(e.to_string()))?;
        commitment
            .verify(self.view.secp, &signatures.commitment, &signatures.htlcs)
            .map_err(|e| Fault::Signature(e.to_string()))
    }

    /// Makes commitment `number` ours and reveals the secret of the one before it.
    fn revoke_before(&mut self, number: CommitmentNumber, signatures: RemoteSignatures) -> Result<(), Fault> {
        let next_per_commitment_point = self.open.local.third_point.ok_or(Fault::SignerBehind)?;
        let local = &mut self.open.local;
        local.revoked_points = [Some(local.points[0]), local.revoked_points[0]];
        local.points = [local.points[1], next_per_commitment_point];
        local.third_point = None;
        local.number = number;
        local.signatures = Arc::new(signatures);
        self.say_revocation();
        Ok(())
    }

    /// Says `revoke_and_ack` for the commitment before our newest. Used again after a disconnection.
    pub(super) fn say_revocation(&mut self) {
        let request = RevocationRequest {
            keys: self.open.params.keys,
            revoked: self.open.local.number.previous().expect("there is one before the newest"),
            terms: Arc::clone(&self.open.funding.terms),
            content: self.open.local_content(),
            signature: self.open.local.signatures.commitment,
            htlc_signatures: self.open.local.signatures.htlcs.clone(),
        };
        self.outputs.push(Output::Send(Outgoing::Revoke {
            channel_id: self.open.params.channel_id,
            request: Box::new(request),
            next_per_commitment_point: self.open.local.points[1],
        }));
    }
}

impl Open {
    /// The content of our newest commitment.
    #[must_use]
    pub fn local_content(&self) -> astrape_transactions::CommitmentContent {
        self.content(Side::Local, self.local.number, self.local.points[0])
    }

    /// The content that the peer's next `commitment_signed` has to sign, by what it has said on this connection: to know what
    /// a signature would be for before it comes.
    #[must_use]
    pub fn expected_content(&self, up: &Up) -> astrape_transactions::CommitmentContent {
        let mut next = self.clone();
        let number = next.next_local_number();
        next.take_signed_updates(up.clone(), number);
        next.content(Side::Local, number, self.local.points[1])
    }

    /// The request for our signatures on the peer's newest commitment.
    #[must_use]
    pub fn remote_request(&self) -> RemoteCommitmentRequest {
        RemoteCommitmentRequest {
            keys: self.params.keys,
            terms: Arc::clone(&self.funding.terms),
            content: self.content(Side::Remote, self.remote.number, self.remote.newest_point()),
        }
    }

    /// Gives what waits the number of the peer's next commitment: our updates, and the peer's that are in our newest. False
    /// when there is nothing that would change it.
    fn number_updates_for(&mut self, number: CommitmentNumber, now: Timestamp) -> bool {
        let mut changed = false;
        let lacks = |n: &Numbers| n.remote.is_none();
        let unsigned = |h: &&Arc<Htlc>| lacks(&h.added) || h.removal.as_ref().is_some_and(|r| lacks(&r.from));
        let news: Vec<Arc<Htlc>> = self.htlcs.values().filter(unsigned).cloned().collect();
        for mut htlc in news {
            let next = Arc::make_mut(&mut htlc);
            next.added.remote.get_or_insert(number);
            if let Some(removal) = &mut next.removal {
                removal.from.remote.get_or_insert(number);
            }
            self.htlcs.insert(htlc.key(), htlc);
            changed = true;
        }
        for change in self.fees.changes_mut().filter(|c| c.from.remote.is_none()) {
            change.from.remote = Some(number);
            changed = true;
        }
        if let Some(feerate) = self.waiting_feerate.take() {
            self.fees.push(feerate, Numbers { local: None, remote: Some(number) });
            changed = true;
        }
        for new in std::mem::take(&mut self.waiting) {
            let id = self.next_local_id;
            self.next_local_id = HtlcId(id.0 + 1);
            let htlc = Htlc {
                offered_by: Side::Local,
                id,
                amount: new.amount,
                payment_hash: new.payment_hash,
                cltv_expiry: new.cltv_expiry,
                direction: Direction::Outgoing {
                    origin: new.origin,
                    onion: new.onion.clone(),
                    preimage: None,
                },
                added: Numbers { local: None, remote: Some(number) },
                removal: None,
                over_dust_exposure: false,
                at: now,
            };
            self.htlcs.insert(htlc.key(), Arc::new(htlc));
            changed = true;
        }
        changed
    }

    /// Gives what the peer has signed with our commitment `number` that number: its own updates, and ours that it has
    /// acknowledged.
    fn take_signed_updates(&mut self, up: Up, number: CommitmentNumber) {
        let acked = self.remote.acked();
        // What a step of ours has put into a commitment that the peer has acknowledged, and not yet into one of ours.
        let acknowledged = |n: &Numbers| n.local.is_none() && n.includes(Side::Remote, acked);
        let ours = |h: &Htlc| h.removal.as_ref().is_some_and(|r| acknowledged(&r.from));
        let changes = self.htlcs.values().filter(|h| acknowledged(&h.added) || ours(h));
        let changes: Vec<Arc<Htlc>> = changes.cloned().collect();
        for mut htlc in changes {
            let next = Arc::make_mut(&mut htlc);
            if acknowledged(&next.added) {
                next.added.local = Some(number);
            }
            if let Some(removal) = next.removal.as_mut().filter(|r| acknowledged(&r.from)) {
                removal.from.local = Some(number);
            }
            self.htlcs.insert(htlc.key(), htlc);
        }
        let first = Numbers { local: Some(number), remote: None };
        for (id, resolution) in &up.removals {
            if let Some(htlc) = self.htlcs.get_mut(&(Side::Local, *id)).filter(|h| h.removal.is_none()) {
                let removal = Removal { from: first, ..Removal::unsaid(resolution.clone()) };
                Arc::make_mut(htlc).removal = Some(removal);
            }
        }
        for (id, htlc) in &up.adds {
            self.next_remote_id = HtlcId(id.0.saturating_add(1));
            let htlc = Htlc { added: first, ..(**htlc).clone() };
            self.htlcs.insert(htlc.key(), Arc::new(htlc));
        }
        for change in self.fees.changes_mut() {
            if change.from.local.is_none() && change.from.includes(Side::Remote, acked) {
                change.from.local = Some(number);
            }
        }
        if let Some(feerate) = up.feerate {
            self.fees.push(feerate, Numbers { local: Some(number), remote: None });
        }
    }
}
