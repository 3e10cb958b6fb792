//! What is asked of path search, which runs outside of the step, and how its answer is followed.

use super::recipient::Recipient;
use super::{OwnChannel, Payment, PaymentPart, WayBack};
use crate::policy::{PaymentPolicy, RETRY_PARTS_FACTOR};
use crate::route;
use astrape_primitives::{ChannelKeysId, Features, Msat, NodeId, PaymentHash, ShortChannelId, Timestamp};
use astrape_routing::Direction;
use astrape_routing::search::{
    Asked, Bound, FirstHop, HintHop, InFlight, Limits, MAX_HOPS, Request, Start, Weights,
};
use astrape_routing::{Route, search::RoutePart};
use std::collections::BTreeMap;

/// Searches for one payment: each failed part leads to one, to some more where more is dared, and each channel of ours that is
/// gone meanwhile.
pub(super) const MAX_SEARCHES: u64 = 1_024;

/// A question that is not answered for so long is asked again: a crash takes it, or a shell that has too much to do.
pub(super) const ASK_AGAIN_MILLIS: u64 = 5_000;

/// A question to path search: ways for what is missing of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteQuery {
    /// Of which payment.
    pub payment_hash: PaymentHash,
    /// Which question of this payment: an answer to an older one does not count.
    pub number: u64,
    /// This node.
    pub payer: NodeId,
    /// The recipient.
    pub to: NodeId,
    /// The recipient's features as its invoice says.
    pub features: Option<Features>,
    /// The ways that its invoice names.
    pub hints: Vec<Vec<HintHop>>,
    /// What is to arrive.
    pub amount: Msat,
    /// What the ways may be at most.
    pub limits: Limits,
    /// Our channels, named by our alias, with what they can send.
    pub channels: Vec<FirstHop>,
    /// Channels that failed with more than this.
    pub at_most: Vec<Bound>,
    /// What channels ask, as this payment alone was told.
    pub asked: Vec<Asked>,
    /// Nodes that failed.
    pub without_nodes: Vec<NodeId>,
    /// The other parts of the payment, and those of other payments of ours.
    pub in_flight: Vec<InFlight>,
}

impl RouteQuery {
    /// As path search takes it.
    #[must_use]
    pub fn request(&self, now: Timestamp) -> Request<'_> {
        Request {
            from: Start::Own { node: self.payer, channels: &self.channels },
            to: self.to,
            invoice_features: self.features.as_ref(),
            hints: &self.hints,
            amount: self.amount,
            limits: self.limits,
            through: &[],
            without_channels: &[],
            at_most: &self.at_most,
            asked: &self.asked,
            without_nodes: &self.without_nodes,
            in_flight: &self.in_flight,
            weights: Weights::default(),
            now,
        }
    }
}

/// A channel that failed is not tried with less than this part of the payment.
const WORTH_A_TRY: u64 = 1_024;

/// Why an answer cannot be followed: it does not fit the payment, or not any more.
pub(super) struct Outdated;

impl Payment {
    /// The open question, with our channels as they are: ways in so many parts at most.
    pub(super) fn query(
        &self,
        payer: NodeId,
        recipient: &Recipient,
        channels: &[OwnChannel],
        policy: &PaymentPolicy,
        max_parts: usize,
    ) -> RouteQuery {
        let (amount, fee) = self.in_flight();
        let asked = route::final_delay(recipient.final_delta, policy.expiry_slack_blocks);
        let own_rooms = self.own_rooms();
        let hints = recipient.hints.iter().map(|hint| hint.iter().map(hint_hop).collect());
        let (hints, back) = if self.destination == payer {
            ways_back(payer, channels)
        } else {
            (hints.collect(), Vec::new())
        };
        RouteQuery {
            payment_hash: self.payment_hash,
            number: self.searches,
            payer,
            to: self.destination,
            features: recipient.features.clone(),
            hints,
            amount: self.amount.saturating_sub(amount),
            limits: Limits {
                max_fee: self.max_fee.saturating_sub(fee),
                max_blocks: policy.max_expiry_blocks.saturating_sub(asked),
                max_hops: policy.max_hops.min(MAX_HOPS),
                max_parts,
            },
            channels: channels.iter().map(|channel| self.first_hop(channel, &own_rooms)).collect(),
            at_most: self.rooms().map(|(bound, _)| bound).chain(back).collect(),
            asked: self.lessons.asked.values().map(|told| told.asked).collect(),
            without_nodes: self.lessons.avoided().collect(),
            in_flight: self.under_way().collect(),
        }
    }

