//! Hashes by which rows are looked up: onions that were acted on, and payments of the ledger. New ones are [`Fresh`] for a while;
//! this is where they lie and how they come into their indexes.

use super::error::{damaged, failed};
use super::fresh::{Fresh, Portion};
use super::{checksum, execute, fact};
use astrape_node::{JournalError, SeenOnion, Writes};
use astrape_primitives::{CltvExpiry, PaymentHash, ReplayId};
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// How the table of what was merged calls the payments.
const PAYMENTS: &str = "payments";
/// The same for the onions.
const ONIONS: &str = "onions";

/// Rows are numbered from zero.
const BEFORE_ALL: i64 = -1;

/// Most rows of fresh onions that are in their index by now which one commit deletes.
const MAX_DELETED_PER_COMMIT: i64 = 1_024;

/// The names that are in no index yet, as the writer and its readers see them.
#[derive(Debug)]
pub(super) struct Names(RwLock<Kinds>);

#[derive(Debug)]
struct Kinds {
    onions: Fresh<SeenOnion, ()>,
    /// With the number of the newest fact of each.
    payments: Fresh<PaymentHash, u64>,
    /// Rows of fresh onions up to this one are of no use any more, while there are any.
    useless_to: Option<i64>,
}

/// What a commit merges, from its beginning to its end.
pub(super) struct Merging {
    onions: Portion<SeenOnion, ()>,
    payments: Portion<PaymentHash, u64>,
    /// All that was of no use is deleted.
    is_tidy: bool,
}

impl Names {
    /// Reads those that are in no index.
    ///
    /// # Errors
    /// When SQLite cannot, or what was merged is not as it was written.
    pub(super) fn load(conn: &Connection) -> Result<Self, JournalError> {
        let merged = merged_to(conn, ONIONS)?;
        let mut onions = Fresh::behind(merged);
        let sql = "SELECT number, cltv_expiry, replay_id FROM fresh_onions WHERE number > ?1 ORDER BY number";
        each(conn, sql, [merged], |row| {
            let onion = SeenOnion { expiry: CltvExpiry(row.get(1)?), replay_id: ReplayId(row.get(2)?) };
            onions.add(row.get(0)?, onion, ());
            Ok(())
        })?;
        let from = merged_to(conn, PAYMENTS)?;
        let mut payments = Fresh::behind(from);
        let sql = "SELECT number, payment_hash FROM ledger WHERE topic = ?1 AND number > ?2 ORDER BY number";
        each(conn, sql, (fact::PAYMENT, from), |row| {
            let number: i64 = row.get(0)?;
            payments.add(number, PaymentHash(row.get(1)?), number.cast_unsigned());
            Ok(())
        })?;
        Ok(Self(RwLock::new(Kinds { onions, payments, useless_to: Some(merged) })))
    }

    /// Writes the new names of a commit behind the others, and merges some of them.
    ///
    /// # Errors
    /// When SQLite cannot.
    pub(super) fn write(&self, tx: &Connection, writes: &Writes) -> Result<Merging, JournalError> {
        let kinds = self.read();
        for (row, onion) in (kinds.onions.newest() + 1..).zip(writes.onions()) {
            let sql = "INSERT INTO fresh_onions (number, cltv_expiry, replay_id) VALUES (?1, ?2, ?3)";
            execute(tx, sql, (row, onion.expiry.0, onion.replay_id.0))?;
        }
        let onions = kinds.onions.portion(writes.onions().len());
        for (onion, ()) in &onions.names {
            let sql = "INSERT OR IGNORE INTO onions (cltv_expiry, replay_id) VALUES (?1, ?2)";
            execute(tx, sql, (onion.expiry.0, onion.replay_id.0))?;
        }
        let payments = kinds.payments.portion(writes.ledger().len());
        for (hash, number) in &payments.names {
            put_payment(tx, hash, *number)?;
        }
        put_merged(tx, ONIONS, onions.done)?;
        put_merged(tx, PAYMENTS, payments.done)?;
        let is_tidy = match kinds.useless_to {
            Some(to) => delete_some(tx, to)? == 0,
            None => true,
        };
        Ok(Merging { onions, payments, is_tidy })
    }

    /// Forgets onions whose expiry is below, wherever they are.
    ///
    /// # Errors
    /// When SQLite cannot.
    pub(super) fn forget_onions_before(tx: &Connection, expiry: CltvExpiry) -> Result<(), JournalError> {
        execute(tx, "DELETE FROM onions WHERE cltv_expiry < ?1", [expiry.0])?;
        execute(tx, "DELETE FROM fresh_onions WHERE cltv_expiry < ?1", [expiry.0])?;
        Ok(())
    }

