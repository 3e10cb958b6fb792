//! How far the node has got, in a file of its own: what tells that a database is an older copy.
//!
//! An append-only log of (channel, newest commitment number, commits so far), each entry with a checksum that is bound to
//! the node. It is written after the commit, so it never leads the database that it stands beside. It is given to the
//! operating system with each commit and made to reach the disk at least every [`SYNC_INTERVAL`] of work: killing the process loses
//! nothing of it, cutting the power loses the marks of the last moments, which only makes it lag.

use astrape_node::JournalError;
use astrape_primitives::{ChannelKeysId, CommitmentNumber, NodeId};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file's first bytes: what it is, and the version of its form.
const HEADER: &[u8; 16] = b"astrape mark  1\n";

/// Channel, number, commits, checksum.
const ENTRY: usize = 32 + 8 + 8 + 8;

/// Stands for the whole node where a commit moved no channel.
const NODE_WIDE: ChannelKeysId = ChannelKeysId([0; 32]);

/// Entries beyond two for each channel before the log is written anew: about 230 kB.
const MAX_SPARE_ENTRIES: usize = 4_096;

/// Most bytes that are read as a mark: a million entries. The log is compacted long before; what is larger is none.
const MAX_BYTES: u64 = 64 << 20;

/// Most entries of a log that cannot be written anew: half of those that are read, so that none is ever left out.
const MAX_ENTRIES: usize = 600_000;

/// Marks younger than this may be lost with the power. A synced write costs as much as the commit itself.
pub const SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// The mark, open for writing.
#[derive(Debug)]
pub struct MarkFile {
    path: PathBuf,
    node: NodeId,
    /// Absent until the first write of this process.
    file: Option<File>,
    /// The directory of it, open as long: what is renamed in it must be made to reach the disk, also where no file can be opened.
    directory: Option<File>,
    marks: BTreeMap<ChannelKeysId, CommitmentNumber>,
    commits: u64,
    entries: usize,
    /// For how many entries more than usual the log has not been written anew.
    put_off: usize,
    synced: Instant,
    unsynced: bool,
}

/// What a mark was like when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There was none.
    Absent,
    /// Whole, but perhaps for its last entry, which a crash cut short.
    Whole,
    /// Something in it was not as it was written: it proves nothing.
    Damaged,
}

impl MarkFile {
    /// Reads the mark of a node, if there is one. Nothing is written yet: what is found wrong must be noted elsewhere first.
    ///
    /// # Errors
    /// When the file cannot be read. A damaged one is no error: see [`Found`].
    pub fn open(path: &Path, node: NodeId) -> Result<(Self, Found), JournalError> {
        let (found, log) = match read_bounded(path) {
            Ok(bytes) => Log::read(&bytes, &node),
            Err(e) if e.kind() == ErrorKind::NotFound => (Found::Absent, Log::default()),
            Err(e) => return Err(failed(path, &e)),
        };
        let mark = Self {
            path: path.to_owned(),
            node,
            file: None,
            directory: None,
            marks: log.marks,
            commits: log.commits,
            entries: 0,
            put_off: 0,
            synced: Instant::now(),
            unsynced: false,
        };
        Ok((mark, found))
    }

    /// Catches up with what the database knows and writes the log anew: a torn tail is gone then, and it is short.
    ///
    /// # Errors
    /// When it cannot be written; the process must stop.
    pub fn begin(
        &mut self,
        known: &BTreeMap<ChannelKeysId, CommitmentNumber>,
        commits: u64,
    ) -> Result<(), JournalError> {
        for (channel, number) in known {
            let mark = self.marks.entry(*channel).or_insert(*number);
            *mark = (*mark).max(*number);
        }
        self.commits = self.commits.max(commits);
        beside(&self.path).and_then(|beside| self.write_anew(beside)).map_err(|e| failed(&self.path, &e))
    }

    /// The commits that the node had made by the newest entry.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// The newest number of each channel.
    #[must_use]
    pub fn marks(&self) -> &BTreeMap<ChannelKeysId, CommitmentNumber> {
        &self.marks
    }

