//! Frames over a socket: cut anywhere, changed anywhere, as long as they may be, and never more memory than the bound.

use crate::support::connected;
use astrape_transport::frame::{FRAME_OVERHEAD, MAX_BUFFERED, MAX_FRAME, MAX_MESSAGE, READ_CHUNK};
use astrape_transport::{Decryptor, TransportError};
use proptest::prelude::*;

/// All the messages that a decryptor has ready.
fn drain(decryptor: &mut Decryptor) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(message) = decryptor.next_message().expect("nothing was changed") {
        messages.push(message.to_vec());
    }
    messages
}

/// Feeds a stream in pieces of the given sizes, over and over, and collects what comes out.
fn feed(decryptor: &mut Decryptor, stream: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let taken = decryptor.push(&rest[..rest.len().min(*size)]);
        assert!(taken > 0, "there is always room once messages are taken");
        rest = &rest[taken..];
        messages.extend(drain(decryptor));
        assert!(decryptor.buffered() <= MAX_BUFFERED);
    }
    messages
}

#[test]
fn frames_may_come_byte_by_byte() {
    let (mut ours, mut theirs) = connected();
    let messages: Vec<Vec<u8>> = vec![b"one".to_vec(), Vec::new(), vec![7; 1000]];
    let mut stream = Vec::new();
    for message in &messages {
        ours.encryptor.seal(message, &mut stream).expect("short");
    }
    assert_eq!(feed(&mut theirs.decryptor, &stream, &[1]), messages);
}

#[test]
fn the_longest_message_passes_and_one_byte_more_is_refused_without_harm() {
    let (mut ours, mut theirs) = connected();
    let mut stream = Vec::new();
    let too_long = ours.encryptor.seal(&vec![0; MAX_MESSAGE + 1], &mut stream);
    assert_eq!(too_long, Err(TransportError::MessageTooLong { length: MAX_MESSAGE + 1 }));
    assert_eq!(stream, [0; 0], "nothing of it is sent");

    let longest = vec![9; MAX_MESSAGE];
    ours.encryptor.seal(&longest, &mut stream).expect("65535 bytes fit");
    assert_eq!(stream.len(), MAX_FRAME);
    assert_eq!(feed(&mut theirs.decryptor, &stream, &[READ_CHUNK]), [longest]);
}

#[test]
fn a_frame_is_appended_to_what_waits_to_be_sent() {
    let (mut ours, _) = connected();
    let mut out = vec![1, 2, 3];
    ours.encryptor.seal(b"hello", &mut out).expect("short");
    assert_eq!(out[..3], [1, 2, 3]);
    assert_eq!(out.len(), 3 + 5 + FRAME_OVERHEAD);
}

// attack 63
#[test]
fn a_peer_that_floods_is_held_to_one_buffer() {
    let (mut ours, mut theirs) = connected();
    let mut frame = Vec::new();
    ours.encryptor.seal(&vec![1; MAX_MESSAGE], &mut frame).expect("65535 bytes fit");
    ours.encryptor.seal(&vec![2; MAX_MESSAGE], &mut frame).expect("65535 bytes fit");
    // The driver is busy and takes no message out: what comes stays in the peer's socket.
    let mut taken = 0;
    while let count @ 1.. = theirs.decryptor.push(&frame[taken..]) {
        taken += count;
    }
    assert!((MAX_FRAME..=MAX_BUFFERED).contains(&taken), "took {taken}");
    assert!(theirs.decryptor.buffered() <= MAX_BUFFERED);
    assert_eq!(drain(&mut theirs.decryptor).len(), 1);
    assert_eq!(feed(&mut theirs.decryptor, &frame[taken..], &[READ_CHUNK]).len(), 1);
}

