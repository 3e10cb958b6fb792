//! The rows of a commit.

use super::error::failed;
use super::names::{Merging, Names};
use super::{archive, checksum, fact, request};
use astrape_node::{JournalError, Writes};
use rusqlite::{Connection, Transaction, params_from_iter};

/// Writes all rows but the marks. What is returned is for [`Names::committed`].
///
/// # Errors
/// When SQLite cannot.
pub(super) fn write_rows(
    tx: &Transaction<'_>,
    writes: &Writes,
    names: &Names,
) -> Result<Merging, JournalError> {
    for (key, value) in writes.records() {
        match value {
            Some(value) => {
                let row = (&key.0, checksum::seal("records", &key.0, value));
                execute(tx, PUT_RECORD, row)?
            }
            None => execute(tx, "DELETE FROM records WHERE key = ?1", [&key.0])?,
        };
    }
    for entry in writes.ledger() {
        execute(tx, INSERT_FACT, params_from_iter(fact::values(entry)))?;
    }
    for past in writes.requests() {
        request::add(tx, past)?;
    }
    archive::add(tx, writes.retired())?;
    let merging = names.write(tx, writes)?;
    if let Some(expiry) = writes.forget_onions_before() {
        Names::forget_onions_before(tx, expiry)?;
    }
    for channel in writes.forget_retired() {
        execute(tx, "INSERT OR IGNORE INTO forgetting (channel) VALUES (?1)", [channel.0])?;
    }
    archive::forget_some(tx)?;
    Ok(merging)
}

/// A record keeps its place when its value changes.
const PUT_RECORD: &str =
    "INSERT INTO records (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// All columns by their names: the table has got some behind its checksum.
const INSERT_FACT: &str = "INSERT INTO ledger (number, at_ms, topic, kind, payment_hash, preimage, channel, \
    other_channel, channel_id, peer, txid, vout, amount_msat, fee_msat, amount_sat, fee_sat, by_us, detail, took_ms, \
    height, custom, invoice, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
    ?19, ?20, ?21, ?22, ?23)";

/// Executes a statement that is planned once.
///
/// # Errors
/// When SQLite cannot.
pub(super) fn execute(
    tx: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<usize, JournalError> {
    tx.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(failed)
}
