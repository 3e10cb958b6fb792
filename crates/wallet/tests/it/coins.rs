//! What the wallet makes of findings and reservations.

use crate::support::{TIP, coins, confirmed, found, outpoint};
use astrape_primitives::{ChannelKeysId, Height, Sat};
use astrape_wallet::{Balance, Coin, Coins, FoundCoin, Refusal, Reservation, WalletFinding};
use bitcoin::Txid;
use bitcoin::hashes::Hash as _;
use proptest::prelude::*;

const OPENING: Reservation = Reservation::Opening(ChannelKeysId([1; 32]));
const WITHDRAWAL: Reservation = Reservation::Withdrawal([2; 32]);

/// Some transaction.
fn spender() -> Txid {
    Txid::from_byte_array([8; 32])
}

fn change(n: u32, amount: u64) -> FoundCoin {
    FoundCoin { ours_change: true, ..found(n, amount) }
}

fn reward(n: u32, amount: u64) -> FoundCoin {
    FoundCoin { is_coinbase: true, ..found(n, amount) }
}

#[test]
fn every_coin_counts_once_in_the_balance() {
    let mut coins = coins(&[1, 10]);
    coins.apply(WalletFinding::Unconfirmed { coin: change(2, 100) });
    coins.apply(WalletFinding::Unconfirmed { coin: found(6, 1_000_000) });
    coins.apply(WalletFinding::Confirmed { coin: reward(3, 1_000), height: TIP });
    coins.apply(WalletFinding::Spent { outpoint: outpoint(0), height: TIP, by: spender() });
    coins.apply(confirmed(4, 10_000, 1_000));
    coins.apply(WalletFinding::Unconfirmed { coin: change(5, 100_000) });
    coins.reserve(&[outpoint(4)], OPENING).expect("free");
    coins.reserve(&[outpoint(5)], WITHDRAWAL).expect("free");
    let balance = coins.balance(TIP);
    let expected =
        Balance { confirmed: Sat(10), unconfirmed: Sat(100), immature: Sat(1_000), reserved: Sat(110_000) };
    assert_eq!(balance, expected);
    assert_eq!(balance.total(), Sat(111_110));
}

#[test]
fn a_reward_matures_when_the_hundredth_block_above_it_may_spend_it() {
    let mut coins = Coins::default();
    coins.apply(WalletFinding::Confirmed { coin: reward(1, 50), height: Height(1) });
    let coin = coins.get(&outpoint(1)).expect("found");
    assert!(coin.is_immature(Height(99)) && !coin.is_spendable(Height(99), 0));
    assert!(!coin.is_immature(Height(100)) && coin.is_spendable(Height(100), 100));
    assert_eq!(coins.balance(Height(99)).immature, Sat(50));
    assert_eq!(coins.balance(Height(100)).confirmed, Sat(50));
}

#[test]
fn only_our_own_change_is_spent_unconfirmed() {
    let mut coins = Coins::default();
    coins.apply(WalletFinding::Unconfirmed { coin: found(1, 50) });
    coins.apply(WalletFinding::Unconfirmed { coin: change(2, 50) });
    let spendable =
        |n, min_confirmations| coins.get(&outpoint(n)).expect("found").is_spendable(TIP, min_confirmations);
    assert!(!spendable(1, 0), "a stranger may replace it");
    assert!(spendable(2, 0));
    assert!(!spendable(2, 1));
}

#[test]
fn a_coin_of_a_stranger_counts_from_its_block_on_and_not_while_a_reorganisation_has_taken_it() {
    let mut coins = Coins::default();
    coins.apply(confirmed(1, 50, 1_001));
    assert_eq!(coins.balance(TIP).total(), Sat(0), "its block is above the tip");
    coins.apply(confirmed(2, 7, 1_000));
    assert_eq!(coins.balance(TIP).confirmed, Sat(7));
    coins.apply(WalletFinding::Reorged { from: TIP });
    assert_eq!(coins.balance(TIP).total(), Sat(0), "what it came from is unspent again");
    coins.apply(WalletFinding::Unconfirmed { coin: change(3, 9) });
    assert_eq!(coins.balance(TIP).unconfirmed, Sat(9), "change of ours cannot be taken back");
    assert!(!coins.get(&outpoint(1)).expect("found").is_spendable(TIP, 0));
}

#[test]
fn a_finding_names_what_it_changed_and_changes_nothing_the_second_time() {
    let mut coins = Coins::default();
    for finding in [
        WalletFinding::Unconfirmed { coin: found(1, 50) },
        confirmed(1, 50, 900),
        WalletFinding::Spent { outpoint: outpoint(1), height: Height(950), by: spender() },
        WalletFinding::Reorged { from: Height(950) },
        WalletFinding::Reorged { from: Height(900) },
        WalletFinding::Dropped { outpoint: outpoint(1) },
    ] {
        assert_eq!(coins.apply(finding.clone()), [outpoint(1)], "{finding:?}");
        let before = coins.clone();
        assert_eq!(coins.apply(finding.clone()), [], "{finding:?}");
        assert_eq!(coins, before);
    }
    assert_eq!(coins, Coins::default());
}

