//! Where there is no way the user is told why, and what is missing.

use crate::support::{NOW, PAYEE, PAYER, begin, draft, finish, hop, node, own, request, sat, view};
use astrape_invoice::RouteHint;
use astrape_payment::{OwnChannel, PayRefusal, PayRequest, PayView, PaymentPolicy};
use astrape_primitives::{CltvDelta, Feature, Features, Msat, Network, Sat, Timestamp};

const AMOUNT: Msat = Msat(1_000_000);

fn plain() -> PayRequest {
    request(finish(&draft(Some(AMOUNT), vec![])))
}

fn refusal(request: PayRequest, channels: &[OwnChannel]) -> String {
    begin(request, &view(channels, &PaymentPolicy::default())).expect_err("there is no way")
}

fn is_begun(request: PayRequest, channels: &[OwnChannel]) -> bool {
    begin(request, &view(channels, &PaymentPolicy::default())).is_ok()
}

#[test]
fn an_invoice_of_another_network_is_refused() {
    let request = PayRequest { network: Network::Bitcoin, ..plain() };
    let refused = PayRefusal::OtherNetwork { invoice: Network::Regtest, ours: Network::Bitcoin };
    assert_eq!(refusal(request, &[own(1, PAYEE, AMOUNT)]), refused.to_string());
}

#[test]
fn an_invoice_of_ones_own_is_refused() {
    let (channels, policy) = ([own(1, PAYER, AMOUNT)], PaymentPolicy::default());
    let payee = PayView { payer: node(PAYEE), ..view(&channels, &policy) };
    assert_eq!(begin(plain(), &payee), Err(PayRefusal::OwnInvoice.to_string()));
}

// BOLT 11.payer-payee-requirements.1
#[test]
fn an_expired_invoice_is_not_paid() {
    let (channels, policy) = ([own(1, PAYEE, AMOUNT)], PaymentPolicy::default());
    let at = |secs: u64| {
        let now = Timestamp::from_secs(NOW.secs() + secs);
        begin(plain(), &PayView { now, ..view(&channels, &policy) })
    };
    assert!(at(3_600).is_ok());
    assert_eq!(at(3_607), Err(PayRefusal::Expired { secs: 7 }.to_string()));
}

#[test]
fn an_open_amount_has_to_be_given_and_to_be_some() {
    let open = request(finish(&draft(None, vec![])));
    assert_eq!(refusal(open.clone(), &[own(1, PAYEE, AMOUNT)]), PayRefusal::AmountMissing.to_string());
    for amount in [Msat::ZERO, Msat(Sat(21_000_000 * 100_000_000).to_msat().0 + 1)] {
        let request = PayRequest { amount: Some(amount), ..open.clone() };
        assert_eq!(refusal(request, &[own(1, PAYEE, AMOUNT)]), PayRefusal::Amount(amount).to_string());
    }
}

// BOLT 4.basic-multi-part-payments.6
#[test]
fn an_amount_that_is_asked_may_be_doubled_and_no_more() {
    let channels = [own(1, PAYEE, sat(5_000))];
    let paying = |given: Msat| PayRequest { amount: Some(given), ..plain() };
    for given in [AMOUNT, Msat(2 * AMOUNT.0)] {
        let (payment, _) = begin(paying(given), &view(&channels, &PaymentPolicy::default())).expect("enough");
        assert_eq!(payment.amount, given);
    }
    for given in [Msat(AMOUNT.0 - 1), Msat(2 * AMOUNT.0 + 1)] {
        let refused = PayRefusal::OtherAmount { asked: AMOUNT, given };
        assert_eq!(refusal(paying(given), &channels), refused.to_string());
    }
}

#[test]
fn without_a_usable_channel_there_is_nothing_to_pay_with() {
    assert_eq!(refusal(plain(), &[]), PayRefusal::NoChannel.to_string());
}

#[test]
fn where_no_channel_leads_a_useful_one_is_named() {
    let channels = [own(1, 5, sat(5_000))];
    let refused = refusal(plain(), &channels);
    let no_way = PayRefusal::NoWay { destination: node(PAYEE), hinted: false, with: node(PAYEE) };
    assert_eq!(refused, no_way.to_string());
    let hinted = request(finish(&draft(Some(AMOUNT), vec![vec![hop(2, 22)]])));
    let refused = refusal(hinted, &channels);
    assert_eq!(
        refused,
        PayRefusal::NoWay { destination: node(PAYEE), hinted: true, with: node(2) }.to_string()
    );
    let words = refused;
    assert!(words.ends_with(&format!("open a channel with {}", node(2))), "{words}");
}

#[test]
fn exactly_how_much_is_missing_is_told() {
    let channels = [own(1, PAYEE, sat(400)), own(2, PAYEE, Msat(300_001))];
    let refused = refusal(plain(), &channels);
    assert_eq!(
        refused,
        PayRefusal::NotEnoughOutbound { amount: AMOUNT, available: Msat(700_001) }.to_string()
    );
    assert!(refused.starts_with("no channel with enough outbound: 300 sat missing"), "{refused}");
    assert!(refused.contains("700.001 sat of 1,000 sat"), "{refused}");
    // Enough in all, and too little where it leads there.
    let channels = [own(1, PAYEE, sat(400)), own(2, PAYEE, Msat(300_001)), own(3, 5, sat(900))];
    let refused = refusal(plain(), &channels);
    assert_eq!(refused, PayRefusal::NotEnough { amount: AMOUNT, available: Msat(700_001) }.to_string());
    assert!(
        refused.contains("700.001 sat of 1,000 sat: 300 sat of outbound balance are missing"),
        "{refused}"
    );
}

