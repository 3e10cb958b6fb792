//! Reorganisations of each step.

use crate::kit::{ACKED, Court, DELAY, EXPIRY, FORMATS, Htlcs, NEXT, REVOKED, htlc};
use astrape_onchain::resolution::again::BLOCKS_TO_COME_BACK;
use astrape_onchain::{Output, Spender};
use astrape_primitives::{HtlcId, Sat, Side};
use astrape_transactions::{CommitmentFormat, CommittedHtlc};

fn both() -> Vec<CommittedHtlc> {
    vec![htlc(Side::Local, 0, 60_000, 1, EXPIRY), htlc(Side::Remote, 0, 80_000, 2, EXPIRY + 30)]
}

// attack 10
// BOLT 5.general-nomenclature.3
#[test]
fn another_commitment_confirms_after_a_reorg_and_the_preimage_that_comes_then_is_used_on_it() {
    for format in FORMATS {
        let htlcs = Htlcs { next: Some(both()), ..Htlcs::everywhere(both()) };
        let mut court = Court::new(format, htlcs);
        let (first, second) = (court.their_commitment(ACKED), court.their_commitment(NEXT));
        court.mine_with(std::slice::from_ref(&first));
        court.mine(2);
        court.chain.reorg(3);
        court.chain.evict(&first.compute_txid());
        let from = astrape_primitives::Height(court.tip().0 + 1);
        court.event(astrape_onchain::Event::Reorged { from });
        assert!(court.resolution.close.is_none());
        court.mine_with(std::slice::from_ref(&second));
        assert!(court.resolution.outputs.keys().all(|o| o.txid == second.compute_txid()));
        court.know((Side::Remote, HtlcId(0)), 2);
        court.mine(1);
        let output = court.output_of((Side::Remote, HtlcId(0)));
        assert!(court.resolution.outputs[&output].spent.is_some_and(|s| s.by_us), "{format:?}");
    }
}

// BOLT 5.general-nomenclature.3
#[test]
fn a_reorg_of_any_step_undoes_it_and_the_end_is_the_same() {
    for format in FORMATS {
        for depth in 1..=5 {
            let mut court = Court::new(format, Htlcs::everywhere(both()));
            court.know((Side::Remote, HtlcId(0)), 2);
            let tx = court.our_commitment();
            court.mine_with(&[tx]);
            // Steps: the commitment; HTLC-success; HTLC-timeout; the sweeps of both and of to_local.
            for height in [court.tip().0 + 1, EXPIRY, EXPIRY + 1, EXPIRY + u32::from(DELAY) + 1] {
                court.mine_to(height);
                let before = court.resolution.clone();
                court.reorg(depth);
                let from = before.close.as_ref().map(|c| c.height.0);
                let kept = from.is_some_and(|h| h <= court.tip().0);
                assert_eq!(court.resolution.close.is_some(), kept);
                let tip = court.tip();
                let above = |h: Option<astrape_primitives::Height>| h.is_some_and(|h| h > tip);
                assert!(
                    court
                        .resolution
                        .outputs
                        .values()
                        .all(|t| !above(t.confirmed) && !above(t.spent.map(|s| s.height)))
                );
                court.mine(depth + 1);
            }
            court.mine(60);
            assert!(court.is_resolved(), "{format:?} {depth}");
            assert!(court.has_failed(0));
            assert!(court.in_our_wallet() > Sat(6_985_000), "{}", court.in_our_wallet());
        }
    }
}

