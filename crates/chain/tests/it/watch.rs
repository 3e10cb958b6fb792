//! What the core is told of a block.

use crate::kit::{FakeChain, outpoint, script, tx};
use astrape_chain::{BlockChange, Watch};
use astrape_primitives::{BlockId, ChainEvent, Height};
use bitcoin::{Block, OutPoint, Transaction};
use std::sync::Arc;

fn matched(watch: &Watch, block: &Block) -> Vec<u32> {
    let id = BlockId { height: Height(1), hash: block.block_hash() };
    let ChainEvent::Connected { block: told, previous, time, matched } = watch.connected(id, block) else {
        panic!("a block connects")
    };
    assert_eq!((told, previous, time), (id, block.header.prev_blockhash, block.header.time));
    for confirmed in &matched {
        assert_eq!(*confirmed.tx, block.txdata[usize::try_from(confirmed.index).unwrap()]);
    }
    matched.iter().map(|confirmed| confirmed.index).collect()
}

fn block(txs: Vec<Transaction>) -> Arc<Block> {
    FakeChain::new().mine(txs)
}

#[test]
fn nothing_watched_nothing_told() {
    let block = block(vec![tx(&[outpoint(1)], &[script(1)])]);
    assert!(Watch::new().is_empty());
    assert!(matched(&Watch::new(), &block).is_empty());
}

#[test]
fn payments_to_scripts_and_spends_of_outpoints_are_told_with_their_place() {
    let mut watch = Watch::new();
    watch.add_script(script(1));
    watch.add_outpoint(outpoint(2));
    watch.add_outpoint(outpoint(2));
    assert_eq!(watch.len(), 2);
    let near_miss = OutPoint { vout: 9, ..outpoint(2) };
    let block = block(vec![
        tx(&[outpoint(7)], &[script(7), script(1)]),
        tx(&[near_miss], &[script(8)]),
        tx(&[outpoint(8), outpoint(2)], &[script(9)]),
    ]);
    assert_eq!(matched(&watch, &block), [1, 3]);
    watch.remove_script(&script(1));
    assert_eq!(matched(&watch, &block), [3]);
    watch.remove_outpoint(&outpoint(2));
    assert!(matched(&watch, &block).is_empty());
}

#[test]
fn what_hangs_on_a_told_transaction_in_the_same_block_is_told() {
    let mut watch = Watch::new();
    watch.add_outpoint(outpoint(1));
    let commitment = tx(&[outpoint(1)], &[script(1), script(2)]);
    let claim = tx(&[OutPoint { txid: commitment.compute_txid(), vout: 1 }], &[script(3)]);
    let sweep = tx(&[OutPoint { txid: claim.compute_txid(), vout: 0 }], &[script(4)]);
    let stranger = tx(&[outpoint(5)], &[script(5)]);
    let block = block(vec![commitment, stranger, claim, sweep]);
    assert_eq!(matched(&watch, &block), [1, 3, 4]);
}

#[test]
fn a_disconnected_block_is_told_as_it_is() {
    let block = block(vec![]);
    let id = BlockId { height: Height(1), hash: block.block_hash() };
    let watch = Watch::new();
    assert_eq!(watch.event(&BlockChange::Disconnected { id }), ChainEvent::Disconnected { block: id });
    let event = watch.event(&BlockChange::Connected { id, block: Arc::clone(&block) });
    assert_eq!(event, watch.connected(id, &block));
}
