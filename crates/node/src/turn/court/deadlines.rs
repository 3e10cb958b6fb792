//! What must be done before a block: channels that go on chain for their HTLCs or in place of a peer that does not, and HTLCs
//! that are failed back before the channel that they came by would close (attack 52).

use super::is_on_its_way;
use crate::state::FailedByPeer;
use crate::turn::{Turn, origin_of};
use astrape_channel::policy::SMALL_DUST_EXPOSURE;
use astrape_channel::{
    Channel, Event as ChannelEvent, Htlc, HtlcKey, Link, Open, Origin, Phase, is_passing, words_of,
};
use astrape_primitives::{ChannelKeysId, Height, Msat, PaymentHash, PaymentPreimage, Side};
use std::sync::Arc;

/// Blocks that a peer has to bring its own commitment, when it failed a channel before telling where it is.
const BLOCKS_FOR_THE_PEERS_COMMITMENT: u32 = 12;

/// Blocks after a start that a peer has to connect and tell where it is, before a deadline brings our commitment on chain: it
/// may be revoked, if what we started from was a copy that nothing tells from the newest.
const BLOCKS_TO_MEET: u32 = 3;

/// The same where as few blocks as these are left: long enough to be connected with whoever is there.
const BLOCKS_TO_MEET_IN_HASTE: u32 = 1;

/// Blocks before an expiry from which on it is late.
const HASTE_BLOCKS: u32 = 6;

