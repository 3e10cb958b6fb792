//! A handshake over a socket: pieces of any size, bytes that belong to what follows, silence.

use crate::support::{START, initiator, responder};
use astrape_transport::handshake::{Act, HANDSHAKE_TIMEOUT_MS, MAX_ACT};
use astrape_transport::{Handshake, HandshakeError, Progress, Secured};

/// Feeds bytes one at a time; gives the progress of the last.
fn drip(
    handshake: &mut Handshake,
    bytes: &[u8],
    ecdh: astrape_transport::handshake::StaticEcdh<'_>,
) -> Progress {
    let mut last = Progress::NeedMore;
    for byte in bytes {
        assert!(matches!(last, Progress::NeedMore), "nothing is said before the act is whole");
        let (taken, progress) = handshake.receive(&[*byte], START, ecdh).expect("the acts are right");
        assert_eq!(taken, 1);
        last = progress;
    }
    last
}

#[test]
fn acts_may_come_byte_by_byte() {
    let (i, r) = (initiator(), responder());
    let (mut dialling, act_one) =
        Handshake::initiate(i.node_id(), r.node_id(), i.ephemeral, START).expect("a private key");
    let mut listening = Handshake::respond(r.node_id(), r.ephemeral, START);
    assert_eq!((dialling.wanted(), listening.wanted()), (50, 50));

    let Progress::Reply(act_two) = drip(&mut listening, &act_one, &|p| r.ecdh(p)) else {
        panic!("act one is answered");
    };
    let Progress::Initiated(act_three, ours) = drip(&mut dialling, &act_two, &|p| i.ecdh(p)) else {
        panic!("act two is answered");
    };
    assert_eq!(listening.wanted(), MAX_ACT);
    let Progress::Responded(theirs) = drip(&mut listening, &act_three, &|p| r.ecdh(p)) else {
        panic!("act three ends it");
    };
    assert_eq!((ours.remote, theirs.remote), (r.node_id(), i.node_id()));
    assert_eq!((dialling.wanted(), listening.wanted()), (0, 0));
}

#[test]
fn a_message_behind_act_three_is_left_for_the_decryptor() {
    let (i, r) = (initiator(), responder());
    let (mut dialling, act_one) =
        Handshake::initiate(i.node_id(), r.node_id(), i.ephemeral, START).expect("a private key");
    let mut listening = Handshake::respond(r.node_id(), r.ephemeral, START);
    let Ok((_, Progress::Reply(act_two))) = listening.receive(&act_one, START, &|p| r.ecdh(p)) else {
        panic!("act one is answered");
    };
    let Ok((_, Progress::Initiated(act_three, mut ours))) = dialling.receive(&act_two, START, &|p| i.ecdh(p))
    else {
        panic!("act two is answered");
    };
    let mut stream = act_three.to_vec();
    ours.encryptor.seal(b"first", &mut stream).expect("short");

    let Ok((taken, Progress::Responded(Secured { mut decryptor, .. }))) =
        listening.receive(&stream, START, &|p| r.ecdh(p))
    else {
        panic!("act three ends it");
    };
    assert_eq!(taken, act_three.len());
    decryptor.push(&stream[taken..]);
    assert_eq!(decryptor.next_message(), Ok(Some(&b"first"[..])));
}

// attack 63
#[test]
fn a_silent_peer_is_given_up_at_the_deadline() {
    let r = responder();
    let mut listening = Handshake::respond(r.node_id(), r.ephemeral, START);
    let deadline = START.plus(HANDSHAKE_TIMEOUT_MS);
    assert_eq!(listening.deadline(), deadline);
    assert_eq!(listening.check_deadline(START.plus(HANDSHAKE_TIMEOUT_MS - 1)), Ok(()));
    let late = Err(HandshakeError::Timeout { act: Act::One });
    assert_eq!(listening.check_deadline(deadline), late);
    let fed = listening.receive(&[0; 50], deadline, &|p| r.ecdh(p)).map(|(taken, _)| taken);
    assert_eq!(fed, Err(HandshakeError::Timeout { act: Act::One }), "late bytes cost no ECDH");
}

#[test]
fn a_wrong_node_id_fails_at_the_first_tag() {
    let (i, r) = (initiator(), responder());
    let (_, act_one) =
        Handshake::initiate(i.node_id(), i.node_id(), i.ephemeral, START).expect("a private key");
    let mut listening = Handshake::respond(r.node_id(), r.ephemeral, START);
    let heard = listening.receive(&act_one, START, &|p| r.ecdh(p)).map(|(taken, _)| taken);
    assert_eq!(heard, Err(HandshakeError::Tag { act: Act::One }));
}
