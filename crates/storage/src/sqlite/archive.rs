//! HTLCs that are over, for the justice of revoked commitments: found by a commitment's number without looking through others.
//!
//! An HTLC was in the peer's commitments of an interval of numbers. It lies under its *fork*: the number of the interval
//! that has the most trailing zeros. The numbers form a binary tree, each node in the middle of what is below it; the fork is
//! the highest node inside the interval, and all HTLCs under one fork were in that one commitment together, so that they are
//! never more than a commitment holds. A commitment's HTLCs lie under the nodes above it: some dozens, each looked up directly.
//!
//! Numbers are counted from one here: zero is no node of the tree. A channel has a short number, so that its name is not in
//! each row.

use super::error::{damaged, failed};
use super::{checksum, execute};
use astrape_node::{JournalError, MAX_FORGOTTEN_PER_COMMIT, RetiredHtlc};
use astrape_primitives::{ChannelKeysId, CltvExpiry, CommitmentNumber, HtlcId, Msat, PaymentHash, Side};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

/// Commitment numbers have 48 bits (BOLT 3), and one more when counted from one.
const LEVELS: u32 = 49;

/// The number with the most trailing zeros from `first` to `last`, both at least one, in this order.
fn fork(first: u64, last: u64) -> u64 {
    // Above the highest bit in which the two around it differ, all numbers of the interval are alike.
    match ((first - 1) ^ last).checked_ilog2() {
        Some(bit) => (last >> bit) << bit,
        None => last,
    }
}

/// The nodes of the tree that have `number` below them, and itself.
fn path(number: u64) -> impl Iterator<Item = u64> {
    (number.trailing_zeros()..LEVELS).map(move |level| (number >> level >> 1 << 1 << level) | (1 << level))
}

/// Adds HTLCs.
pub(super) fn add(conn: &Connection, htlcs: &[RetiredHtlc]) -> Result<(), JournalError> {
    let mut last = None;
    for htlc in htlcs {
        let number = match last {
            Some((channel, number)) if channel == htlc.channel => number,
            _ => number_of_new(conn, &htlc.channel)?,
        };
        last = Some((htlc.channel, number));
        // One that was in no commitment of the peer is never asked for.
        let Some(values) = values(number, htlc) else { continue };
        let sql = "INSERT OR REPLACE INTO archived_htlcs (channel, fork, offered_by, id, before, after, amount_msat, \
            payment_hash, cltv_expiry, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        execute(conn, sql, params_from_iter(values))?;
    }
    Ok(())
}

/// Those that a commitment of the peer had, by side and id. Each adds a claim to the justice of a revoked commitment: one that is
/// damaged is left out, so that the others are claimed.
pub(super) fn of_commitment(
    conn: &Connection,
    channel: &ChannelKeysId,
    commitment: CommitmentNumber,
) -> Result<Vec<RetiredHtlc>, JournalError> {
    let Some(number) = number_of(conn, channel)? else { return Ok(Vec::new()) };
    let mut statement = conn
        .prepare_cached(
            "SELECT fork, offered_by, id, before, after, amount_msat, payment_hash, cltv_expiry, checksum
             FROM archived_htlcs WHERE channel = ?1 AND fork = ?2 AND ?3 BETWEEN fork - before AND fork + after",
        )
        .map_err(failed)?;
    let at = commitment.0.saturating_add(1);
    let mut htlcs = Vec::new();
    for node in path(at) {
        let mut rows = statement.query((number, node.cast_signed(), at.cast_signed())).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            match read(number, *channel, row) {
                Ok(htlc) => htlcs.push(htlc),
                Err(error) => {
                    tracing::error!(%channel, %error, "an HTLC of a revoked commitment cannot be claimed")
                }
            }
        }
    }
    htlcs.sort_by_key(|htlc| (htlc.offered_by == Side::Remote, htlc.id));
    Ok(htlcs)
}

