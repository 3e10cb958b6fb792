//! Really signed spends, verified by Bitcoin Core's engine.

use crate::kit::{anyone, chain, mine, spend};
use astrape_primitives::Sat;
use astrape_regtest::{MempoolReject, RegtestChain, TxInvalid};
use bitcoin::blockdata::opcodes::all::{
    OP_CHECKMULTISIG, OP_CHECKSIG, OP_CSV, OP_DROP, OP_ELSE, OP_ENDIF, OP_IF, OP_PUSHNUM_2,
};
use bitcoin::key::{Keypair, PublicKey, TapTweak as _};
use bitcoin::script::Builder;
use bitcoin::secp256k1::{All, Message, Scalar, Secp256k1, SecretKey, ecdsa};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::taproot::{LeafVersion, TaprootBuilder};
use bitcoin::{
    Amount, EcdsaSighashType, OutPoint, ScriptBuf, Sequence, TapLeafHash, TapSighashType, Transaction, TxOut,
    Witness,
};

const COIN: u64 = 100_000;

fn secp() -> Secp256k1<All> {
    Secp256k1::new()
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_slice(&[byte; 32]).unwrap()
}

fn public(secret: &SecretKey) -> PublicKey {
    PublicKey::new(secret.public_key(&secp()))
}

/// A chain with a confirmed coin under this script, and the unsigned spend of it.
fn with_coin(script: &ScriptBuf) -> (RegtestChain, OutPoint, Transaction) {
    let mut chain = chain();
    let from = chain.fund(script, Sat(COIN)).unwrap();
    mine(&mut chain, 1);
    let mut tx = spend(&[from], &[90_000]);
    tx.input[0].witness.clear();
    (chain, from, tx)
}

fn sign_p2wsh(tx: &Transaction, script: &ScriptBuf, secret: &SecretKey) -> ecdsa::Signature {
    let hash = SighashCache::new(tx)
        .p2wsh_signature_hash(0, script, Amount::from_sat(COIN), EcdsaSighashType::All)
        .unwrap();
    secp().sign_ecdsa(&Message::from(hash), secret)
}

fn with_type(signature: &ecdsa::Signature, sighash: u8) -> Vec<u8> {
    let mut bytes = signature.serialize_der().to_vec();
    bytes.push(sighash);
    bytes
}

/// The funding script of BOLT 3: both sign.
fn two_of_two() -> (ScriptBuf, [SecretKey; 2]) {
    let keys = [key(1), key(2)];
    let builder =
        Builder::new().push_opcode(OP_PUSHNUM_2).push_key(&public(&keys[0])).push_key(&public(&keys[1]));
    (builder.push_opcode(OP_PUSHNUM_2).push_opcode(OP_CHECKMULTISIG).into_script(), keys)
}

fn expect_script_failure(chain: &mut RegtestChain, tx: &Transaction) {
    assert_eq!(chain.submit(tx.clone()), Err(TxInvalid::Script { input: 0 }.into()));
    assert!(chain.mine_with(std::slice::from_ref(tx), &anyone()).is_err());
}

#[test]
fn a_two_of_two_wants_both_signatures() {
    let (script, keys) = two_of_two();
    let (mut chain, _, mut tx) = with_coin(&script.to_p2wsh());
    let signatures = keys.map(|key| with_type(&sign_p2wsh(&tx, &script, &key), 1));
    let witness = |first: &[u8], second: &[u8]| Witness::from_slice(&[&[], first, second, script.as_bytes()]);
    for wrong in
        [witness(&signatures[0], &signatures[0]), witness(&signatures[1], &signatures[0]), Witness::new()]
    {
        tx.input[0].witness = wrong;
        expect_script_failure(&mut chain, &tx);
    }
    tx.input[0].witness = witness(&signatures[0], &signatures[1]);
    chain.submit(tx.clone()).unwrap();
    mine(&mut chain, 1);
    assert_eq!(chain.confirmations(&tx.compute_txid()), 1);
}

#[test]
fn a_signature_binds_the_amount() {
    let (script, keys) = two_of_two();
    let (mut chain, _, mut tx) = with_coin(&script.to_p2wsh());
    let sign = |key: &SecretKey| {
        let hash = SighashCache::new(&tx)
            .p2wsh_signature_hash(0, &script, Amount::from_sat(COIN - 1), EcdsaSighashType::All)
            .unwrap();
        with_type(&secp().sign_ecdsa(&Message::from(hash), key), 1)
    };
    let signatures = [sign(&keys[0]), sign(&keys[1])];
    tx.input[0].witness =
        Witness::from_slice(&[&[], signatures[0].as_slice(), signatures[1].as_slice(), script.as_bytes()]);
    expect_script_failure(&mut chain, &tx);
}

