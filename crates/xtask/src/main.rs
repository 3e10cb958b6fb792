//! `cargo xtask VERB`: the one door for the chores of this project. CI runs the same verbs.
//!
//! | verb | what it does |
//! |---|---|
//! | `bitcoind` | prints the path of a real bitcoind, obtained if need be ([`bitcoind`]) |

mod bitcoind;
mod shell;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The chores of the Astrape project")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print the path of a real bitcoind: BITCOIND_EXE, the PATH, the cache, or Debian's archive
    Bitcoind,
}

fn main() -> Result<()> {
    match Arguments::parse().verb {
        Verb::Bitcoind => {
            println!("{}", bitcoind::locate()?.display());
            Ok(())
        }
    }
}
