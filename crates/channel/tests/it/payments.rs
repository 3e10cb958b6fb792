//! Payments over a ready channel.

use crate::pair::{A, B, Pair, Setup, failure};
use astrape_channel::{Command, Output, Refusal, Resolution};
use astrape_primitives::{FeeratePerKw, HtlcId, Msat, Side};
use astrape_wire::Message;

#[test]
fn payments_flow_both_ways_in_both_formats() {
    for anchors in [false, true] {
        for eager in [false, true] {
            let mut pair = Pair::ready(Setup { anchors, ..Setup::default() });
            pair.eager = eager;
            let (a, b) = (pair.balance(A), pair.balance(B));
            let there = pair.pay(A, Msat(25_000_001));
            let back = pair.pay(B, Msat(7_000_999));
            pair.run();
            assert!(
                pair.nodes[A].fulfilled.contains_key(&there) && pair.nodes[B].fulfilled.contains_key(&back)
            );
            assert_eq!(pair.balance(A), Msat(a.0 - 25_000_001 + 7_000_999));
            assert_eq!(pair.balance(B), Msat(b.0 + 25_000_001 - 7_000_999));
            assert!(pair.nodes[A].open().htlcs.is_empty() && pair.nodes[B].open().htlcs.is_empty());
        }
    }
}

// BOLT 2.adding-an-htlc-update_add_htlc.10
// BOLT 2.adding-an-htlc-update_add_htlc.11
// BOLT 2.committing-updates-so-far-commitment_signed.4
#[test]
fn many_payments_share_one_signature() {
    let mut pair = Pair::default_ready();
    let hashes: Vec<_> = (0..40).map(|n| pair.pay(A, Msat(2_000_000 + n))).collect();
    pair.propose(A);
    let ids: Vec<HtlcId> = pair.nodes[A]
        .outbox
        .iter()
        .filter_map(|m| match m {
            Message::UpdateAddHtlc(m) => Some(m.id),
            _ => None,
        })
        .collect();
    assert_eq!(ids, (0..40).map(HtlcId).collect::<Vec<_>>());
    assert!(
        matches!(pair.nodes[A].outbox.back(), Some(Message::CommitmentSigned(m)) if m.htlc_signature.len() == 40)
    );
    pair.run();
    assert!(hashes.iter().all(|h| pair.nodes[A].fulfilled.contains_key(h)));
    assert_eq!(pair.nodes[A].times_said("commitment_signed"), 2, "one to add them, one to remove them");
    let next = pair.pay(A, Msat(1_000_000));
    pair.run();
    assert!(pair.nodes[A].fulfilled.contains_key(&next));
    assert_eq!(pair.nodes[A].open().next_local_id, HtlcId(41));
}

// BOLT 2.adding-an-htlc-update_add_htlc.18
// attack 23
#[test]
fn payments_with_the_same_hash_are_kept_apart() {
    let mut pair = Pair::default_ready();
    let (hash, preimage) = pair.new_payment();
    pair.offer(A, Msat(5_000_000), hash);
    pair.offer(A, Msat(5_000_000), hash);
    pair.run();
    let ids: Vec<HtlcId> = pair.nodes[B].open().htlcs.values().map(|h| h.id).collect();
    assert_eq!(ids.len(), 2);
    let balance = pair.balance(A);
    let fulfilled = Resolution::Fulfilled { preimage, attribution: astrape_channel::Attribution::Silent };
    pair.command(B, Command::Resolve { id: ids[1], resolution: fulfilled });
    pair.run();
    assert_eq!(pair.nodes[A].open().htlcs.keys().copied().collect::<Vec<_>>(), [(Side::Local, ids[0])]);
    assert_eq!(pair.balance(A), Msat(balance.0 - 5_000_000));
}

