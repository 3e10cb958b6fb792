//! What a follower is told.

use crate::kit::{START, anyone, mine};
use astrape_regtest::{BlockEvent, RegtestChain};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use proptest::prelude::*;

#[test]
fn nothing_happens_at_the_tip() {
    let mut chain = RegtestChain::new(START);
    mine(&mut chain, 2);
    assert_eq!(chain.events_since(chain.tip().hash), Some(vec![]));
}

#[test]
fn an_unknown_block_has_no_events() {
    let chain = RegtestChain::new(START);
    assert_eq!(chain.events_since(BlockHash::all_zeros()), None);
}

#[test]
fn a_reorg_is_told_from_the_top_down_and_then_up() {
    let mut chain = RegtestChain::new(START);
    mine(&mut chain, 5);
    let cursor = chain.tip();
    let gone = chain.reorg(2);
    let came = chain.mine(3, &anyone());
    let events = chain.events_since(cursor.hash).unwrap();
    let hashes: Vec<BlockHash> = events
        .iter()
        .map(|event| match event {
            BlockEvent::Connected { id, block } => {
                assert_eq!(block.block_hash(), id.hash);
                id.hash
            }
            BlockEvent::Disconnected { id } => id.hash,
        })
        .collect();
    let expected: Vec<BlockHash> = gone.iter().map(|id| id.hash).chain(came).collect();
    assert_eq!(hashes, expected);
}

proptest! {
    #[test]
    fn replaying_the_events_always_gives_the_chain(
        moves in proptest::collection::vec((0_u32..4, 0_u32..4, any::<bool>()), 1..20)
    ) {
        let mut chain = RegtestChain::new(START);
        let mut seen = vec![chain.tip().hash];
        for (depth, blocks, look) in moves {
            chain.reorg(depth);
            mine(&mut chain, blocks);
            if !look {
                continue;
            }
            for event in chain.events_since(*seen.last().unwrap()).unwrap() {
                match event {
                    BlockEvent::Connected { id, block } => {
                        prop_assert_eq!(Some(&block.header.prev_blockhash), seen.last());
                        prop_assert_eq!(seen.len(), usize::try_from(id.height.0).unwrap());
                        seen.push(id.hash);
                    }
                    BlockEvent::Disconnected { id } => prop_assert_eq!(seen.pop(), Some(id.hash)),
                }
            }
            prop_assert_eq!(*seen.last().unwrap(), chain.tip().hash);
        }
    }
}
