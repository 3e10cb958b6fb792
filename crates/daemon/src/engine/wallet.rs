//! The on-chain wallet's eyes: `bdk_wallet` finds coins by the public descriptors of the signer and hands out addresses. What
//! it finds goes to the core, which alone decides about coins; keys never come here.
//!
//! It keeps what it saw as changesets of its own. They may lag behind the core or be ahead of it: at the start it reads the
//! blocks that it misses and tells everything that it knows once more, and the core takes each finding once.

mod behind;
mod findings;
mod fork;
mod reading;

pub use reading::Reading;

use super::{Shared, clock};
use anyhow::{Context as _, anyhow};
use astrape_chain::{ChainSource, Status};
use astrape_node::state::ChainState;
use astrape_node::{Input, JournalError};
use astrape_primitives::{BlockId, Height, Network};
use astrape_signer::InProcessSigner;
use astrape_storage::WalletChangesets;
use astrape_transactions::Keychain;
use astrape_wallet::{Coin, WalletFinding};
use bdk_wallet::chain::Merge as _;
use bdk_wallet::chain::keychain_txout::DEFAULT_LOOKAHEAD;
use bdk_wallet::{ChangeSet, KeychainKind, Update};
use bitcoin::{Address, Block, BlockHash, Transaction};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Blocks without anything of ours after which the wallet's place in the chain is written down. After a crash it reads as
/// many again.
const MAX_UNSAVED_BLOCKS: u32 = 144;

/// Addresses beyond the last one known to be used that a wallet watches when it is made again from its words, or
/// put back from an old copy: as many as an earlier one may have given out in a row without being paid to.
const RESTORED_LOOKAHEAD: u32 = 1_000;

/// How long a start waits for the first of the blocks that the wallet misses.
const FIRST_READING: Duration = Duration::from_secs(10);

/// Changesets from which on they are merged into one at the start.
const MANY_CHANGESETS: usize = 64;

/// The wallet. All of it may block: it is used on threads where that is fine.
pub(crate) struct Wallet {
    inner: Arc<Mutex<Inner>>,
    /// Held from looking until the core is told, so that findings reach it in the order in which they were made.
    pub(crate) order: tokio::sync::Mutex<()>,
    /// Whether it has its place in the chain, above which it looks for coins.
    has_begun: watch::Sender<bool>,
    /// Whether there are blocks that it has yet to read.
    is_behind: AtomicBool,
    /// How many blocks were told that it could not take, since it lacked those before.
    missed: AtomicU64,
    /// Height of the newest block of which the core knows what it has for us.
    told: AtomicU32,
}

struct Inner {
    wallet: bdk_wallet::Wallet,
    store: WalletChangesets,
    unsaved_blocks: u32,
}

impl Wallet {
    /// Opens the wallet of a signer, or makes one. One that is an old copy does not know how many addresses it has given out.
    ///
    /// # Errors
    /// When what is stored cannot be read or is of other keys.
    pub(crate) fn open(
        signer: &InProcessSigner,
        network: Network,
        mut store: WalletChangesets,
        is_old_copy: bool,
    ) -> anyhow::Result<Self> {
        let texts = store.read()?;
        let stored = stored(&texts)?;
        if texts.len() >= MANY_CHANGESETS {
            store.replace(&serde_json::to_string(&stored)?)?;
        }
        let external = signer.wallet_descriptor(Keychain::External);
        let internal = signer.wallet_descriptor(Keychain::Internal);
        let lookahead = if is_old_copy { RESTORED_LOOKAHEAD } else { DEFAULT_LOOKAHEAD };
        let loaded = bdk_wallet::Wallet::load()
            .lookahead(lookahead)
            .descriptor(KeychainKind::External, Some(external.clone()))
            .descriptor(KeychainKind::Internal, Some(internal.clone()))
            .check_network(network.to_bitcoin())
            .load_wallet_no_persist(stored)
            .map_err(|error| {
                anyhow!("the on-chain wallet's records are not of this seed and network: {error}")
            })?;
        let wallet = match loaded {
            Some(wallet) => wallet,
            None => bdk_wallet::Wallet::create(external, internal)
                .network(network.to_bitcoin())
                .create_wallet_no_persist()
                .map_err(|error| anyhow!("the on-chain wallet cannot be made: {error}"))?,
        };
        let mut inner = Inner { wallet, store, unsaved_blocks: 0 };
        inner.save()?;
        let has_begun = watch::Sender::new(inner.tip().height > Height(0));
        let (told, is_behind) = (AtomicU32::new(inner.tip().height.0), AtomicBool::new(false));
        let inner = Arc::new(Mutex::new(inner));
        let (order, missed) = (tokio::sync::Mutex::new(()), AtomicU64::new(0));
        Ok(Self { inner, order, has_begun, is_behind, missed, told })
    }

    /// Uses the wallet on a thread that may block.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let inner = Arc::clone(&self.inner);
        let working = move || work(&mut inner.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(working).await.context("the on-chain wallet panicked")
    }

