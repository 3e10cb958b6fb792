//! What a payment offers: amounts and expiries along its way, what each hop is told, and which channels carry what.

use crate::support::{
    NOW, Offers, PAYEE, SECRET, TIP, begin, draft, finish, hash, hop, key, keys, node, own, packet_of,
    peel_as, request, sat, view,
};
use astrape_channel::{NewHtlc, OnionSource, Origin};
use astrape_invoice::RouteHint;
use astrape_onion::{FinalPayload, ForwardPayload, Hop, PaymentData};
use astrape_payment::{OwnChannel, PayRequest, Payment, PaymentPolicy};
use astrape_primitives::{CltvDelta, CltvExpiry, Feature, Features, Msat, ShortChannelId};
use astrape_wire::tlv::TlvStream;
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use std::collections::BTreeSet;

const AMOUNT: Msat = Msat(1_000_000);

/// Without a shadow, so that expiries are exact.
fn policy() -> PaymentPolicy {
    PaymentPolicy { max_shadow_blocks: 0, ..PaymentPolicy::default() }
}

fn start(request: PayRequest, channels: &[OwnChannel]) -> Result<(Payment, Offers), String> {
    begin(request, &view(channels, &policy()))
}

fn pay(amount: Msat, hints: Vec<Vec<RouteHint>>, channels: &[OwnChannel]) -> (Payment, Offers) {
    start(request(finish(&draft(Some(amount), hints))), channels).expect("there is a way")
}

fn forward_of(node: u8, new: &NewHtlc) -> (ForwardPayload, NewHtlc) {
    match peel_as(node, &packet_of(new)).expect("the onion is for this node").hop {
        Hop::Forward { payload, next } => {
            (payload, NewHtlc { onion: OnionSource::Packet(next), ..new.clone() })
        }
        Hop::Final { .. } => panic!("node {node} is not the last"),
    }
}

fn final_of(node: u8, new: &NewHtlc) -> FinalPayload {
    match peel_as(node, &packet_of(new)).expect("the onion is for this node").hop {
        Hop::Final { payload } => payload,
        Hop::Forward { .. } => panic!("node {node} is the last"),
    }
}

fn types(payload: &[u8]) -> Vec<u64> {
    TlvStream::new(payload, |_| true).map(|record| record.expect("well-formed").number).collect()
}

// BOLT 4.payload-format.17
// BOLT 4.payload-format.21
// BOLT 4.payload-format.22
// BOLT 4.payload-format.23
// BOLT 4.basic-multi-part-payments.6
// BOLT 4.basic-multi-part-payments.10
#[test]
fn a_recipient_who_is_a_peer_is_paid_directly() {
    let (payment, offers) = pay(AMOUNT, vec![], &[own(1, PAYEE, sat(5_000))]);
    let [(channel, new)] = &offers[..] else { panic!("{offers:?}") };
    assert_eq!((*channel, new.amount, new.payment_hash), (keys(1), AMOUNT, hash()));
    // What the invoice asks for, and a little for blocks that are mined meanwhile.
    assert_eq!(new.cltv_expiry, CltvExpiry(TIP.0 + 24 + 3));
    assert_eq!(new.origin, Origin::Payment { payment_hash: hash(), part: 0 });
    let told = final_of(PAYEE, new);
    assert_eq!((told.amt_to_forward, told.outgoing_cltv_value), (AMOUNT, new.cltv_expiry));
    assert_eq!(told.payment_data, Some(PaymentData { payment_secret: SECRET, total_msat: AMOUNT }));
    assert_eq!(payment.in_flight(), (AMOUNT, Msat::ZERO));
}

