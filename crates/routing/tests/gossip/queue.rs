//! What peers say waits by bounds, and each in its turn.

use crate::kit::peer;
use astrape_routing::gossip::FairQueue;
use astrape_routing::gossip::queue::{MAX_BYTES, MAX_BYTES_OF_PEER, MAX_OF_PEER};

// attack 59
#[test]
fn one_who_floods_fills_his_own_part_and_the_other_is_served_next() {
    let mut queue = FairQueue::default();
    let flooder = peer(1);
    let taken = (0..1_000_000_u32).filter(|n| queue.push(flooder, *n, 200)).count();
    assert_eq!(taken, MAX_OF_PEER);
    assert!(queue.push(peer(2), 7, 200));
    assert_eq!(queue.take(32).map(|(who, items)| (who, items.len())), Some((flooder, 32)));
    assert_eq!(queue.take(32), Some((peer(2), vec![7])));
    assert_eq!(queue.take(32).map(|(who, _)| who), Some(flooder));
}

// attack 63
#[test]
fn long_messages_of_one_peer_and_of_all_peers_are_bounded_by_their_bytes() {
    let mut queue = FairQueue::default();
    let long = 64 * 1024;
    let one = peer(1);
    assert_eq!((0..1_000).filter(|n| queue.push(one, *n, long)).count() * long, MAX_BYTES_OF_PEER);
    for n in 2..500 {
        let peer = peer(n);
        for item in 0..1_000 {
            queue.push(peer, item, long);
        }
    }
    assert!(queue.bytes() <= MAX_BYTES);
    queue.forget(&peer(1));
    assert!(queue.push(peer(600), 1, long), "who leaves makes room");
}

#[test]
fn what_is_taken_makes_room_and_nothing_is_left_behind() {
    let mut queue = FairQueue::default();
    for n in 0..10_u32 {
        assert!(queue.push(peer(1), n, 10));
    }
    assert_eq!(queue.take(100), Some((peer(1), (0..10).collect())));
    assert!(queue.is_empty());
    assert_eq!((queue.bytes(), queue.take(1)), (0, None));
}
