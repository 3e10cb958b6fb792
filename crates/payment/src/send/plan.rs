//! Which channels carry what: one part over the cheapest way if one is enough, and else several, where the recipient takes them.

use super::recipient::Recipient;
use super::{Lessons, OwnChannel};
use crate::policy::PaymentPolicy;
use crate::refusal::PayRefusal;
use crate::route;
use astrape_invoice::RouteHint;
use astrape_onion::MAX_HOPS;
use astrape_primitives::{ChannelKeysId, Msat, NodeId, ShortChannelId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be delivered, and within which limits.
pub(super) struct Goal<'a> {
    pub(super) recipient: &'a Recipient,
    /// What is not in flight yet.
    pub(super) amount: Msat,
    /// What may still be paid for ways.
    pub(super) max_fee: Msat,
    /// How many parts may still be made.
    pub(super) max_parts: usize,
    pub(super) lessons: &'a Lessons,
    /// What may still be sent over channels that failed.
    pub(super) rooms: BTreeMap<ShortChannelId, Msat>,
    /// The same of channels of ours that refused a part.
    pub(super) own_rooms: BTreeMap<ChannelKeysId, Msat>,
    pub(super) policy: &'a PaymentPolicy,
}

/// A part to be made.
pub(super) struct Share<'a> {
    pub(super) channel: ChannelKeysId,
    pub(super) tail: &'a [RouteHint],
    /// What arrives.
    pub(super) amount: Msat,
    /// What our peer gets.
    sent: Msat,
}

/// A way that may be used.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    channel: &'a OwnChannel,
    tail: &'a [RouteHint],
    /// The most that can arrive.
    capacity: Msat,
}

impl<'a> Candidate<'a> {
    /// A share of it; `None` when the peer takes no HTLC as small as that, or when there is no such amount.
    fn share(&self, amount: Msat) -> Option<Share<'a>> {
        let sent = route::sent(self.tail, amount)?;
        let takes = sent >= self.channel.htlc_minimum;
        takes.then_some(Share { channel: self.channel.keys, tail: self.tail, amount, sent })
    }

    /// What its hops ask, to compare ways for whatever amount.
    fn price(&self) -> (u64, u64) {
        let proportional = self.tail.iter().map(|hop| u64::from(hop.fee_proportional_millionths)).sum();
        (proportional, self.tail.iter().map(|hop| u64::from(hop.fee_base_msat)).sum())
    }
}

/// Chooses the parts.
pub(super) fn plan<'a>(goal: &Goal<'a>, channels: &'a [OwnChannel]) -> Result<Vec<Share<'a>>, PayRefusal> {
    if channels.is_empty() {
        return Err(PayRefusal::NoChannel);
    }
    let candidates = candidates(goal, channels)?;
    let single = single(goal, &candidates);
    match single {
        Ok(share) if fee(&share) <= goal.max_fee && goal.max_parts > 0 => Ok(share),
        otherwise => {
            let shares = if goal.recipient.takes_parts() { split(goal, &candidates) } else { None };
            shares.ok_or_else(|| match otherwise {
                Ok(dear) => PayRefusal::FeeTooHigh { fee: fee(&dear), max: goal.max_fee },
                Err(refusal) => refusal,
            })
        }
    }
}

fn fee(shares: &[Share<'_>]) -> Msat {
    shares.iter().map(|share| share.sent.saturating_sub(share.amount)).sum()
}

/// All ways that are not too long and not to be avoided.
fn candidates<'a>(goal: &Goal<'a>, channels: &'a [OwnChannel]) -> Result<Vec<Candidate<'a>>, PayRefusal> {
    let mut by_peer: BTreeMap<NodeId, Vec<&OwnChannel>> = BTreeMap::new();
    channels.iter().for_each(|channel| by_peer.entry(channel.peer).or_default().push(channel));

    let asked = route::final_delay(goal.recipient.final_delta, goal.policy.expiry_slack_blocks);
    let most = goal.policy.max_expiry_blocks;
    let (mut candidates, mut shortest) = (Vec::new(), None::<u32>);
    for tail in tails(goal.recipient) {
        let first = tail.first().map_or(goal.recipient.node, |hop| hop.node_id);
        let Some(own) = by_peer.get(&first) else { continue };
        let blocks = asked.saturating_add(route::delay(tail));
        shortest = Some(shortest.map_or(blocks, |s| s.min(blocks)));
        if blocks > most || tail.iter().any(|hop| goal.lessons.avoids(&hop.node_id)) {
            continue;
        }
        candidates.extend(own.iter().map(|channel| Candidate {
            channel,
            tail,
            capacity: goal.capacity(channel, tail),
        }));
    }
    match shortest {
        None => Err(no_way(goal.recipient)),
        Some(blocks) if blocks > most => Err(PayRefusal::TooLong { blocks, most }),
        Some(_) => Ok(candidates),
    }
}

fn no_way(recipient: &Recipient) -> PayRefusal {
    let hint = recipient.hints.first().and_then(|hint| hint.first());
    PayRefusal::NoWay {
        destination: recipient.node,
        hinted: hint.is_some(),
        with: hint.map_or(recipient.node, |hop| hop.node_id),
    }
}

/// The ends of all route hints: with a peer in the middle of one, its rest is a way. The empty one is for the recipient as a
/// peer. There are no more than hops in an invoice, whose length is bounded.
fn tails(recipient: &Recipient) -> Vec<&[RouteHint]> {
    let mut tails: Vec<&[RouteHint]> = vec![&[]];
    for hint in &recipient.hints {
        for start in 0..hint.len() {
            let tail = &hint[start..];
            if tail.len() < MAX_HOPS && !tails.contains(&tail) {
                tails.push(tail);
            }
        }
    }
    tails
}

impl Goal<'_> {
    /// The most that can arrive over a way, as far as is known.
    fn capacity(&self, channel: &OwnChannel, tail: &[RouteHint]) -> Msat {
        let own = self.own_rooms.get(&channel.keys);
        let own = own.map_or(channel.sendable, |most| channel.sendable.min(*most));
        let limits = tail.iter().filter_map(|hop| self.rooms.get(&hop.short_channel_id));
        limits.copied().fold(route::delivered(tail, own), Msat::min)
    }
}

