//! What the operations of the hot path cost, beside LDK's own code and beside the bare cryptography that each needs.
//!
//! `cargo xtask bench --micro` builds and runs it; `benches/README.md` keeps the figures. Arguments are parts of names:
//! only the rows that contain one of them are measured.
//!
//! | room | what is measured |
//! |---|---|
//! | [`clock`] | how: CPU time of all threads, contestants in turn, medians |
//! | [`onions`] | BOLT 4: built and peeled |
//! | [`keys`] | BOLT 3: keys of a commitment, per-commitment secrets |
//! | [`commitments`] | BOLT 3: built, signed, verified |
//! | [`invoices`] | BOLT 11: written and read |
//! | [`frames`] | BOLT 8: messages encrypted and decrypted |

mod clock;
mod commitments;
mod frames;
mod invoices;
mod keys;
mod onions;

use anyhow::Result;
use clock::Table;

fn main() -> Result<()> {
    if cfg!(debug_assertions) {
        println!("This is a debug build: its figures say nothing.");
    }
    let mut table = Table::open(std::env::args().skip(1).collect());
    onions::measure(&mut table)?;
    keys::measure(&mut table)?;
    commitments::measure(&mut table)?;
    invoices::measure(&mut table)?;
    frames::measure(&mut table)
}