#[test]
fn fees_count_as_missing_where_they_do_not_fit() {
    let hinted = request(finish(&draft(Some(AMOUNT), vec![vec![hop(2, 22)]])));
    assert!(is_begun(hinted.clone(), &[own(1, 2, Msat(1_001_100))]));
    let refused = refusal(hinted, &[own(1, 2, Msat(1_001_099))]);
    assert_eq!(refused, PayRefusal::NotEnough { amount: AMOUNT, available: Msat(999_999) }.to_string());
}

// BOLT 4.basic-multi-part-payments.11
#[test]
fn a_recipient_who_takes_one_part_gets_no_two() {
    let mut draft = draft(Some(sat(5_000)), vec![]);
    draft.features =
        Features::empty().with_required(Feature::VarOnionOptin).with_required(Feature::PaymentSecret);
    let channels = [own(1, PAYEE, sat(3_000)), own(2, PAYEE, sat(4_000))];
    let refused = refusal(request(finish(&draft)), &channels);
    assert_eq!(refused, PayRefusal::NotEnoughInOne { amount: sat(5_000), largest: sat(4_000) }.to_string());
    assert!(refused.contains("1,000 sat of outbound balance are missing"), "{refused}");
}

#[test]
fn just_enough_in_all_and_too_little_in_one_is_told_as_too_little_in_one() {
    let mut draft = draft(Some(sat(5_000)), vec![]);
    draft.features =
        Features::empty().with_required(Feature::VarOnionOptin).with_required(Feature::PaymentSecret);
    // A large one that leads elsewhere, and two that come to just as much.
    let channels = [own(1, PAYEE, sat(2_000)), own(2, PAYEE, sat(3_000)), own(3, 5, sat(9_000))];
    let refused = refusal(request(finish(&draft)), &channels);
    assert_eq!(refused, PayRefusal::NotEnoughInOne { amount: sat(5_000), largest: sat(3_000) }.to_string());
}

#[test]
fn more_parts_than_allowed_are_refused() {
    let channels: Vec<OwnChannel> = (0..20).map(|n| own(n, PAYEE, sat(1_000))).collect();
    let request = request(finish(&draft(Some(sat(17_000)), vec![])));
    let refused = refusal(request, &channels);
    assert!(refused.contains("in at most 16 parts"), "{refused}");
}

// BOLT 11.payer-payee-requirements.4
#[test]
fn a_way_that_costs_more_than_allowed_is_refused() {
    let hinted = request(finish(&draft(Some(AMOUNT), vec![vec![hop(2, 22)]])));
    let channels = [own(1, 2, sat(5_000))];
    let paying = |max: u64| PayRequest { max_fee: Some(Msat(max)), ..hinted.clone() };
    assert!(is_begun(paying(1_100), &channels));
    let refused = PayRefusal::FeeTooHigh { fee: Msat(1_100), max: Msat(1_099) };
    assert_eq!(refusal(paying(1_099), &channels), refused.to_string());
}

// BOLT 11.payer-payee-requirements.4
#[test]
fn a_way_that_could_lock_the_money_for_too_long_is_refused() {
    let asking = |blocks: u16| {
        let mut draft = draft(Some(AMOUNT), vec![]);
        draft.min_final_cltv_expiry_delta = CltvDelta(blocks);
        request(finish(&draft))
    };
    let channels = [own(1, PAYEE, sat(5_000))];
    assert!(is_begun(asking(2_013), &channels));
    let refused = PayRefusal::TooLong { blocks: 2_017, most: 2_016 };
    assert_eq!(refusal(asking(2_014), &channels), refused.to_string());
}

#[test]
fn a_hint_that_could_lock_the_money_for_too_long_is_named_as_the_reason() {
    let hinted = |blocks: u16| {
        let slow = RouteHint { cltv_expiry_delta: CltvDelta(blocks), ..hop(2, 22) };
        request(finish(&draft(Some(AMOUNT), vec![vec![slow]])))
    };
    let channels = [own(1, 2, sat(5_000))];
    assert!(is_begun(hinted(1_989), &channels));
    let refused = PayRefusal::TooLong { blocks: 2_017, most: 2_016 };
    assert_eq!(refusal(hinted(1_990), &channels), refused.to_string());
}

#[test]
fn what_is_below_the_minimum_of_every_peer_is_refused() {
    let channels = [OwnChannel { htlc_minimum: Msat(AMOUNT.0 + 1), ..own(1, PAYEE, sat(5_000)) }];
    let refused = PayRefusal::BelowMinimum { amount: AMOUNT, minimum: Msat(AMOUNT.0 + 1) };
    assert_eq!(refusal(plain(), &channels), refused.to_string());
}

#[test]
fn a_channel_is_not_counted_twice_because_two_ways_begin_with_it() {
    let hinted = request(finish(&draft(Some(sat(5_000)), vec![vec![hop(2, 22)], vec![hop(2, 23)]])));
    let refused = refusal(hinted, &[own(1, 2, sat(3_000)), own(2, 5, sat(3_000))]);
    assert!(refused.contains("the channels that lead there can deliver 2,998"), "{refused}");
}
