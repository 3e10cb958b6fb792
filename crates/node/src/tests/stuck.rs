//! What waits for others and gets nowhere is said: transactions that the network does not take, and closes without a fee.

use super::{NOW, channel, config, node_with, peer, step};
use crate::input::{ChainInput, Input};
use crate::node::Node;
use crate::record::tests::examples::Gen;
use crate::state::OwedTransaction;
use crate::turn::CLOSING_FEE_MILLIS;
use crate::view::MAX_UNCONFIRMED_BLOCKS;
use astrape_channel::{Channel, Link, Phase, Up};
use astrape_primitives::{BlockId, ChainEvent, ConfirmedTx, Height, Timestamp};
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Txid};
use std::sync::Arc;

/// A node that owes a withdrawal to the network, at height 100.
fn owing() -> (Node, Txid) {
    let mut node = node_with(config(), vec![]);
    let owed = OwedTransaction { confirmed: None, since: Some(Height(100)), ..Gen(3).owed() };
    let txid = owed.tx.compute_txid();
    node.owed.set(txid, owed);
    node.owed.install();
    (node, txid)
}

fn offered(txid: Txid, refused: Option<&str>) -> Input {
    Input::Chain(ChainInput::BroadcastResult { txid, refused: refused.map(str::to_owned) })
}

fn hash(height: u32) -> BlockHash {
    let bytes = if height == 100 { [0; 32] } else { [u8::try_from(height % 251).expect("small") + 1; 32] };
    BlockHash::from_byte_array(bytes)
}

/// The block of this height, perhaps with what is owed in it.
fn block(height: u32, node: &Node, with: Option<Txid>) -> Input {
    let owed = with.map(|txid| {
        let owed = node.owed_transactions().find(|(id, _)| *id == txid).expect("it is owed").1;
        ConfirmedTx { tx: Arc::clone(&owed.tx), index: 1 }
    });
    Input::Chain(ChainInput::Event(ChainEvent::Connected {
        block: BlockId { height: Height(height), hash: hash(height) },
        previous: hash(height - 1),
        time: 0,
        matched: owed.into_iter().collect(),
    }))
}

fn stuck(node: &Node) -> Vec<(Txid, Option<String>, u32)> {
    node.stuck_transactions().map(|s| (s.txid, s.refused.map(str::to_owned), s.blocks)).collect()
}

#[test]
fn a_withdrawal_that_the_network_refuses_is_told_of_until_it_is_taken_or_confirmed() {
    let (mut node, txid) = owing();
    assert_eq!(stuck(&node), [], "nobody has refused it");
    let why = "min relay fee not met";
    step(&mut node, NOW, offered(txid, Some(why)));
    assert_eq!(stuck(&node), [(txid, Some(why.to_owned()), 0)]);
    step(&mut node, NOW, offered(txid, None));
    assert_eq!(stuck(&node), [], "the mempool has it");

    step(&mut node, NOW, offered(txid, Some(why)));
    let confirmed = block(101, &node, Some(txid));
    step(&mut node, NOW, confirmed);
    assert_eq!(stuck(&node), [], "a block has it");
    step(&mut node, NOW, offered(txid, Some("missing inputs")));
    assert_eq!(stuck(&node), [], "an answer that comes late changes nothing");
    step(&mut node, NOW, offered(Txid::from_byte_array([9; 32]), Some("unknown")));
    assert!(node.refused.is_empty(), "nor does one about something else");
}

