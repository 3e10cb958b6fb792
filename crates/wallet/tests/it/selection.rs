//! Which coins are taken, and what is said when there are too few.

use crate::support::{TIP, coin, coins, found, outpoint, output, p2tr, terms, with};
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Height, Sat};
use astrape_wallet::build::{INPUT_WEIGHT, fee, weight};
use astrape_wallet::select::MAX_INPUTS;
use astrape_wallet::{Coin, Coins, FoundCoin, Refusal, Reservation, Selection, Terms};
use bitcoin::{ScriptBuf, TxOut};
use proptest::prelude::*;

/// Least amount in a P2TR or P2WSH output.
const DUST: u64 = 330;

fn amounts(selection: &Selection) -> Vec<u64> {
    selection.inputs.iter().map(|coin| coin.amount().0).collect()
}

fn missing(refused: Result<Selection, Refusal>) -> Sat {
    match refused {
        Err(Refusal::NotEnough { missing, .. }) => missing,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_fewest_coins_are_taken_and_the_last_as_small_as_it_may_be() {
    let coins = coins(&[10_000, 20_000, 30_000, 40_000, 50_000]);
    let select = |amount| amounts(&coins.select(&[output(amount)], &terms(253, 0)).expect("enough"));
    assert_eq!(select(9_000), [10_000]);
    assert_eq!(select(9_990), [20_000], "10,000 does not pay the fee");
    assert_eq!(select(45_000), [50_000]);
    assert_eq!(select(55_000), [50_000, 10_000]);
    assert_eq!(select(85_000), [50_000, 40_000]);
    assert_eq!(select(149_000), [50_000, 40_000, 30_000, 20_000, 10_000]);
}

#[test]
fn what_may_not_be_spent_is_never_taken() {
    let reserved = Coin { reserved: Some(Reservation::Opening(ChannelKeysId([1; 32]))), ..coin(1, 100_000) };
    let spent = Coin { spent: Some(TIP), ..coin(2, 100_000) };
    let stranger = Coin { confirmed: None, ..coin(3, 100_000) };
    let reward = FoundCoin { is_coinbase: true, ..found(4, 100_000) };
    let reward = Coin { found: reward, confirmed: Some(Height(902)), ..coin(4, 0) };
    let change = FoundCoin { ours_change: true, ..found(5, 100_000) };
    let change = Coin { found: change, confirmed: None, ..coin(5, 0) };
    let coins: Coins = [reserved, spent, stranger, reward, change].into_iter().collect();
    match coins.select(&[output(50_000)], &terms(253, 0)) {
        Err(Refusal::NotEnough { available, waiting, .. }) => {
            assert_eq!((available, waiting), (Sat(0), Sat(300_000)));
        }
        other => panic!("{other:?}"),
    }
    let unconfirmed = Terms { min_confirmations: 0, ..terms(253, 0) };
    let selection = coins.select(&[output(50_000)], &unconfirmed).expect("our own change");
    assert_eq!(selection.outpoints(), [outpoint(5)]);
    let matured = Terms { tip: Height(1_001), ..terms(253, 0) };
    let selection = coins.select(&[output(50_000)], &matured).expect("the reward is mature");
    assert_eq!(selection.outpoints(), [outpoint(4)]);
}

#[test]
fn confirmations_count_from_the_block_of_the_coin() {
    let coins = coins(&[100_000]);
    let with = |min_confirmations| {
        coins.select(&[output(50_000)], &Terms { min_confirmations, ..terms(253, 0) }).is_ok()
    };
    assert!(with(10) && !with(11));
}

#[test]
fn coins_that_cost_more_than_they_bring_stay() {
    let rate = 10_000;
    let cost = fee(FeeratePerKw(rate), INPUT_WEIGHT).0;
    let coins = coins(&[1_000_000, cost - 1, cost - 1, 600]);
    let (all, output) = coins.select_all(&p2tr(9), &terms(rate, 0)).expect("enough");
    assert_eq!(amounts(&all), [1_000_000]);
    assert_eq!(Sat::from(output.value), Sat(1_000_000).saturating_sub(all.fee));
}

#[test]
fn change_that_would_be_dust_goes_to_the_fee() {
    let with_change = fee(FeeratePerKw(1_000), weight(1, &[output(0)], Some(&p2tr(0)))).0;
    let coins = coins(&[100_000]);
    let select = |left: u64| coins.select(&[output(100_000 - left)], &terms(1_000, 0)).expect("enough");
    let change = select(with_change + DUST);
    assert_eq!((change.change, change.fee), (Some(Sat(DUST)), Sat(with_change)));
    let none = select(with_change + DUST - 1);
    assert_eq!((none.change, none.fee), (None, Sat(with_change + DUST - 1)));
}

#[test]
fn outputs_are_no_dust() {
    let coins = coins(&[100_000]);
    let refused = Refusal::Dust { amount: Sat(DUST - 1), minimum: Sat(DUST) };
    assert_eq!(coins.select(&[output(5_000), output(DUST - 1)], &terms(253, 0)), Err(refused));
    assert!(coins.select(&[output(DUST)], &terms(253, 0)).is_ok());
    assert_eq!(coins.select(&[], &terms(253, 0)), Err(Refusal::NoOutput));
    let data = TxOut { value: Sat(0).into(), script_pubkey: ScriptBuf::new_op_return([1; 20]) };
    assert!(coins.select(&[data], &terms(253, 0)).is_ok(), "data may stand without an amount");
}

#[test]
fn a_refusal_says_what_is_missing() {
    let coins = coins(&[10_000, 20_000]);
    let terms = terms(1_000, 0);
    let missing = missing(coins.select(&[output(40_000)], &terms));
    assert_eq!(missing, Sat(10_000 + fee(terms.feerate, weight(3, &[output(0)], None)).0));
    let refusal = coins.select(&[output(40_000)], &terms).expect_err("too few");
    assert!(refusal.to_string().contains(&missing.to_string()), "{refusal}");
    assert!(refusal.to_string().ends_with("to the wallet, or ask for less"), "{refusal}");
    let mut of_another = crate::support::coins(&[10_000, 20_000, 50_000]);
    let opening = Reservation::Opening(ChannelKeysId([1; 32]));
    of_another.reserve(&[outpoint(2)], opening).expect("free");
    let refusal = of_another.select(&[output(40_000)], &terms).expect_err("too few are free");
    assert!(refusal.to_string().contains("try again when those are free"), "{refusal}");
    let none = Coins::default().select(&[output(1_000_000)], &terms).expect_err("no coin at all");
    assert!(matches!(none, Refusal::NotEnough { available: Sat(0), waiting: Sat(0), .. }));
}

#[test]
fn an_absurd_amount_is_refused_without_overflow() {
    let coins = coins(&[10_000]);
    let absurd = [output(u64::MAX), output(u64::MAX)];
    let Err(Refusal::NotEnough { missing, .. }) = coins.select(&absurd, &terms(u32::MAX, u64::MAX)) else {
        panic!("too few");
    };
    assert!(missing > Sat(u64::MAX / 2));
}

#[test]
fn the_reserve_stays_in_the_wallet() {
    let coins = coins(&[50_000, 50_000]);
    let whole = coins.select(&[output(49_000)], &terms(253, 10_000)).expect("enough");
    assert_eq!(amounts(&whole), [50_000], "the other coin is the reserve");
    let parted = coins.select(&[output(80_000)], &terms(253, 10_000)).expect("enough");
    assert!(parted.change >= Some(Sat(10_000)));
    assert!(missing(coins.select(&[output(95_000)], &terms(253, 10_000))) > Sat(5_000));
}

#[test]
fn the_reserve_does_not_go_to_the_fee_in_small_change() {
    let cost = fee(FeeratePerKw(253), weight(1, &[output(0)], None)).0;
    // The large coin alone would leave 300, too little to stand; with the small one there is change for the reserve.
    let coins = coins(&[50_000, 200]);
    let outputs = [output(50_000 - cost - 300)];
    let alone = coins.select(&outputs, &terms(253, 0)).expect("enough");
    assert_eq!((amounts(&alone), alone.change), (vec![50_000], None));
    let both = coins.select(&outputs, &terms(253, DUST)).expect("enough");
    assert_eq!(amounts(&both), [50_000, 200]);
    assert!(both.change >= Some(Sat(DUST)));
}

#[test]
fn all_there_is_can_be_sent_but_the_reserve() {
    let coins = coins(&[10_000, 20_000, 30_000]);
    let (selection, output) = coins.select_all(&p2tr(9), &terms(1_000, 0)).expect("enough");
    let cost = fee(FeeratePerKw(1_000), weight(3, std::slice::from_ref(&output), None));
    assert_eq!((selection.change, selection.fee), (None, cost));
    assert_eq!(Sat::from(output.value), Sat(60_000 - cost.0));

    let (selection, output) = coins.select_all(&p2tr(9), &terms(1_000, 5_000)).expect("enough");
    assert_eq!(selection.change, Some(Sat(5_000)));
    assert_eq!(Sat::from(output.value), Sat(55_000 - selection.fee.0));

    let refused = coins.select_all(&p2tr(9), &terms(1_000, 60_000)).expect_err("all is reserve");
    assert!(matches!(refused, Refusal::NotEnough { .. }));
}

#[test]
fn a_wallet_of_very_many_coins_spends_the_largest() {
    let many: Vec<u64> = (0..2_000).map(|n| 1_000 + n).collect();
    let coins = coins(&many);
    let (selection, _) = coins.select_all(&p2tr(9), &terms(253, 0)).expect("enough");
    assert_eq!(selection.inputs.len(), MAX_INPUTS);
    assert!(selection.inputs.iter().all(|coin| coin.amount() >= Sat(1_500)));
    assert!(selection.weight < 400_000);
    let missing = missing(coins.select(&[output(10_000_000)], &terms(253, 0)));
    assert!(with(&coins, coin(5_000, missing.0)).select(&[output(10_000_000)], &terms(253, 0)).is_ok());
}

prop_compose! {
    fn any_wallet()(
        amounts in proptest::collection::vec(prop_oneof![1..2_000_u64, 1..100_000_u64, 1..10_000_000_u64], 0..40),
    ) -> Coins {
        coins(&amounts)
    }
}

fn any_outputs() -> impl Strategy<Value = Vec<TxOut>> {
    let script = prop_oneof![
        Just(crate::support::p2wsh()),
        Just(p2tr(3)),
        Just(ScriptBuf::from_bytes([&[0x00, 0x14][..], &[4; 20]].concat())),
    ];
    let amount = prop_oneof![DUST..3_000_u64, DUST..300_000_u64, DUST..20_000_000_u64];
    let output = (script, amount)
        .prop_map(|(script_pubkey, amount)| TxOut { value: Sat(amount).into(), script_pubkey });
    proptest::collection::vec(output, 1..4)
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let reserve = prop_oneof![3 => Just(0_u64), 1 => 1..1_000_u64, 1 => 1..1_000_000_u64];
    (prop_oneof![0..2_000_u32, 253..100_000_u32], reserve).prop_map(|(rate, reserve)| terms(rate, reserve))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_selection_balances_and_pays_what_was_asked(
        coins in any_wallet(), outputs in any_outputs(), terms in any_terms(),
    ) {
        let Ok(selection) = coins.select(&outputs, &terms) else { return Ok(()) };
        let spent: Sat = selection.inputs.iter().map(Coin::amount).sum();
        let paid: Sat = outputs.iter().map(|output| Sat::from(output.value)).sum();
        let change = selection.change.unwrap_or_default();
        prop_assert_eq!(spent, Sat(paid.0 + change.0 + selection.fee.0));

        let mut outpoints = selection.outpoints();
        outpoints.sort();
        outpoints.dedup();
        prop_assert_eq!(outpoints.len(), selection.inputs.len());

        let asked = fee(terms.feerate, selection.weight);
        let exact = u64::from(terms.feerate.0) * selection.weight;
        prop_assert!((exact..exact + 1_000).contains(&(asked.0 * 1_000)), "less than a satoshi above what was asked");
        if let Some(change) = selection.change {
            prop_assert!(change >= Sat(DUST));
            prop_assert_eq!(selection.fee, asked);
        } else {
            let with_change = weight(selection.inputs.len(), &outputs, Some(&terms.change_script));
            prop_assert!(selection.fee >= asked);
            prop_assert!(selection.fee.0 < fee(terms.feerate, with_change).0 + DUST);
        }
        let all: Sat = coins.iter().map(Coin::amount).sum();
        prop_assert!(all.0 - spent.0 + change.0 >= terms.reserve.0);
    }

    #[test]
    fn the_missing_amount_is_exact(coins in any_wallet(), outputs in any_outputs(), terms in any_terms()) {
        let Err(refused) = coins.select(&outputs, &terms) else { return Ok(()) };
        let Refusal::NotEnough { missing, .. } = refused else { panic!("{refused:?}") };
        prop_assert!(with(&coins, coin(99, missing.0)).select(&outputs, &terms).is_ok());
        prop_assert!(with(&coins, coin(99, missing.0 - 1)).select(&outputs, &terms).is_err());
    }

    #[test]
    fn all_is_sent_to_the_last_satoshi(coins in any_wallet(), terms in any_terms()) {
        match coins.select_all(&p2tr(9), &terms) {
            Ok((selection, output)) => {
                let spent: Sat = selection.inputs.iter().map(Coin::amount).sum();
                let change = selection.change.unwrap_or_default();
                prop_assert_eq!(spent, Sat(output.value.to_sat() + change.0 + selection.fee.0));
                prop_assert_eq!(selection.fee, fee(terms.feerate, selection.weight));
                prop_assert!(output.value.to_sat() >= DUST);
                prop_assert!(selection.change.is_none_or(|change| change >= Sat(DUST) && change >= terms.reserve));
                prop_assert_eq!(selection.change.is_some(), terms.reserve > Sat(0));
            }
            Err(Refusal::NotEnough { missing, .. }) => {
                prop_assert!(with(&coins, coin(99, missing.0)).select_all(&p2tr(9), &terms).is_ok());
                prop_assert!(with(&coins, coin(99, missing.0 - 1)).select_all(&p2tr(9), &terms).is_err());
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}
