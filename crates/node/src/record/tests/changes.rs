//! What a change writes: the rows that it changes, and no others.

use super::*;
use astrape_channel::htlc::Htlc;
use astrape_primitives::Msat;

#[test]
fn the_rows_that_a_change_writes_make_the_old_rows_the_new_ones() {
    for seed in 0..200 {
        let (mut g, keys) = (Gen(1_000 + seed), keys(seed));
        let (old, new) = (g.channel(keys), g.channel(keys));
        let mut rows = rows_of(&old);
        apply(&mut rows, changes(Some(&old), Some(&new)));
        assert_eq!(rows, rows_of(&new), "seed {seed}");
        apply(&mut rows, changes(Some(&new), None));
        assert!(rows.is_empty(), "seed {seed}: what is forgotten leaves nothing");
        assert!(changes(Some(&new), Some(&new)).is_empty(), "seed {seed}: nothing changed");
    }
}

#[test]
fn the_rows_that_a_change_of_a_resolution_writes_make_the_old_rows_the_new_ones() {
    for seed in 0..200 {
        let (mut g, keys) = (Gen(5_000 + seed), keys(seed));
        let old = g.court(keys);
        // Some of it stays, as in life.
        let mut new = g.court(keys);
        new.outputs.extend(old.outputs.iter().take(2).map(|(o, t)| (*o, t.clone())));
        let rows_of = |r: &Resolution| {
            let (mut rows, mut out) = (Rows::new(), Changes::new());
            diff_resolution(&keys, None, Some(r), &mut out);
            apply(&mut rows, out);
            rows
        };
        let mut rows = rows_of(&old);
        let mut change = |old: Option<_>, new: Option<_>| {
            let mut out = Changes::new();
            diff_resolution(&keys, old, new, &mut out);
            let count = out.len();
            apply(&mut rows, out);
            (count, rows.clone())
        };
        assert_eq!(change(Some(&old), Some(&new)).1, rows_of(&new), "seed {seed}");
        assert_eq!(change(Some(&new), Some(&new)).0, 0, "seed {seed}: nothing changed");
        assert!(change(Some(&new), None).1.is_empty(), "seed {seed}: what is over leaves nothing");
    }
}

#[test]
fn a_payment_writes_its_own_rows_and_not_the_channel() {
    let old = full_channel();
    let mut new = old.clone();
    let htlc: &mut Arc<Htlc> = new.htlcs.get_mut(&(Side::Remote, HtlcId(241))).expect("it is there");
    Arc::make_mut(htlc).over_dust_exposure ^= true;
    new.balances.local = Msat(5);
    let changes = changes(Some(&channel_of(&old)), Some(&channel_of(&new)));
    let written: Vec<_> = changes.keys().cloned().collect();
    let expected = [ChannelRow::Head, ChannelRow::Htlc(Side::Remote, HtlcId(241))];
    assert_eq!(written, expected.map(|row| row.key(&old.params.keys)));
}

#[test]
fn what_lives_as_long_as_a_connection_writes_nothing() {
    let down = Gen(3).channel(keys(3));
    let up = Channel { link: astrape_channel::Link::Up(astrape_channel::Up::default()), ..down.clone() };
    assert!(changes(Some(&down), Some(&up)).is_empty());
    assert_eq!(rows_of(&up), rows_of(&down));
}

#[test]
fn coins_are_written_one_by_one() {
    let mut g = Gen(4);
    let mut coins: Vec<Coin> = (0..5).map(|_| g.coin()).collect();
    let mut table =
        Table::restored(BTreeMap::from([((), Arc::new(coins.iter().cloned().collect::<Coins>()))]));
    let gone = coins.remove(1);
    coins[2].spent = Some(astrape_primitives::Height(7));
    let added = g.coin();
    coins.push(added.clone());
    table.set((), Arc::new(coins.iter().cloned().collect()));
    let mut out = Changes::new();
    diff_coins(&table, &mut out);
    let key = |coin: &Coin| Kind::Coin.key(&Coin::id_bytes(&coin.outpoint()));
    let expected = [(&gone, None), (&coins[2], Some(coins[2].encode())), (&added, Some(added.encode()))];
    assert_eq!(out, expected.into_iter().map(|(coin, row)| (key(coin), row)).collect());
}