// attack 63
#[test]
fn a_long_message_that_is_only_promised_holds_little_memory() {
    let (mut ours, mut theirs) = connected();
    let mut frame = Vec::new();
    ours.encryptor.seal(&vec![1; MAX_MESSAGE], &mut frame).expect("65535 bytes fit");
    theirs.decryptor.push(&frame[..100]);
    assert_eq!(theirs.decryptor.next_message(), Ok(None));
    theirs.decryptor.push(&frame[100..200]);
    assert!(theirs.decryptor.buffered() <= 2 * READ_CHUNK);
}

#[test]
fn an_idle_peer_gives_the_memory_of_a_long_message_back() {
    let (mut ours, mut theirs) = connected();
    let mut stream = Vec::new();
    ours.encryptor.seal(&vec![1; MAX_MESSAGE], &mut stream).expect("65535 bytes fit");
    feed(&mut theirs.decryptor, &stream, &[READ_CHUNK]);
    assert_eq!(theirs.decryptor.spare().len(), READ_CHUNK);
    assert_eq!(theirs.decryptor.buffered(), READ_CHUNK);
}

#[test]
fn a_changed_length_and_a_changed_message_are_told_apart_and_end_the_stream() {
    for (at, error) in
        [(0, TransportError::LengthTag), (17, TransportError::LengthTag), (18, TransportError::MessageTag)]
    {
        let (mut ours, mut theirs) = connected();
        let mut stream = Vec::new();
        ours.encryptor.seal(b"hello", &mut stream).expect("short");
        stream[at] ^= 1;
        ours.encryptor.seal(b"right", &mut stream).expect("short");
        theirs.decryptor.push(&stream);
        assert_eq!(theirs.decryptor.next_message(), Err(error));
        assert_eq!(theirs.decryptor.next_message(), Err(TransportError::Broken), "nothing is read after it");
    }
}

#[test]
fn a_frame_cannot_be_repeated_left_out_or_swapped() {
    for order in [&[0, 0][..], &[1], &[1, 0]] {
        let (mut ours, mut theirs) = connected();
        let frames = [b"one", b"two"].map(|message| {
            let mut frame = Vec::new();
            ours.encryptor.seal(message, &mut frame).expect("short");
            frame
        });
        for index in order {
            theirs.decryptor.push(&frames[*index]);
        }
        let mut outcome = Ok(());
        while let Ok(()) = outcome {
            outcome = match theirs.decryptor.next_message() {
                Ok(Some(b"one")) => Ok(()),
                Ok(other) => panic!("{order:?} passed with {other:?}"),
                Err(error) => Err(error),
            };
        }
        assert_eq!(outcome, Err(TransportError::LengthTag), "{order:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_come_out_as_they_went_in_however_the_stream_is_cut(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 1..20),
        sizes in prop::collection::vec(1_usize..5000, 1..10),
    ) {
        let (mut ours, mut theirs) = connected();
        let mut stream = Vec::new();
        for message in &messages {
            ours.encryptor.seal(message, &mut stream).expect("short");
        }
        prop_assert_eq!(feed(&mut theirs.decryptor, &stream, &sizes), messages);
    }

    #[test]
    fn one_changed_bit_anywhere_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8) {
        let (mut ours, mut theirs) = connected();
        let mut stream = Vec::new();
        for message in [&b"one"[..], &[4; 430], b""] {
            ours.encryptor.seal(message, &mut stream).expect("short");
        }
        let at = at.index(stream.len());
        stream[at] ^= 1_u8 << bit;
        theirs.decryptor.push(&stream);
        let mut intact = 0;
        let error = loop {
            match theirs.decryptor.next_message() {
                Ok(Some(_)) => intact += 1,
                Ok(None) => panic!("the change at {at} was not noticed"),
                Err(error) => break error,
            }
        };
        prop_assert!(matches!(error, TransportError::LengthTag | TransportError::MessageTag));
        let ends = [3 + FRAME_OVERHEAD, 433 + 2 * FRAME_OVERHEAD];
        prop_assert_eq!(intact, ends.iter().filter(|end| **end <= at).count());
    }
}
