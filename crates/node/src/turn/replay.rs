//! Onions that come a second time (BOLT 4, "Accepting and Forwarding a Payment"): whoever repeats one learns where it leads.

use super::Turn;
use crate::journal::SeenOnion;
use astrape_channel::htlc::Direction;
use astrape_channel::{Htlc, Phase};
use astrape_onion::{Failure, Hop, PeelFailure, Peeled};
use astrape_primitives::{ChannelKeysId, HtlcId, Side};
use std::sync::Arc;

impl Turn<'_> {
    /// Whether an HTLC that is offered brings an onion that another was seen with.
    pub(super) fn is_replay(&self, channel: ChannelKeysId, id: HtlcId, peeled: &Peeled) -> bool {
        let holder = self.node.recent.holder(&peeled.shared_secret.replay_id());
        holder.is_some_and(|first| first != (channel, id))
    }

    /// An HTLC is in our commitment, and will be acted on: its onion is seen from now on. While neither of two was signed for, nobody
    /// could know that they have the same; the second is failed, and that is as durable as it is.
    pub(super) fn see_onion(&mut self, keys: ChannelKeysId, htlc: &Htlc) {
        let Direction::Incoming(onion) = &htlc.direction else { return };
        if let Ok(peeled) = &**onion
            && self.is_replay(keys, htlc.id, peeled)
        {
            return self.replace_onion(keys, htlc.id, Arc::new(Err(replayed(peeled))));
        }
        if let Some(onion) = seen_onion(htlc) {
            self.node.recent.see(&onion, (keys, htlc.id));
            self.writes.onions.push(onion);
        }
    }

    fn replace_onion(&mut self, keys: ChannelKeysId, id: HtlcId, onion: Arc<Result<Peeled, PeelFailure>>) {
        let Some(channel) = self.node.channels.get(&keys) else { return };
        let mut channel = (**channel).clone();
        let open = match &mut channel.phase {
            Phase::Open(open) => &mut **open,
            Phase::Closing(closing) => &mut closing.open,
            Phase::Opening(_) | Phase::Closed(_) => return,
        };
        if let Some(htlc) = open.htlcs.get_mut(&(Side::Remote, id)) {
            Arc::make_mut(htlc).direction = Direction::Incoming(onion);
            self.node.channels.set(keys, Arc::new(channel));
        }
    }
}

/// What is said of an onion that was seen before: at once, and only the way to say so is left to us.
pub(super) const fn replayed(peeled: &Peeled) -> PeelFailure {
    PeelFailure::Payload { shared_secret: peeled.shared_secret, failure: Failure::TemporaryNodeFailure }
}

/// The replay log's name for the onion of an incoming HTLC; none for one that could not be read.
pub(crate) fn seen_onion(htlc: &Htlc) -> Option<SeenOnion> {
    let Direction::Incoming(onion) = &htlc.direction else { return None };
    let peeled = onion.as_ref().as_ref().ok()?;
    let expiry = match &peeled.hop {
        Hop::Forward { payload, .. } => payload.outgoing_cltv_value,
        Hop::Final { payload } => payload.outgoing_cltv_value,
    };
    Some(SeenOnion { expiry, replay_id: peeled.shared_secret.replay_id() })
}