/// The other signature of the same key over the same message: n - s.
fn high_s(signature: &ecdsa::Signature) -> ecdsa::Signature {
    let compact = signature.serialize_compact();
    let s = SecretKey::from_slice(&compact[32..]).unwrap().negate();
    ecdsa::Signature::from_compact(&[&compact[..32], s.secret_bytes().as_slice()].concat()).unwrap()
}

#[test]
fn a_high_s_is_mined_but_not_relayed() {
    let (script, keys) = two_of_two();
    let (mut chain, _, mut tx) = with_coin(&script.to_p2wsh());
    let low = with_type(&sign_p2wsh(&tx, &script, &keys[0]), 1);
    let high = with_type(&high_s(&sign_p2wsh(&tx, &script, &keys[1])), 1);
    tx.input[0].witness = Witness::from_slice(&[&[], low.as_slice(), high.as_slice(), script.as_bytes()]);
    assert_eq!(chain.submit(tx.clone()), Err(MempoolReject::HighS));
    chain.mine_with(&[tx], &anyone()).unwrap();
}

#[test]
fn a_strange_hash_type_is_not_relayed() {
    let script = Builder::new().push_key(&public(&key(1))).push_opcode(OP_CHECKSIG).into_script();
    let (mut chain, _, mut tx) = with_coin(&script.to_p2wsh());
    let hash = SighashCache::new(&tx)
        .p2wsh_signature_hash(0, &script, Amount::from_sat(COIN), EcdsaSighashType::All)
        .unwrap();
    let signature = secp().sign_ecdsa(&Message::from(hash), &key(1));
    tx.input[0].witness = Witness::from_slice(&[with_type(&signature, 4), script.to_bytes()]);
    assert_eq!(chain.submit(tx.clone()), Err(MempoolReject::SighashType));
}

/// A delayed output as BOLT 3's `to_local`.
fn delayed(delay: i64) -> ScriptBuf {
    Builder::new()
        .push_opcode(OP_IF)
        .push_key(&public(&key(1)))
        .push_opcode(OP_ELSE)
        .push_int(delay)
        .push_opcode(OP_CSV)
        .push_opcode(OP_DROP)
        .push_key(&public(&key(2)))
        .push_opcode(OP_ENDIF)
        .push_opcode(OP_CHECKSIG)
        .into_script()
}

#[test]
fn a_relative_delay_in_a_script_holds() {
    let script = delayed(5);
    let (mut chain, _, mut tx) = with_coin(&script.to_p2wsh());
    let signed = |mut tx: Transaction, sequence: u16| {
        tx.input[0].sequence = Sequence::from_height(sequence);
        let signature = with_type(&sign_p2wsh(&tx, &script, &key(2)), 1);
        tx.input[0].witness = Witness::from_slice(&[signature.as_slice(), &[], script.as_bytes()]);
        tx
    };
    mine(&mut chain, 3);
    expect_script_failure(&mut chain, &signed(tx.clone(), 4));
    tx = signed(tx, 5);
    assert_eq!(chain.submit(tx.clone()), Err(TxInvalid::NonBip68Final.into()));
    mine(&mut chain, 1);
    chain.submit(tx).unwrap();
}

#[test]
fn the_argument_of_a_branch_is_minimal() {
    let script = delayed(5);
    let (mut chain, _, mut tx) = with_coin(&script.to_p2wsh());
    let signature = with_type(&sign_p2wsh(&tx, &script, &key(1)), 1);
    tx.input[0].witness = Witness::from_slice(&[signature.as_slice(), &[2], script.as_bytes()]);
    assert_eq!(chain.submit(tx.clone()), Err(MempoolReject::MinimalIf));
    tx.input[0].witness = Witness::from_slice(&[signature.as_slice(), &[1], script.as_bytes()]);
    chain.submit(tx).unwrap();
}

#[test]
fn a_taproot_key_spend_is_verified() {
    let pair = Keypair::from_secret_key(&secp(), &key(3));
    let script = ScriptBuf::new_p2tr(&secp(), pair.x_only_public_key().0, None);
    let (mut chain, _, mut tx) = with_coin(&script);
    let prevouts = [TxOut { value: Amount::from_sat(COIN), script_pubkey: script }];
    let hash = SighashCache::new(&tx)
        .taproot_key_spend_signature_hash(0, &Prevouts::All(&prevouts), TapSighashType::Default)
        .unwrap();
    let tweaked = pair.tap_tweak(&secp(), None).to_keypair();
    let mut signature = secp().sign_schnorr_no_aux_rand(&Message::from(hash), &tweaked).serialize();
    tx.input[0].witness = Witness::from_slice(&[signature]);
    let good = tx.clone();
    signature[5] ^= 1;
    tx.input[0].witness = Witness::from_slice(&[signature]);
    expect_script_failure(&mut chain, &tx);
    chain.submit(good).unwrap();
    mine(&mut chain, 1);
    assert!(chain.mempool().is_empty());
}

