//! Short channel ids that we make up: unlike any real one, each its own, and where they are all that others may know, the real
//! one opens no door.

use super::net::Net;
use crate::index::real_scid;
use crate::ledger::Fact;
use astrape_channel::Open;
use astrape_primitives::{Msat, NodeId, ShortChannelId};
use std::collections::BTreeSet;

fn open_of(net: &Net, who: usize, with: usize) -> &Open {
    let peer = net.id(with);
    let mut channels = net.members[who].node.channels();
    channels.find_map(|(_, c)| (c.peer() == peer).then(|| c.open()).flatten()).expect("they have a channel")
}

fn alias(net: &Net, who: usize, with: usize) -> ShortChannelId {
    open_of(net, who, with).params.local_alias
}

// BOLT 2.the-channel_ready-message.7
// BOLT 2.the-channel_ready-message.8
#[test]
fn every_channel_has_an_alias_of_its_own_that_tells_nothing_of_the_real_id() {
    let mut net = Net::new(3);
    net.open(0, 1);
    net.open(1, 0);
    net.open(1, 2);
    let of = |who: usize| -> Vec<&Open> {
        net.members[who].node.channels().filter_map(|(_, channel)| channel.open()).collect()
    };
    let ours = of(1);
    let mut aliases: Vec<ShortChannelId> = ours.iter().map(|open| open.params.local_alias).collect();
    let said = net.members[1].said.iter().filter_map(|(_, message)| match message {
        astrape_wire::Message::ChannelReady(ready) => ready.short_channel_id,
        _ => None,
    });
    let mut said: Vec<ShortChannelId> = said.collect();
    aliases.sort_unstable();
    said.sort_unstable();
    assert_eq!(aliases, said, "what each peer is told");
    aliases.dedup();
    assert_eq!(aliases.len(), 3, "no two channels share one");
    for open in ours {
        let real = real_scid(open).expect("it is confirmed");
        for alias in &aliases {
            assert_ne!(*alias, real);
            assert!(alias.block() > 1 << 23, "no block of this century");
            assert!(alias.transaction() != real.transaction() || alias.output() != real.output());
        }
    }
}

// BOLT 2.the-channel_ready-message.9
// BOLT 2.the-channel_ready-message.15
#[test]
fn others_pay_over_a_private_channel_by_its_alias() {
    let mut net = Net::new(3);
    net.open(0, 1);
    net.open(1, 2);
    assert!(open_of(&net, 1, 2).params.scid_alias, "both sides know the feature");
    let invoice = net.invoice(2, Msat(5_000_000));
    let hints = invoice.route_hints();
    assert_eq!(hints.len(), 1);
    assert_eq!(hints[0][0].short_channel_id, alias(&net, 1, 2), "the one that the middle made up");
    assert_ne!(Some(hints[0][0].short_channel_id), real_scid(open_of(&net, 2, 1)));
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    assert!(
        matches!(net.members[0].facts.last(), Some(Fact::PaymentSent { .. })),
        "{:?}",
        net.members[0].facts
    );
    // The alias is known after a restart too.
    net.restart(1);
    net.connect(0, 1);
    net.connect(1, 2);
    net.run();
    let again = net.invoice(2, Msat(5_000_000));
    net.pay(0, &again).expect("there is a way");
    net.run();
    assert_eq!(net.times_said(1, "update_add_htlc"), 2);
}

// BOLT 2.the-channel_ready-message.10
#[test]
fn nobody_pays_over_a_private_channel_by_its_real_id() {
    let mut net = Net::new(3);
    net.open(0, 1);
    net.open(1, 2);
    let real = real_scid(open_of(&net, 1, 2)).expect("it is confirmed");
    let invoice = net.invoice_with(2, Msat(5_000_000), |hint| hint.short_channel_id = real);
    net.pay(0, &invoice).expect("the payer cannot know");
    net.run();
    assert_eq!(net.times_said(1, "update_add_htlc"), 0, "the middle knows no such channel");
    let Some(Fact::PaymentFailed { .. }) = net.members[0].facts.last() else {
        panic!("{:?}", net.members[0].facts)
    };
}

// BOLT 11.tagged-fields.18
#[test]
fn an_invoice_of_a_node_that_nobody_knows_names_a_channel_also_while_its_peer_is_away() {
    let amount = Msat(5_000_000);
    let mut net = Net::new(3);
    net.open(0, 1);
    net.open(1, 2);
    let peers = |net: &mut Net| -> Vec<NodeId> {
        net.invoice(2, amount).route_hints().iter().map(|way| way[0].node_id).collect()
    };
    assert_eq!(peers(&mut net), [net.id(1)]);
    net.cut(1, 2);
    assert_eq!(peers(&mut net), [net.id(1)], "it may be back when somebody pays");
    let invoice = net.invoice(2, amount);
    net.connect(1, 2);
    net.run();
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    assert!(matches!(net.members[0].facts.last(), Some(Fact::PaymentSent { .. })));
    net.connect(0, 2);
    net.open(0, 2);
    assert_eq!(peers(&mut net).len(), 2);
    net.cut(1, 2);
    assert_eq!(peers(&mut net), [net.id(0)], "nobody is sent to who is away while another is there");
}

