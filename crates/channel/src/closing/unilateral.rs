//! Going on chain with our own commitment, and what a peer's `error` does.

use crate::channel::{Early, How, Link, Open, Up};
use crate::fault::{Fault, Refusal};
use crate::open::Work;
use crate::output::{Output, Story, Transition};
use astrape_primitives::ChannelId;
use astrape_transactions::LocalCommitmentRequest;
use astrape_wire::{ChannelReestablish, Error, Message};

/// What LND says when something went wrong within it that a new connection mends.
const ITS_OWN_FAULT: &[u8] = b"internal error";

/// What LND says when it could not take a `revoke_and_ack`: it ends the connection, and keeps the channel.
const NOT_REVOKED: &[u8] = b"invalid revocation";

/// What LND before 0.18 says to a `shutdown` while HTLCs are there.
const NO_SHUTDOWN_YET: &[u8] = b"link failed to shutdown";

/// Most bytes of a reason that we tell a peer.
const MAX_REASON: usize = 500;

/// `error` for a channel.
pub(crate) fn error_message(channel_id: ChannelId, reason: &str) -> Message {
    let mut data = reason.as_bytes().to_vec();
    data.truncate(MAX_REASON);
    Message::Error(Error { channel_id, data })
}

/// Whether an `error` has one of the texts by which LND means that the channel stays (ADR 26).
#[must_use]
pub fn is_passing(error: &Error) -> bool {
    [ITS_OWN_FAULT, NOT_REVOKED, NO_SHUTDOWN_YET].contains(&error.data.trim_ascii())
}

/// A peer's `error`, for people.
#[must_use]
pub fn words_of(error: &Error) -> String {
    format!("the peer sent: {}", astrape_wire::printable(&error.data))
}

impl Open {
    /// The request to sign our newest commitment for broadcast.
    #[must_use]
    pub fn local_request(&self) -> LocalCommitmentRequest {
        LocalCommitmentRequest {
            keys: self.params.keys,
            terms: self.funding.terms.clone(),
            content: self.local_content(),
            remote_signature: self.local.signatures.commitment,
        }
    }
}

impl Open {
    /// Whether HTLCs keep our `shutdown` from being answered.
    #[must_use]
    pub fn is_held_open(&self) -> bool {
        self.shutdown.local.is_some() && !self.htlcs.is_empty()
    }

    /// Whether the peer may have a closing transaction that both have signed: ours follows at once where nothing else is missing, and
    /// its own can be lost. HTLCs are none.
    #[must_use]
    pub fn may_be_closed_by_the_peer(&self) -> bool {
        self.shutdown.local.is_some() && self.shutdown.remote.is_some() && self.is_at_rest()
    }
}

