//! What is kept of gossip on disk: the log, appended to and read from any place, and now and then an image of all that it says,
//! from which a start is quick. Nothing of it is flushed to the platter on purpose: what a crash takes is heard again.
//!
//! | room | what is in it |
//! |---|---|
//! | `start` | from the files to what is known |
//! | `shorten` | a log without what is old |

mod shorten;
mod start;
#[cfg(test)]
mod tests;

use super::GossipEngine;
use astrape_routing::StoredAt;
use astrape_routing::gossip::log::{FRAME_HEAD, Frame, MAX_FRAME, read_frame};
use astrape_routing::gossip::{Record, image};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// The log's name in the node's directory.
const LOG: &str = "gossip.log";

/// The image's.
const IMAGE: &str = "gossip.graph";

/// So much of the log, and an eighth of it, is read at the start beside the image before a new image is worth its writing.
const IMAGE_EVERY: u64 = 4 << 20;

/// The log and its image.
pub(super) struct Store {
    log: PathBuf,
    image: PathBuf,
    /// The log, which another may follow.
    file: RwLock<Arc<File>>,
    /// Held while something is written: in order.
    written: Mutex<Written>,
    /// The engine ends: a log that is being written anew is given up.
    ends: AtomicBool,
}

/// Where the log ended when something was last made of it.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    /// An image.
    imaged: u64,
    /// A look at whether it is mostly old.
    looked_at: u64,
}

impl Store {
    /// When something was last written to the log in a directory, in seconds of UNIX time; none where there is no log.
    pub(super) fn last_saved(directory: &Path) -> Option<u32> {
        let written = std::fs::metadata(directory.join(LOG)).and_then(|log| log.modified()).ok()?;
        let since = written.duration_since(std::time::UNIX_EPOCH).ok()?;
        u32::try_from(since.as_secs()).ok()
    }

    /// The messages at some places of the log. What is not there (any more) is left out.
    pub(super) fn messages(&self, gossip: &GossipEngine, places: &[StoredAt]) -> Vec<Arc<[u8]>> {
        let message = |at: &StoredAt| {
            let unsaved = gossip.lock().gossip.unsaved_message(*at);
            unsaved.or_else(|| self.message(*at))
        };
        places.iter().filter_map(message).collect()
    }

    fn file(&self) -> Arc<File> {
        Arc::clone(&self.file.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn message(&self, at: StoredAt) -> Option<Arc<[u8]>> {
        match read_frame(&frame_at(&self.file(), at)?) {
            Frame::Whole(Record::Channel { bytes, .. } | Record::Message(bytes), _) => Some(bytes),
            _ => None,
        }
    }

    /// Appends what waits, and makes a new log or image when the log has grown enough.
    pub(super) fn save(&self, gossip: &GossipEngine) -> std::io::Result<()> {
        let mut written = self.lock();
        self.append(gossip)?;
        self.shorten(gossip, &mut written);
        self.make_image(gossip, &mut written, |end, imaged| end - imaged >= IMAGE_EVERY.max(end / 8))
    }

    /// The engine is about to end: nothing that takes long is begun or gone on with.
    pub(super) fn hurry(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    /// The end of the engine: everything is written.
    pub(super) fn close(&self, gossip: &GossipEngine) {
        let mut written = self.lock();
        let closed = self
            .append(gossip)
            .and_then(|()| self.make_image(gossip, &mut written, |end, imaged| end > imaged));
        if let Err(error) = closed {
            tracing::warn!(%error, "the log of gossip cannot be written");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, gossip: &GossipEngine) -> std::io::Result<()> {
        let (unsaved, end) = {
            let state = gossip.lock();
            (state.gossip.unsaved(), state.gossip.end().bytes())
        };
        if !unsaved.is_empty() {
            self.file().write_all_at(&unsaved, end - unsaved.len() as u64)?;
            gossip.lock().gossip.saved(unsaved.len());
        }
        Ok(())
    }

    fn make_image(
        &self,
        gossip: &GossipEngine,
        written: &mut Written,
        is_worth_it: impl Fn(u64, u64) -> bool,
    ) -> std::io::Result<()> {
        let (image, end) = {
            let state = gossip.lock();
            let end = state.gossip.end().bytes();
            (is_worth_it(end, written.imaged).then(|| state.gossip.image()), end)
        };
        let Some(image) = image else { return Ok(()) };
        // The log first: an image never says more than the log.
        self.append(gossip)?;
        let tail = read_at(&self.file(), image::tail(image.end()))?;
        write_anew(&self.image, &image.seal(&tail))?;
        written.imaged = end;
        Ok(())
    }
}

/// The frame at a place of a log, as it is there.
fn frame_at(file: &File, at: StoredAt) -> Option<Vec<u8>> {
    let mut head = [0; FRAME_HEAD];
    file.read_exact_at(&mut head, at.0.get()).ok()?;
    let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if len > MAX_FRAME {
        return None;
    }
    let mut frame = vec![0; FRAME_HEAD + len];
    file.read_exact_at(&mut frame, at.0.get()).ok()?;
    Some(frame)
}

/// Some bytes of a file.
fn read_at(file: &File, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(std::io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}

/// Puts a file into its place, whole or not at all.
fn write_anew(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, bytes)?;
    std::fs::rename(&new, path)
}
