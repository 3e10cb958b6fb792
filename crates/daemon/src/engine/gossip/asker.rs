//! Asks the chain for the fundings of announced channels: many at a time, by block, with the ids of a block's transactions
//! kept for the channels that come next from the same block.

use super::questions::Turn;
use super::work::MAX_FREED;
use super::{GossipEngine, State, seconds};
use crate::engine::Shared;
use astrape_chain::{ChainSource, SourceError};
use astrape_primitives::{Height, ShortChannelId};
use astrape_routing::gossip::{ChainAnswer, FundingOutput};
use bitcoin::{OutPoint, Txid};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// Channels that are asked for at once.
const MAX_BATCH: usize = 256;

/// Blocks that the source is asked about at once.
const MAX_PARALLEL: usize = 8;

/// Blocks whose transaction ids are remembered, of some 100 KB each.
const MAX_BLOCKS: usize = 64;

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
    loop {
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
        let unanswered = ask_for(shared, batch, &blocks).await;
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

/// Asks for some channels, upwards; returns those for which the source gave no answer. What is of one block is asked for together,
/// since the block's ids are asked for once.
async fn ask_for(
    shared: &Arc<Shared>,
    batch: Vec<ShortChannelId>,
    blocks: &Arc<Blocks>,
) -> Vec<ShortChannelId> {
    let mut unanswered = Vec::new();
    let mut asking: JoinSet<Vec<Answer>> = JoinSet::new();
    for of_block in batch.chunk_by(|one, next| one.block() == next.block()) {
        let (source, blocks, ids) = (Arc::clone(&shared.source), Arc::clone(blocks), of_block.to_vec());
        asking.spawn(async move { blocks.fundings(&*source, ids).await });
        while asking.len() >= MAX_PARALLEL {
            take_answers(shared, asking.join_next().await, &mut unanswered);
        }
    }
    while let Some(answers) = asking.join_next().await {
        take_answers(shared, Some(answers), &mut unanswered);
    }
    unanswered
}

type Answer = (ShortChannelId, Result<ChainAnswer, SourceError>);

fn take_answers(
    shared: &Shared,
    answers: Option<Result<Vec<Answer>, tokio::task::JoinError>>,
    unanswered: &mut Vec<ShortChannelId>,
) {
    for (id, answer) in answers.and_then(Result::ok).unwrap_or_default() {
        match answer {
            Ok(answer) => shared.gossip.answer(id, &answer),
            Err(error) => shared.gossip.no_answer(id, &error, unanswered),
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

    /// A source that has pruned the block is not asked again; one that is away is. One that refuses will perhaps not when the channel
    /// is told of the next time, and meanwhile the channel takes nobody's place.
    fn no_answer(&self, id: ShortChannelId, error: &SourceError, unanswered: &mut Vec<ShortChannelId>) {
        match error {
            SourceError::Pruned(_) => self.answer(id, &ChainAnswer::Unknown),
            SourceError::Refused(_) => {
                tracing::warn!(%id, %error, "the chain source does not tell of a channel that is announced");
                self.answer(id, &ChainAnswer::Refused);
            }
            error => {
                tracing::debug!(%id, %error, "the chain cannot be asked for a channel now");
                unanswered.push(id);
            }
        }
    }
}

async fn funding(
    source: &dyn ChainSource,
    id: ShortChannelId,
    txid: Txid,
) -> Result<ChainAnswer, SourceError> {
    let outpoint = OutPoint { txid, vout: id.output().into() };
    Ok(match source.unspent(outpoint).await? {
        Some(output) => {
            ChainAnswer::Unspent(FundingOutput { outpoint, script: output.script, amount: output.value })
        }
        None => ChainAnswer::Gone,
    })
}

/// What is at the place that an id names.
enum Place {
    /// This transaction.
    At(Txid),
    /// The block has fewer transactions.
    Nowhere,
    /// There is no such block now; there may have been one before a reorganisation.
    NoBlock,
}

/// The transaction ids of blocks, the last used kept.
#[derive(Default)]
struct Blocks(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    txids: BTreeMap<Height, Arc<Vec<Txid>>>,
    order: VecDeque<Height>,
}

impl Blocks {
    /// The fundings that ids of one block name.
    async fn fundings(&self, source: &dyn ChainSource, ids: Vec<ShortChannelId>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(ids.len());
        for id in ids {
            let answer = match self.txid(source, id).await {
                Ok(Place::At(txid)) => funding(source, id, txid).await,
                Ok(Place::Nowhere) => Ok(ChainAnswer::Never),
                Ok(Place::NoBlock) => Ok(ChainAnswer::Gone),
                Err(error) => Err(error),
            };
            answers.push((id, answer));
        }
        answers
    }

    /// The transaction at the place that an id names.
    async fn txid(&self, source: &dyn ChainSource, id: ShortChannelId) -> Result<Place, SourceError> {
        let height = Height(id.block());
        let kept = self.lock().txids.get(&height).map(Arc::clone);
        let txids = match kept {
            Some(txids) => txids,
            None => {
                let Some(hash) = source.hash_at(height).await? else { return Ok(Place::NoBlock) };
                let Some(txids) = source.txids(hash).await? else { return Ok(Place::NoBlock) };
                self.keep(height, Arc::clone(&txids));
                txids
            }
        };
        let index = usize::try_from(id.transaction()).unwrap_or(usize::MAX);
        Ok(txids.get(index).map_or(Place::Nowhere, |txid| Place::At(*txid)))
    }

    fn keep(&self, height: Height, txids: Arc<Vec<Txid>>) {
        let mut kept = self.lock();
        if kept.txids.insert(height, txids).is_none() {
            kept.order.push_back(height);
        }
        if kept.order.len() > MAX_BLOCKS
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.txids.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Channels for which the chain is to be asked.
    pub(super) fn to_ask_len(&self) -> usize {
        self.to_ask.len()
    }
}
