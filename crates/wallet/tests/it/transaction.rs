//! The transaction of a selection.

use crate::support::{TIP, coins, output, p2tr, p2wsh, terms};
use astrape_primitives::{Height, Sat};
use astrape_wallet::Refusal;
use bitcoin::absolute::LockTime;
use bitcoin::{Amount, ScriptBuf, Transaction, TxOut};

/// As it weighs when each input has its signature.
fn signed(mut tx: Transaction) -> Transaction {
    tx.input.iter_mut().for_each(|input| input.witness.push([1; 64]));
    tx
}

#[test]
fn a_transaction_weighs_what_was_paid_for() {
    for (inputs, outputs) in [(1, 1), (2, 1), (3, 2), (40, 3), (252, 1), (253, 1), (254, 260), (600, 252)] {
        let coins = coins(&vec![10_000; inputs]);
        let outputs = vec![output(1_000); outputs];
        for reserve in [0, 1_000] {
            let Ok((selection, last)) = coins.select_all(&p2tr(9), &terms(253, reserve)) else {
                panic!("enough")
            };
            let request = selection.to_request(vec![last], &p2tr(1), TIP).expect("as selected");
            assert_eq!(signed(request.tx).weight().to_wu(), selection.weight, "{inputs} inputs");
        }
        if let Ok(selection) = coins.select(&outputs, &terms(253, 0)) {
            let request = selection.to_request(outputs, &p2tr(1), TIP).expect("as selected");
            assert_eq!(signed(request.tx).weight().to_wu(), selection.weight);
        }
    }
}

#[test]
fn a_transaction_is_replaceable_and_not_minable_below_the_next_block() {
    let coins = coins(&[10_000, 20_000]);
    let selection = coins.select(&[output(25_000)], &terms(253, 0)).expect("enough");
    let tx = selection.to_request(vec![output(25_000)], &p2tr(1), TIP).expect("as selected").tx;
    assert_eq!(tx.version.0, 2);
    assert_eq!(tx.lock_time, LockTime::from_consensus(1_000));
    assert!(tx.is_explicitly_rbf() && tx.is_lock_time_enabled());
    assert!(tx.is_absolute_timelock_satisfied(
        bitcoin::absolute::Height::from_consensus(1_000).expect("a height"),
        bitcoin::absolute::Time::MIN
    ));
    let far = selection.to_request(vec![output(25_000)], &p2tr(1), Height(u32::MAX)).expect("as selected");
    assert_eq!(far.tx.lock_time, LockTime::ZERO, "no height");
}

#[test]
fn inputs_and_outputs_do_not_tell_which_is_the_change() {
    let coins = coins(&[50_000, 50_001, 50_002]);
    let outputs = vec![output(90_000), output(20_000)];
    let selection = coins.select(&outputs, &terms(253, 0)).expect("enough");
    let request = selection.to_request(outputs, &p2tr(1), TIP).expect("as selected");
    let values: Vec<Amount> = request.tx.output.iter().map(|output| output.value).collect();
    assert!(values.is_sorted() && values.len() == 3);
    let shown: Vec<String> = request.tx.input.iter().map(|input| input.previous_output.to_string()).collect();
    assert!(shown.is_sorted(), "{shown:?}");
}

#[test]
fn the_signer_is_told_what_each_input_spends() {
    let coins = coins(&[50_000, 60_000, 70_000]);
    let selection = coins.select(&[output(170_000)], &terms(253, 0)).expect("enough");
    let request = selection.to_request(vec![output(170_000)], &p2tr(1), TIP).expect("as selected");
    assert_eq!(request.inputs.len(), 3);
    for (txin, input) in request.tx.input.iter().zip(&request.inputs) {
        let coin = coins.get(&txin.previous_output).expect("a coin of ours");
        assert_eq!(input.outpoint, txin.previous_output);
        assert_eq!(input.prevout.script_pubkey, coin.found.script_pubkey);
        assert_eq!(Sat::from(input.prevout.value), coin.amount());
        assert_eq!(input.index, coin.found.index);
    }
    let spent: Amount = request.inputs.iter().map(|input| input.prevout.value).sum();
    let paid: Amount = request.tx.output.iter().map(|output| output.value).sum();
    assert_eq!(Sat::from(spent - paid), selection.fee);
}

#[test]
fn the_script_of_an_output_may_be_filled_in_later_but_not_its_amount() {
    let coins = coins(&[50_000]);
    let selection = coins.select(&[output(20_000)], &terms(253, 0)).expect("enough");
    let later = |amount: u64, script_pubkey: ScriptBuf| {
        let output = TxOut { value: Amount::from_sat(amount), script_pubkey };
        selection.to_request(vec![output], &p2tr(1), TIP).map(|request| request.tx.output.len())
    };
    assert_eq!(later(20_000, ScriptBuf::from_bytes([&[0x00, 0x20][..], &[1; 32]].concat())), Ok(2));
    assert_eq!(later(20_001, p2wsh()), Err(Refusal::OtherOutputs));
    assert_eq!(later(20_000, ScriptBuf::new()), Err(Refusal::OtherOutputs));
    assert_eq!(selection.to_request(vec![], &p2tr(1), TIP), Err(Refusal::OtherOutputs));
}
