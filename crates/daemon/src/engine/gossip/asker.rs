//! Asks the chain for the fundings of announced channels: many at a time, by block, with the ids of a block's transactions
//! kept for the channels that come next from the same block.

use super::work::MAX_FREED;
use super::{GossipEngine, State, seconds};
use crate::engine::Shared;
use astrape_chain::{ChainSource, SourceError};
use astrape_primitives::{Height, ShortChannelId};
use astrape_routing::gossip::{ChainAnswer, FundingOutput};
use bitcoin::{OutPoint, Txid};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Channels that are asked for at once.
const MAX_BATCH: usize = 256;

/// Questions to the source that are under way at once.
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
    let mut blocks = Blocks::default();
    loop {
        let Some(batch) = shared.gossip.to_ask() else {
            let waiting = shared.gossip.asks.notified();
            drop(tokio::time::timeout(Duration::from_secs(1), waiting).await);
            continue;
        };
        if batch.is_empty() {
            tokio::time::sleep(BREATHE).await;
            continue;
        }
        let unanswered = ask_for(shared, batch, &mut blocks).await;
        if !unanswered.is_empty() {
            shared.gossip.lock().to_ask.extend(unanswered);
            tokio::time::sleep(RETRY).await;
        }
    }
}

impl GossipEngine {
    /// What to ask next; empty while there is no room for answers.
    fn to_ask(&self) -> Option<Vec<ShortChannelId>> {
        let mut state = self.lock();
        if state.to_ask.is_empty() {
            return None;
        }
        if state.freed.len() >= MAX_FREED {
            return Some(Vec::new());
        }
        let count = state.to_ask.len().min(MAX_BATCH);
        let mut batch: Vec<ShortChannelId> = state.to_ask.drain(..count).collect();
        batch.sort_unstable();
        Some(batch)
    }
}

/// Asks for some channels; returns those for which the source gave no answer.
async fn ask_for(
    shared: &Arc<Shared>,
    batch: Vec<ShortChannelId>,
    blocks: &mut Blocks,
) -> Vec<ShortChannelId> {
    let mut unanswered = Vec::new();
    let mut asking: JoinSet<(ShortChannelId, Result<ChainAnswer, SourceError>)> = JoinSet::new();
    for id in batch {
        match blocks.txid(&*shared.source, id).await {
            Ok(Place::At(txid)) => {
                let source = Arc::clone(&shared.source);
                asking.spawn(async move { (id, funding(&*source, id, txid).await) });
            }
            Ok(Place::Nowhere) => shared.gossip.answer(id, &ChainAnswer::Never),
            Ok(Place::NoBlock) => shared.gossip.answer(id, &ChainAnswer::Gone),
            Err(error) => shared.gossip.no_answer(id, &error, &mut unanswered),
        }
        while asking.len() >= MAX_PARALLEL {
            take_answer(shared, asking.join_next().await, &mut unanswered);
        }
    }
    while let Some(answer) = asking.join_next().await {
        take_answer(shared, Some(answer), &mut unanswered);
    }
    unanswered
}

type Answered = Result<(ShortChannelId, Result<ChainAnswer, SourceError>), tokio::task::JoinError>;

fn take_answer(shared: &Shared, answered: Option<Answered>, unanswered: &mut Vec<ShortChannelId>) {
    match answered {
        Some(Ok((id, Ok(answer)))) => shared.gossip.answer(id, &answer),
        Some(Ok((id, Err(error)))) => shared.gossip.no_answer(id, &error, unanswered),
        Some(Err(_)) | None => {}
    }
}

impl GossipEngine {
    fn answer(&self, id: ShortChannelId, answer: &ChainAnswer) {
        let mut state = self.lock();
        let outputs = state.gossip.chain_says(seconds(), id, answer);
        let freed = !outputs.is_empty();
        state.follow(outputs);
        drop(state);
        if freed {
            self.work.notify_all();
        }
    }

    /// A source that cannot tell (it has pruned the block) is not asked again; one that is away is.
    fn no_answer(&self, id: ShortChannelId, error: &SourceError, unanswered: &mut Vec<ShortChannelId>) {
        match error {
            SourceError::Refused(_) | SourceError::Pruned(_) => self.answer(id, &ChainAnswer::Unknown),
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
struct Blocks {
    txids: BTreeMap<Height, Arc<Vec<Txid>>>,
    order: VecDeque<Height>,
}

impl Blocks {
    /// The transaction at the place that an id names.
    async fn txid(&mut self, source: &dyn ChainSource, id: ShortChannelId) -> Result<Place, SourceError> {
        let height = Height(id.block());
        let txids = match self.txids.get(&height) {
            Some(txids) => Arc::clone(txids),
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

    fn keep(&mut self, height: Height, txids: Arc<Vec<Txid>>) {
        self.txids.insert(height, txids);
        self.order.push_back(height);
        if self.order.len() > MAX_BLOCKS
            && let Some(oldest) = self.order.pop_front()
        {
            self.txids.remove(&oldest);
        }
    }
}

impl State {
    /// Channels for which the chain is to be asked.
    pub(super) fn to_ask_len(&self) -> usize {
        self.to_ask.len()
    }
}