impl Work<'_> {
    /// Goes on chain with our own commitment, and tells the peer why.
    pub(crate) fn force_close(mut self, reason: String) -> Transition {
        if self.link == Link::CheckingClaim {
            let problem =
                "the peer says that our state is old, and its proof is being checked: try again".to_owned();
            self.outputs.push(Output::Refused(Refusal::Close(problem)));
            return self.finish();
        }
        self.say_error(&reason);
        self.go_on_chain(reason);
        self.finish()
    }

    /// The peer asks to fail the channel (BOLT 1 `error`). While its claim that we are late is being checked there is no
    /// answer to that yet; it will ask again.
    ///
    /// # Errors
    /// For the texts by which LND means that the channel stays (ADR 26): the connection is to begin anew.
    pub(crate) fn peer_error(mut self, error: &Error) -> Result<Transition, Fault> {
        let text = error.data.trim_ascii();
        let is_passing = is_passing(error);
        match &mut self.link {
            Link::CheckingClaim => return Ok(self.finish()),
            // An `error` for all channels: another of them has ended the connection.
            Link::Down if is_passing => return Ok(self.finish()),
            // Its HTLCs need the connection; once they are gone it begins anew, with another `shutdown`.
            Link::Up(up) if text == NO_SHUTDOWN_YET && self.open.is_held_open() => {
                up.shutdown_refused = true;
                return Ok(self.finish());
            }
            Link::Up(_) if is_passing => return Err(Fault::Passing(astrape_wire::printable(text))),
            Link::Up(_) | Link::Down | Link::Reestablishing(_) => {}
        }
        if self.open.is_the_peers_to_give_up() {
            return Ok(self.given_up(error));
        }
        self.go_on_chain(words_of(error));
        Ok(self.finish())
    }

    /// Whoever opened the channel does not know it, or wants it no more: CLN forgets it when it was stopped before it had our signature.
    /// Nothing is lost that we would have to wait for, and BOLT 2 lets a fundee forget.
    pub(super) fn given_up(mut self, error: &Error) -> Transition {
        self.outputs.push(Output::Forgotten { reason: words_of(error) });
        self.finish()
    }

    fn go_on_chain(&mut self, reason: String) {
        self.stop();
        self.both_know();
        self.outputs.push(Output::BroadcastCommitment(self.open.local_request()));
        self.outputs.push(Output::Story(Story::ForceClosing { reason: reason.clone() }));
        self.how = Some(How::OurCommitment { reason });
    }

    /// Waits for the peer to go on chain with its commitment: ours is old, and broadcasting it would lose all.
    pub(crate) fn await_peers_commitment(&mut self, reason: String) {
        self.say_error(&reason);
        self.stop();
        self.both_know();
        self.outputs.push(Output::Story(Story::WaitingForPeersCommitment { reason: reason.clone() }));
        self.how = Some(How::AwaitPeersCommitment { reason });
    }

    /// Nothing that waits leaves any more, and what the peer has not signed is void.
    pub(super) fn stop(&mut self) {
        self.refuse_waiting(&Refusal::NotUsable("closing"));
        self.open.waiting_feerate = None;
        if let Link::Up(up) = &mut self.link {
            *up = Up { told: up.told, ..Up::default() };
        }
    }

    fn say_error(&mut self, reason: &str) {
        let is_told = matches!(&self.link, Link::Up(up) if up.told);
        if self.link != Link::Down && !is_told {
            self.send(error_message(self.open.params.channel_id, reason));
        }
    }

    /// One side has told the other, if they are connected, that the channel has failed.
    fn both_know(&mut self) {
        if self.link != Link::Down {
            self.link = Link::Up(Up { told: true, ..Up::default() });
        }
    }

    /// The peer is back. A cooperative close goes on until it is in a block. Of what failed nothing is said before the peer speaks of
    /// it: CLN ends the connection, and with it the use of all other channels, for a word about a channel that it has seen end on chain
    /// or has forgotten. Who takes the channel for alive says `channel_reestablish`.
    pub(super) fn connected_while_closing(mut self) -> Result<Transition, Fault> {
        let is_spent = self.open.funding.spent.is_some();
        if matches!(self.how, Some(How::Cooperative { .. })) && !is_spent {
            return self.connected();
        }
        self.link = Link::Up(Up::default());
        Ok(self.finish())
    }

    /// The peer goes on with the channel. What failed stays failed, and it is told so, once a connection.
    pub(super) fn reestablish_while_closing(self, message: &ChannelReestablish) -> Result<Transition, Fault> {
        match (&self.how, &self.link) {
            (Some(How::Cooperative { .. }), Link::Up(up)) if self.open.funding.spent.is_some() => {
                if up.told {
                    Ok(self.finish())
                } else {
                    self.reestablish_what_is_closed(message)
                }
            }
            (Some(How::Cooperative { .. }), _) => self.channel_reestablish(message),
            _ => Ok(self.tell_how_it_ends()),
        }
    }

    /// The peer has not seen yet that our closing transaction is in a block. Until then it hears what is due; an `error` would have it
    /// go on chain.
    fn reestablish_what_is_closed(mut self, message: &ChannelReestablish) -> Result<Transition, Fault> {
        self.say_reestablish();
        self.link = Link::Reestablishing(Early::default());
        let mut transition = self.channel_reestablish(message)?;
        if let Link::Up(up) = &mut transition.next.link {
            up.told = true;
        }
        Ok(transition)
    }

    /// Why the channel has failed.
    pub(crate) fn tell_how_it_ends(mut self) -> Transition {
        let reason = match &self.how {
            Some(How::OurCommitment { reason } | How::AwaitPeersCommitment { reason }) => reason.clone(),
            Some(How::Spent) => "the funding of this channel was spent".to_owned(),
            Some(How::Cooperative { .. }) | None => return self.finish(),
        };
        self.say_error(&reason);
        self.both_know();
        self.finish()
    }
}
