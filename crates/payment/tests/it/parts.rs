//! Payments that arrive in parts: all or nothing.

use crate::support::{
    NOW, PREIMAGE, TIP, draft, final_payload, finish, hash, incoming, keys, open_invoice, peeled_final,
};
use astrape_onion::Failure;
use astrape_payment::{OpenInvoice, Part, PaymentPolicy, Receipt, Receiving, receive};
use astrape_primitives::{CltvExpiry, Height, HtlcId, Msat, Timestamp};

const TOTAL: Msat = Msat(1_000_000);
const EXPIRY: u32 = TIP.0 + 24;

/// A payee with one invoice.
struct Payee {
    invoice: OpenInvoice,
    set: Option<Receiving>,
    now: Timestamp,
    tip: Height,
}

impl Payee {
    fn new() -> Self {
        let invoice = open_invoice(&finish(&draft(Some(TOTAL), vec![])));
        Self { invoice, set: None, now: NOW, tip: TIP }
    }

    fn part(&self, id: u64, amount: Msat) -> Part {
        Part { channel: keys(1), id: HtlcId(id), amount, cltv_expiry: CltvExpiry(EXPIRY), at: self.now }
    }

    /// One more part comes.
    fn take(&mut self, id: u64, amount: Msat, total: Msat) -> Receipt {
        let payload = final_payload(amount, total, EXPIRY);
        let htlc = incoming(id, amount, EXPIRY, peeled_final(payload.clone()));
        let receipt = receive(
            self.part(id, amount),
            &payload,
            &htlc,
            Some(&self.invoice),
            self.set.as_ref(),
            self.now,
            true,
            self.tip,
            &PaymentPolicy::default(),
        );
        if let Receipt::Hold(set) = &receipt {
            self.set = Some(set.clone());
        }
        receipt
    }
}

// BOLT 4.basic-multi-part-payments.15
// BOLT 4.basic-multi-part-payments.17
// BOLT 4.basic-multi-part-payments.18
// BOLT 4.basic-multi-part-payments.23
#[test]
fn parts_wait_until_all_are_there_and_are_then_all_settled() {
    let mut payee = Payee::new();
    let parts = [(0, Msat(300_000)), (1, Msat(300_000)), (2, Msat(399_999)), (3, Msat(1))];
    for (id, amount) in &parts[..3] {
        assert!(matches!(payee.take(*id, *amount, TOTAL), Receipt::Hold(_)));
    }
    let set = payee.set.clone().expect("it waits");
    assert_eq!((set.payment_hash, set.total, set.promised), (hash(), TOTAL, Msat(999_999)));
    let parts = parts.map(|(id, amount)| payee.part(id, amount)).to_vec();
    let custom_records = Default::default();
    let complete = Receipt::Complete { parts, preimage: PREIMAGE, amount: TOTAL, custom_records };
    assert_eq!(payee.take(3, Msat(1), TOTAL), complete);
}

// BOLT 4.basic-multi-part-payments.18
#[test]
fn what_hops_pass_on_too_much_does_not_complete_a_set() {
    let mut payee = Payee::new();
    let payload = final_payload(Msat(TOTAL.0 - 1), TOTAL, EXPIRY);
    let htlc = incoming(0, TOTAL, EXPIRY, peeled_final(payload.clone()));
    let (part, policy) = (payee.part(0, TOTAL), PaymentPolicy::default());
    let receipt = receive(part, &payload, &htlc, Some(&payee.invoice), None, NOW, true, TIP, &policy);
    let Receipt::Hold(set) = receipt else { panic!("the sender has promised less") };
    payee.set = Some(set);
    let Receipt::Complete { amount, .. } = payee.take(1, Msat(1), TOTAL) else { panic!("now it is all") };
    assert_eq!(amount, Msat(TOTAL.0 + 1));
}

