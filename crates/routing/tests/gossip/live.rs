//! Who tells us what is new: whom we ask for that, and for how long.

use crate::kit::{Net, chosen, peer, stranger};
use crate::sync::{MILLIS, filters};
use astrape_primitives::NodeId;
use astrape_routing::gossip::sync::{MAX_LIVE, MAX_LIVE_STRANGERS, ROTATE_MILLIS, Say, Sync};
use astrape_wire::GossipTimestampFilter;

/// Who was asked to tell what is new, and who no more.
fn live(said: &[Say]) -> (Vec<NodeId>, Vec<NodeId>) {
    let (live, quiet): (Vec<_>, Vec<_>) = filters(said).into_iter().partition(|(_, m)| m.timestamp_range > 0);
    let ids = |of: Vec<(NodeId, GossipTimestampFilter)>| of.into_iter().map(|(id, _)| id).collect();
    (ids(live), ids(quiet))
}

#[test]
fn those_who_come_to_us_take_few_of_the_places_and_an_id_wins_none() {
    let net = Net::new();
    let told_by = |seed: u64| {
        let mut sync = Sync::new(None, seed);
        let first: Vec<NodeId> = (20..60)
            .flat_map(|n| live(&sync.connected(MILLIS, peer(n), stranger(), &net.gossip)).0)
            .collect();
        assert_eq!(first.len(), MAX_LIVE_STRANGERS);
        for n in 10..13 {
            let said = sync.connected(MILLIS, peer(n), chosen(true), &net.gossip);
            assert_eq!(live(&said).0, [peer(n)], "there is a place for whom we chose");
        }
        // Whose place it is next is drawn by lot.
        live(&sync.disconnected(MILLIS, &first[0], &net.gossip)).0
    };
    let next: std::collections::BTreeSet<Vec<NodeId>> = (1..20).map(told_by).collect();
    assert!(next.len() > 5 && next.iter().all(|next| next.len() == 1));
}

#[test]
fn after_a_while_another_peer_tells_what_is_new() {
    let net = Net::new();
    let mut sync = Sync::new(None, 1);
    sync.tick(MILLIS, &net.gossip);
    let mut told: Vec<NodeId> =
        (1..=7).flat_map(|n| live(&sync.connected(MILLIS, peer(n), chosen(true), &net.gossip)).0).collect();
    assert_eq!(told.len(), MAX_LIVE);
    assert_eq!(live(&sync.tick(MILLIS + ROTATE_MILLIS - 1, &net.gossip)), (vec![], vec![]));
    let mut seen: std::collections::BTreeSet<NodeId> = told.iter().copied().collect();
    for n in 1..=7 {
        let (begins, ends) = live(&sync.tick(MILLIS + n * ROTATE_MILLIS, &net.gossip));
        assert_eq!((begins.len(), ends.len()), (1, 1));
        assert!(told.contains(&ends[0]) && !told.contains(&begins[0]));
        told.retain(|id| *id != ends[0]);
        told.extend(&begins);
        seen.extend(begins);
    }
    assert_eq!(seen.len(), 7, "each has its turn");
}
