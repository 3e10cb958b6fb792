//! What is asked for in `open_channel`, what is answered, and what is refused.

use crate::pair::{A, B, Pair, Setup, p2wpkh};
use astrape_channel::policy::MAX_FUNDING_WITHOUT_LARGE;
use astrape_channel::{Channel, Event, Fault, Output, Reaction, Refusal, Transition, reaction};
use astrape_primitives::{ChannelId, Feature, Features, FeeratePerKw, Msat, Sat};
use astrape_transactions::CommitmentFormat;
use astrape_wire::{AcceptChannel, Message, OpenChannel};
use bitcoin::ScriptBuf;

/// The `open_channel` that A sends.
fn open_channel(pair: &mut Pair) -> OpenChannel {
    pair.propose_channel();
    match pair.nodes[A].outbox.pop_front() {
        Some(Message::OpenChannel(m)) => m,
        other => panic!("{other:?}"),
    }
}

/// A good `open_channel`, changed, as B judges it.
fn judged(pair: &mut Pair, change: impl FnOnce(&mut OpenChannel)) -> Result<Transition, Fault> {
    let mut message = open_channel(pair);
    change(&mut message);
    Channel::open_incoming(&message, pair.incoming_request(), &pair.view(B))
}

fn refused(change: impl FnOnce(&mut OpenChannel)) {
    let fault = judged(&mut Pair::new(Setup::default()), change).expect_err("it breaks a rule");
    assert_eq!(reaction(&fault, false), Reaction::AbortNegotiation, "{fault}");
}

/// The `accept_channel` that B sends.
fn accept_channel(pair: &mut Pair) -> AcceptChannel {
    pair.propose_channel();
    pair.deliver(A).expect("a good proposal");
    match pair.nodes[B].outbox.pop_front() {
        Some(Message::AcceptChannel(m)) => m,
        other => panic!("{other:?}"),
    }
}

/// A good `accept_channel`, changed, is a fault to A, and A waits as before.
fn answer_refused(change: impl FnOnce(&mut AcceptChannel)) {
    let mut pair = Pair::new(Setup::default());
    let mut message = accept_channel(&mut pair);
    change(&mut message);
    let before = pair.nodes[A].channel.clone();
    let fault = pair.receive(A, Message::AcceptChannel(message)).expect_err("it breaks a rule");
    assert_eq!(reaction(&fault, false), Reaction::AbortNegotiation, "{fault}");
    assert_eq!(pair.nodes[A].channel, before);
}

// BOLT 2.defined-channel-types.1
// BOLT 2.defined-channel-types.7
// BOLT 2.defined-channel-types.8
// BOLT 2.defined-channel-types.9
// BOLT 2.defined-channel-types.10
// BOLT 2.defined-channel-types.12
// BOLT 2.defined-channel-types.13
// BOLT 2.defined-channel-types.14
#[test]
fn our_proposal_says_what_the_bolt_wants() {
    for (announce, anchors) in [(true, true), (false, true), (true, false), (false, false)] {
        let mut pair = Pair::new(Setup { announce, anchors, ..Setup::default() });
        let m = open_channel(&mut pair);
        let request = pair.open_request();
        assert_eq!(m.chain_hash, pair.nodes[A].policy.network.chain_hash());
        assert_eq!(m.first_per_commitment_point, request.channel_keys.points[0]);
        assert!(m.channel_reserve_satoshis >= m.dust_limit_satoshis);
        assert_eq!(m.channel_flags, u8::from(announce));
        assert_eq!(m.upfront_shutdown_script, Some(ScriptBuf::new()));
        let mut expected = Features::empty().with_required(Feature::StaticRemotekey);
        if anchors {
            expected = expected.with_required(Feature::Anchors);
        }
        if !announce {
            expected = expected.with_required(Feature::ScidAlias);
        }
        assert_eq!(m.channel_type, Some(expected));
    }
}

