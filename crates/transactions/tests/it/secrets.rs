//! Appendix D: per-commitment secrets, made and stored.

use astrape_primitives::CommitmentNumber;
use astrape_transactions::shachain::{FIRST_INDEX, generate_from_seed};
use astrape_transactions::{ReceivedSecrets, SecretFault, per_commitment_secret};

fn bytes(hex: &str) -> [u8; 32] {
    hex::decode(hex).expect("hex").try_into().expect("32 bytes")
}

// BOLT 3.per-commitment-secret-requirements.3
// BOLT 3.per-commitment-secret-requirements.4
// BOLT 3.per-commitment-secret-requirements.5
#[test]
fn secrets_are_generated_as_in_the_appendix() {
    for (seed, index, secret) in [
        (0, FIRST_INDEX, "02a40c85b6f28da08dfdbe0926c53fab2de6d28c10301f8f7c4073d5e42e3148"),
        (0xff, FIRST_INDEX, "7cc854b54e3e0dcdb010d7a3fee464a9687be6e8db3be6854c475621e007a5dc"),
        (0xff, 0xaaa_aaaa_aaaa, "56f4008fb007ca9acf0e15b054d5c9fd12ee06cea347914ddbaed70d1c13a528"),
        (0xff, 0x5555_5555_5555, "9015daaeb06dba4ccc05b91b2f73bd54405f2be9f217fbacd3c5ac2e62327d31"),
        (0x01, 1, "915c75942a26bb3a433a8ce2cb0427c29ec6c1775cfc78328b57f6ba7bfeaa9c"),
    ] {
        assert_eq!(generate_from_seed(&[seed; 32], index), bytes(secret));
    }
    assert_eq!(FIRST_INDEX, 281_474_976_710_655);
    let seed = [0xff; 32];
    for number in 0..5 {
        let secret = per_commitment_secret(&seed, CommitmentNumber(number));
        assert_eq!(secret, generate_from_seed(&seed, FIRST_INDEX - number));
    }
}

// BOLT 3.per-commitment-secret-requirements.7
#[test]
fn stored_secrets_are_checked_as_in_the_appendix() {
    let text = include_str!("../vectors/secrets.txt");
    let mut cases: Vec<(bool, Vec<[u8; 32]>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("case ") {
            Some(rest) => cases.push((rest.starts_with("ok"), Vec::new())),
            None => cases.last_mut().expect("a case comes first").1.push(bytes(line)),
        }
    }
    assert_eq!(cases.len(), 9);
    for (ok, secrets) in cases {
        let mut store = ReceivedSecrets::new();
        for (n, secret) in (0u64..).zip(&secrets) {
            let number = CommitmentNumber(n);
            let last = n + 1 == secrets.len() as u64;
            let expected = if ok || !last { Ok(()) } else { Err(SecretFault::NotOfTheChain(number)) };
            let before = store.clone();
            assert_eq!(store.insert(number, *secret), expected);
            assert_eq!(expected.is_err(), before == store, "an error changes nothing");
        }
    }
}

// BOLT 3.per-commitment-secret-requirements.7
#[test]
fn every_secret_received_can_be_had_back_at_every_length() {
    let seed = [7; 32];
    let mut store = ReceivedSecrets::new();
    for n in 0..300u64 {
        let number = CommitmentNumber(n);
        assert_eq!(store.next(), number);
        assert_eq!(store.get(number), None);
        store.insert(number, per_commitment_secret(&seed, number)).expect("from the seed");
        let stored = store.to_bytes();
        assert!(stored.len() <= 8 + 49 * 32);
        assert_eq!(ReceivedSecrets::from_bytes(&stored).as_ref(), Ok(&store));
        for old in (0..=n).map(CommitmentNumber) {
            assert_eq!(store.get(old), Some(per_commitment_secret(&seed, old)));
        }
    }
}

#[test]
fn secrets_come_in_order_each_once() {
    let seed = [7; 32];
    let mut store = ReceivedSecrets::new();
    let secret = |n| per_commitment_secret(&seed, CommitmentNumber(n));
    store.insert(CommitmentNumber(0), secret(0)).expect("the first");
    for n in [0, 2] {
        let fault = SecretFault::OutOfOrder { expected: CommitmentNumber(1), got: CommitmentNumber(n) };
        assert_eq!(store.insert(CommitmentNumber(n), secret(n)), Err(fault));
    }
    let beyond = CommitmentNumber(1 << 48);
    assert_eq!(store.insert(beyond, [1; 32]), Err(SecretFault::Exhausted(beyond)));
}

// attack 83
#[test]
fn a_corrupt_record_of_secrets_is_refused() {
    let mut store = ReceivedSecrets::new();
    for n in (0..6).map(CommitmentNumber) {
        store.insert(n, per_commitment_secret(&[7; 32], n)).expect("from the seed");
    }
    let good = store.to_bytes();
    for cut in 0..good.len() {
        assert!(ReceivedSecrets::from_bytes(&good[..cut]).is_err());
    }
    let mut huge = good.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_be_bytes());
    assert!(ReceivedSecrets::from_bytes(&huge).is_err());
    assert!(ReceivedSecrets::from_bytes(&[good, vec![0]].concat()).is_err());
}

#[test]
fn the_last_secrets_of_a_channel_have_their_place() {
    // Build the store as it stands after all but the last two secrets, from its documented bytes.
    let seed = [9; 32];
    let count = FIRST_INDEX;
    let mut bytes = count.to_be_bytes().to_vec();
    // The lowest received index is 1: position b holds index 2^b.
    (0..48).for_each(|b| bytes.extend(generate_from_seed(&seed, 1 << b)));
    let mut store = ReceivedSecrets::from_bytes(&bytes).expect("48 secrets");
    for n in [0, 1, 1 << 40, FIRST_INDEX - 1] {
        assert_eq!(store.get(CommitmentNumber(n)), Some(per_commitment_secret(&seed, CommitmentNumber(n))));
    }
    store.insert(CommitmentNumber(FIRST_INDEX), seed).expect("index 0 is the seed itself");
    assert_eq!(
        store.get(CommitmentNumber(12_345)),
        Some(per_commitment_secret(&seed, CommitmentNumber(12_345)))
    );
    assert_eq!(ReceivedSecrets::from_bytes(&store.to_bytes()).as_ref(), Ok(&store));
}
