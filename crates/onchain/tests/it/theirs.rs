//! A valid commitment of the peer on chain: the one that it is bound to, or the next.

use crate::kit::{
    ACKED, Court, EXPIRY, FORMATS, Htlcs, NEXT, REVOKED, elsewhere, empty, htlc, input, preimage,
};
use astrape_onchain::{Output, Role, Spender, Story};
use astrape_primitives::{FeeratePerKw, Feerates, HtlcId, Sat, Side};
use astrape_transactions::{CommitmentFormat, CommittedHtlc};
use bitcoin::{OutPoint, Sequence, TxOut, Witness};

fn both() -> Vec<CommittedHtlc> {
    vec![htlc(Side::Local, 0, 60_000, 1, EXPIRY), htlc(Side::Remote, 0, 80_000, 2, EXPIRY + 30)]
}

fn closed(format: CommitmentFormat, htlcs: Htlcs, number: u64) -> Court {
    let mut court = Court::new(format, htlcs);
    let tx = court.their_commitment(number);
    court.mine_with(&[tx]);
    assert!(
        matches!(court.resolution.close.as_ref().map(|c| c.spender), Some(Spender::Theirs { number: n, .. }) if n.0 == number)
    );
    court
}

// attack 11
// BOLT 5.unilateral-close-handling-remote-commitment-transaction.1
// BOLT 5.unilateral-close-handling-remote-commitment-transaction.6
// BOLT 5.unilateral-close-handling-remote-commitment-transaction.7
// BOLT 5.htlc-output-handling-remote-commitment-local-offers.3
// BOLT 5.htlc-output-handling-remote-commitment-remote-offers.1
#[test]
fn all_that_is_ours_of_the_peers_commitment_is_claimed_within_the_budget() {
    for format in FORMATS {
        let three: Vec<CommittedHtlc> = (0..3)
            .flat_map(|n| {
                let hash = u8::try_from(n).expect("small");
                [
                    htlc(Side::Local, n, 60_000 + n, 10 + hash, EXPIRY),
                    htlc(Side::Remote, n, 80_000 + n, 20 + hash, EXPIRY + 30),
                ]
            })
            .collect();
        let mut court = closed(format, Htlcs::everywhere(three), ACKED);
        for n in 0..3 {
            court.know((Side::Remote, HtlcId(n)), 20 + u8::try_from(n).expect("small"));
        }
        court.mine(1);
        // to_remote is 7,000,000 less the HTLCs and the fee of the commitment, and was claimed at once.
        court.mine_to(EXPIRY + 2);
        court.assert_none_refused();
        let htlcs: u64 = (0..3).map(|n| 140_000 + 2 * n).sum();
        let wallet = court.in_our_wallet();
        // The opener pays the commitment's fee: 1,000 sat/kw for at most 2,200 weight units, and two anchors.
        assert!(wallet.0 > 6_990_000 && wallet.0 < 7_000_000, "{wallet} of 7,000,000 with {htlcs} in HTLCs");
        court.mine(6);
        assert!((0..3).all(|n| court.has_failed(n)), "failed when the timeouts are deep");
        assert!(court.is_resolved(), "{format:?}");
    }
}

// BOLT 5.htlc-output-handling-remote-commitment-remote-offers.2
#[test]
fn an_htlc_of_the_peer_without_a_preimage_is_left_alone() {
    for format in FORMATS {
        let mut court = closed(format, Htlcs::everywhere(both()), ACKED);
        let output = court.output_of((Side::Remote, HtlcId(0)));
        court.mine_to(EXPIRY + 60);
        assert!(court.resolution.outputs[&output].spent.is_none());
        assert!(court.chain.spender_in_mempool(&output).is_none());
        assert!(!court.is_resolved(), "its preimage may still come");
        court.mine(120);
        assert!(court.is_resolved());
    }
}

// BOLT 5.htlc-output-handling-remote-commitment-local-offers.1
// BOLT 5.htlc-output-handling-remote-commitment-local-offers.2
#[test]
fn the_preimage_of_the_peers_htlc_success_is_extracted() {
    for format in FORMATS {
        for seen_first in [true, false] {
            let mut court = closed(format, Htlcs::everywhere(both()), ACKED);
            let output = court.output_of((Side::Local, HtlcId(0)));
            let success = court.second_stage(ACKED, &[(output, Some(preimage(1)))]);
            if seen_first {
                court.see(&[&success]);
                assert_eq!(court.preimages(), [Some(HtlcId(0))]);
            }
            court.mine_with(&[success]);
            assert_eq!(court.preimages(), [Some(HtlcId(0))]);
            court.mine_to(EXPIRY + 20);
            assert!(!court.has_failed(0));
        }
    }
}

