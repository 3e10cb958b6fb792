//! What a failure says is told in words, with the hop that sent it and a next step.

use crate::support::{
    PAYEE, TIP, begin, draft, failed_by, finish, hop, node, own, request, sat, view, where_nothing_is_known,
    wrapped,
};
use astrape_channel::{Refusal, Resolution};
use astrape_onion::{Failure, FailurePacket};
use astrape_payment::{PayOutput, Payment, PaymentPolicy};
use astrape_primitives::{Height, Msat};

const AMOUNT: Msat = Msat(1_000_000);

/// A payment over two hops of a hint to the recipient: three hops in all.
fn payment() -> Payment {
    let invoice = finish(&draft(Some(AMOUNT), vec![vec![hop(2, 22), hop(3, 33)]]));
    let channels = [own(1, 2, sat(5_000))];
    begin(request(invoice), &view(&channels, &PaymentPolicy::default())).expect("there is a way").0
}

/// How it ends when its only part fails and there is no other way.
fn reason(payment: &Payment, how: &Resolution) -> String {
    let (channels, policy) = ([own(1, 2, sat(5_000))], PaymentPolicy::default());
    let view = view(&channels, &policy);
    let (next, outputs) = payment.on_failed(0, how, &view);
    let (next, outputs) = where_nothing_is_known(next, outputs, &view);
    assert!(next.is_over() && next.preimage.is_none());
    match &outputs[..] {
        [PayOutput::Failed { reason }] => reason.clone(),
        other => panic!("{other:?}"),
    }
}

// BOLT 4.receiving-failure-codes.1
#[test]
fn a_failure_is_told_with_the_hop_that_sent_it() {
    let payment = payment();
    let part = &payment.parts[&0];
    let words = reason(&payment, &failed_by(part, 0, &Failure::UnknownNextPeer));
    assert!(
        words.starts_with(&format!("{} (hop 1 of 3) did not pass it on over channel 0x0x22: ", node(2))),
        "{words}"
    );
    assert!(words.contains("unknown_next_peer") && words.contains("offline"), "{words}");
    let long = Failure::Unknown { code: 0x1000 | 7, data: vec![0, 0, 1, 2, 3] };
    let words = reason(&payment, &failed_by(part, 1, &long));
    assert!(
        words.starts_with(&format!("{} (hop 2 of 3) did not pass it on over channel 0x0x33: ", node(3))),
        "{words}"
    );
    assert!(words.contains("temporary_channel_failure"), "extra bytes are ignored: {words}");
    assert!(words.ends_with("(no other way is left)"), "{words}");
}

// BOLT 4.receiving-failure-codes.2
#[test]
fn what_the_recipient_does_not_take_is_told_with_what_to_ask_of_it() {
    let payment = payment();
    let failure = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: AMOUNT, height: TIP };
    let words = reason(&payment, &failed_by(&payment.parts[&0], 2, &failure));
    assert!(words.starts_with(&format!("the recipient {} did not take it: ", node(PAYEE))), "{words}");
    assert!(words.contains("ask the recipient for a new invoice"), "{words}");
}

#[test]
fn a_recipient_whose_chain_is_ahead_tells_that_we_are_behind() {
    let payment = payment();
    let failure = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: AMOUNT, height: Height(TIP.0 + 30) };
    let words = reason(&payment, &failed_by(&payment.parts[&0], 2, &failure));
    assert!(words.contains("at height 1030 and this node at 1000"), "{words}");
    assert!(words.ends_with("wait until this node has caught up with the chain, then try again"), "{words}");
}

/// A block that has reached the recipient first is no reason to wait.
#[test]
fn a_recipient_that_is_one_block_ahead_does_not_tell_that_we_are_behind() {
    let payment = payment();
    for (ahead, behind) in [(0, false), (1, false), (2, true)] {
        let height = Height(TIP.0 + ahead);
        let failure = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: AMOUNT, height };
        let words = reason(&payment, &failed_by(&payment.parts[&0], 2, &failure));
        assert_eq!(words.contains("caught up with the chain"), behind, "{ahead}: {words}");
    }
}

// BOLT 4.origin-node.4
#[test]
fn a_failure_that_was_changed_on_its_way_is_blamed_by_attribution() {
    let payment = payment();
    let part = &payment.parts[&0];
    let secrets = part.recipe.shared_secrets();
    let Resolution::Failed(mut packet) = failed_by(part, 2, &Failure::MppTimeout) else {
        panic!("it failed")
    };
    // As it leaves the second hop, bytes of it change on the way to the first.
    let second = wrapped(&secrets[1..2], packet.clone());
    packet = FailurePacket { reason: [&[second.reason[0] ^ 1], &second.reason[1..]].concat(), ..second };
    let words = reason(&payment, &Resolution::Failed(wrapped(&secrets[..1], packet)));
    assert!(words.starts_with("the failure cannot be read: "), "{words}");
    assert!(words.contains("or the node before it changed it"), "{words}");
    let noise = FailurePacket { reason: vec![1; 292], attribution_data: None };
    let words = reason(&payment, &Resolution::Failed(noise));
    for number in [2, 3, PAYEE] {
        assert!(words.contains(&node(number).to_string()), "{words}");
    }
}

#[test]
fn a_peer_that_could_not_read_the_onion_is_named() {
    let how = Resolution::Malformed { sha256_of_onion: [0; 32], failure_code: 0xc005 };
    let words = reason(&payment(), &how);
    assert!(
        words.starts_with(&format!("the peer {} could not read the onion (code 0xc005)", node(2))),
        "{words}"
    );
}

#[test]
fn what_our_own_channel_does_not_take_is_told_with_its_reason() {
    let refusal = Refusal::TooManyHtlcs(483);
    let channels = [own(1, 2, sat(5_000))];
    let policy = PaymentPolicy::default();
    let view = view(&channels, &policy);
    let (next, outputs) = payment().on_not_offered(0, &refusal, &view);
    let (_, outputs) = where_nothing_is_known(next, outputs, &view);
    let [PayOutput::Failed { reason }] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(
        reason.starts_with(&format!("the channel with {} did not take it: 483 HTLCs", node(2))),
        "{reason}"
    );
}
