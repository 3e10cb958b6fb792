//! Rows, and fields of them, that the first version did not have: they are read again, and their bytes stand as they were
//! first written.

use super::*;
use astrape_channel::commitments::Numbers;
use astrape_channel::htlc::Removal;
use astrape_channel::{Attribution, Resolution::Failed, Resolution::Fulfilled};
use astrape_onion::{FailurePacket, HoldTime};
use astrape_payment::send::{Lessons, Limit, Told, What};
use astrape_payment::{ForwardPolicy, InboundFee, Payment};
use astrape_primitives::{CommitmentNumber, Msat, PaymentPreimage, ShortChannelId, Timestamp};
use astrape_routing::Direction as Way;
use astrape_routing::search::Asked;

#[test]
fn policies_of_channels_are_read_again_and_stay_readable() {
    for seed in 0..100 {
        let (policy, keys) = (Gen(7_000 + seed).channel_policy(), keys(seed));
        let mut rows = Rows::new();
        single_rows([(keys, policy.clone())], &mut rows);
        let read = restore(&rows).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(*read.policies[&keys], policy, "seed {seed}");
    }
    // Written by the first version that had them.
    let frozen = "010026000000000000000700000064005000000000000000010000000000002710fffffffeffffffce\
                  022e000000000000000800000064005000000000000000010000000000002710fffffffeffffffce0000018bcfe56800";
    let bytes: Vec<u8> = (0..frozen.len() / 2)
        .map(|i| u8::from_str_radix(&frozen[2 * i..2 * i + 2], 16).expect("hexadecimal"))
        .collect();
    let asked = |base| ForwardPolicy {
        fee_base: Msat(base),
        htlc_maximum: Some(Msat(10_000)),
        inbound: InboundFee { base_msat: -2, proportional_millionths: -50 },
        ..ForwardPolicy::default()
    };
    let before = vec![(asked(8), Timestamp::from_secs(1_700_000_000))];
    let policy = ChannelPolicy { own: Some(asked(7)), before };
    assert_eq!(ChannelPolicy::decode(&keys(1), &bytes), Ok(policy.clone()));
    assert_eq!(policy.encode(), bytes);
}

/// The first version had neither.
#[test]
fn nights_and_channels_that_their_peer_has_failed_are_read_again_and_stay_readable() {
    let mut chain = Gen(11).chain_state();
    let without = chain.encode();
    for height in [10, 11, 12, 40] {
        chain.nights.sleep_through(astrape_primitives::Height(height));
    }
    let frozen = "05100000000a0000000c0000002800000028";
    assert_eq!(hex(&chain.encode()), hex(&without) + frozen, "and a record without stays as it was");
    assert_eq!(ChainState::decode(&(), &chain.encode()), Ok(chain));
    let unordered = unhex(&(hex(&without) + "05100000000a0000000c0000000100000002"));
    assert!(ChainState::decode(&(), &unordered).is_err());
    let failed =
        FailedByPeer { since: astrape_primitives::Height(700_000), words: "the peer sent: x".to_owned() };
    let frozen = "010004000aae6002107468652070656572 2073656e743a2078".replace(' ', "");
    assert_eq!(hex(&failed.encode()), frozen);
    let rows = BTreeMap::from([(Kind::FailedByPeer.key(&keys(1).0), failed.encode())]);
    let read = restore(&rows).expect("readable");
    assert_eq!(read.failed_by_peer, BTreeMap::from([(keys(1), failed)]));
}

/// The first versions did not say, and pass over it.
#[test]
fn how_far_blocks_were_looked_through_is_read_again() {
    let mut chain = Gen(11).chain_state();
    let without = chain.encode();
    chain.looked_to = Some(astrape_primitives::Height(700_000));
    assert_eq!(hex(&chain.encode()), hex(&without) + "0b04000aae60");
    assert_eq!(ChainState::decode(&(), &chain.encode()), Ok(chain));
}

