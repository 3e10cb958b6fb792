//! Our own commitment on chain.

use crate::kit::{Court, DELAY, EXPIRY, FORMATS, Htlcs, both, htlc, preimage};
use astrape_onchain::{Event, Output, Role, Spender, Story};
use astrape_primitives::{FeeratePerKw, Feerates, HtlcId, Sat, Side};
use astrape_transactions::CommitmentFormat;
use bitcoin::OutPoint;

fn closed(format: CommitmentFormat, htlcs: Htlcs) -> Court {
    let mut court = Court::new(format, htlcs);
    let tx = court.our_commitment();
    court.mine_with(&[tx]);
    assert!(matches!(court.resolution.close.as_ref().map(|c| c.spender), Some(Spender::Ours { .. })));
    court
}

// BOLT 5.unilateral-close-handling-local-commitment-transaction.1
// BOLT 5.unilateral-close-handling-local-commitment-transaction.2
// BOLT 5.unilateral-close-handling-local-commitment-transaction.3
#[test]
fn to_local_is_swept_as_soon_as_its_delay_is_over_and_not_before() {
    for format in FORMATS {
        let mut court = closed(format, Htlcs::default());
        court.mine(u32::from(DELAY) - 2);
        assert!(
            !court.stories().iter().any(|s| matches!(s, Story::Claiming { .. })),
            "too early: {format:?}"
        );
        court.mine(1);
        assert!(court.stories().iter().any(|s| matches!(s, Story::Claiming { .. })));
        court.mine(1);
        court.assert_none_refused();
        assert!(court.in_our_wallet() > Sat(6_990_000), "{}", court.in_our_wallet());
        assert!(!court.is_resolved());
        court.mine(20);
        assert!(court.is_resolved());
    }
}

/// Half of a small one pays for no HTLC transaction, which weighs a coin more than other claims.
#[test]
fn an_htlc_of_any_size_whose_preimage_is_known_is_claimed_or_given_up() {
    for sat in (360..1_500).step_by(60) {
        let htlcs = Htlcs::everywhere(vec![htlc(Side::Remote, 0, sat, 2, EXPIRY)]);
        let mut court = Court::new(CommitmentFormat::Anchors, htlcs);
        court.give_coins(2, 100_000);
        court.know((Side::Remote, HtlcId(0)), 2);
        let tx = court.our_commitment();
        court.mine_with(&[tx]);
        court.mine(200);
        assert!(court.is_resolved(), "{sat} sat");
        let taken = court.resolution.outputs[&court.output_of((Side::Remote, HtlcId(0)))].spent.is_some();
        assert!(taken || sat < 700, "{sat} sat bring more than they cost");
    }
}

/// Its fee was signed long ago; and its output is worth only a few times the least fee of these days.
#[test]
fn a_small_htlc_comes_home_though_the_least_fee_stays_high() {
    let htlcs = Htlcs::everywhere(vec![htlc(Side::Local, 0, 3_000, 1, EXPIRY)]);
    let mut court = closed(CommitmentFormat::StaticRemotekey, htlcs);
    let output = court.output_of((Side::Local, HtlcId(0)));
    court.feerates = Feerates::new(FeeratePerKw(1_000), [FeeratePerKw(1_000); 4]);
    court.mine_to(EXPIRY + 2);
    let timeout = court.resolution.outputs[&output].spent.expect("whatever the day costs");
    let second_stage = OutPoint { txid: timeout.txid, vout: 0 };
    court.mine(u32::from(DELAY) + 140);
    assert!(court.resolution.outputs[&second_stage].spent.is_none(), "it waits for a better day");
    court.mine(6);
    assert!(court.resolution.outputs[&second_stage].spent.is_some(), "there was none");
    court.assert_none_refused();
    court.mine(20);
    assert!(court.is_resolved());
}

