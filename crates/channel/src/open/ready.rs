//! `channel_ready`, both ways, and the per-commitment points that our signer gives.

use super::Work;
use crate::channel::Link;
use crate::fault::Fault;
use crate::output::{Output, Transition};
use astrape_primitives::CommitmentNumber;
use astrape_wire::{ChannelReady, Message};
use bitcoin::secp256k1::PublicKey;

impl Work<'_> {
    /// The peer says that the channel is ready for it.
    pub(super) fn channel_ready(mut self, message: &ChannelReady) -> Result<Transition, Fault> {
        // Where a funding confirms after a reconnection, some say this before their `channel_reestablish`. It means the same then.
        if let Link::Reestablishing(early) = &mut self.link {
            early.ready |= !self.open.readiness.received;
        } else {
            self.up("channel_ready")?;
        }
        let readiness = &mut self.open.readiness;
        if message.short_channel_id.is_some() {
            readiness.remote_alias = message.short_channel_id;
        }
        if readiness.received {
            // Sent again after a reconnection; BOLT 2 asks to ignore it.
            return Ok(self.finish());
        }
        readiness.received = true;
        self.open.remote.next_point = Some(message.second_per_commitment_point);
        if self.open.is_ready() {
            self.outputs.push(Output::Ready);
            self.announce(self.view.tip);
        }
        Ok(self.finish())
    }

    /// Says `channel_ready`, when the link is up; remembered to be owed otherwise.
    pub(super) fn become_ready(&mut self) {
        if self.open.readiness.sent {
            return;
        }
        self.open.readiness.sent = true;
        if matches!(self.link, Link::Up(_)) {
            self.say_channel_ready();
        }
        if self.open.is_ready() {
            self.outputs.push(Output::Ready);
        }
    }

    pub(super) fn say_channel_ready(&mut self) {
        self.send(Message::ChannelReady(ChannelReady {
            channel_id: self.open.params.channel_id,
            second_per_commitment_point: self.open.local.points[1],
            short_channel_id: Some(self.open.params.local_alias),
        }));
    }

    /// The signer gives one further point.
    pub(crate) fn point(mut self, number: CommitmentNumber, point: PublicKey) -> Result<Transition, Fault> {
        if number == self.open.local.number.plus(2) {
            self.open.local.third_point = Some(point);
        }
        Ok(self.finish())
    }
}
