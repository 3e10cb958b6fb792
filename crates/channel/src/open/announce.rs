//! `announcement_signatures`, both ways: when they are due, and what is made of the peer's (BOLT 7).

use super::Work;
use crate::announcement::{ANNOUNCEMENT_DEPTH, AnnouncementHalf};
use crate::channel::{Link, Shutdown};
use crate::fault::Fault;
use crate::output::{Outgoing, Output, Transition};
use astrape_primitives::Height;
use astrape_wire::{AnnouncementSignatures, ChannelAnnouncement, Message, Warning};

impl Work<'_> {
    /// The peer's signatures. Such as come before we are ready wait, one message of them.
    pub(super) fn announcement_signatures(
        mut self,
        message: &AnnouncementSignatures,
    ) -> Result<Transition, Fault> {
        if !self.open.params.announce {
            return Err(Fault::Announcement("the channel is not to be announced".into()));
        }
        if let Link::Reestablishing(early) = &mut self.link {
            early.signatures = Some(Box::new(message.clone()));
            return Ok(self.finish());
        }
        let is_early = !self.open.readiness.sent || self.open.funding.confirmed.is_none();
        let up = self.up("announcement_signatures")?;
        if is_early {
            up.announcement.early = Some(Box::new(message.clone()));
            return Ok(self.finish());
        }
        self.take_signatures(message)?;
        self.announce(self.view.tip);
        Ok(self.finish())
    }

    /// The whole announcement of this channel, by its peer: LND says it where it should say its signatures again (BOLT 7 asks for
    /// these). What is not as we would announce it is gossip like that of anybody, and no fault here.
    pub(super) fn announced_by_peer(mut self, message: &ChannelAnnouncement) -> Result<Transition, Fault> {
        let is_first = message.node_id_1 == self.open.params.peer;
        let half = if is_first {
            AnnouncementHalf {
                node_signature: message.node_signature_1,
                bitcoin_signature: message.bitcoin_signature_1,
            }
        } else {
            AnnouncementHalf {
                node_signature: message.node_signature_2,
                bitcoin_signature: message.bitcoin_signature_2,
            }
        };
        let is_missing = self.open.params.announce && self.open.announcement.received.is_none();
        let is_ours = self.open.short_channel_id() == Some(message.short_channel_id);
        if is_missing && is_ours && self.open.is_signed_by_peer(&half, self.view) {
            self.open.announcement.received = Some(half);
            self.tell_if_announced(false);
            self.announce(self.view.tip);
        }
        Ok(self.finish())
    }

    fn take_signatures(&mut self, message: &AnnouncementSignatures) -> Result<(), Fault> {
        let expected = self.open.short_channel_id();
        if expected != Some(message.short_channel_id) {
            return Err(Fault::Announcement(format!(
                "short_channel_id {} is none of this channel's",
                message.short_channel_id
            )));
        }
        if self.open.announcement.received.is_none() {
            let half = AnnouncementHalf {
                node_signature: message.node_signature,
                bitcoin_signature: message.bitcoin_signature,
            };
            if !self.open.is_signed_by_peer(&half, self.view) {
                return Err(Fault::AnnouncementSignature);
            }
            let was_complete = self.open.is_announced();
            self.open.announcement.received = Some(half);
            self.tell_if_announced(was_complete);
        }
        if let Link::Up(up) = &mut self.link {
            up.announcement.asked = true;
        }
        Ok(())
    }

    /// Sends our signatures where they are due: as soon as the funding is deep enough, and on each connection until the
    /// peer's are here or when the peer sends its own again.
    pub(super) fn announce(&mut self, tip: Height) {
        if !self.may_announce(tip) {
            return;
        }
        self.take_early();
        let announcement = &self.open.announcement;
        let is_due = !announcement.sent || announcement.received.is_none();
        let Link::Up(up) = &mut self.link else {
            return;
        };
        if up.announcement.sent || !(is_due || up.announcement.asked) {
            return;
        }
        up.announcement.sent = true;
        let chain_hash = self.view.policy.network.chain_hash();
        if let Some(announcement) = self.open.channel_announcement(self.view.our_id, chain_hash) {
            self.outputs.push(Output::Send(Outgoing::AnnouncementSignatures {
                channel_id: self.open.params.channel_id,
                keys: self.open.params.keys,
                announcement: Box::new(announcement),
            }));
            let was_complete = self.open.is_announced();
            self.open.announcement.sent = true;
            self.tell_if_announced(was_complete);
        }
    }

    /// What came too early is looked at now. A wrong one is forgotten: the peer sends its own again when it comes back.
    fn take_early(&mut self) {
        let Link::Up(up) = &mut self.link else {
            return;
        };
        if let Some(early) = up.announcement.early.take()
            && let Err(fault) = self.take_signatures(&early)
        {
            let (channel_id, data) = (self.open.params.channel_id, fault.to_string().into_bytes());
            self.send(Message::Warning(Warning { channel_id, data }));
        }
    }

    fn may_announce(&self, tip: Height) -> bool {
        let deep = self
            .open
            .funding
            .confirmed
            .is_some_and(|confirmed| confirmed.height.confirmations_at(tip) >= ANNOUNCEMENT_DEPTH);
        self.open.params.announce
            && self.open.is_ready()
            && deep
            && self.open.shutdown == Shutdown::default()
            && matches!(self.link, Link::Up(_))
    }

    fn tell_if_announced(&mut self, was_complete: bool) {
        if !was_complete && self.open.is_announced() {
            self.outputs.push(Output::Announced);
        }
    }
}
