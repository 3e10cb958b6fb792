//! Admission of a lone transaction.

use crate::kit::{chain, coin, mine, open_witness, out, spend};
use astrape_primitives::{FeeratePerKw, Sat};
use astrape_regtest::{MempoolReject, Policy, RegtestChain, TxInvalid};
use bitcoin::hashes::Hash as _;
use bitcoin::script::Builder;
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxOut, Txid, Witness, opcodes, transaction};

fn refused(chain: &mut RegtestChain, tx: Transaction, reject: MempoolReject) {
    let before = chain.mempool();
    assert_eq!(chain.submit(tx), Err(reject));
    assert_eq!(chain.mempool(), before);
}

#[test]
fn what_consensus_forbids_is_refused_in_cores_words() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    let good = spend(&[from], &[90_000]);
    let with = |change: &dyn Fn(&mut Transaction)| {
        let mut tx = good.clone();
        change(&mut tx);
        tx
    };
    let over = Amount::from_sat(Amount::MAX_MONEY.to_sat() + 1);
    let missing = OutPoint { txid: Txid::all_zeros(), vout: 7 };
    for (tx, reject, words) in [
        (with(&|tx| tx.input.clear()), TxInvalid::NoInputs, "bad-txns-vin-empty"),
        (with(&|tx| tx.output.clear()), TxInvalid::NoOutputs, "bad-txns-vout-empty"),
        (with(&|tx| tx.output[0].value = over), TxInvalid::OutputTooLarge, "bad-txns-vout-toolarge"),
        (
            with(&|tx| {
                tx.output[0].value = Amount::MAX_MONEY;
                tx.output.push(tx.output[0].clone());
            }),
            TxInvalid::OutputsTooLarge,
            "bad-txns-txouttotal-toolarge",
        ),
        (
            with(&|tx| tx.input.push(tx.input[0].clone())),
            TxInvalid::DuplicateInputs,
            "bad-txns-inputs-duplicate",
        ),
        (
            with(&|tx| {
                let mut null = tx.input[0].clone();
                null.previous_output = OutPoint::null();
                tx.input.push(null);
            }),
            TxInvalid::NullPrevout,
            "bad-txns-prevout-null",
        ),
        (
            with(&|tx| tx.input[0].previous_output = missing),
            TxInvalid::MissingInputs,
            "bad-txns-inputs-missingorspent",
        ),
        (
            with(&|tx| tx.output[0].value = Amount::from_sat(100_001)),
            TxInvalid::OutputsAboveInputs,
            "bad-txns-in-belowout",
        ),
    ] {
        assert_eq!(reject.to_string(), words);
        refused(&mut chain, tx, reject.into());
    }
}

#[test]
fn what_is_not_standard_is_refused() {
    let mut chain = chain();
    let from = coin(&mut chain, 10_000_000);
    let good = spend(&[from], &[9_000_000]);
    let with = |change: &dyn Fn(&mut Transaction)| {
        let mut tx = good.clone();
        change(&mut tx);
        tx
    };
    let data = |size: usize| TxOut {
        value: Amount::ZERO,
        script_pubkey: ScriptBuf::new_op_return(
            bitcoin::script::PushBytesBuf::try_from(vec![7; size]).unwrap(),
        ),
    };
    let push = |bytes: usize| {
        let item = bitcoin::script::PushBytesBuf::try_from(vec![0; bytes]).unwrap();
        Builder::new().push_slice(&item).into_script()
    };
    for (tx, reject) in [
        (with(&|tx| tx.version = transaction::Version(0)), MempoolReject::Version),
        (with(&|tx| tx.version = transaction::Version(4)), MempoolReject::Version),
        (
            with(&|tx| {
                tx.output = vec![TxOut { value: Amount::from_sat(400), ..tx.output[0].clone() }; 2_400]
            }),
            MempoolReject::Size,
        ),
        (with(&|tx| tx.input[0].script_sig = push(1_651)), MempoolReject::ScriptSigSize),
        (
            with(&|tx| {
                tx.input[0].script_sig = Builder::new().push_opcode(opcodes::all::OP_DUP).into_script();
            }),
            MempoolReject::ScriptSigNotPushOnly,
        ),
        (
            with(&|tx| {
                tx.output[0].script_pubkey = Builder::new().push_opcode(opcodes::OP_TRUE).into_script();
            }),
            MempoolReject::ScriptPubkey,
        ),
        (with(&|tx| tx.output.push(data(81))), MempoolReject::ScriptPubkey),
        (with(&|tx| tx.output.extend([data(1), data(1)])), MempoolReject::MultiOpReturn),
        (with(&|tx| tx.output[0].value = Amount::from_sat(329)), MempoolReject::Dust),
        (
            with(&|tx| {
                let script_pubkey = Builder::new().push_opcode(opcodes::all::OP_RETURN).into_script();
                tx.output = vec![TxOut { value: Amount::ZERO, script_pubkey }];
            }),
            MempoolReject::SizeSmall,
        ),
        (
            with(&|tx| {
                let mut witness = vec![vec![0; 81]];
                witness.extend(open_witness().to_vec());
                tx.input[0].witness = Witness::from_slice(&witness);
            }),
            MempoolReject::NonstandardWitness,
        ),
    ] {
        refused(&mut chain, tx, reject);
    }
    let exactly_dust_free = with(&|tx| tx.output[0].value = Amount::from_sat(330));
    chain.submit(with(&|tx| tx.output.push(data(80)))).unwrap();
    chain.evict(&with(&|tx| tx.output.push(data(80))).compute_txid());
    chain.submit(exactly_dust_free).unwrap();
}