// BOLT 4.payload-format.17
// BOLT 4.payload-format.18
// BOLT 4.basic-multi-part-payments.11
// BOLT 11.payer-payee-requirements.3
// BOLT 2.cltv_expiry_delta-selection.2
#[test]
fn a_route_hint_is_paid_for_and_given_time_hop_by_hop() {
    let mut second = hop(3, 33);
    (second.fee_base_msat, second.fee_proportional_millionths) = (500, 2_000);
    second.cltv_expiry_delta = CltvDelta(40);
    let mut draft = draft(Some(AMOUNT), vec![vec![hop(2, 22), second]]);
    draft.features =
        Features::empty().with_required(Feature::VarOnionOptin).with_required(Feature::PaymentSecret);
    let (payment, offers) = start(request(finish(&draft)), &[own(1, 2, sat(5_000))]).expect("there is a way");
    let new = &offers[0].1;
    // 500 and 2000 millionths of the amount; then 1000 and 100 millionths of the sum.
    let at_second = Msat(AMOUNT.0 + 2_500);
    let at_first = Msat(at_second.0 + 1_100);
    let expiry = TIP.0 + 27;
    assert_eq!((new.amount, new.cltv_expiry), (at_first, CltvExpiry(expiry + 40 + 80)));
    assert_eq!(payment.in_flight(), (AMOUNT, Msat(3_600)));

    let (told, next) = forward_of(2, new);
    let expected = ForwardPayload {
        short_channel_id: ShortChannelId(22),
        amt_to_forward: at_second,
        outgoing_cltv_value: CltvExpiry(expiry + 40),
    };
    assert_eq!(told, expected);
    let (told, next) = forward_of(3, &next);
    let expected = ForwardPayload {
        short_channel_id: ShortChannelId(33),
        amt_to_forward: AMOUNT,
        outgoing_cltv_value: CltvExpiry(expiry),
    };
    assert_eq!(told, expected);
    let told = final_of(PAYEE, &next);
    assert_eq!((told.amt_to_forward, told.total_msat()), (AMOUNT, AMOUNT));
}

// BOLT 4.payload-format.18
// BOLT 4.payload-format.19
// BOLT 4.payload-format.20
// BOLT 4.payload-format.21
// BOLT 4.payload-format.24
#[test]
fn each_hop_is_told_its_part_and_no_more() {
    let mut draft = draft(Some(AMOUNT), vec![vec![hop(2, 22), hop(3, 33)]]);
    draft.payment_metadata = Some(vec![1; 50]);
    let (payment, _) = start(request(finish(&draft)), &[own(1, 2, sat(5_000))]).expect("there is a way");
    let hops = &payment.parts[&0].recipe.hops;
    let told: Vec<Vec<u64>> = hops.iter().map(|hop| types(&hop.payload)).collect();
    assert_eq!(told, [vec![2, 4, 6], vec![2, 4, 6], vec![2, 4, 8, 16]]);
}

// BOLT 4.payload-format.24
// BOLT 4.payload-format.25
#[test]
fn metadata_is_handed_back_with_every_part_at_any_size_that_fits() {
    let mut draft = draft(Some(AMOUNT), vec![]);
    draft.payment_metadata = Some(vec![9; 639]);
    let channels = [own(1, PAYEE, Msat(600_000)), own(2, PAYEE, Msat(600_000))];
    let small_parts = PaymentPolicy { min_part: Msat(1), ..policy() };
    let (_, offers) = begin(request(finish(&draft)), &view(&channels, &small_parts)).expect("there is a way");
    assert_eq!(offers.len(), 2);
    for (_, new) in &offers {
        assert_eq!(final_of(PAYEE, new).payment_metadata, Some(vec![9; 639]));
    }
}

// BOLT 4.payload-format.25
#[test]
fn what_does_not_fit_an_onion_is_refused_before_anything_is_offered() {
    let hint = (20..32u8).map(|n| hop(n, n.into())).collect();
    let mut draft = draft(Some(AMOUNT), vec![hint]);
    draft.payment_metadata = Some(vec![9; 639]);
    let request = PayRequest { max_fee: Some(AMOUNT), ..request(finish(&draft)) };
    let refused = start(request, &[own(1, 20, sat(5_000))]);
    assert!(refused.is_err_and(|words| words.contains("the payloads take")));
}