// attack 17
#[test]
fn a_preimage_on_the_older_valid_commitment_is_extracted_though_ours_has_not_the_htlc() {
    for format in FORMATS {
        // The peer failed it, we acknowledged, and our newest and its next have it no more.
        let one = htlc(Side::Local, 0, 60_000, 1, EXPIRY);
        let htlcs = Htlcs { ours: vec![], acked: vec![one], next: Some(vec![]), ..Htlcs::default() };
        let mut court = closed(format, htlcs, ACKED);
        let output = court.output_of((Side::Local, HtlcId(0)));
        let success = court.second_stage(ACKED, &[(output, Some(preimage(1)))]);
        court.mine_with(&[success]);
        assert_eq!(court.preimages(), [Some(HtlcId(0))], "{format:?}");
    }
}

// attack 14
#[test]
fn an_htlc_without_an_output_whose_hash_has_a_known_preimage_is_claimed_and_not_failed() {
    for format in FORMATS {
        let (one, other) = (htlc(Side::Local, 0, 60_000, 1, EXPIRY), htlc(Side::Local, 1, 70_000, 1, EXPIRY));
        let (ours, next) = (vec![one, other], Some(vec![one, other]));
        let mut court = closed(format, Htlcs { ours, acked: vec![one], next, ..Htlcs::default() }, ACKED);
        let output = court.output_of((Side::Local, HtlcId(0)));
        let success = court.second_stage(ACKED, &[(output, Some(preimage(1)))]);
        court.mine_with(&[success]);
        court.mine(10);
        assert_eq!(court.preimages(), [Some(HtlcId(0)), Some(HtlcId(1))]);
        assert!(!court.has_failed(0) && !court.has_failed(1));
    }
}

// attack 14
// BOLT 5.htlc-output-handling-remote-commitment-local-offers.4
// BOLT 5.htlc-output-handling-remote-commitment-local-offers.5
#[test]
fn an_htlc_missing_from_the_confirmed_commitment_is_failed_at_depth_but_never_with_a_known_preimage() {
    for format in FORMATS {
        let (claimed, failed, dust) = (
            htlc(Side::Local, 0, 60_000, 1, EXPIRY),
            htlc(Side::Local, 1, 70_000, 3, EXPIRY),
            htlc(Side::Local, 2, 90, 4, EXPIRY),
        );
        // The peer has claimed the first and withholds its revocation: its next commitment has it no more.
        let htlcs = Htlcs {
            ours: vec![claimed, failed, dust],
            acked: vec![claimed, failed, dust],
            next: Some(vec![dust]),
            ..Htlcs::default()
        };
        let mut court = Court::new(format, htlcs);
        court.know((Side::Local, HtlcId(0)), 1);
        let tx = court.their_commitment(NEXT);
        court.mine_with(&[tx]);
        court.mine(5);
        assert!(!court.has_failed(1) && !court.has_failed(2));
        court.mine(1);
        assert!(court.has_failed(1) && court.has_failed(2) && !court.has_failed(0));
        // After a restart the told ends are part of the value, and the known preimage is the channel's.
        court.mine(300);
        assert!(!court.has_failed(0) && court.is_resolved(), "{format:?}");
    }
}

// attack 23
#[test]
fn twins_of_equal_hash_and_amount_each_end_as_their_own_output_did() {
    for format in FORMATS {
        let twins = vec![
            htlc(Side::Local, 0, 60_000, 1, EXPIRY),
            htlc(Side::Local, 1, 60_000, 1, EXPIRY),
            htlc(Side::Local, 2, 60_000, 1, EXPIRY + 5),
        ];
        for taken in 0..3 {
            let mut court = closed(format, Htlcs::everywhere(twins.clone()), ACKED);
            let outputs: Vec<_> = (0..3).map(|id| court.output_of((Side::Local, HtlcId(id)))).collect();
            assert!(outputs[0] != outputs[1] && outputs[1] != outputs[2]);
            let success = court.second_stage(ACKED, &[(outputs[taken], Some(preimage(1)))]);
            court.mine_with(&[success]);
            let id = HtlcId(u64::try_from(taken).expect("small"));
            assert_eq!(court.preimages(), [Some(id)]);
            court.mine_to(EXPIRY + 20);
            court.assert_none_refused();
            for other in 0..3 {
                assert_eq!(
                    court.has_failed(other),
                    other != id.0,
                    "{other} when {taken} was taken: {format:?}"
                );
            }
        }
    }
}

// attack 26
#[test]
fn an_htlc_that_the_peer_takes_back_is_not_taken_for_ours() {
    for format in FORMATS {
        let mut court = closed(format, Htlcs::everywhere(both()), ACKED);
        let key = (Side::Remote, HtlcId(0));
        let output = court.output_of(key);
        court.mine_to(EXPIRY + 31);
        let timeout = court.second_stage(ACKED, &[(output, None)]);
        let out = court.mine_with(&[timeout]);
        assert!(court.resolution.outputs[&output].spent.is_some_and(|s| !s.by_us));
        let lost = |o: &Output| {
            matches!(o, Output::Story(Story::TakenByPeer { with_preimage: false, value: Sat(80_000), .. }))
        };
        assert!(out.iter().any(lost));
        court.know(key, 2);
        court.mine(3);
        court.assert_none_refused();
    }
}

