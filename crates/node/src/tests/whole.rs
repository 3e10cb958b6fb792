//! What holds of a whole node at any time: its disk is the node, fees follow the chain, nothing goes where nobody is.

use super::config;
use super::net::Net;
use crate::command::{Command, Reply};
use crate::config::default_features;
use crate::input::{ChainInput, Input, SignerAnswer};
use crate::ledger::{ChannelFact, Fact};
use crate::node::Node;
use crate::turn::Proposals;
use astrape_primitives::{Feature, Features, FeeratePerKw, Msat, Sat, Timestamp};
use astrape_wire::Message;

/// After each step of this net the disk is compared with the node; see [`Net::is_checked`].
#[test]
fn after_each_step_of_payments_cuts_and_restarts_the_disk_is_the_node() {
    let mut net = Net::new(3);
    net.is_checked = true;
    net.open(0, 1);
    net.open(1, 2);
    for round in 1..=3 {
        let invoice = net.invoice(2, Msat(1_000_000 * round));
        net.pay(0, &invoice).expect("there is a way");
        while let Some((from, to, message)) = net.next() {
            net.receive(to, from, &message);
            if (from, message.name()) == (1, "update_add_htlc") {
                break;
            }
        }
        if round == 2 {
            net.cut(0, 1);
            net.restart(1);
            net.connect(0, 1);
            net.connect(1, 2);
        }
        net.run();
    }
    let paid = net.members[0].facts.iter().filter(|fact| matches!(fact, Fact::PaymentSent { .. }));
    assert_eq!(paid.count(), 3);
    let disk = &net.members[1].disk;
    assert!(disk.rows() > 0);
    // Onions are remembered to the disk as they are taken: one for each payment, by the middle and by the last.
    assert_eq!((disk.onions(), net.members[2].disk.onions()), (3, 3));
}

#[test]
fn an_onion_is_remembered_until_its_expiry_and_no_longer() {
    let mut net = Net::new(2);
    net.open(0, 1);
    let invoice = net.invoice(1, Msat(1_000_000));
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    let expiry = net.members[0].said.iter().find_map(|(_, message)| match message {
        Message::UpdateAddHtlc(add) => Some(add.cltv_expiry.0),
        _ => None,
    });
    let expiry = expiry.expect("it was paid");
    assert!(expiry > net.tip.height.0);
    while net.tip.height.0 <= expiry {
        assert_eq!(net.members[1].disk.onions(), 1, "it may come again");
        net.mine(Vec::new());
    }
    assert_eq!(net.members[1].disk.onions(), 0);
}

#[test]
fn a_node_is_the_same_only_when_everything_is() {
    let node = Node::new(config());
    assert!(node == Node::new(config()));
    let mut other = config();
    other.appearance.alias = "another".to_owned();
    assert!(node != Node::new(other), "the configuration counts");
    let mut other = Node::new(config());
    other.counters.set((), crate::state::Counters { last_gossip_timestamp: 7, ..Default::default() });
    assert!(node != other, "what it counts does");
}

#[test]
fn the_opener_follows_the_feerate_of_the_chain_and_the_other_does_not() {
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    let before = net.members[0].node.channel(&channel).and_then(|c| c.open()).expect("open").fees.newest();
    assert!(before < FeeratePerKw(2_400));
    for who in [1, 0] {
        net.input(who, Input::Chain(ChainInput::Feerate(FeeratePerKw(2_400))));
        net.run();
        assert_eq!(net.times_said(who, "update_fee"), 1 - who, "node {who}");
    }
    let open = net.members[0].node.channel(&channel).and_then(|c| c.open()).expect("open");
    assert_eq!(open.fees.newest(), FeeratePerKw(2_400));
    // A little more or less is not worth two signatures.
    net.input(0, Input::Chain(ChainInput::Feerate(FeeratePerKw(2_450))));
    net.run();
    assert_eq!(net.times_said(0, "update_fee"), 1);
    // Who has just started was not told yet what is asked, and leaves it.
    net.restart(0);
    net.connect(0, 1);
    run_with_patience(&mut net);
    assert_eq!(net.times_said(0, "update_fee"), 1);
}

