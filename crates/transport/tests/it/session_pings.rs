//! Pings in both directions (BOLT 1, "The ping and pong Messages").

use crate::support::{START, disconnected, say, up};
use astrape_primitives::Timestamp;
use astrape_transport::session::{MAX_PING_BURST, PING_INTERVAL_MS, PING_REFILL_MS, PONG_TIMEOUT_MS};
use astrape_transport::{Action, DisconnectReason, Session};
use astrape_wire::{Message, Ping, Pong};

fn ping(num_pong_bytes: u16) -> Message {
    Message::Ping(Ping { num_pong_bytes, ignored: vec![1, 2, 3] })
}

fn pong(len: usize) -> Message {
    Message::Pong(Pong { ignored: vec![0; len] })
}

/// The ping that an action sends.
fn sent_ping(action: Option<Action>) -> Ping {
    match action {
        Some(Action::Send(Message::Ping(ping))) => ping,
        other => panic!("no ping but {other:?}"),
    }
}

/// A session whose first ping is on its way, with that ping and when it was sent.
fn pinging() -> (Session, Ping, Timestamp) {
    let mut session = up();
    let due = START.plus(PING_INTERVAL_MS);
    assert_eq!(session.wake_at(), Some(due));
    assert_eq!(session.tick(START.plus(PING_INTERVAL_MS - 1)), None);
    let ping = sent_ping(session.tick(due));
    (session, ping, due)
}

// BOLT 1.the-ping-and-pong-messages.5
// BOLT 1.the-ping-and-pong-messages.6
// BOLT 1.the-ping-and-pong-messages.7
#[test]
fn a_ping_is_answered_with_as_many_zeros_as_it_asks_for() {
    let mut session = up();
    for wanted in [0, 1, 1000, 65_531] {
        let Some(Action::Send(answer)) = say(&mut session, &ping(wanted), START) else {
            panic!("a ping for {wanted} bytes is not answered");
        };
        assert_eq!(answer, pong(usize::from(wanted)));
        let bytes = answer.encode().expect("the longest pong is the longest message");
        assert_eq!(bytes.len(), 4 + usize::from(wanted));
    }
}

// BOLT 1.the-ping-and-pong-messages.8
#[test]
fn a_ping_for_more_than_fits_is_ignored() {
    let mut session = up();
    for wanted in [65_532, 65_533, u16::MAX] {
        assert_eq!(say(&mut session, &ping(wanted), START), None);
    }
    assert!(session.is_up());
}

// BOLT 1.the-ping-and-pong-messages.1
// BOLT 1.the-ping-and-pong-messages.2
#[test]
fn our_pings_carry_zeros_at_most_and_ask_for_little() {
    let (_, ping, _) = pinging();
    assert!(ping.ignored.iter().all(|byte| *byte == 0));
    assert!(ping.num_pong_bytes < 256);
}

#[test]
fn a_pong_in_time_keeps_the_connection() {
    let (mut session, ping, sent) = pinging();
    assert_eq!(say(&mut session, &pong(ping.num_pong_bytes.into()), sent.plus(10)), None);
    assert_eq!(session.heard_at(), sent.plus(10));
    assert_eq!(session.tick(sent.plus(PONG_TIMEOUT_MS)), None);
    let next = sent.plus(PING_INTERVAL_MS);
    assert_eq!(session.wake_at(), Some(next));
    sent_ping(session.tick(next));
}

// BOLT 1.the-ping-and-pong-messages.3
// BOLT 1.the-ping-and-pong-messages.4
#[test]
fn a_missing_pong_ends_the_connection_and_no_channel() {
    let (mut session, _, sent) = pinging();
    let late = sent.plus(PONG_TIMEOUT_MS);
    assert_eq!(session.wake_at(), Some(late));
    assert_eq!(session.tick(sent.plus(PONG_TIMEOUT_MS - 1)), None);
    let (reason, words) = disconnected(session.tick(late));
    assert_eq!(reason, DisconnectReason::PongTimeout);
    assert_eq!(words, None, "above all no error, which would fail channels");
}

