//! BOLT 8, "Message Encryption Tests": frames before and after two rotations of the key.

use crate::support::{bytes, connected};
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};

/// `rk` of the initiator, by which the responder encrypts.
const RK: &str = "bb9020b8965f4df047e07f955f3c4b88418984aadc5cdb35096b9ea8fa5c3442";

const FRAMES: [(usize, &str); 6] = [
    (0, "cf2b30ddf0cf3f80e7c35a6e6730b59fe802473180f396d88a8fb0db8cbcf25d2f214cf9ea1d95"),
    (1, "72887022101f0b6753e0c7de21657d35a4cb2a1f5cde2650528bbc8f837d0f0d7ad833b1a256a1"),
    (500, "178cb9d7387190fa34db9c2d50027d21793c9bc2d40b1e14dcf30ebeeeb220f48364f7a4c68bf8"),
    (501, "1b186c57d44eb6de4c057c49940d79bb838a145cb528d6e8fd26dbe50a60ca2c104b56b60e45bd"),
    (1000, "4a2f3cc3b5e78ddb83dcb426d9863d9d9a723b0337c89dd0b005d89f8d3c05c52b76b29b740f09"),
    (1001, "2ecd8c8a5629d0d02ab457a0fdd0f7b90a192cd46be5ecb6ca570bfc5e268338b1a16cf4ef2d36"),
];

// BOLT 8.encrypting-and-sending-messages.1
// BOLT 8.encrypting-and-sending-messages.2
// BOLT 8.receiving-and-decrypting-messages.1
// BOLT 8.receiving-and-decrypting-messages.2
#[test]
fn frames_are_those_of_the_vectors_over_two_rotations() {
    let (mut ours, mut theirs) = connected();
    for number in 0..=1001 {
        let mut frame = Vec::new();
        ours.encryptor.seal(b"hello", &mut frame).expect("short");
        if let Some((_, expected)) = FRAMES.iter().find(|(n, _)| *n == number) {
            assert_eq!(hex::encode(&frame), *expected, "output {number}");
        }
        assert_eq!(theirs.decryptor.push(&frame), frame.len());
        assert_eq!(theirs.decryptor.next_message(), Ok(Some(&b"hello"[..])), "output {number}");
        assert_eq!(theirs.decryptor.next_message(), Ok(None));
    }
}

#[test]
fn the_responder_encrypts_with_its_own_key() {
    let (mut ours, mut theirs) = connected();
    let mut frame = Vec::new();
    theirs.encryptor.seal(b"hello", &mut frame).expect("short");

    let cipher = ChaCha20Poly1305::new(bytes(RK).as_slice().into());
    let mut second = [0; 12];
    second[4] = 1;
    let mut expected = cipher.encrypt(&Nonce::default(), &[0, 5][..]).expect("short");
    expected.extend(cipher.encrypt(&second.into(), &b"hello"[..]).expect("short"));
    assert_eq!(hex::encode(&frame), hex::encode(expected));

    ours.decryptor.push(&frame);
    assert_eq!(ours.decryptor.next_message(), Ok(Some(&b"hello"[..])));
}
