//! A preimage is given for the right secret, amount and time, and for nothing else.

use crate::support::{
    NOW, PREIMAGE, SECRET, TIP, draft, final_payload, finish, forward, hash, incoming, keys, open_invoice,
    packet, peeled_final, peeled_forward, sat,
};
use astrape_channel::{Htlc, OnionSource};
use astrape_onion::failure::code;
use astrape_onion::{Failure, FinalPayload, PaymentData};
use astrape_payment::{
    ForwardPolicy, InboundFee, OpenInvoice, Part, PaymentPolicy, Receipt, Receiving, RelayTarget, receive,
    relay,
};
use astrape_primitives::{CltvDelta, CltvExpiry, HtlcId, Msat, PaymentSecret, Timestamp};
use proptest::prelude::*;

const AMOUNT: Msat = Msat(1_000_000);
/// The least that the invoice asks for.
const EXPIRY: u32 = TIP.0 + 24;

/// A payment that is just good enough; each test breaks one thing.
struct Case {
    incoming: Htlc,
    payload: FinalPayload,
    invoice: Option<OpenInvoice>,
    set: Option<Receiving>,
    now: Timestamp,
    fresh: bool,
}

impl Case {
    fn good() -> Self {
        let payload = final_payload(AMOUNT, AMOUNT, EXPIRY);
        Self {
            incoming: incoming(0, AMOUNT, EXPIRY, peeled_final(payload.clone())),
            payload,
            invoice: Some(open_invoice(&finish(&draft(Some(AMOUNT), vec![])))),
            set: None,
            now: NOW,
            fresh: true,
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut case = Self::good();
        change(&mut case);
        case
    }

    fn invoice(&mut self) -> &mut OpenInvoice {
        self.invoice.as_mut().expect("a good case has one")
    }

    fn data(&mut self) -> &mut PaymentData {
        self.payload.payment_data.as_mut().expect("a good case has it")
    }

    fn decide(&self) -> Receipt {
        receive(
            part(&self.incoming, self.now),
            &self.payload,
            &self.incoming,
            self.invoice.as_ref(),
            self.set.as_ref(),
            self.now,
            self.fresh,
            TIP,
            &PaymentPolicy::default(),
        )
    }
}

fn part(incoming: &Htlc, at: Timestamp) -> Part {
    let Htlc { id, amount, cltv_expiry, .. } = *incoming;
    Part { channel: keys(1), id, amount, cltv_expiry, at }
}

/// The one answer to whoever does not know the invoice.
fn unknown(htlc_msat: Msat) -> Receipt {
    Receipt::Reject(Failure::IncorrectOrUnknownPaymentDetails { htlc_msat, height: TIP })
}

fn is_complete(receipt: &Receipt) -> bool {
    matches!(receipt, Receipt::Complete { .. })
}

// BOLT 4.basic-multi-part-payments.17
#[test]
fn a_payment_for_an_open_invoice_completes_it() {
    let case = Case::good();
    let parts = vec![part(&case.incoming, NOW)];
    let custom_records = Default::default();
    let complete = Receipt::Complete { parts, preimage: PREIMAGE, amount: AMOUNT, custom_records };
    assert_eq!(case.decide(), complete);
}

// attack 43
// attack 4
#[test]
fn nothing_is_taken_nor_said_of_an_invoice_while_the_chain_that_we_see_may_be_old() {
    let known = Case::with(|c| c.fresh = false);
    let unknown_hash = Case::with(|c| (c.fresh, c.invoice) = (false, None));
    for case in [known, unknown_hash] {
        assert_eq!(case.decide(), Receipt::Reject(Failure::TemporaryNodeFailure));
    }
}

// BOLT 4.failure-messages.33
// BOLT 4.failure-messages.34
// BOLT 4.failure-messages.35
// BOLT 4.failure-messages.36
// BOLT 4.failure-messages.37
// BOLT 4.failure-messages.38
// BOLT 4.basic-multi-part-payments.12
// BOLT 4.basic-multi-part-payments.13
// BOLT 4.basic-multi-part-payments.22
// attack 4
#[test]
fn whoever_does_not_know_the_invoice_gets_one_answer_to_everything() {
    let unknown_hash = Case::with(|c| c.invoice = None);
    let wrong_secret = Case::with(|c| c.data().payment_secret = PaymentSecret([1; 32]));
    let no_secret = Case::with(|c| c.payload.payment_data = None);
    let too_little = Case::with(|c| c.data().total_msat = Msat(AMOUNT.0 - 1));
    let expired = Case::with(|c| c.now = c.invoice().expires_at.plus(1));
    let other_metadata = Case::with(|c| c.invoice().metadata = Some(vec![1]));
    for case in [unknown_hash, wrong_secret, no_secret, too_little, expired, other_metadata] {
        assert_eq!(case.decide(), unknown(AMOUNT));
    }
}

// BOLT 4.basic-multi-part-payments.18
// attack 4
#[test]
fn a_probe_with_a_small_htlc_and_the_right_hash_learns_nothing() {
    for total in [Msat(1), Msat(AMOUNT.0 - 1)] {
        let case = Case::with(|c| {
            c.incoming.amount = Msat(1);
            c.payload = final_payload(Msat(1), total, EXPIRY);
        });
        assert_eq!(case.decide(), unknown(Msat(1)));
    }
}

// BOLT 4.failure-messages.35
// BOLT 4.failure-messages.39
// BOLT 4.failure-messages.40
#[test]
fn up_to_twice_the_amount_is_taken() {
    let paying = |amount: Msat| {
        Case::with(|c| {
            c.incoming.amount = amount;
            c.payload = final_payload(amount, amount, EXPIRY);
        })
        .decide()
    };
    assert!(is_complete(&paying(AMOUNT)));
    assert!(is_complete(&paying(Msat(2 * AMOUNT.0))));
    assert_eq!(paying(Msat(2 * AMOUNT.0 + 1)), unknown(Msat(2 * AMOUNT.0 + 1)));
    assert_eq!(paying(Msat(AMOUNT.0 - 1)), unknown(Msat(AMOUNT.0 - 1)));
}

#[test]
fn an_invoice_that_leaves_the_amount_open_takes_any() {
    for amount in [Msat(1), sat(100_000_000)] {
        let case = Case::with(|c| {
            c.invoice().amount = None;
            c.incoming.amount = amount;
            c.payload = final_payload(amount, amount, EXPIRY);
        });
        assert!(is_complete(&case.decide()), "{amount}");
    }
}

// BOLT 11.payer-payee-requirements.6
#[test]
fn an_invoice_is_paid_in_its_last_millisecond_and_not_after() {
    let at = |late: u64| Case::with(|c| c.now = c.invoice().expires_at.plus(late)).decide();
    assert!(is_complete(&at(0)));
    assert_eq!(at(1), unknown(AMOUNT));
}

// BOLT 4.failure-messages.42
// BOLT 4.failure-messages.43
// BOLT 4.payload-format.57
#[test]
fn an_htlc_may_have_lost_some_blocks_on_its_way_of_what_the_invoice_asks_and_no_more() {
    let at = |expiry: u32, asked: u16| {
        Case::with(|c| {
            c.invoice().min_final_cltv_expiry_delta = CltvDelta(asked);
            c.incoming.cltv_expiry = CltvExpiry(expiry);
            c.payload.outgoing_cltv_value = CltvExpiry(expiry);
        })
        .decide()
    };
    for asked in [24, 174] {
        let least = TIP.0 + u32::from(asked) - 6;
        assert!(is_complete(&at(least, asked)));
        assert_eq!(at(least - 1, asked), unknown(AMOUNT));
        assert_eq!(at(0, asked), unknown(AMOUNT));
    }
}

// BOLT 2.cltv_expiry_delta-selection.5
// BOLT 2.cltv_expiry_delta-selection.6
#[test]
fn an_htlc_past_its_deadline_is_not_fulfilled_however_little_the_invoice_asks() {
    let at = |expiry: u32| {
        Case::with(|c| {
            c.invoice().min_final_cltv_expiry_delta = CltvDelta(0);
            c.incoming.cltv_expiry = CltvExpiry(expiry);
            c.payload.outgoing_cltv_value = CltvExpiry(expiry);
        })
        .decide()
    };
    assert!(is_complete(&at(TIP.0 + 18)));
    assert_eq!(at(TIP.0 + 17), unknown(AMOUNT));
}

// BOLT 4.failure-messages.44
// BOLT 4.payload-format.56
#[test]
fn an_htlc_that_expires_before_what_the_sender_wrote_was_cut_short() {
    let case = Case::with(|c| c.payload.outgoing_cltv_value = CltvExpiry(EXPIRY + 1));
    let failure = Failure::FinalIncorrectCltvExpiry { cltv_expiry: CltvExpiry(EXPIRY) };
    assert_eq!(case.decide(), Receipt::Reject(failure));
}

// BOLT 4.failure-messages.45
// BOLT 4.payload-format.55
#[test]
fn an_htlc_that_brings_less_than_the_sender_wrote_was_cut_short() {
    let case = Case::with(|c| c.incoming.amount = Msat(AMOUNT.0 - 1));
    let failure = Failure::FinalIncorrectHtlcAmount { incoming_htlc_amt: Msat(AMOUNT.0 - 1) };
    assert_eq!(case.decide(), Receipt::Reject(failure));
}

#[test]
fn what_a_hop_passes_on_beyond_what_it_must_is_kept() {
    let case = Case::with(|c| c.incoming.amount = Msat(AMOUNT.0 + 7));
    let Receipt::Complete { amount, .. } = case.decide() else { panic!("complete") };
    assert_eq!(amount, Msat(AMOUNT.0 + 7));
}

#[test]
fn the_metadata_of_the_invoice_is_handed_back() {
    let handing = |metadata: Option<Vec<u8>>| {
        Case::with(|c| {
            c.invoice().metadata = Some(vec![1, 2]);
            c.payload.payment_metadata = metadata;
        })
        .decide()
    };
    assert!(is_complete(&handing(Some(vec![1, 2]))));
    assert_eq!(handing(Some(vec![1, 3])), unknown(AMOUNT));
    assert_eq!(handing(None), unknown(AMOUNT));
}

// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.1
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.2
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.3
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.4
// attack 38
#[test]
fn no_preimage_is_given_for_dust_over_the_bound() {
    let case = Case::with(|c| c.incoming.over_dust_exposure = true);
    assert_eq!(case.decide(), Receipt::Reject(Failure::TemporaryNodeFailure));
}

// attack 3
// BOLT 5.htlc-output-handling-local-commitment-remote-offers.2
#[test]
fn an_htlc_that_asks_to_be_passed_on_is_passed_on_even_with_the_hash_of_an_invoice_of_ours() {
    let payload = forward(AMOUNT, TIP.0 + 40);
    let probe = incoming(0, Msat(AMOUNT.0 + 1_100), TIP.0 + 120, peeled_forward(payload));
    assert_eq!(probe.payment_hash, hash(), "that of the open invoice");
    let (forward, policy) = (ForwardPolicy::default(), PaymentPolicy::default());
    let (policies, inbound) = (&[forward][..], &[InboundFee::default()][..]);
    let target = RelayTarget { keys: keys(2), policies, inbound, usable: Ok(()) };
    let passed_on = relay(&probe, keys(1), &payload, &packet(), Some(target), true, TIP, &policy);
    let (_, new) = passed_on.expect("it pays");
    assert_eq!((new.payment_hash, new.amount), (hash(), AMOUNT));
    assert_eq!(new.onion, OnionSource::Packet(packet()));
    let unpaid = RelayTarget { usable: Err("the peer is away"), ..target };
    let failed = relay(&probe, keys(1), &payload, &packet(), Some(unpaid), true, TIP, &policy);
    assert_eq!(failed, Err(Failure::TemporaryChannelFailure), "and not settled by us");
}

/// What a final node may answer.
const FINAL_CODES: [u16; 5] = [
    code::TEMPORARY_NODE_FAILURE,
    code::INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS,
    code::FINAL_INCORRECT_CLTV_EXPIRY,
    code::FINAL_INCORRECT_HTLC_AMOUNT,
    code::MPP_TIMEOUT,
];

proptest! {
    // BOLT 4.failure-messages.16
    // BOLT 4.failure-messages.17
    // BOLT 4.failure-messages.18
    // BOLT 4.failure-messages.19
    // BOLT 4.failure-messages.20
    // BOLT 4.failure-messages.21
    // BOLT 4.failure-messages.22
    // BOLT 4.failure-messages.23
    // BOLT 4.failure-messages.24
    // BOLT 4.failure-messages.25
    // BOLT 4.failure-messages.26
    // BOLT 4.failure-messages.27
    // BOLT 4.failure-messages.28
    // BOLT 4.failure-messages.29
    // BOLT 4.failure-messages.30
    // BOLT 4.payload-format.55
    // BOLT 4.payload-format.56
    // BOLT 4.payload-format.57
    // attack 4
    #[test]
    fn a_preimage_leaves_only_for_a_good_payment_and_no_failure_is_that_of_a_forwarding_node(
        amount in 990_000u64..2_010_000,
        promised in 990_000u64..2_010_000,
        total in 990_000u64..2_010_000,
        expiry in 0u32..60,
        asked_expiry in 0u32..60,
        secret in any::<bool>(),
        known in any::<bool>(),
        dust in any::<bool>(),
        late in 3_500_000u64..3_700_000,
    ) {
        let case = Case::with(|c| {
            c.incoming.amount = Msat(amount);
            c.incoming.cltv_expiry = CltvExpiry(TIP.0 + expiry);
            c.incoming.over_dust_exposure = dust;
            c.payload = final_payload(Msat(promised), Msat(total), TIP.0 + asked_expiry);
            c.data().payment_secret = if secret { SECRET } else { PaymentSecret([0; 32]) };
            c.now = NOW.plus(late);
            c.invoice = c.invoice.take().filter(|_| known);
        });
        let right = secret && known && !dust && late <= 3_600_000;
        let enough = (AMOUNT.0..=2 * AMOUNT.0).contains(&total) && amount >= promised;
        let in_time = expiry >= 18 && expiry >= asked_expiry;
        match case.decide() {
            Receipt::Complete { .. } => prop_assert!(right && enough && in_time && promised >= total),
            Receipt::Hold(_) => prop_assert!(right && enough && in_time && promised < total),
            Receipt::Held(_) => prop_assert!(false, "it is no hold invoice"),
            Receipt::Reject(failure) | Receipt::RejectSet { failure, .. } => {
                prop_assert!(!(right && enough && in_time));
                prop_assert!(FINAL_CODES.contains(&failure.code()), "{}", failure);
            }
        }
    }
}

#[test]
fn an_htlc_that_is_told_of_twice_is_counted_once() {
    let first = Case::with(|c| c.payload = final_payload(Msat(400_000), AMOUNT, EXPIRY));
    let Receipt::Hold(set) = first.decide() else { panic!("parts are missing") };
    let again = Case { set: Some(set.clone()), ..first };
    assert_eq!(again.decide(), Receipt::Hold(set));
    assert_eq!(again.incoming.id, HtlcId(0));
}