#[test]
fn of_several_ways_the_cheapest_is_taken() {
    let mut dear = hop(2, 22);
    dear.fee_base_msat = 1_500;
    let hints = vec![vec![dear], vec![hop(3, 33)]];
    let channels = [own(1, 2, sat(5_000)), own(2, 3, sat(5_000)), own(3, 3, sat(6_000))];
    let (_, offers) = pay(AMOUNT, hints.clone(), &channels);
    assert_eq!(offers[0].0, keys(3), "cheap, and the larger of two");
    let direct = [&channels[..], &[own(4, PAYEE, sat(1_000))]].concat();
    let (_, offers) = pay(AMOUNT, hints, &direct);
    assert_eq!((offers[0].0, offers[0].1.amount), (keys(4), AMOUNT));
}

#[test]
fn a_way_that_takes_too_long_gives_way_to_a_dearer_one() {
    let mut slow = hop(2, 22);
    slow.cltv_expiry_delta = CltvDelta(2_016);
    slow.fee_base_msat = 0;
    let channels = [own(1, 2, sat(5_000)), own(2, 3, sat(5_000))];
    let (_, offers) = pay(AMOUNT, vec![vec![slow], vec![hop(3, 33)]], &channels);
    assert_eq!(offers[0].0, keys(2));
}

#[test]
fn a_peer_in_the_middle_of_a_route_hint_is_where_the_way_begins() {
    let hints = vec![vec![hop(2, 22), hop(3, 33)]];
    let (_, offers) = pay(AMOUNT, hints.clone(), &[own(1, 3, sat(5_000))]);
    assert_eq!(offers[0].1.amount, Msat(1_001_100));
    // Also where that is because the first node is this one.
    let through_us = vec![vec![hop(crate::support::PAYER, 11), hop(3, 33)]];
    let (_, offers) = pay(AMOUNT, through_us, &[own(1, 3, sat(5_000))]);
    assert_eq!(offers[0].1.amount, Msat(1_001_100));
}

// BOLT 4.basic-multi-part-payments.2
// BOLT 4.basic-multi-part-payments.3
// BOLT 4.basic-multi-part-payments.4
// BOLT 4.basic-multi-part-payments.6
// BOLT 4.basic-multi-part-payments.8
// BOLT 4.basic-multi-part-payments.9
#[test]
fn what_no_channel_carries_alone_is_split_over_several() {
    let channels =
        [own(1, PAYEE, sat(4_000)), own(2, PAYEE, sat(7_000)), own(3, 2, sat(9_000)), own(4, 3, sat(50_000))];
    let (payment, offers) = pay(sat(15_000), vec![vec![hop(2, 22)]], &channels);
    assert_eq!(offers.len(), 2, "as few as possible: {offers:?}");
    let mut arriving = Msat::ZERO;
    let mut keys_seen = BTreeSet::new();
    for (channel, new) in &offers {
        let (told, peer) = if *channel == keys(3) {
            let (_, next) = forward_of(2, new);
            (final_of(PAYEE, &next), 2)
        } else {
            (final_of(PAYEE, new), PAYEE)
        };
        let own = channels.iter().find(|c| c.keys == *channel).expect("ours");
        assert_eq!(own.peer, node(peer));
        assert!(new.amount <= own.sendable);
        assert_eq!((new.payment_hash, told.total_msat()), (hash(), sat(15_000)));
        arriving = arriving.saturating_add(told.amt_to_forward);
        let OnionSource::Recipe(recipe) = &new.onion else { panic!("ours") };
        assert!(SecretKey::from_slice(&recipe.session_key).is_ok());
        keys_seen.insert(recipe.session_key);
    }
    assert_eq!(arriving, sat(15_000));
    assert_eq!(keys_seen.len(), 2, "a session key of its own for each part");
    assert_eq!(payment.parts.len(), 2);
}

