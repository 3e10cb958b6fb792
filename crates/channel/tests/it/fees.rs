//! `update_fee`, both ways.

use crate::pair::{A, B, Pair, Setup};
use astrape_channel::{Channel, Command, Fault, OpenRequest, Outgoing, Output, Phase, Reaction};
use astrape_primitives::{CltvExpiry, FeeratePerKw, HtlcId, Msat, PaymentHash, Sat};
use astrape_wire::{CommitmentSigned, Message, OnionPacket, UpdateAddHtlc, UpdateFee};
use bitcoin::secp256k1::ecdsa::Signature;
use std::sync::Arc;

fn update_fee(pair: &Pair, feerate: u32) -> Message {
    Message::UpdateFee(UpdateFee { channel_id: pair.channel_id(), feerate_per_kw: FeeratePerKw(feerate) })
}

fn refused(pair: &mut Pair, feerate: u32) -> Fault {
    let message = update_fee(pair, feerate);
    let (fault, reaction) = pair.refused(B, message);
    assert_eq!(reaction, Reaction::Disconnect);
    fault
}

#[test]
fn the_opener_sets_the_feerate_of_both_commitments() {
    for anchors in [true, false] {
        let mut pair = Pair::ready(Setup { anchors, ..Setup::default() });
        for feerate in [3000, 500, 1000] {
            pair.command(A, Command::UpdateFee(FeeratePerKw(feerate)));
            pair.run();
            for node in &pair.nodes {
                assert_eq!(node.open().local_content().feerate, FeeratePerKw(feerate));
                assert_eq!(node.open().remote_request().content.feerate, FeeratePerKw(feerate));
                assert_eq!(node.open().fees.changes().len(), 1, "the past is forgotten");
            }
        }
        pair.command(A, Command::UpdateFee(FeeratePerKw(1000)));
        pair.run();
        assert_eq!(pair.nodes[A].times_said("update_fee"), 3, "no change, no message");
    }
}

// BOLT 2.updating-fees-update_fee.2
#[test]
fn the_other_side_never_sends_a_feerate() {
    let mut pair = Pair::default_ready();
    pair.command(B, Command::UpdateFee(FeeratePerKw(3000)));
    pair.run();
    assert_eq!(pair.nodes[B].times_said("update_fee"), 0);
}

// BOLT 2.updating-fees-update_fee.9
#[test]
fn a_feerate_of_the_side_that_did_not_open_is_refused() {
    let mut pair = Pair::default_ready();
    let message = update_fee(&pair, 1200);
    assert_eq!(pair.refused(A, message), (Fault::FeeFromNonOpener, Reaction::Disconnect));
}

// BOLT 2.updating-fees-update_fee.8
// attack 42
#[test]
fn a_feerate_too_low_or_too_high_is_refused() {
    let mut pair = Pair::ready(Setup { anchors: false, ..Setup::default() });
    pair.nodes[B].feerate = FeeratePerKw(2000);
    for feerate in [0, 252, 499, 20_001, u32::MAX] {
        assert!(matches!(refused(&mut pair, feerate), Fault::Feerate { .. }), "{feerate}");
    }
    for feerate in [500, 20_000] {
        let message = update_fee(&pair, feerate);
        pair.receive(B, message).expect("within bounds");
    }
    // A rise that does not reach our estimate is better than none.
    pair.nodes[B].feerate = FeeratePerKw(40_000);
    pair.cut();
    pair.connect();
    pair.run();
    let message = update_fee(&pair, 1001);
    pair.receive(B, message).expect("it rises");
    assert!(matches!(refused(&mut pair, 999), Fault::Feerate { .. }));
}

// BOLT 2.updating-fees-update_fee.8
// attack 42
#[test]
fn a_feerate_that_was_right_within_a_day_is_taken_though_prices_rose() {
    let mut pair = Pair::ready(Setup { anchors: false, ..Setup::default() });
    pair.nodes[B].feerate = FeeratePerKw(4000);
    pair.nodes[B].lowest_feerate = Some(FeeratePerKw(2000));
    assert!(matches!(refused(&mut pair, 499), Fault::Feerate { min: FeeratePerKw(500), .. }));
    let message = update_fee(&pair, 500);
    pair.receive(B, message).expect("a quarter of the lowest");
    pair.nodes[B].lowest_feerate = Some(FeeratePerKw(300));
    assert!(matches!(refused(&mut pair, 252), Fault::Feerate { .. }), "below the floor nothing relays");
}

#[test]
fn a_feerate_that_was_not_too_high_within_a_day_is_taken_though_prices_fell() {
    let mut pair = Pair::ready(Setup { anchors: false, ..Setup::default() });
    pair.nodes[B].feerate = FeeratePerKw(1_000);
    assert!(matches!(refused(&mut pair, 15_000), Fault::Feerate { max: FeeratePerKw(10_000), .. }));
    pair.nodes[B].highest_feerate = Some(FeeratePerKw(1_500));
    assert!(matches!(refused(&mut pair, 15_001), Fault::Feerate { max: FeeratePerKw(15_000), .. }));
    let message = update_fee(&pair, 15_000);
    pair.receive(B, message).expect("ten times the highest");
}

