//! Trimming: the predicate, the fee and the built transaction agree.

use astrape_primitives::{FeeratePerKw, Msat, Sat, Side};
use astrape_transactions::{
    BuildError, Commitment, CommitmentContent, CommitmentFormat, CommittedHtlc, FundingTerms, HtlcDirection,
    commitment_fee, htlc_fee, is_trimmed, trim_threshold,
};
use proptest::prelude::*;

use crate::channel::{CAPACITY, Channel, htlc};

const FORMATS: [CommitmentFormat; 2] = [CommitmentFormat::StaticRemotekey, CommitmentFormat::Anchors];

/// The same channel and commitment as the peer sees them.
fn mirror(terms: &FundingTerms, content: &CommitmentContent) -> (FundingTerms, CommitmentContent) {
    let terms =
        FundingTerms { opener: terms.opener.other(), local: terms.remote, remote: terms.local, ..*terms };
    let flip = |htlc: &CommittedHtlc| CommittedHtlc { offered_by: htlc.offered_by.other(), ..*htlc };
    let content = CommitmentContent {
        owner: content.owner.other(),
        local_balance: content.remote_balance,
        remote_balance: content.local_balance,
        htlcs: content.htlcs.iter().rev().map(flip).collect(),
        ..content.clone()
    };
    (terms, content)
}

// BOLT 3.trimmed-outputs.6
// BOLT 3.trimmed-outputs.7
// BOLT 3.trimmed-outputs.8
// BOLT 3.trimmed-outputs.9
// attack 20
#[test]
fn around_the_dust_limit_the_predicate_and_the_transaction_agree() {
    for format in FORMATS {
        for dust in [354, 546, 3_000] {
            let channel = Channel::new(format, Sat(dust));
            for feerate in [0, 1, 2, 253, 999, 1_000, 2_069, 2_070, 50_000] {
                for (side, direction) in
                    [(Side::Local, HtlcDirection::Offered), (Side::Remote, HtlcDirection::Received)]
                {
                    let threshold = trim_threshold(format, direction, Sat(dust), FeeratePerKw(feerate));
                    let fee = htlc_fee(format, direction, FeeratePerKw(feerate));
                    assert_eq!(threshold.0, dust + fee.0);
                    for (sat, msat) in (threshold.0 - 2..=threshold.0 + 2).flat_map(|s| [(s, 0), (s, 999)]) {
                        let amount = Msat(sat * 1000 + msat);
                        let content = channel.content(
                            feerate,
                            Sat(1_000_000).to_msat(),
                            vec![htlc(side, 0, amount.0, 500, 1)],
                        );
                        let commitment = channel.build(&content);
                        let trimmed = is_trimmed(format, direction, amount, Sat(dust), FeeratePerKw(feerate));
                        assert_eq!(trimmed, sat < threshold.0);
                        assert_eq!(commitment.htlcs().is_empty(), trimmed);
                        assert_eq!(commitment.trimmed().len(), usize::from(trimmed));
                        let untrimmed = usize::from(!trimmed);
                        assert_eq!(
                            commitment.base_fee(),
                            commitment_fee(format, FeeratePerKw(feerate), untrimmed)
                        );
                        if let [second] = commitment.htlcs() {
                            let value = second.tx().output[0].value.to_sat();
                            assert_eq!(value, sat - fee.0);
                            assert!(value >= dust);
                        }
                    }
                }
            }
        }
    }
}

// BOLT 3.trimmed-outputs.2
// BOLT 3.trimmed-outputs.3
// BOLT 3.trimmed-outputs.4
// BOLT 3.trimmed-outputs.5
#[test]
fn main_outputs_below_the_dust_limit_are_left_out_with_their_anchors() {
    for format in FORMATS {
        let channel = Channel::new(format, Sat(1_000));
        for (remote, there) in [(999_999, false), (1_000_000, true), (1_000_999, true)] {
            let commitment = channel.build(&channel.content(253, Msat(remote), vec![]));
            assert_eq!(commitment.to_remote().is_some(), there);
            assert_eq!(
                commitment.anchor(Side::Remote).is_some(),
                there && format == CommitmentFormat::Anchors
            );
            assert!(commitment.to_local().is_some());
        }
        let owed = commitment_fee(format, FeeratePerKw(253), 0).saturating_add(format.anchors_cost());
        for (left, there) in [(999, false), (1_000, true)] {
            let remote = CAPACITY.to_msat().checked_sub(Sat(owed.0 + left).to_msat()).expect("enough");
            let commitment = channel.build(&channel.content(253, remote, vec![]));
            assert_eq!(commitment.to_local().map(|out| out.value), there.then_some(Sat(left)));
            assert_eq!(commitment.unpaid(), Sat::ZERO);
        }
    }
}

// attack 19
#[test]
fn an_opener_who_cannot_pay_is_seen_and_never_makes_an_invalid_transaction() {
    let all = CAPACITY.to_msat();
    let build = |format, remote: Msat| {
        let channel = Channel::new(format, Sat(354));
        Commitment::build(&channel.secp, &channel.terms, &channel.content(253, remote, vec![]))
    };
    // The anchor of the peer has to come from somewhere.
    let missing = Sat(commitment_fee(CommitmentFormat::Anchors, FeeratePerKw(253), 0).0 + 660);
    assert_eq!(build(CommitmentFormat::Anchors, all), Err(BuildError::OpenerCannotPay { missing }));
    // As long as it can be paid the transaction is valid, with a lower fee than agreed.
    let enough_for_it = all.checked_sub(Sat(330).to_msat()).expect("enough");
    let poor = build(CommitmentFormat::Anchors, enough_for_it).expect("valid");
    assert_eq!((poor.unpaid(), poor.fee()), (Sat(missing.0 - 330), Sat::ZERO));
    let poorest = build(CommitmentFormat::StaticRemotekey, all).expect("valid");
    assert_eq!((poorest.unpaid(), poorest.fee()), (poorest.base_fee(), Sat::ZERO));
}

