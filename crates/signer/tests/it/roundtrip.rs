//! What one signer signs, the other end accepts and can broadcast.

use astrape_primitives::{ChannelKeysId, CommitmentNumber, Side};
use astrape_transactions::{
    ClosingContent, ClosingRequest, ClosingTransaction, ReceivedSecrets, Signer as _, per_commitment_point,
};
use bitcoin::ScriptBuf;
use std::sync::Arc;

use crate::pair::{CAPACITY, FORMATS, Pair, htlcs};

// BOLT 2.committing-updates-so-far-commitment_signed.4
#[test]
fn signatures_of_one_end_are_accepted_by_the_other() {
    for format in FORMATS {
        let pair = Pair::new(format);
        for (number, count) in [(0, 0), (1, 1), (2, 6), (3, 31), (4, 33), (5, 966)] {
            let content = pair.content(number, htlcs(count));
            let (signature, htlc_signatures) = pair.bob_signs(&content).expect("a valid commitment");
            let commitment = pair.build(&content);
            assert_eq!(commitment.verify(&pair.secp, &signature, &htlc_signatures), Ok(()), "{count} HTLCs");
        }
    }
}

#[test]
fn a_broadcast_commitment_spends_the_funding_output() {
    for format in FORMATS {
        let pair = Pair::new(format);
        let content = pair.content(3, htlcs(4));
        let tx = pair.alice_broadcasts(&content).expect("signed");
        let funding = pair.alice.terms.funding_output();
        let bytes = bitcoin::consensus::serialize(&tx);
        bitcoinconsensus::verify(funding.script_pubkey.as_bytes(), CAPACITY.0, &bytes, None, 0)
            .expect("valid");
        assert_eq!(pair.alice_broadcasts(&content), Ok(tx), "again the same");
    }
}

#[test]
fn both_sign_the_mutual_close() {
    let pair = Pair::new(FORMATS[1]);
    let script = |byte| ScriptBuf::from([vec![0, 20], vec![byte; 20]].concat());
    let content = pair.content(3, vec![]);
    let content = ClosingContent {
        local_script: script(1),
        remote_script: script(2),
        local_balance: content.local_balance,
        remote_balance: content.remote_balance,
        fee: astrape_primitives::Sat(500),
    };
    let closing = ClosingTransaction::build(&pair.alice.terms, &content).expect("a close");
    let sign = |end: &crate::pair::End| {
        let request =
            ClosingRequest { keys: end.keys, terms: Arc::clone(&end.terms), tx: closing.tx().clone() };
        end.signer.sign_closing(&request).expect("signed")
    };
    let (alice, bob) = (sign(&pair.alice), sign(&pair.bob));
    assert!(closing.verify(&pair.secp, Side::Local, &alice));
    assert!(closing.verify(&pair.secp, Side::Remote, &bob));
    let bytes = bitcoin::consensus::serialize(&closing.signed(&alice, &bob));
    let funding = pair.alice.terms.funding_output();
    bitcoinconsensus::verify(funding.script_pubkey.as_bytes(), CAPACITY.0, &bytes, None, 0).expect("valid");
}

// BOLT 2.completing-the-transition-to-the-updated-state-revoke_and_ack.1
// BOLT 3.per-commitment-secret-requirements.3
// BOLT 3.per-commitment-secret-requirements.4
#[test]
fn revealed_secrets_are_those_of_the_points_and_of_one_chain() {
    let pair = Pair::new(FORMATS[1]);
    let (signer, keys) = (&pair.alice.signer, &pair.alice.keys);
    let announced = signer.channel_keys(keys).points;
    let mut points = announced.to_vec();
    let mut received = ReceivedSecrets::new();
    for n in 0..20 {
        let (secret, further) = signer.reveal(&pair.revocation(n)).expect("in order");
        points.push(further);
        let index = usize::try_from(n).expect("small");
        assert_eq!(per_commitment_point(&pair.secp, &secret), Some(points[index]));
        assert_eq!(received.insert(CommitmentNumber(n), secret), Ok(()));
        assert_eq!(further, signer.point(keys, CommitmentNumber(n + 3)));
    }
}

// BOLT 3.per-commitment-secret-requirements.1
#[test]
fn every_channel_has_its_own_keys() {
    let pair = Pair::new(FORMATS[1]);
    let one = pair.alice.signer.channel_keys(&ChannelKeysId([1; 32]));
    let other = pair.alice.signer.channel_keys(&ChannelKeysId([2; 32]));
    assert!(one.points.iter().all(|point| !other.points.contains(point)));
    assert_ne!(one.basepoints.funding, other.basepoints.funding);
    assert_ne!(pair.bob.signer.channel_keys(&ChannelKeysId([1; 32])).points, one.points);
}
