//! A log without what is old: written anew at a start, when that is less than half of it.

use super::{read_at, write_anew};
use anyhow::Context as _;
use astrape_routing::gossip::Record;
use astrape_routing::gossip::log::{Frame, MAGIC, read_frame};
use astrape_routing::{Gossip, StoredAt};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// A log shorter than this is not worth rewriting.
const MIN_REWRITTEN: u64 = 16 << 20;

/// What the frame of a channel takes, of an update, of a node: as most are. The log is looked at when it is twice as long as it
/// seems to need.
const TYPICAL: [u64; 3] = [490, 150, 220];

/// The log with what is known now and nothing else, when that is less than half of it.
pub(super) fn shortened(gossip: &Gossip, file: &File) -> anyhow::Result<Option<Vec<u8>>> {
    let end = gossip.end().bytes();
    if end <= MIN_REWRITTEN || end / 2 <= typical(gossip) {
        return Ok(None);
    }
    let bytes = read_at(file, 0..end).context("the log of gossip cannot be read")?;
    let live = live_bytes(gossip, &bytes);
    Ok(((live.len() as u64) < end / 2).then_some(live))
}

fn typical(gossip: &Gossip) -> u64 {
    let graph = gossip.graph();
    let updates: usize = graph.channels(..).map(|channel| channel.policies.iter().flatten().count()).sum();
    let counts = [graph.channel_count(), updates, graph.node_count()];
    counts.iter().zip(TYPICAL).map(|(count, size)| *count as u64 * size).sum()
}

/// Puts it in the place of the old one. The image goes first: it is of the old one.
pub(super) fn install(log: &Path, image: &Path, live: &[u8]) -> anyhow::Result<()> {
    match std::fs::remove_file(image) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).context("the image of the network cannot be removed")
        }
        _ => write_anew(log, live).context("the log of gossip cannot be rewritten"),
    }
}

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
