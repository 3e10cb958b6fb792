//! `channel_update`: what is believed, and what is kept of those that come too early.

use crate::kit::{NOW, Net, Outcome, channel, funding, peer, scid, signed_update, update, update_message};
use astrape_primitives::Msat;
use astrape_routing::gossip::{ChainAnswer, Ignored, Offered};
use astrape_wire::ChannelUpdate;

fn ignored(why: Ignored) -> Outcome {
    Outcome::Ignored(why)
}

fn open() -> Net {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    net
}

// BOLT 7.the-channel_update-message.33
// BOLT 7.the-channel_update-message.32
#[test]
fn an_update_counts_only_with_the_signature_of_its_end() {
    let mut net = open();
    let message = update_message(1, 2, scid(900), NOW);
    for forger in [2, 3] {
        assert!(matches!(net.hear(signed_update(message.clone(), forger)), Outcome::Fault(_)));
    }
    assert_eq!(net.policy_at(1, 2, scid(900)), Some(NOW - 100));
    assert_eq!(net.hear(signed_update(message, 1)), Outcome::Taken(vec![]));
    assert_eq!(net.policy_at(1, 2, scid(900)), Some(NOW));
    assert_eq!(net.policy_at(2, 1, scid(900)), Some(NOW - 100), "the other direction is the other's");
}

// BOLT 7.the-channel_update-message.34
#[test]
fn an_update_of_another_chain_is_ignored() {
    let mut net = open();
    let mut message = update_message(1, 2, scid(900), NOW);
    message.chain_hash = [7; 32];
    assert_eq!(net.hear(signed_update(message, 1)), ignored(Ignored::OtherChain));
}

// BOLT 7.the-channel_update-message.28
#[test]
fn an_update_of_an_unknown_channel_changes_nothing() {
    let mut net = open();
    assert_eq!(net.hear(update(1, 2, scid(901), NOW)), ignored(Ignored::Early));
    assert!(net.gossip.graph().channel(scid(901)).is_none());
    net.answer(scid(901), &ChainAnswer::Unspent(funding(1, 2, scid(901))));
    assert!(net.gossip.graph().channel(scid(901)).is_none(), "without an announcement there is no channel");
}

// BOLT 7.the-channel_update-message.37
// BOLT 7.the-channel_update-message.38
#[test]
fn of_two_with_the_same_timestamp_the_first_counts_and_older_ones_never() {
    let mut net = open();
    let mut other = update_message(1, 2, scid(900), NOW - 100);
    assert_eq!(net.hear(update(1, 2, scid(900), NOW - 100)), ignored(Ignored::Known));
    other.fee_base_msat = 7;
    assert_eq!(net.hear(signed_update(other, 1)), ignored(Ignored::Known));
    assert_eq!(net.hear(update(1, 2, scid(900), NOW - 101)), ignored(Ignored::Old));
    assert_eq!(net.policy_at(1, 2, scid(900)), Some(NOW - 100));
}

// attack 64
#[test]
fn a_timestamp_of_zero_is_none() {
    let mut net = Net::new();
    net.add_channel(1, 2, scid(900));
    assert_eq!(net.hear(update(1, 2, scid(900), 0)), ignored(Ignored::Timestamp));
    net.now = 10;
    assert_eq!(net.hear(update(1, 2, scid(900), 0)), ignored(Ignored::Timestamp), "whatever our clock says");
    assert_eq!(net.hear(crate::kit::node_announcement(1, 0)), ignored(Ignored::Timestamp));
}

// BOLT 7.the-channel_update-message.39
// BOLT 7.recommendation-on-pruning-stale-entries.2
// BOLT 7.recommendation-on-pruning-stale-entries.3
#[test]
fn what_is_far_in_the_future_or_two_weeks_old_is_ignored() {
    let mut net = Net::new();
    net.add_channel(1, 2, scid(900));
    let day = 24 * 60 * 60;
    assert_eq!(net.hear(update(1, 2, scid(900), NOW + day + 1)), ignored(Ignored::Timestamp));
    assert_eq!(net.hear(update(1, 2, scid(900), u32::MAX)), ignored(Ignored::Timestamp));
    assert_eq!(net.hear(update(1, 2, scid(900), NOW - 14 * day - 1)), ignored(Ignored::Old));
    assert_eq!(net.hear(update(1, 2, scid(900), NOW + day)), Outcome::Taken(vec![]));
}

