//! What went wrong in SQLite, in the words of a journal.

use astrape_node::JournalError;
use rusqlite::{Error, ErrorCode};

/// Tells damage from a disk that does not take writes.
pub(super) fn failed(error: Error) -> JournalError {
    let damaged = match &error {
        Error::SqliteFailure(failure, _) => {
            // Our statements never change, so that an error in one of them is a table that is not as it was.
            failure.extended_code == rusqlite::ffi::SQLITE_ERROR
                || matches!(
                    failure.code,
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation
                )
        }
        // A column of another type than what was written there.
        Error::SqlInputError { .. }
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..)
        | Error::InvalidColumnIndex(_)
        | Error::InvalidColumnType(..)
        | Error::QueryReturnedNoRows => true,
        _ => false,
    };
    if damaged { JournalError::Damaged(error.to_string()) } else { JournalError::Io(error.to_string()) }
}

/// A row that is not as it was written.
pub(super) fn damaged(table: &str, row: impl core::fmt::Display) -> JournalError {
    JournalError::Damaged(format!("row {row} of table `{table}` is not as it was written"))
}
