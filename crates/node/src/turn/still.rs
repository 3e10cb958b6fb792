//! Channels that stand still (ADR 25): those in which our own program has failed, which are quarantined, and those whose state may be
//! old, which are suspect. What such a channel takes all the same, and what is said for it.

use super::{Turn, is_opening};
use crate::effect::Speech;
use crate::ledger::ChannelFact;
use astrape_channel::{Channel, Command, Event, Link};
use astrape_primitives::ChannelKeysId;
use astrape_wire::{Error, Message};

impl Turn<'_> {
    /// Our own program has failed in a channel: it stands still until a restart, and its peer is hung up on. An opening ends by that.
    pub(crate) fn quarantine(&mut self, channel: ChannelKeysId) {
        let Some(value) = self.node.channels.get(&channel) else { return };
        let consequence = if is_opening(value) {
            "The channel is not opened"
        } else {
            "Until a restart the channel does nothing but go on chain, if its payments need that or you ask for it"
        };
        let reason = format!("an error in this program; please report it. {consequence}");
        self.node.quarantined.insert(channel, self.now);
        self.node.unproposed.remove(&channel);
        self.to_propose.remove(&channel);
        self.tell(channel, ChannelFact::Quarantined { reason });
        self.hang_up(channel, "an error in this program");
    }

    /// Whether a channel takes nothing of this event because it stands still.
    pub(super) fn stands_still(&mut self, keys: ChannelKeysId, channel: &Channel, event: &Event) -> bool {
        if self.node.quarantined.contains_key(&keys) && !may_be_taken_by_a_quarantined(event) {
            return true;
        }
        let is_refused = self.node.suspect.contains(&keys) && !may_be_taken_by_a_suspect(event);
        if is_refused && let Some(reason) = why_the_peer_must_close(channel, event) {
            let error = Error { channel_id: channel.channel_id(), data: reason.into_bytes() };
            self.say(channel.peer(), Speech::Plain(Message::Error(error)));
        }
        is_refused
    }
}

/// The peer of a channel whose state may be old claims to be ahead and cannot prove it, or tells of a state that we never had. Our
/// commitment is no answer: it may be revoked. The peer is asked to close, and the channel waits for that. An answer of the signer
/// that comes after the connection is gone tells of an old claim.
fn why_the_peer_must_close(channel: &Channel, event: &Event) -> Option<String> {
    match event {
        Event::SecretChecked { genuine: false } if channel.link == Link::CheckingClaim => Some(
            "our state may be old, and your proof of that does not hold: please close this channel"
                .to_owned(),
        ),
        Event::Command(Command::ForceClose { reason }) if matches!(channel.link, Link::Reestablishing(_)) => {
            Some(reason.clone())
        }
        _ => None,
    }
}

/// Events that a channel takes whatever is wrong with it: neither a panic nor an old state may blind us to the chain, and how an HTLC
/// ends, which another channel may have paid for, is told only once. To note that signs nothing; nor does giving back what waits to be
/// offered and never was.
fn is_taken_always(event: &Event) -> bool {
    matches!(
        event,
        Event::Command(Command::Resolve { .. } | Command::RefuseWaiting)
            | Event::Tip(_)
            | Event::FundingConfirmed { .. }
            | Event::FundingReorged
            | Event::FundingSpent { .. }
            | Event::SpendReorged
            | Event::PreimageSeen { .. }
            | Event::Resolved
    )
}

/// A channel in which our program failed may go on chain: its HTLCs have their deadlines all the same. That its peer is gone it must
/// know, since an opening ends by that; and a proof that our state is old, since our commitment must not go out then.
fn may_be_taken_by_a_quarantined(event: &Event) -> bool {
    is_taken_always(event)
        || matches!(
            event,
            Event::Disconnected
                | Event::SecretChecked { genuine: true }
                | Event::Command(Command::ForceClose { .. })
        )
}

/// What a channel still takes whose state may be old: where the peer is, and what happens on chain. Nothing of it signs or
/// broadcasts a commitment of ours.
fn may_be_taken_by_a_suspect(event: &Event) -> bool {
    is_taken_always(event)
        || matches!(
            event,
            Event::Connected
                | Event::Disconnected
                | Event::SecretChecked { genuine: true }
                | Event::StateIsOld
                | Event::Point { .. }
                | Event::Message(Message::ChannelReestablish(_))
        )
}