// attack 25
// BOLT 5.general-nomenclature.1
#[test]
fn a_cooperative_close_is_followed_to_its_depth_and_a_revoked_commitment_in_its_place_is_punished() {
    for format in FORMATS {
        let mut court = Court::new(format, Htlcs::default());
        let (ours, theirs) =
            (crate::kit::elsewhere(), crate::kit::wallet_script(astrape_transactions::Keychain::External, 9));
        court.evidence.shutdown = Some((ours.clone(), theirs));
        let closing = closing_of(&court, ours);
        court.event(astrape_onchain::Event::FundingSpent {
            tx: std::sync::Arc::new(closing),
            height: court.tip(),
        });
        assert!(matches!(court.resolution.close.as_ref().map(|c| c.spender), Some(Spender::Cooperative)));
        assert!(!court.is_resolved());
        let from = court.tip();
        court.event(astrape_onchain::Event::Reorged { from });
        let revoked = court.their_commitment(REVOKED);
        court.mine_with(&[revoked]);
        court.mine(1);
        assert!(court.in_our_wallet() > Sat(9_990_000), "{format:?}: {}", court.in_our_wallet());
    }
}

// attack 25
#[test]
fn a_close_is_over_only_when_it_is_deep() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
    let ours = crate::kit::elsewhere();
    court.evidence.shutdown = Some((ours.clone(), ours.clone()));
    let closing = closing_of(&court, ours);
    let height = court.tip();
    court.event(astrape_onchain::Event::FundingSpent { tx: std::sync::Arc::new(closing), height });
    court.chain.mine(5, &astrape_regtest::RegtestChain::faucet_script());
    court.event(astrape_onchain::Event::Block);
    assert!(!court.is_resolved(), "six confirmations can be undone");
    court.chain.mine(1, &astrape_regtest::RegtestChain::faucet_script());
    court.event(astrape_onchain::Event::Block);
    assert!(court.is_resolved());
}

/// A closing transaction that pays all to one script. It is told to have confirmed; what is asked is not its signatures.
fn closing_of(court: &Court, script: bitcoin::ScriptBuf) -> bitcoin::Transaction {
    let mut tx = crate::kit::empty();
    tx.input.push(crate::kit::input(court.terms.outpoint, bitcoin::Sequence::MAX));
    tx.output.push(bitcoin::TxOut { value: bitcoin::Amount::from_sat(9_990_000), script_pubkey: script });
    tx
}

// BOLT 5.general-nomenclature.3
#[test]
fn an_htlc_that_was_taken_in_a_block_that_left_is_claimed_by_us_after_all() {
    for format in FORMATS {
        let mut court = Court::new(format, Htlcs::everywhere(both()));
        let tx = court.their_commitment(ACKED);
        court.mine_with(&[tx]);
        court.mine_to(EXPIRY + 31);
        let output = court.output_of((Side::Remote, HtlcId(0)));
        let timeout = court.second_stage(ACKED, &[(output, None)]);
        court.mine_with(std::slice::from_ref(&timeout));
        assert!(court.resolution.outputs[&output].spent.is_some_and(|s| !s.by_us));
        court.chain.reorg(1);
        court.chain.evict(&timeout.compute_txid());
        let from = astrape_primitives::Height(court.tip().0 + 1);
        court.event(astrape_onchain::Event::Reorged { from });
        court.know((Side::Remote, HtlcId(0)), 2);
        court.mine(1);
        assert!(court.resolution.outputs[&output].spent.is_some_and(|s| s.by_us));
    }
}

/// The peer's commitment was in a block that left, and neither blocks nor the mempool have it any more.
fn with_a_close_that_left(format: CommitmentFormat, number: u64) -> (Court, bitcoin::Transaction) {
    let htlcs = Htlcs { next: Some(both()), ..Htlcs::everywhere(both()) };
    let mut court = Court::new(format, htlcs);
    let tx = court.their_commitment(number);
    court.mine_with(std::slice::from_ref(&tx));
    court.mine_with(&[]);
    court.chain.reorg(2);
    court.chain.evict(&tx.compute_txid());
    let from = astrape_primitives::Height(court.tip().0 + 1);
    court.event(astrape_onchain::Event::Reorged { from });
    (court, tx)
}

fn has(court: &Court, wanted: &dyn Fn(&Output) -> bool) -> bool {
    court.told.iter().any(wanted)
}