// BOLT 4.basic-multi-part-payments.16
#[test]
fn parts_that_disagree_on_the_total_are_all_failed() {
    let mut payee = Payee::new();
    payee.take(0, Msat(300_000), TOTAL);
    let failure = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: Msat(200_000), height: TIP };
    let parts = vec![payee.part(0, Msat(300_000)), payee.part(1, Msat(200_000))];
    let all = Receipt::RejectSet { parts, failure };
    assert_eq!(payee.take(1, Msat(200_000), Msat(TOTAL.0 + 1)), all);
}

// BOLT 4.basic-multi-part-payments.22
// attack 4
#[test]
fn a_part_without_the_secret_is_failed_and_the_others_go_on_waiting() {
    let mut payee = Payee::new();
    payee.take(0, Msat(300_000), TOTAL);
    let before = payee.set.clone();
    let secret = payee.invoice.payment_secret;
    payee.invoice.payment_secret.0[31] ^= 1;
    assert!(matches!(payee.take(1, Msat(700_000), TOTAL), Receipt::Reject(_)));
    assert_eq!(payee.set, before);
    payee.invoice.payment_secret = secret;
    assert!(matches!(payee.take(1, Msat(700_000), TOTAL), Receipt::Complete { .. }));
}

// BOLT 4.basic-multi-part-payments.19
// BOLT 4.basic-multi-part-payments.20
// BOLT 4.basic-multi-part-payments.21
#[test]
fn parts_wait_for_a_minute_from_the_first_on_and_are_then_failed() {
    let mut payee = Payee::new();
    let policy = PaymentPolicy::default();
    payee.take(0, Msat(300_000), TOTAL);
    payee.now = NOW.plus(59_000);
    payee.take(1, Msat(300_000), TOTAL);
    let set = payee.set.expect("it waits");
    assert_eq!(set.timed_out(NOW.plus(59_999), &policy), None);
    assert_eq!(set.timed_out(NOW.plus(60_000), &policy), Some((set.parts.clone(), Failure::MppTimeout)));
    assert_eq!(set.parts.len(), 2);
}

#[test]
fn parts_of_an_invoice_that_expires_while_they_arrive_are_still_taken() {
    let mut payee = Payee::new();
    payee.take(0, Msat(300_000), TOTAL);
    payee.now = payee.invoice.expires_at.plus(1);
    assert!(matches!(payee.take(1, Msat(700_000), TOTAL), Receipt::Complete { .. }));
}

// BOLT 2.cltv_expiry_delta-selection.6
// BOLT 4.basic-multi-part-payments.23
#[test]
fn a_set_in_which_one_part_waited_beyond_its_deadline_is_failed_as_a_whole() {
    let mut payee = Payee::new();
    payee.take(0, Msat(300_000), TOTAL);
    payee.tip = Height(EXPIRY - 17);
    let payload = final_payload(Msat(700_000), TOTAL, EXPIRY + 100);
    let htlc = incoming(1, Msat(700_000), EXPIRY + 100, peeled_final(payload.clone()));
    let part = Part { cltv_expiry: CltvExpiry(EXPIRY + 100), ..payee.part(1, Msat(700_000)) };
    let receipt = receive(
        part,
        &payload,
        &htlc,
        Some(&payee.invoice),
        payee.set.as_ref(),
        NOW,
        true,
        payee.tip,
        &PaymentPolicy::default(),
    );
    let Receipt::RejectSet { parts, .. } = receipt else { panic!("{receipt:?}") };
    assert_eq!(parts.len(), 2);
}

#[test]
fn a_set_holds_so_many_parts_and_no_more() {
    let mut payee = Payee::new();
    let most = PaymentPolicy::default().max_parts_per_set as u64;
    for id in 0..most {
        assert!(matches!(payee.take(id, Msat(1), TOTAL), Receipt::Hold(_)));
    }
    assert_eq!(payee.take(most, Msat(1), TOTAL), Receipt::Reject(Failure::TemporaryNodeFailure));
}
