//! The tables, and how older ones become today's.
//!
//! `user_version` counts the migrations that were done. One that has shipped never changes: what follows is a new one.

use super::error::failed;
use astrape_node::JournalError;
use astrape_primitives::{Network, NodeId};
use rusqlite::{Connection, TransactionBehavior};

/// "Astr": a database that is not ours is refused before anything is done to it.
const APPLICATION_ID: i32 = 0x4173_7472;

/// Migrations in their order.
const MIGRATIONS: [&str; 9] =
    [INITIAL, FORGETTING, EARNING, STORIES, ARCHIVES, AGES, REQUESTS, NAMES, PAID_INVOICES];

/// How many there were before the archived HTLCs moved.
const BEFORE_ARCHIVES: usize = 4;

/// How many there were before records lay by age.
#[cfg(test)]
const BEFORE_AGES: usize = 5;

/// How many there were before requests had ids.
#[cfg(test)]
const BEFORE_REQUESTS: usize = 6;

const REQUESTS: &str = "
    -- Commands that were carried out under an id which their caller chose, and what came of them.
    CREATE TABLE requests (
        id TEXT PRIMARY KEY,
        digest BLOB NOT NULL,
        kind TEXT NOT NULL,
        payment_hash BLOB,
        channel BLOB,
        txid BLOB,
        amount_sat INTEGER,
        fee_sat INTEGER,
        invoice TEXT,
        checksum BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// How many there were before new hashes were collected.
const BEFORE_NAMES: usize = 7;

/// How many there were before paid invoices were kept.
#[cfg(test)]
const BEFORE_PAID_INVOICES: usize = 8;

const PAID_INVOICES: &str = "
    -- Of a payment that was received for an invoice: its text.
    ALTER TABLE ledger ADD COLUMN invoice TEXT;
";

/// Hashes come into their indexes some time after their rows (`names`). Of the ledger only
/// payments and invoices are looked up by theirs, and of invoices there are few facts.
const NAMES: &str = "
    DROP INDEX ledger_by_payment;
    CREATE INDEX ledger_by_invoice ON ledger (payment_hash, number) WHERE topic = 'invoice';

    -- The newest fact of each payment.
    CREATE TABLE payments (
        payment_hash BLOB PRIMARY KEY,
        number INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- Onions as they came, which are not in `onions` yet.
    CREATE TABLE fresh_onions (
        number INTEGER PRIMARY KEY,
        cltv_expiry INTEGER NOT NULL,
        replay_id BLOB NOT NULL
    ) STRICT;

    -- Up to which row fresh onions are in `onions`, and facts in `payments`.
    CREATE TABLE merged (
        name TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        checksum BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Records lie by their age and not by their keys: payments and HTLCs that begin together change and end together, and what changes
/// together shall lie together, so that a commit writes few pages.
const AGES: &str = "
    CREATE TABLE aged_records (
        number INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        value BLOB NOT NULL
    ) STRICT;
    INSERT INTO aged_records (key, value) SELECT key, value FROM records ORDER BY key;
    DROP TABLE records;
    ALTER TABLE aged_records RENAME TO records;
";

/// What the rows mean is told in `archive`.
const ARCHIVES: &str = "
    -- Channels with archived HTLCs, and the number that stands for each in their rows.
    CREATE TABLE archives (
        channel BLOB PRIMARY KEY,
        number INTEGER NOT NULL,
        checksum BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- HTLCs that are over, for the justice of revoked commitments. Each was in the peer's commitments from number
    -- fork - before - 1 to fork + after - 1.
    CREATE TABLE archived_htlcs (
        channel INTEGER NOT NULL,
        fork INTEGER NOT NULL,
        offered_by INTEGER NOT NULL,
        id INTEGER NOT NULL,
        before INTEGER NOT NULL,
        after INTEGER NOT NULL,
        amount_msat INTEGER NOT NULL,
        payment_hash BLOB NOT NULL,
        cltv_expiry INTEGER NOT NULL,
        checksum BLOB NOT NULL,
        PRIMARY KEY (channel, fork, offered_by, id)
    ) STRICT, WITHOUT ROWID;
";

const EARNING: &str = "
    -- How long a forward was here; the height by which something happens; what applications said with a payment.
    ALTER TABLE ledger ADD COLUMN took_ms INTEGER;
    ALTER TABLE ledger ADD COLUMN height INTEGER;
    ALTER TABLE ledger ADD COLUMN custom BLOB;
    CREATE INDEX ledger_forwards_by_time ON ledger (at_ms) WHERE topic = 'forward';
";

const STORIES: &str = "
    -- What happened to one channel, for the story of its close.
    CREATE INDEX ledger_by_channel ON ledger (channel, number) WHERE topic = 'channel';
";

const FORGETTING: &str = "
    -- Channels that are over and have archived HTLCs left, which are deleted a bounded part at a time.
    CREATE TABLE forgetting (
        channel BLOB PRIMARY KEY
    ) STRICT, WITHOUT ROWID;
";

const INITIAL: &str = "
    -- Whose journal it is, who holds it (the fence), and how many commits it has seen.
    CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        network TEXT NOT NULL,
        node_id BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        commits INTEGER NOT NULL
    ) STRICT;

    -- Live records. A value starts with its checksum.
    CREATE TABLE records (
        key BLOB PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- Facts for people, append-only.
    CREATE TABLE ledger (
        number INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        topic TEXT NOT NULL,
        kind TEXT NOT NULL,
        payment_hash BLOB,
        preimage BLOB,
        channel BLOB,
        other_channel BLOB,
        channel_id BLOB,
        peer BLOB,
        txid BLOB,
        vout INTEGER,
        amount_msat INTEGER,
        fee_msat INTEGER,
        amount_sat INTEGER,
        fee_sat INTEGER,
        by_us INTEGER,
        detail TEXT,
        checksum BLOB NOT NULL
    ) STRICT;
    CREATE INDEX ledger_by_topic ON ledger (topic, number);
    CREATE INDEX ledger_by_payment ON ledger (payment_hash, topic, number) WHERE payment_hash IS NOT NULL;

    -- HTLCs that are over, for the justice of revoked commitments.
    CREATE TABLE retired_htlcs (
        channel BLOB NOT NULL,
        offered_by INTEGER NOT NULL,
        id INTEGER NOT NULL,
        amount_msat INTEGER NOT NULL,
        payment_hash BLOB NOT NULL,
        cltv_expiry INTEGER NOT NULL,
        first_remote INTEGER NOT NULL,
        end_remote INTEGER NOT NULL,
        checksum BLOB NOT NULL,
        PRIMARY KEY (channel, offered_by, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX retired_htlcs_by_commitment ON retired_htlcs (channel, end_remote, first_remote);

    -- Onions that were acted on.
    CREATE TABLE onions (
        cltv_expiry INTEGER NOT NULL,
        replay_id BLOB NOT NULL,
        PRIMARY KEY (cltv_expiry, replay_id)
    ) STRICT, WITHOUT ROWID;

    -- The newest commitment number of each channel: what the mark outside is compared with.
    CREATE TABLE marks (
        channel BLOB PRIMARY KEY,
        number INTEGER NOT NULL,
        checksum BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- Channels that may have gone on since what this database knows.
    CREATE TABLE suspects (
        channel BLOB PRIMARY KEY
    ) STRICT, WITHOUT ROWID;

    -- Of the library that keeps the on-chain wallet.
    CREATE TABLE wallet_changesets (
        number INTEGER PRIMARY KEY,
        json TEXT NOT NULL,
        checksum BLOB NOT NULL
    ) STRICT;
";

/// The version that this program writes.
pub(super) const LATEST: usize = MIGRATIONS.len();

/// How many migrations a database has seen; 0 for an empty one.
///
/// # Errors
/// When it is none of ours, or of a newer version.
pub(super) fn version(conn: &Connection) -> Result<usize, JournalError> {
    let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed);
    let (version, application) = (pragma("user_version")?, pragma("application_id")?);
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))
        .map_err(failed)?;
    let empty = version == 0 && application == 0 && tables == 0;
    if !empty && application != APPLICATION_ID {
        return Err(JournalError::Damaged("the file is a database, but none of Astrape".to_owned()));
    }
    let known = usize::try_from(version).ok().filter(|v| empty || *v > 0);
    match known {
        Some(version) if version <= LATEST => Ok(version),
        Some(version) => Err(JournalError::Newer(format!("schema {version}; this one knows {LATEST}"))),
        None => Err(JournalError::Damaged(format!("it has schema {version}, which never was"))),
    }
}

/// Brings the tables to today's form. Each migration is a transaction; the first says whose journal it is.
///
/// # Errors
/// When the database is damaged, not ours, newer, or cannot be written.
pub(super) fn migrate(conn: &mut Connection, network: Network, node_id: NodeId) -> Result<(), JournalError> {
    migrate_to(LATEST, conn, network, node_id)
}

fn migrate_to(
    latest: usize,
    conn: &mut Connection,
    network: Network,
    node_id: NodeId,
) -> Result<(), JournalError> {
    let done = version(conn)?;
    for (done, migration) in MIGRATIONS.iter().enumerate().take(latest).skip(done) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        tx.execute_batch(migration).map_err(failed)?;
        if done == 0 {
            tx.execute("INSERT INTO meta VALUES (1, ?1, ?2, 0, 0)", (network.name(), node_id.as_bytes()))
                .map_err(failed)?;
        }
        if done == BEFORE_ARCHIVES {
            super::archive::convert(&tx)?;
        }
        if done == BEFORE_NAMES {
            super::names::convert(&tx)?;
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        tx.pragma_update(None, "user_version", (done + 1).to_string()).map_err(failed)?;
        tx.commit().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