#[test]
fn a_withdrawal_that_no_block_takes_for_a_day_is_told_of_until_one_does() {
    let (mut node, txid) = owing();
    for height in 101..100 + MAX_UNCONFIRMED_BLOCKS {
        let next = block(height, &node, None);
        step(&mut node, NOW, next);
        assert_eq!(stuck(&node), [], "at {height}");
    }
    let last = 100 + MAX_UNCONFIRMED_BLOCKS;
    let next = block(last, &node, None);
    step(&mut node, NOW, next);
    assert_eq!(stuck(&node), [(txid, None, MAX_UNCONFIRMED_BLOCKS)]);
    let confirmed = block(last + 1, &node, Some(txid));
    step(&mut node, NOW, confirmed);
    assert_eq!(stuck(&node), []);
    // A block that leaves the chain starts the time anew.
    let gone = BlockId { height: Height(last + 1), hash: hash(last + 1) };
    step(&mut node, NOW, Input::Chain(ChainInput::Event(ChainEvent::Disconnected { block: gone })));
    assert_eq!(stuck(&node), []);
    assert_eq!(node.owed_transactions().next().expect("owed").1.since, Some(Height(last)));
}

#[test]
fn what_an_older_version_left_owed_is_counted_from_the_next_block_on() {
    let (mut node, txid) = owing();
    let owed = node.owed.get(&txid).cloned().expect("owed");
    node.owed.set(txid, OwedTransaction { since: None, ..owed });
    node.owed.install();
    let next = block(101, &node, None);
    step(&mut node, NOW, next);
    assert_eq!(node.owed_transactions().next().expect("owed").1.since, Some(Height(101)));
}

/// A channel that both sides close and that has no HTLCs.
fn closing_down(link: Link) -> Channel {
    let mut channel = channel(1, peer(2));
    channel.link = link;
    if let Phase::Open(open) = &mut channel.phase {
        open.remote.unrevoked = None;
        let script = open.plain_close_script();
        (open.shutdown.local, open.shutdown.remote) = (Some(script.clone()), Some(script));
    }
    channel
}

fn after_ticks(node: &mut Node, times: &[Timestamp]) -> usize {
    for at in times {
        step(node, *at, Input::Tick);
    }
    node.closes_that_stand_still().count()
}

#[test]
fn a_closing_fee_that_is_not_agreed_on_for_ten_minutes_is_told_of_and_nothing_is_closed_for_it() {
    let late = NOW.plus(CLOSING_FEE_MILLIS);
    let mut node = node_with(config(), vec![closing_down(Link::Up(Up::default()))]);
    assert_eq!(after_ticks(&mut node, &[NOW, NOW.plus(CLOSING_FEE_MILLIS - 1)]), 0);
    assert_eq!(after_ticks(&mut node, &[late]), 1);
    let is_open = |node: &Node| node.channels().all(|(_, c)| matches!(c.phase, Phase::Open(_)));
    assert!(is_open(&node), "to close by force is the user's to decide");

    let mut node = node_with(config(), vec![channel(1, peer(2))]);
    assert_eq!(after_ticks(&mut node, &[NOW, late]), 0, "nobody closes it");
    let mut node = node_with(config(), vec![closing_down(Link::Down)]);
    assert_eq!(after_ticks(&mut node, &[NOW, late]), 0, "there is nobody to agree with");
}

#[test]
fn a_connection_that_comes_and_goes_does_not_begin_the_time_for_a_closing_fee_anew() {
    let mut node = node_with(config(), vec![closing_down(Link::Up(Up::default()))]);
    let is_there = |node: &mut Node, link: Link| {
        let channel = closing_down(link);
        node.channels.set(channel.keys(), Arc::new(channel));
        node.channels.install();
    };
    after_ticks(&mut node, &[NOW]);
    is_there(&mut node, Link::Down);
    after_ticks(&mut node, &[NOW.plus(CLOSING_FEE_MILLIS / 2)]);
    is_there(&mut node, Link::Up(Up::default()));
    assert_eq!(after_ticks(&mut node, &[NOW.plus(CLOSING_FEE_MILLIS)]), 1);
    is_there(&mut node, Link::Down);
    let gone = NOW.plus(2 * CLOSING_FEE_MILLIS);
    assert_eq!(after_ticks(&mut node, &[gone]), 0, "a peer that stays away has to be waited for first");
}