// BOLT 2.defined-channel-types.15
// BOLT 2.defined-channel-types.16
#[test]
fn our_channel_type_has_only_what_both_sides_know() {
    let mut pair = Pair::new(Setup { announce: false, ..Setup::default() });
    pair.nodes[B].features = Features::empty();
    let plain = Features::empty().with_required(Feature::StaticRemotekey);
    assert_eq!(open_channel(&mut pair).channel_type, Some(plain));
    let mut pair = Pair::new(Setup { announce: true, ..Setup::default() });
    let kind = open_channel(&mut pair).channel_type.expect("always");
    assert!(!kind.supports(Feature::ScidAlias), "an announced channel has no alias for a name");
}

#[test]
fn the_type_of_a_channel_can_be_chosen_among_those_that_the_peer_knows() {
    use CommitmentFormat::{Anchors, StaticRemotekey};
    for (anchors, wanted, opened) in [
        (true, None, Some(Anchors)),
        (true, Some(Anchors), Some(Anchors)),
        (true, Some(StaticRemotekey), Some(StaticRemotekey)),
        (false, None, Some(StaticRemotekey)),
        (false, Some(StaticRemotekey), Some(StaticRemotekey)),
        (false, Some(Anchors), None),
    ] {
        let mut pair = Pair::new(Setup { anchors, ..Setup::default() });
        let request = astrape_channel::OpenRequest { format: wanted, ..pair.open_request() };
        let begun = Channel::open_outgoing(request, &pair.view(A));
        assert_eq!(begun.is_ok(), opened.is_some(), "{anchors} {wanted:?}");
        let (Ok(transition), Some(opened)) = (begun, opened) else { continue };
        pair.install(A, transition.next, transition.outputs);
        pair.run();
        assert!(pair.nodes.iter().all(|node| node.open().params.format == opened), "{anchors} {wanted:?}");
    }
}

// BOLT 2.defined-channel-types.4
// BOLT 2.defined-channel-types.5
#[test]
fn what_we_ask_for_is_refused_where_the_bolt_forbids_it() {
    let pair = Pair::new(Setup::default());
    let view = pair.view(A);
    let refuse = |funding, push, feerate| {
        let feerate = Some(FeeratePerKw(feerate));
        let request = astrape_channel::OpenRequest { funding, push, feerate, ..pair.open_request() };
        let refusal = Channel::open_outgoing(request, &view).expect_err("it breaks a rule");
        assert!(matches!(refusal, Refusal::Open(_)), "{refusal}");
    };
    refuse(Sat(MAX_FUNDING_WITHOUT_LARGE.0 + 1), Msat(0), 1000);
    refuse(Sat(1_000_000), Msat(1_000_000_001), 1000);
    refuse(Sat(100), Msat(0), 1000);
    refuse(Sat(u64::MAX), Msat(0), 1000);
    refuse(Sat(1_000_000), Msat(999_000_000), 1000);
    refuse(Sat(20_000), Msat(0), 12_000);
    let script = ScriptBuf::from(vec![0x6a, 1, 1]);
    let request =
        astrape_channel::OpenRequest { upfront_shutdown_script: Some(script), ..pair.open_request() };
    assert!(Channel::open_outgoing(request, &view).is_err());
}

// BOLT 2.defined-channel-types.3
#[test]
fn large_channels_need_the_feature_on_both_sides() {
    let large = Setup { funding: Sat(20_000_000), ..Setup::default() };
    let mut pair = Pair::new(large);
    assert!(Channel::open_outgoing(pair.open_request(), &pair.view(A)).is_err());
    for node in &mut pair.nodes {
        node.features = node.features.clone().with_optional(Feature::SupportLargeChannel);
    }
    pair.propose_channel();
    pair.run();
    assert_eq!(pair.nodes[B].open().funding.terms.capacity, Sat(20_000_000));
}

// BOLT 2.defined-channel-types.44
#[test]
fn a_large_channel_is_refused_where_the_feature_was_not_negotiated() {
    refused(|m| m.funding_satoshis = Sat(1 << 24));
    let mut pair = Pair::new(Setup::default());
    assert!(judged(&mut pair, |m| m.funding_satoshis = MAX_FUNDING_WITHOUT_LARGE).is_ok());
}