// BOLT 4.basic-multi-part-payments.7
#[test]
fn an_open_amount_is_what_the_user_wishes_to_pay() {
    let mut request = request(finish(&draft(None, vec![])));
    request.amount = Some(sat(123));
    let (_, offers) = start(request, &[own(1, PAYEE, sat(5_000))]).expect("there is a way");
    assert_eq!(final_of(PAYEE, &offers[0].1).total_msat(), sat(123));
}

#[test]
fn no_part_is_left_too_small_to_be_worth_it() {
    // 9,999 and 2 would leave a part of one satoshi.
    let channels = [own(1, PAYEE, sat(9_999)), own(2, PAYEE, sat(5_000))];
    let (payment, _) = pay(sat(10_000), vec![], &channels);
    let amounts: Vec<Msat> = payment.parts.values().map(|part| part.amount).collect();
    assert_eq!(amounts, [sat(9_000), sat(1_000)]);
}

#[test]
fn dear_large_parts_give_way_to_cheap_small_ones_when_the_fee_is_limited() {
    let mut dear = hop(2, 22);
    dear.fee_proportional_millionths = 50_000;
    let channels = [
        own(1, 2, sat(9_000)),
        own(2, PAYEE, sat(4_000)),
        own(3, PAYEE, sat(4_000)),
        own(4, PAYEE, sat(4_000)),
    ];
    let mut request = request(finish(&draft(Some(sat(12_000)), vec![vec![dear]])));
    request.max_fee = Some(Msat::ZERO);
    let (payment, _) = start(request, &channels).expect("there is a way");
    assert_eq!((payment.parts.len(), payment.in_flight()), (3, (sat(12_000), Msat::ZERO)));
}

#[test]
fn the_shadow_is_at_most_what_the_policy_says_and_the_same_for_the_same_seed() {
    let policy = PaymentPolicy { max_shadow_blocks: 5, ..PaymentPolicy::default() };
    let mut seen = BTreeSet::new();
    for seed in 0..64 {
        let request =
            PayRequest { session_key_seed: [seed; 32], ..request(finish(&draft(Some(AMOUNT), vec![]))) };
        let start = || begin(request.clone(), &view(&[own(1, PAYEE, sat(5_000))], &policy));
        let (_, offers) = start().expect("there is a way");
        assert_eq!(start().expect("there is a way").1, offers);
        seen.insert(offers[0].1.cltv_expiry.0 - TIP.0 - 27);
    }
    assert_eq!(seen, BTreeSet::from([0, 1, 2, 3, 4, 5]));
}

#[test]
fn the_shadow_never_makes_a_payment_last_longer_than_allowed() {
    let policy = PaymentPolicy { max_expiry_blocks: 30, ..PaymentPolicy::default() };
    for seed in 0..64 {
        let request =
            PayRequest { session_key_seed: [seed; 32], ..request(finish(&draft(Some(AMOUNT), vec![]))) };
        let (_, offers) =
            begin(request, &view(&[own(1, PAYEE, sat(5_000))], &policy)).expect("there is a way");
        assert!((27..=30).contains(&offers[0].1.cltv_expiry.blocks_left(TIP)));
    }
}

#[test]
fn a_payment_knows_when_it_began_and_until_when_it_tries() {
    let (payment, _) = pay(AMOUNT, vec![], &[own(1, PAYEE, sat(5_000))]);
    assert_eq!((payment.started_at, payment.retry_until), (NOW, NOW.plus(60_000)));
    assert_eq!(payment.destination.key(), key(PAYEE).public_key(&Secp256k1::new()));
    let mut long = request(finish(&draft(Some(AMOUNT), vec![])));
    long.retry_secs = Some(u64::MAX);
    let (payment, _) = start(long, &[own(1, PAYEE, sat(5_000))]).expect("there is a way");
    assert_eq!(payment.retry_until, NOW.plus(3_600_000), "not beyond the life of the invoice");
}
