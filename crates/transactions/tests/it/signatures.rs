//! What the peer signs is checked before anything relies on it.

use astrape_primitives::{Msat, Sat, Side};
use astrape_transactions::{Commitment, CommitmentFormat, SignatureFault};
use bitcoin::secp256k1::ecdsa::Signature;

use crate::channel::{Channel, htlc};

/// Order of the group, big endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba,
    0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// The same signature with S negated: valid by consensus, not relayed.
fn high_s(signature: &Signature) -> Signature {
    let mut compact = signature.serialize_compact();
    let mut borrow = 0i16;
    for n in (0..32).rev() {
        let digit = i16::from(ORDER[n]) - i16::from(compact[32 + n]) - borrow;
        borrow = i16::from(digit < 0);
        compact[32 + n] = u8::try_from(digit.rem_euclid(256)).expect("a byte");
    }
    Signature::from_compact(&compact).expect("a signature")
}

fn with_htlcs(format: CommitmentFormat, count: u64) -> (Channel, Commitment) {
    let channel = Channel::new(format, Sat(354));
    let htlcs = (0..count)
        .map(|id| {
            let side = if id % 2 == 0 { Side::Local } else { Side::Remote };
            htlc(side, id, 5_000_000 + id * 1_000, 500, u8::try_from(id % 256).expect("a byte"))
        })
        .collect();
    let commitment = channel.build(&channel.content(1_000, Msat(1_000_000_000), htlcs));
    assert_eq!(commitment.htlcs().len() as u64, count);
    (channel, commitment)
}

const FORMATS: [CommitmentFormat; 2] = [CommitmentFormat::StaticRemotekey, CommitmentFormat::Anchors];

// BOLT 2.committing-updates-so-far-commitment_signed.12
// BOLT 2.committing-updates-so-far-commitment_signed.14
// attack 2
#[test]
fn high_s_signatures_are_refused() {
    for format in FORMATS {
        let (channel, commitment) = with_htlcs(format, 3);
        let (signature, mut htlcs) = channel.counterparty_signatures(&commitment);
        let verify =
            |signature: &Signature, htlcs: &[Signature]| commitment.verify(&channel.secp, signature, htlcs);
        assert_eq!(verify(&signature, &htlcs), Ok(()));
        assert_eq!(verify(&high_s(&signature), &htlcs), Err(SignatureFault::CommitmentHighS));
        htlcs[2] = high_s(&htlcs[2]);
        assert_eq!(verify(&signature, &htlcs), Err(SignatureFault::HtlcHighS(2)));
    }
}

// BOLT 2.committing-updates-so-far-commitment_signed.12
#[test]
fn a_signature_over_another_commitment_is_refused() {
    let (channel, commitment) = with_htlcs(CommitmentFormat::Anchors, 0);
    let (_, other) = with_htlcs(CommitmentFormat::Anchors, 1);
    let (signature, _) = channel.counterparty_signatures(&other);
    assert_eq!(commitment.verify(&channel.secp, &signature, &[]), Err(SignatureFault::Commitment));
}

// BOLT 2.committing-updates-so-far-commitment_signed.13
#[test]
fn there_is_one_signature_for_each_htlc_output() {
    let (channel, commitment) = with_htlcs(CommitmentFormat::Anchors, 2);
    let (signature, htlcs) = channel.counterparty_signatures(&commitment);
    for got in [0, 1, 3] {
        let signatures: Vec<_> = htlcs.iter().copied().cycle().take(got).collect();
        let fault = SignatureFault::HtlcCount { expected: 2, got };
        assert_eq!(commitment.verify(&channel.secp, &signature, &signatures), Err(fault));
    }
}

// BOLT 2.committing-updates-so-far-commitment_signed.14
#[test]
fn the_first_wrong_htlc_signature_is_named_however_many_there_are() {
    for format in FORMATS {
        for count in [3, 31, 32, 33, 200] {
            let (channel, commitment) = with_htlcs(format, count);
            let (signature, good) = channel.counterparty_signatures(&commitment);
            assert_eq!(commitment.verify(&channel.secp, &signature, &good), Ok(()));
            let last = good.len() - 1;
            for wrong in [0, last / 2, last] {
                let mut bad = good.clone();
                bad[wrong] = signature;
                bad[last] = signature;
                let fault = SignatureFault::Htlc(wrong);
                assert_eq!(commitment.verify(&channel.secp, &signature, &bad), Err(fault));
            }
        }
    }
}

// BOLT 2.committing-updates-so-far-commitment_signed.14
#[test]
fn anchor_htlcs_are_signed_so_that_a_fee_can_be_added() {
    let (channel, commitment) = with_htlcs(CommitmentFormat::Anchors, 1);
    let (signature, _) = channel.counterparty_signatures(&commitment);
    let key = channel.htlc_key(Side::Remote, &channel.point);
    // SIGHASH_ALL is what only static_remotekey takes.
    let all = channel.secp.sign_ecdsa(&commitment.htlcs()[0].owner_sighash(), &key);
    assert_eq!(commitment.verify(&channel.secp, &signature, &[all]), Err(SignatureFault::Htlc(0)));
    assert_ne!(commitment.htlcs()[0].owner_sighash(), commitment.htlcs()[0].counterparty_sighash());
}