    /// The commit has been made: from now on its names are found here, and those that it merged in their indexes.
    pub(super) fn committed(&self, writes: &Writes, merging: &Merging) {
        let mut kinds = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let kinds: &mut Kinds = &mut kinds;
        for onion in writes.onions() {
            kinds.onions.add(kinds.onions.newest() + 1, *onion, ());
        }
        for (hash, number) in writes.ledger().iter().filter_map(fact::payment) {
            kinds.payments.add(number.cast_signed(), hash, number);
        }
        if let Some(expiry) = writes.forget_onions_before() {
            kinds.onions.forget_below(&SeenOnion { expiry, replay_id: ReplayId([0; 32]) });
        }
        if merging.is_tidy {
            kinds.useless_to = None;
        }
        kinds.useless_to = merging.onions.done.or(kinds.useless_to);
        kinds.onions.merged(&merging.onions);
        kinds.payments.merged(&merging.payments);
    }

    /// Whether an onion was acted on before, as far as it is known here: the index has to be asked after this and not before, for what
    /// leaves here is there.
    pub(super) fn knows_onion(&self, onion: &SeenOnion) -> bool {
        self.read().onions.find(onion).is_some()
    }

    /// The newest fact of a payment, as far as it is known here; the index after this, as for onions.
    pub(super) fn newest_fact(&self, payment_hash: &PaymentHash) -> Option<u64> {
        self.read().payments.find(payment_hash)
    }

    fn read(&self) -> RwLockReadGuard<'_, Kinds> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fills the index of payments from a ledger that had another, and says that all is merged.
pub(super) fn convert(tx: &Connection) -> Result<(), JournalError> {
    let newest: Option<i64> = tx
        .query_row("SELECT max(number) FROM ledger WHERE topic = ?1", [fact::PAYMENT], |row| row.get(0))
        .map_err(failed)?;
    let sql = "INSERT INTO payments (payment_hash, number) SELECT payment_hash, max(number) FROM ledger \
        WHERE topic = ?1 AND payment_hash IS NOT NULL GROUP BY payment_hash ORDER BY payment_hash";
    execute(tx, sql, [fact::PAYMENT])?;
    put_merged(tx, PAYMENTS, Some(newest.unwrap_or(BEFORE_ALL)))?;
    put_merged(tx, ONIONS, Some(BEFORE_ALL))
}

/// The number of the newest fact of a payment that is in the index.
pub(super) fn indexed_payment(conn: &Connection, hash: &PaymentHash) -> Result<Option<i64>, JournalError> {
    conn.prepare_cached("SELECT number FROM payments WHERE payment_hash = ?1")
        .and_then(|mut statement| statement.query_row([hash.0], |row| row.get(0)).optional())
        .map_err(failed)
}

fn put_payment(tx: &Connection, hash: &PaymentHash, number: u64) -> Result<(), JournalError> {
    let sql = "INSERT INTO payments (payment_hash, number) VALUES (?1, ?2) \
        ON CONFLICT (payment_hash) DO UPDATE SET number = max(number, excluded.number)";
    execute(tx, sql, (hash.0, number.cast_signed()))?;
    Ok(())
}

fn delete_some(tx: &Connection, to: i64) -> Result<usize, JournalError> {
    let sql = "DELETE FROM fresh_onions WHERE number <= ?1 \
        AND number < (SELECT min(number) FROM fresh_onions) + ?2";
    execute(tx, sql, (to, MAX_DELETED_PER_COMMIT))
}

fn merged_to(conn: &Connection, name: &str) -> Result<i64, JournalError> {
    let row: Option<(i64, Vec<u8>)> = conn
        .query_row("SELECT number, checksum FROM merged WHERE name = ?1", [name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(failed)?;
    match row {
        Some((number, sum)) if sum == merged_checksum(name, number) => Ok(number),
        _ => Err(damaged("merged", name)),
    }
}

fn put_merged(tx: &Connection, name: &str, number: Option<i64>) -> Result<(), JournalError> {
    if let Some(number) = number {
        let sql = "INSERT OR REPLACE INTO merged (name, number, checksum) VALUES (?1, ?2, ?3)";
        execute(tx, sql, (name, number, merged_checksum(name, number)))?;
    }
    Ok(())
}

fn merged_checksum(name: &str, number: i64) -> [u8; checksum::LEN] {
    checksum::of_bytes("merged", &[name.as_bytes(), &number.to_be_bytes()])
}

fn each(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> Result<(), JournalError> {
    let mut statement = conn.prepare(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        take(row).map_err(failed)?;
    }
    Ok(())
}
