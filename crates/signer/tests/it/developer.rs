//! Keys given by a developer are used as they are.

use astrape_primitives::{ChannelKeysId, CommitmentNumber, Network};
use astrape_signer::{ChannelSecrets, DeveloperKeys, InProcessSigner, InvalidKey};
use astrape_transactions::{CommitmentFormat, Keychain, Signer as _, per_commitment_secret};
use bitcoin::secp256k1::{Secp256k1, SecretKey};

use crate::pair::{Pair, htlcs, seed};

fn given(node: u8) -> DeveloperKeys {
    let secrets =
        ChannelSecrets::from_raw([1; 32], [2; 32], [3; 32], [4; 32], [5; 32], [0xff; 32]).expect("keys");
    DeveloperKeys { node: Some([node; 32]), channel: Some(secrets) }
}

#[test]
fn given_keys_are_used_for_the_node_and_for_every_channel() {
    let secp = Secp256k1::new();
    let signer = InProcessSigner::with_developer_keys(&seed(1), Network::Regtest, given(9)).expect("keys");
    let public = |byte| SecretKey::from_slice(&[byte; 32]).expect("a key").public_key(&secp);
    assert_eq!(signer.node_id().key(), public(9));
    for id in [ChannelKeysId([1; 32]), ChannelKeysId([2; 32])] {
        let keys = signer.channel_keys(&id);
        let b = keys.basepoints;
        let all = [b.funding, b.revocation, b.payment, b.delayed_payment, b.htlc];
        assert_eq!(all, [public(1), public(2), public(3), public(4), public(5)]);
        let secret = per_commitment_secret(&[0xff; 32], CommitmentNumber(1));
        let secret = SecretKey::from_slice(&secret).expect("a key");
        assert_eq!(keys.points[1], secret.public_key(&secp));
    }
    let plain = InProcessSigner::new(&seed(1), Network::Regtest);
    assert_eq!(signer.wallet_descriptor(Keychain::External), plain.wallet_descriptor(Keychain::External));
    let bad = DeveloperKeys { node: Some([0; 32]), channel: None };
    let bad = InProcessSigner::with_developer_keys(&seed(1), Network::Regtest, bad);
    assert_eq!(bad.map(|_| ()), Err(InvalidKey("node")));
}

#[test]
fn a_channel_with_given_keys_works_like_any_other() {
    let alice = InProcessSigner::with_developer_keys(&seed(1), Network::Regtest, given(9)).expect("keys");
    let bob = InProcessSigner::new(&seed(2), Network::Regtest);
    let pair = Pair::of(alice, bob, CommitmentFormat::StaticRemotekey);
    let content = pair.content(1, htlcs(3));
    let (signature, htlc_signatures) = pair.bob_signs(&content).expect("signed");
    assert_eq!(pair.build(&content).verify(&pair.secp, &signature, &htlc_signatures), Ok(()));
    assert!(pair.alice_broadcasts(&content).is_ok());
}
