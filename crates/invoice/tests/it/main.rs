//! BOLT 11, judged by its own vectors, by hand-made texts for each rule, and by another implementation.
#![allow(clippy::unwrap_used, missing_docs)]

mod against_ldk;
mod fuzz;
mod reader;
mod support;
mod vectors;
mod writer;
