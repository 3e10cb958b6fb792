//! Changesets of the library that keeps the on-chain wallet: texts in their order. What they mean is known to it alone.

use super::error::{damaged, failed};
use super::turns::{Turns, begin};
use super::{Epoch, checksum};
use astrape_node::JournalError;
use rusqlite::Connection;
use std::sync::Arc;

/// The changesets, on a connection of their own. Not part of a step: the node's own coins are records.
#[derive(Debug)]
pub struct WalletChangesets {
    pub(super) conn: Connection,
    epoch: Epoch,
    /// Shared with the journal.
    turns: Arc<Turns>,
}

impl WalletChangesets {
    pub(super) fn new(conn: Connection, epoch: Epoch, turns: Arc<Turns>) -> Self {
        Self { conn, epoch, turns }
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// When they cannot be read whole.
    pub fn read(&self) -> Result<Vec<String>, JournalError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT number, json, checksum FROM wallet_changesets ORDER BY number")
            .map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut texts = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let number: i64 = row.get(0).map_err(failed)?;
            let json: String = row.get(1).map_err(failed)?;
            let sum: Vec<u8> = row.get(2).map_err(failed)?;
            if sum != checksum_of(number, &json) {
                return Err(damaged("wallet_changesets", number));
            }
            texts.push(json);
        }
        Ok(texts)
    }

    /// Adds one. It is durable when this returns.
    ///
    /// # Errors
    /// When it is not.
    pub fn append(&mut self, json: &str) -> Result<(), JournalError> {
        self.write(json, false)
    }

    /// Puts one that says the same in place of all.
    ///
    /// # Errors
    /// When it is not durable; all are then as before.
    pub fn replace(&mut self, json: &str) -> Result<(), JournalError> {
        self.write(json, true)
    }

    fn write(&mut self, json: &str, alone: bool) -> Result<(), JournalError> {
        let _turn = self.turns.take();
        let tx = begin(&self.conn)?;
        self.epoch.check(&tx)?;
        if alone {
            tx.execute("DELETE FROM wallet_changesets", []).map_err(failed)?;
        }
        let last: i64 = tx
            .query_row("SELECT coalesce(max(number), 0) FROM wallet_changesets", [], |row| row.get(0))
            .map_err(failed)?;
        let number = last + 1;
        tx.prepare_cached("INSERT INTO wallet_changesets (number, json, checksum) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute((number, json, checksum_of(number, json))))
            .map_err(failed)?;
        tx.commit().map_err(failed)
    }
}

fn checksum_of(number: i64, json: &str) -> [u8; checksum::LEN] {
    checksum::of_bytes("wallet_changesets", &[&number.to_be_bytes(), json.as_bytes()])
}