impl Turn<'_> {
    /// Whether channels must go on chain for their HTLCs. Only at the tip of the chain that is there, never in a channel whose
    /// state may be old, and never for what is not worth it. A tip that seems too old is a tip: blocks that are kept from us for
    /// hours, or a clock that is wrong, do not stop what is counted in blocks (attack 43).
    pub(crate) fn deadlines(&mut self) {
        if self.node.world.is_behind {
            return;
        }
        let (tip, feerates) = (self.height(), self.feerates());
        let fresh_since = self.node.world.fresh_since.unwrap_or_default();
        let fulfil = self.node.config.payment.fulfil_deadline_blocks;
        let reason = |channel: &Channel| {
            let open = channel.open().filter(|o| o.funding.spent.is_none() && !is_on_its_way(channel))?;
            let htlcs: Vec<_> = open.htlcs.values().filter_map(|h| pending(open, h)).collect();
            let format = open.params.format;
            astrape_onchain::deadline::reason_to_close(&htlcs, format, tip, fresh_since, fulfil, &feerates)
        };
        let mut due: Vec<(Height, ChannelKeysId, String)> = self
            .node
            .channels
            .iter()
            .filter(|(keys, _)| !self.node.suspect.contains(*keys))
            .filter(|(keys, channel)| !self.waits_for_its_peer(keys, channel))
            .filter_map(|(keys, channel)| {
                let reason = reason(channel)?;
                Some((first_expiry(channel), *keys, reason))
            })
            .collect();
        // The wallet may not have a coin for each.
        due.sort();
        for (_, keys, reason) in due {
            self.drive(keys, ChannelEvent::Command(astrape_channel::Command::ForceClose { reason }));
        }
        self.close_what_peers_failed();
        self.fail_back_what_is_late();
        for keys in self.node.channels.keys() {
            if !self.node.suspect.contains(&keys) {
                self.close_where_too_much_is_left_to_the_peer(keys);
            }
        }
    }

    /// Whether a peer that has not told where it is since our start may still do so.
    pub(super) fn waits_for_its_peer(&self, keys: &ChannelKeysId, channel: &Channel) -> bool {
        let world = &self.node.world;
        // An outage of the chain source later gives no more time: the peer had it.
        let Some(since) = world.first_fresh.filter(|_| world.unmet.contains(keys)) else { return false };
        let tip = self.height();
        let is_late = tip.plus(HASTE_BLOCKS) >= first_expiry(channel);
        tip < since.plus(if is_late { BLOCKS_TO_MEET_IN_HASTE } else { BLOCKS_TO_MEET })
    }

    /// Channels that their peers have failed unheard, and whose commitment does not come. One whose state may be old waits
    /// until that is settled.
    fn close_what_peers_failed(&mut self) {
        let tip = self.height();
        for keys in self.node.failed_by_peer.keys() {
            let Some(failed) = self.node.failed_by_peer.get(&keys).cloned() else { continue };
            let is_unspent = |c: &Channel| c.open().is_some_and(|open| open.funding.spent.is_none());
            let channel = self.node.channels.get(&keys);
            let Some(channel) = channel.filter(|channel| is_unspent(channel) && !is_on_its_way(channel))
            else {
                self.node.failed_by_peer.remove(&keys);
                continue;
            };
            if channel.open().is_some_and(Open::is_the_peers_to_give_up) && !self.node.suspect.contains(&keys)
            {
                self.forget_opening(keys, failed.words);
                continue;
            }
            let is_due = tip >= failed.since.plus(BLOCKS_FOR_THE_PEERS_COMMITMENT);
            if is_due && !self.node.suspect.contains(&keys) && !self.waits_for_its_peer(&keys, channel) {
                self.node.failed_by_peer.remove(&keys);
                let reason = failed.words;
                self.drive(keys, ChannelEvent::Command(astrape_channel::Command::ForceClose { reason }));
            }
        }
    }

    /// An `error` in place of the peer's `channel_reestablish`: it has failed the channel before, and goes on chain itself. Whether
    /// our state is the newest it has not said. If ours is older than we know, our commitment would lose all against one that
    /// is on its way: so the peer's has its time to show, and only then ours goes out. HTLCs have deadlines of their own.
    ///
    /// The same for an `error` at the end of a cooperative close, whenever it comes: the peer may have the closing transaction, and have
    /// sent it to the network, where our copy of its signature was lost.
    pub(in crate::turn) fn is_failed_unheard(
        &mut self,
        keys: ChannelKeysId,
        channel: &Channel,
        event: &ChannelEvent,
    ) -> bool {
        let ChannelEvent::Message(astrape_wire::Message::Error(error)) = event else { return false };
        let Phase::Open(open) = &channel.phase else { return false };
        // Nothing is broadcast for an opening that is given up. But blocks that were not read yet may have its funding.
        if open.is_the_peers_to_give_up() && !self.node.world.is_behind {
            return false;
        }
        let waits = match &channel.link {
            Link::Reestablishing(_) => true,
            Link::Up(_) | Link::Down => open.may_be_closed_by_the_peer() && !is_passing(error),
            Link::CheckingClaim => false,
        };
        // It says so again whenever we come back: the first time counts.
        if waits && !self.node.failed_by_peer.contains(&keys) {
            let words = words_of(error);
            self.node.failed_by_peer.set(keys, FailedByPeer { since: self.height(), words });
        }
        waits
    }

    /// The peer has told where it is: what it failed unheard goes on. At the end of a cooperative close it may tell so, and fail it, again
    /// and again.
    pub(in crate::turn) fn is_heard_after_all(&mut self, keys: ChannelKeysId) {
        let open = self.node.channels.get(&keys).and_then(|channel| channel.open());
        if !open.is_some_and(Open::may_be_closed_by_the_peer) {
            self.node.failed_by_peer.remove(&keys);
        }
    }

    /// HTLCs whose upstream is about to expire are failed back, though their own end is open: the upstream peer would close
    /// else, and one stuck HTLC would take down a row of channels (attack 52). Never one whose preimage is known.
    fn fail_back_what_is_late(&mut self) {
        let tip = self.height();
        let mut late: Vec<(ChannelKeysId, Arc<Htlc>)> = Vec::new();
        for (keys, channel) in self.node.channels.iter() {
            let htlcs = channel.open().into_iter().flat_map(|o| o.htlcs.values());
            let is_late = |h: &&Arc<Htlc>| {
                h.offered_by == Side::Local
                    && h.preimage().is_none()
                    && !self.is_upstream_on_chain(h)
                    && self
                        .upstream_of(h)
                        .is_some_and(|up| astrape_onchain::deadline::must_fail_back(up.cltv_expiry, tip))
            };
            late.extend(htlcs.filter(is_late).map(|h| (*keys, Arc::clone(h))));
        }
        for (keys, htlc) in late {
            match self.known_preimage(keys, htlc.payment_hash) {
                Some(preimage) => self.drive(keys, ChannelEvent::PreimageSeen { id: htlc.id, preimage }),
                None => {
                    if let Some(Origin::Relay { channel, id }) = origin_of(&htlc) {
                        self.fail_back(
                            keys,
                            channel,
                            id,
                            "its expiry is near, and the next channel has not ended it",
                        );
                    }
                }
            }
        }
    }

    /// Whether the channel that an HTLC came by is on its way to the chain: to fail it there saves nothing, and a preimage may come.
    fn is_upstream_on_chain(&self, htlc: &Htlc) -> bool {
        let Some(Origin::Relay { channel, .. }) = origin_of(htlc) else { return false };
        let channel = self.node.channels.get(&channel);
        channel.is_some_and(|channel| {
            is_on_its_way(channel) || channel.open().is_some_and(|open| open.funding.spent.is_some())
        })
    }

    /// HTLCs that were failed back and are not worth going on chain for are the peer's for the taking. One is; many of them are not
    /// left to it: more than what may be lost in dust ends the channel (BOLT 2), once the peer has had its time to remove them.
    fn close_where_too_much_is_left_to_the_peer(&mut self, keys: ChannelKeysId) {
        let limit = self.node.config.channel.max_dust_htlc_exposure.min(SMALL_DUST_EXPOSURE.to_msat());
        let (tip, fresh_since) = (self.height(), self.node.world.fresh_since.unwrap_or_default());
        let channel = self.node.channels.get(&keys).filter(|channel| !is_on_its_way(channel));
        let Some(open) = channel.and_then(|channel| channel.open()) else { return };
        let is_left = |h: &&Arc<Htlc>| {
            h.offered_by == Side::Local
                && h.preimage().is_none()
                && matches!(origin_of(h), Some(Origin::Relay { .. }))
                && astrape_onchain::deadline::is_overdue(h.cltv_expiry, tip, fresh_since)
                && self.upstream_of(h).is_none()
        };
        let left: Msat = open.htlcs.values().filter(is_left).map(|h| h.amount).sum();
        if left > limit && open.funding.spent.is_none() {
            let reason = format!(
                "HTLCs of {left} have expired and were failed back, and the peer has not removed them: more than the {limit} that may \
                 be left to it"
            );
            self.drive(keys, ChannelEvent::Command(astrape_channel::Command::ForceClose { reason }));
        }
    }

    /// A preimage that another HTLC of a channel has shown.
    fn known_preimage(&self, keys: ChannelKeysId, hash: PaymentHash) -> Option<PaymentPreimage> {
        let open = self.node.channels.get(&keys)?.open()?;
        open.htlcs.values().filter(|h| h.payment_hash == hash).find_map(|h| h.preimage())
    }
}

