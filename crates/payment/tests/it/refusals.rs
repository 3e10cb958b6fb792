//! Where there is no way the user is told why, and what is missing.

use crate::support::{NOW, PAYEE, PAYER, TIP, draft, finish, hop, node, own, request, sat};
use astrape_payment::{OwnChannel, PayRefusal, PayRequest, Payment, PaymentPolicy};
use astrape_primitives::{CltvDelta, Feature, Features, Msat, Network, Sat, Timestamp};

const AMOUNT: Msat = Msat(1_000_000);

fn plain() -> PayRequest {
    request(finish(&draft(Some(AMOUNT), vec![])))
}

fn refusal(request: PayRequest, channels: &[OwnChannel]) -> PayRefusal {
    let policy = PaymentPolicy::default();
    Payment::start(request, channels, TIP, &policy).expect_err("there is no way")
}

#[test]
fn an_invoice_of_another_network_is_refused() {
    let request = PayRequest { network: Network::Bitcoin, ..plain() };
    let refused = PayRefusal::OtherNetwork { invoice: Network::Regtest, ours: Network::Bitcoin };
    assert_eq!(refusal(request, &[own(1, PAYEE, AMOUNT)]), refused);
}

#[test]
fn an_invoice_of_ones_own_is_refused() {
    let request = PayRequest { payer: node(PAYEE), ..plain() };
    assert_eq!(refusal(request, &[own(1, PAYER, AMOUNT)]), PayRefusal::OwnInvoice);
}

// BOLT 11.payer-payee-requirements.1
#[test]
fn an_expired_invoice_is_not_paid() {
    let at = |secs: u64| PayRequest { now: Timestamp::from_secs(NOW.secs() + secs), ..plain() };
    assert!(Payment::start(at(3_600), &[own(1, PAYEE, AMOUNT)], TIP, &PaymentPolicy::default()).is_ok());
    assert_eq!(refusal(at(3_607), &[own(1, PAYEE, AMOUNT)]), PayRefusal::Expired { secs: 7 });
}

#[test]
fn an_open_amount_has_to_be_given_and_to_be_some() {
    let open = request(finish(&draft(None, vec![])));
    assert_eq!(refusal(open.clone(), &[own(1, PAYEE, AMOUNT)]), PayRefusal::AmountMissing);
    for amount in [Msat::ZERO, Msat(Sat(21_000_000 * 100_000_000).to_msat().0 + 1)] {
        let request = PayRequest { amount: Some(amount), ..open.clone() };
        assert_eq!(refusal(request, &[own(1, PAYEE, AMOUNT)]), PayRefusal::Amount(amount));
    }
}

// BOLT 4.basic-multi-part-payments.6
#[test]
fn an_amount_that_is_asked_may_be_doubled_and_no_more() {
    let channels = [own(1, PAYEE, sat(5_000))];
    let paying = |given: Msat| PayRequest { amount: Some(given), ..plain() };
    for given in [AMOUNT, Msat(2 * AMOUNT.0)] {
        let (payment, _) =
            Payment::start(paying(given), &channels, TIP, &PaymentPolicy::default()).expect("enough");
        assert_eq!(payment.amount, given);
    }
    for given in [Msat(AMOUNT.0 - 1), Msat(2 * AMOUNT.0 + 1)] {
        let refused = PayRefusal::OtherAmount { asked: AMOUNT, given };
        assert_eq!(refusal(paying(given), &channels), refused);
    }
}

#[test]
fn without_a_usable_channel_there_is_nothing_to_pay_with() {
    assert_eq!(refusal(plain(), &[]), PayRefusal::NoChannel);
}

#[test]
fn where_no_channel_leads_a_useful_one_is_named() {
    let channels = [own(1, 5, sat(5_000))];
    let refused = refusal(plain(), &channels);
    let no_way = PayRefusal::NoWay { destination: node(PAYEE), hinted: false, with: node(PAYEE) };
    assert_eq!(refused, no_way);
    let hinted = request(finish(&draft(Some(AMOUNT), vec![vec![hop(2, 22)]])));
    let refused = refusal(hinted, &channels);
    assert_eq!(refused, PayRefusal::NoWay { destination: node(PAYEE), hinted: true, with: node(2) });
    let words = refused.to_string();
    assert!(words.ends_with(&format!("open a channel with {}", node(2))), "{words}");
}

