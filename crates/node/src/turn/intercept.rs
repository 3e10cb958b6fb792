//! Forwards that wait for an application. That they do is durable, so that a restart asks again; what is asked is read from
//! the HTLC.

use super::Turn;
use super::receive::lost_funding;
use crate::command::{Refusal, Reply, Verdict};
use astrape_channel::htlc::Direction;
use astrape_channel::{Command, Event, Htlc};
use astrape_onion::{Failure, ForwardPayload, Hop};
use astrape_payment::intercept::{self, Held, ResumeRefusal};
use astrape_primitives::{ChannelKeysId, HtlcId};
use astrape_wire::OnionPacket;
use std::sync::Arc;

/// What is asked of an application, by the channel that it came in over and its id there.
pub(crate) type HeldId = (ChannelKeysId, HtlcId);

impl Turn<'_> {
    /// Has an HTLC wait for an application, if it may.
    pub(super) fn hold(&mut self, keys: ChannelKeysId, htlc: &Htlc, payload: &ForwardPayload) {
        let of_channel = self.node.held.iter().filter(|((channel, _), _)| *channel == keys).count();
        let held = (self.node.held.len(), of_channel);
        let config = Arc::clone(&self.node.config);
        let fresh = self.node.world.stale.is_none();
        match intercept::may_wait(htlc, payload, held, fresh, self.height(), &config.payment) {
            Ok(()) => self.node.held.set((keys, htlc.id), Held { since: self.now }),
            Err(failure) => {
                self.forward_failed(keys, htlc, None, Some(failure.to_string()));
                self.fail_incoming(keys, htlc, &failure);
            }
        }
    }

    /// What an application has decided.
    pub(super) fn intercepted(&mut self, id: HeldId, verdict: &Verdict) -> Result<Reply, Refusal> {
        let (keys, htlc) = (id.0, self.held_htlc(id).ok_or(Refusal::NoSuchHtlc)?);
        let Some((payload, next)) = forward_of(&htlc) else {
            return Err(Refusal::NoSuchHtlc);
        };
        let Verdict::Resume { over, amount } = verdict else {
            self.give_back_held(id, &htlc, "the application refused it");
            return Ok(Reply::Done);
        };
        if self.node.world.stale.is_some() {
            return Err(ResumeRefusal::Stale.into());
        }
        if self.has_lost_its_funding(keys) {
            return Err(lost_funding());
        }
        let outgoing = over.or_else(|| self.node.index.by_scid(payload.short_channel_id));
        let outgoing = outgoing.ok_or(ResumeRefusal::NoChannel)?;
        let (usable, config) = (self.usable(outgoing), Arc::clone(&self.node.config));
        let new =
            intercept::resume(&htlc, keys, (payload, next), usable, *amount, self.height(), &config.payment)?;
        self.judge_forward(keys, &htlc, outgoing, &new).map_err(|jam| Refusal::NotNow(jam.to_string()))?;
        self.node.held.remove(&id);
        self.drive(outgoing, Event::Command(Command::Add(new)));
        Ok(Reply::Done)
    }

    /// HTLCs that have waited for as long as they may go back, and what is gone is forgotten.
    pub(super) fn look_at_held(&mut self) {
        let (now, tip, config) = (self.now, self.height(), Arc::clone(&self.node.config));
        let all: Vec<(HeldId, Held)> = self.node.held.iter().map(|(id, held)| (*id, *held)).collect();
        for (id, held) in all {
            let htlc = self.upstream(id.0, id.1);
            match htlc.as_ref().and_then(|htlc| Some((htlc, forward_of(htlc)?.0))) {
                None => {
                    self.node.held.remove(&id);
                }
                Some((htlc, payload)) if held.is_late(payload, now, tip, &config.payment) => {
                    self.give_back_held(id, htlc, "no application took it in time");
                }
                Some(_) => {}
            }
        }
    }

    fn held_htlc(&self, id: HeldId) -> Option<Arc<Htlc>> {
        self.node.held.get(&id)?;
        self.upstream(id.0, id.1)
    }

    fn give_back_held(&mut self, id: HeldId, htlc: &Htlc, why: &str) {
        self.node.held.remove(&id);
        let named = forward_of(htlc).map(|(payload, _)| payload.short_channel_id);
        let outgoing = named.and_then(|scid| self.node.index.by_scid(scid));
        // As if there were no application: the id is of a channel, or of none.
        let failure = outgoing.map_or(Failure::UnknownNextPeer, |_| Failure::TemporaryChannelFailure);
        self.forward_failed(id.0, htlc, outgoing, Some(why.to_owned()));
        self.fail_incoming(id.0, htlc, &failure);
    }
}

/// What the onion of an HTLC says that is to be forwarded.
#[must_use]
pub fn forward_of(htlc: &Htlc) -> Option<(&ForwardPayload, &OnionPacket)> {
    let Direction::Incoming(onion) = &htlc.direction else {
        return None;
    };
    match onion.as_ref().as_ref().map(|peeled| &peeled.hop) {
        Ok(Hop::Forward { payload, next }) => Some((payload, next)),
        _ => None,
    }
}