// BOLT 7.the-channel_update-message.6
#[test]
fn what_is_for_the_peer_alone_is_not_taken_and_so_not_passed_on() {
    let mut net = open();
    let mut message = update_message(1, 2, scid(900), NOW);
    message.message_flags |= ChannelUpdate::DONT_FORWARD;
    assert_eq!(net.hear(signed_update(message, 1)), ignored(Ignored::Private));
}

// BOLT 7.the-channel_update-message.29
#[test]
fn of_a_closed_channel_only_that_it_is_disabled_is_heard() {
    let mut net = open();
    net.gossip.block_connected(crate::kit::TIP.plus(1), [funding(1, 2, scid(900)).outpoint]);
    assert_eq!(net.hear(update(1, 2, scid(900), NOW)), ignored(Ignored::Closed));
    let mut disabled = update_message(1, 2, scid(900), NOW);
    disabled.channel_flags |= ChannelUpdate::DISABLE;
    assert_eq!(net.hear(signed_update(disabled, 1)), Outcome::Taken(vec![]));
}

// BOLT 7.the-channel_update-message.44
#[test]
fn a_maximum_over_the_capacity_is_not_believed() {
    let mut net = open();
    let mut message = update_message(1, 2, scid(900), NOW);
    message.htlc_maximum_msat = Msat(1_000_000_001);
    assert_eq!(net.hear(signed_update(message.clone(), 1)), ignored(Ignored::OverCapacity));
    message.htlc_maximum_msat = Msat(1_000_000_000);
    assert_eq!(net.hear(signed_update(message, 1)), Outcome::Taken(vec![]));
}

// attack 59
// attack 66
#[test]
fn updates_of_channels_that_do_not_exist_are_kept_by_a_bound_and_the_oldest_go_first() {
    let mut net = Net::new();
    let template = update(1, 2, scid(900), NOW);
    let astrape_routing::gossip::Said::Update(message) = template.said else { panic!("it is one") };
    for n in 0..50_000_u64 {
        let mut m = (*message).clone();
        m.short_channel_id = astrape_primitives::ShortChannelId(900 << 40 | n << 16);
        let offered = net.gossip.offer(NOW, crate::kit::heard(m));
        assert_eq!(offered, Offered::Ignored(Ignored::Early));
    }
    assert_eq!(net.gossip.early_count(), 1_000);
    assert_eq!(net.gossip.unsaved_len(), 0, "nothing of it reaches the disk");
    // One that came before the flood is lost; one that comes after it is kept for its channel.
    net.hear(update(1, 2, scid(800), NOW));
    net.hear(channel(1, 2, scid(800)));
    net.answer(scid(800), &ChainAnswer::Unspent(funding(1, 2, scid(800))));
    assert_eq!(net.policy_at(1, 2, scid(800)), Some(NOW));
}

// attack 67
#[test]
fn forged_updates_use_up_nothing_that_belongs_to_the_node() {
    let mut net = open();
    for n in 0..500 {
        let forged = signed_update(update_message(1, 2, scid(900), NOW + n), 3);
        assert!(matches!(net.hear_from(peer(2), forged), Outcome::Fault(_)));
    }
    assert_eq!(net.hear(update(1, 2, scid(900), NOW)), Outcome::Taken(vec![]));
    let batch = net.gossip.flush(NOW);
    assert!(!batch.is_empty(), "and it is passed on");
}

#[test]
fn a_node_that_floods_the_network_with_valid_updates_is_heard_eight_times_and_then_now_and_then() {
    let mut net = open();
    // The first came with the channel.
    let taken = |net: &mut Net, from: u32| {
        (from..from + 50)
            .filter(|at| net.hear(update(1, 2, scid(900), *at)) == Outcome::Taken(vec![]))
            .count()
    };
    assert_eq!(taken(&mut net, NOW), 7);
    net.now += 600;
    assert_eq!(taken(&mut net, NOW + 100), 1);
    assert_eq!(net.hear(update(2, 1, scid(900), NOW)), Outcome::Taken(vec![]), "the other end has its own");
}