    /// Waits until the wallet has its place in the chain. What came to an address before would never be found.
    pub(crate) async fn begun(&self) {
        // The sender is ours: it cannot be gone.
        let _ = self.has_begun.subscribe().wait_for(|begun| *begun).await;
    }

    /// A fresh address, written down before it is given out. Not before the wallet has [`begun`](Self::begun).
    pub(crate) async fn new_address(&self, keychain: Keychain) -> anyhow::Result<Address> {
        Ok(self.with(move |inner| inner.new_address(keychain)).await??)
    }

    /// Reads the first of the blocks that the wallet misses, then tells all that it knows, and first what it knows to be undone of
    /// the `coins` that the core has. A new wallet begins above `recent`, the blocks that the core has seen: there is nothing of
    /// ours before. One whose keys are older begins above `birthplace`, and begins anew if it began later. Where the source does
    /// not answer the blocks are read later.
    pub(crate) async fn begin(
        &self,
        source: &dyn ChainSource,
        recent: Vec<BlockId>,
        birthplace: Option<BlockId>,
        coins: Vec<Coin>,
    ) -> anyhow::Result<Vec<WalletFinding>> {
        let beginning = move |inner: &mut Inner| match birthplace {
            Some(place) => inner.look_back_to(place),
            None => inner.begin_above(&recent),
        };
        self.with(beginning).await??;
        self.core_is_told().await?;
        self.has_begun.send_replace(true);
        let mut found = Vec::new();
        // A few blocks are most often all that it misses; many, or a source that is slow, hold nothing else up.
        match tokio::time::timeout(FIRST_READING, self.read_to_tip(source)).await {
            Ok(read) => found = self.take(read).await?,
            Err(_) => self.is_behind.store(true, Ordering::Relaxed),
        }
        let known = move |inner: &mut Inner| {
            let all = findings::all(&inner.wallet);
            (findings::lowest_undone(&all, &coins, inner.tip().height), all)
        };
        let (undone, all) = self.with(known).await?;
        found.extend(undone.map(|from| WalletFinding::Reorged { from }));
        found.extend(all);
        Ok(found)
    }

    /// The block on top of the best chain went. What the wallet has read beyond it stays.
    pub(crate) async fn disconnected(&self, id: BlockId) -> anyhow::Result<Vec<WalletFinding>> {
        let is_known = self.with(move |inner| inner.hash_at(id.height) == Some(id.hash)).await?;
        Ok(if is_known { vec![WalletFinding::Reorged { from: id.height }] } else { Vec::new() })
    }

    /// How far it is, if it has more to read than a few blocks. Before it has [`begun`](Self::begun) there is nothing to tell.
    pub(crate) fn reading(&self, core: Height, source: &Status) -> Option<Reading> {
        let told = Height(self.told.load(Ordering::Relaxed));
        if *self.has_begun.borrow() { Reading::of(told, core, source) } else { None }
    }

    /// The core was told of all that was found, by one that holds the [`order`](Self::order).
    pub(crate) async fn core_is_told(&self) -> anyhow::Result<()> {
        self.told.store(self.height().await?.0, Ordering::Relaxed);
        Ok(())
    }

    /// Up to where the wallet has read.
    pub(crate) async fn height(&self) -> anyhow::Result<Height> {
        self.with(|inner| inner.tip().height).await
    }

    /// Takes note of a transaction of our own coins before it is in a block, and tells the core of its change.
    pub(crate) async fn note_unconfirmed(&self, shared: &Shared, tx: &Transaction) {
        let _order = self.order.lock().await;
        let tx = tx.clone();
        match self.with(move |inner| inner.note_unconfirmed(tx)).await {
            // When the core has stopped, the same is told at the next start.
            Ok(Ok(found)) if !found.is_empty() => {
                let _ = shared.core.input(Input::Coins(found)).await;
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => shared.shutdown.fail(error),
            Err(error) => shared.shutdown.fail(error),
        }
    }
}

impl Inner {
    fn tip(&self) -> BlockId {
        place(&self.wallet.latest_checkpoint())
    }

    fn hash_at(&self, height: Height) -> Option<BlockHash> {
        self.wallet.local_chain().get(height.0).map(|checkpoint| checkpoint.hash())
    }

    /// The newest blocks, newest first: as many as the deepest reorganisation that the core survives.
    fn recent(&self) -> Vec<BlockId> {
        self.wallet.checkpoints().take(ChainState::MAX_RECENT).map(|checkpoint| place(&checkpoint)).collect()
    }

    /// Lets a new wallet begin above these blocks.
    fn begin_above(&mut self, recent: &[BlockId]) -> anyhow::Result<()> {
        if self.tip().height > Height(0) {
            return Ok(());
        }
        let genesis = self.wallet.latest_checkpoint();
        let above = recent.iter().filter(|block| block.height > Height(0));
        let above =
            above.map(|block| bdk_wallet::chain::BlockId { height: block.height.0, hash: block.hash });
        let chain = genesis.extend(above).map_err(|_| anyhow!("the core's blocks are in no order"))?;
        self.wallet.apply_update(Update { chain: Some(chain), ..Update::default() })?;
        Ok(self.save()?)
    }