    /// Says that a commit is durable: how many there are now, and the channels that it moved.
    ///
    /// # Errors
    /// When it cannot be written; the process must stop.
    pub fn advance(
        &mut self,
        commits: u64,
        moved: impl IntoIterator<Item = (ChannelKeysId, CommitmentNumber)>,
    ) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        for (channel, number) in moved {
            self.marks.insert(channel, number);
            bytes.extend(entry(&self.node, &channel, number, commits));
        }
        if bytes.is_empty() {
            bytes.extend(entry(&self.node, &NODE_WIDE, CommitmentNumber(0), commits));
        }
        self.commits = commits;
        self.entries += bytes.len() / ENTRY;
        self.append(&bytes).map_err(|e| failed(&self.path, &e))
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let limit = 2 * self.marks.len() + MAX_SPARE_ENTRIES + self.put_off;
        match &mut self.file {
            Some(file) if self.entries <= limit => file.write_all(bytes)?,
            None => return beside(&self.path).and_then(|beside| self.write_anew(beside)),
            Some(file) => match beside(&self.path) {
                Ok(beside) => return self.write_anew(beside),
                // What a log says does not depend on its length. That the process has used up its files is no reason to stop
                // it, while that the disk fails is one, and is found by what is written.
                Err(error) if self.entries <= MAX_ENTRIES => {
                    tracing::warn!(path = %self.path.display(), %error, "the high-water mark cannot be written anew: it grows");
                    self.put_off += MAX_SPARE_ENTRIES;
                    file.write_all(bytes)?;
                }
                Err(error) => return Err(error),
            },
        }
        self.unsynced = true;
        if self.synced.elapsed() >= SYNC_INTERVAL { self.sync() } else { Ok(()) }
    }

    fn sync(&mut self) -> std::io::Result<()> {
        if let Some(file) = &self.file {
            file.sync_data()?;
        }
        (self.synced, self.unsynced) = (Instant::now(), false);
        Ok(())
    }

    /// Puts a log with one entry a channel, synced, in place of what was there.
    fn write_anew(&mut self, mut beside: File) -> std::io::Result<()> {
        let mut bytes = HEADER.to_vec();
        bytes.extend(entry(&self.node, &NODE_WIDE, CommitmentNumber(0), self.commits));
        for (channel, number) in &self.marks {
            bytes.extend(entry(&self.node, channel, *number, self.commits));
        }
        beside.write_all(&bytes)?;
        beside.sync_all()?;
        if self.directory.is_none() {
            self.directory = self.path.parent().map(File::open).transpose()?;
        }
        std::fs::rename(name_beside(&self.path), &self.path)?;
        if let Some(directory) = &self.directory {
            directory.sync_all()?;
        }
        (self.file, self.entries, self.put_off) = (Some(beside), 1 + self.marks.len(), 0);
        (self.synced, self.unsynced) = (Instant::now(), false);
        Ok(())
    }
}

/// Where a log is written that is to take the place of another.
fn name_beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn beside(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).open(name_beside(path))
}

impl Drop for MarkFile {
    fn drop(&mut self) {
        if self.unsynced
            && let Err(e) = self.sync()
        {
            tracing::warn!(path = %self.path.display(), error = %e, "the high-water mark may lag");
        }
    }
}

/// What a log says at its end.
#[derive(Debug, Default)]
struct Log {
    marks: BTreeMap<ChannelKeysId, CommitmentNumber>,
    commits: u64,
}

