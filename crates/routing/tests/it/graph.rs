//! The graph as its owner writes it.

use crate::kit::{channel, line, nodes, policy, scid};
use astrape_primitives::{Features, Msat, Sat};
use astrape_routing::{Direction, Graph, GraphError, NodeInfo, Policy};
use astrape_wire::address::Address;
use core::net::Ipv4Addr;

fn info(timestamp: u32) -> NodeInfo {
    NodeInfo {
        timestamp,
        features: Features::empty(),
        color: [1, 2, 3],
        alias: [b'a'; 32],
        addresses: vec![Address::Ipv4(Ipv4Addr::LOCALHOST, 9735)],
        stored: None,
    }
}

#[test]
fn a_channel_is_there_from_its_addition_to_its_removal() {
    let ids = nodes(3);
    let mut graph = line(&ids);
    let shown = graph.channel(scid(1)).expect("it was added");
    assert_eq!((shown.node_1, shown.node_2), (ids[1], ids[2]));
    assert_eq!(shown.policy(Direction::FromNode2), Some(&policy(2_000)));
    assert_eq!(shown.sender(Direction::FromNode2), ids[2]);
    assert_eq!(graph.remove_channel(scid(1)), Some(shown));
    assert_eq!(graph.remove_channel(scid(1)), None);
    assert_eq!((graph.channel_count(), graph.node_count()), (1, 2));
    assert!(!graph.has_node(&ids[2]));
    assert_eq!(
        graph.set_policy(scid(1), Direction::FromNode1, policy(1)),
        Err(GraphError::UnknownChannel(scid(1)))
    );
}

// attack 81
#[test]
fn ends_that_are_not_in_order_are_refused() {
    let ids = nodes(2);
    let mut graph = Graph::new();
    for ends in [[ids[1], ids[0]], [ids[0], ids[0]]] {
        assert_eq!(graph.add_channel(channel(7, ends)), Err(GraphError::NodeOrder(scid(7))));
    }
    assert_eq!((graph.channel_count(), graph.node_count()), (0, 0));
}

#[test]
fn a_channel_is_added_once() {
    let ids = nodes(3);
    let mut graph = line(&ids[..2]);
    assert_eq!(graph.add_channel(channel(0, [ids[1], ids[2]])), Err(GraphError::KnownChannel(scid(0))));
    assert_eq!(graph.node_count(), 2, "a refused channel brings no node");
}

#[test]
fn a_node_without_a_channel_has_nothing_to_say() {
    let ids = nodes(3);
    let mut graph = line(&ids[..2]);
    assert_eq!(graph.set_node(ids[2], info(5)), Err(GraphError::UnknownNode(ids[2])));
    assert_eq!(graph.set_node(ids[0], info(5)), Ok(()));
    assert_eq!(graph.node(&ids[0]), Some(&info(5)));
    graph.remove_channel(scid(0));
    graph.add_channel(channel(3, [ids[0], ids[2]])).expect("a new channel");
    assert_eq!(graph.node(&ids[0]), None, "what a node said goes with its last channel");
}

#[test]
fn of_many_addresses_a_few_are_kept() {
    let ids = nodes(2);
    let mut graph = line(&ids);
    let many = (0..u16::MAX).map(|port| Address::Ipv4(Ipv4Addr::LOCALHOST, port)).collect();
    graph.set_node(ids[0], NodeInfo { addresses: many, ..info(1) }).expect("it has a channel");
    assert_eq!(graph.node(&ids[0]).map(|info| info.addresses.len()), Some(16));
}

#[test]
fn queries_are_answered_by_ranges_of_ids() {
    let mut graph = line(&nodes(5));
    graph.set_policy(scid(2), Direction::FromNode2, policy(9)).expect("the channel is there");
    let marks: Vec<_> = graph.marks(scid(1)..scid(3)).collect();
    assert_eq!(marks.iter().map(|m| m.short_channel_id).collect::<Vec<_>>(), [scid(1), scid(2)]);
    assert_eq!(marks[1].timestamps, [2_000, 9]);
    assert_eq!(marks[1].checksums, [policy(2_000).checksum, policy(9).checksum]);
    assert_eq!(graph.channels(..).count(), 4);
}