#[test]
fn a_reorganisation_gives_back_what_it_unspends_with_its_reservation() {
    let mut coins = coins(&[50]);
    coins.reserve(&[outpoint(0)], OPENING).expect("free");
    coins.apply(WalletFinding::Spent { outpoint: outpoint(0), height: TIP, by: spender() });
    assert_eq!(coins.balance(TIP).total(), Sat(0));
    coins.apply(WalletFinding::Reorged { from: TIP });
    assert_eq!(coins.balance(TIP).reserved, Sat(50), "the funding transaction still wants it");
    assert_eq!(coins.reserve(&[outpoint(0)], WITHDRAWAL), Err(Refusal::Reserved(outpoint(0))));
}

#[test]
fn a_reward_whose_block_left_is_gone() {
    let mut coins = Coins::default();
    coins.apply(WalletFinding::Confirmed { coin: reward(1, 50), height: Height(900) });
    assert_eq!(coins.apply(WalletFinding::Reorged { from: Height(900) }), [outpoint(1)]);
    assert_eq!(coins, Coins::default());
    coins.apply(WalletFinding::Unconfirmed { coin: reward(1, 50) });
    assert_eq!(coins, Coins::default());
}

#[test]
fn a_confirmed_coin_is_not_dropped() {
    let mut coins = coins(&[50]);
    assert_eq!(coins.apply(WalletFinding::Dropped { outpoint: outpoint(0) }), []);
    assert_eq!(coins.balance(TIP).confirmed, Sat(50));
}

#[test]
fn a_reservation_holds_all_of_its_coins_or_none() {
    let mut coins = coins(&[1, 2, 3]);
    coins.reserve(&[outpoint(1)], OPENING).expect("free");
    let before = coins.clone();
    let both = [outpoint(0), outpoint(1)];
    assert_eq!(coins.reserve(&both, WITHDRAWAL), Err(Refusal::Reserved(outpoint(1))));
    assert_eq!(coins.reserve(&[outpoint(0), outpoint(9)], WITHDRAWAL), Err(Refusal::NoSuchCoin(outpoint(9))));
    assert_eq!(coins, before);
    coins.apply(WalletFinding::Spent { outpoint: outpoint(2), height: TIP, by: spender() });
    assert_eq!(coins.reserve(&[outpoint(2)], WITHDRAWAL), Err(Refusal::Spent(outpoint(2))));

    assert_eq!(coins.release(WITHDRAWAL), []);
    assert_eq!(coins.release(OPENING), [outpoint(1)]);
    assert_eq!(coins.reserve(&both, WITHDRAWAL), Ok(()));
    assert_eq!(coins.release(WITHDRAWAL), both);
}

#[test]
fn a_spent_coin_is_forgotten_when_its_spend_is_buried() {
    let mut coins = coins(&[1, 2]);
    coins.apply(WalletFinding::Spent { outpoint: outpoint(0), height: TIP, by: spender() });
    assert_eq!(coins.forget_buried(Height(1_098)), []);
    assert_eq!(coins.forget_buried(Height(1_099)), [outpoint(0)]);
    assert_eq!(coins.iter().map(Coin::outpoint).collect::<Vec<_>>(), [outpoint(1)]);
}

fn any_finding() -> impl Strategy<Value = WalletFinding> {
    let height = || (995..1_001_u32).prop_map(Height);
    let coin = || {
        (0..6_u32, any::<bool>()).prop_map(|(n, ours_change)| FoundCoin {
            ours_change,
            is_coinbase: n == 5,
            ..found(n, 1_000 << n)
        })
    };
    prop_oneof![
        (coin(), height()).prop_map(|(coin, height)| WalletFinding::Confirmed { coin, height }),
        coin().prop_map(|coin| WalletFinding::Unconfirmed { coin }),
        (0..6_u32, height()).prop_map(|(n, height)| WalletFinding::Spent {
            outpoint: outpoint(n),
            height,
            by: spender()
        }),
        height().prop_map(|from| WalletFinding::Reorged { from }),
        (0..6_u32).prop_map(|n| WalletFinding::Dropped { outpoint: outpoint(n) }),
    ]
}

proptest! {
    #[test]
    fn findings_touch_only_what_they_name_and_never_a_reservation(
        findings in proptest::collection::vec(any_finding(), 0..30),
        reserved in proptest::collection::vec(0..6_u32, 0..4),
    ) {
        let mut coins = coins(&[1_000, 2_000, 4_000]);
        for finding in findings {
            for n in &reserved {
                let _ = coins.reserve(&[outpoint(*n)], OPENING);
            }
            let before = coins.clone();
            let touched = coins.apply(finding);
            for n in 0..6 {
                let (old, new) = (before.get(&outpoint(n)), coins.get(&outpoint(n)));
                prop_assert!(old == new || touched.contains(&outpoint(n)));
                if let (Some(old), Some(new)) = (old, new) {
                    prop_assert_eq!(old.reserved, new.reserved);
                }
            }
            let restored: Coins = coins.iter().cloned().collect();
            prop_assert_eq!(&restored, &coins);
            let there = coins.iter().filter(|coin| coin.is_there(TIP)).map(Coin::amount).sum::<Sat>();
            prop_assert_eq!(coins.balance(TIP).total(), there);
        }
    }
}
