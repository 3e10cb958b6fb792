//! What may be offered and removed, and by whom: the rules of `update_add_htlc` and of the three ways to end an HTLC.

use crate::pair::{A, B, Pair, Setup};
use astrape_channel::{Fault, Reaction, Refusal};
use astrape_primitives::{CltvExpiry, HtlcId, Msat, PaymentHash, PaymentPreimage};
use astrape_wire::{
    Message, OnionPacket, UpdateAddHtlc, UpdateFailHtlc, UpdateFailMalformedHtlc, UpdateFulfillHtlc,
};

pub(crate) fn add(pair: &Pair, id: u64, amount: u64) -> UpdateAddHtlc {
    UpdateAddHtlc {
        channel_id: pair.channel_id(),
        id: HtlcId(id),
        amount_msat: Msat(amount),
        payment_hash: PaymentHash([9; 32]),
        cltv_expiry: CltvExpiry(900),
        onion_routing_packet: OnionPacket::from_bytes(&[0; 1366]),
        path_key: None,
    }
}

fn add_is_refused(pair: &mut Pair, message: UpdateAddHtlc) -> Fault {
    let (fault, reaction) = pair.refused(B, Message::UpdateAddHtlc(message));
    assert_eq!(reaction, Reaction::Disconnect);
    fault
}

fn why_not(pair: &mut Pair, amount: u64) -> Option<Refusal> {
    let (hash, _) = pair.new_payment();
    pair.offer(A, Msat(amount), hash);
    pair.nodes[A].not_offered.get(&hash).cloned()
}

// BOLT 2.adding-an-htlc-update_add_htlc.14
#[test]
fn an_htlc_below_the_minimum_is_refused() {
    let mut pair = Pair::ready_with(Setup::default(), |p| p.nodes[B].policy.htlc_minimum = Msat(5000));
    for amount in [0, 4999] {
        let message = add(&pair, 0, amount);
        assert!(matches!(add_is_refused(&mut pair, message), Fault::HtlcBelowMinimum { .. }));
    }
    let message = add(&pair, 0, 5000);
    pair.receive(B, Message::UpdateAddHtlc(message)).expect("the minimum");
    let mut pair = Pair::ready_with(Setup::default(), |p| p.nodes[B].policy.htlc_minimum = Msat(0));
    let message = add(&pair, 0, 0);
    add_is_refused(&mut pair, message);
}

// BOLT 2.adding-an-htlc-update_add_htlc.15
#[test]
fn an_htlc_that_its_sender_cannot_afford_is_refused() {
    let mut pair = Pair::default_ready();
    // A opened: it has 600,000 sat, must keep 10,000, and pays 1124 + 172 of fee and 660 for the anchors.
    let most = (600_000 - 10_000 - 1124 - 172 - 660) * 1000;
    let message = add(&pair, 0, most + 1);
    assert!(matches!(add_is_refused(&mut pair, message), Fault::CannotAfford { missing: Msat(1) }));
    let message = add(&pair, 0, u64::MAX);
    add_is_refused(&mut pair, message);
    let message = add(&pair, 0, most);
    pair.receive(B, Message::UpdateAddHtlc(message)).expect("it can afford that");
    // B did not open: only its reserve counts.
    let most = (400_000 - 10_000) * 1000;
    let message = Message::UpdateAddHtlc(add(&pair, 0, most + 1));
    let (fault, _) = pair.refused(A, message);
    assert!(matches!(fault, Fault::CannotAfford { missing: Msat(1) }));
    let message = Message::UpdateAddHtlc(add(&pair, 0, most));
    pair.receive(A, message).expect("it can afford that");
}

// BOLT 2.adding-an-htlc-update_add_htlc.15
#[test]
fn the_opener_pays_for_what_it_has_acknowledged() {
    let mut pair = Pair::default_ready();
    pair.pay_held(B, Msat(5_000_000));
    pair.propose(B);
    pair.deliver_until(B, "commitment_signed");
    pair.deliver_until(A, "revoke_and_ack");
    // A has yet to sign B's HTLC into B's commitment; its next signature will, with this one.
    let most = (600_000 - 10_000 - 1124 - 2 * 172 - 660) * 1000;
    let message = add(&pair, 0, most + 1);
    assert!(matches!(add_is_refused(&mut pair, message), Fault::CannotAfford { missing: Msat(1) }));
    let message = add(&pair, 0, most);
    pair.receive(B, Message::UpdateAddHtlc(message)).expect("it can afford that");
}

// BOLT 2.adding-an-htlc-update_add_htlc.16
#[test]
fn more_htlcs_or_more_value_than_allowed_are_refused() {
    let mut pair = Pair::ready_with(Setup::default(), |p| {
        p.nodes[B].policy.max_accepted_htlcs = 5;
        p.nodes[B].policy.max_in_flight_percent = 1;
    });
    for id in 0..5 {
        let message = add(&pair, id, 1_000_000);
        pair.receive(B, Message::UpdateAddHtlc(message)).expect("within bounds");
    }
    let message = add(&pair, 5, 1_000_000);
    assert!(matches!(add_is_refused(&mut pair, message), Fault::TooManyHtlcs(5)));
    let mut pair = Pair::ready_with(Setup::default(), |p| p.nodes[B].policy.max_in_flight_percent = 1);
    let message = add(&pair, 0, 6_000_000);
    pair.receive(B, Message::UpdateAddHtlc(message)).expect("within bounds");
    let message = add(&pair, 1, 4_000_001);
    assert!(matches!(add_is_refused(&mut pair, message), Fault::TooMuchInFlight { .. }));
}

