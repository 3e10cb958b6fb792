//! A funded channel: what happens to it, by message. Each room below handles what its name says.

mod announce;
mod capacity;
mod chain;
mod command;
mod fee;
mod htlc;
mod projection;
mod ready;
mod reestablish;
mod revoke;
mod sign;

use crate::channel::{Channel, Closing, How, Link, Open, Phase, Up};
use crate::event::{Command, Event};
use crate::fault::Fault;
use crate::output::{Output, Transition};
use crate::policy::View;
use astrape_wire::Message;

/// A channel being changed: the next value and what follows from it.
pub(crate) struct Work<'a> {
    pub(crate) open: Open,
    pub(crate) link: Link,
    /// How the channel ends, once that is decided.
    pub(crate) how: Option<How>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) view: &'a View<'a>,
}

impl Work<'_> {
    /// What lives as long as the connection.
    ///
    /// # Errors
    /// When the peer speaks before its `channel_reestablish`.
    pub(crate) fn up(&mut self, message: &'static str) -> Result<&mut Up, Fault> {
        match &mut self.link {
            Link::Up(up) => Ok(up),
            Link::Down | Link::Reestablishing(_) | Link::CheckingClaim => {
                Err(Fault::Unexpected { message, phase: "waiting for channel_reestablish" })
            }
        }
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.outputs.push(Output::Send(crate::Outgoing::Plain(message)));
    }

    pub(crate) fn finish(self) -> Transition {
        let phase = match self.how {
            None => Phase::Open(Box::new(self.open)),
            Some(how) => Phase::Closing(Box::new(Closing { open: self.open, how })),
        };
        Transition { next: Channel { link: self.link, phase }, outputs: self.outputs }
    }
}

/// Dispatches an event for a funded channel.
pub(crate) fn handle(channel: &Channel, event: Event, view: &View<'_>) -> Result<Transition, Fault> {
    let Phase::Open(open) = &channel.phase else {
        unreachable!("the caller has matched the phase");
    };
    let work =
        Work { open: (**open).clone(), link: channel.link.clone(), how: None, outputs: Vec::new(), view };
    match event {
        Event::Connected => work.connected(),
        Event::Disconnected => work.disconnected(),
        Event::Add { message, onion } => work.update_add_htlc(message, onion),
        Event::Message(message) => handle_message(work, message),
        Event::Command(command) => handle_command(work, command),
        Event::Propose => work.propose(),
        Event::Tip(height) => work.tip(height),
        Event::FundingConfirmed { tx, height, index } => work.funding_confirmed(&tx, height, index),
        Event::FundingReorged => work.funding_reorged(),
        Event::FundingSpent { tx, height } => Ok(work.funding_spent(tx, height)),
        Event::SpendReorged | Event::Resolved => Ok(work.finish()),
        Event::PreimageSeen { id, preimage } => Ok(work.preimage_seen(id, preimage)),
        Event::SecretChecked { genuine } => work.secret_checked(genuine),
        Event::StateIsOld => Ok(work.state_is_old()),
        Event::Point { number, point } => work.point(number, point),
    }
}

fn handle_message(work: Work<'_>, message: Message) -> Result<Transition, Fault> {
    match message {
        Message::ChannelReestablish(m) => work.channel_reestablish(&m),
        Message::ChannelReady(m) => work.channel_ready(&m),
        Message::AnnouncementSignatures(m) => work.announcement_signatures(&m),
        Message::UpdateFulfillHtlc(m) => work.update_fulfill_htlc(m),
        Message::UpdateFailHtlc(m) => work.update_fail_htlc(m),
        Message::UpdateFailMalformedHtlc(m) => work.update_fail_malformed_htlc(&m),
        Message::UpdateFee(m) => work.update_fee(&m),
        Message::CommitmentSigned(m) => work.commitment_signed(m),
        Message::RevokeAndAck(m) => work.revoke_and_ack(&m),
        Message::Shutdown(m) => work.shutdown(&m),
        Message::ClosingSigned(m) => work.closing_signed(&m),
        Message::ChannelAnnouncement(m) => work.announced_by_peer(&m),
        Message::Error(m) => work.peer_error(&m),
        Message::Warning(_) => Ok(work.warned()),
        other => Err(Fault::Unexpected { message: other.name(), phase: "open" }),
    }
}

fn handle_command(work: Work<'_>, command: Command) -> Result<Transition, Fault> {
    match command {
        Command::Add(new) => Ok(work.add(new)),
        Command::RefuseWaiting => Ok(work.give_up_waiting()),
        Command::Resolve { id, resolution } => Ok(work.resolve(id, resolution)),
        Command::UpdateFee(feerate) => Ok(work.want_feerate(feerate)),
        Command::Shutdown { script } => Ok(work.begin_shutdown(script)),
        Command::ForceClose { reason } => Ok(work.force_close(reason)),
        Command::Fund { .. } => Ok(work.finish()),
    }
}