    /// Has all blocks above this one looked at: a new wallet begins there, one that began later begins anew, with the
    /// addresses that it has given out.
    fn look_back_to(&mut self, place: BlockId) -> anyhow::Result<()> {
        let lowest =
            self.wallet.checkpoints().map(|checkpoint| checkpoint.height()).filter(|h| *h > 0).last();
        let known = stored(&self.store.read()?)?;
        if lowest.is_some_and(|lowest| lowest <= place.height.0.saturating_add(1)) {
            return self.reload(known);
        }
        tracing::warn!(above = %place.height, "the on-chain wallet looks for coins in all blocks above");
        let mut blocks: BTreeMap<u32, Option<BlockHash>> =
            BTreeMap::from([(place.height.0, Some(place.hash))]);
        blocks.insert(0, self.hash_at(Height(0)));
        let anew = ChangeSet {
            local_chain: bdk_wallet::chain::local_chain::ChangeSet { blocks },
            tx_graph: bdk_wallet::chain::tx_graph::ChangeSet::default(),
            ..known
        };
        self.store.replace(&serde_json::to_string(&anew)?)?;
        self.reload(anew)
    }

    /// Takes the wallet from what is stored, as one that does not know how many addresses it has given out.
    fn reload(&mut self, known: ChangeSet) -> anyhow::Result<()> {
        let wallet = bdk_wallet::Wallet::load().lookahead(RESTORED_LOOKAHEAD).load_wallet_no_persist(known);
        let wallet = wallet.map_err(|error| anyhow!("the on-chain wallet cannot begin anew: {error}"))?;
        self.wallet = wallet.context("the on-chain wallet's records are empty")?;
        Ok(())
    }

    fn new_address(&mut self, keychain: Keychain) -> Result<Address, JournalError> {
        let kind = match keychain {
            Keychain::External => KeychainKind::External,
            Keychain::Internal => KeychainKind::Internal,
        };
        let revealed = match keychain {
            Keychain::External => self.wallet.reveal_next_address(kind),
            // For a transaction that is made now or not at all: what was drawn and never used is drawn again.
            Keychain::Internal => self.wallet.next_unused_address(kind),
        };
        self.save()?;
        Ok(revealed.address)
    }

    /// Takes a block; `None` when it does not stand on what the wallet knows.
    fn connect(&mut self, id: BlockId, block: &Block) -> Result<Option<Vec<WalletFinding>>, JournalError> {
        if self.hash_at(id.height) == Some(id.hash) {
            // It may have gone and come again: what it has for us was undone meanwhile.
            return Ok(Some(findings::of_block(&self.wallet, block, id.height)));
        }
        let below = Height(id.height.0.saturating_sub(1));
        if self.hash_at(below) != Some(block.header.prev_blockhash) {
            return Ok(None);
        }
        let tip = self.tip();
        if let Err(error) = self.wallet.apply_block(block, id.height.0) {
            tracing::error!(%error, height = %id.height, "the on-chain wallet does not take a block");
            return Ok(None);
        }
        let mut found = Vec::new();
        if tip.height >= id.height {
            found.push(WalletFinding::Reorged { from: id.height });
        }
        let of_block = findings::of_block(&self.wallet, block, id.height);
        self.unsaved_blocks += 1;
        if !of_block.is_empty() || !found.is_empty() || self.unsaved_blocks >= MAX_UNSAVED_BLOCKS {
            self.save()?;
        }
        found.extend(of_block);
        Ok(Some(found))
    }

    fn note_unconfirmed(&mut self, tx: Transaction) -> Result<Vec<WalletFinding>, JournalError> {
        let is_confirmed =
            self.wallet.get_tx(tx.compute_txid()).is_some_and(|known| known.chain_position.is_confirmed());
        if is_confirmed {
            return Ok(Vec::new());
        }
        let tx = Arc::new(tx);
        self.wallet.apply_unconfirmed_txs([(Arc::clone(&tx), clock::now().secs())]);
        self.save()?;
        if self.wallet.get_tx(tx.compute_txid()).is_none() {
            // A block has something else that spends the same: what this makes will never be there.
            return Ok(Vec::new());
        }
        Ok(findings::of_unconfirmed(&self.wallet, &tx))
    }

    /// Makes what changed durable.
    fn save(&mut self) -> Result<(), JournalError> {
        if let Some(change) = self.wallet.staged() {
            let text = serde_json::to_string(change).map_err(|error| {
                JournalError::Io(format!("the on-chain wallet cannot be written: {error}"))
            })?;
            self.store.append(&text)?;
            drop(self.wallet.take_staged());
        }
        self.unsaved_blocks = 0;
        Ok(())
    }
}

/// What the changesets come to.
fn stored(texts: &[String]) -> anyhow::Result<ChangeSet> {
    let mut stored = ChangeSet::default();
    for text in texts {
        stored.merge(serde_json::from_str(text).context("the on-chain wallet's records cannot be read")?);
    }
    Ok(stored)
}

fn place(checkpoint: &bdk_wallet::chain::CheckPoint) -> BlockId {
    BlockId { height: Height(checkpoint.height()), hash: checkpoint.hash() }
}

#[cfg(test)]
mod tests;
