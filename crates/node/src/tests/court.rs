//! Whole nodes before the court: what they broadcast, and for how much, when they were away.

use super::net::Net;
use crate::{ChainInput, Command, Freshness, Input};
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Feerates, Height, Msat, Network};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::signing::Signer as _;
use bitcoin::{OutPoint, Transaction};
use std::sync::Arc;

/// Far more than the estimate, which is the least there is.
const DEAR_SAT: u64 = 20_000;

/// A channel from 0 to 1, and a revoked commitment of 1 in which all of its balance is.
fn robbed() -> (Net, ChannelKeysId, Transaction) {
    let mut net = Net::new(2);
    net.is_checked = true;
    let channel = net.open(0, 1);
    let theirs = net.channels(1)[0];
    let open = net.members[1].node.channel(&theirs).and_then(|c| c.open()).expect("open");
    // By a signer that forgets it at once.
    let signer = InProcessSigner::new(&Seed::from_entropy([2; 32]), Network::Regtest);
    let old = signer.sign_local_commitment(&open.local_request()).expect("its own");
    let invoice = net.invoice(0, Msat(100_000_000));
    net.pay(1, &invoice).expect("it has enough");
    net.run();
    (net, channel, old)
}

fn told(net: &mut Net, freshness: Freshness) {
    net.input(0, Input::Chain(ChainInput::Freshness(freshness)));
}

/// The fee of the newest penalty of node 0, and what it is about.
fn penalty(net: &Net, theft: &Transaction) -> (u64, u64) {
    let txid = theft.compute_txid();
    let value = |o: &OutPoint| theft.output[usize::try_from(o.vout).expect("small")].value.to_sat();
    let is_penalty = |tx: &&Transaction| {
        tx.input.iter().any(|i| i.previous_output.txid == txid && value(&i.previous_output) == 400_000)
    };
    let tx = net.members[0].broadcast.iter().rev().find(is_penalty).expect("it is punished");
    assert!(tx.input.iter().all(|i| i.previous_output.txid == txid), "of the theft alone");
    let taken: u64 = tx.input.iter().map(|i| value(&i.previous_output)).sum();
    (taken - tx.output.iter().map(|o| o.value.to_sat()).sum::<u64>(), taken)
}

/// Mines the theft and then so many blocks without any penalty.
fn blocks(net: &mut Net, theft: &Transaction, count: u32) {
    net.mine(vec![theft.clone()]);
    (0..count).for_each(|_| net.mine(Vec::new()));
}

#[test]
fn a_theft_that_came_while_we_slept_is_punished_for_the_least_fee_and_for_more_as_its_deadline_nears() {
    // Seen at once, and left out of a hundred blocks: the next must have it.
    let (mut net, _, theft) = robbed();
    blocks(&mut net, &theft, 100);
    assert!(penalty(&net, &theft).0 > DEAR_SAT, "{:?}", penalty(&net, &theft));
    // The same blocks after a night: nobody has left anything out of them.
    let (mut net, _, theft) = robbed();
    net.restart(0);
    told(&mut net, Freshness::Behind("starting".to_owned()));
    net.mine(Vec::new());
    blocks(&mut net, &theft, 100);
    told(&mut net, Freshness::Fresh);
    net.mine(Vec::new());
    let (cheap, _) = penalty(&net, &theft);
    assert!(cheap < 1_000, "{cheap}");
    // Another night, with the penalty on its way: its first block may have had it, the others not.
    net.restart(0);
    told(&mut net, Freshness::Behind("starting".to_owned()));
    (0..20).for_each(|_| net.mine(Vec::new()));
    told(&mut net, Freshness::Fresh);
    assert!(penalty(&net, &theft).0 < 2_000, "{:?}", penalty(&net, &theft));
    // What is awake for the rest of the delay of 144 spends what there is.
    for left in (0..22).rev() {
        let before = penalty(&net, &theft).0;
        net.mine(Vec::new());
        assert!(penalty(&net, &theft).0 >= before, "{left} blocks before the peer can take it");
    }
    let (fee, taken) = penalty(&net, &theft);
    assert!(fee * 100 > taken * 49, "{fee} of {taken}");
}

#[test]
fn blocks_that_are_kept_from_us_raise_the_fee_as_any() {
    let (mut net, _, theft) = robbed();
    told(&mut net, Freshness::Doubtful("no block for three hours".to_owned()));
    blocks(&mut net, &theft, 100);
    assert!(penalty(&net, &theft).0 > DEAR_SAT, "{:?}", penalty(&net, &theft));
}

#[test]
fn a_node_that_is_restarted_before_every_block_raises_its_fee_all_the_same() {
    let (mut net, channel, theft) = robbed();
    net.mine(vec![theft.clone()]);
    for _ in 0..100 {
        net.restart(0);
        told(&mut net, Freshness::Behind("starting".to_owned()));
        net.mine(Vec::new());
        told(&mut net, Freshness::Fresh);
    }
    assert!(penalty(&net, &theft).0 > DEAR_SAT, "{:?}", penalty(&net, &theft));
    assert!(net.members[0].node.channel(&channel).is_some(), "it is not over");
}

