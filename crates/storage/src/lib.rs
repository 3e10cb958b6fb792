//! The journals: where the records of a node lie, and who may write them.
//!
//! A commit is all or nothing and durable when it returns. Whatever else happens to the files, a node starts from what it
//! last said or does not start at all: every row has a checksum, a second process is kept out by a lock and by a fence that is
//! in the same transaction as the writes, and a copy that is too old is found by a mark outside of the database.
//!
//! | room | what is in it |
//! |---|---|
//! | [`memory`] | [`MemoryJournal`]: for simulations; crashes when it is told to |
//! | [`sqlite`] | [`SqliteJournal`]: for one machine; [`SqliteReader`]: lookups beside it; [`WalletChangesets`] |
//! | [`mark`] | [`MarkFile`]: how far the node has got, kept outside of the database |
//!
//! # Never
//! It never interprets a record: what the bytes mean is known to `astrape-node` alone. It never repairs what is damaged, and
//! never goes on after an error: the process stops.

pub mod mark;
pub mod memory;
pub mod sqlite;

pub use mark::MarkFile;
pub use memory::MemoryJournal;
pub use sqlite::{ChannelTally, Opened, SqliteJournal, SqliteReader, Tally, WalletChangesets};