// attack 47
// BOLT 5.unilateral-close-handling-remote-commitment-transaction.8
#[test]
fn after_a_loss_of_data_to_remote_is_swept_and_nothing_is_failed_while_a_preimage_may_come() {
    for format in FORMATS {
        let htlcs = Htlcs { next: Some(both()), ..Htlcs::everywhere(both()) };
        let mut court = Court::new(format, htlcs);
        // What the peer holds is newer than all that we know.
        let future = court.their_commitment(NEXT);
        court.evidence.remote.pop();
        let told = court.mine_with(&[future]);
        let warns =
            |o: &Output| matches!(o, Output::Story(Story::Spent { spender: Spender::Future { .. }, .. }));
        assert!(told.iter().any(warns), "the user hears of it");
        assert!(matches!(court.resolution.close.as_ref().map(|c| c.spender), Some(Spender::Future { .. })));
        court.mine(2);
        assert!(court.in_our_wallet() > Sat(6_800_000), "to_remote needs no point: {format:?}");
        court.mine_to(EXPIRY + 100);
        assert!(!court.has_failed(0));
        court.mine_to(EXPIRY + 144);
        assert!(court.has_failed(0));
        court.assert_none_refused();
    }
}

#[test]
fn a_revoked_number_is_no_valid_commitment() {
    let court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
    let tx = court.their_commitment(REVOKED);
    let (spender, _) = astrape_onchain::classify(&court.secp, &court.evidence, &tx);
    assert!(matches!(spender, Spender::Revoked { .. }));
}

/// The claim of an output, if there is one: what it claims.
fn claimed_with(court: &Court, output: OutPoint) -> Option<Vec<OutPoint>> {
    court.resolution.claims.values().find(|claim| claim.inputs.contains(&output)).map(|c| c.inputs.clone())
}

fn anchor_and_to_remote(court: &Court) -> (OutPoint, OutPoint) {
    let find = |wanted: &dyn Fn(&Role) -> bool| {
        let found = court.resolution.outputs.iter().find(|(_, tracked)| wanted(&tracked.role));
        *found.expect("an output").0
    };
    (find(&|role| matches!(role, Role::Anchor { .. })), find(&|role| *role == Role::ToRemote))
}

#[test]
fn our_anchor_is_claimed_with_others_on_quiet_days_and_left_where_it_costs_more_than_it_brings() {
    for (feerate, is_worth) in [(1_000, true), (2_000, false)] {
        let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
        court.feerates = Feerates::flat(FeeratePerKw(feerate));
        let tx = court.their_commitment(ACKED);
        court.mine_with(&[tx]);
        let (anchor, to_remote) = anchor_and_to_remote(&court);
        let with = claimed_with(&court, to_remote).expect("it is claimed");
        assert_eq!(with.contains(&anchor), is_worth, "{feerate}");
        assert_eq!(claimed_with(&court, anchor).is_some(), is_worth);
        court.mine(20);
        assert!(court.is_resolved(), "{feerate}");
    }
}

// attack 18
#[test]
fn an_anchor_that_anybody_takes_after_sixteen_blocks_does_not_hold_up_what_was_claimed_with_it() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
    let tx = court.their_commitment(ACKED);
    court.deaf = true;
    court.mine_with(&[tx]);
    let (anchor, to_remote) = anchor_and_to_remote(&court);
    assert_eq!(claimed_with(&court, to_remote).map(|with| with.len()), Some(2));
    for _ in 0..16 {
        court.mine_with(&[]);
    }
    let tracked = court.resolution.outputs[&anchor].clone();
    let mut taken = empty();
    taken.input.push(input(anchor, Sequence(16)));
    taken.output.push(TxOut { value: Sat(300).into(), script_pubkey: elsewhere() });
    let script = tracked.witness_script.expect("it has one");
    taken.input[0].witness = Witness::from_slice(&[&[][..], script.as_bytes()]);
    // As soon as it is seen: a mempool may take ours no more.
    court.deaf = false;
    court.see(&[&taken]);
    assert_eq!(claimed_with(&court, to_remote), Some(vec![to_remote]));
    court.mine_with(&[taken]);
    court.mine(1);
    assert!(court.resolution.outputs[&to_remote].spent.is_some_and(|spent| spent.by_us));
    assert!(court.resolution.outputs[&anchor].spent.is_some_and(|spent| !spent.by_us));
    court.assert_none_refused();
    court.mine(10);
    assert!(court.is_resolved());
}
