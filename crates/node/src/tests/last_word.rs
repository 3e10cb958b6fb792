//! The last `closing_signed` is lost, and the peer, which has the closing transaction, says `error` for the channel from then on: CLN does.

use super::net::Net;
use crate::command::{Command, Reply};
use astrape_channel::{Channel, Link, Phase};
use astrape_primitives::{ChannelId, ChannelKeysId};
use astrape_wire::{Error, Message};
use bitcoin::Transaction;

/// Node 0 has proposed a fee, node 1 has taken it, and its answer is lost with the connection.
fn lost() -> (Net, ChannelKeysId, Transaction) {
    let mut net = Net::new(2);
    net.is_checked = true;
    let channel = net.open(0, 1);
    let script = super::net::script(9);
    assert_eq!(net.command(0, Command::CloseChannel { channel, script }), Ok(Reply::Done));
    for (from, to) in [(0, 1), (1, 0), (0, 1)] {
        let message = net.intercept(from, to).expect("shutdown both ways, and a fee");
        net.receive(to, from, &message);
    }
    let closing = net.members[1].broadcast.last().cloned().expect("it has both signatures");
    net.cut(0, 1);
    (net, channel, closing)
}

fn value(net: &Net, channel: ChannelKeysId) -> Channel {
    net.members[0].node.channel(&channel).cloned().expect("it is there")
}

fn complains(net: &mut Net, channel: ChannelKeysId, words: &str) {
    let channel_id: ChannelId = value(net, channel).channel_id();
    net.receive(0, 1, &Message::Error(Error { channel_id, data: words.as_bytes().to_vec() }));
}

/// Spends of the channel's funding that node 0 has sent to the network.
fn spends(net: &Net, channel: ChannelKeysId) -> usize {
    let funding = value(net, channel).open().expect("funded").funding.terms.outpoint;
    let is_it = |tx: &&Transaction| tx.input.iter().any(|input| input.previous_output == funding);
    net.members[0].broadcast.iter().filter(is_it).count()
}

#[test]
fn a_closing_transaction_that_only_the_peer_has_gets_the_time_to_confirm() {
    for (tells, restarts) in [(false, false), (true, false), (true, true)] {
        let (mut net, channel, closing) = lost();
        for block in 0..11 {
            net.connect(0, 1);
            if tells {
                let told = net.intercept_until(1, 0, "channel_reestablish");
                net.receive(0, 1, &told);
                assert!(matches!(value(&net, channel).link, Link::Up(_)));
            }
            complains(&mut net, channel, "channel in state CLOSINGD_COMPLETE");
            assert!(matches!(value(&net, channel).phase, Phase::Open(_)), "{block}");
            net.cut(0, 1);
            if restarts {
                net.restart(0);
            }
            net.mine(Vec::new());
        }
        net.mine(vec![closing]);
        (0..20).for_each(|_| net.mine(Vec::new()));
        assert!(!net.members[0].node.channels().any(|(_, c)| matches!(c.phase, Phase::Open(_))));
        let commitments =
            net.members[0].broadcast.iter().filter(|tx| tx.lock_time.to_consensus_u32() >> 24 == 0x20);
        assert_eq!(commitments.count(), 0, "{tells} {restarts}");
    }
}

#[test]
fn a_peer_that_says_so_again_and_again_and_brings_nothing_gets_no_more_time() {
    let (mut net, channel, _) = lost();
    let before = spends(&net, channel);
    for block in 0..12 {
        assert_eq!(spends(&net, channel), before, "{block}");
        net.connect(0, 1);
        let told = net.intercept_until(1, 0, "channel_reestablish");
        net.receive(0, 1, &told);
        complains(&mut net, channel, "channel in state CLOSINGD_COMPLETE");
        net.cut(0, 1);
        net.mine(Vec::new());
    }
    assert!(spends(&net, channel) > before, "our commitment");
}

#[test]
fn a_close_goes_on_with_a_peer_that_has_failed_it_and_thinks_better_of_it() {
    let (mut net, channel, closing) = lost();
    net.connect(0, 1);
    complains(&mut net, channel, "channel in state CLOSINGD_COMPLETE");
    net.run();
    let ours = net.members[0].broadcast.last().map(Transaction::compute_txid);
    assert_eq!(ours, Some(closing.compute_txid()));
    let before = spends(&net, channel);
    (0..20).for_each(|_| net.mine(Vec::new()));
    let others = net.members[0].broadcast.iter().rev().take(spends(&net, channel) - before);
    assert!(others.into_iter().all(|tx| tx.compute_txid() == closing.compute_txid()));
}

#[test]
fn an_error_that_passes_is_no_last_word() {
    let (mut net, channel, _) = lost();
    net.connect(0, 1);
    let told = net.intercept_until(1, 0, "channel_reestablish");
    net.receive(0, 1, &told);
    complains(&mut net, channel, "internal error");
    assert!(!net.is_up(0, 1), "the connection begins anew");
    (0..20).for_each(|_| net.mine(Vec::new()));
    assert!(matches!(value(&net, channel).phase, Phase::Open(_)));
}

#[test]
fn before_both_have_said_shutdown_an_error_closes_at_once() {
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    let script = super::net::script(9);
    assert_eq!(net.command(0, Command::CloseChannel { channel, script }), Ok(Reply::Done));
    complains(&mut net, channel, "no");
    assert!(matches!(value(&net, channel).phase, Phase::Closing(_)));
    assert_eq!(spends(&net, channel), 1);
}