#[test]
fn a_coinbase_is_nothing_for_the_mempool() {
    let mut chain = chain();
    let coinbase = chain.block(&chain.tip().hash).unwrap().txdata[0].clone();
    refused(&mut chain, coinbase, MempoolReject::Coinbase);
}

#[test]
fn unknown_witness_programs_may_be_paid_but_not_spent() {
    let mut chain = chain();
    let future = ScriptBuf::from_bytes([vec![0x52, 0x20], vec![9; 32]].concat());
    let from = chain.fund(&future, Sat(100_000)).unwrap();
    mine(&mut chain, 1);
    let tx = spend(&[from], &[90_000]);
    refused(&mut chain, tx, MempoolReject::NonstandardInputs);
}

#[test]
fn the_same_transaction_twice_is_told_by_name() {
    let mut chain = chain();
    let tx = spend(&[coin(&mut chain, 100_000)], &[90_000]);
    chain.submit(tx.clone()).unwrap();
    assert!(MempoolReject::AlreadyInMempool.is_already_there());
    refused(&mut chain, tx.clone(), MempoolReject::AlreadyInMempool);
    let mut other_witness = tx;
    other_witness.input[0].witness.push([1]);
    refused(&mut chain, other_witness, MempoolReject::SameNonWitnessDataInMempool);
}

#[test]
fn one_satoshi_per_virtual_byte_is_the_least() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    let size = u64::try_from(spend(&[from], &[90_000]).vsize()).unwrap();
    refused(&mut chain, spend(&[from], &[100_000 - size + 1]), MempoolReject::MinRelayFee);
    let txid = chain.submit(spend(&[from], &[100_000 - size])).unwrap();
    assert_eq!(chain.mempool_fee(&txid), Some((Sat(size), size)));
}

#[test]
fn a_raised_floor_refuses_and_evicts_but_spares_parents_of_good_payers() {
    let mut chain = chain();
    let (one, two) = (coin(&mut chain, 100_000), coin(&mut chain, 100_000));
    let poor = spend(&[one], &[99_800]);
    let poor_child = spend(&[out(&poor, 0)], &[99_600]);
    let parent = spend(&[two], &[99_800]);
    let rich_child = spend(&[out(&parent, 0)], &[90_000]);
    for tx in [&poor, &poor_child, &parent, &rich_child] {
        chain.submit(tx.clone()).unwrap();
    }
    let gone = chain.set_policy(Policy { mempool_min: FeeratePerKw(2_500), ..Policy::default() });
    assert_eq!(gone, [poor.compute_txid(), poor_child.compute_txid()].into());
    refused(&mut chain, poor, MempoolReject::MempoolMinFee);
    assert_eq!(chain.mempool().len(), 2);
}

#[test]
fn an_evicted_transaction_takes_its_children_and_may_come_again() {
    let mut chain = chain();
    let tx = spend(&[coin(&mut chain, 100_000)], &[95_000]);
    let child = spend(&[out(&tx, 0)], &[90_000]);
    chain.submit(tx.clone()).unwrap();
    chain.submit(child.clone()).unwrap();
    assert_eq!(chain.evict(&tx.compute_txid()), [tx.compute_txid(), child.compute_txid()].into());
    assert_eq!(chain.submit(child), Err(TxInvalid::MissingInputs.into()));
    chain.submit(tx).unwrap();
}

/// A chain of unconfirmed transactions, each the child of the one before.
fn line(chain: &mut RegtestChain, from: OutPoint, sat: u64, length: u64) -> Vec<Transaction> {
    let mut txs: Vec<Transaction> = Vec::new();
    for n in 1..=length {
        let from = txs.last().map_or(from, |tx| out(tx, 0));
        let tx = spend(&[from], &[sat - n * 500]);
        chain.submit(tx.clone()).unwrap();
        txs.push(tx);
    }
    txs
}

#[test]
fn a_chain_has_at_most_twenty_five_transactions() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    let txs = line(&mut chain, from, 100_000, 25);
    let last = spend(&[out(&txs[24], 0)], &[50_000]);
    refused(&mut chain, last.clone(), MempoolReject::TooLongChain);
    mine(&mut chain, 1);
    chain.submit(last).unwrap();
}

#[test]
fn a_parent_has_at_most_twenty_four_children_and_one_small_one_more() {
    let mut chain = chain();
    let from = coin(&mut chain, 1_000_000);
    let parent = spend(&[from], &[10_000; 27]);
    chain.submit(parent.clone()).unwrap();
    for vout in 0..24 {
        chain.submit(spend(&[out(&parent, vout)], &[9_000])).unwrap();
    }
    let carved_out = spend(&[out(&parent, 24)], &[9_000]);
    chain.submit(carved_out).expect("the carve-out for anchors lets one more in");
    refused(&mut chain, spend(&[out(&parent, 25)], &[9_000]), MempoolReject::TooLongChain);
}

#[test]
fn a_chain_has_at_most_a_hundred_and_one_thousand_virtual_bytes() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000_000);
    let wide = spend(&[from], &[40_000; 2_000]);
    assert!(wide.vsize() > 86_000);
    chain.submit(wide.clone()).unwrap();
    chain.submit(spend(&[out(&wide, 0)], &[400; 50])).unwrap();
    let inputs: Vec<OutPoint> = (2..20).map(|vout| out(&wide, vout)).collect();
    refused(&mut chain, spend(&inputs, &[400; 500]), MempoolReject::TooLongChain);
}