/// The first expiry among the HTLCs that the peer may take back although we have their preimages.
fn first_expiry(channel: &Channel) -> Height {
    let htlcs = channel.open().into_iter().flat_map(|open| open.htlcs.values());
    let ours = htlcs.filter(|h| h.offered_by == Side::Remote && h.preimage().is_some());
    ours.map(|h| Height(h.cltv_expiry.0)).min().unwrap_or(Height(u32::MAX))
}

/// An HTLC as the deadlines see it; none when nothing of it can be lost.
fn pending(open: &Open, htlc: &Htlc) -> Option<astrape_onchain::deadline::PendingHtlc> {
    let (side, _): HtlcKey = htlc.key();
    if side == Side::Local && htlc.preimage().is_some() {
        return None;
    }
    let terms = &open.funding.terms;
    let feerate = open.fees.at(Side::Local, open.local.number);
    let direction = htlc.committed().direction(Side::Local);
    let dust_limit = terms.local.dust_limit;
    Some(astrape_onchain::deadline::PendingHtlc {
        offered_by: side,
        amount: htlc.amount.to_sat_floor(),
        payment_hash: htlc.payment_hash,
        cltv_expiry: htlc.cltv_expiry,
        has_output: !astrape_transactions::is_trimmed(
            terms.format,
            direction,
            htlc.amount,
            dust_limit,
            feerate,
        ),
        has_preimage: htlc.preimage().is_some(),
    })
}
