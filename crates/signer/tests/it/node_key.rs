//! What is done with the node's own key.

use astrape_primitives::{ChannelKeysId, Network, NodeId};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::{Signer as _, SignerRefusal};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256, sha256d};
use bitcoin::secp256k1::{Message, Scalar, Secp256k1, SecretKey};

fn signer(byte: u8) -> InProcessSigner {
    InProcessSigner::new(&Seed::from_entropy([byte; 32]), Network::Regtest)
}

#[test]
fn both_ends_come_to_the_same_shared_secret() {
    let secp = Secp256k1::new();
    let signer = signer(1);
    let ephemeral = SecretKey::from_slice(&[5; 32]).expect("a key");
    let shared = signer.node_id().key().mul_tweak(&secp, &Scalar::from(ephemeral)).expect("a point");
    let mut engine = sha256::Hash::engine();
    engine.input(&shared.serialize());
    let expected = sha256::Hash::from_engine(engine).to_byte_array();
    assert_eq!(signer.ecdh(&ephemeral.public_key(&secp)), expected);
}

#[test]
fn a_signed_message_names_its_node() {
    let secp = Secp256k1::new();
    let signer = signer(1);
    let signature = signer.sign_message([3; 32]);
    let key = secp.recover_ecdsa(&Message::from_digest([3; 32]), &signature).expect("recoverable");
    assert_eq!(NodeId::from_key(&key), signer.node_id());
}

#[test]
fn networks_have_different_keys_only_where_coins_differ() {
    let id = |network| InProcessSigner::new(&Seed::from_entropy([1; 32]), network).node_id();
    assert_ne!(id(Network::Bitcoin), id(Network::Regtest));
    assert_eq!(id(Network::Signet), id(Network::Regtest));
}

#[test]
fn an_announcement_is_signed_by_node_and_funding_key_and_nothing_else_is() {
    let secp = Secp256k1::new();
    let (us, peer) = (signer(1), signer(2));
    let id = ChannelKeysId([4; 32]);
    let (ours, theirs) = (us.channel_keys(&id).basepoints.funding, peer.channel_keys(&id).basepoints.funding);
    let announcement = |first: bool, funding: [u8; 33]| {
        let mut message = vec![0; 2 + 32 + 8];
        let pairs = [(*us.node_id().as_bytes(), funding), (*peer.node_id().as_bytes(), theirs.serialize())];
        let [one, two] = if first { pairs } else { [pairs[1], pairs[0]] };
        [one.0, two.0, one.1, two.1].iter().for_each(|key| message.extend(key));
        message
    };
    for first in [true, false] {
        let message = announcement(first, ours.serialize());
        let (node, funding) = us.sign_channel_announcement(&id, &message).expect("ours");
        let digest = Message::from_digest(sha256d::Hash::hash(&message).to_byte_array());
        assert!(secp.verify_ecdsa(&digest, &node, &us.node_id().key()).is_ok());
        assert!(secp.verify_ecdsa(&digest, &funding, &ours).is_ok());
    }
    for message in [vec![], vec![0; 200], announcement(true, theirs.serialize())] {
        assert!(matches!(us.sign_channel_announcement(&id, &message), Err(SignerRefusal::Message(_))));
    }
}