/// The first versions had none, and pass over them.
#[test]
fn prices_are_read_again_and_records_without_stay_as_they_were() {
    let mut chain = Gen(11).chain_state();
    let without = chain.encode();
    assert_eq!(ChainState::decode(&(), &without), Ok(chain.clone()));
    for (tip, estimate) in [(100, 700), (101, 600), (124, 4_000)] {
        let estimate = astrape_primitives::FeeratePerKw(estimate);
        chain.prices.note(astrape_primitives::Height(tip), estimate);
    }
    let lowest = "071000000064000002580000007c00000fa0";
    let frozen = format!("{lowest}0908000002bc00000fa0");
    assert_eq!(hex(&chain.encode()), hex(&without) + &frozen);
    assert_eq!(ChainState::decode(&(), &chain.encode()), Ok(chain));
    let decode = |more: &str| ChainState::decode(&(), &unhex(&(hex(&without) + more)));
    // The first that had prices had the lowest alone.
    let prices = decode(lowest).expect("readable").prices;
    let price = |sat| Some(astrape_primitives::FeeratePerKw(sat));
    assert_eq!([prices.lowest(), prices.highest()], [price(600), price(4_000)]);
    for (wrong, what) in [
        ("071000000064000002580000006500000fa0".to_owned(), "they overlap"),
        (format!("{lowest}0904000002bc"), "one highest is missing"),
        (format!("{lowest}09080000025700000fa0"), "the highest is below the lowest"),
        ("0908000002bc00000fa0".to_owned(), "the lowest are missing"),
    ] {
        assert!(decode(&wrong).is_err(), "{what}");
    }
}

#[test]
fn a_forward_that_waits_for_an_application_is_read_again_and_stays_readable() {
    let (id, held) = ((keys(1), HtlcId(7)), Held { since: Timestamp::from_secs(1_700_000_000) });
    let mut rows = Rows::new();
    single_rows([(id, held)], &mut rows);
    assert_eq!(restore(&rows).expect("readable").held, BTreeMap::from([(id, held)]));
    // Written by the first version that had them.
    assert_eq!(held.encode(), unhex("0100080000018bcfe56800"));
    let of_another = Key([&rows.keys().next().expect("one").0[..], &[0]].concat());
    let rows = BTreeMap::from([(of_another, held.encode())]);
    assert!(restore(&rows).is_err(), "an id that is too long is none");
}

#[test]
fn invoices_that_are_held_and_what_is_held_for_them_are_read_again() {
    for seed in 0..100 {
        let mut g = Gen(9_000 + seed);
        let (invoice, set) = (g.held_invoice(), g.held_set());
        assert_eq!(
            OpenInvoice::decode(&invoice.payment_hash, &invoice.encode()),
            Ok(invoice.clone()),
            "{seed}"
        );
        assert_eq!(Receiving::decode(&set.payment_hash, &set.encode()), Ok(set.clone()), "{seed}");
    }
}

#[test]
fn an_invoice_that_settles_by_itself_cannot_lack_its_preimage() {
    let invoice = Gen(1).invoice();
    let lacking = OpenInvoice { preimage: None, ..invoice.clone() };
    assert_eq!(OpenInvoice::decode(&invoice.payment_hash, &lacking.encode()), Err(Unreadable::Missing(0)));
    let held = OpenInvoice { hold: true, ..lacking };
    assert_eq!(OpenInvoice::decode(&invoice.payment_hash, &held.encode()), Ok(held));
}

#[test]
fn a_coin_that_is_set_aside_for_claims_is_read_again() {
    let mut coin = Gen(8).coin();
    coin.reserved = Some(astrape_wallet::Reservation::Claim(keys(1)));
    assert_eq!(Coin::decode(&coin.outpoint(), &coin.encode()), Ok(coin));
}

