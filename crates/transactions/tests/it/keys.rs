//! Appendix E: key derivation; and the keys of the channel of appendix C.

use astrape_primitives::Sat;
use astrape_primitives::Side;
use astrape_transactions::keys::{
    derive_private_key, derive_public_key, derive_revocation_private_key, derive_revocation_public_key,
};
use astrape_transactions::{CommitmentFormat, CommitmentKeys, numbering};
use bitcoin::secp256k1::Secp256k1;

use crate::channel::{Channel, secret};

#[test]
fn keys_are_derived_as_in_the_appendix() {
    let secp = Secp256k1::new();
    let base = secret("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    let per_commitment = secret("1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100");
    let (basepoint, point) = (base.public_key(&secp), per_commitment.public_key(&secp));
    let public = derive_public_key(&secp, &basepoint, &point).expect("a key");
    assert_eq!(public.to_string(), "0235f2dbfaa89b57ec7b055afe29849ef7ddfeb1cefdb9ebdc43f5494984db29e5");
    let private = derive_private_key(&base, &basepoint, &point).expect("a key");
    assert_eq!(private, secret("cbced912d3b21bf196a766651e436aff192362621ce317704ea2f75d87e7be0f"));
    let revocation = derive_revocation_public_key(&secp, &basepoint, &point).expect("a key");
    assert_eq!(revocation.to_string(), "02916e326636d19c33f13e8c0c3a03dd157f332f3e99c317c141dd865eb01f8ff0");
    let private = derive_revocation_private_key(&secp, &base, &per_commitment).expect("a key");
    assert_eq!(private, secret("d09ffff62ddb2297ab000cc85bcb4283fdeb6aa052affbc9dddcf33b61078110"));
}

#[test]
fn a_commitment_uses_the_keys_of_its_owner_and_its_counterparty() {
    let channel = Channel::new(CommitmentFormat::StaticRemotekey, Sat(546));
    let keys =
        CommitmentKeys::derive(&channel.secp, &channel.terms, Side::Local, &channel.point).expect("keys");
    for (key, expected) in [
        (keys.owner_htlc, "030d417a46946384f88d5f3337267c5e579765875dc4daca813e21734b140639e7"),
        (keys.counterparty_htlc, "0394854aa6eab5b2a8122cc726e9dded053a2184d88256816826d6231c068d4a5b"),
        (keys.delayed, "03fd5960528dc152014952efdb702a88f71e3c1653b2314431701ec77e57fde83c"),
        (keys.revocation, "0212a140cd0c6539d07cd08dfe09984dec3251ea808b892efeac3ede9402bf2b19"),
        (keys.counterparty_payment, "032c0b7cf95324a07d05398b240174dc0c2be444d96b159aa6c7f7b1e668680991"),
    ] {
        assert_eq!(key.to_string(), expected);
    }
    assert_eq!(numbering::obscuring_factor(&channel.terms), 0x2bb0_3852_1914);
}

#[test]
fn whoever_accepted_reads_the_same_number() {
    let channel = Channel::new(CommitmentFormat::Anchors, Sat(546));
    let mut mirrored = channel.terms;
    mirrored.opener = Side::Remote;
    std::mem::swap(&mut mirrored.local, &mut mirrored.remote);
    assert_eq!(numbering::obscuring_factor(&mirrored), 0x2bb0_3852_1914);
    let commitment = channel.build(&channel.content(253, Sat(1_000_000).to_msat(), vec![]));
    assert_eq!(numbering::commitment_number(&mirrored, commitment.tx()), Some(commitment.number()));
    let mut closing = commitment.tx().clone();
    closing.input[0].sequence = bitcoin::Sequence::MAX;
    assert_eq!(numbering::commitment_number(&mirrored, &closing), None);
}
