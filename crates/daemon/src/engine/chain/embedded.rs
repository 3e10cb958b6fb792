//! A regtest chain inside this process as a chain source: several nodes of a playground share one.

use crate::engine::clock;
use astrape_chain::{
    Answer, BroadcastResult, ChainSource, FeeEstimates, FoundOutput, SourceError, SourceState, UnspentOutput,
};
use astrape_primitives::{BlockId, Height, Network, Timestamp};
use astrape_regtest::{Offer, Place, RegtestChain, Seen};
use bitcoin::{Block, BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A regtest chain that is shared. Clones are the same chain.
#[derive(Clone)]
pub struct EmbeddedChain {
    chain: Arc<Mutex<RegtestChain>>,
    changed: Arc<watch::Sender<()>>,
}

impl std::fmt::Debug for EmbeddedChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EmbeddedChain(at {})", self.look(|chain| chain.tip().height))
    }
}

impl Default for EmbeddedChain {
    fn default() -> Self {
        Self::new()
    }
}

impl EmbeddedChain {
    /// A new chain whose faucet has coins.
    #[must_use]
    pub fn new() -> Self {
        Self::of(RegtestChain::with_faucet(clock::now()))
    }

    /// A chain that there is.
    #[must_use]
    pub fn of(chain: RegtestChain) -> Self {
        Self { chain: Arc::new(Mutex::new(chain)), changed: Arc::new(watch::Sender::new(())) }
    }

    fn lock(&self) -> MutexGuard<'_, RegtestChain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the chain.
    pub fn look<T>(&self, look: impl FnOnce(&RegtestChain) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the chain, at the present time, and wakes those who follow it.
    pub fn change<T>(&self, change: impl FnOnce(&mut RegtestChain) -> T) -> T {
        let mut chain = self.lock();
        chain.set_now(clock::now());
        let answer = change(&mut chain);
        drop(chain);
        self.changed.send_replace(());
        answer
    }

    /// Mines blocks, their rewards going back to the faucet.
    pub fn mine(&self, blocks: u32) -> Vec<BlockHash> {
        self.change(|chain| chain.mine(blocks, &RegtestChain::faucet_script()))
    }

    fn state_now(&self) -> SourceState {
        let chain = self.lock();
        let tip = chain.tip();
        let time = chain.block(&tip.hash).map_or(0, |block| block.header.time);
        SourceState {
            tip,
            tip_time: Timestamp::from_secs(u64::from(time)),
            headers: tip.height,
            initial_download: false,
        }
    }

    fn submit(&self, package: &[Transaction]) -> BroadcastResult {
        match self.change(|chain| chain.offer(package)) {
            Ok(Offer::Taken) => BroadcastResult::Accepted,
            Ok(Offer::AlreadyThere) => BroadcastResult::AlreadyKnown,
            Err(reason) => BroadcastResult::Rejected(reason),
        }
    }

    async fn wait_beyond(&self, tip: BlockId, at_most: Duration) {
        let mut changed = self.changed.subscribe();
        let moved = async {
            while self.look(RegtestChain::tip) == tip {
                // It cannot be closed while `self` holds the sender.
                drop(changed.changed().await);
            }
        };
        drop(tokio::time::timeout(at_most, moved).await);
    }

    fn unspent_now(&self, outpoint: &OutPoint) -> Option<UnspentOutput> {
        let found = self.lock().unspent_in_chain(outpoint)?;
        Some(UnspentOutput {
            value: found.output.value.into(),
            script: found.output.script_pubkey,
            confirmations: found.confirmations,
            coinbase: found.coinbase,
        })
    }

    /// By a look at all blocks: there are few.
    fn found_now(&self, scripts: &[ScriptBuf]) -> Vec<FoundOutput> {
        let scripts: BTreeSet<&ScriptBuf> = scripts.iter().collect();
        let tip = self.look(RegtestChain::tip).height;
        let blocks = (0..=tip.0).filter_map(|height| {
            self.look(|chain| chain.hash_at(Height(height)).and_then(|hash| chain.block(&hash)))
        });
        let pays = |tx: &Transaction| {
            let txid = tx.compute_txid();
            let outputs =
                (0_u32..).zip(&tx.output).filter(|(_, output)| scripts.contains(&output.script_pubkey));
            outputs.map(|(vout, _)| OutPoint { txid, vout }).collect::<Vec<_>>()
        };
        let paid: Vec<OutPoint> =
            blocks.flat_map(|block| block.txdata.iter().flat_map(pays).collect::<Vec<_>>()).collect();
        let unspent = |outpoint| {
            let UnspentOutput { value, script, confirmations, .. } = self.unspent_now(&outpoint)?;
            Some(FoundOutput { outpoint, value, script, confirmations })
        };
        paid.into_iter().filter_map(unspent).collect()
    }
}

fn at_once<'a, T: Send + 'a>(answer: T) -> Answer<'a, T> {
    Box::pin(ready(Ok::<T, SourceError>(answer)))
}

