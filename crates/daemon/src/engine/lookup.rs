//! Lookups in what was committed, beside the core: by prepare, and by the API.

use astrape_node::{JournalError, SeenOnion};
use astrape_storage::SqliteReader;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Readers that are kept open: more than this many at a time open and close one more.
const MAX_READERS: usize = 8;

/// Readers of the journal, each used by one at a time.
pub(crate) struct Lookups {
    directory: PathBuf,
    idle: Mutex<Vec<SqliteReader>>,
}

impl Lookups {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), idle: Mutex::default() }
    }

    /// Asks a reader. Blocks for the time of the query, some microseconds for one row.
    pub(crate) fn read<T>(
        &self,
        ask: impl FnOnce(&SqliteReader) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => SqliteReader::open(&self.directory)?,
        };
        let answer = ask(&reader);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_READERS {
            idle.push(reader);
        }
        answer
    }

    /// Whether each of these onions was acted on before.
    pub(crate) fn onions_seen(&self, onions: &[SeenOnion]) -> Result<Vec<bool>, JournalError> {
        if onions.is_empty() { Ok(Vec::new()) } else { self.read(|reader| reader.onions_seen(onions)) }
    }
}
