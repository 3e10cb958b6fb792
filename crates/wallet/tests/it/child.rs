//! Transactions that pay for those whose change they spend.

use crate::support::{TIP, coin, coins, found, outpoint, terms, with};
use astrape_primitives::{FeeratePerKw, Sat};
use astrape_wallet::build::fee;
use astrape_wallet::{Coin, Coins, FoundCoin, Package, Refusal, Reservation, Selection, Terms};
use bitcoin::Txid;
use proptest::prelude::*;

/// A withdrawal with one input and two outputs, at the floor.
const PARENT: Package = Package { weight: 616, fee: Sat(156) };

const PARENT_NUMBER: u32 = 77;

fn parent() -> Txid {
    outpoint(PARENT_NUMBER).txid
}

/// What the parent has left.
fn change(amount: u64) -> Coin {
    let found = FoundCoin { ours_change: true, ..found(PARENT_NUMBER, amount) };
    Coin { found, confirmed: None, ..coin(PARENT_NUMBER, 0) }
}

fn at(feerate: u32, reserve: u64) -> Terms {
    Terms { min_confirmations: 0, ..terms(feerate, reserve) }
}

fn child(coins: &Coins, terms: &Terms) -> Result<Selection, Refusal> {
    coins.select_child(&parent(), &PARENT, terms)
}

fn check(selection: &Selection, feerate: u32) {
    let spent: Sat = selection.inputs.iter().map(Coin::amount).sum();
    let back = selection.change.expect("what is left comes back");
    assert_eq!(Some(spent), back.checked_add(selection.fee));
    assert!(back >= Sat(330), "{back} would not be relayed");
    assert!(selection.fee >= fee(FeeratePerKw(feerate), selection.weight), "it pays for itself at least");
    let both = PARENT.with(selection.weight, selection.fee);
    assert!(both.feerate() >= FeeratePerKw(feerate), "{both:?}");
    assert!(both.feerate().0 <= feerate + 3, "and not more than was asked: {both:?}");
}

#[test]
fn a_child_pays_for_itself_and_for_what_its_parent_lacks() {
    let coins = with(&coins(&[50_000]), change(20_000));
    for feerate in [300, 1_000, 5_000] {
        let selection = child(&coins, &at(feerate, 0)).expect("the change is enough");
        assert_eq!(selection.outpoints(), [outpoint(PARENT_NUMBER)]);
        check(&selection, feerate);
    }
}

#[test]
fn a_change_that_is_too_small_is_helped_by_confirmed_coins_alone() {
    let unconfirmed = FoundCoin { ours_change: true, ..found(5, 900_000) };
    let unconfirmed = Coin { found: unconfirmed, confirmed: None, ..coin(5, 0) };
    let coins = with(&with(&coins(&[3_000, 50_000]), change(400)), unconfirmed);
    let selection = child(&coins, &at(2_500, 0)).expect("there are coins");
    assert_eq!(selection.outpoints(), [outpoint(PARENT_NUMBER), outpoint(1)]);
    check(&selection, 2_500);
}

#[test]
fn what_pays_enough_has_nothing_left_or_lacks_coins_is_told_apart() {
    let coins = with(&coins(&[]), change(20_000));
    assert_eq!(child(&coins, &at(253, 0)), Err(Refusal::PaysEnough(FeeratePerKw(253))));
    let gone = Coin { reserved: Some(Reservation::Withdrawal([1; 32])), ..change(20_000) };
    let strange = Coin { found: found(PARENT_NUMBER, 20_000), ..change(20_000) };
    for coin in [Coin { spent: Some(TIP), ..change(20_000) }, gone, strange] {
        assert_eq!(child(&[coin].into_iter().collect(), &at(1_000, 0)), Err(Refusal::NoChange(parent())));
    }
    let missing = match child(&with(&Coins::default(), change(400)), &at(2_500, 0)) {
        Err(Refusal::NotEnough { missing, .. }) => missing,
        other => panic!("{other:?}"),
    };
    let enough = with(&Coins::default(), change(400 + missing.0));
    check(&child(&enough, &at(2_500, 0)).expect("that was missing"), 2_500);
    let short = with(&Coins::default(), change(399 + missing.0));
    assert!(child(&short, &at(2_500, 0)).is_err(), "and not a satoshi less");
}

#[test]
fn what_should_stay_in_the_wallet_stays() {
    let coins = with(&coins(&[50_000]), change(20_000));
    let cost = child(&coins, &at(1_000, 0)).expect("enough").fee;
    let left = 70_000 - cost.0;
    check(&child(&coins, &at(1_000, left)).expect("so much stays"), 1_000);
    assert!(matches!(child(&coins, &at(1_000, left + 1)), Err(Refusal::NotEnough { missing: Sat(1), .. })));
}

proptest! {
    #[test]
    fn no_child_pays_less_or_more_than_was_asked(
        amounts in prop::collection::vec(400_u64..60_000, 0..8),
        left in 330_u64..60_000,
        feerate in 254_u32..6_000,
    ) {
        let coins = with(&coins(&amounts), change(left));
        match child(&coins, &at(feerate, 0)) {
            Ok(selection) => {
                check(&selection, feerate);
                prop_assert!(selection.outpoints().contains(&outpoint(PARENT_NUMBER)));
            }
            Err(Refusal::NotEnough { missing, .. }) => prop_assert!(missing > Sat(0)),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}