#[test]
fn what_should_go_on_to_a_peer_that_is_away_is_failed_at_once() {
    let mut net = Net::new(3);
    net.open(0, 1);
    net.open(1, 2);
    let invoice = net.invoice(2, Msat(5_000_000));
    net.pay(0, &invoice).expect("there is a way");
    net.cut(1, 2);
    while let Some((from, to, message)) = net.next() {
        net.receive(to, from, &message);
    }
    assert_eq!(net.times_said(1, "update_add_htlc"), 0);
    assert_eq!(net.times_said(1, "update_fail_htlc"), 1, "it does not wait for the peer to come back");
    let failed = net.members[1].facts.iter().filter(|fact| matches!(fact, Fact::ForwardFailed { .. }));
    assert_eq!(failed.count(), 1);
    net.connect(1, 2);
    net.run();
    assert_eq!(net.times_said(1, "update_add_htlc"), 0, "nor is it passed on later");
}

/// The last is away, or says nothing any more, or our program failed in its channel: whoever waits for it does not wait long, and is not surprised hours later.
#[test]
fn what_a_peer_was_never_told_goes_back_after_a_minute_and_is_not_told_later() {
    for (cut, fails) in [(true, false), (false, false), (false, true)] {
        let mut net = Net::new(3);
        net.open(0, 1);
        net.open(1, 2);
        let invoice = net.invoice(2, Msat(5_000_000));
        net.now = net.now.plus(crate::turn::peer::HEARD_MILLIS + 1);
        net.pay(0, &invoice).expect("there is a way");
        let without_the_last = |net: &mut Net| {
            while let Some((from, to, message)) = net.next_but(2) {
                net.receive(to, from, &message);
            }
        };
        without_the_last(&mut net);
        if cut {
            net.cut(1, 2);
        }
        if fails {
            let last = net.id(2);
            let channel = net.members[1].node.channels().find(|(_, channel)| channel.peer() == last);
            let channel = channel.expect("it is open").0;
            net.input(1, Input::Signer(SignerAnswer::Refused { channel }));
        }
        let open = |net: &Net| -> usize {
            net.members[1].node.channels().filter_map(|(_, c)| c.open()).map(|open| open.waiting.len()).sum()
        };
        let ticks = crate::turn::unsent::MAX_UNSENT_MILLIS / crate::TICK_MILLIS;
        for _ in 0..ticks {
            net.input(1, Input::Tick);
            assert_eq!((open(&net), net.times_said(1, "update_fail_htlc")), (1, 0), "it may come back");
            net.now = net.now.plus(crate::TICK_MILLIS);
        }
        net.input(1, Input::Tick);
        without_the_last(&mut net);
        assert_eq!((open(&net), net.times_said(1, "update_fail_htlc")), (0, 1));
        assert_eq!(net.times_said(1, "update_add_htlc"), 0);
        net.cut(1, 2);
        net.connect(1, 2);
        net.run();
        assert_eq!(net.times_said(1, "update_add_htlc"), 0, "it is not passed on later");
    }
}

#[test]
fn nothing_is_taken_over_a_channel_whose_funding_has_left_the_chain() {
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    let invoice = net.invoice(1, Msat(5_000_000));
    net.misbehave(1, net.channels(1)[0], astrape_channel::Event::FundingReorged);
    net.pay(0, &invoice).expect("the payer has not heard of it");
    net.run();
    assert_eq!(net.times_said(1, "update_fail_htlc"), 1);
    let received = |fact: &Fact| matches!(fact, Fact::PaymentReceived { .. });
    assert!(!net.members[1].facts.iter().any(received), "what it was paid with may be spent elsewhere");
    assert!(net.members[0].node.channel(&channel).is_some_and(astrape_channel::Channel::is_usable));
}

// BOLT 7.the-channel_update-message.20
#[test]
fn an_update_is_as_old_as_the_clock_says() {
    let mut net = Net::new(2);
    net.open(0, 1);
    let first = net.members[0].said.iter().find_map(|(_, message)| match message {
        Message::ChannelUpdate(update) => Some(update.timestamp),
        _ => None,
    });
    assert_eq!(first.map(u64::from), Some(net.now.secs()));
}