// BOLT 5.unilateral-close-handling-local-commitment-transaction.6
// BOLT 5.htlc-output-handling-local-commitment-local-offers.2
// BOLT 5.htlc-output-handling-local-commitment-local-offers.3
// BOLT 5.htlc-output-handling-local-commitment-local-offers.4
// BOLT 5.htlc-output-handling-local-commitment-local-offers.5
// BOLT 5.htlc-output-handling-local-commitment-local-offers.6
// BOLT 5.htlc-output-handling-local-commitment-local-offers.7
// BOLT 5.generation-of-htlc-transactions.1
#[test]
fn an_htlc_of_ours_times_out_and_is_failed_when_that_is_deep_and_its_output_is_swept_after_the_delay() {
    for format in FORMATS {
        let mut court = closed(format, Htlcs::everywhere(both()));
        let output = court.output_of((Side::Local, HtlcId(0)));
        court.mine_to(EXPIRY - 1);
        assert!(court.resolution.outputs[&output].spent.is_none());
        assert!(court.chain.spender_in_mempool(&output).is_none(), "not before it has expired");
        court.mine(1);
        let timeout = court.chain.spender_in_mempool(&output).expect("HTLC-timeout waits");
        court.mine(1);
        assert!(court.resolution.outputs[&output].spent.is_some_and(|s| s.by_us));
        assert!(!court.has_failed(0), "a reorganisation may give the peer another chance");
        court.mine(5);
        assert!(!court.has_failed(0));
        court.mine(1);
        assert!(court.has_failed(0), "{format:?}");
        let second = court.resolution.outputs.iter().find(|(o, _)| o.txid == timeout.compute_txid());
        let (outpoint, second) = second.map(|(o, t)| (*o, t.clone())).expect("the second stage is followed");
        assert!(matches!(second.role, Role::Delayed { delay: DELAY, .. }));
        let confirmed = second.confirmed.expect("in a block");
        court.mine_to(confirmed.0 + u32::from(DELAY) - 2);
        assert!(court.chain.spender_in_mempool(&outpoint).is_none(), "the delay");
        court.mine(1);
        assert!(court.chain.spender_in_mempool(&outpoint).is_some());
        court.mine(1);
        court.assert_none_refused();
        let waits = court.stories().iter().any(|s| matches!(s, Story::NoCoins { .. }));
        assert!(!waits);
    }
}

// BOLT 5.unilateral-close-handling-local-commitment-transaction.7
// BOLT 5.htlc-output-handling-local-commitment-remote-offers.1
// BOLT 5.htlc-output-handling-local-commitment-remote-offers.3
// BOLT 5.htlc-output-handling-local-commitment-remote-offers.5
// BOLT 5.htlc-output-handling-local-commitment-remote-offers.6
#[test]
fn an_htlc_of_the_peer_is_claimed_in_the_step_that_learns_its_preimage() {
    for format in FORMATS {
        let mut court = closed(format, Htlcs::everywhere(both()));
        let key = (Side::Remote, HtlcId(0));
        let output = court.output_of(key);
        court.mine(3);
        assert!(court.chain.spender_in_mempool(&output).is_none());
        court.know(key, 2);
        let success = court.chain.spender_in_mempool(&output).expect("HTLC-success waits");
        court.mine(1);
        let second = court.resolution.outputs.iter().find(|(o, _)| o.txid == success.compute_txid());
        let (outpoint, second) = second.map(|(o, t)| (*o, t.clone())).expect("the second stage is followed");
        court.mine_to(second.confirmed.expect("in a block").0 + u32::from(DELAY) - 2);
        assert!(court.chain.spender_in_mempool(&outpoint).is_none(), "the delay");
        court.mine(2);
        court.assert_none_refused();
        assert!(court.resolution.outputs[&outpoint].spent.is_some());
    }
}

// BOLT 5.htlc-output-handling-local-commitment-remote-offers.4
#[test]
fn an_htlc_that_is_not_irrevocable_is_left_alone_though_a_twin_gave_its_preimage() {
    for format in FORMATS {
        // The second has the same hash, and was never given an end by the channel: it was not irrevocable.
        let twins =
            vec![htlc(Side::Remote, 0, 50_000, 2, EXPIRY), htlc(Side::Remote, 1, 50_000, 2, EXPIRY + 1)];
        let mut court = closed(format, Htlcs::everywhere(twins));
        court.know((Side::Remote, HtlcId(0)), 2);
        let other = court.output_of((Side::Remote, HtlcId(1)));
        court.mine(10);
        assert!(court.resolution.outputs[&other].spent.is_none());
        let first = court.output_of((Side::Remote, HtlcId(0)));
        assert!(court.resolution.outputs[&first].spent.is_some_and(|s| s.by_us));
    }
}

