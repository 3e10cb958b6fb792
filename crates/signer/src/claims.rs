//! Signing the inputs of on-chain transactions: coins of the wallet, and outputs of commitments (BOLT 5).

use astrape_transactions::htlc::htlc_witness;
use astrape_transactions::keys::{derive_private_key, derive_revocation_private_key};
use astrape_transactions::{ClaimInput, ClaimRequest, Keychain, SignerRefusal, Spend, SpendPath};
use bitcoin::bip32::ChildNumber;
use bitcoin::ecdsa::Signature as BitcoinSignature;
use bitcoin::hashes::{Hash as _, hash160};
use bitcoin::key::{TapTweak as _, TweakedKeypair};
use bitcoin::secp256k1::{All, Keypair, Message, Secp256k1, SecretKey, ecdsa};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::{
    CompressedPublicKey, EcdsaSighashType, ScriptBuf, TapSighashType, Transaction, TxOut, Witness, taproot,
};

use crate::in_process::InProcessSigner;
use crate::seed::Wallet;

/// The untweaked key of a wallet address; `None` when the index is a hardened one.
pub(crate) fn wallet_keypair(
    secp: &Secp256k1<All>,
    wallet: &Wallet,
    keychain: Keychain,
    index: u32,
) -> Option<Keypair> {
    let branch = match keychain {
        Keychain::External => 0,
        Keychain::Internal => 1,
    };
    let path = [ChildNumber::from_normal_idx(branch).ok()?, ChildNumber::from_normal_idx(index).ok()?];
    let mut key = wallet.account.derive_priv(secp, &path).ok()?;
    let pair = key.to_keypair(secp);
    key.private_key.non_secure_erase();
    Some(pair)
}

/// Signs all inputs of a transaction.
pub(crate) fn sign(signer: &InProcessSigner, request: &ClaimRequest) -> Result<Transaction, SignerRefusal> {
    let ClaimRequest { tx, inputs } = request;
    if tx.input.len() != inputs.len() {
        return Err(SignerRefusal::Transaction("not every input of the transaction is described"));
    }
    let prevouts: Vec<&TxOut> = inputs.iter().map(|input| &input.prevout).collect();
    let mut cache = SighashCache::new(tx);
    let mut witnesses = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        witnesses.push(match &input.spend {
            Spend::Wallet { keychain, index: address } => {
                sign_coin(signer, &mut cache, &prevouts, index, *keychain, *address)?
            }
            Spend::Channel { .. } => sign_channel_output(signer, &mut cache, index, input)?,
        });
    }
    let mut signed = tx.clone();
    for (input, witness) in signed.input.iter_mut().zip(witnesses) {
        input.witness = witness;
    }
    Ok(signed)
}

/// A BIP 86 coin, by its key.
fn sign_coin(
    signer: &InProcessSigner,
    cache: &mut SighashCache<&Transaction>,
    prevouts: &[&TxOut],
    index: usize,
    keychain: Keychain,
    address: u32,
) -> Result<Witness, SignerRefusal> {
    let pair = wallet_keypair(&signer.secp, &signer.wallet, keychain, address)
        .ok_or(SignerRefusal::Transaction("no address of the wallet has this index"))?;
    let tweaked: TweakedKeypair = pair.tap_tweak(&signer.secp, None);
    let (output_key, _) = tweaked.public_parts();
    if prevouts[index].script_pubkey != ScriptBuf::new_p2tr_tweaked(output_key) {
        return Err(SignerRefusal::Transaction("a coin does not belong to the address it is said to"));
    }
    let sighash = cache
        .taproot_key_spend_signature_hash(index, &Prevouts::All(prevouts), TapSighashType::Default)
        .expect("all outputs spent are given, one for each input");
    let message = Message::from_digest(sighash.to_byte_array());
    let signature = signer.secp.sign_schnorr_no_aux_rand(&message, &tweaked.to_keypair());
    let signature = taproot::Signature { signature, sighash_type: TapSighashType::Default };
    Ok(Witness::p2tr_key_spend(&signature))
}