impl Log {
    /// Reads all entries that are whole. What follows the last whole one was being written when the process died; a broken one
    /// before it was not.
    fn read(bytes: &[u8], node: &NodeId) -> (Found, Log) {
        let mut log = Log::default();
        let Some(body) = bytes.strip_prefix(HEADER.as_slice()) else {
            return (Found::Damaged, log);
        };
        let (entries, _) = body.as_chunks::<ENTRY>();
        let mut broken_before = false;
        let mut found = Found::Whole;
        for bytes in entries {
            match read_entry(node, bytes) {
                None => broken_before = true,
                Some((channel, number, commits)) => {
                    if broken_before {
                        found = Found::Damaged;
                    }
                    if channel != NODE_WIDE {
                        log.marks.insert(channel, number);
                    }
                    log.commits = log.commits.max(commits);
                }
            }
        }
        // A log starts with a whole entry: it was written at once and synced.
        if log.commits == 0 && broken_before {
            found = Found::Damaged;
        }
        (found, log)
    }
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn entry(node: &NodeId, channel: &ChannelKeysId, number: CommitmentNumber, commits: u64) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..32].copy_from_slice(&channel.0);
    bytes[32..40].copy_from_slice(&number.0.to_be_bytes());
    bytes[40..48].copy_from_slice(&commits.to_be_bytes());
    let sum = checksum(node, &bytes[..48]);
    bytes[48..].copy_from_slice(&sum);
    bytes
}

fn read_entry(node: &NodeId, bytes: &[u8; ENTRY]) -> Option<(ChannelKeysId, CommitmentNumber, u64)> {
    if checksum(node, &bytes[..48]) != bytes[48..] {
        return None;
    }
    let channel = ChannelKeysId(*bytes.first_chunk()?);
    let number = u64::from_be_bytes(*bytes[32..].first_chunk()?);
    let commits = u64::from_be_bytes(*bytes[40..].first_chunk()?);
    Some((channel, CommitmentNumber(number), commits))
}

fn checksum(node: &NodeId, bytes: &[u8]) -> [u8; 8] {
    let mut engine = sha256::Hash::engine();
    engine.input(node.as_bytes());
    engine.input(bytes);
    let hash = sha256::Hash::from_engine(engine).to_byte_array();
    let mut sum = [0; 8];
    sum.copy_from_slice(&hash[..8]);
    sum
}