#[test]
fn a_new_channel_is_measured_by_the_price_of_this_hour() {
    for (offered, is_taken) in [(999, false), (1000, true), (40_000, true), (40_001, false)] {
        let mut pair =
            Pair::new(Setup { anchors: false, feerate: FeeratePerKw(offered), ..Setup::default() });
        pair.nodes[B].feerate = FeeratePerKw(4000);
        pair.nodes[B].lowest_feerate = Some(FeeratePerKw(300));
        pair.nodes[B].highest_feerate = Some(FeeratePerKw(90_000));
        pair.propose_channel();
        match pair.deliver(A) {
            Ok(_) => assert!(is_taken, "{offered}"),
            Err(fault) => assert!(!is_taken && matches!(fault, Fault::Feerate { .. }), "{offered}: {fault}"),
        }
    }
}

/// LND and we offer 10 sat/vbyte with anchors, LDK less still, whatever a block costs.
#[test]
fn on_a_dear_day_anchors_channels_are_offered_and_taken_at_little_and_others_at_the_price() {
    for (anchors, offered) in [(true, 2_500), (false, 40_000)] {
        let mut pair = Pair::new(Setup { anchors, ..Setup::default() });
        for node in &mut pair.nodes {
            node.feerate = FeeratePerKw(40_000);
        }
        let request = OpenRequest { feerate: None, ..pair.open_request() };
        let proposed = Channel::open_outgoing(request, &pair.view(A)).expect("it is proposed");
        let says = proposed.outputs.iter().find_map(|output| match output {
            Output::Send(Outgoing::Plain(Message::OpenChannel(m))) => Some(m.feerate_per_kw),
            _ => None,
        });
        assert_eq!(says, Some(FeeratePerKw(offered)));
    }
    for (anchors, offered, is_taken) in [(true, 253, true), (true, 252, false), (false, 9_999, false)] {
        let mut pair = Pair::new(Setup { anchors, feerate: FeeratePerKw(offered), ..Setup::default() });
        pair.nodes[A].policy.feerate_floor = FeeratePerKw(1);
        pair.nodes[B].feerate = FeeratePerKw(40_000);
        pair.propose_channel();
        assert_eq!(pair.deliver(A).is_ok(), is_taken, "{offered}");
    }
}

/// What the opener signed while prices were low, and lost on the wire, is said again when they are high.
#[test]
fn an_update_fee_that_is_said_again_after_prices_rose_divides_nobody() {
    let mut pair = Pair::ready(Setup { anchors: false, ..Setup::default() });
    pair.command(A, Command::UpdateFee(FeeratePerKw(800)));
    pair.propose(A);
    pair.cut();
    for who in [A, B] {
        pair.nodes[who].feerate = FeeratePerKw(4000);
        pair.nodes[who].lowest_feerate = Some(FeeratePerKw(800));
    }
    pair.connect();
    pair.run();
    assert_eq!(pair.nodes[A].times_said("update_fee"), 2, "the second time it arrives");
    assert_eq!(pair.nodes[B].open().fees.newest(), FeeratePerKw(800));
}

#[test]
fn with_anchors_a_feerate_that_mempools_take_is_taken_whatever_the_estimate() {
    let mut pair = Pair::default_ready();
    pair.nodes[B].feerate = FeeratePerKw(16_000);
    for feerate in [0, 252] {
        assert!(matches!(refused(&mut pair, feerate), Fault::Feerate { .. }), "{feerate}");
    }
    let message = update_fee(&pair, 253);
    pair.receive(B, message).expect("a child pays the rest");
}

// BOLT 2.updating-fees-update_fee.10
#[test]
fn a_feerate_that_the_opener_cannot_pay_is_refused() {
    // A keeps 20,000 sat, of which 10,000 are its reserve: 1124 weight and 660 for the anchors let it pay 8,310 sat/kw at most.
    let mut pair = Pair::ready(Setup { push: Msat(980_000_000), ..Setup::default() });
    pair.nodes[B].feerate = FeeratePerKw(5000);
    assert!(matches!(refused(&mut pair, 8_311), Fault::CannotPayFee { fee: Sat(9_341) }));
    let message = update_fee(&pair, 8_310);
    pair.receive(B, message).expect("it can pay that");
    pair.nodes[A].feerate = FeeratePerKw(5000);
    pair.command(A, Command::UpdateFee(FeeratePerKw(8_311)));
    pair.propose(A);
    assert_eq!(pair.nodes[A].times_said("update_fee"), 0, "nor would we");
}

