//! BOLT 8, Appendix A: the handshake of both ends, and every way it fails there.

use crate::support::{End, START, bytes, initiator, responder};
use astrape_transport::handshake::Act;
use astrape_transport::{Handshake, HandshakeError, Progress, Secured};

const ACT_ONE: &str = "00036360e856310ce5d294e8be33fc807077dc56ac80d95d9cd4ddbd21325eff73f7\
                       0df6086551151f58b8afe6c195782c6a";
const ACT_TWO: &str = "0002466d7fcae563e5cb09a0d1870bb580344804617879a14949cf22285f1bae3f27\
                       6e2470b93aac583c9ef6eafca3f730ae";
const ACT_THREE: &str = "00b9e3a702e93e3a9948c2ed6e5fd7590a6e1c3a0344cfc9d5b57357049aa22355361a\
                         a02e55a8fc28fef5bd6d71ad0c38228dc68b1c466263b47fdf31e560e139ba";

/// The initiator of the vectors, after it has said Act One.
fn dialling() -> Handshake {
    let i = initiator();
    let (handshake, act_one) =
        Handshake::initiate(i.node_id(), responder().node_id(), i.ephemeral, START).expect("a private key");
    assert_eq!(hex::encode(act_one), ACT_ONE);
    handshake
}

/// What the initiator makes of some Act Two.
fn dialling_hears(act_two: &[u8]) -> Result<Progress, HandshakeError> {
    let i: End = initiator();
    dialling().receive(act_two, START, &|p| i.ecdh(p)).map(|(_, progress)| progress)
}

/// The responder of the vectors before Act One.
fn listening() -> Handshake {
    Handshake::respond(responder().node_id(), responder().ephemeral, START)
}

/// What a responder makes of some bytes.
fn hears(handshake: &mut Handshake, act: &[u8]) -> Result<Progress, HandshakeError> {
    let r = responder();
    handshake.receive(act, START, &|p| r.ecdh(p)).map(|(_, progress)| progress)
}

/// The responder of the vectors, after it has said Act Two.
fn listening_for_act_three() -> Handshake {
    let mut handshake = listening();
    let Ok(Progress::Reply(act_two)) = hears(&mut handshake, &bytes(ACT_ONE)) else {
        panic!("act one is answered");
    };
    assert_eq!(hex::encode(act_two), ACT_TWO);
    handshake
}

/// The vectors with the first `at`-th byte, counted in hexadecimal digits, written anew.
fn with(act: &str, at: usize, digits: &str) -> Vec<u8> {
    let mut changed = act.to_owned();
    changed.replace_range(at..at + digits.len(), digits);
    bytes(&changed)
}

#[test]
fn the_initiator_says_act_three_and_knows_the_keys() {
    let Ok(Progress::Initiated(act_three, Secured { remote, .. })) = dialling_hears(&bytes(ACT_TWO)) else {
        panic!("act two is right");
    };
    assert_eq!(hex::encode(act_three), ACT_THREE);
    assert_eq!(remote, responder().node_id());
}

#[test]
fn the_responder_says_act_two_and_learns_who_dialled() {
    let Ok(Progress::Responded(Secured { remote, .. })) =
        hears(&mut listening_for_act_three(), &bytes(ACT_THREE))
    else {
        panic!("act three is right");
    };
    assert_eq!(remote, initiator().node_id());
    assert_eq!(
        remote.to_string(),
        "034f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa",
        "rs of the vector"
    );
}

#[test]
fn an_act_that_ends_early_fails_when_the_connection_closes() {
    let mut initiator_waits = dialling();
    let i = initiator();
    let short = initiator_waits.receive(&bytes(ACT_TWO)[..49], START, &|p| i.ecdh(p));
    assert!(matches!(short, Ok((49, Progress::NeedMore))), "transport-initiator act2 short read test");
    assert_eq!(initiator_waits.closed(), HandshakeError::Closed { act: Act::Two, received: 49 });

    let mut first = listening();
    assert!(
        matches!(hears(&mut first, &bytes(ACT_ONE)[..49]), Ok(Progress::NeedMore)),
        "act1 short read test"
    );
    assert_eq!(first.closed(), HandshakeError::Closed { act: Act::One, received: 49 });

    let mut third = listening_for_act_three();
    assert!(
        matches!(hears(&mut third, &bytes(ACT_THREE)[..65]), Ok(Progress::NeedMore)),
        "act3 short read test"
    );
    assert_eq!(third.closed(), HandshakeError::Closed { act: Act::Three, received: 65 });
}