#[test]
fn a_close_with_a_peer_that_knows_no_taproot_ends_in_our_wallet() {
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    let offered = |net: &Net| net.members[1].node.script_for_plain_peer(&net.channels(1)[0]);
    assert_eq!(offered(&net), None, "the wallet's own scripts are known to this one");
    // The peer comes back without option_shutdown_anysegwit, and closes.
    net.cut(0, 1);
    let theirs = default_features();
    let mut plain = Features::empty();
    for bit in theirs.iter_bits().filter(|bit| bit / 2 != Feature::ShutdownAnysegwit.required_bit() / 2) {
        plain = plain.with_bit(bit);
    }
    net.connect_with(0, 1, &plain);
    net.run();
    let offered = offered(&net);
    let script = super::net::script(9);
    assert_eq!(net.command(0, Command::CloseChannel { channel, script }), Ok(Reply::Done));
    net.run();
    let closing = net.members[1].broadcast.last().cloned().expect("agreed");
    let open = net.members[1].node.channels().next().and_then(|(_, c)| c.open().cloned()).expect("closing");
    let ours = open.plain_close_script();
    assert_eq!(offered, Some(ours.clone()));
    assert!(closing.output.iter().any(|output| output.script_pubkey == ours));
    net.members[1].broadcast.clear();
    let txid = closing.compute_txid();
    net.mine(vec![closing]);
    net.mine(Vec::new());
    let sweep = net.members[1].broadcast.last().cloned().expect("it is claimed");
    assert!(sweep.input.iter().all(|input| input.previous_output.txid == txid));
}

#[test]
fn a_channel_that_is_over_leaves_what_it_has_brought_and_nothing_to_keep() {
    let mut net = Net::new(2);
    net.is_checked = true;
    let channel = net.open(0, 1);
    let script = super::net::script(9);
    let close = Command::CloseChannel { channel, script: script.clone() };
    assert_eq!(net.command(0, close), Ok(Reply::Done));
    net.run();
    let closing = net.members[0].broadcast.last().cloned().expect("agreed");
    let to_us = closing.output.iter().find(|output| output.script_pubkey == script).expect("ours").value;
    let all: bitcoin::Amount = closing.output.iter().map(|output| output.value).sum();
    let capacity =
        net.members[0].node.channel(&channel).and_then(|c| c.open()).expect("open").funding.terms.capacity;
    // Who opened the channel pays for its close: what came back stands there before all fees.
    let fee = capacity.saturating_sub(all.into());
    net.mine(vec![closing]);
    assert!(!net.members[0].disk.is_over(&channel), "a reorganisation may undo it");
    for _ in 0..net.members[0].node.config.channel.closing_depth {
        net.mine(Vec::new());
    }
    let end = |fact: &Fact| match fact {
        Fact::Channel { keys, event: ChannelFact::Over { returned, fees }, .. } => {
            Some((*keys, *returned, *fees))
        }
        _ => None,
    };
    let ends: Vec<_> = net.members[0].facts.iter().filter_map(end).collect();
    assert!(fee > Sat::ZERO);
    assert_eq!(ends, [(channel, Some(fee.saturating_add(to_us.into())), Some(fee))]);
    assert_eq!(net.channels(0), []);
    assert!(!net.members[0].node.resolutions.contains(&channel));
    assert!(net.members[0].disk.is_over(&channel));
}

#[test]
fn what_comes_together_is_signed_once() {
    let mut net = Net::new(2);
    net.is_checked = true;
    net.open(0, 1);
    let invoices: Vec<_> = (1..=3).map(|n| net.invoice(1, Msat(n * 1_000_000))).collect();
    let before = net.times_said(0, "commitment_signed");
    for (at, invoice) in invoices.iter().enumerate() {
        net.proposals = if at < 2 { Proposals::Later } else { Proposals::Now };
        net.pay(0, invoice).expect("there is a way");
    }
    assert_eq!(net.times_said(0, "commitment_signed"), before + 1);
    assert_eq!(net.times_said(0, "update_add_htlc"), 3);
    net.run();
    let paid = net.members[0].facts.iter().filter(|fact| matches!(fact, Fact::PaymentSent { .. }));
    assert_eq!(paid.count(), 3);
}