// BOLT 2.adding-an-htlc-update_add_htlc.17
#[test]
fn an_expiry_that_is_a_time_is_refused() {
    let mut pair = Pair::default_ready();
    let message = UpdateAddHtlc { cltv_expiry: CltvExpiry(500_000_000), ..add(&pair, 0, 1_000_000) };
    assert!(matches!(add_is_refused(&mut pair, message), Fault::ExpiryIsATime(500_000_000)));
    let message = UpdateAddHtlc { cltv_expiry: CltvExpiry(499_999_999), ..add(&pair, 0, 1_000_000) };
    pair.receive(B, Message::UpdateAddHtlc(message)).expect("far away is no fault of the channel");
}

// BOLT 2.adding-an-htlc-update_add_htlc.20
#[test]
fn ids_count_up_by_one() {
    let mut pair = Pair::default_ready();
    pair.pay(A, Msat(1_000_000));
    pair.run();
    for id in [0, 2, u64::MAX] {
        let message = add(&pair, id, 1_000_000);
        assert!(matches!(
            add_is_refused(&mut pair, message),
            Fault::HtlcIdOutOfOrder { expected: HtlcId(1), .. }
        ));
    }
    let message = add(&pair, 1, 1_000_000);
    pair.receive(B, Message::UpdateAddHtlc(message.clone())).expect("due");
    add_is_refused(&mut pair, message);
}

#[test]
fn updates_have_no_place_before_channel_ready_or_channel_reestablish() {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.run();
    let message = add(&pair, 0, 1_000_000);
    assert!(matches!(add_is_refused(&mut pair, message), Fault::Unexpected { .. }));
    let (hash, _) = pair.new_payment();
    pair.offer(A, Msat(1_000_000), hash);
    assert!(pair.nodes[A].not_offered.contains_key(&hash));
    let mut pair = Pair::default_ready();
    pair.cut();
    pair.connect();
    let message = add(&pair, 0, 1_000_000);
    assert!(matches!(add_is_refused(&mut pair, message), Fault::Unexpected { .. }));
}

// BOLT 2.adding-an-htlc-update_add_htlc.5
// BOLT 2.adding-an-htlc-update_add_htlc.6
// BOLT 2.adding-an-htlc-update_add_htlc.7
// BOLT 2.adding-an-htlc-update_add_htlc.8
// BOLT 2.adding-an-htlc-update_add_htlc.9
#[test]
fn we_offer_nothing_that_the_peer_would_refuse() {
    let mut pair = Pair::ready_with(Setup::default(), |p| {
        p.nodes[B].policy.max_accepted_htlcs = 5;
        p.nodes[B].policy.htlc_minimum = Msat(5000);
        p.nodes[B].policy.max_in_flight_percent = 10;
    });
    for amount in [0, 4999] {
        assert!(matches!(why_not(&mut pair, amount), Some(Refusal::BelowMinimum { .. })));
    }
    assert!(matches!(why_not(&mut pair, 100_000_001), Some(Refusal::TooMuchInFlight { over: Msat(1) })));
    let (hash, _) = pair.new_payment();
    let late =
        astrape_channel::NewHtlc { cltv_expiry: CltvExpiry(500_000_000), ..pair.new_htlc(Msat(6000), hash) };
    pair.command(A, astrape_channel::Command::Add(late));
    assert_eq!(pair.nodes[A].not_offered[&hash], Refusal::ExpiryIsATime(500_000_000));
    for _ in 0..5 {
        assert_eq!(why_not(&mut pair, 5000), None);
    }
    assert_eq!(why_not(&mut pair, 5000), Some(Refusal::TooManyHtlcs(5)));
    pair.run();
    assert_eq!(pair.nodes[B].open().htlcs.len(), 5);
}

// BOLT 2.adding-an-htlc-update_add_htlc.1
// BOLT 2.adding-an-htlc-update_add_htlc.2
// BOLT 2.adding-an-htlc-update_add_htlc.3
#[test]
fn the_opener_keeps_its_reserve_the_anchors_and_a_fee_twice_as_high() {
    let mut pair = Pair::default_ready();
    // Twice 1000 sat/kw, for this HTLC and one more.
    let most = (600_000 - 10_000 - 2 * (1124 + 172 + 172) - 660) * 1000;
    assert_eq!(why_not(&mut pair, most + 1), Some(Refusal::InsufficientBalance { missing: Msat(1) }));
    assert_eq!(why_not(&mut pair, most), None);
    assert!(
        matches!(why_not(&mut pair, 1_000_000), Some(Refusal::InsufficientBalance { .. })),
        "what waits counts"
    );
    pair.run();
    assert_eq!(pair.nodes[B].open().htlcs.len(), 1);
}