#[test]
fn failures_come_back_as_they_were_made() {
    let mut pair = Pair::default_ready();
    let (failed, _) = pair.pay_held(A, Msat(9_000_000));
    let (malformed, _) = pair.pay_held(A, Msat(9_000_000));
    let unreadable = Resolution::Malformed { sha256_of_onion: [8; 32], failure_code: 0xc006 };
    pair.nodes[B].plans.insert(failed, failure());
    pair.nodes[B].plans.insert(malformed, unreadable.clone());
    let balance = pair.balance(A);
    pair.run();
    assert_eq!(pair.nodes[A].failed[&failed], failure());
    assert_eq!(pair.nodes[A].failed[&malformed], unreadable);
    assert_eq!(pair.balance(A), balance);
}

// BOLT 2.forwarding-htlcs.1
// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.3
#[test]
fn an_htlc_is_acted_on_only_when_it_is_irrevocable_on_both_sides() {
    let mut pair = Pair::default_ready();
    let hash = pair.pay(A, Msat(9_000_000));
    let incoming = |pair: &Pair| pair.nodes[B].saw(|o| matches!(o, Output::Incoming(_)));
    let plan = pair.nodes[B].plans[&hash].clone();
    let early = |pair: &mut Pair| {
        assert!(!incoming(pair));
        pair.command(B, Command::Resolve { id: HtlcId(0), resolution: plan.clone() });
        let removal = pair.nodes[B].open().htlcs.values().next().and_then(|h| h.removal.clone());
        assert_eq!(removal, None, "too early to end it");
    };
    pair.propose(A);
    pair.deliver_until(A, "update_add_htlc");
    early(&mut pair);
    pair.deliver_until(A, "commitment_signed");
    early(&mut pair);
    pair.propose(B);
    early(&mut pair);
    pair.deliver_until(B, "revoke_and_ack");
    early(&mut pair);
    pair.deliver_until(B, "commitment_signed");
    early(&mut pair);
    pair.deliver_until(A, "revoke_and_ack");
    assert!(incoming(&pair));
    pair.run();
    assert!(pair.nodes[A].fulfilled.contains_key(&hash));
}

// BOLT 2.forwarding-htlcs.2
#[test]
fn a_failure_is_told_only_when_the_removal_is_irrevocable() {
    let mut pair = Pair::default_ready();
    let (hash, _) = pair.pay_held(A, Msat(9_000_000));
    pair.run();
    pair.nodes[B].plans.insert(hash, failure());
    pair.settle(B);
    pair.propose(B);
    pair.deliver_until(B, "update_fail_htlc");
    pair.deliver_until(B, "commitment_signed");
    pair.propose(A);
    pair.deliver_until(A, "revoke_and_ack");
    pair.deliver_until(A, "commitment_signed");
    assert!(pair.nodes[A].failed.is_empty(), "B may still publish the commitment that has it");
    pair.deliver_until(B, "revoke_and_ack");
    assert!(pair.nodes[A].failed.contains_key(&hash));
    assert!(pair.nodes[A].saw(|o| matches!(o, Output::Retired(_))));
}

// BOLT 2.forwarding-htlcs.5
// BOLT 2.message-retransmission.7
// attack 14
#[test]
fn a_preimage_is_told_at_once_and_survives_a_cut() {
    let mut pair = Pair::default_ready();
    let hash = pair.pay(A, Msat(9_000_000));
    pair.nodes[B].plans.clear();
    pair.run();
    let (_, preimage) = (hash, astrape_primitives::PaymentPreimage([1; 32]));
    let plan = Resolution::Fulfilled { preimage, attribution: astrape_channel::Attribution::Silent };
    pair.nodes[B].plans.insert(hash, plan);
    pair.settle(B);
    pair.propose(B);
    pair.deliver_until(B, "update_fulfill_htlc");
    assert!(pair.nodes[A].fulfilled.contains_key(&hash), "before anything is signed");
    pair.cut();
    assert_eq!(pair.nodes[A].open().htlcs.get(&(Side::Local, HtlcId(0))).unwrap().preimage(), Some(preimage));
    // B says it again; that it is told once only is asserted by the pair.
    pair.connect();
    pair.run();
    assert!(pair.nodes[A].open().htlcs.is_empty());
}