fn failed(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Io(format!("the high-water mark {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> NodeId {
        NodeId::from_bytes([2; 33]).expect("a point")
    }

    fn open(path: &Path) -> (MarkFile, Found) {
        MarkFile::open(path, node()).expect("the file can be written")
    }

    fn channel(n: u8) -> ChannelKeysId {
        ChannelKeysId([n; 32])
    }

    #[test]
    fn a_mark_remembers_the_newest_number_of_each_channel() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mark");
        let (mut mark, found) = open(&path);
        assert_eq!(found, Found::Absent);
        mark.advance(1, [(channel(1), CommitmentNumber(5))]).expect("written");
        mark.advance(2, [(channel(1), CommitmentNumber(7)), (channel(2), CommitmentNumber(1))])
            .expect("written");
        mark.advance(3, []).expect("written");
        drop(mark);
        let (mark, found) = open(&path);
        assert_eq!((found, mark.commits()), (Found::Whole, 3));
        let expected = BTreeMap::from([(channel(1), CommitmentNumber(7)), (channel(2), CommitmentNumber(1))]);
        assert_eq!(*mark.marks(), expected);
    }

    #[test]
    fn a_mark_that_grows_is_written_anew_and_says_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mark");
        let (mut mark, _) = open(&path);
        let last = 2 * MAX_SPARE_ENTRIES as u64;
        for commit in 1..=last {
            mark.advance(commit, [(channel(1), CommitmentNumber(commit))]).expect("written");
        }
        drop(mark);
        let size = std::fs::metadata(&path).expect("it is there").len();
        assert!(size < 2 * (MAX_SPARE_ENTRIES * ENTRY) as u64, "{size} bytes");
        let (mark, found) = open(&path);
        assert_eq!((found, mark.commits()), (Found::Whole, last));
        assert_eq!(mark.marks()[&channel(1)], CommitmentNumber(last));
    }

    #[test]
    fn a_mark_that_cannot_be_written_anew_goes_on_and_is_once_it_can() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mark");
        let (mut mark, _) = open(&path);
        mark.advance(1, [(channel(1), CommitmentNumber(1))]).expect("written");
        std::fs::create_dir(name_beside(&path)).expect("a directory is in the way");
        let last = 3 * MAX_SPARE_ENTRIES as u64;
        for commit in 2..=last {
            mark.advance(commit, [(channel(1), CommitmentNumber(commit))]).expect("put off");
        }
        let (found, log) = Log::read(&std::fs::read(&path).expect("readable"), &node());
        assert_eq!((found, log.commits), (Found::Whole, last));
        std::fs::remove_dir(name_beside(&path)).expect("empty");
        let later = last + 2 * MAX_SPARE_ENTRIES as u64;
        for commit in last..=later {
            mark.advance(commit, [(channel(1), CommitmentNumber(commit))]).expect("written");
        }
        drop(mark);
        let size = std::fs::metadata(&path).expect("it is there").len();
        assert!(size < 2 * (MAX_SPARE_ENTRIES * ENTRY) as u64, "{size} bytes");
        let (mark, found) = open(&path);
        assert_eq!((found, mark.marks()[&channel(1)]), (Found::Whole, CommitmentNumber(later)));
    }

    #[test]
    fn a_mark_that_cannot_be_written_anew_does_not_grow_beyond_what_is_read() {
        assert!((2 * MAX_ENTRIES * ENTRY) as u64 > MAX_BYTES && (MAX_ENTRIES * ENTRY) as u64 <= MAX_BYTES);
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mark");
        let (mut mark, _) = open(&path);
        mark.advance(1, []).expect("written");
        std::fs::create_dir(name_beside(&path)).expect("a directory is in the way");
        let moved = |count| (0..count).map(|number| (channel(1), CommitmentNumber(number)));
        mark.advance(2, moved(MAX_ENTRIES as u64 / 2)).expect("put off");
        mark.advance(3, moved(MAX_ENTRIES as u64)).expect_err("too long");
    }

    #[test]
    fn a_mark_cut_anywhere_in_its_last_entry_lags_by_that_entry_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mark");
        let (mut mark, _) = open(&path);
        mark.advance(1, [(channel(1), CommitmentNumber(5))]).expect("written");
        mark.advance(2, [(channel(1), CommitmentNumber(6))]).expect("written");
        drop(mark);
        let whole = std::fs::read(&path).expect("readable");
        for cut in 1..ENTRY {
            std::fs::write(&path, &whole[..whole.len() - cut]).expect("writable");
            let (mark, found) = open(&path);
            assert_eq!((found, mark.commits()), (Found::Whole, 1));
            assert_eq!(mark.marks()[&channel(1)], CommitmentNumber(5));
        }
    }

    // attack 83
    #[test]
    fn a_flipped_bit_in_a_mark_is_found_or_only_makes_it_lag() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mark");
        let (mut mark, _) = open(&path);
        mark.advance(1, [(channel(1), CommitmentNumber(5))]).expect("written");
        mark.advance(2, [(channel(2), CommitmentNumber(6))]).expect("written");
        drop(mark);
        let whole = std::fs::read(&path).expect("readable");
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            std::fs::write(&path, &flipped).expect("writable");
            let (mark, found) = open(&path);
            let in_last_entry = at >= whole.len() - ENTRY;
            assert_eq!(found, if in_last_entry { Found::Whole } else { Found::Damaged }, "byte {at}");
            assert!(mark.commits() <= 2);
        }
    }

    #[test]
    fn the_mark_of_another_node_proves_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mark");
        let (mut mark, _) = open(&path);
        mark.advance(1, [(channel(1), CommitmentNumber(5))]).expect("written");
        drop(mark);
        let mut other = [2; 33];
        other[0] = 3;
        let other = NodeId::from_bytes(other).expect("a point");
        let (mark, found) = MarkFile::open(&path, other).expect("the file can be written");
        assert_eq!((found, mark.commits()), (Found::Damaged, 0));
    }
}
