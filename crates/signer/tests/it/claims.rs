//! Every way out of a commitment, judged by Bitcoin Core's own script engine.

use astrape_primitives::{ChannelKeysId, CommitmentNumber, Network, PaymentPreimage, Side};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::{
    ClaimInput, ClaimRequest, Commitment, CommitmentFormat, HtlcDirection, Keychain, Signer as _,
    SignerRefusal, Spend, SpendPath, WalletInput, WalletRequest,
};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::key::TapTweak as _;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};

use crate::pair::{DELAY, EXPIRY, End, FORMATS, PREIMAGE, Pair, htlcs};

/// All flags that the engine knows, taproot included.
const FLAGS: u32 = bitcoinconsensus::VERIFY_ALL_PRE_TAPROOT | bitcoinconsensus::VERIFY_TAPROOT;

/// A transaction that spends one output.
fn spending(outpoint: OutPoint, sequence: u32, locktime: u32) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::from_consensus(locktime),
        input: vec![TxIn {
            previous_output: outpoint,
            script_sig: ScriptBuf::new(),
            sequence: Sequence(sequence),
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(1_000), script_pubkey: p2wpkh() }],
    }
}

fn p2wpkh() -> ScriptBuf {
    ScriptBuf::from([vec![0, 20], vec![9; 20]].concat())
}

fn judge(tx: &Transaction, prevouts: &[TxOut]) {
    let scripts: Vec<_> = prevouts.iter().map(|out| out.script_pubkey.to_bytes()).collect();
    let utxos: Vec<_> = scripts
        .iter()
        .zip(prevouts)
        .map(|(script, out)| bitcoinconsensus::Utxo {
            script_pubkey: script.as_ptr(),
            script_pubkey_len: u32::try_from(script.len()).expect("short"),
            value: i64::try_from(out.value.to_sat()).expect("small"),
        })
        .collect();
    let bytes = bitcoin::consensus::serialize(tx);
    for (n, out) in prevouts.iter().enumerate() {
        let (script, value) = (out.script_pubkey.as_bytes(), out.value.to_sat());
        bitcoinconsensus::verify_with_flags(script, value, &bytes, Some(&utxos), n, FLAGS)
            .unwrap_or_else(|e| panic!("input {n}: {e:?}"));
    }
}

/// Has `end` claim an output and the engine judge it; the witness weighs no more than was said.
fn claim(end: &End, tx: Transaction, prevout: &TxOut, witness_script: Option<ScriptBuf>, path: SpendPath) {
    let spend = Spend::Channel { keys: end.keys, witness_script, path };
    let bound = spend.max_witness_weight();
    let request = ClaimRequest { tx, inputs: vec![ClaimInput { prevout: prevout.clone(), spend }] };
    let signed = end.signer.sign_claim(&request).expect("signed");
    judge(&signed, std::slice::from_ref(prevout));
    let weight = signed.input[0].witness.size() as u64;
    assert!(
        (bound.saturating_sub(6)..=bound).contains(&weight),
        "{weight} of {bound}: {:?}",
        request.inputs[0].spend
    );
}

/// Alice's commitment 3 with an HTLC each way.
fn commitment(pair: &Pair) -> (Commitment, Vec<bitcoin::secp256k1::ecdsa::Signature>) {
    let content = pair.content(3, htlcs(2));
    let (_, signatures) = pair.bob_signs(&content).expect("signed");
    (pair.build(&content), signatures)
}

const NUMBER: CommitmentNumber = CommitmentNumber(3);

#[test]
fn the_owner_claims_its_delayed_output_and_its_htlcs() {
    for format in FORMATS {
        let pair = Pair::new(format);
        let (commitment, signatures) = commitment(&pair);
        let delayed = commitment.delayed_witness_script();
        let (outpoint, prevout) =
            commitment.output(commitment.to_local().expect("untrimmed").index).expect("there");
        let path = SpendPath::Delayed { number: NUMBER };
        claim(
            &pair.alice,
            spending(outpoint, u32::from(DELAY), 0),
            prevout,
            Some(delayed.clone()),
            path.clone(),
        );
        for (htlc, remote_signature) in commitment.htlcs().iter().zip(signatures) {
            let preimage = (htlc.direction() == HtlcDirection::Received).then_some(PREIMAGE);
            let second = SpendPath::HtlcTransaction { number: NUMBER, format, remote_signature, preimage };
            let script = Some(htlc.witness_script().clone());
            claim(&pair.alice, htlc.tx().clone(), &htlc.output(), script, second);
            let outpoint = OutPoint { txid: htlc.tx().compute_txid(), vout: 0 };
            let prevout = &htlc.tx().output[0];
            claim(
                &pair.alice,
                spending(outpoint, u32::from(DELAY), 0),
                prevout,
                Some(delayed.clone()),
                path.clone(),
            );
        }
    }
}