#[test]
fn an_invoice_of_a_node_that_the_network_knows_names_none_of_its_private_channels() {
    let amount = Msat(5_000_000);
    let mut net = Net::new(3);
    net.announces = true;
    net.open(0, 1);
    net.announces = false;
    net.open(1, 2);
    assert!(net.invoice(1, amount).route_hints().is_empty());
    // Its peer is away: the network cannot reach it there, and what the network knows is not said.
    net.cut(0, 1);
    let named: Vec<NodeId> = net.invoice(1, amount).route_hints().iter().map(|way| way[0].node_id).collect();
    assert_eq!(named, [net.id(2)]);
}

/// It can send over the one, and be paid over the other.
#[test]
fn an_invoice_names_private_channels_where_none_that_the_network_knows_can_carry_it() {
    let mut net = Net::new(3);
    net.announces = true;
    let known = net.open(1, 0);
    net.announces = false;
    net.open(2, 1);
    let named = |net: &mut Net, amount| -> Vec<NodeId> {
        net.invoice(1, amount).route_hints().iter().map(|way| way[0].node_id).collect()
    };
    // Its peer has been given 400,000 sat, and keeps a reserve.
    assert!(named(&mut net, Msat(300_000_000)).is_empty());
    assert_eq!(named(&mut net, Msat(399_999_999)), [net.id(2)]);
    let node = &mut net.members[1].node;
    assert!(node.route_hints(None).is_empty());
    let share = |net: &mut Net, of: u64| {
        let mut small = net.members[1].node.channel(&known).expect("it is there").clone();
        if let astrape_channel::Phase::Open(open) = &mut small.phase {
            let remote = Msat(open.balances.remote.0 / of);
            open.balances.local = Msat(open.balances.local.0 + open.balances.remote.0 - remote.0);
            open.balances.remote = remote;
        }
        let node = &mut net.members[1].node;
        let before = node.channels.get(&known).cloned().expect("there");
        node.channels.set(known, std::sync::Arc::new(small));
        let named = node.route_hints(None).len();
        node.channels.set(known, before);
        named
    };
    assert_eq!(share(&mut net, 2), 0, "a good part of what the other takes will do for most");
    assert_eq!(share(&mut net, 30), 1, "next to nothing will not");
    let node = &mut net.members[1].node;
    node.quarantined.insert(known, net.now);
    assert_eq!(node.route_hints(None).len(), 1, "nobody gets through it before a restart");
    node.quarantined.clear();
    let mut spent = node.channel(&known).expect("it is there").clone();
    if let astrape_channel::Phase::Open(open) = &mut spent.phase {
        let kept = open.params.reserve_of(astrape_primitives::Side::Remote).to_msat();
        let local = open.funding.terms.capacity.to_msat().saturating_sub(kept);
        open.balances = astrape_channel::Balances { local, remote: kept };
    }
    node.channels.set(known, std::sync::Arc::new(spent));
    node.install();
    assert_eq!(node.route_hints(None).len(), 1, "nothing can come in over it");
}

#[test]
fn an_invoice_names_first_what_carries_its_amount_and_does_not_tell_which_channel_carries_most() {
    let mut net = Net::new(5);
    for other in [0, 2, 3, 4] {
        net.connect(1, other);
        net.open(other, 1);
    }
    // Some of what they have goes to another each.
    for (payer, amount) in [(0, Msat(300_000_000)), (2, Msat(100_000_000)), (3, Msat(560_000_000))] {
        let invoice = net.invoice(1, amount);
        net.pay(payer, &invoice).expect("there is a way");
        net.run();
    }
    let order = |net: &mut Net, amount| -> Vec<(ShortChannelId, NodeId)> {
        let invoice = net.invoice(1, amount);
        invoice.route_hints().iter().map(|way| (way[0].short_channel_id, way[0].node_id)).collect()
    };
    let small = order(&mut net, Msat(1_000_000));
    assert!(small.is_sorted() && small.len() == 4);
    let large = order(&mut net, Msat(400_000_000));
    let (carry, others) = large.split_at(2);
    assert!(carry.is_sorted() && others.is_sorted(), "{large:?}");
    let carry: BTreeSet<NodeId> = carry.iter().map(|(_, peer)| *peer).collect();
    assert_eq!(carry, BTreeSet::from([net.id(2), net.id(4)]));
}
