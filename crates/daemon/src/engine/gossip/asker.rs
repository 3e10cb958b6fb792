//! Asks the chain for the fundings of announced channels: many at a time, by block.

use super::fundings::Blocks;
use super::questions::Turn;
use super::work::MAX_FREED;
use super::{GossipEngine, State, seconds};
use crate::engine::Shared;
use astrape_chain::{ChainSource, SourceError, Status};
use astrape_primitives::{Height, ShortChannelId};
use astrape_routing::gossip::ChainAnswer;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Channels that are asked for at once.
const MAX_BATCH: usize = 256;

/// Blocks that the source is asked about at once.
const MAX_PARALLEL: usize = 8;

/// Pause where the source does not answer.
const RETRY: Duration = Duration::from_secs(2);

/// Pause where the threads that check signatures are behind.
const BREATHE: Duration = Duration::from_millis(50);

/// Asks until the engine stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let stop = shared.shutdown.clone();
    tokio::select! {
        () = stop.begun() => {}
        () = ask(&shared) => {}
    }
}

async fn ask(shared: &Arc<Shared>) {
    let blocks = Arc::new(Blocks::default());
    let mut status = shared.chain_status.subscribe();
    loop {
        // A source that lacks blocks knows nothing of what is in them. The sender is shared: it cannot be gone.
        drop(status.wait_for(Status::is_at_tip).await);
        let (from, batch) = match shared.gossip.to_ask() {
            Next::Turn(turn) => turn,
            Next::NoRoom => {
                tokio::time::sleep(BREATHE).await;
                continue;
            }
            Next::Nothing => {
                let waiting = shared.gossip.asks.notified();
                drop(tokio::time::timeout(Duration::from_secs(1), waiting).await);
                continue;
            }
        };
        let mut unanswered = Vec::new();
        let take = |id, answer: Result<ChainAnswer, SourceError>| match answer {
            Ok(answer) => shared.gossip.answer(id, &answer),
            Err(error) => shared.gossip.no_answer(id, &error, &mut unanswered),
        };
        let lost = ask_for(&shared.source, batch, &blocks, take).await;
        unanswered.extend(lost);
        if !unanswered.is_empty() {
            shared.gossip.lock().to_ask.again(from, unanswered);
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// What to do next.
enum Next {
    /// Ask for these.
    Turn(Turn),
    /// Wait: there is no room for answers.
    NoRoom,
    /// Wait for somebody to tell of a channel.
    Nothing,
}

impl GossipEngine {
    fn to_ask(&self) -> Next {
        let mut state = self.lock();
        if state.freed.len() >= MAX_FREED && !state.to_ask.is_empty() {
            return Next::NoRoom;
        }
        state.to_ask.take(MAX_BATCH).map_or(Next::Nothing, Next::Turn)
    }
}

/// Asks for some channels, upwards, and hands out each answer; returns those whose question panicked. What is of one block is asked
/// for together, since the block's ids are asked for once.
async fn ask_for(
    source: &Arc<dyn ChainSource>,
    batch: Vec<ShortChannelId>,
    blocks: &Arc<Blocks>,
    mut take: impl FnMut(ShortChannelId, Result<ChainAnswer, SourceError>),
) -> Vec<ShortChannelId> {
    let (mut asking, mut asked, mut lost) = (JoinSet::new(), HashMap::new(), Vec::new());
    let mut of_blocks = batch.chunk_by(|one, next| one.block() == next.block());
    loop {
        while asking.len() < MAX_PARALLEL
            && let Some(ids) = of_blocks.next()
        {
            let (source, blocks, ids) = (Arc::clone(source), Arc::clone(blocks), ids.to_vec());
            let of_block = ids.clone();
            let task = asking.spawn(async move { blocks.fundings(&*source, of_block).await });
            asked.insert(task.id(), ids);
        }
        match asking.join_next_with_id().await {
            None => return lost,
            Some(Ok((task, answers))) => {
                asked.remove(&task);
                answers.into_iter().for_each(|(id, answer)| take(id, answer));
            }
            Some(Err(error)) => {
                tracing::error!(%error, "a question about announced channels failed: please report it");
                lost.extend(asked.remove(&error.id()).unwrap_or_default());
            }
        }
    }
}

impl GossipEngine {
    fn answer(&self, id: ShortChannelId, answer: &ChainAnswer) {
        let mut state = self.lock();
        let outputs = state.gossip.chain_says(seconds(), id, answer);
        let freed = !outputs.is_empty();
        state.follow(None, outputs);
        drop(state);
        if freed {
            self.work.notify_all();
        }
    }

    /// A source that has pruned the block is not asked again; one that is away, or lacks the block, is. One that refuses will perhaps
    /// not when the channel is told of the next time, and meanwhile the channel takes nobody's place; so it is with a block that a
    /// reorganisation took away from above the tip.
    fn no_answer(&self, id: ShortChannelId, error: &SourceError, unanswered: &mut Vec<ShortChannelId>) {
        match error {
            SourceError::Pruned(_) => self.answer(id, &ChainAnswer::Unknown),
            SourceError::Refused(_) => {
                tracing::warn!(%id, %error, "the chain source does not tell of a channel that is announced");
                self.answer(id, &ChainAnswer::Refused);
            }
            SourceError::NotReady(_) if Height(id.block()) > self.lock().gossip.tip() => {
                self.answer(id, &ChainAnswer::Refused);
            }
            error => {
                tracing::debug!(%id, %error, "the chain cannot be asked for a channel now");
                unanswered.push(id);
            }
        }
    }
}

impl State {
    /// Channels for which the chain is to be asked.
    pub(super) fn to_ask_len(&self) -> usize {
        self.to_ask.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fundings::Answer;
    use super::*;
    use crate::engine::EmbeddedChain;
    use crate::engine::testing::Slow;
    use astrape_primitives::Sat;
    use astrape_regtest::RegtestChain;

    /// A chain, and the id of an output in it that is not spent.
    fn chain_with_output() -> (EmbeddedChain, ShortChannelId) {
        let chain = EmbeddedChain::new();
        let script = RegtestChain::faucet_script();
        let paid = chain.change(|chain| chain.fund(&script, Sat(50_000))).expect("the faucet has coins");
        chain.mine(1);
        let tip = chain.look(RegtestChain::tip);
        let block = chain.look(|chain| chain.block(&tip.hash)).expect("it was mined");
        let index = block.txdata.iter().position(|tx| tx.compute_txid() == paid.txid).expect("it is there");
        let index = u64::try_from(index).expect("small");
        let id = u64::from(tip.height.0) << 40 | index << 16 | u64::from(paid.vout);
        (chain, ShortChannelId(id))
    }

    async fn ask(
        source: &Arc<Slow>,
        blocks: &Arc<Blocks>,
        id: ShortChannelId,
    ) -> (Vec<Answer>, Vec<ShortChannelId>) {
        let (source, mut answers): (Arc<dyn ChainSource>, _) = (Arc::clone(source) as _, Vec::new());
        let lost = ask_for(&source, vec![id], blocks, |id, answer| answers.push((id, answer))).await;
        (answers, lost)
    }

    #[tokio::test]
    async fn a_source_that_lacks_the_block_has_not_said_that_the_channel_is_gone() {
        let (chain, id) = chain_with_output();
        chain.mine(6);
        let (source, blocks) = (Slow::over(&chain), Arc::new(Blocks::default()));
        // Its index is made anew, before the block was ever asked for, and after.
        for _ in 0..2 {
            source.reindex_up_to(Some(Height(1)));
            let (answers, lost) = ask(&source, &blocks, id).await;
            assert!(matches!(&answers[..], [(_, Err(SourceError::NotReady(_)))]), "{answers:?}");
            assert_eq!(lost, []);
            source.reindex_up_to(None);
            let (answers, _) = ask(&source, &blocks, id).await;
            assert!(matches!(&answers[..], [(_, Ok(ChainAnswer::Unspent(_)))]), "{answers:?}");
        }
    }

    #[tokio::test]
    async fn a_question_that_panics_loses_no_channel() {
        let (chain, id) = chain_with_output();
        let (source, blocks) = (Slow::over(&chain), Arc::new(Blocks::default()));
        source.panic_once();
        assert_eq!(ask(&source, &blocks, id).await, (vec![], vec![id]));
        assert!(matches!(&ask(&source, &blocks, id).await.0[..], [(_, Ok(ChainAnswer::Unspent(_)))]));
    }
}