/// Deletes a bounded part of what channels that are over have left (attack 84).
pub(super) fn forget_some(conn: &Connection) -> Result<(), JournalError> {
    let first = conn
        .prepare_cached("SELECT channel FROM forgetting LIMIT 1")
        .and_then(|mut s| s.query_row([], |row| row.get::<_, [u8; 32]>(0)).optional())
        .map_err(failed)?;
    let Some(channel) = first else { return Ok(()) };
    let sql = "DELETE FROM archived_htlcs WHERE (channel, fork, offered_by, id) IN \
        (SELECT channel, fork, offered_by, id FROM archived_htlcs WHERE channel = ?1 LIMIT ?2)";
    let most = i64::try_from(MAX_FORGOTTEN_PER_COMMIT).unwrap_or(i64::MAX);
    let gone = match number_of(conn, &ChannelKeysId(channel))? {
        Some(number) => execute(conn, sql, (number, most))?,
        None => 0,
    };
    if gone < MAX_FORGOTTEN_PER_COMMIT {
        execute(conn, "DELETE FROM archives WHERE channel = ?1", [channel])?;
        execute(conn, "DELETE FROM forgetting WHERE channel = ?1", [channel])?;
    }
    Ok(())
}

/// Holds that each channel's number is as it was given: with another, nothing would be found.
pub(super) fn check(conn: &Connection) -> Result<(), JournalError> {
    let mut statement = conn.prepare("SELECT channel, number, checksum FROM archives").map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let channel = ChannelKeysId(row.get(0).map_err(failed)?);
        let (number, sum) = (row.get(1).map_err(failed)?, row.get::<_, Vec<u8>>(2).map_err(failed)?);
        if sum != archive_checksum(&channel, number) {
            return Err(damaged("archives", channel));
        }
    }
    Ok(())
}

/// Moves the rows of the table that there was before.
pub(super) fn convert(conn: &Connection) -> Result<(), JournalError> {
    let mut statement = conn
        .prepare(
            "SELECT channel, offered_by, id, amount_msat, payment_hash, cltv_expiry, first_remote, end_remote, checksum
             FROM retired_htlcs",
        )
        .map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        add(conn, &[read_old(row)?])?;
    }
    drop(rows);
    drop(statement);
    conn.execute_batch("DROP TABLE retired_htlcs").map_err(failed)
}

fn archive_checksum(channel: &ChannelKeysId, number: i64) -> [u8; checksum::LEN] {
    checksum::of_bytes("archives", &[&channel.0, &number.to_be_bytes()])
}

/// The number of a channel that has an archive.
fn number_of(conn: &Connection, channel: &ChannelKeysId) -> Result<Option<i64>, JournalError> {
    conn.prepare_cached("SELECT number FROM archives WHERE channel = ?1")
        .and_then(|mut statement| statement.query_row([channel.0], |row| row.get(0)).optional())
        .map_err(failed)
}

/// The same; it is given one where it has none.
fn number_of_new(conn: &Connection, channel: &ChannelKeysId) -> Result<i64, JournalError> {
    if let Some(number) = number_of(conn, channel)? {
        return Ok(number);
    }
    let next: i64 = conn
        .prepare_cached("SELECT coalesce(max(number), 0) + 1 FROM archives")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed)?;
    let row = (channel.0, next, archive_checksum(channel, next));
    execute(conn, "INSERT INTO archives (channel, number, checksum) VALUES (?1, ?2, ?3)", row)?;
    Ok(next)
}

