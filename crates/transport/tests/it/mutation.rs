//! A fuzz test that is the same in every run: real handshakes and frames, changed at random. Whatever comes, there is
//! no panic, no success without the right bytes, and no memory beyond the bound.

use crate::support::{Numbers, START, connected, initiator, responder};
use astrape_transport::frame::MAX_BUFFERED;
use astrape_transport::{Handshake, Progress};

#[test]
fn a_changed_act_never_ends_a_handshake_well() {
    let (i, r) = (initiator(), responder());
    let mut numbers = Numbers(8);
    for round in 0..600 {
        let changed_act = round % 3;
        let mut change = |act: usize, bytes: &[u8]| {
            if act == changed_act { numbers.mutate(bytes) } else { bytes.to_vec() }
        };
        let (mut dialling, act_one) =
            Handshake::initiate(i.node_id(), r.node_id(), i.ephemeral, START).expect("a private key");
        let mut listening = Handshake::respond(r.node_id(), r.ephemeral, START);
        let act_one = change(0, &act_one);
        let Ok((_, Progress::Reply(act_two))) = listening.receive(&act_one, START, &|p| r.ecdh(p)) else {
            continue;
        };
        let act_two = change(1, &act_two);
        let Ok((_, Progress::Initiated(act_three, _))) = dialling.receive(&act_two, START, &|p| i.ecdh(p))
        else {
            continue;
        };
        let act_three = change(2, &act_three);
        if let Ok((taken, Progress::Responded(_))) = listening.receive(&act_three, START, &|p| r.ecdh(p)) {
            // Only bytes behind an act may differ: those belong to what follows.
            let whole = [&act_one, &act_two, &act_three].iter().all(|act| act.len() >= 50);
            assert!(whole && taken == 66, "round {round}");
            let longer = [act_one.len() > 50, act_two.len() > 50, act_three.len() > 66];
            assert!(longer[changed_act], "round {round}: a changed act passed");
        }
    }
}

#[test]
fn changed_frames_never_give_a_message_that_was_not_sent() {
    let mut numbers = Numbers(88);
    let mut noticed = 0;
    for round in 0..400 {
        let (mut ours, mut theirs) = connected();
        let sent: Vec<Vec<u8>> = (0..1 + numbers.below(4)).map(|_| vec![9; numbers.below(600)]).collect();
        let mut stream = Vec::new();
        for message in &sent {
            ours.encryptor.seal(message, &mut stream).expect("short");
        }
        let stream = numbers.mutate(&stream);
        let mut heard = Vec::new();
        let mut rest = &stream[..];
        'stream: while !rest.is_empty() {
            let piece = (1 + numbers.below(300)).min(rest.len());
            let taken = theirs.decryptor.push(&rest[..piece]);
            rest = &rest[taken..];
            loop {
                match theirs.decryptor.next_message() {
                    Ok(Some(message)) => heard.push(message.to_vec()),
                    Ok(None) => break,
                    Err(_) => {
                        noticed += 1;
                        break 'stream;
                    }
                }
            }
        }
        assert!(
            sent.starts_with(&heard),
            "round {round}: what was heard is what was sent, as far as it goes"
        );
        assert!(theirs.decryptor.buffered() <= MAX_BUFFERED);
    }
    assert!(noticed > 200, "most changes are seen at once, the others are cuts: {noticed}");
}