fn sees(net: &mut Net, txs: &[&Transaction]) {
    let txs = txs.iter().map(|tx| Arc::new((*tx).clone())).collect();
    net.input(0, Input::Chain(ChainInput::Mempool { txs }));
}

/// Higher than what a commitment pays by itself.
fn fees_are_high(net: &mut Net) {
    let estimates = Feerates::flat(FeeratePerKw(4_000));
    net.input(0, Input::Chain(ChainInput::Estimates(estimates)));
}

/// What node 0 has broadcast since then that spends a transaction.
fn children(net: &Net, parent: &Transaction, since: usize) -> usize {
    let txid = parent.compute_txid();
    let is_child = |tx: &&Transaction| tx.input.iter().any(|i| i.previous_output.txid == txid);
    net.members[0].broadcast[since..].iter().filter(is_child).count()
}

#[test]
fn a_commitment_of_the_peer_that_was_seen_before_we_went_on_chain_gets_our_child_until_it_is_gone() {
    let mut net = Net::new(2);
    net.is_checked = true;
    let channel = net.open(0, 1);
    let signed = |net: &Net, who: usize, keys: &ChannelKeysId| {
        let open = net.members[who].node.channel(keys).and_then(|c| c.open()).expect("open");
        let seed = u8::try_from(who + 1).expect("small");
        let signer = InProcessSigner::new(&Seed::from_entropy([seed; 32]), Network::Regtest);
        signer.sign_local_commitment(&open.local_request()).expect("its own")
    };
    let (ours, theirs) = (signed(&net, 0, &channel), signed(&net, 1, &net.channels(1)[0]));
    fees_are_high(&mut net);
    sees(&mut net, &[&theirs]);
    let began = net.members[0].broadcast.len();
    assert_eq!(net.command(0, Command::ForceCloseChannel { channel }), Ok(crate::command::Reply::Done));
    assert_eq!(
        (children(&net, &theirs, began), children(&net, &ours, began)),
        (1, 0),
        "ours is no way past it"
    );
    // It goes out with its parent, which a mempool may have dropped since.
    assert!(net.members[0].broadcast[began..].contains(&theirs));
    sees(&mut net, &[]);
    let before = net.members[0].broadcast.len();
    net.mine(Vec::new());
    assert_eq!((children(&net, &theirs, before), children(&net, &ours, before)), (0, 1));
    net.restart(0);
    fees_are_high(&mut net);
    let before = net.members[0].broadcast.len();
    sees(&mut net, &[&theirs]);
    net.mine(Vec::new());
    assert!(children(&net, &theirs, before) > 0, "it is there again");
    net.restart(0);
    fees_are_high(&mut net);
    sees(&mut net, &[]);
    let before = net.members[0].broadcast.len();
    net.mine(Vec::new());
    assert_eq!((children(&net, &theirs, before), children(&net, &ours, before)), (0, 1), "and gone again");
}

/// The outputs for which blocks were not looked through yet, with the first of these blocks.
fn unseen(net: &Net) -> Vec<(OutPoint, Height)> {
    net.members[0].node.world.unseen.iter().map(|(outpoint, from)| (*outpoint, *from)).collect()
}

#[test]
fn blocks_that_were_looked_through_for_what_is_watched_are_not_looked_through_again_after_a_restart() {
    let (mut net, _, theft) = robbed();
    net.mine(vec![theft]);
    let at = net.members[0].node.height();
    let watched = unseen(&net);
    assert!(!watched.is_empty() && watched.iter().all(|(_, from)| *from == at), "{watched:?}");
    net.mine(Vec::new());
    net.restart(0);
    assert_eq!(unseen(&net), watched, "nobody has said that they were");
    let answer = |outputs| Input::Chain(ChainInput::LookedBack { outputs });
    let (first, others) = watched.split_first().expect("one");
    let older = (first.0, Height(at.0 - 1));
    net.input(0, answer(others.iter().copied().chain([older]).collect()));
    assert_eq!(unseen(&net), [*first], "it was looked for by an older watch");
    net.mine(Vec::new());
    net.restart(0);
    assert_eq!(unseen(&net), watched, "one mark for all");
    net.input(0, answer(watched));
    assert_eq!(unseen(&net), []);
    for blocks in [0, 3] {
        (0..blocks).for_each(|_| net.mine(Vec::new()));
        net.restart(0);
        let tip = net.members[0].node.height();
        let last = unseen(&net).into_iter().filter(|(_, from)| *from == tip);
        let expected: Vec<_> = last.collect();
        assert_eq!(unseen(&net), expected, "earlier blocks were told with what is watched");
        assert_eq!(expected.is_empty(), blocks == 0, "whether the last one was nobody has said");
        assert_eq!(net.members[0].node.chain().looked_to, Some(Height(tip.0 - u32::from(blocks > 0))));
        net.input(0, answer(expected));
    }
}