// BOLT 2.adding-an-htlc-update_add_htlc.4
#[test]
fn the_other_side_does_not_push_the_opener_below_its_reserve() {
    // A has pushed nearly all; it can just pay for the fee.
    let push = Msat((1_000_000 - 10_000 - 1124 - 660 - 100) * 1000);
    let mut pair = Pair::ready(Setup { push, ..Setup::default() });
    let (hash, _) = pair.new_payment();
    pair.offer(B, Msat(5_000_000), hash);
    assert_eq!(pair.nodes[B].not_offered[&hash], Refusal::PeerCannotPayFee);
    let dust = pair.pay(B, Msat(300_000));
    pair.run();
    assert!(pair.nodes[B].fulfilled.contains_key(&dust), "what has no output costs nothing");
}

// attack 41
#[test]
fn a_channel_spent_to_the_last_by_its_opener_is_not_stuck() {
    for anchors in [true, false] {
        let mut pair = Pair::ready(Setup { anchors, push: Msat(0), ..Setup::default() });
        let mut amount = 900_000_000;
        while amount > 1000 {
            let hash = pair.pay(A, Msat(amount));
            if pair.nodes[A].not_offered.contains_key(&hash) {
                amount /= 2;
            }
            pair.run();
        }
        pair.command(A, astrape_channel::Command::UpdateFee(astrape_primitives::FeeratePerKw(1900)));
        pair.run();
        assert_eq!(pair.nodes[B].open().fees.newest().0, 1900, "there is room for a higher fee");
        let back = pair.pay(B, Msat(5_000_000));
        pair.run();
        assert!(pair.nodes[B].fulfilled.contains_key(&back), "{:?}", pair.nodes[B].not_offered);
    }
}

/// An HTLC of A's that B holds, irrevocably.
fn held() -> (Pair, PaymentPreimage) {
    let mut pair = Pair::default_ready();
    let (_, preimage) = pair.pay_held(A, Msat(9_000_000));
    pair.run();
    (pair, preimage)
}

fn fulfil(pair: &Pair, id: u64, payment_preimage: PaymentPreimage) -> Message {
    let channel_id = pair.channel_id();
    let message = UpdateFulfillHtlc { channel_id, id: HtlcId(id), payment_preimage, attribution_data: None };
    Message::UpdateFulfillHtlc(message)
}

fn fail(pair: &Pair, id: u64) -> Message {
    let channel_id = pair.channel_id();
    Message::UpdateFailHtlc(UpdateFailHtlc {
        channel_id,
        id: HtlcId(id),
        reason: vec![],
        attribution_data: None,
    })
}

// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.12
#[test]
fn what_is_not_there_cannot_be_removed() {
    let (mut pair, preimage) = held();
    for message in [fulfil(&pair, 1, preimage), fail(&pair, 1), fail(&pair, u64::MAX)] {
        let (fault, reaction) = pair.refused(A, message);
        assert!(matches!(fault, Fault::UnknownHtlc(_)));
        assert_eq!(reaction, Reaction::Disconnect);
    }
    // B never offered anything, so A has nothing to remove there.
    let message = fail(&pair, 0);
    pair.refused(B, message);
    let message = fail(&pair, 0);
    pair.receive(A, message).expect("there it is");
    for again in [fail(&pair, 0), fulfil(&pair, 0, preimage)] {
        pair.refused(A, again);
    }
    // Signed by A, but B has not signed it into A's own commitment.
    let mut pair = Pair::default_ready();
    let (_, preimage) = pair.pay_held(A, Msat(9_000_000));
    pair.propose(A);
    pair.deliver_until(A, "commitment_signed");
    pair.deliver_until(B, "revoke_and_ack");
    for early in [fail(&pair, 0), fulfil(&pair, 0, preimage)] {
        pair.refused(A, early);
    }
}

// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.13
#[test]
fn a_wrong_preimage_is_refused() {
    let (mut pair, preimage) = held();
    let wrong = fulfil(&pair, 0, PaymentPreimage([0xee; 32]));
    let (fault, reaction) = pair.refused(A, wrong);
    assert!(matches!(fault, Fault::WrongPreimage(HtlcId(0))));
    assert_eq!(reaction, Reaction::Disconnect);
    let right = fulfil(&pair, 0, preimage);
    pair.receive(A, right).expect("good");
}

// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.14
#[test]
fn a_malformed_onion_needs_its_bit() {
    let (mut pair, _) = held();
    let malformed = |pair: &Pair, failure_code| {
        let channel_id = pair.channel_id();
        let message =
            UpdateFailMalformedHtlc { channel_id, id: HtlcId(0), sha256_of_onion: [0; 32], failure_code };
        Message::UpdateFailMalformedHtlc(message)
    };
    let message = malformed(&pair, 0x4005);
    let (fault, reaction) = pair.refused(A, message);
    assert!(matches!(fault, Fault::NotBadOnion(0x4005)));
    assert_eq!(reaction, Reaction::Disconnect);
    let message = malformed(&pair, 0xc005);
    pair.receive(A, message).expect("good");
}
