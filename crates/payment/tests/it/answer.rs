//! An HTLC is answered as its onion allows, and its hold time is told.

use crate::support::{
    PREIMAGE, TIP, channel_update, final_payload, forward, incoming, packet, peeled_final, peeled_forward,
    secret_of,
};
use astrape_channel::htlc::Direction;
use astrape_channel::{Attribution, Htlc, OnionSource, Origin, Resolution};
use astrape_onion::failure::code;
use astrape_onion::{
    Failure, FailurePacket, FailureSource, HoldTime, PeelFailure, create_failure, create_fulfill_attribution,
    decode_failure, read_fulfill_attribution,
};
use astrape_payment::answer::{self, MAX_RELAYED_REASON};
use astrape_primitives::{HtlcId, Msat, Side};

fn forwarded() -> Htlc {
    incoming(0, Msat(2_000), TIP.0 + 200, peeled_forward(forward(Msat(1_000), TIP.0 + 100)))
}

fn failed(resolution: Resolution) -> FailurePacket {
    match resolution {
        Resolution::Failed(packet) => packet,
        other => panic!("{other:?}"),
    }
}

// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.11
// BOLT 4.failure-messages.3
#[test]
fn a_failure_of_ours_is_read_by_the_sender_with_the_hold_time() {
    let packet = failed(answer::fail(&forwarded(), &Failure::UnknownNextPeer, 1_250));
    assert!(packet.attribution_data.is_some());
    let decoded = decode_failure(&[secret_of(1)], packet);
    assert_eq!(decoded.source, FailureSource::Hop { index: 0, failure: Failure::UnknownNextPeer });
    assert_eq!(decoded.hold_times, [HoldTime(12)]);
}

// BOLT 4.failure-messages.4
#[test]
fn each_part_of_a_set_is_failed_with_its_own_amount() {
    let of_the_set = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: Msat(77), height: TIP };
    let packet = failed(answer::fail(&forwarded(), &of_the_set, 0));
    let failure = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: Msat(2_000), height: TIP };
    let decoded = decode_failure(&[secret_of(1)], packet);
    assert_eq!(decoded.source, FailureSource::Hop { index: 0, failure });
}

/// LND reads the second from nobody who leaves the update out, and thinks ill of the whole node.
#[test]
fn a_failure_that_is_not_read_without_an_update_is_told_with_one_or_as_another() {
    let failure = Failure::FeeInsufficient { htlc_msat: Msat(2_000) };
    let read = |update| {
        let packet = failed(answer::fail_with(&forwarded(), &failure, update, 0));
        decode_failure(&[secret_of(1)], packet).source
    };
    let hop = |failure| FailureSource::Hop { index: 0, failure };
    let update = channel_update();
    assert_eq!(read(Some(&update)), hop(failure.clone()));
    assert_eq!(read(None), hop(Failure::TemporaryChannelFailure));
}

// BOLT 2.adding-an-htlc-update_add_htlc.24
#[test]
fn a_payload_that_could_not_be_followed_is_answered_with_its_own_failure() {
    let failure = Failure::InvalidOnionPayload { tlv_type: 2, offset: 0 };
    let onion = Err(PeelFailure::Payload { shared_secret: secret_of(1), failure: failure.clone() });
    let htlc = incoming(0, Msat(1), TIP.0 + 100, onion);
    let packet = failed(answer::fail(&htlc, &Failure::TemporaryNodeFailure, 0));
    let decoded = decode_failure(&[secret_of(1)], packet);
    assert_eq!(decoded.source, FailureSource::Hop { index: 0, failure });
}

// BOLT 4.overview.1
// BOLT 2.adding-an-htlc-update_add_htlc.24
#[test]
fn an_onion_that_could_not_be_read_is_answered_as_malformed() {
    let (failure_code, sha256_of_onion) = (code::INVALID_ONION_HMAC, [6; 32]);
    let onion = Err(PeelFailure::Malformed { failure_code, sha256_of_onion });
    let htlc = incoming(0, Msat(1), TIP.0 + 100, onion);
    let malformed = Resolution::Malformed { sha256_of_onion, failure_code };
    assert_eq!(answer::fail(&htlc, &Failure::TemporaryNodeFailure, 0), malformed);
}

// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.8
// BOLT 4.failure-messages.1
// BOLT 4.failure-messages.10
#[test]
fn inside_a_blinded_path_every_failure_is_one_and_the_same() {
    let htlc = incoming(0, Msat(1), TIP.0 + 100, Err(PeelFailure::blinded(&packet())));
    for failure in [Failure::UnknownNextPeer, Failure::TemporaryChannelFailure] {
        let Resolution::Malformed { failure_code, .. } = answer::fail(&htlc, &failure, 0) else {
            panic!("nothing else may be told");
        };
        assert_eq!(failure_code, code::INVALID_ONION_BLINDING);
    }
}

