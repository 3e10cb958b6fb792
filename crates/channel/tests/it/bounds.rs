//! What lies exactly at a bound is taken, and what lies one beyond is not.

use crate::htlcs;
use crate::pair::{A, B, Pair, Setup};
use astrape_channel::{Command, Fault, Output, Policy, Refusal};
use astrape_primitives::{FeeratePerKw, HtlcId, Msat, Network, PaymentPreimage, Sat};
use astrape_transactions::CommitmentFormat;
use astrape_wire::{AcceptChannel, Message, OpenChannel, UpdateFee, UpdateFulfillHtlc};
use bitcoin::ScriptBuf;

/// Whether B takes A's proposal, changed.
fn takes_proposal(change: impl FnOnce(&mut OpenChannel)) -> bool {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    let Message::OpenChannel(mut message) = pair.intercept(A) else { panic!("it opens") };
    change(&mut message);
    pair.receive(B, Message::OpenChannel(message)).is_ok()
}

/// Whether A takes B's answer, changed.
fn takes_answer(change: impl FnOnce(&mut AcceptChannel)) -> bool {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.deliver(A).expect("a good proposal");
    let Message::AcceptChannel(mut message) = pair.intercept(B) else { panic!("it answers") };
    change(&mut message);
    pair.receive(A, Message::AcceptChannel(message)).is_ok()
}

fn update_fee(pair: &Pair, feerate: u32) -> Message {
    Message::UpdateFee(UpdateFee { channel_id: pair.channel_id(), feerate_per_kw: FeeratePerKw(feerate) })
}

fn add(pair: &Pair, id: u64, amount: u64) -> Message {
    Message::UpdateAddHtlc(htlcs::add(pair, id, amount))
}

/// Why `who` does not offer this much; nothing when it does, as soon as it may.
fn why_not(pair: &mut Pair, who: usize, amount: Msat) -> Option<Refusal> {
    let (hash, _) = pair.new_payment();
    pair.offer(who, amount, hash);
    pair.nodes[who].not_offered.get(&hash).cloned()
}

fn sendable(pair: &Pair, who: usize) -> Msat {
    pair.nodes[who].channel.as_ref().expect("there is one").sendable()
}

#[test]
fn a_proposal_may_go_as_far_as_the_policy_lets_it() {
    assert!(takes_proposal(|m| m.to_self_delay = 2016));
    assert!(!takes_proposal(|m| m.to_self_delay = 2017));
    assert!(takes_proposal(|m| m.htlc_minimum_msat = Msat(10_000_000)));
    assert!(!takes_proposal(|m| m.htlc_minimum_msat = Msat(10_000_001)));
    // A fifth of the million.
    assert!(takes_proposal(|m| m.channel_reserve_satoshis = Sat(200_000)));
    assert!(!takes_proposal(|m| m.channel_reserve_satoshis = Sat(200_001)));
    assert!(takes_proposal(|m| m.dust_limit_satoshis = Sat(546)));
    assert!(!takes_proposal(|m| m.dust_limit_satoshis = Sat(547)));
}

#[test]
fn the_smallest_channel_and_the_largest_are_taken_and_none_beyond() {
    let with = |funding: u64| {
        move |m: &mut OpenChannel| {
            (m.funding_satoshis, m.push_msat, m.channel_reserve_satoshis) = (Sat(funding), Msat(0), Sat(354));
        }
    };
    assert!(takes_proposal(with(20_000)));
    assert!(!takes_proposal(with(19_999)));
    // Without option_support_large_channel.
    assert!(takes_proposal(with((1 << 24) - 1)));
    assert!(!takes_proposal(with(1 << 24)));
}

#[test]
fn what_peers_may_open_at_least_binds_peers_alone() {
    let chooses_more = |who: usize| {
        let mut pair = Pair::new(Setup { funding: Sat(900_000), push: Msat(0), ..Setup::default() });
        pair.nodes[who].policy.min_funding = Sat(900_001);
        pair.propose_channel();
        pair
    };
    assert!(chooses_more(A).deliver(A).is_ok(), "what we open ourselves may be smaller");
    assert!(chooses_more(B).deliver(A).is_err());
}

