//! Payments that wait for the owner of their invoice, and are given back before anyone would have to go on chain.

use crate::support::{
    NOW, PREIMAGE, TIP, draft, final_payload, finish, incoming, keys, open_invoice, peeled_final,
};
use astrape_onion::Failure;
use astrape_payment::policy::{FULFIL_DEADLINE_BLOCKS, MAX_HOLD_BLOCKS, SETTLE_MARGIN_BLOCKS};
use astrape_payment::{OpenInvoice, Part, PaymentPolicy, Receipt, Receiving, receive};
use astrape_primitives::{CltvDelta, CltvExpiry, Height, HtlcId, Msat};

const TOTAL: Msat = Msat(1_000_000);
/// When held payments that expire at `EXPIRY` are given back.
const EXPIRY: u32 = TIP.0 + 200;
const GIVEN_BACK: Height = Height(EXPIRY - 24);

fn held(change: impl FnOnce(&mut OpenInvoice)) -> OpenInvoice {
    let mut invoice = open_invoice(&finish(&draft(Some(TOTAL), vec![])));
    invoice.hold = true;
    invoice.preimage = None;
    change(&mut invoice);
    invoice
}

fn take(id: u64, amount: Msat, invoice: &OpenInvoice, set: Option<&Receiving>, tip: Height) -> Receipt {
    let payload = final_payload(amount, TOTAL, EXPIRY);
    let htlc = incoming(id, amount, EXPIRY, peeled_final(payload.clone()));
    let (channel, cltv_expiry) = (keys(1), CltvExpiry(EXPIRY));
    let part = Part { channel, id: HtlcId(id), amount, cltv_expiry, at: NOW };
    receive(part, &payload, &htlc, Some(invoice), set, NOW, true, tip, &PaymentPolicy::default())
}

fn whole(invoice: &OpenInvoice, tip: Height) -> Receiving {
    match take(0, TOTAL, invoice, None, tip) {
        Receipt::Held(set) => set,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_payment_of_a_hold_invoice_waits_whole_with_and_without_a_known_preimage() {
    for preimage in [None, Some(PREIMAGE)] {
        let invoice = held(|i| i.preimage = preimage);
        let set = whole(&invoice, TIP);
        assert_eq!((set.amount(), set.held_since, set.parts.len()), (TOTAL, Some(NOW), 1));
    }
}

#[test]
fn parts_of_a_hold_invoice_are_held_once_all_are_there_and_not_before() {
    let invoice = held(|_| {});
    let Receipt::Hold(set) = take(0, Msat(400_000), &invoice, None, TIP) else { panic!("parts are missing") };
    assert_eq!(set.held_since, None);
    let Receipt::Held(set) = take(1, Msat(600_000), &invoice, Some(&set), TIP) else {
        panic!("now it is all")
    };
    assert_eq!((set.amount(), set.parts.len()), (TOTAL, 2));
}

// attack 32
#[test]
fn what_is_held_does_not_time_out_as_missing_parts_do_but_is_given_back_before_its_expiry() {
    let policy = PaymentPolicy::default();
    let set = whole(&held(|_| {}), TIP);
    assert_eq!(set.timed_out(NOW.plus(86_400_000), &policy), None);
    assert_eq!(set.given_back_at(&policy), Some(GIVEN_BACK));
    assert!(!set.is_given_back(Height(GIVEN_BACK.0 - 1), &policy));
    assert!(set.is_given_back(GIVEN_BACK, &policy));
    // There is still the margin to settle what was asked for a moment before, and to take the failure off the channel.
    let margin = u32::from(SETTLE_MARGIN_BLOCKS);
    assert!(set.is_in_time(GIVEN_BACK.plus(margin), &policy));
    assert!(!set.is_in_time(GIVEN_BACK.plus(margin + 1), &policy));
    assert_eq!(EXPIRY - GIVEN_BACK.0, u32::from(FULFIL_DEADLINE_BLOCKS) + margin);
}

#[test]
fn parts_that_are_not_whole_are_never_given_back_as_held() {
    let Receipt::Hold(set) = take(0, Msat(1), &held(|_| {}), None, TIP) else { panic!("parts are missing") };
    assert!(!set.is_given_back(Height(EXPIRY), &PaymentPolicy::default()));
}

// attack 32
#[test]
fn a_payment_that_would_be_given_back_at_once_is_not_held() {
    let invoice = held(|i| i.min_final_cltv_expiry_delta = CltvDelta(0));
    whole(&invoice, Height(GIVEN_BACK.0 - 1));
    assert!(matches!(take(0, TOTAL, &invoice, None, GIVEN_BACK), Receipt::RejectSet { .. }));
}

#[test]
fn one_more_part_than_is_asked_for_is_not_taken() {
    let invoice = held(|_| {});
    let set = whole(&invoice, TIP);
    let unknown = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: Msat(5), height: TIP };
    assert_eq!(take(1, Msat(5), &invoice, Some(&set), TIP), Receipt::Reject(unknown));
    assert_eq!(take(0, TOTAL, &invoice, Some(&set), TIP), Receipt::Hold(set), "but the same twice is one");
}

// attack 4
#[test]
fn a_cancelled_invoice_is_answered_as_one_that_never_was() {
    let never = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: TOTAL, height: TIP };
    let invoice = held(|i| i.canceled = true);
    assert_eq!(take(0, TOTAL, &invoice, None, TIP), Receipt::Reject(never));
}

#[test]
fn a_hold_invoice_asks_for_the_blocks_that_it_is_to_be_held_and_a_margin() {
    let policy = PaymentPolicy::default();
    assert_eq!(policy.hold_cltv_expiry_delta(0), CltvDelta(30));
    assert_eq!(policy.hold_cltv_expiry_delta(144), CltvDelta(174));
    let most = policy.hold_cltv_expiry_delta(u16::MAX);
    assert_eq!(most, policy.hold_cltv_expiry_delta(MAX_HOLD_BLOCKS));
    assert!(u32::from(most.0) < policy.max_expiry_blocks, "and no more than others would pass on");
}
