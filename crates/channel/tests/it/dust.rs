//! The bound on HTLCs without an output, which would go to the miners.

use crate::pair::{A, B, Pair, Setup, failure};
use astrape_channel::{Command, Fault, Output, Refusal};
use astrape_primitives::{FeeratePerKw, Msat, PaymentHash};
use astrape_wire::{Message, UpdateFee};

const DUST: Msat = Msat(300_000);

/// `strict` lets a million millisatoshi be dust.
fn pair_with_bound(strict: usize, anchors: bool) -> Pair {
    Pair::ready_with(Setup { anchors, ..Setup::default() }, |p| {
        p.nodes[strict].policy.max_dust_htlc_exposure = Msat(1_000_000);
    })
}

// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.1
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.2
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.3
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.4
// attack 38
#[test]
fn dust_over_the_bound_is_taken_and_failed() {
    for batched in [true, false] {
        let mut pair = pair_with_bound(B, true);
        let mut hashes: Vec<PaymentHash> = Vec::new();
        for _ in 0..5 {
            hashes.push(pair.pay_held(A, DUST).0);
            if !batched {
                pair.run();
            }
        }
        pair.run();
        let failed: Vec<bool> = hashes.iter().map(|h| pair.nodes[A].failed.contains_key(h)).collect();
        assert_eq!(failed, [false, false, false, true, true]);
        assert_eq!(pair.nodes[A].failed[&hashes[4]], failure());
        let (large, _) = pair.pay_held(A, Msat(5_000_000));
        pair.run();
        assert!(!pair.nodes[A].failed.contains_key(&large), "it has an output");
    }
}

// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.1
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.3
#[test]
fn the_dust_of_either_commitment_counts() {
    for rough in [A, B] {
        let mut pair = Pair::ready_with(Setup::default(), |p| {
            p.nodes[B].policy.max_dust_htlc_exposure = Msat(1_000_000);
            // 450 sat have an output in one commitment, and none in the other.
            p.nodes[rough].policy.dust_limit = astrape_primitives::Sat(540);
        });
        let hashes: Vec<PaymentHash> = (0..3).map(|_| pair.pay_held(A, Msat(450_000)).0).collect();
        pair.run();
        let failed: Vec<bool> = hashes.iter().map(|h| pair.nodes[A].failed.contains_key(h)).collect();
        assert_eq!(failed, [false, false, true], "{rough}");
    }
}

#[test]
fn the_mark_of_dust_over_the_bound_comes_with_the_htlc() {
    let mut pair = pair_with_bound(B, true);
    for _ in 0..4 {
        pair.pay_held(A, DUST);
    }
    pair.run();
    let marks: Vec<bool> = pair.nodes[B]
        .seen
        .iter()
        .filter_map(|o| match o {
            Output::Incoming(htlc) => Some(htlc.over_dust_exposure),
            _ => None,
        })
        .collect();
    assert_eq!(marks, [false, false, false, true]);
}

// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.5
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.6
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.7
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.8
#[test]
fn dust_over_the_bound_is_not_offered() {
    let mut pair = pair_with_bound(A, true);
    // What the peer offers counts too.
    pair.pay_held(B, DUST);
    pair.run();
    pair.pay_held(A, DUST);
    pair.pay_held(A, DUST);
    let (over, _) = pair.pay_held(A, DUST);
    assert_eq!(pair.nodes[A].not_offered[&over], Refusal::DustExposure { limit: Msat(1_000_000) });
    let (large, _) = pair.pay_held(A, Msat(5_000_000));
    assert!(!pair.nodes[A].not_offered.contains_key(&large));
}

// BOLT 2.updating-fees-update_fee.12
// BOLT 2.updating-fees-update_fee.13
// attack 38
#[test]
fn a_feerate_that_makes_too_much_dust_is_refused() {
    // 2,000 sat have an output at 1000 sat/kw, and none at 3000 sat/kw.
    for (anchors, allowed) in [(false, false), (true, true)] {
        let mut pair = pair_with_bound(B, anchors);
        pair.pay_held(A, Msat(2_000_000));
        pair.pay_held(B, Msat(2_000_000));
        pair.run();
        let update = UpdateFee { channel_id: pair.channel_id(), feerate_per_kw: FeeratePerKw(3000) };
        let answer = pair.receive(B, Message::UpdateFee(update));
        assert_eq!(answer.is_ok(), allowed, "HTLC transactions of anchors pay no fee");
        assert!(allowed || matches!(answer, Err(Fault::DustExposure { .. })));
    }
}

// BOLT 2.updating-fees-update_fee.3
// BOLT 2.updating-fees-update_fee.5
#[test]
fn a_feerate_that_would_make_too_much_dust_is_not_sent() {
    let mut pair = pair_with_bound(A, false);
    pair.pay_held(A, Msat(2_000_000));
    pair.run();
    pair.command(A, Command::UpdateFee(FeeratePerKw(3000)));
    pair.run();
    assert_eq!(pair.nodes[A].times_said("update_fee"), 0);
    pair.command(A, Command::UpdateFee(FeeratePerKw(1100)));
    pair.run();
    assert_eq!(pair.nodes[A].times_said("update_fee"), 1);
}