/// Rows of payments that the first rows could not have: a question to path search, and a payment without an invoice.
#[test]
fn a_payment_that_asks_for_a_way_or_has_no_invoice_is_read_again() {
    let plain = Gen(9).payment();
    let asking = Payment { searches: 3, asked_at: Some(Timestamp(7)), ..plain.clone() };
    let preimage = PaymentPreimage([5; 32]);
    let custom_records = BTreeMap::from([(65_537, vec![1, 2]), (70_000, Vec::new())]);
    let what = What::Keysend { preimage, custom_records };
    let without = Payment { what: what.clone(), ..plain.clone() };
    let none = Payment { what: What::Keysend { preimage, custom_records: BTreeMap::new() }, ..plain.clone() };
    let lessons = Lessons {
        suspects: BTreeMap::from([(Gen(3).node(), 1), (Gen(4).node(), 1)]),
        bears: 1,
        channels: BTreeMap::from([
            ((ShortChannelId(8), Way::FromNode1), Limit::default()),
            ((ShortChannelId(8), Way::FromNode2), Limit::default()),
            ((ShortChannelId(9), Way::FromNode2), Limit { most: Msat(7), dared: 2 }),
        ]),
        ..plain.lessons.clone()
    };
    let doubting = Payment { lessons, ..plain.clone() };
    let crowded = Payment { beside: BTreeMap::from([((3, 1), Msat(9))]), ..plain.clone() };
    let asked = Asked {
        short_channel_id: ShortChannelId(9),
        direction: Way::FromNode2,
        fee_base_msat: 1,
        fee_proportional_millionths: 2,
        cltv_expiry_delta: astrape_primitives::CltvDelta(3),
        htlc_minimum: Msat(4),
        htlc_maximum: Msat(5),
    };
    let mut told = plain.clone();
    told.lessons.asked.insert((ShortChannelId(9), Way::FromNode2), Told { asked, since: 6 });
    for payment in [&plain, &asking, &without, &none, &doubting, &crowded, &told] {
        let read = Payment::decode(&payment.payment_hash, &payment.encode());
        assert_eq!(read.as_ref(), Ok(payment));
    }
    // The bytes of what is new stand as they were first written.
    let of_asking = hex(&asking.encode());
    assert!(of_asking.contains("1a0800000000000000031c080000000000000007"), "{of_asking}");
    let of_what = hex(&without.encode());
    let records = "201600000000000100010002010200000000000111700000";
    let of_doubting = hex(&doubting.encode());
    assert!(
        of_doubting.ends_with("000000012404000000012615000000000000000901000000000000000700000002"),
        "{of_doubting}"
    );
    assert_eq!(hex(&crowded.encode()), hex(&plain.encode()) + "27110000000000000003010000000000000009");
    let of_told =
        "292b00000000000000090100000001000000020003000000000000000400000000000000050000000000000006";
    assert_eq!(hex(&told.encode()), hex(&plain.encode()) + of_told);
    assert!(of_what.ends_with(&format!("1e20{}{records}", "05".repeat(32))), "{of_what}");
}

#[test]
fn a_close_that_left_the_chain_or_has_not_reached_it_is_read_as_it_was_written() {
    for seed in 0..24 {
        let (mut g, keys) = (Gen(seed), keys(seed));
        let mut before = g.court(keys);
        before.left = Some(g.left());
        before.seen = (seed % 2 == 0).then(|| g.left().tx);
        let mut changes = Changes::new();
        diff_resolution(&keys, None, Some(&before), &mut changes);
        let mut rows = ResolutionRows::default();
        for (key, value) in &changes {
            let (of, row) = ResolutionRow::of(&key.0[1..]).expect("a key of ours");
            rows.add(&of, row, value.as_ref().expect("written")).expect("readable");
        }
        assert_eq!(rows.restore().expect("whole"), before, "seed {seed}");
    }
}