/// Lets all messages come, and time go by while somebody holds something back.
fn run_with_patience(net: &mut Net) {
    net.run();
    while let Some((who, due)) = (0..2).find_map(|who| Some((who, net.members[who].node.proposals_due()?))) {
        net.now = net.now.max(due);
        net.input(who, Input::Moment);
        net.run();
    }
}

#[test]
fn a_commitment_waits_a_little_for_young_htlcs_to_be_over_and_for_old_ones_not_at_all() {
    let mut net = Net::new(2);
    net.is_checked = true;
    net.open(0, 1);
    net.proposals = Proposals::WhenDue;
    let hold = |net: &mut Net, msat| {
        let invoice = net.hold_invoice(1, Msat(msat), true);
        let before = net.times_said(0, "commitment_signed");
        net.pay(0, &invoice).expect("there is a way");
        net.times_said(0, "commitment_signed") - before
    };
    let due = |net: &Net| net.members[0].node.proposals_due().map(|at| at.since(net.now));
    for _ in 0..3 {
        assert_eq!(hold(&mut net, 100_000), 1, "dust is never signed again");
        run_with_patience(&mut net);
    }
    for young in 0..11 {
        let signed = hold(&mut net, 1_000_000);
        assert_eq!((signed, due(&net)), if young < 4 { (1, None) } else { (0, Some(young * 3 / 10)) });
        run_with_patience(&mut net);
        let (_, channel) = net.members[0].node.channels().next().expect("there is one");
        let mut htlcs = channel.open().expect("it is open").htlcs.values();
        assert!(htlcs.all(|htlc| htlc.added.local.is_some()), "the peer has signed them all");
    }
    net.now = net.now.plus(1_001);
    assert_eq!(hold(&mut net, 1_000_000), 1, "what is old may stay for long");
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_back_for_longer() {
    let mut net = Net::new(2);
    net.open(0, 1);
    net.proposals = Proposals::WhenDue;
    for _ in 0..5 {
        let invoice = net.hold_invoice(1, Msat(1_000_000), true);
        net.pay(0, &invoice).expect("there is a way");
        run_with_patience(&mut net);
    }
    let signed = net.times_said(0, "commitment_signed");
    let invoice = net.hold_invoice(1, Msat(1_000_000), true);
    net.pay(0, &invoice).expect("there is a way");
    net.now = Timestamp(net.now.0 - 3_600_000);
    net.input(0, Input::Moment);
    assert_eq!(net.members[0].node.proposals_due(), Some(net.now.plus(1)));
    assert_eq!(net.times_said(0, "commitment_signed"), signed);
    net.now = net.now.plus(1);
    net.input(0, Input::Moment);
    assert_eq!(net.times_said(0, "commitment_signed"), signed + 1);
}

#[test]
fn what_waits_to_be_signed_is_lost_with_the_connection_and_said_again_after_it() {
    let mut net = Net::new(2);
    net.open(0, 1);
    net.proposals = Proposals::Later;
    let invoice = net.invoice(1, Msat(1_000_000));
    net.pay(0, &invoice).expect("there is a way");
    assert_eq!(net.times_said(0, "update_add_htlc"), 0);
    net.proposals = Proposals::WhenDue;
    net.restart(0);
    net.connect(0, 1);
    run_with_patience(&mut net);
    assert!(net.members[0].facts.iter().any(|fact| matches!(fact, Fact::PaymentSent { .. })));
}

#[test]
fn a_restart_frees_the_coins_of_a_channel_that_is_gone_unless_what_spends_them_is_owed() {
    let mut net = Net::new(2);
    let channel = net.propose(0, 1);
    net.run();
    let reserved = |node: &Node| {
        let coins = node.coins.get(&()).expect("it has some");
        coins.iter().filter(|coin| coin.reserved.is_some()).count()
    };
    let node = &mut net.members[0].node;
    assert_eq!(reserved(node), 1);
    node.channels.remove(&channel);
    assert_eq!(reserved(&node.after_losing_all_connections()), 1, "its funding may get into a block");
    for txid in node.owed.keys() {
        node.owed.remove(&txid);
    }
    assert_eq!(reserved(&node.after_losing_all_connections()), 0);
}
