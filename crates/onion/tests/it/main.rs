//! What onions do, against the vectors of BOLT 4 and against those who build them in bad faith.

#![allow(clippy::unwrap_used, missing_docs)]

mod answers;
mod blame;
mod failure_messages;
mod hostile_answers;
mod hostile_onions;
mod payloads;
mod records;
mod route;
mod support;
mod vectors;