#[test]
fn the_counterparty_claims_its_output_and_the_htlcs() {
    for format in FORMATS {
        let pair = Pair::new(format);
        let (commitment, _) = commitment(&pair);
        let sequence = format.htlc_sequence().0;
        let (outpoint, prevout) =
            commitment.output(commitment.to_remote().expect("untrimmed").index).expect("there");
        let script = commitment.to_remote_witness_script();
        assert_eq!(script.is_some(), format == CommitmentFormat::Anchors);
        claim(&pair.bob, spending(outpoint, sequence, 0), prevout, script, SpendPath::ToRemote);
        let per_commitment_point = pair.alice.signer.point(&pair.alice.keys, NUMBER);
        for htlc in commitment.htlcs() {
            // What Alice offered Bob takes by preimage; what Bob offered he takes back by timeout.
            let preimage = (htlc.direction() == HtlcDirection::Offered).then_some(PREIMAGE);
            let locktime = if preimage.is_some() { 0 } else { EXPIRY };
            let path = SpendPath::RemoteHtlc { per_commitment_point, preimage };
            let script = Some(htlc.witness_script().clone());
            claim(&pair.bob, spending(htlc.outpoint(), sequence, locktime), &htlc.output(), script, path);
        }
    }
}

#[test]
fn a_revoked_commitment_is_taken_whole() {
    for format in FORMATS {
        let pair = Pair::new(format);
        let (commitment, _) = commitment(&pair);
        let (per_commitment_secret, _) = pair.alice.signer.reveal(&pair.revocation(3)).expect("revealed");
        let delayed = Some(commitment.delayed_witness_script());
        let path = SpendPath::PenaltyDelayed { per_commitment_secret };
        let (outpoint, prevout) =
            commitment.output(commitment.to_local().expect("untrimmed").index).expect("there");
        let at_once = Sequence::ENABLE_RBF_NO_LOCKTIME.0;
        claim(&pair.bob, spending(outpoint, at_once, 0), prevout, delayed.clone(), path.clone());
        for htlc in commitment.htlcs() {
            let script = Some(htlc.witness_script().clone());
            let penalty = SpendPath::PenaltyHtlc { per_commitment_secret };
            claim(&pair.bob, spending(htlc.outpoint(), at_once, 0), &htlc.output(), script, penalty);
            let outpoint = OutPoint { txid: htlc.tx().compute_txid(), vout: 0 };
            let prevout = &htlc.tx().output[0];
            claim(&pair.bob, spending(outpoint, at_once, 0), prevout, delayed.clone(), path.clone());
        }
    }
}

/// A coin of the wallet, as its descriptor would find it.
fn coin(signer: &InProcessSigner, keychain: Keychain, index: u32) -> WalletInput {
    let secp = Secp256k1::new();
    let descriptor = signer.wallet_descriptor(keychain);
    let xpub = descriptor.split(']').nth(1).and_then(|rest| rest.split('/').next()).expect("an xpub");
    let xpub: bitcoin::bip32::Xpub = xpub.parse().expect("an xpub");
    let branch = u32::from(keychain == Keychain::Internal);
    let path = [branch, index].map(|n| bitcoin::bip32::ChildNumber::Normal { index: n });
    let key = xpub.derive_pub(&secp, &path).expect("derives").to_x_only_pub();
    let (key, _) = key.tap_tweak(&secp, None);
    let script_pubkey = ScriptBuf::new_p2tr_tweaked(key);
    let outpoint = OutPoint { txid: Txid::from_byte_array([8; 32]), vout: index };
    WalletInput {
        outpoint,
        prevout: TxOut { value: Amount::from_sat(50_000), script_pubkey },
        keychain,
        index,
    }
}

#[test]
fn anchors_and_htlc_transactions_are_paid_for_by_coins_of_the_wallet() {
    let pair = Pair::new(CommitmentFormat::Anchors);
    let (commitment, signatures) = commitment(&pair);
    let coin = coin(&pair.alice.signer, Keychain::Internal, 7);
    let of_wallet = || ClaimInput {
        prevout: coin.prevout.clone(),
        spend: Spend::Wallet { keychain: coin.keychain, index: coin.index },
    };
    for (side, end) in [(Side::Local, &pair.alice), (Side::Remote, &pair.bob)] {
        let (outpoint, prevout) =
            commitment.output(commitment.anchor(side).expect("there").index).expect("there");
        let script = Some(commitment.anchor_witness_script(side));
        claim(end, spending(outpoint, 0xffff_fffd, 0), prevout, script, SpendPath::Anchor);
    }
    for (htlc, remote_signature) in commitment.htlcs().iter().zip(signatures) {
        let mut tx = htlc.tx().clone();
        tx.input.push(spending(coin.outpoint, 0, 0).input.remove(0));
        tx.output.push(TxOut { value: Amount::from_sat(49_000), script_pubkey: p2wpkh() });
        let preimage = (htlc.direction() == HtlcDirection::Received).then_some(PREIMAGE);
        let path = SpendPath::HtlcTransaction {
            number: NUMBER,
            format: CommitmentFormat::Anchors,
            remote_signature,
            preimage,
        };
        let witness_script = Some(htlc.witness_script().clone());
        let spend = Spend::Channel { keys: pair.alice.keys, witness_script, path };
        let inputs = vec![ClaimInput { prevout: htlc.output(), spend }, of_wallet()];
        let signed = pair.alice.signer.sign_claim(&ClaimRequest { tx, inputs }).expect("signed");
        judge(&signed, &[htlc.output(), coin.prevout.clone()]);
    }
}

