//! Appendices B and G: funding transactions.

use astrape_primitives::{FeeratePerKw, Sat};
use astrape_transactions::{CommitmentFormat, scripts, weights};
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message, Secp256k1};
use bitcoin::sighash::SighashCache;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, EcdsaSighashType, OutPoint, PublicKey, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
};

use crate::channel::{Channel, secret};

fn script(hex: &str) -> ScriptBuf {
    ScriptBuf::from_hex(hex).expect("a script")
}

fn input(txid: &str, vout: u32, sequence: Sequence) -> TxIn {
    let previous_output = OutPoint { txid: txid.parse().expect("a txid"), vout };
    TxIn { previous_output, script_sig: ScriptBuf::new(), sequence, witness: Witness::new() }
}

// BOLT 3.appendix-b-funding-transaction-test-vectors.1
#[test]
fn the_funding_transaction_is_that_of_appendix_b() {
    let secp = Secp256k1::new();
    let channel = Channel::new(CommitmentFormat::StaticRemotekey, Sat(546));
    assert_eq!(
        channel.terms.funding_witness_script(),
        script(
            "5221023da092f6980e58d2c037173180e9a465476026ee50f96695963e8efe436f54eb21\
             030e9f7b623d2ccc7c9bd44d66d5ce21ce504c0acf6385a132cec6d3c39fa711c152ae"
        )
    );
    let coinbase_script = script("76a9143ca33c2e4446f4a305f23c80df8ad1afdcf652f988ac");
    let change = TxOut {
        value: Amount::from_sat(4_989_986_080),
        script_pubkey: script("00143ca33c2e4446f4a305f23c80df8ad1afdcf652f9"),
    };
    let mut tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input(
            "fd2105607605d2302994ffea703b09f66b6351816ee737a93e42a841ea20bbad",
            0,
            Sequence::MAX,
        )],
        output: vec![channel.terms.funding_output(), change],
    };
    let key = secret("6bd078650fcee8444e4e09825227b801a1ca928debb750eb36e6d56124bb20e8");
    let sighash = SighashCache::new(&tx)
        .legacy_signature_hash(0, &coinbase_script, EcdsaSighashType::All.to_u32())
        .expect("one input");
    let signature = secp.sign_ecdsa(&Message::from_digest(sighash.to_byte_array()), &key);
    tx.input[0].script_sig = bitcoin::script::Builder::new()
        .push_slice(bitcoin::ecdsa::Signature::sighash_all(signature).serialize())
        .push_key(&PublicKey::new(key.public_key(&secp)))
        .into_script();
    assert_eq!(
        serialize_hex(&tx),
        "0200000001adbb20ea41a8423ea937e76e8151636bf6093b70eaff942930d20576600521fd000000006b4830450221009058\
         7b6201e166ad6af0227d3036a9454223d49a1f11839c1a362184340ef0240220577f7cd5cca78719405cbf1de7414ac027f02\
         39ef6e214c90fcaab0454d84b3b012103535b32d5eb0a6ed0982a0479bbadc9868d9836f6ba94dd5a63be16d875069184ffff\
         ffff028096980000000000220020c015c4a6be010e21657068fc2e6a9d02b27ebe4d490a25846f7237f104d1a3cd20256d290\
         10000001600143ca33c2e4446f4a305f23c80df8ad1afdcf652f900000000"
    );
    assert_eq!(tx.compute_txid(), channel.terms.outpoint.txid);
}

/// Weight that one side pays for in a collaborative funding (BOLT 3 Appendix A), with one input and P2WPKH change.
fn share(opener: bool, witness: u64) -> u64 {
    let common = weights::TRANSACTION_FIELDS_WEIGHT + weights::P2WSH_OUTPUT_WEIGHT;
    let own = weights::INPUT_WEIGHT + weights::output_weight(22) + witness.max(weights::MIN_WITNESS_WEIGHT);
    if opener { common + own } else { own }
}

#[test]
fn the_dual_funded_transaction_is_that_of_appendix_g() {
    let feerate = FeeratePerKw(253);
    assert_eq!((share(true, 71), share(false, 99)), (609, 395));
    // The appendix rounds its fees up: 155 and 100.
    let fee = |weight: u64| (weight * u64::from(feerate.0)).div_ceil(1000);
    assert_eq!((fee(share(true, 71)), fee(share(false, 99))), (155, 100));
    let keys = [
        "0292edb5f7bbf9e900f7e024be1c1339c6d149c11930e613af3a983d2565f4e41e",
        "02e16172a41e928cbd78f761bd1c657c4afc7495a1244f7f30166b654fbf7661e3",
    ]
    .map(|key| key.parse().expect("a key"));
    let witness_script = scripts::funding_witness_script(&keys[1], &keys[0]);
    assert_eq!(
        witness_script,
        script(
            "52210292edb5f7bbf9e900f7e024be1c1339c6d149c11930e613af3a983d2565f4e41e21\
             02e16172a41e928cbd78f761bd1c657c4afc7495a1244f7f30166b654fbf7661e352ae"
        )
    );
    let parent = "4303ca8ff10c6c345b9299672a66f111c5b81ae027cc5b0d4d39d09c66b032b9";
    let output = |sat, script_pubkey| TxOut { value: Amount::from_sat(sat), script_pubkey };
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::from_consensus(120),
        input: vec![
            input(parent, 2, Sequence::ENABLE_RBF_NO_LOCKTIME),
            input(parent, 0, Sequence::ENABLE_RBF_NO_LOCKTIME),
        ],
        output: vec![
            output(49_999_845, script("00141ca1cca8855bad6bc1ea5436edd8cff10b7e448b")),
            output(49_999_900, script("001444cb0c39f93ecc372b5851725bd29d865d333b10")),
            output(400_000_000, witness_script.to_p2wsh()),
        ],
    };
    assert_eq!(
        serialize_hex(&tx),
        "0200000002b932b0669cd0394d0d5bcc27e01ab8c511f1662a6799925b346c0cf18fca03430200000000fdffffffb932b0669c\
         d0394d0d5bcc27e01ab8c511f1662a6799925b346c0cf18fca03430000000000fdffffff03e5effa02000000001600141ca1cc\
         a8855bad6bc1ea5436edd8cff10b7e448b1cf0fa020000000016001444cb0c39f93ecc372b5851725bd29d865d333b100084d7\
         1700000000220020297b92c238163e820b82486084634b4846b86a3c658d87b9384192e6bea98ec578000000"
    );
    assert_eq!(
        tx.compute_txid().to_string(),
        "5ca4e657c1aa9d069ea4a5d712045d233a7d7c52738cb02993637289e6386057"
    );
}
