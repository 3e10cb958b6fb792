//! What was not written so is refused: rows that are damaged, unknown, missing, or contradict each other.

use super::*;

// attack 83
#[test]
fn damaged_rows_are_refused_or_read_and_never_a_panic() {
    for seed in FROZEN_SEEDS {
        let rows = rows_of_node(node(seed));
        for (key, value) in &rows {
            // A row is read with those of its channel. Onions are bytes to it: each of them would be the same case.
            let beside: Rows = rows.clone().into_iter().filter(|(other, _)| other.0[0] == key.0[0]).collect();
            for at in (0..value.len()).step_by(1 + value.len() / 60) {
                for damage in [&[value[at] ^ 0x01][..], &[value[at] ^ 0x80], &[]] {
                    let mut damaged = beside.clone();
                    let after = if damage.is_empty() { &[][..] } else { &value[at + 1..] };
                    damaged.insert(key.clone(), [&value[..at], damage, after].concat());
                    let _ = restore(&damaged);
                }
            }
        }
    }
}

// attack 83
#[test]
fn random_bytes_under_any_key_are_refused_and_never_a_panic() {
    let mut g = Gen(77);
    for (key, _) in rows_of_node(node(5)) {
        for _ in 0..300 {
            let len = usize::try_from(g.below(120)).expect("small");
            let mut value = g.bytes::<120>()[..len].to_vec();
            if let Some(version) = value.first_mut() {
                *version = 1;
            }
            let _ = restore(&Rows::from([(key.clone(), value)]));
        }
    }
}

fn error_of(rows: &Rows) -> String {
    match restore(rows) {
        Ok(_) => panic!("it was read"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn a_field_that_is_unknown_is_refused_when_it_is_even_and_ignored_when_it_is_odd() {
    let rows = rows_of_node(node(0));
    for (key, value) in &rows {
        let with = |number: u64| {
            let mut rows = rows.clone();
            let mut value = value.clone();
            astrape_wire::tlv::write_record(&mut value, number, b"new");
            rows.insert(key.clone(), value);
            rows
        };
        assert!(error_of(&with(1_000)).contains("field 1000 is not known"), "{key:?}");
        let read = restore(&with(1_001)).unwrap_or_else(|e| panic!("{e}"));
        assert_same(&read, &node(0));
    }
}

#[test]
fn a_row_of_a_newer_version_is_refused_and_named() {
    let rows = rows_of_node(node(0));
    for key in rows.keys() {
        let mut newer = rows.clone();
        newer.get_mut(key).expect("it is there")[0] = 2;
        let error = error_of(&newer);
        assert!(error.contains("version 2 is not known"), "{error}");
    }
}

#[test]
fn a_row_that_nothing_claims_is_refused() {
    let channel = keys(0);
    let strange: [&[u8]; 8] = [
        &[],
        &[0],
        &[200, 1, 2],
        &[Kind::Chain as u8, 0],
        &[Kind::Counters as u8, 1, 2, 3],
        &[Kind::Payment as u8, 9],
        &[&[Kind::Channel as u8], channel.0.as_slice()].concat(),
        &[&[Kind::Channel as u8], channel.0.as_slice(), &[99]].concat(),
    ];
    for key in strange {
        let mut rows = rows_of_node(node(0));
        rows.insert(Key(key.to_vec()), vec![1]);
        assert!(restore(&rows).is_err(), "{key:?}");
    }
    // Of what there is once, a second one is refused as well.
    let rows = rows_of_node(node(0));
    for kind in [Kind::Chain, Kind::Counters, Kind::OwnNode] {
        let mut twice = rows.clone();
        twice.insert(kind.key(&[0]), rows[&kind.key(&[])].clone());
        assert!(restore(&twice).is_err(), "{kind:?}");
    }
}

#[test]
fn a_channel_without_one_of_its_rows_is_refused() {
    let open = full_channel();
    let rows = rows_of(&channel_of(&open));
    let single =
        |key: &&Key| ChannelRow::of(&key.0[1..]).is_some_and(|(_, row)| !matches!(row, ChannelRow::Htlc(..)));
    let parts: Vec<Key> = rows.keys().filter(single).cloned().collect();
    assert!(parts.len() >= 6);
    for key in parts {
        // The last of the HTLCs that wait leaves no gap, and a channel may be without an announcement.
        if matches!(ChannelRow::of(&key.0[1..]), Some((_, ChannelRow::Waiting(_) | ChannelRow::Announcement)))
        {
            continue;
        }
        let mut rows = rows.clone();
        rows.remove(&key);
        assert_eq!(error_of(&rows), format!("the record {key:?} is not readable: it is missing"));
    }
}

#[test]
fn rows_that_contradict_each_other_are_refused() {
    let seeds = || (0..100).filter(|seed| matches!(Gen(*seed).channel(keys(*seed)).phase, Phase::Open(_)));
    for seed in seeds() {
        let channel = Gen(seed).channel(keys(seed));
        let rows = rows_of(&channel);
        let secrets = ChannelRow::Secrets.key(&keys(seed));
        let others = rows_of(&channel_of(&Gen(seed + 1).open(keys(seed))));
        let mut mixed = rows.clone();
        mixed.insert(secrets.clone(), others[&secrets].clone());
        if others[&secrets] != rows[&secrets] {
            assert!(error_of(&mixed).contains("secrets"), "seed {seed}");
        }
        let params =
            rows_of(&Gen(seed).channel(keys(seed + 1)))[&ChannelRow::Params.key(&keys(seed + 1))].clone();
        let mut foreign = rows;
        foreign.insert(ChannelRow::Params.key(&keys(seed)), params);
        assert!(error_of(&foreign).contains("another channel"), "seed {seed}");
    }
}
