//! A log without what is old: written anew beside the old one while the node runs, when that is less than half of it. Whatever fails
//! on the way leaves the old one in its place.

use super::{GossipEngine, Store, Written, frame_at};
use astrape_routing::gossip::log::{Frame, MAGIC, read_frame};
use astrape_routing::gossip::{Moved, Record};
use astrape_routing::{Gossip, StoredAt};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// A log shorter than this is not worth rewriting.
const MIN_REWRITTEN: u64 = 16 << 20;

/// What the frame of a channel takes, of an update, of a node: as most are. The log is looked at when it is twice as long as it
/// seems to need.
const TYPICAL: [u64; 3] = [490, 150, 220];

/// What is to be copied.
struct Kept {
    channels: Vec<StoredAt>,
    nodes: Vec<StoredAt>,
    spent: Vec<Record>,
    moved: Moved,
}

impl Store {
    /// Writes the log anew if it is mostly old. Looking is work: it is done when the log has grown by an eighth. All that it says
    /// is in the file.
    pub(super) fn shorten(&self, gossip: &GossipEngine, written: &mut Written) {
        let end = gossip.lock().gossip.end().bytes();
        if end <= MIN_REWRITTEN || end.saturating_sub(written.looked_at) < end / 8 {
            return;
        }
        written.looked_at = end;
        match self.rewritten(gossip) {
            Ok(Some(new_end)) => {
                tracing::info!(
                    before = end,
                    after = new_end,
                    "the log of gossip was written anew without what is old"
                );
                *written = Written { imaged: 0, looked_at: new_end };
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "the log of gossip cannot be written anew and stays as it is");
                drop(std::fs::remove_file(anew(&self.log)));
            }
        }
    }

    /// How long the new log is, if there is one.
    fn rewritten(&self, gossip: &GossipEngine) -> std::io::Result<Option<u64>> {
        let Some(kept) = kept(&gossip.lock().gossip) else {
            return Ok(None);
        };
        self.append(gossip)?;
        let end = kept.moved.old_end().bytes();
        let (new, old) = (anew(&self.log), self.file());
        let moved = self.copy(kept, &old, &new)?.filter(|moved| moved.new_end().bytes() < end / 2);
        let Some(moved) = moved else {
            std::fs::remove_file(&new)?;
            return Ok(None);
        };
        let new_end = moved.new_end().bytes();
        let file = OpenOptions::new().read(true).write(true).open(&new)?;
        // While nobody waits: what follows is short.
        file.sync_data()?;
        // What has come since is written to the new one, and nobody reads from the old one by a place of the new.
        let mut state = gossip.lock();
        remove_image(&self.image)?;
        carry_over(&state.gossip, &old, &file, &moved)?;
        std::fs::rename(&new, &self.log)?;
        state.gossip.moved(moved);
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(file);
        Ok(Some(new_end))
    }

    /// Copies what is kept, in the order of the log but nodes last: each stands behind a channel of its. What is damaged is left out: it
    /// is learnt anew. None where the engine ends.
    fn copy(&self, kept: Kept, old: &File, new: &Path) -> std::io::Result<Option<Moved>> {
        let Kept { channels, nodes, spent, mut moved } = kept;
        let mut out = BufWriter::new(File::create(new)?);
        out.write_all(MAGIC)?;
        for at in channels.into_iter().chain(nodes) {
            if self.ends.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let Some(frame) = frame_at(old, at) else { continue };
            if matches!(read_frame(&frame), Frame::Whole(..)) {
                out.write_all(&frame)?;
                moved.copied(at, frame.len());
            }
        }
        for record in spent {
            let frame = record.frame();
            out.write_all(&frame)?;
            moved.added(frame.len());
        }
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(Some(moved))
    }
}

/// Where a log is written anew.
pub(super) fn anew(log: &Path) -> PathBuf {
    log.with_extension("log.new")
}

/// What is known now, if the log seems to be twice as long as that.
fn kept(gossip: &Gossip) -> Option<Kept> {
    if gossip.end().bytes() / 2 <= typical(gossip) {
        return None;
    }
    let graph = gossip.graph();
    let (mut channels, mut nodes): (Vec<_>, Vec<_>) =
        (graph.channel_places().collect(), graph.node_places().collect());
    // The log is read faster in its order.
    channels.sort_unstable();
    nodes.sort_unstable();
    Some(Kept { channels, nodes, spent: gossip.spent_records(), moved: Moved::new(gossip.end()) })
}

fn typical(gossip: &Gossip) -> u64 {
    let graph = gossip.graph();
    let updates: usize = graph.channels(..).map(|channel| channel.policies.iter().flatten().count()).sum();
    let counts = [graph.channel_count(), updates, graph.node_count()];
    counts.iter().zip(TYPICAL).map(|(count, size)| *count as u64 * size).sum()
}

/// What was appended to the old log since the copy was begun.
fn carry_over(gossip: &Gossip, old: &File, new: &File, moved: &Moved) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    let saved = gossip.end().bytes() - gossip.unsaved_len() as u64;
    let since = super::read_at(old, moved.old_end().bytes()..saved)?;
    new.write_all_at(&since, moved.new_end().bytes())
}

/// The image is of the old log.
fn remove_image(image: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(image) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
