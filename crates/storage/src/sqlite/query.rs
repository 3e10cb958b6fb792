//! What is asked of the tables, by the journal and by its readers alike.

use super::checksum;
use super::error::{damaged, failed};
use super::fact;
use super::names::{self, Names};
use astrape_node::{Entry, JournalError, Key, SeenOnion};
use astrape_primitives::{ChannelKeysId, PaymentHash};
use rusqlite::{Connection, OptionalExtension as _, Params};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

/// All live records.
pub(super) fn records(conn: &Connection) -> Result<BTreeMap<Key, Vec<u8>>, JournalError> {
    // By their places: so all are seen, whatever an index says.
    let mut statement =
        conn.prepare_cached("SELECT key, value FROM records ORDER BY number").map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut records = BTreeMap::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let key = Key(row.get(0).map_err(failed)?);
        let sealed = row.get_ref(1).and_then(|v| Ok(v.as_blob()?)).map_err(failed)?;
        let value = checksum::unseal("records", &key.0, sealed);
        let value = value.ok_or_else(|| damaged("records", format_args!("{key:?}")))?.to_vec();
        match records.entry(key) {
            Place::Vacant(place) => place.insert(value),
            Place::Occupied(place) => {
                return Err(damaged("records", format_args!("{:?} is there twice", place.key())));
            }
        };
    }
    Ok(records)
}

/// Whether each onion was acted on before, in one look at the database.
pub(super) fn onions_seen(
    conn: &Connection,
    names: &Names,
    onions: &[SeenOnion],
) -> Result<Vec<bool>, JournalError> {
    // All of the new ones first: what is merged meanwhile is then in the index.
    let fresh: Vec<bool> = onions.iter().map(|onion| names.knows_onion(onion)).collect();
    let look = conn.unchecked_transaction().map_err(failed)?;
    let seen =
        onions.iter().zip(fresh).map(|(onion, fresh)| Ok(fresh || is_in_index(&look, onion)?)).collect();
    look.commit().map_err(failed)?;
    seen
}

fn is_in_index(conn: &Connection, onion: &SeenOnion) -> Result<bool, JournalError> {
    let mut statement = conn
        .prepare_cached("SELECT 1 FROM onions WHERE cltv_expiry = ?1 AND replay_id = ?2")
        .map_err(failed)?;
    statement.exists((onion.expiry.0, onion.replay_id.0)).map_err(failed)
}

/// The last fact about a payment that this node sent or received.
pub(super) fn last_payment_fact(
    conn: &Connection,
    names: &Names,
    payment_hash: &PaymentHash,
) -> Result<Option<Entry>, JournalError> {
    let number = match names.newest_fact(payment_hash) {
        Some(number) => Some(number.cast_signed()),
        None => names::indexed_payment(conn, payment_hash)?,
    };
    let Some(number) = number else { return Ok(None) };
    let sql = format!("SELECT {} FROM ledger WHERE number = ?1 AND payment_hash = ?2", fact::COLUMNS);
    let found = facts(conn, &sql, (number, payment_hash.0))?;
    // To take it for one that was never paid would pay it twice.
    match found.into_iter().next() {
        Some(fact) => Ok(Some(fact)),
        None => Err(damaged("payments", number)),
    }
}

/// The last fact about an invoice that is held or was cancelled.
pub(super) fn last_invoice_fact(
    conn: &Connection,
    payment_hash: &PaymentHash,
) -> Result<Option<Entry>, JournalError> {
    // The topic is written out: so the index of these facts alone is used.
    let sql = format!(
        "SELECT {} FROM ledger WHERE topic = 'invoice' AND payment_hash = ?1 ORDER BY number DESC LIMIT 1",
        fact::COLUMNS
    );
    Ok(facts(conn, &sql, [payment_hash.0])?.into_iter().next())
}

/// Facts from one number on, oldest first.
pub(super) fn facts_from(conn: &Connection, first: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
    let sql = format!("SELECT {} FROM ledger WHERE number >= ?1 ORDER BY number LIMIT ?2", fact::COLUMNS);
    facts(conn, &sql, (signed(first), limit_of(limit)))
}