// BOLT 8.act-one.1
// BOLT 8.act-two.1
// BOLT 8.act-three.1
#[test]
fn another_version_ends_the_handshake_in_every_act() {
    assert_eq!(
        dialling_hears(&with(ACT_TWO, 0, "01")).expect_err("act2 bad version test"),
        HandshakeError::Version { act: Act::Two, version: 1 }
    );
    assert_eq!(
        hears(&mut listening(), &with(ACT_ONE, 0, "01")).expect_err("act1 bad version test"),
        HandshakeError::Version { act: Act::One, version: 1 }
    );
    assert_eq!(
        hears(&mut listening_for_act_three(), &with(ACT_THREE, 0, "01")).expect_err("act3 bad version test"),
        HandshakeError::Version { act: Act::Three, version: 1 }
    );
}

#[test]
fn a_key_that_is_no_point_ends_the_handshake() {
    assert_eq!(
        dialling_hears(&with(ACT_TWO, 2, "04")).expect_err("act2 bad key serialization test"),
        HandshakeError::PublicKey { act: Act::Two }
    );
    assert_eq!(
        hears(&mut listening(), &with(ACT_ONE, 2, "04")).expect_err("act1 bad key serialization test"),
        HandshakeError::PublicKey { act: Act::One }
    );
    // A static key of 04..: rightly encrypted, no point.
    let bad_rs = "00bfe3a702e93e3a9948c2ed6e5fd7590a6e1c3a0344cfc9d5b57357049aa2235536ad\
                  09a8ee351870c2bb7f78b754a26c6cef79a98d25139c856d7efd252c2ae73c";
    assert_eq!(
        hears(&mut listening_for_act_three(), &bytes(bad_rs)).expect_err("act3 bad rs test"),
        HandshakeError::PublicKey { act: Act::Three }
    );
}

// BOLT 8.act-one.2
#[test]
fn a_responder_says_nothing_to_who_does_not_know_its_key() {
    let mut handshake = listening();
    let error = hears(&mut handshake, &with(ACT_ONE, 98, "6b")).expect_err("act1 bad MAC test");
    assert_eq!(error, HandshakeError::Tag { act: Act::One });
    assert_eq!(hears(&mut handshake, &bytes(ACT_ONE)).expect_err("it is over"), HandshakeError::Over);
}

// BOLT 8.act-two.2
#[test]
fn an_initiator_says_nothing_to_a_responder_without_its_key() {
    let mut handshake = dialling();
    let i = initiator();
    let bad = with(ACT_TWO, 98, "af");
    let error = handshake.receive(&bad, START, &|p| i.ecdh(p)).expect_err("act2 bad MAC test");
    assert_eq!(error, HandshakeError::Tag { act: Act::Two });
    let again = handshake.receive(&bytes(ACT_TWO), START, &|p| i.ecdh(p));
    assert_eq!(again.expect_err("it is over"), HandshakeError::Over);
}

// BOLT 8.act-three.2
#[test]
fn a_static_key_that_was_changed_ends_the_handshake() {
    let mut handshake = listening_for_act_three();
    let error =
        hears(&mut handshake, &with(ACT_THREE, 2, "c9")).expect_err("act3 bad MAC for ciphertext test");
    assert_eq!(error, HandshakeError::Tag { act: Act::Three });
    assert_eq!(hears(&mut handshake, &bytes(ACT_THREE)).expect_err("it is over"), HandshakeError::Over);
}

// BOLT 8.act-three.3
#[test]
fn an_initiator_that_cannot_prove_its_key_is_refused() {
    let mut handshake = listening_for_act_three();
    let error = hears(&mut handshake, &with(ACT_THREE, 130, "bb")).expect_err("act3 bad MAC test");
    assert_eq!(error, HandshakeError::Tag { act: Act::Three });
    assert_eq!(hears(&mut handshake, &bytes(ACT_THREE)).expect_err("it is over"), HandshakeError::Over);
}

// BOLT 8.handshake-state.1
#[test]
fn each_handshake_has_the_ephemeral_key_of_its_own_randomness() {
    let (i, r) = (initiator(), responder());
    let act_one =
        |ephemeral| Handshake::initiate(i.node_id(), r.node_id(), ephemeral, START).expect("a private key").1;
    assert_ne!(act_one([1; 32])[1..], act_one([2; 32])[1..]);
    let act_two = |ephemeral| {
        let mut handshake = Handshake::respond(r.node_id(), ephemeral, START);
        match hears(&mut handshake, &bytes(ACT_ONE)) {
            Ok(Progress::Reply(act_two)) => act_two,
            other => panic!("act one is right: {other:?}"),
        }
    };
    assert_ne!(act_two([1; 32])[1..], act_two([2; 32])[1..]);
}

#[test]
fn randomness_that_is_no_private_key_is_refused() {
    let refused = Handshake::initiate(initiator().node_id(), responder().node_id(), [0; 32], START);
    assert_eq!(refused.err(), Some(HandshakeError::Ephemeral));
}
