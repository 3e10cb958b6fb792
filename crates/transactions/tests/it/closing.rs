//! The mutual close of `closing_signed`.

use astrape_primitives::{Msat, Sat, Side};
use astrape_transactions::closing::closing_weight;
use astrape_transactions::{ClosingContent, ClosingError, ClosingTransaction, CommitmentFormat};
use bitcoin::{ScriptBuf, Sequence};

use crate::channel::{CAPACITY, Channel};

fn channel() -> Channel {
    let mut channel = Channel::new(CommitmentFormat::Anchors, Sat(546));
    channel.terms.remote.dust_limit = Sat(1_000);
    channel
}

fn p2wpkh(byte: u8) -> ScriptBuf {
    let mut bytes = vec![0, 20];
    bytes.extend([byte; 20]);
    ScriptBuf::from(bytes)
}

fn content(remote: Msat, fee: Sat) -> ClosingContent {
    ClosingContent {
        local_script: p2wpkh(1),
        remote_script: p2wpkh(2),
        local_balance: CAPACITY.to_msat().checked_sub(remote).expect("enough"),
        remote_balance: remote,
        fee,
    }
}

// BOLT 3.legacy-closing-transaction.1
// BOLT 3.legacy-closing-transaction.2
#[test]
fn outputs_are_rounded_down_and_the_opener_pays_the_fee() {
    let mut channel = channel();
    for (opener, local, remote) in [(Side::Local, 5_999_599, 4_000_000), (Side::Remote, 5_999_999, 3_999_600)]
    {
        channel.terms.opener = opener;
        let closing = ClosingTransaction::build(&channel.terms, &content(Msat(4_000_000_001), Sat(400)))
            .expect("a closing transaction");
        let value = |side| closing.output_of(side).map(|out| out.value.to_sat());
        assert_eq!((value(Side::Local), value(Side::Remote)), (Some(local), Some(remote)));
        let tx = closing.tx();
        assert_eq!(tx.input[0].sequence, Sequence::MAX);
        assert_eq!(tx.lock_time.to_consensus_u32(), 0);
        assert!(tx.output[0].value < tx.output[1].value, "ordered by value");
    }
}

// BOLT 3.legacy-closing-transaction.3
#[test]
fn what_is_below_either_sides_dust_limit_is_left_out() {
    let mut channel = channel();
    for _ in 0..2 {
        for (remote_sat, kept) in [(545, false), (546, false), (999, false), (1_000, true)] {
            let content = content(Sat(remote_sat).to_msat(), Sat(400));
            let closing = ClosingTransaction::build(&channel.terms, &content).expect("a closing transaction");
            assert_eq!(closing.output_of(Side::Remote).is_some(), kept);
        }
        let terms = &mut channel.terms;
        std::mem::swap(&mut terms.local.dust_limit, &mut terms.remote.dust_limit);
    }
}

#[test]
fn a_signer_may_cut_by_either_limit_and_leave_out_its_own() {
    let channel = channel();
    let outputs = |remote_sat| {
        let content = content(Sat(remote_sat).to_msat(), Sat(400));
        let variants = ClosingTransaction::variants_of(&channel.terms, &content, Side::Remote).expect("some");
        let has =
            |tx: &ClosingTransaction| [Side::Local, Side::Remote].map(|side| tx.output_of(side).is_some());
        let mut outputs: Vec<[bool; 2]> = variants.iter().map(has).collect();
        outputs.sort_unstable();
        outputs.dedup();
        outputs
    };
    assert_eq!(outputs(545), [[true, false]]);
    assert_eq!(outputs(546), [[true, false], [true, true]]);
    assert_eq!(outputs(1_000), [[true, false], [true, true]]);
    // Ours is below its limit, and not below our own.
    assert_eq!(outputs(CAPACITY.0 - 400 - 999), [[false, true], [true, false], [true, true]]);
    assert_eq!(outputs(CAPACITY.0 - 400 - 545), [[false, true]]);
}

// BOLT 3.legacy-closing-transaction.4
#[test]
fn a_side_may_eliminate_its_own_output() {
    let channel = channel();
    let content = content(Sat(2_000).to_msat(), Sat(400));
    let both = ClosingTransaction::build(&channel.terms, &content).expect("both outputs");
    let without = both.without_output_of(Side::Remote).expect("ours remains");
    assert_eq!(without.tx().output, [both.output_of(Side::Local).expect("ours").clone()]);
    assert_eq!(without.without_output_of(Side::Remote), None, "it is gone already");
    assert_eq!(without.without_output_of(Side::Local), None, "nothing would remain");
    let signature = channel.secp.sign_ecdsa(&without.sighash(), &channel.remote.funding);
    assert!(without.verify(&channel.secp, Side::Remote, &signature));
    assert!(!without.verify(&channel.secp, Side::Local, &signature));
    assert!(!both.verify(&channel.secp, Side::Remote, &signature));
}

#[test]
fn a_fee_beyond_the_openers_balance_and_pending_htlcs_are_refused() {
    let channel = channel();
    let build = |content: &ClosingContent| ClosingTransaction::build(&channel.terms, content).map(|_| ());
    let poor = content(Sat(9_999_700).to_msat(), Sat(301));
    assert_eq!(build(&poor), Err(ClosingError::OpenerCannotPay { fee: Sat(301), balance: Sat(300) }));
    let mut pending = content(Sat(1_000_000).to_msat(), Sat(400));
    pending.local_balance = Msat(1);
    assert!(matches!(build(&pending), Err(ClosingError::MoneyNotConserved { .. })));
}

#[test]
fn a_signed_close_weighs_no_more_than_estimated() {
    let channel = channel();
    let content = content(Sat(4_000_000).to_msat(), Sat(400));
    let both = ClosingTransaction::build(&channel.terms, &content).expect("a closing transaction");
    let one = both.without_output_of(Side::Local).expect("the other's is left");
    let scripts = [&content.local_script, &content.remote_script];
    for (closing, estimate) in [(both, closing_weight(scripts)), (one, closing_weight([scripts[1]]))] {
        let sign = |key| channel.secp.sign_ecdsa(&closing.sighash(), key);
        let signed = closing.signed(&sign(&channel.local.funding), &sign(&channel.remote.funding));
        let weight = signed.weight().to_wu();
        assert!((estimate - 6..=estimate).contains(&weight), "{weight} {estimate}");
    }
}