#[test]
fn exactly_how_much_is_missing_is_told() {
    let channels = [own(1, PAYEE, sat(400)), own(2, PAYEE, Msat(300_001))];
    let refused = refusal(plain(), &channels);
    assert_eq!(refused, PayRefusal::NotEnough { amount: AMOUNT, available: Msat(700_001) });
    let words = refused.to_string();
    assert!(
        words.contains("700,001 msat of 1,000,000 msat: 300 sat of outbound balance are missing"),
        "{words}"
    );
}

#[test]
fn fees_count_as_missing_where_they_do_not_fit() {
    let hinted = request(finish(&draft(Some(AMOUNT), vec![vec![hop(2, 22)]])));
    let policy = PaymentPolicy::default();
    assert!(Payment::start(hinted.clone(), &[own(1, 2, Msat(1_001_100))], TIP, &policy).is_ok());
    let refused = refusal(hinted, &[own(1, 2, Msat(1_001_099))]);
    assert_eq!(refused, PayRefusal::NotEnough { amount: AMOUNT, available: Msat(999_999) });
}

// BOLT 4.basic-multi-part-payments.11
#[test]
fn a_recipient_who_takes_one_part_gets_no_two() {
    let mut draft = draft(Some(sat(5_000)), vec![]);
    draft.features =
        Features::empty().with_required(Feature::VarOnionOptin).with_required(Feature::PaymentSecret);
    let channels = [own(1, PAYEE, sat(3_000)), own(2, PAYEE, sat(4_000))];
    let refused = refusal(request(finish(&draft)), &channels);
    assert_eq!(refused, PayRefusal::NotEnoughInOne { amount: sat(5_000), largest: sat(4_000) });
    assert!(refused.to_string().contains("1,000 sat of outbound balance are missing"), "{refused}");
}

#[test]
fn more_parts_than_allowed_are_refused() {
    let channels: Vec<OwnChannel> = (0..20).map(|n| own(n, PAYEE, sat(1_000))).collect();
    let request = request(finish(&draft(Some(sat(17_000)), vec![])));
    assert!(matches!(refusal(request, &channels), PayRefusal::TooManyParts { most: 16, .. }));
}

// BOLT 11.payer-payee-requirements.4
#[test]
fn a_way_that_costs_more_than_allowed_is_refused() {
    let hinted = request(finish(&draft(Some(AMOUNT), vec![vec![hop(2, 22)]])));
    let channels = [own(1, 2, sat(5_000))];
    let paying = |max: u64| PayRequest { max_fee: Some(Msat(max)), ..hinted.clone() };
    assert!(Payment::start(paying(1_100), &channels, TIP, &PaymentPolicy::default()).is_ok());
    let refused = PayRefusal::FeeTooHigh { fee: Msat(1_100), max: Msat(1_099) };
    assert_eq!(refusal(paying(1_099), &channels), refused);
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
    assert!(Payment::start(asking(2_013), &channels, TIP, &PaymentPolicy::default()).is_ok());
    let refused = PayRefusal::TooLong { blocks: 2_017, most: 2_016 };
    assert_eq!(refusal(asking(2_014), &channels), refused);
}

#[test]
fn what_is_below_the_minimum_of_every_peer_is_refused() {
    let channels = [OwnChannel { htlc_minimum: Msat(AMOUNT.0 + 1), ..own(1, PAYEE, sat(5_000)) }];
    let refused = PayRefusal::BelowMinimum { amount: AMOUNT, minimum: Msat(AMOUNT.0 + 1) };
    assert_eq!(refusal(plain(), &channels), refused);
}

#[test]
fn a_channel_is_not_counted_twice_because_two_ways_begin_with_it() {
    let hinted = request(finish(&draft(Some(sat(5_000)), vec![vec![hop(2, 22)], vec![hop(2, 23)]])));
    let refused = refusal(hinted, &[own(1, 2, sat(3_000))]);
    assert!(
        matches!(refused, PayRefusal::NotEnough { available, .. } if available < sat(3_000)),
        "{refused}"
    );
}
