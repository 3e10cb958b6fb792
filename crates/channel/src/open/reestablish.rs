//! `channel_reestablish`: what each side must say again after a disconnection is a function of the channel and of the
//! peer's numbers (BOLT 2, "Message Retransmission").

use super::Work;
use crate::announcement::AnnouncementLink;
use crate::channel::{Early, How, Link, Up};
use crate::fault::Fault;
use crate::output::{Output, SecretCheck, Transition};
use astrape_primitives::CommitmentNumber;
use astrape_wire::{ChannelReestablish, Message};
use bitcoin::secp256k1::{PublicKey, SecretKey};

/// What the peer has not got of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owed {
    revocation: bool,
    commitment: bool,
}

impl Work<'_> {
    /// The peer is back: say where we are, and wait to hear where it is.
    pub(crate) fn connected(mut self) -> Result<Transition, Fault> {
        self.link = Link::Reestablishing(Early::default());
        self.say_reestablish();
        Ok(self.finish())
    }

    /// The connection is gone, and with it all that the peer has said and not signed.
    pub(crate) fn disconnected(mut self) -> Result<Transition, Fault> {
        self.link = Link::Down;
        Ok(self.finish())
    }

    pub(crate) fn say_reestablish(&mut self) {
        let message = crate::commitments::reestablish_message(&self.open);
        self.send(Message::ChannelReestablish(message));
    }

    /// The peer says where it is.
    pub(crate) fn channel_reestablish(mut self, message: &ChannelReestablish) -> Result<Transition, Fault> {
        let Link::Reestablishing(Early { signatures: early, .. }) = self.link.clone() else {
            return Err(Fault::Unexpected { message: "channel_reestablish", phase: "open" });
        };
        // Before all else: whatever else is wrong, we must not answer with a commitment that is old.
        if let Some(check) = self.claim_that_we_are_late(message) {
            self.link = Link::CheckingClaim;
            self.outputs.push(Output::CheckSecret(check));
            return Ok(self.finish());
        }
        if message.next_commitment_number == CommitmentNumber(0) {
            return Err(Fault::Reestablish("next_commitment_number is 0".into()));
        }
        let owed = self.owed(message)?;
        self.check_last_secret(message)?;
        let announcement = AnnouncementLink { early, ..AnnouncementLink::default() };
        self.link = Link::Up(Up { announcement, ..Up::default() });
        let first = CommitmentNumber(1);
        if message.next_commitment_number == first
            && self.open.next_local_number() == first
            && self.open.readiness.sent
        {
            self.say_channel_ready();
        }
        self.say_again(owed);
        self.say_shutdown_again();
        self.announce(self.view.tip);
        Ok(self.finish())
    }

    /// Whether the peer is ahead of us. With the secret to prove it, we have lost state: our commitment must never be
    /// broadcast, and all that is left is to wait for the peer's. Without it, the claim is false (attack 47).
    fn claim_that_we_are_late(&self, message: &ChannelReestablish) -> Option<SecretCheck> {
        if message.next_revocation_number <= self.open.local.number {
            return None;
        }
        Some(SecretCheck {
            keys: self.open.params.keys,
            number: message.next_revocation_number.previous()?,
            secret: message.your_last_per_commitment_secret,
        })
    }

    /// The signer says whether the secret that the peer showed is ours. With a lie there is nothing to go on with: we
    /// close with what we have. An answer that comes after the connection is gone tells of an old claim: only a true one
    /// counts then.
    pub(super) fn secret_checked(mut self, genuine: bool) -> Result<Transition, Fault> {
        if genuine {
            self.await_peers_commitment(
                "our state is old, as the peer has proved: it must close the channel".to_owned(),
            );
            return Ok(self.finish());
        }
        if self.link == Link::CheckingClaim {
            // Our state is as good as it was: it is the peer's word that is not.
            self.link = Link::Reestablishing(Early::default());
            return Ok(
                self.force_close("the peer claims that our state is old and cannot prove it".to_owned())
            );
        }
        Ok(self.finish())
    }

    /// Our own records prove that our state is old, and a peer that says otherwise lies: as where it has proved that.
    pub(crate) fn state_is_old(mut self) -> Transition {
        if matches!(self.how, Some(How::Spent | How::AwaitPeersCommitment { .. })) {
            return self.tell_how_it_ends();
        }
        self.await_peers_commitment(
            "our state is old, as our own records prove: please close this channel".to_owned(),
        );
        self.finish()
    }

    /// The secret that the peer shows must be the last of ours that it has got.
    fn check_last_secret(&self, message: &ChannelReestablish) -> Result<(), Fault> {
        let local = &self.open.local;
        let secret = &message.your_last_per_commitment_secret;
        let expected = match message.next_revocation_number {
            CommitmentNumber(0) if *secret == [0; 32] => return Ok(()),
            CommitmentNumber(0) => None,
            number if number == local.number => local.revoked_points[0],
            _ => local.revoked_points[1],
        };
        let shown =
            SecretKey::from_slice(secret).ok().map(|key| PublicKey::from_secret_key(self.view.secp, &key));
        if shown.is_none() || shown != expected {
            return Err(Fault::Reestablish("your_last_per_commitment_secret is not our last secret".into()));
        }
        Ok(())
    }

    /// What the peer has not got of ours, by its numbers.
    fn owed(&self, message: &ChannelReestablish) -> Result<Owed, Fault> {
        let local = self.open.local.number;
        let revocation = if message.next_revocation_number == local {
            false
        } else if message.next_revocation_number.next() == local {
            true
        } else {
            return Err(Fault::Reestablish(format!(
                "it waits for revocation {}, and we have revoked up to {local}",
                message.next_revocation_number
            )));
        };
        let newest = self.open.remote.number;
        let commitment = if message.next_commitment_number == newest.next() {
            false
        } else if message.next_commitment_number == newest && self.open.remote.unrevoked.is_some() {
            true
        } else {
            return Err(Fault::Reestablish(format!(
                "it waits for commitment {}, and we have signed up to {newest}",
                message.next_commitment_number
            )));
        };
        Ok(Owed { revocation, commitment })
    }

    /// Says what is owed, in the order in which it was said first.
    fn say_again(&mut self, owed: Owed) {
        let commitment_came_last =
            self.open.remote.unrevoked.is_some_and(|u| u.signed_after_local == self.open.local.number);
        match (owed.revocation, owed.commitment) {
            (true, true) if commitment_came_last => {
                self.say_revocation();
                self.say_commitment();
            }
            (true, true) => {
                self.say_commitment();
                self.say_revocation();
            }
            (true, false) => self.say_revocation(),
            (false, true) => self.say_commitment(),
            (false, false) => {}
        }
    }
}