    /// What may be sent over channels of others that failed: with what is in flight, and beside it.
    pub(super) fn rooms(&self) -> impl Iterator<Item = (Bound, Msat)> + '_ {
        let mut in_flight: BTreeMap<(ShortChannelId, Direction), Msat> = BTreeMap::new();
        for crossing in self.under_way() {
            let sum = in_flight.entry((crossing.short_channel_id, crossing.direction)).or_default();
            *sum = sum.saturating_add(crossing.amount);
        }
        let least = Msat(self.amount.0 / WORTH_A_TRY);
        self.lessons.channels.iter().map(move |(key, limit)| {
            let in_flight = in_flight.get(key).copied().unwrap_or_default();
            let more = Some(limit.worth_a_try(in_flight)).filter(|more| *more >= least).unwrap_or_default();
            let (short_channel_id, direction) = *key;
            (Bound { short_channel_id, direction, most: in_flight.saturating_add(more) }, more)
        })
    }

    /// What its parts in flight take of channels of others: what they carry, other HTLCs of ours cannot have.
    pub fn under_way(&self) -> impl Iterator<Item = InFlight> + '_ {
        self.parts.values().flat_map(|part| part.crossings()).map(in_flight)
    }

    /// How many parts may still be made.
    pub(super) fn parts_left(&self, recipient: &Recipient, policy: &PaymentPolicy) -> usize {
        let most = match (recipient.takes_parts(), self.attempts) {
            (false, _) => 1,
            (true, 0) => policy.max_payment_parts,
            (true, _) => policy.max_payment_parts.saturating_mul(RETRY_PARTS_FACTOR),
        };
        let attempts_left = policy.max_payment_attempts.saturating_sub(self.attempts);
        most.saturating_sub(self.parts.len()).min(usize::try_from(attempts_left).unwrap_or(usize::MAX))
    }

    /// How many of them path search is asked for at first: with nothing in flight all is laid anew, and each HTLC that comes back is one
    /// that hops count.
    pub(super) fn parts_asked(&self, recipient: &Recipient, policy: &PaymentPolicy) -> usize {
        let left = self.parts_left(recipient, policy);
        if self.parts.is_empty() { left.min(policy.max_payment_parts) } else { left }
    }

    /// What may be sent over channels of ours that refused a part, beside what is in flight.
    pub(super) fn own_rooms(&self) -> BTreeMap<ChannelKeysId, Msat> {
        let room = |(keys, most): (&ChannelKeysId, &Msat)| {
            let over = self.parts.values().filter(|part| part.channel == *keys);
            (*keys, most.saturating_sub(over.map(PaymentPart::sent).sum()))
        };
        self.lessons.own.iter().map(room).collect()
    }

    fn first_hop(&self, channel: &OwnChannel, rooms: &BTreeMap<ChannelKeysId, Msat>) -> FirstHop {
        let most = rooms.get(&channel.keys).copied().unwrap_or(channel.sendable);
        FirstHop {
            short_channel_id: channel.alias,
            peer: channel.peer,
            sendable: channel.sendable.min(most),
            htlc_minimum: channel.htlc_minimum,
        }
    }

    /// The parts of an answer with the channel that each begins with. It must be for just what is missing, within what is
    /// allowed, to whom it is meant for, and over channels that we still have.
    pub(super) fn parts_of<'a>(
        &self,
        route: &'a Route,
        recipient: &Recipient,
        channels: &[OwnChannel],
        policy: &PaymentPolicy,
    ) -> Result<Vec<(ChannelKeysId, &'a RoutePart)>, Outdated> {
        let (amount, fee) = self.in_flight();
        let fits = route.parts.iter().map(|part| part.amount).sum::<Msat>()
            == self.amount.saturating_sub(amount)
            && route.parts.iter().map(|part| part.fee).sum::<Msat>() <= self.max_fee.saturating_sub(fee)
            && route.parts.len() <= self.parts_left(recipient, policy)
            && route
                .parts
                .iter()
                .all(|part| part.hops.last().is_some_and(|hop| hop.node == self.destination));
        if !fits {
            return Err(Outdated);
        }
        let own = |part: &'a RoutePart| {
            let first = part.hops.first()?;
            let channel = channels.iter().find(|own| own.alias == first.short_channel_id)?;
            (channel.peer == first.node).then_some((channel.keys, part))
        };
        route.parts.iter().map(own).collect::<Option<_>>().ok_or(Outdated)
    }
}

/// How money comes back to us: over the channels that we have, and no other that the network may still know, and as much as their peers
/// hold.
fn ways_back(payer: NodeId, channels: &[OwnChannel]) -> (Vec<Vec<HintHop>>, Vec<Bound>) {
    let back = channels.iter().filter_map(|channel| channel.back);
    let of_way = |WayBack { hop, receivable }: WayBack| {
        let direction = if hop.node < payer { Direction::FromNode1 } else { Direction::FromNode2 };
        let bound = Bound { short_channel_id: hop.short_channel_id, direction, most: receivable };
        (vec![hop], bound)
    };
    back.map(of_way).unzip()
}

fn hint_hop(hop: &astrape_invoice::RouteHint) -> HintHop {
    HintHop {
        node: hop.node_id,
        short_channel_id: hop.short_channel_id,
        fee_base_msat: hop.fee_base_msat,
        fee_proportional_millionths: hop.fee_proportional_millionths,
        cltv_expiry_delta: hop.cltv_expiry_delta,
    }
}

fn in_flight(crossing: super::teach::Passage) -> InFlight {
    InFlight {
        short_channel_id: crossing.short_channel_id,
        direction: crossing.direction,
        amount: crossing.amount,
    }
}