/// The columns of an HTLC in the order of the table, its checksum last; `None` when no commitment of the peer had it.
fn values(number: i64, htlc: &RetiredHtlc) -> Option<Vec<Value>> {
    let (first, last) = (htlc.first_remote.0.checked_add(1)?, htlc.end_remote.0);
    if first > last {
        return None;
    }
    let fork = fork(first, last);
    let mut values = vec![
        Value::Integer(number),
        Value::Integer(fork.cast_signed()),
        Value::Integer(match htlc.offered_by {
            Side::Local => 0,
            Side::Remote => 1,
        }),
        Value::Integer(htlc.id.0.cast_signed()),
        Value::Integer((fork - first).cast_signed()),
        Value::Integer((last - fork).cast_signed()),
        Value::Integer(htlc.amount.0.cast_signed()),
        Value::Blob(htlc.payment_hash.0.to_vec()),
        Value::Integer(i64::from(htlc.cltv_expiry.0)),
    ];
    // With the name of the channel: what its number says must be so.
    let named: Vec<Value> =
        [Value::Blob(htlc.channel.0.to_vec())].into_iter().chain(values.clone()).collect();
    values.push(Value::Blob(checksum::of_values("archived_htlcs", &named).to_vec()));
    Some(values)
}

fn read(number: i64, channel: ChannelKeysId, row: &Row<'_>) -> Result<RetiredHtlc, JournalError> {
    let at = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned).map_err(failed);
    let (fork, id) = (at(0)?, at(2)?);
    let wrong = || damaged("archived_htlcs", id);
    let htlc = RetiredHtlc {
        channel,
        offered_by: match at(1)? {
            0 => Side::Local,
            1 => Side::Remote,
            _ => return Err(wrong()),
        },
        id: HtlcId(id),
        first_remote: CommitmentNumber(
            fork.checked_sub(at(3)?).and_then(|first| first.checked_sub(1)).ok_or_else(wrong)?,
        ),
        end_remote: CommitmentNumber(fork.checked_add(at(4)?).ok_or_else(wrong)?),
        amount: Msat(at(5)?),
        payment_hash: PaymentHash(row.get(6).map_err(failed)?),
        cltv_expiry: CltvExpiry(row.get(7).map_err(failed)?),
    };
    let sum: Value = row.get(8).map_err(failed)?;
    if values(number, &htlc).as_ref().and_then(|v| v.last()) == Some(&sum) { Ok(htlc) } else { Err(wrong()) }
}

/// A row as it was before, with its checksum.
fn read_old(row: &Row<'_>) -> Result<RetiredHtlc, JournalError> {
    let values: Vec<Value> =
        (0..8).map(|column| row.get(column)).collect::<Result<_, _>>().map_err(failed)?;
    let at = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned).map_err(failed);
    let bytes = |column: usize| row.get::<_, [u8; 32]>(column).map_err(failed);
    let id = at(2)?;
    let wrong = || damaged("retired_htlcs", id);
    let sum: Vec<u8> = row.get(8).map_err(failed)?;
    if sum != checksum::of_values("retired_htlcs", &values) {
        return Err(wrong());
    }
    Ok(RetiredHtlc {
        channel: ChannelKeysId(bytes(0)?),
        offered_by: match at(1)? {
            0 => Side::Local,
            1 => Side::Remote,
            _ => return Err(wrong()),
        },
        id: HtlcId(id),
        amount: Msat(at(3)?),
        payment_hash: PaymentHash(bytes(4)?),
        cltv_expiry: CltvExpiry(row.get(5).map_err(failed)?),
        first_remote: CommitmentNumber(at(6)?),
        end_remote: CommitmentNumber(at(7)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fork_of_an_interval_is_on_the_path_of_each_of_its_numbers_and_of_no_other_that_it_is_not_above() {
        for first in 1..70_u64 {
            for last in first..70 {
                let fork = fork(first, last);
                assert!((first..=last).contains(&fork));
                let most = (first..=last).max_by_key(|n| n.trailing_zeros());
                assert_eq!(Some(fork), most, "{first} to {last}");
                assert!((first..=last).all(|number| path(number).any(|node| node == fork)));
            }
        }
        let end = (1 << 48) - 1;
        assert_eq!(fork(1, end), 1 << 47);
        for number in [1, 2, 3, end, end + 1, 1 << 47] {
            assert!(path(number).count() <= LEVELS as usize);
            assert!(path(number).any(|node| node == number), "itself");
            assert!(path(number).all(|node| node <= 1 << 48 && node > 0));
        }
    }
}
