//! `revoke_and_ack`, and what becomes irrevocable by it.

use super::Work;
use crate::channel::Open;
use crate::fault::Fault;
use crate::htlc::{Direction, Htlc, HtlcKey, Removal};
use crate::output::{Output, Transition};
use astrape_primitives::{CommitmentNumber, Side};
use astrape_wire::RevokeAndAck;
use bitcoin::secp256k1::{PublicKey, SecretKey};
use std::sync::Arc;

impl Work<'_> {
    /// The peer revokes the commitment before the newest that we have signed.
    pub(super) fn revoke_and_ack(mut self, message: &RevokeAndAck) -> Result<Transition, Fault> {
        self.up("revoke_and_ack")?;
        if self.open.remote.unrevoked.is_none() {
            return Err(Fault::NothingToRevoke);
        }
        let revoked = self.open.remote.acked();
        let secret = SecretKey::from_slice(&message.per_commitment_secret).map_err(|_| Fault::WrongSecret)?;
        if PublicKey::from_secret_key(self.view.secp, &secret) != self.open.remote.point {
            return Err(Fault::WrongSecret);
        }
        let remote = &mut self.open.remote;
        remote.secrets.insert(revoked, message.per_commitment_secret).map_err(|_| Fault::WrongSecret)?;
        remote.point = remote.next_point.expect("it was needed to sign");
        remote.next_point = Some(message.next_per_commitment_point);
        remote.unrevoked = None;
        let acked = remote.number;
        self.announce_incoming(acked);
        self.settle_what_is_gone();
        self.open_negotiation();
        Ok(self.finish())
    }

    /// HTLCs of the peer that have just become irrevocable may be acted on.
    fn announce_incoming(&mut self, acked: CommitmentNumber) {
        let new = self
            .open
            .htlcs
            .values()
            .filter(|h| h.offered_by == Side::Remote && h.added.remote == Some(acked));
        let outputs: Vec<Output> = new.map(|h| Output::Incoming(Arc::clone(h))).collect();
        self.outputs.extend(outputs);
    }

    /// Takes HTLCs whose end is irrevocable into the balances, and tells whom they were for.
    pub(super) fn settle_what_is_gone(&mut self) {
        let (local, acked) = (self.open.local.number, self.open.remote.acked());
        let gone: Vec<HtlcKey> = self
            .open
            .htlcs
            .values()
            .filter(|h| {
                h.removal.as_ref().is_some_and(|r| {
                    r.from.includes(Side::Local, local) && r.from.includes(Side::Remote, acked)
                })
            })
            .map(|h| h.key())
            .collect();
        for key in gone {
            let htlc = self.open.htlcs.remove(&key).expect("it was just found");
            self.open.settle(&htlc);
            if let (Direction::Outgoing { origin, .. }, Some(Removal { resolution, .. })) =
                (&htlc.direction, &htlc.removal)
                && htlc.preimage().is_none()
            {
                self.outputs.push(Output::Failed {
                    origin: *origin,
                    payment_hash: htlc.payment_hash,
                    resolution: resolution.clone(),
                });
            }
            self.outputs.push(Output::Retired(htlc));
        }
        self.open.fees.prune(local, acked, self.open.remote.number);
    }
}

impl Open {
    /// Whether an HTLC is in both newest commitments and those before are revoked.
    #[must_use]
    pub fn is_irrevocable(&self, htlc: &Htlc) -> bool {
        htlc.added.includes(Side::Local, self.local.number)
            && htlc.added.includes(Side::Remote, self.remote.acked())
    }

    /// Moves a fulfilled HTLC's amount; a failed one stays with its sender.
    fn settle(&mut self, htlc: &Htlc) {
        if htlc.removal.as_ref().is_some_and(|r| r.resolution.is_fulfilled()) {
            let from = self.balances.of_mut(htlc.offered_by);
            *from = from
                .checked_sub(htlc.amount)
                .expect("an HTLC was affordable in every commitment that had it");
            let to = self.balances.of_mut(htlc.offered_by.other());
            *to = to.checked_add(htlc.amount).expect("the capacity is less than all the money");
        }
    }
}