#[test]
fn a_channel_is_pruned_when_one_of_its_ends_is_silent() {
    let mut graph = line(&nodes(5));
    for (number, direction) in [(1, Direction::FromNode1), (2, Direction::FromNode2)] {
        graph.set_policy(scid(number), direction, policy(1_999)).expect("the channel is there");
    }
    let ids = nodes(5);
    graph.add_channel(channel(9, [ids[0], ids[4]])).expect("a new channel");
    let stranger = nodes(6).into_iter().find(|id| !ids.contains(id)).expect("one more than there are");
    assert_eq!(graph.clone().prune(1_000, &stranger), []);
    assert_eq!(graph.clone().prune(2_000, &ids[2]), [scid(9)], "but not of this node");
    assert_eq!(graph.prune(2_000, &stranger), [scid(1), scid(2), scid(9)]);
    assert_eq!(graph.channel_count(), 2);
}

#[test]
fn snapshots_after_changes_are_those_of_the_same_graph_read_anew() {
    let ids = nodes(5);
    let mut graph = line(&ids);
    let cheap = Policy { fee_base_msat: 3, cltv_expiry_delta: astrape_primitives::CltvDelta(9), ..policy(5) };
    let steps: [&dyn Fn(&mut Graph); 7] = [
        &|graph| assert!(graph.set_policy(scid(2), Direction::FromNode1, cheap).is_ok()),
        &|graph| assert!(graph.set_capacity(scid(1), Some(Sat(500_000))).is_ok()),
        &|graph| {
            assert!(
                graph.set_policy(scid(1), Direction::FromNode2, Policy { disabled: true, ..cheap }).is_ok()
            )
        },
        &|graph| assert!(graph.set_policy(scid(1), Direction::FromNode2, cheap).is_ok()),
        &|graph| assert!(graph.set_policy(scid(3), Direction::FromNode1, cheap).is_ok()),
        &|graph| assert!(graph.remove_channel(scid(0)).is_some()),
        &|graph| assert!(graph.add_channel(channel(9, [ids[0], ids[4]])).is_ok()),
    ];
    for step in steps {
        let before = graph.snapshot();
        step(&mut graph);
        let anew = Graph::import(&graph.export()).expect("it was written here").snapshot();
        assert_eq!(format!("{:?}", graph.snapshot()), format!("{anew:?}"));
        assert_ne!(format!("{before:?}"), format!("{anew:?}"));
    }
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let ids = nodes(3);
    let mut graph = line(&ids);
    let before = graph.snapshot();
    graph.remove_channel(scid(1));
    let after = graph.snapshot();
    assert_eq!((before.node_count(), before.edge_count(), before.ways_to(&ids[1])), (3, 4, 2));
    assert_eq!((after.node_count(), after.edge_count(), after.ways_to(&ids[1])), (2, 2, 1));
}

// BOLT 7.the-channel_update-message.42
#[test]
fn nobody_forwards_over_what_is_disabled_empty_or_contradicts_itself() {
    let ids = nodes(2);
    let mut graph = line(&ids);
    let shut = [
        Policy { disabled: true, ..policy(1) },
        Policy { htlc_maximum: Msat(0), htlc_minimum: Msat(0), ..policy(1) },
        Policy { htlc_minimum: Msat(u64::MAX), ..policy(1) },
    ];
    for policy in shut {
        graph.set_policy(scid(0), Direction::FromNode1, policy).expect("the channel is there");
        assert_eq!(graph.snapshot().ways_to(&ids[1]), 0, "{policy:?}");
        assert_eq!(graph.snapshot().ways_to(&ids[0]), 1);
    }
    graph.set_policy(scid(0), Direction::FromNode1, policy(1)).expect("the channel is there");
    graph.set_capacity(scid(0), Some(Sat(0))).expect("the channel is there");
    assert_eq!(graph.snapshot().edge_count(), 0);
    graph.set_capacity(scid(0), Some(Sat(u64::MAX))).expect("the channel is there");
    assert_eq!(graph.snapshot().edge_count(), 2);
}