/// The first versions kept the attribution data instead, and pass over what stands for them.
#[test]
fn how_long_a_fulfilled_htlc_was_held_is_read_again_and_stays_readable() {
    let fulfilled = |attribution| {
        let mut open = full_channel();
        let htlc = Arc::make_mut(open.htlcs.get_mut(&(Side::Remote, HtlcId(241))).expect("it is there"));
        let resolution = Fulfilled { preimage: PaymentPreimage([7; 32]), attribution };
        htlc.removal = Some(Removal { resolution, from: Numbers::default(), late_preimage: None });
        channel_of(&open)
    };
    let (held, silent) = (fulfilled(Attribution::Held(HoldTime(0x0102))), fulfilled(Attribution::Silent));
    let key = ChannelRow::Htlc(Side::Remote, HtlcId(241)).key(&held.open().expect("open").params.keys);
    let rows = rows_of(&held);
    assert_eq!(hex(&rows[&key]), hex(&rows_of(&silent)[&key]) + "210400000102");
    let read = restore(&rows).expect("readable");
    assert_eq!(read.channels.into_values().map(Arc::unwrap_or_clone).collect::<Vec<_>>(), [held]);
}

/// The first versions had none, and pass over it.
#[test]
fn a_preimage_that_came_after_its_failure_is_read_again_and_stays_readable() {
    let failed = |late_preimage| {
        let mut open = full_channel();
        let htlc = Arc::make_mut(open.htlcs.get_mut(&(Side::Remote, HtlcId(241))).expect("it is there"));
        let resolution = Failed(FailurePacket { reason: vec![1; 4], attribution_data: None });
        let from = Numbers { local: None, remote: Some(CommitmentNumber(7)) };
        htlc.removal = Some(Removal { resolution, from, late_preimage });
        channel_of(&open)
    };
    let (late, without) = (failed(Some(PaymentPreimage([7; 32]))), failed(None));
    let key = ChannelRow::Htlc(Side::Remote, HtlcId(241)).key(&late.open().expect("open").params.keys);
    let rows = rows_of(&late);
    assert_eq!(hex(&rows[&key]), hex(&rows_of(&without)[&key]) + "2320" + &"07".repeat(32));
    let read = restore(&rows).expect("readable");
    assert_eq!(read.channels.into_values().map(Arc::unwrap_or_clone).collect::<Vec<_>>(), [late]);
}

/// The first version did not say since when a transaction waits.
#[test]
fn transactions_that_wait_since_a_height_are_read_again_and_stay_readable() {
    let owed = Gen(12).owed();
    let id = owed.tx.compute_txid();
    let waiting = OwedTransaction { since: Some(astrape_primitives::Height(700_001)), ..owed.clone() };
    assert_eq!(
        hex(&waiting.encode()),
        hex(&owed.encode()) + "0504000aae61",
        "a record without stays as it was"
    );
    assert_eq!(OwedTransaction::decode(&id, &waiting.encode()), Ok(waiting));
    assert_eq!(OwedTransaction::decode(&id, &owed.encode()), Ok(owed));
}

/// The first versions did not note it.
#[test]
fn what_was_noted_of_a_shutdown_is_read_again_and_records_without_stay_as_they_were() {
    let said = |late_from, fees_apart| {
        let mut open = full_channel();
        (open.shutdown.late_from, open.shutdown.fees_apart) = (late_from, fees_apart);
        channel_of(&open)
    };
    let (noted, without) = (said(Some(HtlcId(242)), true), said(None, false));
    let key = ChannelRow::Head.key(&noted.open().expect("open").params.keys);
    let rows = rows_of(&noted);
    assert_eq!(hex(&rows[&key]), hex(&rows_of(&without)[&key]) + "250800000000000000f2270101");
    let read = restore(&rows).expect("readable");
    assert_eq!(read.channels.into_values().map(Arc::unwrap_or_clone).collect::<Vec<_>>(), [noted]);
}