#[test]
fn more_may_be_in_dust_in_larger_channels_up_to_a_bound() {
    let policy = Policy::default_for(Network::Regtest);
    let bound = |capacity: u64| policy.dust_exposure_of(Sat(capacity)).to_sat_floor().0;
    assert_eq!(
        [20_000, 1_000_000, 4_000_000, 10_000_000, 1_000_000_000].map(bound),
        [50_000, 50_000, 200_000, 500_000, 500_000]
    );
    let strict = Policy { max_dust_htlc_exposure: Msat(7), ..policy.clone() };
    assert_eq!(strict.dust_exposure_of(Sat(1_000_000_000)), Msat(7));
}

#[test]
fn with_anchors_our_commitments_pay_no_more_than_the_operator_allows() {
    use CommitmentFormat::{Anchors, StaticRemotekey};
    let mut policy = Policy::default_for(Network::Regtest);
    let pays = |policy: &Policy, format| policy.commitment_feerate(format, FeeratePerKw(8_000)).0;
    assert_eq!((pays(&policy, Anchors), pays(&policy, StaticRemotekey)), (2_500, 8_000));
    policy.max_anchors_feerate = FeeratePerKw(6_000);
    assert_eq!((pays(&policy, Anchors), pays(&policy, StaticRemotekey)), (6_000, 8_000));
    policy.max_anchors_feerate = FeeratePerKw(60_000);
    assert_eq!(pays(&policy, Anchors), 8_000, "no more than the estimate");
}

#[test]
fn an_answer_may_ask_for_as_many_confirmations_as_we_wait_for() {
    assert!(takes_answer(|m| m.minimum_depth = 144));
    assert!(!takes_answer(|m| m.minimum_depth = 145));
    assert!(takes_answer(|m| m.channel_reserve_satoshis = Sat(200_000)));
    assert!(!takes_answer(|m| m.channel_reserve_satoshis = Sat(200_001)));
}

#[test]
fn a_fee_of_just_half_of_the_channel_is_taken() {
    let mut pair = Pair::ready(Setup { funding: Sat(20_000), push: Msat(0), ..Setup::default() });
    pair.nodes[B].feerate = FeeratePerKw(5000);
    // 1124 weight cost 10,000 sat at 8897, and 10,001 at 8898.
    let beyond = update_fee(&pair, 8898);
    assert_eq!(pair.refused(B, beyond).0, Fault::FeeShare { fee: Sat(10_001), percent: 50 });
    let half = update_fee(&pair, 8897);
    pair.receive(B, half).expect("half of the channel");
}

#[test]
fn a_feerate_that_is_too_low_and_only_said_again_is_no_rise() {
    let mut pair = Pair::ready(Setup { anchors: false, ..Setup::default() });
    pair.nodes[B].feerate = FeeratePerKw(40_000);
    let same = update_fee(&pair, 1000);
    assert!(matches!(pair.refused(B, same).0, Fault::Feerate { min: FeeratePerKw(10_000), .. }));
    let more = update_fee(&pair, 1001);
    pair.receive(B, more).expect("it rises");
}

#[test]
fn dust_may_come_to_just_the_bound_when_we_offer_it() {
    let mut pair =
        Pair::ready_with(Setup::default(), |p| p.nodes[A].policy.max_dust_htlc_exposure = Msat(1_000_000));
    for amount in [300_000, 300_000, 300_000] {
        assert_eq!(why_not(&mut pair, A, Msat(amount)), None);
    }
    let limit = Msat(1_000_000);
    assert_eq!(why_not(&mut pair, A, Msat(100_001)), Some(Refusal::DustExposure { limit }));
    assert_eq!(why_not(&mut pair, A, Msat(100_000)), None);
    assert_eq!(why_not(&mut pair, A, Msat(1)), Some(Refusal::DustExposure { limit }));
}

