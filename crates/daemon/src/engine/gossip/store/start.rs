//! From the files to what is known: the image, and what the log says beyond it. Without an image that is to be believed, the
//! whole log.

use super::{IMAGE, LOG, Store, read_at, shorten};
use anyhow::Context as _;
use astrape_primitives::NodeId;
use astrape_routing::Gossip;
use astrape_routing::gossip::image::{self, ImageError, ImageFile, MAX_IMAGE};
use astrape_routing::gossip::log::{Frame, LogEnd, MAGIC, read_frame};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Mutex;

/// The longest log that is read: twenty times that of today's network.
const MAX_LOG: u64 = 2 << 30;

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
        let mut file = open_log(&path)?;
        let len = log_len(&file)?;
        let from_image = from_image(&image, &file, len, chain_hash, us);
        if let Err(why) = &from_image {
            tracing::info!(%why, "the image of the network is not used: the log is read from its beginning");
        }
        let (mut gossip, mut imaged) = match from_image {
            Ok(gossip) => {
                let end = gossip.end().bytes();
                (gossip, end)
            }
            Err(_) => (Gossip::new(chain_hash, us), 0),
        };
        let end = gossip.end().bytes();
        replay(&mut gossip, &read_at(&file, end..len.max(end))?);
        if let Some(live) = shorten::shortened(&gossip, &file)? {
            shorten::install(&path, &image, &live)?;
            file = open_log(&path)?;
            (gossip, imaged) = (Gossip::new(chain_hash, us), 0);
            replay(&mut gossip, live.get(MAGIC.len()..).unwrap_or_default());
        }
        file.set_len(gossip.end().bytes())?;
        file.write_all_at(MAGIC, 0)?;
        tracing::info!(
            channels = gossip.graph().channel_count(),
            nodes = gossip.graph().node_count(),
            "the network as it was known"
        );
        Ok((Self { file, image, imaged: Mutex::new(imaged) }, gossip))
    }
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.with_context(|| format!("cannot open {}", path.display()))
}

/// How long the log is; that of an empty one when it is none of this version, or too long to be true.
fn log_len(file: &File) -> anyhow::Result<u64> {
    let len = file.metadata().context("the log of gossip cannot be read")?.len();
    if len > MAX_LOG {
        tracing::warn!(len, "the log of gossip is too long: the network is learnt anew");
        return Ok(LogEnd::EMPTY.bytes());
    }
    let mut magic = [0; MAGIC.len()];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) if magic == *MAGIC => Ok(len),
        Ok(()) => {
            tracing::warn!("the log of gossip is none of this version: the network is learnt anew");
            Ok(LogEnd::EMPTY.bytes())
        }
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(LogEnd::EMPTY.bytes()),
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

/// Takes what a log says from where it is known.
fn replay(gossip: &mut Gossip, mut rest: &[u8]) {
    loop {
        match read_frame(rest) {
            Frame::Whole(record, len) => {
                // One that does not fit (a channel that is there already) changes nothing.
                gossip.replay(&record, len);
                rest = &rest[len..];
            }
            Frame::Cut if rest.is_empty() => return,
            Frame::Cut => {
                tracing::info!("the log of gossip was cut by a crash and goes on from there");
                return;
            }
            Frame::Damaged => {
                let at = gossip.end().bytes();
                tracing::warn!(at, "the log of gossip is damaged: what follows is learnt anew");
                return;
            }
        }
    }
}