#[test]
fn a_failure_from_downstream_is_passed_on_with_both_hold_times() {
    let downstream = create_failure(&secret_of(2), &Failure::TemporaryChannelFailure, HoldTime(3));
    let how = Resolution::Failed(downstream);
    let packet = failed(answer::fail_from_downstream(&forwarded(), &how, 900));
    let decoded = decode_failure(&[secret_of(1), secret_of(2)], packet);
    assert_eq!(decoded.source, FailureSource::Hop { index: 1, failure: Failure::TemporaryChannelFailure });
    assert_eq!(decoded.hold_times, [HoldTime(9), HoldTime(3)]);
}

// attack 63: whatever the next node makes of its failures, those of a full channel fit what may wait for a peer.
#[test]
fn a_failure_longer_than_any_of_the_bolts_is_told_as_one_of_ours() {
    let told = |length| {
        let how = Resolution::Failed(FailurePacket { reason: vec![7; length], attribution_data: None });
        failed(answer::fail_from_downstream(&forwarded(), &how, 900))
    };
    assert_eq!(told(MAX_RELAYED_REASON).reason.len(), MAX_RELAYED_REASON);
    for length in [MAX_RELAYED_REASON + 1, 65_000] {
        let packet = told(length);
        assert!(packet.reason.len() < 400, "{}", packet.reason.len());
        let decoded = decode_failure(&[secret_of(1)], packet);
        let failure = Failure::TemporaryChannelFailure;
        assert_eq!(decoded.source, FailureSource::Hop { index: 0, failure });
    }
}

// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.16
// BOLT 4.overview.1
#[test]
fn an_onion_that_the_next_node_could_not_read_is_told_to_the_sender_with_its_code_and_hash() {
    for failure_code in [code::INVALID_ONION_VERSION, code::INVALID_ONION_HMAC, 0x8000 | 77] {
        let how = Resolution::Malformed { sha256_of_onion: [6; 32], failure_code };
        let packet = failed(answer::fail_from_downstream(&forwarded(), &how, 0));
        let failure = Failure::from_malformed(failure_code, [6; 32]).expect("with BADONION");
        let decoded = decode_failure(&[secret_of(1)], packet);
        assert_eq!(decoded.source, FailureSource::Hop { index: 0, failure });
    }
}

#[test]
fn a_malformed_answer_without_badonion_says_nothing() {
    let how = Resolution::Malformed { sha256_of_onion: [6; 32], failure_code: 15 };
    let packet = failed(answer::fail_from_downstream(&forwarded(), &how, 0));
    let decoded = decode_failure(&[secret_of(1)], packet);
    assert_eq!(decoded.source, FailureSource::Hop { index: 0, failure: Failure::TemporaryChannelFailure });
}

// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.11
#[test]
fn a_fulfilment_tells_the_hold_times_of_all() {
    let downstream = create_fulfill_attribution(&secret_of(2), HoldTime(4));
    let told = answer::fulfil(&forwarded(), PREIMAGE, Some(downstream), 700);
    let Resolution::Fulfilled { preimage, attribution: Attribution::Data(data) } = told else {
        panic!("{told:?}")
    };
    assert_eq!(preimage, PREIMAGE);
    assert_eq!(read_fulfill_attribution(&[secret_of(1), secret_of(2)], &data), [HoldTime(7), HoldTime(4)]);
}

#[test]
fn a_recipient_begins_the_hold_times() {
    let payload = final_payload(Msat(1_000), Msat(1_000), TIP.0 + 24);
    let htlc = incoming(0, Msat(1_000), TIP.0 + 24, peeled_final(payload));
    let told = answer::fulfil(&htlc, PREIMAGE, None, 200);
    let Resolution::Fulfilled { attribution, .. } = told else { panic!("{told:?}") };
    assert_eq!(attribution, Attribution::Held(HoldTime(2)), "small until it is said");
    let data = htlc.attribution_data(&attribution).expect("its onion was read");
    assert_eq!(read_fulfill_attribution(&[secret_of(1)], &data), [HoldTime(2)]);
}

#[test]
#[should_panic(expected = "offered by us")]
fn an_htlc_of_ours_is_not_answered() {
    let onion = OnionSource::Packet(packet());
    let origin = Origin::Relay { channel: crate::support::keys(1), id: HtlcId(0) };
    let direction = Direction::Outgoing { origin, onion, preimage: None };
    let ours = Htlc { offered_by: Side::Local, direction, ..forwarded() };
    let _ = answer::fail(&ours, &Failure::TemporaryNodeFailure, 0);
}