#[test]
fn a_payment_that_was_fulfilled_never_fails_even_if_the_peer_then_gives_it_back() {
    let mut pair = Pair::default_ready();
    let hash = pair.pay(A, Msat(9_000_000));
    let plan = pair.nodes[B].plans.remove(&hash).expect("planned");
    pair.run();
    let fulfil = astrape_wire::UpdateFulfillHtlc {
        channel_id: pair.channel_id(),
        id: HtlcId(0),
        payment_preimage: astrape_primitives::PaymentPreimage([1; 32]),
        attribution_data: None,
    };
    assert!(plan.is_fulfilled());
    pair.receive(A, Message::UpdateFulfillHtlc(fulfil)).expect("good");
    pair.cut();
    pair.connect();
    pair.nodes[B].plans.insert(hash, failure());
    let balance = pair.balance(A);
    pair.run();
    assert!(pair.nodes[A].failed.is_empty() && pair.nodes[A].fulfilled.contains_key(&hash));
    assert_eq!(pair.balance(A), balance, "the peer's gift");
}

#[test]
fn what_waits_survives_a_cut_and_is_offered_later() {
    let mut pair = Pair::default_ready();
    let hash = pair.pay(A, Msat(9_000_000));
    pair.cut();
    assert_eq!(pair.nodes[A].open().waiting.len(), 1);
    pair.connect();
    pair.run();
    assert!(pair.nodes[A].fulfilled.contains_key(&hash));
}

// BOLT 2.cltv_expiry_delta-selection.2
#[test]
fn what_timed_out_while_it_waited_is_not_offered() {
    let mut pair = Pair::default_ready();
    let hash = pair.pay(A, Msat(9_000_000));
    pair.cut();
    pair.tip_at(pair.tip.plus(200));
    assert!(pair.nodes[A].not_offered.contains_key(&hash));
    pair.connect();
    pair.run();
    assert_eq!(pair.nodes[A].times_said("update_add_htlc"), 0);
}

/// They wait for an answer to an earlier commitment, and meanwhile the opener, who pays for their outputs, raises the fee.
#[test]
fn what_waits_is_not_offered_beyond_what_the_opener_can_pay_by_then() {
    // A keeps 12,500 sat, of which 10,000 are its reserve: three outputs more at 1,000 sat/kw, and two at 1,200.
    let mut pair = Pair::ready(Setup { push: Msat(987_500_000), ..Setup::default() });
    pair.pay_held(B, Msat(9_000_000));
    pair.propose(B);
    let waiting = [pair.pay_held(B, Msat(9_000_000)).0, pair.pay_held(B, Msat(9_000_000)).0];
    assert!(
        waiting.iter().all(|hash| !pair.nodes[B].not_offered.contains_key(hash)),
        "there is enough for them"
    );
    pair.command(A, Command::UpdateFee(FeeratePerKw(1_200)));
    pair.propose(A);
    while pair.deliver(A).expect("A can pay that for all it knows") {}
    pair.run();
    let refused = waiting.map(|hash| pair.nodes[B].not_offered.get(&hash).cloned());
    assert_eq!(refused, [None, Some(Refusal::PeerCannotPayFee)]);
    let content = pair.nodes[B].open().remote_request().content;
    assert_eq!((content.feerate, content.htlcs.len()), (FeeratePerKw(1_200), 2));
}

#[test]
fn both_directions_and_a_fee_change_cross_on_the_wire() {
    let mut pair = Pair::default_ready();
    let hashes = [pair.pay(A, Msat(9_000_000)), pair.pay(B, Msat(8_000_000))];
    pair.command(A, Command::UpdateFee(FeeratePerKw(2000)));
    pair.propose(A);
    pair.propose(B);
    assert!(pair.nodes[A].outbox.len() >= 3 && pair.nodes[B].outbox.len() >= 2);
    pair.run();
    assert!(
        pair.nodes[A].fulfilled.contains_key(&hashes[0]) && pair.nodes[B].fulfilled.contains_key(&hashes[1])
    );
    assert_eq!(pair.nodes[B].open().fees.newest(), FeeratePerKw(2000));
}