// BOLT 2.defined-channel-types.23
// BOLT 2.defined-channel-types.45
// attack 5
#[test]
fn a_channel_type_that_is_missing_or_unknown_is_refused() {
    refused(|m| m.channel_type = None);
    refused(|m| m.channel_type = Some(Features::empty()));
    refused(|m| m.channel_type = Some(Features::empty().with_optional(Feature::StaticRemotekey)));
    refused(|m| m.channel_type = Some(Features::empty().with_bit(12).with_bit(20)));
    let unwanted = Features::empty().with_required(Feature::StaticRemotekey).with_required(Feature::Anchors);
    let mut pair = Pair::new(Setup { anchors: false, ..Setup::default() });
    assert!(judged(&mut pair, |m| m.channel_type = Some(unwanted.clone())).is_err());
    let mut pair = Pair::new(Setup::default());
    pair.nodes[B].policy.anchors = false;
    assert!(judged(&mut pair, |m| m.channel_type = Some(unwanted)).is_err());
    refused(|m| m.channel_type = m.channel_type.take().map(|t| t.with_required(Feature::ScidAlias)));
}

// BOLT 2.defined-channel-types.46
#[test]
fn a_channel_without_confirmations_is_refused() {
    refused(|m| {
        m.channel_flags = 0;
        m.channel_type = m.channel_type.take().map(|t| t.with_required(Feature::Zeroconf));
    });
}

// BOLT 2.defined-channel-types.22
#[test]
fn undefined_flags_are_ignored() {
    let mut pair = Pair::new(Setup::default());
    let transition = judged(&mut pair, |m| m.channel_flags = 0xff).expect("only bit 0 has a meaning");
    assert!(transition.outputs.iter().any(|o| matches!(o, Output::Send(_))));
}

// BOLT 2.defined-channel-types.26
#[test]
fn the_older_way_of_opening_is_refused_where_the_newer_was_negotiated() {
    let mut pair = Pair::new(Setup::default());
    for node in &mut pair.nodes {
        node.features = node.features.clone().with_optional(Feature::DualFund);
    }
    assert!(judged(&mut pair, |_| {}).is_err());
}

// BOLT 2.defined-channel-types.34
#[test]
fn another_chain_is_refused() {
    refused(|m| m.chain_hash = astrape_primitives::Network::Bitcoin.chain_hash());
}

// BOLT 2.defined-channel-types.35
#[test]
fn more_may_not_be_pushed_than_there_is() {
    refused(|m| m.push_msat = Msat(m.funding_satoshis.0 * 1000 + 1));
    refused(|m| m.push_msat = Msat(u64::MAX));
}

// BOLT 2.defined-channel-types.36
// BOLT 2.defined-channel-types.37
// BOLT 2.defined-channel-types.38
// BOLT 2.defined-channel-types.40
// BOLT 2.defined-channel-types.41
#[test]
fn numbers_out_of_bounds_are_refused() {
    refused(|m| m.to_self_delay = 2017);
    refused(|m| m.max_accepted_htlcs = 484);
    refused(|m| m.feerate_per_kw = FeeratePerKw(200));
    refused(|m| m.feerate_per_kw = FeeratePerKw(249));
    refused(|m| m.feerate_per_kw = FeeratePerKw(10_001));
    refused(|m| m.feerate_per_kw = FeeratePerKw(u32::MAX));
    refused(|m| m.dust_limit_satoshis = Sat(353));
    refused(|m| {
        m.dust_limit_satoshis = Sat(500);
        m.channel_reserve_satoshis = Sat(499);
    });
}

