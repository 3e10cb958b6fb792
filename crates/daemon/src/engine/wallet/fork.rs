//! Where the wallet's chain leaves that of its source.

use astrape_chain::{ChainSource, SourceError};
use astrape_primitives::{BlockId, Height};

/// Where they part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fork {
    /// Both have the block of this height, the newest of the wallet's that the source has.
    Above(Height),
    /// The source has others in their place, down to the oldest that the wallet remembers.
    BelowAll,
    /// The source has none in their place, as while it makes its index anew (`-reindex`): nothing says that they have gone.
    Unknown,
}

impl Fork {
    /// Asks the source for these blocks, newest first.
    pub(super) async fn find(source: &dyn ChainSource, blocks: &[BlockId]) -> Result<Self, SourceError> {
        let mut fork = Fork::Unknown;
        for block in blocks {
            match source.hash_at(block.height).await? {
                Some(hash) if hash == block.hash => return Ok(Fork::Above(block.height)),
                Some(_) => fork = Fork::BelowAll,
                None => {}
            }
        }
        Ok(fork)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EmbeddedChain;
    use astrape_chain::starting_cursor;

    #[tokio::test]
    async fn a_source_that_has_no_block_in_the_place_of_ours_has_not_left_our_chain() {
        let chain = EmbeddedChain::new();
        chain.mine(20);
        let mut blocks = starting_cursor(&chain, 5).await.expect("it answers at once");
        blocks.reverse();
        let tip = blocks[0].height;
        assert_eq!(Fork::find(&chain, &blocks).await, Ok(Fork::Above(tip)));
        // It makes its index anew, and has only the first blocks yet.
        let short = EmbeddedChain::new();
        assert_eq!(Fork::find(&short, &blocks).await, Ok(Fork::Unknown));
        // Or it is of another branch.
        chain.change(|chain| chain.reorg(3));
        assert_eq!(
            Fork::find(&chain, &blocks).await,
            Ok(Fork::Above(Height(tip.0 - 3))),
            "it lacks the newest"
        );
        chain.change(|chain| chain.reorg(10));
        assert_eq!(Fork::find(&chain, &blocks).await, Ok(Fork::Unknown));
        let script = astrape_regtest::RegtestChain::faucet_script();
        chain
            .change(|chain| chain.fund(&script, astrape_primitives::Sat(5_000)))
            .expect("the faucet has coins");
        chain.mine(13);
        assert_eq!(Fork::find(&chain, &blocks).await, Ok(Fork::BelowAll));
    }
}
