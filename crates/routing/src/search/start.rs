//! Enters a request into the field: where it begins and ends, channels of ours, hints, and what must not be used.

use super::field::Field;
use super::price::Aim;
use super::refusal::NoRoute;
use super::request::{FirstHop, HintHop, Request, Start};
use crate::snapshot::{Edge, Place};
use astrape_primitives::amount::MAX_MONEY_SAT;
use astrape_primitives::{Feature, NodeId, Sat, ShortChannelId};

/// Most hops in all hints together that are looked at; an invoice holds fewer.
const MAX_HINT_HOPS: usize = 256;

/// More than any amount that is sent.
const NO_MAXIMUM: u64 = u64::MAX / 4;

/// Enters a request. Returns what is searched for, and the nodes that must not be entered.
///
/// # Errors
/// When there can be no way, whatever the network is like.
pub(super) fn enter(field: &mut Field, request: &Request<'_>) -> Result<(Aim, Vec<u32>), NoRoute> {
    if request.amount.0 == 0 || request.amount > Sat(MAX_MONEY_SAT).to_msat() {
        return Err(NoRoute::NoAmount(request.amount));
    }
    let target = field.node(request.to);
    refuse_foreign(field, target, request)?;
    let source = match request.from {
        Start::Node(node) if node == request.to => return Err(NoRoute::ToItself),
        Start::Node(node) => field.snapshot.number(&node).ok_or(NoRoute::NoChannel)?,
        Start::Own { node, channels } => {
            let source = field.add_node(node);
            channels.iter().for_each(|channel| add_own(field, source, channel));
            source
        }
    };
    let mut left = MAX_HINT_HOPS;
    for hint in request.hints {
        left = left.saturating_sub(hint.len());
        if left > 0 {
            add_hint(field, from_us_on(hint, request), target);
        }
    }
    field.enter(request);
    close_what_is_not_ours(field, request, target);
    let mut aim = Aim::new(request, source, target);
    aim.max_fee = aim.max_fee.min(Sat(MAX_MONEY_SAT).to_msat().0);
    Ok((aim, barred(field, request, &aim)))
}

/// A node whose announcement requires what we do not know is paid only when its invoice does not require it (BOLT 7).
fn refuse_foreign(field: &Field, target: u32, request: &Request<'_>) -> Result<(), NoRoute> {
    let Some(info) = field.snapshot.number(&request.to).and_then(|_| field.snapshot.info(target)) else {
        return Ok(());
    };
    let known = |bit: usize| Feature::ALL.iter().any(|feature| feature.required_bit() == bit);
    let waived = |bit: usize| request.invoice_features.is_some_and(|features| !features.bit(bit));
    let mut required = info.features.iter_bits().filter(|bit| bit.is_multiple_of(2));
    match required.find(|bit| !known(*bit) && !waived(*bit)) {
        Some(bit) => Err(NoRoute::ForeignNode { to: request.to, bit }),
        None => Ok(()),
    }
}

fn add_own(field: &mut Field, source: u32, channel: &FirstHop) {
    if channel.sendable.0 == 0 {
        return;
    }
    let to = field.node(channel.peer);
    let edge = Edge {
        from: source,
        fee_base_msat: 0,
        fee_proportional_millionths: 0,
        cltv_expiry_delta: 0,
        dead_end: false,
        inverse_capacity: 0.0,
        htlc_minimum: channel.htlc_minimum.0,
        htlc_maximum: channel.sendable.0,
    };
    let place = Place { short_channel_id: channel.short_channel_id, to, capacity: channel.sendable.0 };
    field.add_edge(edge, place, Some(channel.sendable.0));
}

/// What of a hint is ahead of the payer, where that is one of its nodes: what its own channels carry, it knows better.
fn from_us_on<'a>(hint: &'a [HintHop], request: &Request<'_>) -> &'a [HintHop] {
    let Start::Own { node, .. } = request.from else { return hint };
    let ours = hint.iter().rposition(|hop| hop.node == node);
    ours.map_or(hint, |ours| &hint[ours + 1..])
}

/// Money that goes in a circle comes back over the channels that its hints name: the network may yet tell of others of ours, which are
/// closed or cannot be used now.
fn close_what_is_not_ours(field: &mut Field, request: &Request<'_>, target: u32) {
    let Start::Own { node, .. } = request.from else { return };
    let is_known = (target as usize) < field.snapshot.bound();
    if node != request.to || request.hints.is_empty() || !is_known {
        return;
    }
    let named = |id: ShortChannelId| request.hints.iter().flatten().any(|hop| hop.short_channel_id == id);
    let edges = field.snapshot.edges_to(target).map(super::field::mark);
    let closed: Vec<u32> = edges.filter(|edge| !named(field.place(*edge).short_channel_id)).collect();
    closed.into_iter().for_each(|edge| field.close(edge));
}

fn add_hint(field: &mut Field, hint: &[HintHop], target: u32) {
    let ends: Vec<u32> = hint.iter().map(|hop| field.node(hop.node)).chain([target]).collect();
    for (hop, ends) in hint.iter().zip(ends.windows(2)) {
        // What the network tells of a channel says how much it holds, and what is known of that.
        let known = |edge: u32| field.edge(edge).from == ends[0] && field.place(edge).to == ends[1];
        if field.snapshot.edges_over(hop.short_channel_id).any(known) {
            continue;
        }
        let edge = Edge {
            from: ends[0],
            fee_base_msat: hop.fee_base_msat,
            fee_proportional_millionths: hop.fee_proportional_millionths,
            cltv_expiry_delta: hop.cltv_expiry_delta.0,
            dead_end: false,
            inverse_capacity: 0.0,
            htlc_minimum: 0,
            htlc_maximum: NO_MAXIMUM,
        };
        let place = Place { short_channel_id: hop.short_channel_id, to: ends[1], capacity: NO_MAXIMUM };
        field.add_edge(edge, place, None);
    }
}

/// Nodes that nothing may be sent through.
fn barred(field: &mut Field, request: &Request<'_>, aim: &Aim) -> Vec<u32> {
    let mut barred: Vec<u32> = field.snapshot.foreign().to_vec();
    let own = match request.from {
        Start::Own { node, .. } => Some(node),
        Start::Node(_) => None,
    };
    let without: Vec<NodeId> = request.without_nodes.iter().copied().chain(own).collect();
    barred.extend(without.into_iter().map(|node| field.node(node)));
    if !request.through.is_empty() {
        let snapshot = &field.snapshot;
        let lacks = |node: &u32| {
            let features = snapshot.info(*node).map(|info| &info.features);
            !features.is_some_and(|features| request.through.iter().all(|f| features.supports(*f)))
        };
        barred.extend((0..super::field::mark(snapshot.bound())).filter(lacks));
    }
    barred.retain(|node| *node != aim.source && *node != aim.target);
    barred
}
