//! What a session does with messages after `init` (BOLT 1, "Lightning Message Format").

use crate::support::{Numbers, START, disconnected, init, say, up, waiting};
use astrape_primitives::{ChannelId, Features};
use astrape_transport::{Action, DisconnectReason};
use astrape_wire::{Error, Message, PeerStorage, Ping, Pong, Warning};

// BOLT 1.lightning-message-format.8
#[test]
fn an_odd_type_that_is_unknown_is_ignored_and_counts_as_a_sign_of_life() {
    let mut session = up();
    assert_eq!(session.receive(&[0x80, 0x01, 1, 2, 3], START.plus(5)), None);
    assert!(session.is_up());
    assert_eq!(session.heard_at(), START.plus(5));
}

// BOLT 1.lightning-message-format.9
#[test]
fn an_even_type_that_is_unknown_ends_the_connection_without_a_word() {
    let mut session = up();
    let (reason, words) = disconnected(session.receive(&[0x80, 0x02], START));
    assert!(matches!(reason, DisconnectReason::Malformed(_)));
    assert_eq!(words, None);
    assert!(reason.to_string().contains("32770"), "our log names it");
    assert!(!session.is_up());
}

// BOLT 1.lightning-message-format.11
#[test]
fn a_message_that_is_too_short_ends_the_connection() {
    for short in ["", "00", "0012", "001200", "00120001", "0013", "00110000"] {
        let bytes = hex::decode(short).expect("hexadecimal");
        let (reason, _) = disconnected(up().receive(&bytes, START));
        assert!(matches!(reason, DisconnectReason::Malformed(_)), "{short}");
    }
}

// BOLT 1.lightning-message-format.14
#[test]
fn an_invalid_extension_ends_the_connection() {
    // BOLT 1, Appendix C.
    for valid in ["001000000000", "001000000000c9012acb0104"] {
        let action = waiting().receive(&hex::decode(valid).expect("hexadecimal"), START);
        assert!(matches!(action, Some(Action::Up(_))), "{valid}: {action:?}");
    }
    for invalid in ["00100000000001", "001000000000ca012a", "001000000000c90101c90102"] {
        let (reason, _) = disconnected(waiting().receive(&hex::decode(invalid).expect("hexadecimal"), START));
        assert!(matches!(reason, DisconnectReason::Malformed(_)), "{invalid}");
    }
}

#[test]
fn errors_warnings_and_all_else_are_handed_up() {
    let mut session = up();
    let channel_id = ChannelId([3; 32]);
    for message in [
        Message::Error(Error { channel_id, data: b"gone".to_vec() }),
        Message::Error(Error { channel_id: ChannelId::ALL, data: Vec::new() }),
        Message::Warning(Warning { channel_id, data: b"look out".to_vec() }),
        Message::PeerStorage(PeerStorage { blob: vec![1; 100] }),
    ] {
        assert_eq!(say(&mut session, &message, START), Some(Action::Deliver(message)));
    }
    assert!(session.is_up());
}

/// A fuzz test that is the same in every run.
#[test]
fn changed_messages_cause_no_panic_and_no_answer_but_pongs_and_warnings() {
    let messages = [
        Message::Init(init(Features::empty().with_bit(13).with_bit(101))),
        Message::Ping(Ping { num_pong_bytes: 8, ignored: vec![0; 4] }),
        Message::Pong(Pong { ignored: vec![0; 8] }),
        Message::Error(Error { channel_id: ChannelId::ALL, data: b"text".to_vec() }),
        Message::Warning(Warning { channel_id: ChannelId([1; 32]), data: b"text".to_vec() }),
    ];
    let mut numbers = Numbers(1);
    for _ in 0..5000 {
        let mut session = if numbers.below(2) == 0 { waiting() } else { up() };
        let mut now = START;
        while session.wake_at().is_some() && numbers.below(20) != 0 {
            let original = messages[numbers.below(messages.len())].encode().expect("short");
            let bytes = numbers.mutate(&original);
            let was_up = session.is_up();
            match session.receive(&bytes, now) {
                Some(Action::Send(Message::Pong(_)) | Action::Deliver(_)) => assert!(was_up),
                Some(Action::Up(_)) => assert!(!was_up && session.is_up()),
                action @ Some(Action::Disconnect { .. }) => {
                    disconnected(action);
                    assert_eq!(session.tick(now.plus(1_000_000)), None, "it is over");
                }
                None => {}
                other => panic!("{other:?}"),
            }
            now = now.plus(numbers.next() % 1000);
        }
    }
}