impl ChainSource for EmbeddedChain {
    fn state(&self) -> Answer<'_, SourceState> {
        at_once(self.state_now())
    }

    fn hash_at(&self, height: Height) -> Answer<'_, Option<BlockHash>> {
        at_once(self.look(|chain| chain.hash_at(height)))
    }

    fn block(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Block>>> {
        at_once(self.look(|chain| chain.block(&hash)))
    }

    fn wait(&self, tip: BlockId, at_most: Duration) -> Answer<'_, ()> {
        Box::pin(async move {
            self.wait_beyond(tip, at_most).await;
            Ok(())
        })
    }

    fn broadcast<'a>(
        &'a self,
        package: &'a [Transaction],
    ) -> Pin<Box<dyn Future<Output = BroadcastResult> + Send + 'a>> {
        Box::pin(async move { self.submit(package) })
    }

    fn fees(&self) -> Answer<'_, FeeEstimates> {
        let floor = self.look(|chain| chain.policy().floor());
        at_once(FeeEstimates::new(Network::Regtest, floor, BTreeMap::new()))
    }

    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<UnspentOutput>> {
        at_once(self.unspent_now(&outpoint))
    }

    fn find_unspent<'a>(&'a self, scripts: &'a [ScriptBuf]) -> Answer<'a, Vec<FoundOutput>> {
        at_once(self.found_now(scripts))
    }

    fn in_mempool(&self, txid: Txid) -> Answer<'_, bool> {
        at_once(self.look(|chain| chain.in_mempool(&txid)))
    }

    fn spenders_in_mempool<'a>(&'a self, outpoints: &'a [OutPoint]) -> Answer<'a, BTreeSet<Txid>> {
        let spender =
            |chain: &RegtestChain, outpoint| Some(chain.spender_in_mempool(outpoint)?.compute_txid());
        at_once(self.look(|chain| outpoints.iter().filter_map(|outpoint| spender(chain, outpoint)).collect()))
    }

    fn mempool_transaction(&self, txid: Txid) -> Answer<'_, Option<Transaction>> {
        let unconfirmed = |seen: Seen| (seen.place == Place::Mempool).then(|| (*seen.tx).clone());
        at_once(self.look(|chain| chain.transaction(&txid).and_then(unconfirmed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_chain::{BlockChange, Follower, FollowerSettings, Update, starting_cursor};
    use astrape_primitives::Sat;

    /// The next change of the chain, statuses aside.
    async fn change(follower: &mut Follower) -> BlockChange {
        loop {
            if let Update::Block(change) = follower.next().await {
                return change;
            }
        }
    }

    #[tokio::test]
    async fn a_follower_sees_blocks_as_they_are_mined_and_reorganised_away() {
        let chain = EmbeddedChain::new();
        let cursor = starting_cursor(&chain, 10).await.expect("it answers at once");
        assert_eq!(cursor.len(), 10);
        let settings = FollowerSettings::for_network(Network::Regtest);
        let mut follower = Follower::new(Arc::new(chain.clone()), cursor, settings).expect("a cursor");
        let following = tokio::spawn(async move {
            let connected = change(&mut follower).await;
            (connected, follower)
        });
        let mined = chain.mine(1)[0];
        let (connected, mut follower) = following.await.expect("no panic");
        assert!(matches!(connected, BlockChange::Connected { id, .. } if id.hash == mined));
        chain.change(|chain| {
            chain.reorg(1);
            chain.mine(2, &RegtestChain::faucet_script());
        });
        assert!(matches!(change(&mut follower).await, BlockChange::Disconnected { id } if id.hash == mined));
        assert!(matches!(change(&mut follower).await, BlockChange::Connected { .. }));
        assert!(matches!(change(&mut follower).await, BlockChange::Connected { .. }));
        assert_eq!(follower.tip(), chain.look(RegtestChain::tip));
    }

    #[tokio::test]
    async fn a_transaction_is_taken_once_and_known_from_then_on() {
        let chain = EmbeddedChain::new();
        let script = RegtestChain::faucet_script();
        let paid = chain.change(|chain| chain.fund(&script, Sat(50_000))).expect("the faucet has coins");
        let tx = chain.look(|chain| chain.transaction(&paid.txid)).expect("it waits in the mempool");
        let package = [(*tx.tx).clone()];
        assert_eq!(chain.broadcast(&package).await, BroadcastResult::AlreadyKnown);
        chain.change(|chain| chain.evict(&paid.txid));
        assert_eq!(chain.broadcast(&package).await, BroadcastResult::Accepted);
        chain.mine(1);
        assert_eq!(chain.broadcast(&package).await, BroadcastResult::AlreadyKnown);
    }
}
