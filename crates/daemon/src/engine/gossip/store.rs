//! The log of gossip on disk: one file, appended to, read from any place, rewritten at the start when most of it is old.
//! Nothing of it is flushed to the platter on purpose: what a crash takes is heard again.

use super::GossipEngine;
use anyhow::Context as _;
use astrape_primitives::NodeId;
use astrape_routing::gossip::Record;
use astrape_routing::gossip::log::{FRAME_HEAD, Frame, MAGIC, MAX_FRAME, read_frame};
use astrape_routing::{Gossip, StoredAt};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The file's name in the node's directory.
const NAME: &str = "gossip.log";

/// A log shorter than this is not worth rewriting.
const MIN_REWRITTEN: u64 = 16 << 20;

/// The longest log that is read: twenty times that of today's network.
const MAX_LOG: u64 = 2 << 30;

/// The log.
pub(super) struct Store {
    file: File,
    /// Held while something is appended: in order.
    appending: Mutex<()>,
}

impl Store {
    /// Opens the log of a directory, and puts back what it holds. What is damaged is left out, with all after it.
    pub(super) fn open(directory: &Path, chain_hash: [u8; 32], us: NodeId) -> anyhow::Result<(Self, Gossip)> {
        let path = directory.join(NAME);
        let mut bytes = read(&path)?;
        let mut gossip = load(&bytes, chain_hash, us);
        let live = live_bytes(&gossip, &bytes);
        if gossip.end().bytes() > MIN_REWRITTEN && (live.len() as u64) < gossip.end().bytes() / 2 {
            let rewritten = path.with_extension("new");
            std::fs::write(&rewritten, &live).context("the log of gossip cannot be rewritten")?;
            std::fs::rename(&rewritten, &path).context("the log of gossip cannot be rewritten")?;
            bytes = live;
            gossip = load(&bytes, chain_hash, us);
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        file.set_len(gossip.end().bytes())?;
        file.write_all_at(MAGIC, 0)?;
        tracing::info!(
            channels = gossip.graph().channel_count(),
            nodes = gossip.graph().node_count(),
            "the network as it was known"
        );
        Ok((Self { file, appending: Mutex::new(()) }, gossip))
    }

    /// The messages at some places of the log. What is not there (any more) is left out.
    pub(super) fn messages(&self, gossip: &GossipEngine, places: &[StoredAt]) -> Vec<Arc<[u8]>> {
        let message = |at: &StoredAt| {
            let unsaved = gossip.lock().gossip.unsaved_message(*at);
            unsaved.or_else(|| self.message(*at))
        };
        places.iter().filter_map(message).collect()
    }

    fn message(&self, at: StoredAt) -> Option<Arc<[u8]>> {
        let mut head = [0; FRAME_HEAD];
        self.file.read_exact_at(&mut head, at.0.get()).ok()?;
        let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if len > MAX_FRAME {
            return None;
        }
        let mut frame = vec![0; FRAME_HEAD + len];
        self.file.read_exact_at(&mut frame, at.0.get()).ok()?;
        match read_frame(&frame) {
            Frame::Whole(Record::Channel { bytes, .. } | Record::Message(bytes), _) => Some(bytes),
            _ => None,
        }
    }

    /// Appends what waits.
    pub(super) fn save(&self, gossip: &GossipEngine) -> std::io::Result<()> {
        let _appending = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        let (unsaved, at) = {
            let state = gossip.lock();
            let unsaved = state.gossip.unsaved();
            let at = state.gossip.end().bytes() - unsaved.len() as u64;
            (unsaved, at)
        };
        if unsaved.is_empty() {
            return Ok(());
        }
        self.file.write_all_at(&unsaved, at)?;
        gossip.lock().gossip.saved(unsaved.len());
        Ok(())
    }
}

/// The log as it lies there; empty when it is none, or too long to be true.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let len = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(MAGIC.to_vec()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if len > MAX_LOG {
        tracing::warn!(len, "the log of gossip is too long: the network is learnt anew");
        return Ok(MAGIC.to_vec());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !bytes.starts_with(MAGIC) {
        tracing::warn!("the log of gossip is none of this version: the network is learnt anew");
        return Ok(MAGIC.to_vec());
    }
    Ok(bytes)
}

fn load(bytes: &[u8], chain_hash: [u8; 32], us: NodeId) -> Gossip {
    let mut gossip = Gossip::new(chain_hash, us);
    let mut rest = bytes.get(MAGIC.len()..).unwrap_or_default();
    loop {
        match read_frame(rest) {
            Frame::Whole(record, len) => {
                // One that does not fit (a channel that is there already) changes nothing.
                gossip.replay(&record, len);
                rest = &rest[len..];
            }
            Frame::Cut if rest.is_empty() => return gossip,
            Frame::Cut => {
                tracing::info!("the log of gossip was cut by a crash and goes on from there");
                return gossip;
            }
            Frame::Damaged => {
                tracing::warn!(
                    at = gossip.end().bytes(),
                    "the log of gossip is damaged: what follows is learnt anew"
                );
                return gossip;
            }
        }
    }
}

/// A log with what is known now and nothing else.
fn live_bytes(gossip: &Gossip, bytes: &[u8]) -> Vec<u8> {
    let mut live = MAGIC.to_vec();
    let frame = |at: StoredAt| {
        let rest = usize::try_from(at.0.get()).ok().and_then(|at| bytes.get(at..))?;
        match read_frame(rest) {
            Frame::Whole(_, len) => rest.get(..len),
            _ => None,
        }
    };
    for channel in gossip.graph().channels(..) {
        let updates = channel.policies.iter().flatten().filter_map(|policy| policy.stored);
        for at in channel.stored.into_iter().chain(updates) {
            live.extend_from_slice(frame(at).unwrap_or_default());
        }
        if let Some(height) = gossip.closed_at(channel.short_channel_id) {
            live.extend(Record::Spent(channel.short_channel_id, height).frame());
        }
    }
    for (_, info) in gossip.graph().nodes() {
        if let Some(at) = info.and_then(|info| info.stored) {
            live.extend_from_slice(frame(at).unwrap_or_default());
        }
    }
    live
}

/// Writes all that is left; for the end.
pub(super) fn finish(mut file: &File) -> std::io::Result<()> {
    file.flush()
}

impl Store {
    /// The end of the engine: everything is written.
    pub(super) fn close(&self, gossip: &GossipEngine) {
        if let Err(error) = self.save(gossip).and_then(|()| finish(&self.file)) {
            tracing::warn!(%error, "the log of gossip cannot be written");
        }
    }
}