/// Facts of a topic before one number, newest first.
pub(super) fn facts_before(
    conn: &Connection,
    topic: &str,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Entry>, JournalError> {
    let sql = format!(
        "SELECT {} FROM ledger WHERE topic = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3",
        fact::COLUMNS
    );
    facts(conn, &sql, (topic, before.map_or(i64::MAX, signed), limit_of(limit)))
}

/// Forwards over a channel, if one is given, from a time on and before another: before one number, newest first.
pub(super) fn forwards_of(
    conn: &Connection,
    channel: Option<&ChannelKeysId>,
    (from_ms, to_ms): (u64, u64),
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Entry>, JournalError> {
    let sql = format!(
        "SELECT {} FROM ledger WHERE topic = ?1 AND number < ?2
             AND (?3 IS NULL OR channel = ?3 OR other_channel = ?3) AND at_ms >= ?4 AND at_ms < ?5
             ORDER BY number DESC LIMIT ?6",
        fact::COLUMNS
    );
    let before = before.map_or(i64::MAX, signed);
    let channel = channel.map(|channel| channel.0);
    facts(conn, &sql, (fact::FORWARD, before, channel, signed(from_ms), signed(to_ms), limit_of(limit)))
}

/// The ends of channels before one number, newest first, of channels whose id begins with `digits`.
pub(super) fn ends_of_channels(
    conn: &Connection,
    digits: &str,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Entry>, JournalError> {
    let sql = format!(
        "SELECT {} FROM ledger WHERE topic = ?1 AND kind = ?2 AND number < ?3
             AND (hex(channel_id) LIKE ?4 || '%' OR hex(channel) LIKE ?4 || '%')
             ORDER BY number DESC LIMIT ?5",
        fact::COLUMNS
    );
    let before = before.map_or(i64::MAX, signed);
    facts(conn, &sql, (fact::CHANNEL, fact::OVER, before, digits, limit_of(limit)))
}

/// What happened to a channel, oldest first: the newest facts of it, where they are too many.
pub(super) fn story_of_channel(
    conn: &Connection,
    channel: &ChannelKeysId,
    limit: usize,
) -> Result<Vec<Entry>, JournalError> {
    // The topic is written out: so the index of these facts alone is used.
    let sql = format!(
        "SELECT {} FROM ledger WHERE topic = 'channel' AND channel = ?1 ORDER BY number DESC LIMIT ?2",
        fact::COLUMNS
    );
    let mut story = facts(conn, &sql, (channel.0, limit_of(limit)))?;
    story.reverse();
    Ok(story)
}

/// How the opening of a channel ended.
pub(super) fn end_of_opening(
    conn: &Connection,
    channel: &ChannelKeysId,
) -> Result<Option<Entry>, JournalError> {
    let sql = format!(
        "SELECT {} FROM ledger WHERE topic = 'channel' AND channel = ?1 AND kind IN (?2, ?3) ORDER BY number LIMIT 1",
        fact::COLUMNS
    );
    Ok(facts(conn, &sql, (channel.0, fact::OPENED, fact::NOT_OPENED))?.into_iter().next())
}

/// The number of the newest fact.
pub(super) fn newest_fact(conn: &Connection) -> Result<Option<u64>, JournalError> {
    let newest = conn
        .prepare_cached("SELECT number FROM ledger ORDER BY number DESC LIMIT 1")
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)).optional());
    Ok(newest.map_err(failed)?.map(i64::cast_unsigned))
}

fn facts(conn: &Connection, sql: &str, params: impl Params) -> Result<Vec<Entry>, JournalError> {
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        facts.push(fact::read(row)?);
    }
    Ok(facts)
}

/// A number that a caller chose: what is beyond the largest of SQLite is beyond all facts.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit.min(super::reader::MAX_PAGE)).unwrap_or(i64::MAX)
}
