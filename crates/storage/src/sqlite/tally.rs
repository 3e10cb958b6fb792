//! Forwards, counted and added up where they lie.

use super::error::failed;
use astrape_node::JournalError;
use rusqlite::{Connection, Params, Row};
use std::collections::BTreeMap;

/// Most periods that are told at once.
const MAX_PERIODS: u64 = 1_000;

/// What became of forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that went through.
    pub forwarded: u64,
    /// Those that this node failed.
    pub failed_here: u64,
    /// Those that failed further down the way.
    pub failed_beyond: u64,
    /// What went out, in millisatoshi.
    pub amount_msat: u64,
    /// What was earned, in millisatoshi.
    pub fee_msat: u64,
    /// How long those that went through were here, in milliseconds, added up.
    pub took_ms: u64,
}

/// What became of the forwards of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelTally {
    /// Our own name for it.
    pub channel: [u8; 32],
    /// Those that came in over it.
    pub incoming: Tally,
    /// Those that went out, or were to go out, over it.
    pub outgoing: Tally,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn with(&self, other: &Tally) -> Tally {
        Tally {
            forwarded: self.forwarded + other.forwarded,
            failed_here: self.failed_here + other.failed_here,
            failed_beyond: self.failed_beyond + other.failed_beyond,
            amount_msat: self.amount_msat.saturating_add(other.amount_msat),
            fee_msat: self.fee_msat.saturating_add(other.fee_msat),
            took_ms: self.took_ms.saturating_add(other.took_ms),
        }
    }

    /// From the columns that [`SUMS`] selects, which begin at `first`.
    fn read(row: &Row<'_>, first: usize) -> Result<Tally, JournalError> {
        let number = |column: usize| -> Result<u64, JournalError> {
            row.get::<_, i64>(first + column).map(i64::cast_unsigned).map_err(failed)
        };
        Ok(Tally {
            forwarded: number(0)?,
            failed_here: number(1)?,
            failed_beyond: number(2)?,
            amount_msat: number(3)?,
            fee_msat: number(4)?,
            took_ms: number(5)?,
        })
    }
}

/// A failure of which the first version did not say where counts as ours.
const SUMS: &str = "
    COUNT(*) FILTER (WHERE kind = 'forwarded'),
    COUNT(*) FILTER (WHERE kind <> 'forwarded' AND by_us IS NOT 0),
    COUNT(*) FILTER (WHERE kind <> 'forwarded' AND by_us = 0),
    COALESCE(SUM(amount_msat) FILTER (WHERE kind = 'forwarded'), 0),
    COALESCE(SUM(fee_msat) FILTER (WHERE kind = 'forwarded'), 0),
    COALESCE(SUM(took_ms) FILTER (WHERE kind = 'forwarded'), 0)";

/// Forwards from a time on and before another, by those periods that have any, counted from 1970 on.
pub(super) fn by_period(
    conn: &Connection,
    from_ms: u64,
    to_ms: u64,
    period_ms: u64,
) -> Result<Vec<(u64, Tally)>, JournalError> {
    let sql = format!(
        "SELECT at_ms / ?3, {SUMS} FROM ledger WHERE topic = 'forward' AND at_ms >= ?1 AND at_ms < ?2
         GROUP BY 1 ORDER BY 1 LIMIT {MAX_PERIODS}"
    );
    let period = signed(period_ms.max(1));
    rows(conn, &sql, (signed(from_ms), signed(to_ms), period), |row| {
        Ok((row.get::<_, i64>(0).map_err(failed)?.cast_unsigned(), Tally::read(row, 1)?))
    })
}

/// The same by channel. There are no more than the node ever had.
pub(super) fn by_channel(
    conn: &Connection,
    from_ms: u64,
    to_ms: u64,
) -> Result<Vec<ChannelTally>, JournalError> {
    let mut channels: BTreeMap<[u8; 32], ChannelTally> = BTreeMap::new();
    for column in ["channel", "other_channel"] {
        let sql = format!(
            "SELECT {column}, {SUMS} FROM ledger WHERE topic = 'forward' AND at_ms >= ?1 AND at_ms < ?2
             AND {column} IS NOT NULL GROUP BY 1"
        );
        let found = rows(conn, &sql, (signed(from_ms), signed(to_ms)), |row| {
            Ok((row.get::<_, [u8; 32]>(0).map_err(failed)?, Tally::read(row, 1)?))
        })?;
        for (channel, tally) in found {
            let entry = channels.entry(channel).or_default();
            entry.channel = channel;
            match column {
                "channel" => entry.incoming = tally,
                _ => entry.outgoing = tally,
            }
        }
    }
    Ok(channels.into_values().collect())
}

fn rows<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, JournalError>,
) -> Result<Vec<T>, JournalError> {
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// A time that a caller chose: what is beyond the largest of SQLite is beyond all times.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
