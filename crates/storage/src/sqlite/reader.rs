//! Lookups beside the journal, on a connection of their own: they never wait for a commit, and no commit waits for them.

use super::error::failed;
use super::names::Names;
use super::tally::{self, ChannelTally, Tally};
use super::{archive, fact, query, request, schema};
use astrape_node::{Entry, JournalError, PastRequest, RequestId, RetiredHtlc, SeenOnion};
use astrape_primitives::{ChannelKeysId, CommitmentNumber, PaymentHash};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::Arc;

/// Most facts in one answer: bounds the memory that a caller of the API can make us use.
pub const MAX_PAGE: usize = 1_000;

/// A reader of what was committed. One thread at a time; open more for more.
#[derive(Debug)]
pub struct SqliteReader {
    conn: Connection,
    names: Arc<Names>,
}

impl SqliteReader {
    /// Opens a reader of the journal in a directory, which shares the newest names with its writer.
    ///
    /// # Errors
    /// When there is none, or it is none that this version can read.
    pub(super) fn open(directory: &Path, names: Arc<Names>) -> Result<Self, JournalError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(directory.join(super::DATABASE), flags).map_err(failed)?;
        super::set_up(&conn)?;
        conn.pragma_update(None, "query_only", true).map_err(failed)?;
        match schema::version(&conn)? {
            schema::LATEST => Ok(Self { conn, names }),
            older => Err(JournalError::Io(format!(
                "the database has schema {older}, which this version brings to {} when the node starts",
                schema::LATEST
            ))),
        }
    }

    /// Whether each of several onions was acted on before, in one look: what is in the database is found once, and not anew for each.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn onions_seen(&self, onions: &[SeenOnion]) -> Result<Vec<bool>, JournalError> {
        query::onions_seen(&self.conn, &self.names, onions)
    }

    /// The last fact about a payment that this node sent or received.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn last_payment_fact(&self, payment_hash: &PaymentHash) -> Result<Option<Entry>, JournalError> {
        query::last_payment_fact(&self.conn, &self.names, payment_hash)
    }

    /// The last fact about an invoice that is held or was cancelled.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn last_invoice_fact(&self, payment_hash: &PaymentHash) -> Result<Option<Entry>, JournalError> {
        query::last_invoice_fact(&self.conn, payment_hash)
    }

    /// The request that was carried out under an id of its caller.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn past_request(&self, id: &RequestId) -> Result<Option<PastRequest>, JournalError> {
        request::find(&self.conn, id)
    }

    /// The archived HTLCs of a channel that a commitment of the peer had.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn retired_htlcs(
        &self,
        channel: &ChannelKeysId,
        commitment: CommitmentNumber,
    ) -> Result<Vec<RetiredHtlc>, JournalError> {
        archive::of_commitment(&self.conn, channel, commitment)
    }

    /// Facts from number `first` on, oldest first: at most `limit`, and at most [`MAX_PAGE`].
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn facts_from(&self, first: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        query::facts_from(&self.conn, first, limit)
    }

    /// Payments that this node sent or received, newest first, of numbers below `before` if given: at most `limit`, and at
    /// most [`MAX_PAGE`].
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn payments(&self, before: Option<u64>, limit: usize) -> Result<Vec<Entry>, JournalError> {
        query::facts_before(&self.conn, fact::PAYMENT, before, limit)
    }

    /// Payments of others, newest first, of numbers below `before` if given: at most `limit`, and at most [`MAX_PAGE`]. Those alone
    /// that came in or went out, or were to go out, over a channel, if one is given, from a time on and before another, in
    /// milliseconds since 1970.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn forwards_of(
        &self,
        channel: Option<&ChannelKeysId>,
        (from_ms, to_ms): (u64, u64),
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        query::forwards_of(&self.conn, channel, (from_ms, to_ms), before, limit)
    }

    /// The facts that ended channels, newest first, of numbers below `before` if given, and of channels whose id or name begins
    /// with these hexadecimal digits: at most `limit`, and at most [`MAX_PAGE`].
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn ends_of_channels(
        &self,
        digits: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        // A `%` would be any digits.
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        query::ends_of_channels(&self.conn, digits, before, limit)
    }

    /// What happened to a channel, oldest first; of more than [`MAX_PAGE`] facts the newest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn story_of_channel(&self, channel: &ChannelKeysId) -> Result<Vec<Entry>, JournalError> {
        query::story_of_channel(&self.conn, channel, MAX_PAGE)
    }

    /// How the opening of a channel ended, if it has: funded, or not.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn end_of_opening(&self, channel: &ChannelKeysId) -> Result<Option<Entry>, JournalError> {
        query::end_of_opening(&self.conn, channel)
    }

    /// The number of the newest fact, if there is any.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn newest_fact(&self) -> Result<Option<u64>, JournalError> {
        query::newest_fact(&self.conn)
    }

    /// What became of forwards from a time on and before another, in milliseconds since 1970: by periods, numbered from the
    /// first on, that have any.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn forwards_by_period(
        &self,
        from_ms: u64,
        to_ms: u64,
        period_ms: u64,
    ) -> Result<Vec<(u64, Tally)>, JournalError> {
        tally::by_period(&self.conn, from_ms, to_ms, period_ms)
    }

    /// The same by channel.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn forwards_by_channel(&self, from_ms: u64, to_ms: u64) -> Result<Vec<ChannelTally>, JournalError> {
        tally::by_channel(&self.conn, from_ms, to_ms)
    }
}