// BOLT 2.defined-channel-types.28
// BOLT 2.defined-channel-types.29
// BOLT 2.defined-channel-types.30
// BOLT 2.defined-channel-types.31
// BOLT 2.defined-channel-types.32
// BOLT 2.defined-channel-types.33
#[test]
fn what_would_be_of_little_use_is_refused() {
    refused(|m| m.funding_satoshis = Sat(19_999));
    refused(|m| m.htlc_minimum_msat = Msat(10_000_001));
    refused(|m| m.max_htlc_value_in_flight_msat = Msat(0));
    refused(|m| m.channel_reserve_satoshis = Sat(200_001));
    refused(|m| m.max_accepted_htlcs = 4);
    refused(|m| m.dust_limit_satoshis = Sat(547));
    refused(|m| m.upfront_shutdown_script = Some(ScriptBuf::from(vec![0x51])));
}

// BOLT 2.defined-channel-types.42
// BOLT 2.defined-channel-types.43
#[test]
fn the_opener_must_afford_the_first_commitment_and_somebody_more_than_the_reserve() {
    // 1124 weight at 1000 sat/kw, and two anchors.
    let left = |sat: u64, m: &mut OpenChannel| m.push_msat = Msat((m.funding_satoshis.0 - sat) * 1000);
    refused(|m| left(1124 + 660 - 1, m));
    let mut pair = Pair::new(Setup::default());
    assert!(judged(&mut pair, |m| left(1124 + 660, m)).is_ok());
    // 8,216 is left, of which both have less than 7,000.
    let mut pair = Pair::new(Setup::default());
    pair.nodes[B].policy.max_reserve_permille = 1000;
    let poor = |m: &mut OpenChannel| {
        m.funding_satoshis = Sat(20_000);
        m.push_msat = Msat(6_000_000);
        m.channel_reserve_satoshis = Sat(13_000);
    };
    assert!(judged(&mut pair, poor).is_err());
    let rich = |m: &mut OpenChannel| {
        poor(m);
        m.channel_reserve_satoshis = Sat(12_000);
    };
    assert!(judged(&mut pair, rich).is_ok());
}

// attack 39
#[test]
fn a_first_fee_that_takes_most_of_the_channel_is_refused() {
    refused(|m| {
        m.funding_satoshis = Sat(20_000);
        m.push_msat = Msat(0);
        m.feerate_per_kw = FeeratePerKw(9_500);
    });
}

// BOLT 2.the-accept_channel-message.2
// BOLT 2.the-accept_channel-message.3
// BOLT 2.the-accept_channel-message.4
// BOLT 2.the-accept_channel-message.5
#[test]
fn our_answer_fits_the_proposal() {
    let mut pair = Pair::new(Setup::default());
    pair.nodes[A].policy.dust_limit = Sat(540);
    // One percent is less than the dust limit.
    pair.setup.funding = Sat(40_000);
    pair.setup.push = Msat(0);
    let opened = open_channel(&mut pair);
    pair.nodes[A].outbox.push_back(Message::OpenChannel(opened.clone()));
    pair.deliver(A).expect("good");
    let Some(Message::AcceptChannel(m)) = pair.nodes[B].outbox.front() else {
        panic!("an answer");
    };
    assert_eq!(m.temporary_channel_id, opened.temporary_channel_id);
    assert!(m.channel_reserve_satoshis >= opened.dust_limit_satoshis);
    assert!(m.dust_limit_satoshis <= opened.channel_reserve_satoshis);
    assert_eq!(m.channel_type, opened.channel_type);
    assert_eq!(m.minimum_depth, 3);
    let request = pair.incoming_request();
    assert_eq!(m.first_per_commitment_point, request.channel_keys.points[0]);
}