fn sign_channel_output(
    signer: &InProcessSigner,
    cache: &mut SighashCache<&Transaction>,
    index: usize,
    input: &ClaimInput,
) -> Result<Witness, SignerRefusal> {
    let Spend::Channel { keys, witness_script, path } = &input.spend else {
        return Err(SignerRefusal::Transaction("not an output of a channel"));
    };
    if let SpendPath::HtlcTransaction { number, .. } = path {
        signer.guarded(keys, |guard| guard.broadcast(*number))?;
    }
    let key = signing_key(signer, keys, path)?;
    let Some(script) = witness_script else {
        return sign_p2wpkh(signer, cache, index, input, &key);
    };
    if input.prevout.script_pubkey != script.to_p2wsh() {
        return Err(SignerRefusal::Transaction("an output does not pay to the witness script it is said to"));
    }
    let public = key.public_key(&signer.secp).serialize();
    let named = match path {
        SpendPath::PenaltyHtlc { .. } => contains(script, hash160::Hash::hash(&public).as_byte_array()),
        _ => contains(script, &public),
    };
    if !named {
        return Err(SignerRefusal::WrongKeys);
    }
    let sighash = cache
        .p2wsh_signature_hash(index, script, input.prevout.value, EcdsaSighashType::All)
        .expect("the index is that of an input");
    let signature = signer.secp.sign_ecdsa(&Message::from_digest(sighash.to_byte_array()), &key);
    Ok(witness(path, script, &signature, &public))
}

/// `to_remote` of `static_remotekey`.
fn sign_p2wpkh(
    signer: &InProcessSigner,
    cache: &mut SighashCache<&Transaction>,
    index: usize,
    input: &ClaimInput,
    key: &SecretKey,
) -> Result<Witness, SignerRefusal> {
    let public = key.public_key(&signer.secp);
    let script = ScriptBuf::new_p2wpkh(&CompressedPublicKey(public).wpubkey_hash());
    if input.prevout.script_pubkey != script {
        return Err(SignerRefusal::WrongKeys);
    }
    let sighash = cache
        .p2wpkh_signature_hash(index, &script, input.prevout.value, EcdsaSighashType::All)
        .expect("the index is that of an input and the script is P2WPKH");
    let signature = signer.secp.sign_ecdsa(&Message::from_digest(sighash.to_byte_array()), key);
    Ok(Witness::p2wpkh(&BitcoinSignature::sighash_all(signature), &public))
}

/// The private key that a path needs.
fn signing_key(
    signer: &InProcessSigner,
    keys: &astrape_primitives::ChannelKeysId,
    path: &SpendPath,
) -> Result<SecretKey, SignerRefusal> {
    let keyset = signer.keyset(keys);
    let (secrets, basepoints) = (&keyset.secrets, &keyset.basepoints);
    let wrong = |_| SignerRefusal::WrongKeys;
    match path {
        SpendPath::ToRemote => Ok(secrets.payment),
        SpendPath::Anchor => Ok(secrets.funding),
        SpendPath::Delayed { number } => {
            let point = secrets.per_commitment_point(&signer.secp, *number);
            derive_private_key(&secrets.delayed_payment, &basepoints.delayed_payment, &point).map_err(wrong)
        }
        SpendPath::HtlcTransaction { number, .. } => {
            let point = secrets.per_commitment_point(&signer.secp, *number);
            derive_private_key(&secrets.htlc, &basepoints.htlc, &point).map_err(wrong)
        }
        SpendPath::RemoteHtlc { per_commitment_point, .. } => {
            derive_private_key(&secrets.htlc, &basepoints.htlc, per_commitment_point).map_err(wrong)
        }
        SpendPath::PenaltyDelayed { per_commitment_secret }
        | SpendPath::PenaltyHtlc { per_commitment_secret } => {
            let secret =
                SecretKey::from_slice(per_commitment_secret).map_err(|_| SignerRefusal::WrongKeys)?;
            derive_revocation_private_key(&signer.secp, &secrets.revocation, &secret).map_err(wrong)
        }
    }
}

/// The witness of each path (BOLT 3, BOLT 5).
fn witness(path: &SpendPath, script: &ScriptBuf, signature: &ecdsa::Signature, public: &[u8]) -> Witness {
    let mut witness = Witness::new();
    if let SpendPath::HtlcTransaction { format, remote_signature, preimage, .. } = path {
        return htlc_witness(*format, script, signature, remote_signature, preimage.as_ref());
    }
    witness.push(BitcoinSignature::sighash_all(*signature).serialize());
    match path {
        SpendPath::Delayed { .. } => witness.push([]),
        SpendPath::RemoteHtlc { preimage: Some(preimage), .. } => witness.push(preimage.0),
        SpendPath::RemoteHtlc { preimage: None, .. } => witness.push([]),
        SpendPath::PenaltyDelayed { .. } => witness.push([1]),
        SpendPath::PenaltyHtlc { .. } => witness.push(public),
        SpendPath::ToRemote | SpendPath::Anchor | SpendPath::HtlcTransaction { .. } => {}
    }
    witness.push(script);
    witness
}

fn contains(script: &ScriptBuf, bytes: &[u8]) -> bool {
    script.as_bytes().windows(bytes.len()).any(|window| window == bytes)
}
