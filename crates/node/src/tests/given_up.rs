//! Openings of peers that their opener does not know any more, or wants no more.

use super::net::Net;
use crate::command::{Command, OpenChannelCommand, Reply};
use crate::input::{ChainInput, Freshness, Input};
use crate::ledger::{ChannelFact, Fact};
use crate::turn::{MAX_UNCONFIRMED_PER_PEER, MAX_UNFUNDED_PER_PEER};
use astrape_channel::{Channel, Phase};
use astrape_primitives::{ChannelId, Msat};
use astrape_wire::{Error, Message};

fn with_push(net: &mut Net, push: Msat) -> OpenChannelCommand {
    OpenChannelCommand { push, ..net.opening(0, 1) }
}

/// Node 1 has signed for a channel of node 0, which has lost it. They may have come back to each other.
fn lose(net: &mut Net, push: Msat, reconnected: bool) -> ChannelId {
    let command = with_push(net, push);
    let reply = net.command(0, Command::OpenChannel(Box::new(command)));
    assert!(matches!(reply, Ok(Reply::Opening { .. })));
    for (from, to) in [(0, 1), (1, 0), (0, 1)] {
        let message = net.intercept(from, to).expect("said");
        net.receive(to, from, &message);
    }
    let id = only(net).channel_id();
    if reconnected {
        net.cut(0, 1);
        net.connect(0, 1);
    }
    id
}

fn lost_by_its_opener(push: Msat, reconnected: bool) -> (Net, ChannelId) {
    let mut net = Net::new(2);
    net.is_checked = true;
    let id = lose(&mut net, push, reconnected);
    (net, id)
}

fn only(net: &Net) -> Channel {
    let [keys] = net.channels(1)[..] else { panic!("one") };
    net.members[1].node.channel(&keys).cloned().expect("it is there")
}

fn unknown(channel_id: ChannelId) -> Message {
    Message::Error(Error { channel_id, data: b"Unknown channel".to_vec() })
}

fn is_told(net: &Net) -> bool {
    let is_it = |fact: &Fact| matches!(fact, Fact::Channel { event: ChannelFact::NotOpened { reason }, .. } if reason.contains("Unknown"));
    net.members[1].facts.iter().any(is_it)
}

// attack 76
#[test]
fn an_opening_that_its_opener_does_not_know_any_more_is_forgotten_with_all_its_rows() {
    for reconnected in [false, true] {
        let (mut net, mut id) = lost_by_its_opener(Msat::ZERO, reconnected);
        let broadcast = net.members[1].broadcast.len();
        let mut rows = None;
        // More often than openings may wait.
        for _ in 0..=MAX_UNCONFIRMED_PER_PEER {
            net.receive(1, 0, &unknown(id));
            assert_eq!(net.channels(1), [], "{reconnected}");
            assert!(is_told(&net));
            let left = net.members[1].disk.rows();
            assert_eq!(left, *rows.get_or_insert(left), "{reconnected}");
            net.cut(0, 1);
            net.connect(0, 1);
            id = lose(&mut net, Msat::ZERO, reconnected);
        }
        net.receive(1, 0, &unknown(id));
        assert_eq!(net.times_said(1, "error"), 0, "the peer knows");
        net.restart(1);
        net.connect(0, 1);
        (0..20).for_each(|_| net.mine(Vec::new()));
        net.run();
        assert_eq!(net.members[1].broadcast.len(), broadcast);
        net.open(0, 1);
    }
}

#[test]
fn a_funding_that_confirms_after_its_channel_was_given_up_does_no_harm() {
    let (mut net, id) = lost_by_its_opener(Msat::ZERO, false);
    // The opener had our signature after all.
    let signed = net.intercept_until(1, 0, "funding_signed");
    net.receive(0, 1, &signed);
    net.receive(1, 0, &unknown(id));
    let funding = net.members[0].broadcast.last().cloned().expect("it is broadcast");
    net.mine(vec![funding]);
    (0..10).for_each(|_| net.mine(Vec::new()));
    net.run();
    assert_eq!(net.channels(1), []);
    net.cut(0, 1);
    net.connect(0, 1);
    net.run();
    let closing = net.members[0].node.channels().filter(|(_, c)| matches!(c.phase, Phase::Closing(_)));
    assert_eq!(closing.count(), 1, "its coins come back to it");
}

#[test]
fn an_opening_with_something_of_ours_waits_for_the_peers_commitment_as_any_channel() {
    let (mut net, id) = lost_by_its_opener(Msat(1_000), true);
    net.receive(1, 0, &unknown(id));
    for _ in 0..11 {
        assert!(matches!(only(&net).phase, Phase::Open(_)));
        net.mine(Vec::new());
    }
    net.mine(Vec::new());
    assert!(matches!(only(&net).phase, Phase::Closing(_)));
}

// attack 48
#[test]
fn an_opening_is_not_forgotten_while_blocks_are_missing_that_may_have_its_funding() {
    for confirms in [false, true] {
        let (mut net, id) = lost_by_its_opener(Msat::ZERO, false);
        let signed = net.intercept_until(1, 0, "funding_signed");
        net.receive(0, 1, &signed);
        let funding = net.members[0].broadcast.last().cloned().expect("it is broadcast");
        net.restart(1);
        let told = |freshness| Input::Chain(ChainInput::Freshness(freshness));
        net.input(1, told(Freshness::Behind("starting".to_owned())));
        net.connect(0, 1);
        net.receive(1, 0, &unknown(id));
        assert!(matches!(only(&net).phase, Phase::Open(_)));
        net.restart(1);
        net.input(1, told(Freshness::Behind("starting".to_owned())));
        net.mine(if confirms { vec![funding] } else { Vec::new() });
        assert!(matches!(only(&net).phase, Phase::Open(_)));
        net.input(1, told(Freshness::Fresh));
        if confirms {
            assert!(
                matches!(only(&net).phase, Phase::Open(_)),
                "it is funded: the peer may bring its commitment"
            );
        } else {
            assert_eq!(net.channels(1), []);
            assert!(is_told(&net));
        }
    }
}

// attack 55
#[test]
fn what_was_given_up_takes_no_place_of_what_waits_but_is_not_kept_without_end() {
    for reconnected in [false, true] {
        let mut net = Net::new(2);
        for given_up in 0..MAX_UNFUNDED_PER_PEER {
            assert_eq!(net.channels(1).len(), given_up);
            let command = with_push(&mut net, Msat(1_000));
            let reply = net.command(0, Command::OpenChannel(Box::new(command)));
            assert!(matches!(reply, Ok(Reply::Opening { .. })), "{reply:?}");
            for (from, to) in [(0, 1), (1, 0), (0, 1)] {
                let message = net.intercept(from, to).expect("said");
                net.receive(to, from, &message);
            }
            let Some(Message::FundingSigned(signed)) = net.intercept(1, 0) else { panic!("it has a place") };
            if reconnected {
                net.cut(0, 1);
                net.connect(0, 1);
            }
            net.receive(1, 0, &unknown(signed.channel_id));
            net.cut(0, 1);
            net.connect(0, 1);
            net.clear(0, 1);
            net.clear(1, 0);
        }
        let errors = net.times_said(1, "error");
        net.propose(0, 1);
        let proposal = net.intercept(0, 1).expect("said");
        net.receive(1, 0, &proposal);
        assert_eq!(net.times_said(1, "error"), errors + 1, "there is an end to it");
        assert_eq!(net.channels(1).len(), MAX_UNFUNDED_PER_PEER);
    }
}