// attack 25
#[test]
fn a_close_of_the_peer_that_left_the_chain_is_brought_back_and_resolved() {
    for format in FORMATS {
        for number in [ACKED, NEXT, REVOKED] {
            let (mut court, tx) = with_a_close_that_left(format, number);
            assert!(court.resolution.close.is_none() && !court.chain.in_mempool(&tx.compute_txid()));
            court.mine_with(&[]);
            assert!(court.chain.in_mempool(&tx.compute_txid()), "{format:?} {number}: {:?}", court.refused);
            assert!(
                court.resolution.owed().contains(&Output::Again(tx.clone().into())),
                "after a restart too"
            );
            court.mine(1);
            let close = court.resolution.close.as_ref().expect("it is back");
            assert_eq!(close.txid(), tx.compute_txid());
            assert!(court.resolution.left.is_none());
            court.know((Side::Remote, HtlcId(0)), 2);
            court.mine_to(EXPIRY + 60);
            assert!(court.is_resolved(), "{format:?} {number}");
            assert!(!has(&court, &|o| *o == Output::OursNeeded));
        }
    }
}

#[test]
fn a_close_of_the_peer_that_pays_too_little_to_come_back_gets_a_child_on_our_anchor() {
    let (mut court, tx) = with_a_close_that_left(CommitmentFormat::Anchors, ACKED);
    court.know((Side::Remote, HtlcId(0)), 2);
    court.feerates = astrape_primitives::Feerates::flat(astrape_primitives::FeeratePerKw(3_000));
    let busy = astrape_primitives::FeeratePerKw(2_000);
    let weather =
        astrape_regtest::Weather { mempool_min: busy, block_min: busy, ..astrape_regtest::Weather::fair() };
    court.chain.forecast(std::iter::repeat_n(weather, 6));
    court.mine_with(&[]);
    court.mine_with(&[]);
    assert!(court.chain.in_mempool(&tx.compute_txid()), "as a package: {:?}", court.refused);
    court.mine(1);
    assert!(court.resolution.close.is_some());
}

#[test]
fn our_commitment_is_asked_for_when_the_peers_does_not_come_back() {
    for (number, format) in [(ACKED, FORMATS[0]), (REVOKED, FORMATS[1])] {
        let (mut court, tx) = with_a_close_that_left(format, number);
        for _ in 1..BLOCKS_TO_COME_BACK {
            court.mine_with(&[]);
        }
        assert!(!has(&court, &|o| *o == Output::OursNeeded), "it has its time");
        court.mine_with(&[]);
        assert!(has(&court, &|o| *o == Output::OursNeeded));
        court.event(astrape_onchain::Event::GoOnChain);
        court.told.clear();
        court.mine_with(&[]);
        let again = Output::Again(tx.into());
        assert!(
            !has(&court, &|o| *o == again || *o == Output::OursNeeded),
            "not two that exclude each other"
        );
    }
}

#[test]
fn what_nothing_explains_is_not_brought_back_and_ours_goes_at_once() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
    let odd = closing_of(&court, crate::kit::elsewhere());
    let height = court.tip();
    court.event(astrape_onchain::Event::FundingSpent { tx: std::sync::Arc::new(odd), height });
    court.event(astrape_onchain::Event::Reorged { from: height });
    let out = court.event(astrape_onchain::Event::Block);
    assert!(out.contains(&Output::OursNeeded) && !out.iter().any(|o| matches!(o, Output::Again(_))));
}

#[test]
fn after_a_loss_of_data_the_peers_close_is_brought_back_and_ours_never_goes() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
    let tx = court.their_commitment(NEXT + 3);
    court.mine_with(std::slice::from_ref(&tx));
    assert!(matches!(court.resolution.close.as_ref().map(|c| c.spender), Some(Spender::Future { .. })));
    court.chain.reorg(1);
    court.chain.evict(&tx.compute_txid());
    let from = astrape_primitives::Height(court.tip().0 + 1);
    court.event(astrape_onchain::Event::Reorged { from });
    for _ in 0..=BLOCKS_TO_COME_BACK {
        court.mine_with(&[]);
    }
    assert!(court.chain.in_mempool(&tx.compute_txid()));
    assert!(!has(&court, &|o| *o == Output::OursNeeded));
}
