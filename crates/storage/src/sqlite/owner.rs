//! Whose the journal is: the row that names its node, the fence against a second process, and the marks that tell an old copy.

use super::error::{damaged, failed};
use super::{Opened, checksum, execute};
use crate::mark::{Found, MarkFile};
use astrape_node::JournalError;
use astrape_primitives::{ChannelKeysId, CommitmentNumber, Network, NodeId};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use std::collections::BTreeMap;

/// Who holds the database: taken over by each process that opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(i64);

impl Epoch {
    /// Whether we still hold it, in the transaction that is to write.
    ///
    /// # Errors
    /// When we do not.
    pub(super) fn check(self, tx: &Transaction<'_>) -> Result<(), JournalError> {
        let present: i64 = tx
            .prepare_cached("SELECT epoch FROM meta")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(failed)?;
        if Epoch(present) == self { Ok(()) } else { Err(self.lost(present)) }
    }

    /// Counts a commit, in the transaction that is to write it.
    ///
    /// # Errors
    /// When another process has taken the database over.
    pub(super) fn count(self, tx: &Transaction<'_>, commits: u64) -> Result<(), JournalError> {
        let row = (commits.cast_signed(), self.0);
        if execute(tx, "UPDATE meta SET commits = ?1 WHERE epoch = ?2", row)? == 1 {
            return Ok(());
        }
        self.check(tx)?;
        Err(damaged("meta", 1))
    }

    fn lost(self, present: i64) -> JournalError {
        JournalError::Fenced(format!("epoch {present} took over from ours, {}", self.0))
    }
}

/// The row that says whose journal it is.
struct Meta {
    network: String,
    node_id: Vec<u8>,
    epoch: i64,
    commits: u64,
}

/// Makes the journal this process's, and compares it with the mark.
///
/// # Errors
/// When it is of another node or network, or SQLite cannot.
pub(super) fn take_over(
    conn: &mut Connection,
    network: Network,
    node_id: NodeId,
    new: bool,
    (mark, found): (&MarkFile, Found),
) -> Result<(Epoch, BTreeMap<ChannelKeysId, CommitmentNumber>, u64, Opened), JournalError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let meta = read_meta(&tx)?;
    if meta.network != network.name() {
        return Err(JournalError::Foreign(format!("it is for {}, and the node for {network}", meta.network)));
    }
    if meta.node_id != node_id.as_bytes() {
        let owner: String = meta.node_id.iter().map(|b| format!("{b:02x}")).collect();
        return Err(JournalError::Foreign(format!("it is of node {owner}, and this is {node_id}")));
    }
    let marks = read_marks(&tx)?;
    let stale = if new { None } else { staleness(&meta, &marks, mark, found) };
    let is_led = |channel: &ChannelKeysId, number| {
        marks.get(channel).is_none_or(|known: &CommitmentNumber| known < number)
    };
    let led: Vec<ChannelKeysId> = match found {
        Found::Whole if !new => mark
            .marks()
            .iter()
            .filter(|(channel, number)| is_led(channel, number))
            .map(|(channel, _)| *channel)
            .collect(),
        // One that is damaged proves nothing.
        Found::Whole | Found::Absent | Found::Damaged => Vec::new(),
    };
    // Where a commit is missing, or nothing tells that none is, any of them may have gone on: what closes one moves no number.
    let unknown = marks.keys().filter(|_| stale.is_some());
    for channel in led.iter().chain(unknown) {
        execute(&tx, "INSERT OR IGNORE INTO suspects (channel) VALUES (?1)", [channel.0])?;
    }
    let suspect = read_suspects(&tx)?;
    let commits = meta.commits.max(mark.commits());
    let epoch = Epoch(meta.epoch + 1);
    execute(&tx, "UPDATE meta SET epoch = ?1, commits = ?2", (epoch.0, commits.cast_signed()))?;
    tx.commit().map_err(failed)?;
    Ok((epoch, marks, commits, Opened { new, suspect, led, stale }))
}

/// Why the database seems to be older than what the node has done.
fn staleness(
    meta: &Meta,
    marks: &BTreeMap<ChannelKeysId, CommitmentNumber>,
    mark: &MarkFile,
    found: Found,
) -> Option<String> {
    match found {
        // Before the first commit there is nothing that could be old.
        Found::Absent if meta.commits == 0 && marks.is_empty() => None,
        Found::Absent => Some("the high-water mark is missing: the database may be a copy".to_owned()),
        Found::Damaged => Some("the high-water mark is damaged or of another node".to_owned()),
        Found::Whole if mark.commits() > meta.commits => Some(format!(
            "the database knows {} commits, but the node has made {}: it is an old copy",
            meta.commits,
            mark.commits()
        )),
        Found::Whole => None,
    }
}

fn read_meta(tx: &Transaction<'_>) -> Result<Meta, JournalError> {
    let row = tx
        .query_row("SELECT network, node_id, epoch, commits FROM meta", [], |row| {
            Ok(Meta {
                network: row.get(0)?,
                node_id: row.get(1)?,
                epoch: row.get(2)?,
                commits: row.get::<_, i64>(3)?.cast_unsigned(),
            })
        })
        .optional()
        .map_err(failed)?;
    row.ok_or_else(|| damaged("meta", 1))
}

fn read_marks(tx: &Transaction<'_>) -> Result<BTreeMap<ChannelKeysId, CommitmentNumber>, JournalError> {
    let mut statement = tx.prepare("SELECT channel, number, checksum FROM marks").map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut marks = BTreeMap::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let channel = ChannelKeysId(row.get(0).map_err(failed)?);
        let number = row.get::<_, i64>(1).map_err(failed)?.cast_unsigned();
        let sum: Vec<u8> = row.get(2).map_err(failed)?;
        if sum != mark_checksum(&channel, number) {
            return Err(damaged("marks", channel));
        }
        marks.insert(channel, CommitmentNumber(number));
    }
    Ok(marks)
}

fn read_suspects(tx: &Transaction<'_>) -> Result<Vec<ChannelKeysId>, JournalError> {
    let mut statement = tx.prepare("SELECT channel FROM suspects ORDER BY channel").map_err(failed)?;
    let rows = statement.query_map([], |row| row.get(0).map(ChannelKeysId)).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

fn mark_checksum(channel: &ChannelKeysId, number: u64) -> [u8; checksum::LEN] {
    checksum::of_bytes("marks", &[&channel.0, &number.to_be_bytes()])
}

/// Moves the mark of a channel.
///
/// # Errors
/// When SQLite cannot.
pub(super) fn write_mark(
    tx: &Transaction<'_>,
    channel: &ChannelKeysId,
    number: CommitmentNumber,
) -> Result<(), JournalError> {
    let row = (channel.0, number.0.cast_signed(), mark_checksum(channel, number.0));
    execute(tx, "INSERT OR REPLACE INTO marks (channel, number, checksum) VALUES (?1, ?2, ?3)", row)?;
    Ok(())
}
