//! Payments without an invoice, which bring their preimage along (bLIP 3).

use crate::support::{
    NOW, PREIMAGE, TIP, draft, final_payload, finish, incoming, keys, open_invoice, peeled_final,
};
use astrape_onion::{Failure, FinalPayload};
use astrape_payment::receive::MAX_CUSTOM_BYTES;
use astrape_payment::{OpenInvoice, Part, PaymentPolicy, Receipt, receive};
use astrape_primitives::{CltvExpiry, HtlcId, Msat, PaymentPreimage};
use std::collections::BTreeMap;

const AMOUNT: Msat = Msat(1_000_000);
const EXPIRY: u32 = TIP.0 + 18;

fn payload() -> FinalPayload {
    FinalPayload {
        keysend_preimage: Some(PREIMAGE),
        payment_data: None,
        ..final_payload(AMOUNT, AMOUNT, EXPIRY)
    }
}

fn take(
    payload: &FinalPayload,
    arrives: (Msat, u32),
    invoice: Option<&OpenInvoice>,
    policy: &PaymentPolicy,
) -> Receipt {
    take_while(true, payload, arrives, invoice, policy)
}

fn take_while(
    fresh: bool,
    payload: &FinalPayload,
    arrives: (Msat, u32),
    invoice: Option<&OpenInvoice>,
    policy: &PaymentPolicy,
) -> Receipt {
    let (amount, expiry) = arrives;
    let htlc = incoming(0, amount, expiry, peeled_final(payload.clone()));
    let (channel, cltv_expiry) = (keys(1), CltvExpiry(expiry));
    let part = Part { channel, id: HtlcId(0), amount, cltv_expiry, at: NOW };
    receive(part, payload, &htlc, invoice, None, NOW, fresh, TIP, policy)
}

fn unknown() -> Receipt {
    Receipt::Reject(Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: AMOUNT, height: TIP })
}

#[test]
fn a_payment_that_brings_its_preimage_is_taken_with_what_applications_say() {
    let custom_records = BTreeMap::from([(65_537, vec![1, 2, 3]), (7_629_169, b"hello".to_vec())]);
    let payload = FinalPayload { custom_records: custom_records.clone(), ..payload() };
    let receipt = take(&payload, (AMOUNT, EXPIRY), None, &PaymentPolicy::default());
    let Receipt::Complete { parts, preimage, amount, custom_records: kept } = receipt else {
        panic!("{receipt:?}");
    };
    assert_eq!((parts.len(), preimage, amount, kept), (1, PREIMAGE, AMOUNT, custom_records));
}

// attack 4
#[test]
fn a_preimage_of_another_hash_takes_nothing() {
    let payload = FinalPayload { keysend_preimage: Some(PaymentPreimage([1; 32])), ..payload() };
    assert_eq!(take(&payload, (AMOUNT, EXPIRY), None, &PaymentPolicy::default()), unknown());
}

#[test]
fn where_it_is_switched_off_a_payment_without_invoice_is_unknown() {
    let policy = PaymentPolicy { accept_keysend: false, ..Default::default() };
    assert_eq!(take(&payload(), (AMOUNT, EXPIRY), None, &policy), unknown());
}

// attack 43
#[test]
fn a_payment_without_invoice_is_not_taken_while_the_chain_that_we_see_may_be_old() {
    let receipt = take_while(false, &payload(), (AMOUNT, EXPIRY), None, &PaymentPolicy::default());
    assert_eq!(receipt, Receipt::Reject(Failure::TemporaryNodeFailure));
}

// attack 4
#[test]
fn the_hash_of_an_invoice_is_paid_as_the_invoice_asks_or_not_at_all() {
    let invoice = open_invoice(&finish(&draft(Some(Msat(2 * AMOUNT.0)), vec![])));
    let receipt = take(&payload(), (AMOUNT, EXPIRY + 100), Some(&invoice), &PaymentPolicy::default());
    assert_eq!(receipt, unknown());
}

#[test]
fn a_payment_without_invoice_comes_in_one_part() {
    let part = FinalPayload {
        keysend_preimage: Some(PREIMAGE),
        ..final_payload(AMOUNT, Msat(AMOUNT.0 + 1), EXPIRY)
    };
    assert_eq!(take(&part, (AMOUNT, EXPIRY), None, &PaymentPolicy::default()), unknown());
    let whole = FinalPayload { keysend_preimage: Some(PREIMAGE), ..final_payload(AMOUNT, AMOUNT, EXPIRY) };
    let receipt = take(&whole, (AMOUNT, EXPIRY), None, &PaymentPolicy::default());
    assert!(matches!(receipt, Receipt::Complete { .. }), "{receipt:?}");
}

// BOLT 2.cltv_expiry_delta-selection.6
#[test]
fn a_payment_without_invoice_that_is_about_to_expire_is_not_taken() {
    let payload = FinalPayload { outgoing_cltv_value: CltvExpiry(EXPIRY - 1), ..payload() };
    assert_eq!(take(&payload, (AMOUNT, EXPIRY - 1), None, &PaymentPolicy::default()), unknown());
}

// BOLT 4.payload-format.55
// BOLT 4.payload-format.56
#[test]
fn a_payment_without_invoice_that_was_cut_short_on_its_way_is_not_taken() {
    let policy = PaymentPolicy::default();
    let less = Msat(AMOUNT.0 - 1);
    let failure = Failure::FinalIncorrectHtlcAmount { incoming_htlc_amt: less };
    assert_eq!(take(&payload(), (less, EXPIRY), None, &policy), Receipt::Reject(failure));
    let longer = FinalPayload { outgoing_cltv_value: CltvExpiry(EXPIRY + 1), ..payload() };
    let failure = Failure::FinalIncorrectCltvExpiry { cltv_expiry: CltvExpiry(EXPIRY) };
    assert_eq!(take(&longer, (AMOUNT, EXPIRY), None, &policy), Receipt::Reject(failure));
}

#[test]
fn of_custom_records_so_many_bytes_are_kept_and_no_more() {
    let records =
        BTreeMap::from([(65_537, vec![0; MAX_CUSTOM_BYTES - 1]), (65_539, vec![1]), (65_541, vec![2])]);
    let payload = FinalPayload { custom_records: records, ..payload() };
    let receipt = take(&payload, (AMOUNT, EXPIRY), None, &PaymentPolicy::default());
    let Receipt::Complete { custom_records, .. } = receipt else { panic!("{receipt:?}") };
    assert_eq!(custom_records.keys().copied().collect::<Vec<_>>(), [65_537, 65_539]);
}