#[test]
fn too_much_dust_stops_a_feerate_that_rises_and_no_other() {
    let mut pair = Pair::ready_with(Setup { anchors: false, ..Setup::default() }, |p| {
        p.nodes[B].policy.max_dust_htlc_exposure = Msat(1_000_000);
    });
    for id in 0..4 {
        let message = add(&pair, id, 300_000);
        pair.receive(B, message).expect("it is taken, to be failed");
    }
    let rise = update_fee(&pair, 1001);
    assert!(matches!(pair.refused(B, rise).0, Fault::DustExposure { .. }));
    for feerate in [1000, 999] {
        let message = update_fee(&pair, feerate);
        pair.receive(B, message).expect("it makes no more dust");
    }
}

#[test]
fn all_that_is_sendable_is_taken_and_no_more() {
    let mut pair = Pair::ready_with(Setup::default(), |p| p.nodes[B].policy.max_accepted_htlcs = 5);
    // A opened, and keeps twice the fee for this HTLC and one more.
    let most = Msat((600_000 - 10_000 - 2 * (1124 + 172 + 172) - 660) * 1000);
    assert_eq!(sendable(&pair, A), most);
    assert!(why_not(&mut pair, A, Msat(most.0 + 1)).is_some());
    assert_eq!(why_not(&mut pair, A, most), None);
    assert_eq!(sendable(&pair, A), Msat::ZERO, "what waits counts");
    let most = sendable(&pair, B);
    assert_eq!(most, Msat(390_000_000));
    assert!(why_not(&mut pair, B, Msat(most.0 + 1)).is_some());
    assert_eq!(why_not(&mut pair, B, most), None);
}

/// As after an opening that pushed nearly all.
#[test]
fn where_the_opener_cannot_pay_for_one_htlc_more_only_dust_is_sendable_and_receivable() {
    let push = Msat((1_000_000 - 10_000 - 1124 - 660 - 100) * 1000);
    let mut pair = Pair::ready(Setup { push, ..Setup::default() });
    let most = sendable(&pair, B);
    assert_eq!((most, pair.nodes[A].open().receivable()), (Msat(353_999), Msat(353_999)));
    assert_eq!(why_not(&mut pair, B, Msat(1_000_000)), Some(Refusal::PeerCannotPayFee));
    assert_eq!(why_not(&mut pair, B, most), None);
    // A little more for the opener, and all of it can be.
    let push = Msat((1_000_000 - 10_000 - 1124 - 172 - 660) * 1000);
    let mut pair = Pair::ready(Setup { push, ..Setup::default() });
    let most = sendable(&pair, B);
    assert_eq!(most, Msat(push.0 - 10_000_000));
    assert_eq!(pair.nodes[A].open().receivable(), most);
    assert_eq!(why_not(&mut pair, B, most), None);
}

#[test]
fn an_opener_receives_and_keeps_what_the_fee_may_take() {
    let pair = Pair::ready(Setup::default());
    assert_eq!(pair.nodes[B].open().receivable(), sendable(&pair, A));
    assert_eq!(pair.nodes[A].open().receivable(), sendable(&pair, B));
}

#[test]
fn nothing_is_sendable_without_a_slot_or_a_connection_and_no_more_than_may_be_in_flight() {
    let mut pair = Pair::ready_with(Setup::default(), |p| {
        p.nodes[B].policy.max_accepted_htlcs = 5;
        p.nodes[B].policy.max_in_flight_percent = 10;
    });
    assert_eq!(sendable(&pair, A), Msat(100_000_000));
    for _ in 0..4 {
        assert_eq!(why_not(&mut pair, A, Msat(5_000_000)), None);
    }
    assert_eq!(sendable(&pair, A), Msat(80_000_000));
    assert_eq!(why_not(&mut pair, A, Msat(5_000_000)), None);
    assert_eq!(sendable(&pair, A), Msat::ZERO);
    assert!(sendable(&pair, B) > Msat::ZERO);
    pair.cut();
    assert_eq!(sendable(&pair, B), Msat::ZERO);
}