// BOLT 5.htlc-output-handling-local-commitment-local-offers.1
#[test]
fn a_preimage_that_takes_an_htlc_of_ours_is_extracted_from_the_mempool_and_from_a_block() {
    for format in FORMATS {
        for seen_first in [true, false] {
            let mut court = closed(format, Htlcs::everywhere(both()));
            court.mine(1);
            let output = court.output_of((Side::Local, HtlcId(0)));
            let taken = court.peer_takes(output, Some(preimage(1)));
            if seen_first {
                court.see(&[&taken]);
                assert_eq!(court.preimages(), [Some(HtlcId(0))]);
            }
            let out = court.mine_with(&[taken]);
            assert_eq!(court.preimages(), [Some(HtlcId(0))], "told once");
            let by_peer = |o: &Output| {
                matches!(o, Output::Story(Story::TakenByPeer { with_preimage: true, value: Sat(60_000), .. }))
            };
            assert!(out.iter().any(by_peer));
            court.mine_to(EXPIRY + 20);
            assert!(!court.has_failed(0), "what is paid is never failed");
        }
    }
}

// attack 26
#[test]
fn an_htlc_that_the_peer_takes_back_by_timeout_is_recorded_as_lost_and_nothing_is_swept() {
    for format in FORMATS {
        let mut court = closed(format, Htlcs::everywhere(both()));
        let key = (Side::Remote, HtlcId(0));
        let output = court.output_of(key);
        court.mine_to(EXPIRY + 31);
        let taken = court.peer_takes(output, None);
        court.know(key, 2);
        court.mine_with(std::slice::from_ref(&taken));
        let spent = court.resolution.outputs[&output].spent.expect("spent");
        assert!(!spent.by_us);
        assert!(!court.resolution.outputs.keys().any(|o| o.txid == taken.compute_txid()), "no phantom");
        let before = court.refused.len();
        court.mine(3);
        assert_eq!(court.refused.len(), before, "the claim of it is owed no more");
        assert!(
            court.stories().iter().any(|s| {
                matches!(s, Story::TakenByPeer { htlc, with_preimage: false, .. } if *htlc == key)
            })
        );
    }
}

// BOLT 5.htlc-output-handling-local-commitment-local-offers.8
// BOLT 5.htlc-output-handling-local-commitment-local-offers.9
// attack 15
#[test]
fn dust_and_what_our_commitment_has_not_is_failed_when_it_is_deep_or_fulfilled_when_its_preimage_is_known() {
    for format in FORMATS {
        let dust = htlc(Side::Local, 0, 100, 1, EXPIRY);
        let missing = htlc(Side::Local, 1, 70_000, 3, EXPIRY);
        let known = htlc(Side::Local, 2, 70_000, 4, EXPIRY);
        let htlcs = Htlcs {
            ours: vec![dust],
            acked: vec![dust],
            next: Some(vec![dust, missing, known]),
            ..Htlcs::default()
        };
        let mut court = Court::new(format, htlcs);
        court.know((Side::Local, HtlcId(2)), 4);
        let tx = court.our_commitment();
        court.mine_with(&[tx]);
        court.mine(5);
        assert!(!court.has_failed(0) && !court.has_failed(1), "six confirmations can be undone");
        court.mine(1);
        assert!(court.has_failed(0) && court.has_failed(1) && !court.has_failed(2), "{format:?}");
        court.mine(40);
        assert!(!court.has_failed(2));
    }
}

// BOLT 5.failing-a-channel.6
// BOLT 5.failing-a-channel.7
// BOLT 5.failing-a-channel.8
#[test]
fn a_commitment_that_waits_gets_a_child_on_its_anchor_that_is_replaced_for_more_as_the_deadline_nears() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(both()));
    court.upstream(0, EXPIRY + 80);
    court.feerates = Feerates::flat(FeeratePerKw(3_000));
    court.event(Event::GoOnChain);
    let parent = court.our_commitment().compute_txid();
    assert!(court.chain.in_mempool(&parent), "as a package: {:?}", court.refused);
    let fee_of_child = |court: &Court| {
        let child = court.chain.mempool().into_iter().find(|tx| tx.input[0].previous_output.txid == parent);
        let child = child.expect("a child");
        (court.chain.mempool_fee(&child.compute_txid()).expect("there").0, child)
    };
    let (first, child) = fee_of_child(&court);
    let (base, vsize) = court.chain.mempool_fee(&parent).expect("there");
    let (_, child_vsize) = court.chain.mempool_fee(&child.compute_txid()).expect("there");
    let package = (base.0 + first.0) * 1_000 / ((vsize + child_vsize) * 4);
    assert!((2_950..3_100).contains(&package), "the package pays the estimate: {package}");
    // Blocks come without it.
    let mut before = first;
    for _ in 0..60 {
        court.mine_with(&[]);
        court.event(Event::GoOnChain);
        let (now, _) = fee_of_child(&court);
        assert!(now >= before, "never lower");
        before = now;
    }
    assert!(before > first, "{before} after {first}");
    court.assert_none_refused();
    court.mine(1);
    assert!(court.resolution.close.is_some());
    assert!(court.resolution.outputs.values().all(|t| !matches!(t.role, Role::Anchor { parent: Some(_) })));
}