#[test]
fn a_taproot_script_spend_is_verified() {
    let internal = Keypair::from_secret_key(&secp(), &key(4)).x_only_public_key().0;
    let leaf_pair = Keypair::from_secret_key(&secp(), &key(5));
    let leaf = Builder::new()
        .push_x_only_key(&leaf_pair.x_only_public_key().0)
        .push_opcode(OP_CHECKSIG)
        .into_script();
    let tree = TaprootBuilder::new().add_leaf(0, leaf.clone()).unwrap().finalize(&secp(), internal).unwrap();
    let script = ScriptBuf::new_p2tr_tweaked(tree.output_key());
    let (mut chain, _, mut tx) = with_coin(&script);
    let prevouts = [TxOut { value: Amount::from_sat(COIN), script_pubkey: script }];
    let hash = SighashCache::new(&tx)
        .taproot_script_spend_signature_hash(
            0,
            &Prevouts::All(&prevouts),
            TapLeafHash::from_script(&leaf, LeafVersion::TapScript),
            TapSighashType::Default,
        )
        .unwrap();
    let control = tree.control_block(&(leaf.clone(), LeafVersion::TapScript)).unwrap().serialize();
    let witness = |pair: &Keypair| {
        let signature = secp().sign_schnorr_no_aux_rand(&Message::from(hash), pair).serialize();
        Witness::from_slice(&[signature.as_slice(), leaf.as_bytes(), control.as_slice()])
    };
    let wrong = leaf_pair.add_xonly_tweak(&secp(), &Scalar::ONE).unwrap();
    tx.input[0].witness = witness(&wrong);
    expect_script_failure(&mut chain, &tx);
    tx.input[0].witness = witness(&leaf_pair);
    chain.submit(tx).unwrap();
}

#[test]
fn a_taproot_annex_is_mined_but_not_relayed() {
    let pair = Keypair::from_secret_key(&secp(), &key(3));
    let script = ScriptBuf::new_p2tr(&secp(), pair.x_only_public_key().0, None);
    let (mut chain, _, mut tx) = with_coin(&script);
    let prevouts = [TxOut { value: Amount::from_sat(COIN), script_pubkey: script }];
    let annex = [0x50_u8, 1, 2];
    let hash = SighashCache::new(&tx)
        .taproot_signature_hash(
            0,
            &Prevouts::All(&prevouts),
            Some(bitcoin::sighash::Annex::new(&annex).unwrap()),
            None,
            TapSighashType::Default,
        )
        .unwrap();
    let tweaked = pair.tap_tweak(&secp(), None).to_keypair();
    let signature = secp().sign_schnorr_no_aux_rand(&Message::from(hash), &tweaked).serialize();
    tx.input[0].witness = Witness::from_slice(&[signature.as_slice(), &annex]);
    assert_eq!(chain.submit(tx.clone()), Err(MempoolReject::NonstandardWitness));
    chain.mine_with(&[tx], &anyone()).unwrap();
}

#[test]
fn a_key_hash_spend_is_verified() {
    let secret = key(6);
    let script = ScriptBuf::new_p2wpkh(&public(&secret).wpubkey_hash().unwrap());
    let (mut chain, _, mut tx) = with_coin(&script);
    let hash = SighashCache::new(&tx)
        .p2wpkh_signature_hash(0, &script, Amount::from_sat(COIN), EcdsaSighashType::All)
        .unwrap();
    let signature = secp().sign_ecdsa(&Message::from(hash), &secret);
    tx.input[0].witness = Witness::from_slice(&[with_type(&signature, 1), public(&key(7)).to_bytes()]);
    expect_script_failure(&mut chain, &tx);
    tx.input[0].witness =
        Witness::from_slice(&[with_type(&high_s(&signature), 1), public(&secret).to_bytes()]);
    assert_eq!(chain.submit(tx.clone()), Err(MempoolReject::HighS));
    tx.input[0].witness = Witness::from_slice(&[with_type(&signature, 1), public(&secret).to_bytes()]);
    chain.submit(tx).unwrap();
}