/// The cheapest way that carries all. As a vector, since that is what a plan is.
fn single<'a>(goal: &Goal<'_>, candidates: &[Candidate<'a>]) -> Result<Vec<Share<'a>>, PayRefusal> {
    let wide: Vec<&Candidate<'a>> = candidates.iter().filter(|c| c.capacity >= goal.amount).collect();
    let shares = wide.iter().filter_map(|c| c.share(goal.amount).map(|share| (c, share)));
    let best = shares.min_by_key(|(c, share)| (share.sent, c.tail.len(), Reverse(c.channel.sendable)));
    if let Some((_, share)) = best {
        return Ok(vec![share]);
    }
    if let Some(minimum) = wide.iter().map(|c| c.channel.htlc_minimum).min() {
        return Err(PayRefusal::BelowMinimum { amount: goal.amount, minimum });
    }
    Err(not_enough(goal, candidates))
}

fn not_enough(goal: &Goal<'_>, candidates: &[Candidate<'_>]) -> PayRefusal {
    let amount = goal.amount;
    let mut best: BTreeMap<ChannelKeysId, Msat> = BTreeMap::new();
    for candidate in candidates {
        let most = best.entry(candidate.channel.keys).or_default();
        *most = candidate.capacity.max(*most);
    }
    let available: Msat = best.values().copied().sum();
    let largest = best.values().copied().max().unwrap_or_default();
    if available < amount {
        PayRefusal::NotEnough { amount, available }
    } else if goal.recipient.takes_parts() {
        let (most, min_part) = (goal.max_parts, goal.policy.min_part);
        PayRefusal::TooManyParts { amount, most, min_part }
    } else {
        PayRefusal::NotEnoughInOne { amount, largest }
    }
}

/// Several parts, each over another channel of ours: few large ones, or cheap ones if those are too dear.
fn split<'a>(goal: &Goal<'_>, candidates: &[Candidate<'a>]) -> Option<Vec<Share<'a>>> {
    let affordable = |shares: &Vec<Share<'a>>| fee(shares) <= goal.max_fee;
    let mut ordered = candidates.to_vec();
    ordered.sort_by_key(|c| (Reverse(c.capacity), c.price()));
    fill(goal, &ordered).filter(affordable).or_else(|| {
        ordered.sort_by_key(|c| (c.price(), Reverse(c.capacity)));
        fill(goal, &ordered).filter(affordable)
    })
}

/// Fills the ways in this order. A channel of ours is used once, and what is known of a channel of others holds for all parts
/// together.
fn fill<'a>(goal: &Goal<'_>, ordered: &[Candidate<'a>]) -> Option<Vec<Share<'a>>> {
    let min_part = goal.policy.min_part;
    let mut rest = goal.amount;
    let (mut shares, mut own) = (Vec::new(), BTreeSet::new());
    let mut used: BTreeMap<ShortChannelId, Msat> = BTreeMap::new();
    for candidate in ordered {
        if rest == Msat::ZERO || shares.len() == goal.max_parts {
            break;
        }
        if own.contains(&candidate.channel.keys) {
            continue;
        }
        let room = candidate.tail.iter().filter_map(|hop| {
            let most = goal.rooms.get(&hop.short_channel_id)?;
            Some(most.saturating_sub(used.get(&hop.short_channel_id).copied().unwrap_or_default()))
        });
        let mut amount = room.fold(candidate.capacity, Msat::min).min(rest);
        // What is left must be worth a part of its own.
        let left = rest.saturating_sub(amount);
        if left > Msat::ZERO && left < min_part {
            amount = amount.saturating_sub(min_part.saturating_sub(left));
        }
        if amount < min_part.min(rest).max(Msat(1)) {
            continue;
        }
        let Some(share) = candidate.share(amount) else { continue };
        own.insert(share.channel);
        for hop in share.tail {
            let sum = used.entry(hop.short_channel_id).or_default();
            *sum = sum.saturating_add(amount);
        }
        rest = rest.saturating_sub(amount);
        shares.push(share);
    }
    (rest == Msat::ZERO).then_some(shares)
}
