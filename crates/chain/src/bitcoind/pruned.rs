//! Blocks that bitcoind has deleted to save room and that are needed after all: it is asked to have them again from its peers.
//!
//! A node that was off for longer than the blocks of a pruning bitcoind last would never see what came meanwhile, nor anything
//! since: its channels would be without justice and without deadlines.

use super::{Bitcoind, MISC_ERROR};
use crate::source::SourceError;
use bitcoin::{Block, BlockHash};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Peers of bitcoind that are asked for one block.
const MAX_PEERS_ASKED: usize = 3;

/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often is looked whether the block is there.
const LOOK: Duration = Duration::from_millis(250);

/// Pause after a block that nobody gave.
const PAUSE: Duration = Duration::from_secs(60);

/// What is remembered of blocks that nobody gave.
#[derive(Debug, Default)]
pub(super) struct Pruned(Mutex<Option<Instant>>);

/// A peer in `getpeerinfo`.
#[derive(Deserialize)]
struct Peer {
    id: u64,
    #[serde(default)]
    servicesnames: Vec<String>,
}

impl Pruned {
    fn failed_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_be_tried(&self) -> bool {
        self.failed_at().is_none_or(|at| at.elapsed() >= PAUSE)
    }
}

impl Bitcoind {
    /// A block that was deleted, from a peer of bitcoind's that has all.
    ///
    /// # Errors
    /// With [`SourceError::Pruned`] when nobody gives it now: it is asked for again a minute later.
    pub(super) async fn fetch_again(&self, hash: BlockHash) -> Result<Arc<Block>, SourceError> {
        if !self.pruned.may_be_tried() {
            return Err(SourceError::Pruned(hash));
        }
        tracing::info!(%hash, "bitcoind has pruned a block that is needed: it is asked to download it again");
        let peers: Vec<Peer> = match self.ask("getpeerinfo", json!([])).await {
            // It may be kept from us (`-rpcwhitelist`).
            Err(SourceError::Refused(_)) => Vec::new(),
            peers => peers?,
        };
        let has_all = |peer: &&Peer| peer.servicesnames.iter().any(|name| name == "NETWORK");
        for peer in peers.iter().filter(has_all).take(MAX_PEERS_ASKED) {
            if let Some(block) = self.fetch_from(peer.id, hash).await? {
                return Ok(block);
            }
        }
        *self.pruned.failed_at() = Some(Instant::now());
        Err(SourceError::Pruned(hash))
    }

    async fn fetch_from(&self, peer: u64, hash: BlockHash) -> Result<Option<Arc<Block>>, SourceError> {
        let asked: Result<Value, _> = self.rpc.call("getblockfrompeer", json!([hash, peer])).await;
        match asked {
            Ok(_) => {}
            // "Block already downloaded", or this peer cannot give it: the look tells.
            Err(error) if error.code() == Some(MISC_ERROR) => {}
            Err(error) => {
                tracing::debug!(%error, "bitcoind does not ask its peers for blocks");
                return Ok(None);
            }
        }
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.get_whole(hash).await {
                Err(SourceError::Pruned(_)) => tokio::time::sleep(LOOK).await,
                found => return found,
            }
        }
        Ok(None)
    }
}