#[test]
fn an_htlc_of_ours_that_is_worth_no_claim_has_failed_in_the_end_and_keeps_no_close_open() {
    for format in FORMATS {
        for sat in (360..1_000).step_by(60) {
            let mut court = closed(format, Htlcs::everywhere(vec![htlc(Side::Local, 0, sat, 1, EXPIRY)]));
            let floor = FeeratePerKw(600);
            court.feerates = Feerates::new(floor, [floor; 4]);
            court.mine_to(EXPIRY + 143);
            let has_output = court.resolution.outputs.values().find(|t| t.htlc().is_some());
            let is_open = has_output.is_some_and(|tracked| tracked.spent.is_none());
            assert_eq!(court.has_failed(0), !is_open, "{sat} sat, {format:?}");
            court.mine(288);
            assert!(court.has_failed(0) && court.is_resolved(), "{sat} sat, {format:?}");
        }
    }
}

/// What an HTLC transaction without anchors leaves of a small HTLC.
#[test]
fn small_change_keeps_no_close_open_for_ever_and_is_taken_where_it_brings_more_than_it_costs() {
    for (floor, is_taken) in [(970, false), (253, true)] {
        let htlcs = Htlcs::everywhere(vec![htlc(Side::Local, 0, 1_330, 1, EXPIRY)]);
        let mut court = closed(CommitmentFormat::StaticRemotekey, htlcs);
        court.mine_to(EXPIRY + 1);
        let floor = FeeratePerKw(floor);
        court.feerates = Feerates::new(floor, [floor; 4]);
        let stage = |t: &&astrape_onchain::Tracked| matches!(t.role, Role::Delayed { .. });
        let small = |court: &Court| {
            let mut second =
                court.resolution.outputs.values().filter(stage).filter(|t| t.value() < Sat(1_000));
            second.next().cloned().expect("the second stage")
        };
        assert_eq!(small(&court).value(), Sat(667));
        let from = small(&court).claimable_from(CommitmentFormat::StaticRemotekey).expect("it is there");
        court.mine_to(from.0 + 287);
        assert_eq!(court.is_resolved(), is_taken, "{floor}");
        court.mine(1);
        assert!(court.is_resolved(), "{floor}");
        assert_eq!(small(&court).spent.is_some(), is_taken, "{floor}");
        court.assert_none_refused();
    }
}

#[test]
fn our_anchor_is_forgotten_where_it_brings_less_than_it_costs() {
    let mut court = closed(CommitmentFormat::Anchors, Htlcs::default());
    court.mine(u32::from(DELAY) + 12);
    assert!(court.is_resolved());
}

// attack 13
#[test]
fn a_commitment_that_waits_longer_than_it_should_gets_a_child_though_the_estimate_is_no_higher() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
    court.feerates = Feerates::flat(FeeratePerKw(500));
    court.event(Event::GoOnChain);
    for _ in 0..23 {
        court.mine_with(&[]);
    }
    assert!(court.resolution.claims.is_empty(), "it pays 1,000 by itself");
    court.mine_with(&[]);
    let feerate = |court: &Court| court.resolution.claims.values().next().expect("a child").feerate.0;
    assert!((1_900..=2_100).contains(&feerate(&court)), "{}", feerate(&court));
    for _ in 0..24 {
        court.mine_with(&[]);
    }
    assert!((3_800..=4_200).contains(&feerate(&court)), "{}", feerate(&court));
    court.assert_none_refused();
}

// attack 13
#[test]
fn a_commitment_in_which_only_payments_of_our_own_are_ours_gets_its_child_in_the_end() {
    // All of our side is in one HTLC that nothing else depends on; what the commitment pays never suffices.
    let htlcs = vec![htlc(Side::Local, 0, 6_990_000, 1, EXPIRY)];
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(htlcs));
    court.feerates = Feerates::flat(FeeratePerKw(20_000));
    court.event(Event::GoOnChain);
    let child = court.child().expect("a child");
    let fee = court.chain.mempool_fee(&child.compute_txid()).expect("it is there").0;
    assert!((20_000..=142_000).contains(&fee.0), "{fee}");
    court.assert_none_refused();
}