/// The opener pays for the outputs of the other side's HTLCs too.
#[test]
fn what_waits_is_dropped_when_the_peers_htlcs_leave_no_money_for_it() {
    let mut pair = Pair::default_ready();
    let (waits, _) = pair.pay_held(A, sendable(&pair, A));
    for _ in 0..12 {
        pair.pay_held(B, Msat(5_000_000));
    }
    pair.propose(B);
    while pair.deliver(B).expect("good") {}
    pair.propose(A);
    assert!(matches!(pair.nodes[A].not_offered.get(&waits), Some(Refusal::InsufficientBalance { .. })));
    pair.run();
    assert_eq!(pair.nodes[A].open().htlcs.len(), 12);
}

/// Ids count for each side on its own: the end of B's HTLC 0 frees no slot that A's HTLC 0 has.
#[test]
fn the_end_of_an_htlc_of_ours_frees_no_slot_of_the_peers() {
    let mut pair = Pair::ready_with(Setup::default(), |p| p.nodes[B].policy.max_accepted_htlcs = 5);
    let (_, preimage) = pair.pay_held(B, Msat(5_000_000));
    for _ in 0..5 {
        pair.pay_held(A, Msat(5_000_000));
    }
    pair.run();
    let message = fulfil(&pair, preimage);
    pair.receive(B, message).expect("that is its preimage");
    let sixth = add(&pair, 5, 5_000_000);
    assert_eq!(pair.refused(B, sixth).0, Fault::TooManyHtlcs(5));
}

fn fulfil(pair: &Pair, payment_preimage: PaymentPreimage) -> Message {
    let (channel_id, id) = (pair.channel_id(), HtlcId(0));
    Message::UpdateFulfillHtlc(UpdateFulfillHtlc { channel_id, id, payment_preimage, attribution_data: None })
}

/// A witness program of a later version is dust below 354 sat: our dust limit.
#[test]
fn an_output_of_just_the_dust_limit_is_part_of_the_close() {
    let mut pair = Pair::new(Setup { push: Msat(354_000), ..Setup::default() });
    let taproot = [&[0x51, 0x20][..], &[7; 32]].concat();
    pair.nodes[B].shutdown_script = ScriptBuf::from(taproot);
    pair.propose_channel();
    pair.run();
    let script = pair.nodes[A].shutdown_script.clone();
    pair.command(A, Command::Shutdown { script });
    pair.run();
    let request = pair.nodes[B].seen.iter().find_map(|output| match output {
        Output::BroadcastClosing { request, .. } => Some(request.clone()),
        _ => None,
    });
    let outputs = request.expect("they agree").tx.output;
    assert_eq!(outputs.iter().map(|output| output.value.to_sat()).min(), Some(354));
    assert_eq!(pair.closing_txid(A), pair.closing_txid(B));
}

#[test]
fn a_message_out_of_place_in_an_opening_is_told_with_what_is_waited_for() {
    let mut pair = Pair::new(Setup::default());
    let htlc =
        UpdateFee { channel_id: astrape_primitives::ChannelId([77; 32]), feerate_per_kw: FeeratePerKw(1) };
    let phase = |pair: &mut Pair, who: usize| match pair.refused(who, Message::UpdateFee(htlc.clone())).0 {
        Fault::Unexpected { message: "update_fee", phase } => phase,
        other => panic!("{other}"),
    };
    pair.propose_channel();
    assert_eq!(phase(&mut pair, A), "waiting for accept_channel");
    pair.deliver(A).expect("good");
    assert_eq!(phase(&mut pair, B), "waiting for funding_created");
    pair.deliver(B).expect("good");
    assert_eq!(phase(&mut pair, A), "waiting for funding_signed");
}