// BOLT 2.the-accept_channel-message.6
// BOLT 2.the-accept_channel-message.7
// BOLT 2.the-accept_channel-message.8
// BOLT 2.the-accept_channel-message.9
// BOLT 2.the-accept_channel-message.10
#[test]
fn an_answer_that_does_not_fit_is_refused() {
    answer_refused(|m| m.minimum_depth = 145);
    answer_refused(|m| m.channel_reserve_satoshis = Sat(353));
    answer_refused(|m| m.dust_limit_satoshis = Sat(10_001));
    answer_refused(|m| m.channel_type = None);
    answer_refused(|m| m.channel_type = Some(Features::empty().with_required(Feature::StaticRemotekey)));
    answer_refused(|m| m.temporary_channel_id = ChannelId([1; 32]));
    answer_refused(|m| m.to_self_delay = 2017);
    answer_refused(|m| m.max_accepted_htlcs = 484);
    answer_refused(|m| m.dust_limit_satoshis = Sat(100));
    answer_refused(|m| m.upfront_shutdown_script = Some(ScriptBuf::from(vec![0x6a])));
}

// BOLT 2.the-accept_channel-message.7
#[test]
fn an_answer_whose_reserve_is_below_our_own_dust_limit_is_refused() {
    let mut pair = Pair::new(Setup::default());
    pair.nodes[A].policy.dust_limit = Sat(540);
    let good = accept_channel(&mut pair);
    let bad = AcceptChannel { channel_reserve_satoshis: Sat(539), ..good.clone() };
    assert!(pair.receive(A, Message::AcceptChannel(bad)).is_err());
    let least = AcceptChannel { channel_reserve_satoshis: Sat(540), ..good };
    pair.receive(A, Message::AcceptChannel(least)).expect("good");
}

#[test]
fn an_upfront_script_binds_only_where_both_know_the_feature() {
    for negotiated in [true, false] {
        let mut pair = Pair::new(Setup::default());
        if !negotiated {
            pair.nodes[B].features = Features::empty().with_optional(Feature::Anchors);
        }
        let mut message = accept_channel(&mut pair);
        message.upfront_shutdown_script = Some(p2wpkh(66));
        pair.receive(A, Message::AcceptChannel(message)).expect("good");
        let channel = pair.nodes[A].channel.clone().expect("negotiating");
        let astrape_channel::Phase::Opening(astrape_channel::Opening::AwaitingFundingSigned(state)) =
            channel.phase
        else {
            panic!("funded by the wallet");
        };
        assert_eq!(state.agreed.remote.upfront_shutdown_script.is_some(), negotiated);
    }
}

// BOLT 2.defined-channel-types.24
// BOLT 2.defined-channel-types.25
// BOLT 2.message-retransmission.2
// BOLT 2.message-retransmission.4
#[test]
fn an_opening_that_lost_its_connection_is_forgotten_and_may_begin_anew() {
    let mut pair = Pair::new(Setup::default());
    for delivered in 0..3 {
        pair.propose_channel();
        for n in 0..delivered {
            pair.deliver(n % 2).expect("good");
        }
        pair.cut();
        assert_eq!([pair.nodes[A].phase(), pair.nodes[B].phase()], ["none", "none"]);
    }
    pair.propose_channel();
    pair.run();
    assert_eq!([pair.nodes[A].phase(), pair.nodes[B].phase()], ["open", "open"]);
}

#[test]
fn an_error_or_a_change_of_mind_ends_the_opening_and_frees_the_coins() {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.deliver(A).expect("good");
    pair.command(B, astrape_channel::Command::ForceClose { reason: "no".into() });
    assert_eq!(pair.nodes[B].phase(), "none");
    while pair.deliver(B).expect("good") {}
    let reason = pair.nodes[A].seen.iter().find_map(|o| match o {
        Output::Forgotten { reason } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason, Some("the peer refused: no".to_owned()));
    assert!(pair.nodes[A].channel.is_none());
}

#[test]
fn what_has_no_place_in_an_opening_changes_nothing() {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    let before = pair.nodes[A].channel.clone();
    for event in
        [Event::Connected, Event::Propose, Event::Tip(pair.tip), Event::FundingReorged, Event::SpendReorged]
    {
        pair.handle(A, event).expect("no fault");
    }
    pair.offer(A, Msat(1000), astrape_primitives::PaymentHash([5; 32]));
    assert_eq!(pair.nodes[A].not_offered.len(), 1);
    assert_eq!(pair.nodes[A].channel, before);
}