#[test]
fn contents_that_no_commitment_can_say_are_refused() {
    let channel = Channel::new(CommitmentFormat::StaticRemotekey, Sat(354));
    let good = channel.content(253, Msat(5_000_000_000), vec![htlc(Side::Local, 0, 1_000_000, 500, 1)]);
    let build =
        |content: &CommitmentContent| Commitment::build(&channel.secp, &channel.terms, content).map(|_| ());
    assert_eq!(build(&good), Ok(()));
    for delta in [1, u64::MAX / 2] {
        let mut richer = good.clone();
        richer.remote_balance = richer.remote_balance.saturating_add(Msat(delta));
        assert!(matches!(build(&richer), Err(BuildError::MoneyNotConserved { .. })));
    }
    let mut late = good.clone();
    late.htlcs[0].cltv_expiry.0 = 500_000_000;
    assert!(matches!(build(&late), Err(BuildError::ExpiryNotHeight { .. })));
    let mut beyond = good.clone();
    beyond.number.0 = 1 << 48;
    assert!(matches!(build(&beyond), Err(BuildError::NumberTooLarge(_))));
    let many = (0..967).map(|id| htlc(Side::Local, id, 1_000, 500, 1)).collect();
    let crowded = channel.content(253, Msat(0), many);
    assert_eq!(build(&crowded), Err(BuildError::TooManyHtlcs(967)));
    let empty = channel.content(u32::MAX, Msat(0), vec![]);
    assert_eq!(build(&empty), Err(BuildError::NoOutputs));
}

fn arbitrary_htlc() -> impl Strategy<Value = (bool, u64, u32, u8)> {
    // Few hashes and expiries, so that twins occur.
    (any::<bool>(), prop_oneof![0u64..5_000_000, Just(2_000_000u64)], 500u32..503, 0u8..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // attack 20
    #[test]
    fn both_sides_build_the_same_transaction(
        anchors in any::<bool>(),
        opener_local in any::<bool>(),
        owner_local in any::<bool>(),
        feerate in prop_oneof![0u32..6_000, Just(50_000u32)],
        dust in 354u64..3_000,
        remote_msat in 0u64..9_000_000_000,
        htlcs in proptest::collection::vec(arbitrary_htlc(), 0..40),
    ) {
        let side = |local| if local { Side::Local } else { Side::Remote };
        let mut channel = Channel::new(FORMATS[usize::from(anchors)], Sat(dust));
        channel.terms.opener = side(opener_local);
        channel.terms.remote.dust_limit = Sat(dust + 100);
        channel.terms.remote.to_self_delay = 2016;
        let htlcs = (0u64..)
            .zip(htlcs)
            .map(|(id, (local, msat, expiry, preimage))| htlc(side(local), id, msat, expiry, preimage))
            .collect();
        let mut content = channel.content(feerate, Msat(remote_msat), htlcs);
        content.owner = side(owner_local);
        let (mirrored_terms, mirrored) = mirror(&channel.terms, &content);
        let ours = Commitment::build(&channel.secp, &channel.terms, &content);
        let theirs = Commitment::build(&channel.secp, &mirrored_terms, &mirrored);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(ours.tx(), theirs.tx());
                let second = |c: &Commitment| c.htlcs().iter().map(|h| h.tx().clone()).collect::<Vec<_>>();
                prop_assert_eq!(second(&ours), second(&theirs));
                prop_assert_eq!(ours.htlcs().len() + ours.trimmed().len(), content.htlcs.len());
                let paid: u64 = ours.tx().output.iter().map(|out| out.value.to_sat()).sum();
                prop_assert_eq!(paid + ours.fee().0, CAPACITY.0);
                prop_assert!(ours.unpaid() > Sat::ZERO || ours.fee() >= ours.base_fee());
                let sorted = ours.tx().output.is_sorted_by_key(|out| (out.value, out.script_pubkey.clone()));
                prop_assert!(sorted);
                for htlc in ours.htlcs() {
                    let (outpoint, out) = ours.output(htlc.output_index()).expect("its output");
                    prop_assert_eq!((outpoint, out), (htlc.outpoint(), &htlc.output()));
                }
            }
            (ours, theirs) => prop_assert_eq!(ours.map(|_| ()), theirs.map(|_| ())),
        }
    }
}

/// Anchor channels trim without them, and whoever weighs whether an HTLC is worth a claim needs them.
#[test]
fn the_weights_of_htlc_transactions_are_those_of_bolt_3() {
    let weights = |format: CommitmentFormat| {
        [HtlcDirection::Offered, HtlcDirection::Received].map(|direction| format.htlc_weight(direction))
    };
    assert_eq!(weights(CommitmentFormat::StaticRemotekey), [663, 703]);
    assert_eq!(weights(CommitmentFormat::Anchors), [666, 706]);
}