// BOLT 2.the-funding_created-message.2
#[test]
fn coins_of_the_wallet_are_spent_in_whatever_order_they_are_described() {
    let signer = InProcessSigner::new(&Seed::from_entropy([3; 32]), Network::Signet);
    let (a, b) = (coin(&signer, Keychain::External, 0), coin(&signer, Keychain::Internal, 1));
    let mut tx = spending(a.outpoint, 0, 0);
    tx.input.push(spending(b.outpoint, 0, 0).input.remove(0));
    let request = WalletRequest { tx, inputs: vec![b.clone(), a.clone()] };
    let signed = signer.sign_wallet_inputs(&request).expect("signed");
    assert_eq!(signed.compute_txid(), request.tx.compute_txid(), "no signature changes what it is known by");
    assert!(signed.input.iter().all(|input| input.script_sig.is_empty() && !input.witness.is_empty()));
    judge(&signed, &[a.prevout.clone(), b.prevout.clone()]);
    let weight = Spend::Wallet { keychain: Keychain::External, index: 0 }.max_witness_weight();
    assert_eq!(signed.input[0].witness.size() as u64, weight);

    let refused = |request: &WalletRequest| {
        matches!(signer.sign_wallet_inputs(request), Err(SignerRefusal::Transaction(_)))
    };
    let mut missing = request.clone();
    missing.inputs.pop();
    assert!(refused(&missing));
    let mut elsewhere = request.clone();
    elsewhere.inputs[0].index += 1;
    assert!(refused(&elsewhere));
    let mut hardened = request;
    hardened.inputs[0].index = 1 << 31;
    assert!(refused(&hardened));
}

#[test]
fn claims_that_are_not_what_they_say_are_refused() {
    let pair = Pair::new(CommitmentFormat::Anchors);
    let (commitment, signatures) = commitment(&pair);
    let (outpoint, prevout) =
        commitment.output(commitment.to_local().expect("untrimmed").index).expect("there");
    let script = commitment.delayed_witness_script();
    let sign = |keys: ChannelKeysId, script: ScriptBuf, path: SpendPath| {
        let spend = Spend::Channel { keys, witness_script: Some(script), path };
        let inputs = vec![ClaimInput { prevout: prevout.clone(), spend }];
        pair.alice.signer.sign_claim(&ClaimRequest { tx: spending(outpoint, u32::from(DELAY), 0), inputs })
    };
    let path = SpendPath::Delayed { number: NUMBER };
    assert!(sign(pair.alice.keys, script.clone(), path.clone()).is_ok());
    assert_eq!(sign(pair.bob.keys, script.clone(), path.clone()), Err(SignerRefusal::WrongKeys));
    let other = SpendPath::Delayed { number: NUMBER.next() };
    assert_eq!(sign(pair.alice.keys, script.clone(), other), Err(SignerRefusal::WrongKeys));
    let foreign = commitment.anchor_witness_script(Side::Local);
    assert!(matches!(sign(pair.alice.keys, foreign, path), Err(SignerRefusal::Transaction(_))));
    let none = ClaimRequest { tx: spending(outpoint, 0, 0), inputs: vec![] };
    assert!(matches!(pair.alice.signer.sign_claim(&none), Err(SignerRefusal::Transaction(_))));

    // The second stage of a revoked commitment would be lost like its first.
    pair.alice.signer.reveal(&pair.revocation(3)).expect("revealed");
    let htlc = &commitment.htlcs()[0];
    let path = SpendPath::HtlcTransaction {
        number: NUMBER,
        format: CommitmentFormat::Anchors,
        remote_signature: signatures[0],
        preimage: Some(PaymentPreimage([0x77; 32])),
    };
    let spend =
        Spend::Channel { keys: pair.alice.keys, witness_script: Some(htlc.witness_script().clone()), path };
    let inputs = vec![ClaimInput { prevout: htlc.output(), spend }];
    let refused = pair.alice.signer.sign_claim(&ClaimRequest { tx: htlc.tx().clone(), inputs });
    assert_eq!(refused, Err(SignerRefusal::Revoked(NUMBER)));
}