/// All that the opener has goes into HTLCs too small for an output, but for what the fee of now leaves it. `reserve` is what we ask.
fn nearly_empty(reserve: Sat) -> Pair {
    let setup = Setup { funding: Sat(20_000), push: Msat(0), feerate: FeeratePerKw(253), ..Setup::default() };
    let mut pair = Pair::ready_with(setup, |pair| pair.nodes[A].policy.dust_limit = Sat(546));
    assert_eq!(pair.nodes[B].open().params.remote.dust_limit, Sat(546));
    if let Some(Phase::Open(open)) = pair.nodes[B].channel.as_mut().map(|channel| &mut channel.phase) {
        let mut params = (*open.params).clone();
        assert_eq!(params.local.channel_reserve, Sat(546), "no less than either dust limit");
        params.local.channel_reserve = reserve;
        open.params = Arc::new(params);
    }
    let channel_id = pair.channel_id();
    for id in 0..52 {
        let add = UpdateAddHtlc {
            channel_id,
            id: HtlcId(id),
            amount_msat: Msat(353_000),
            payment_hash: PaymentHash([7; 32]),
            cltv_expiry: CltvExpiry(900),
            onion_routing_packet: OnionPacket::from_bytes(&[7; 1366]),
            path_key: None,
        };
        pair.receive(B, Message::UpdateAddHtlc(add)).expect("it can pay the fee");
    }
    pair
}

#[test]
fn a_rise_of_the_fee_leaves_the_opener_its_reserve_even_where_nothing_else_is_worth_an_output() {
    let mut pair = nearly_empty(Sat(546));
    assert!(matches!(refused(&mut pair, 400), Fault::CannotPayFee { fee: Sat(449) }));
    let message = update_fee(&pair, 253);
    pair.receive(B, message).expect("it pays that now");
}

#[test]
fn a_commitment_whose_other_side_would_have_no_output_is_refused_before_anything_is_revoked() {
    let mut pair = nearly_empty(Sat(0));
    let message = update_fee(&pair, 400);
    pair.receive(B, message).expect("without a reserve it can pay");
    let signature = Signature::from_compact(&[1; 64]).expect("the form of one");
    let signed = CommitmentSigned {
        channel_id: pair.channel_id(),
        signature,
        htlc_signature: Vec::new(),
        funding_txid: None,
    };
    assert_eq!(
        pair.refused(B, Message::CommitmentSigned(signed)),
        (Fault::NoOutputs, Reaction::Disconnect),
        "we could never sign the answer"
    );
}

// attack 39
// attack 40
#[test]
fn a_fee_that_takes_most_of_the_channel_is_refused() {
    // Half of 20,000 sat pays for 1124 weight at 8896 sat/kw, for 724 at 13,812.
    for (anchors, most, refused_one) in [(true, 8_800, 9_000), (false, 13_700, 13_900)] {
        let setup = Setup { anchors, funding: Sat(20_000), push: Msat(0), ..Setup::default() };
        let mut pair = Pair::ready(setup);
        pair.nodes[B].feerate = FeeratePerKw(5000);
        assert!(matches!(refused(&mut pair, refused_one), Fault::FeeShare { percent: 50, .. }));
        let message = update_fee(&pair, most);
        pair.receive(B, message).expect("less than half");
        pair.command(A, Command::UpdateFee(FeeratePerKw(refused_one)));
        pair.propose(A);
        assert_eq!(pair.nodes[A].times_said("update_fee"), 0, "nor would we");
    }
}

// attack 39
#[test]
fn an_old_state_burns_no_more_than_the_share_of_what_is_paid_out_afterwards() {
    let mut pair = Pair::ready(Setup { push: Msat(0), ..Setup::default() });
    pair.nodes[B].feerate = FeeratePerKw(80_000);
    // The opener owns all of it and could pay 90 %, as the attack wants.
    assert!(matches!(refused(&mut pair, 800_000), Fault::FeeShare { percent: 50, .. }));
    assert!(matches!(refused(&mut pair, 445_000), Fault::FeeShare { percent: 50, .. }));
    let message = update_fee(&pair, 444_000);
    pair.receive(B, message).expect("half of the capacity, and not more");
}

#[test]
fn a_feerate_that_was_not_signed_is_void_after_a_cut() {
    let mut pair = Pair::default_ready();
    let message = update_fee(&pair, 2000);
    pair.receive(B, message).expect("good");
    pair.cut();
    pair.connect();
    pair.run();
    assert_eq!(pair.nodes[B].open().fees.newest(), FeeratePerKw(1000));
}

#[test]
fn a_peer_that_changes_its_mind_without_end_fills_no_memory() {
    let mut pair = Pair::default_ready();
    // B's signature is never answered, so that no feerate of A ever becomes irrevocable.
    let _held = pair.pay(B, Msat(9_000_000));
    pair.propose(B);
    pair.nodes[B].outbox.clear();
    for feerate in 1001..1040 {
        pair.command(A, Command::UpdateFee(FeeratePerKw(feerate)));
        pair.propose(A);
        while pair.deliver(A).expect("good") {}
        // The bound itself is asserted by the pair, after each step.
        while pair.deliver(B).expect("good") {}
    }
    assert_eq!(pair.nodes[B].open().fees.newest(), FeeratePerKw(1039));
}