// attack 63
#[test]
fn a_peer_that_floods_and_does_not_read_is_found_out() {
    let (mut session, asked, sent) = pinging();
    // It sends without end, pongs too, but it cannot know which one we want.
    let wrong = usize::from(asked.num_pong_bytes) + 1;
    let mut now = sent;
    for _ in 0..40 {
        now = now.plus(1000);
        assert_eq!(session.receive(&[0x80, 0x01], now), None);
        assert_eq!(say(&mut session, &pong(wrong), now), None);
    }
    assert_eq!(session.heard_at(), now);
    let found = session.tick(sent.plus(PONG_TIMEOUT_MS));
    assert_eq!(disconnected(found).0, DisconnectReason::PongTimeout);
}

#[test]
fn pongs_that_nobody_asked_for_are_dropped() {
    let mut session = up();
    assert_eq!(say(&mut session, &pong(5), START), None);
    sent_ping(session.probe(START));
}

#[test]
fn the_length_asked_for_cannot_be_foreseen() {
    let lengths = |entropy| {
        let (mut session, _) = Session::start(crate::support::local(), None, entropy, START);
        session.receive(&[0, 16, 0, 0, 0, 0], START);
        let mut now = START;
        (0..20)
            .map(|_| {
                now = now.plus(PING_INTERVAL_MS);
                let asked = sent_ping(session.tick(now)).num_pong_bytes;
                say(&mut session, &pong(asked.into()), now);
                asked
            })
            .collect::<Vec<u16>>()
    };
    assert_ne!(lengths([1; 32]), lengths([2; 32]));
    assert!(lengths([1; 32]).windows(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn a_probe_asks_at_once_and_only_one_at_a_time() {
    let mut session = up();
    let now = START.plus(5);
    let asked = sent_ping(session.probe(now));
    assert_eq!(session.probe(now), None);
    assert_eq!(session.wake_at(), Some(now.plus(PONG_TIMEOUT_MS)));
    say(&mut session, &pong(asked.num_pong_bytes.into()), now);
    sent_ping(session.probe(now));
}

// attack 63
#[test]
fn a_flood_of_pings_ends_the_connection() {
    let mut session = up();
    for _ in 0..MAX_PING_BURST {
        assert!(matches!(say(&mut session, &ping(65_531), START), Some(Action::Send(_))));
    }
    assert_eq!(disconnected(say(&mut session, &ping(65_531), START)).0, DisconnectReason::PingFlood);
    assert_eq!(say(&mut session, &ping(1), START), None, "it is over");
}

#[test]
fn steady_pings_are_answered_for_ever() {
    let mut session = up();
    let mut now = START;
    for _ in 0..10 * MAX_PING_BURST {
        assert!(matches!(say(&mut session, &ping(1), now), Some(Action::Send(_))));
        now = now.plus(PING_REFILL_MS);
    }
    // Slower than the refill is not saved up beyond the burst.
    now = now.plus(1_000_000_000);
    let answered = (0..2 * MAX_PING_BURST)
        .take_while(|_| matches!(say(&mut session, &ping(1), now), Some(Action::Send(_))))
        .count();
    assert_eq!(answered as u64, MAX_PING_BURST);
}

#[test]
fn a_clock_that_goes_back_neither_ends_nor_silences_a_session() {
    let (mut session, asked, sent) = pinging();
    let before = Timestamp::from_secs(1_000_000_000);
    assert_eq!(session.tick(before), None);
    assert_eq!(session.wake_at(), Some(before.plus(PONG_TIMEOUT_MS)));
    say(&mut session, &pong(asked.num_pong_bytes.into()), before);
    sent_ping(session.tick(before.plus(PING_INTERVAL_MS)));
    assert!(before < sent);
}
