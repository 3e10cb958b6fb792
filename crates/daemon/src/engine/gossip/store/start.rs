//! From the files to what is known: the image, and what the log says beyond it. Without an image that is to be believed, the
//! whole log.

use super::{IMAGE, LOG, Store, Written, read_at, shorten};
use anyhow::Context as _;
use astrape_primitives::NodeId;
use astrape_routing::Gossip;
use astrape_routing::gossip::image::{self, ImageError, ImageFile, MAX_IMAGE};
use astrape_routing::gossip::log::{FRAME_HEAD, Frame, LogEnd, MAGIC, MAX_FRAME, read_frame};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

/// So much of the log is read at a time.
const CHUNK: u64 = 1 << 20;

const _: () = assert!(CHUNK > (FRAME_HEAD + MAX_FRAME) as u64, "a frame is within two chunks");

/// Why there is nothing to begin from.
#[derive(Debug, thiserror::Error)]
enum NoImage {
    #[error("there is none")]
    Missing,
    #[error("{0}")]
    Image(#[from] ImageError),
    #[error("it says more than the log")]
    Ahead,
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

impl Store {
    /// Opens the files of a directory, and puts back what they hold. What is damaged is left out, with all after it.
    pub(in super::super) fn open(
        directory: &Path,
        chain_hash: [u8; 32],
        us: NodeId,
    ) -> anyhow::Result<(Self, Gossip)> {
        let (path, image) = (directory.join(LOG), directory.join(IMAGE));
        // Of a node that ended while it wrote the log anew.
        drop(std::fs::remove_file(shorten::anew(&path)));
        let file = open_log(&path)?;
        let known_len = log_len(&file)?;
        let len = known_len.unwrap_or(LogEnd::EMPTY.bytes());
        let from_image = from_image(&image, &file, len, chain_hash, us);
        if let Err(why) = &from_image {
            tracing::info!(%why, "the image of the network is not used: the log is read from its beginning");
        }
        let mut gossip = from_image.unwrap_or_else(|_| Gossip::new(chain_hash, us));
        let imaged = match gossip.end() {
            LogEnd::EMPTY => 0,
            end => end.bytes(),
        };
        replay(&mut gossip, &file, len)?;
        // A file that is touched without need says that it was written now: until when the network was heard would be forgotten.
        if known_len != Some(gossip.end().bytes()) {
            file.set_len(gossip.end().bytes())?;
            file.write_all_at(MAGIC, 0)?;
        }
        tracing::info!(
            channels = gossip.graph().channel_count(),
            nodes = gossip.graph().node_count(),
            "the network as it was known"
        );
        let written = Mutex::new(Written { imaged, looked_at: 0 });
        let file = RwLock::new(Arc::new(file));
        Ok((Self { log: path, image, file, written, ends: AtomicBool::new(false) }, gossip))
    }
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.with_context(|| format!("cannot open {}", path.display()))
}

/// How long the log is; none when it is none of this version, or has yet to be begun.
fn log_len(file: &File) -> anyhow::Result<Option<u64>> {
    let len = file.metadata().context("the log of gossip cannot be read")?.len();
    let mut magic = [0; MAGIC.len()];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) if magic == *MAGIC => Ok(Some(len)),
        Ok(()) => {
            tracing::warn!("the log of gossip is none of this version: the network is learnt anew");
            Ok(None)
        }
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).context("the log of gossip cannot be read"),
    }
}

/// What the image says, when it is one of this log.
fn from_image(
    path: &Path,
    log: &File,
    len: u64,
    chain_hash: [u8; 32],
    us: NodeId,
) -> Result<Gossip, NoImage> {
    let bytes = match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() <= MAX_IMAGE => std::fs::read(path)?,
        Ok(_) => return Err(ImageError::Format.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(NoImage::Missing),
        Err(error) => return Err(error.into()),
    };
    let image = ImageFile::open(&bytes)?;
    if image.end().bytes() > len {
        return Err(NoImage::Ahead);
    }
    let tail = read_at(log, image::tail(image.end()))?;
    Ok(image.load(chain_hash, us, &tail)?)
}

/// Takes what a log says from where it is known, a chunk at a time.
fn replay(gossip: &mut Gossip, file: &File, len: u64) -> anyhow::Result<()> {
    let mut unread = gossip.end().bytes();
    let mut bytes = Vec::new();
    while unread < len {
        let end = len.min(unread + CHUNK);
        let chunk = read_at(file, unread..end).context("the log of gossip cannot be read")?;
        unread = end;
        bytes.extend_from_slice(&chunk);
        let taken = match take_frames(gossip, &bytes) {
            Ok(taken) => taken,
            Err(Damaged) => {
                let at = gossip.end().bytes();
                tracing::warn!(at, "the log of gossip is damaged: what follows is learnt anew");
                return Ok(());
            }
        };
        bytes.drain(..taken);
    }
    if !bytes.is_empty() {
        tracing::info!("the log of gossip was cut by a crash and goes on from there");
    }
    Ok(())
}

/// What is at a place of the log makes no sense.
struct Damaged;

/// Takes the whole frames that some bytes begin with; how many bytes these are.
fn take_frames(gossip: &mut Gossip, bytes: &[u8]) -> Result<usize, Damaged> {
    let mut taken = 0;
    loop {
        match read_frame(&bytes[taken..]) {
            Frame::Whole(record, len) => {
                // One that does not fit (a channel that is there already) changes nothing.
                gossip.replay(&record, len);
                taken += len;
            }
            Frame::Cut => return Ok(taken),
            Frame::Damaged => return Err(Damaged),
        }
    }
}
