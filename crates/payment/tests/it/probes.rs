//! Probes: what they carry, how they go, and when they have arrived.

use crate::support::{
    PAYEE, SECRET, TIP, begin, draft, failed_by, finish, hash, hop, node, own, request, sat, view,
};
use astrape_invoice::Invoice;
use astrape_onion::Failure;
use astrape_payment::{PayOutput, PayRefusal, PayRequest, Payee, Payment, PaymentPolicy};
use astrape_primitives::{Msat, PaymentHash, PaymentSecret};
use astrape_routing::Outcome;

const AMOUNT: Msat = Msat(1_000_000);
const HASH: PaymentHash = PaymentHash([0xab; 32]);
const PROBE_SECRET: PaymentSecret = PaymentSecret([0xcd; 32]);

fn probe(invoice: Invoice) -> PayRequest {
    let payee = Payee::Probe {
        node: node(PAYEE),
        payment_hash: HASH,
        payment_secret: PROBE_SECRET,
        invoice: Some(Box::new(invoice.clone())),
    };
    PayRequest { payee, ..request(invoice) }
}

fn invoice(amount: Msat) -> Invoice {
    finish(&draft(Some(amount), vec![vec![hop(2, 22)], vec![hop(4, 44)]]))
}

// attack 4
#[test]
fn a_probe_by_an_invoice_carries_neither_its_hash_nor_its_secret() {
    let policy = PaymentPolicy::default();
    let channels = [own(1, 2, sat(5_000))];
    let (payment, offers) = begin(probe(invoice(AMOUNT)), &view(&channels, &policy)).expect("there is a way");
    let [(_, new)] = &offers[..] else { panic!("{offers:?}") };
    assert_eq!((new.payment_hash, payment.payment_hash), (HASH, HASH));
    assert_ne!(hash(), HASH);
    let part = &payment.parts[&0];
    let told: Vec<u8> = part.recipe.hops.iter().flat_map(|hop| hop.payload.clone()).collect();
    let has = |bytes: &[u8]| told.windows(32).any(|window| window == bytes);
    assert!(has(&PROBE_SECRET.0), "it looks as any payment");
    assert!(!has(&SECRET.0) && !has(&hash().0));
}

#[test]
fn a_probe_goes_in_one_part_where_a_payment_would_be_split() {
    let policy = PaymentPolicy::default();
    let channels = [own(1, 2, sat(3_000)), own(2, 4, sat(3_000))];
    let (amount, largest) = (sat(5_000), sat(3_000));
    assert!(
        begin(request(invoice(amount)), &view(&channels, &policy)).is_ok_and(|(_, offers)| offers.len() == 2)
    );
    let refused = Payment::start(probe(invoice(amount)), &view(&channels, &policy)).map(|_| ());
    assert_eq!(refused, Err(PayRefusal::NotEnoughInOne { amount, largest }));
}

#[test]
fn a_probe_has_arrived_when_the_recipient_gives_it_back_and_goes_on_when_a_hop_does() {
    let policy = PaymentPolicy::default();
    let channels = [own(1, 2, sat(5_000)), own(2, 4, sat(5_000))];
    let view = view(&channels, &policy);
    let (payment, _) = begin(probe(invoice(AMOUNT)), &view).expect("there is a way");
    let part = &payment.parts[&0];
    let (next, outputs) = payment.on_failed(0, &failed_by(part, 0, &Failure::TemporaryChannelFailure), &view);
    let again = outputs.iter().filter(|output| matches!(output, PayOutput::Offer(..))).count();
    assert_eq!((again, next.attempts), (1, 2), "by the other hint: {outputs:?}");
    let (number, part) = next.parts.first_key_value().expect("it is in flight");
    let unknown = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: AMOUNT, height: TIP };
    let (over, outputs) = next.on_failed(*number, &failed_by(part, 1, &unknown), &view);
    let [PayOutput::Teach(trip), PayOutput::Reached { fee, hops, words, .. }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert!(trip.taught().iter().all(|taught| taught.outcome == Outcome::Passed));
    assert_eq!((*fee, hops.last()), (part.fee, Some(&node(PAYEE))));
    assert!(words.contains("did not take it"), "{words}");
    assert!(over.is_over() && over.preimage.is_none());
}
