//! Payer, two who pass on, and payee: every decision of this crate on real onions, there and back.

use crate::support::{
    NOW, PAYEE, PREIMAGE, TIP, begin, channel_update, draft, finish, hop, keys, open_invoice, own, packet_of,
    peel_as, request, sat, view, where_nothing_is_known,
};
use astrape_channel::htlc::Direction;
use astrape_channel::{Htlc, NewHtlc, Resolution};
use astrape_invoice::Invoice;
use astrape_onion::{Failure, Hop};
use astrape_payment::{
    ForwardPolicy, InboundFee, Part, PayOutput, PaymentPolicy, Receipt, RelayTarget, answer, receive, relay,
};
use astrape_primitives::Msat;

/// What may go wrong on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// This node knows no such channel.
    UnknownAt(u8),
    /// This node asks for a thousand times the fee.
    DearAt(u8),
    /// The payee does not know the invoice.
    UnknownInvoice,
    /// This node changes a byte of the onion that it passes on.
    GarbledBy(u8),
}

/// The HTLC as a node gets it from the one before.
fn arrive(node: u8, new: &NewHtlc) -> Htlc {
    crate::support::incoming(0, new.amount, new.cltv_expiry.0, peel_as(node, &packet_of(new)))
}

/// How the rest of the way answers an HTLC that reaches `nodes[0]`.
fn answered(nodes: &[u8], new: &NewHtlc, invoice: &Invoice, trouble: Trouble) -> Resolution {
    let (node, rest) = nodes.split_first().expect("a way has an end");
    let htlc = arrive(*node, new);
    let Direction::Incoming(onion) = htlc.direction.clone() else { panic!("it came in") };
    let peeled = match &*onion {
        Ok(peeled) => peeled,
        Err(_) => return answer::fail(&htlc, &Failure::TemporaryNodeFailure, 100),
    };
    match &peeled.hop {
        Hop::Final { payload } => {
            let part = Part {
                channel: keys(7),
                id: htlc.id,
                amount: htlc.amount,
                cltv_expiry: htlc.cltv_expiry,
                at: NOW,
            };
            let open = open_invoice(invoice);
            let known = (trouble != Trouble::UnknownInvoice).then_some(&open);
            match receive(part, payload, &htlc, known, None, NOW, true, TIP, &PaymentPolicy::default()) {
                Receipt::Complete { preimage, .. } => answer::fulfil(&htlc, preimage, None, 100),
                Receipt::Reject(failure) => answer::fail(&htlc, &failure, 100),
                other => panic!("{other:?}"),
            }
        }
        Hop::Forward { payload, next } => {
            let dear = ForwardPolicy { fee_base: sat(1_000), ..ForwardPolicy::default() };
            let usual = ForwardPolicy::default();
            let policies = &[if trouble == Trouble::DearAt(*node) { dear } else { usual }];
            let inbound = &[InboundFee::default()];
            let target = RelayTarget { keys: keys(8), policies, inbound, usable: Ok(()) };
            let target = (trouble != Trouble::UnknownAt(*node)).then_some(target);
            let decided = relay(&htlc, keys(7), payload, next, target, true, TIP, &PaymentPolicy::default());
            match decided {
                Err(failure) => answer::fail_with(&htlc, &failure, Some(&channel_update()), 100),
                Ok((_, mut new)) => {
                    if trouble == Trouble::GarbledBy(*node) {
                        new = garbled(new);
                    }
                    match answered(rest, &new, invoice, trouble) {
                        Resolution::Fulfilled { preimage, attribution } => {
                            answer::fulfil(&htlc, preimage, attribution.data(), 200)
                        }
                        how => answer::fail_from_downstream(&htlc, &how, 200),
                    }
                }
            }
        }
    }
}

fn garbled(new: NewHtlc) -> NewHtlc {
    let mut bytes = *packet_of(&new).as_bytes();
    bytes[100] ^= 1;
    let packet = astrape_wire::OnionPacket::from_bytes(&bytes);
    NewHtlc { onion: astrape_channel::OnionSource::Packet(packet), ..new }
}

fn pay(trouble: Trouble) -> Vec<PayOutput> {
    let invoice = finish(&draft(Some(sat(1_000)), vec![vec![hop(2, 22), hop(3, 33)]]));
    let (channels, policy) = ([own(1, 2, sat(5_000))], PaymentPolicy::default());
    let (payment, offers) =
        begin(request(invoice.clone()), &view(&channels, &policy)).expect("there is a way");
    let how = answered(&[2, 3, PAYEE], &offers[0].1, &invoice, trouble);
    let (next, outputs) = payment.on_failed(0, &how, &view(&channels, &policy));
    where_nothing_is_known(next, outputs, &view(&channels, &policy)).1
}

fn reason(trouble: Trouble) -> String {
    match &pay(trouble)[..] {
        [PayOutput::Failed { reason }] => reason.clone(),
        other => panic!("{other:?}"),
    }
}

// BOLT 2.adding-an-htlc-update_add_htlc.21
#[test]
fn a_payment_over_two_who_pass_it_on_arrives() {
    let sent = PayOutput::Sent { preimage: PREIMAGE, amount: sat(1_000), fee: Msat(2_200) };
    assert_eq!(pay(Trouble::None), [sent]);
}

// BOLT 4.failure-messages.3
#[test]
fn the_payer_reads_which_hop_failed_it_and_why() {
    for (trouble, hop, name) in [
        (Trouble::UnknownAt(2), "hop 1 of 3", "unknown_next_peer"),
        (Trouble::UnknownAt(3), "hop 2 of 3", "unknown_next_peer"),
        (Trouble::DearAt(2), "hop 1 of 3", "fee_insufficient"),
        (Trouble::DearAt(3), "hop 2 of 3", "fee_insufficient"),
        (Trouble::UnknownInvoice, "the recipient", "incorrect_or_unknown_payment_details"),
    ] {
        let words = reason(trouble);
        assert!(words.contains(hop) && words.contains(name), "{trouble:?}: {words}");
    }
}

// BOLT 4.overview.1
// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.16
#[test]
fn an_onion_that_was_changed_on_the_way_is_told_by_the_hop_before() {
    for (trouble, hop) in [(Trouble::GarbledBy(2), "hop 1 of 3"), (Trouble::GarbledBy(3), "hop 2 of 3")] {
        let words = reason(trouble);
        assert!(words.contains(hop) && words.contains("invalid_onion_hmac"), "{trouble:?}: {words}");
    }
}
