//! `cargo xtask VERB`: the one door for the chores of this project. CI runs the same verbs.
//!
//! | verb | what it does | where |
//! |---|---|---|
//! | `check` | floors, purity, marks, fmt, clippy, docs, cargo-deny | [`check`] |
//! | `test` | all tests, beside a real bitcoind | [`mod@test`] |
//! | `bitcoind` | prints the path of that bitcoind, obtained if need be | [`bitcoind`] |
//! | `bolts` | which requirements of the BOLTs the tests check | [`bolts`] |
//! | `attacks` | which attacks the tests play | [`attacks`] |
//! | `bench` | payments between processes, single operations; beside others' | [`mod@bench`] |
//! | `simulate` | random seeds of the simulator, in a release build | here |
//! | `fuzz` | the fuzz targets: runs them, keeps what they find, tells what they reach | [`fuzz`] |
//! | `mutants` | a share of the mutants of the crates where a wrong line costs money | [`mutants`] |
//! | `soak` | payments among processes that are cut and killed, for long | here |
//! | `network` | payments at random in a network of processes and LDK nodes | here |
//! | `ci` | what CI runs | `.ci/run` |

mod attacks;
mod bench;
mod bitcoind;
mod bolts;
mod check;
mod fuzz;
mod mutants;
mod shell;
mod source;
mod test;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::shell::{cargo, root, run};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The chores of the Astrape project")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check everything that can be checked without running it
    Check {
        /// Leave out, and say so, what needs a tool that is not installed (clippy, rustfmt, cargo-deny)
        #[arg(long)]
        as_installed: bool,
        /// Only these: floors, purity, requirements, attacks, fmt, clippy, docs, deny
        names: Vec<String>,
    },
    /// Run all tests, or those whose names contain one of FILTERS
    Test {
        /// Leave out the tests that need a real bitcoind
        #[arg(long)]
        without_bitcoind: bool,
        /// Parts of test names
        filters: Vec<String>,
    },
    /// Print the path of a real bitcoind: BITCOIND_EXE, the PATH, the cache, or Debian's archive
    Bitcoind,
    /// Print which share of the BOLTs' requirements the tests check
    Bolts {
        /// List the sections with the share of what is built, of one BOLT or of all
        #[arg(long, value_name = "BOLT", num_args = 0..=1)]
        sections: Option<Option<u8>>,
        /// List the requirements that no test names, of one BOLT or of all
        #[arg(long, value_name = "BOLT", num_args = 0..=1)]
        missing: Option<Option<u8>>,
    },
    /// Check that docs/attacks.md names the tests that play each attack
    Attacks {
        /// Write the names into it
        #[arg(long)]
        write: bool,
    },
    /// Run random seeds of the simulator in a release build; arguments are the simulator's own (see `-- --help`)
    Simulate {
        /// For example `--seeds 10000`, `--seeds 500 --seed 7`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure payments between processes of a release build; arguments are the benchmark's own (see `-- --help`)
    Bench {
        /// Measure ldk-node too, in the same run by turns (its build takes long)
        #[arg(long)]
        compare: bool,
        /// Measure single operations instead, beside LDK's code and the bare cryptography; arguments are parts of their names
        #[arg(long, conflicts_with = "compare")]
        micro: bool,
        /// Enforcement: a million revoked states, a thousand channels that close at once, ten thousand outputs.
        #[arg(long, conflicts_with_all = ["compare", "micro"])]
        court: bool,
        /// For example `-- --in-flight 64 --seconds 30`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run a fuzz target, or all, by cargo-fuzz
    Fuzz {
        /// messages, transport, onion, invoice or step; all of them, one after the other, if none is named
        target: Option<String>,
        /// For how long each
        #[arg(long, default_value = "60")]
        seconds: u64,
        /// Instead, add to fuzz/corpus what was found and reaches more
        #[arg(long, conflicts_with = "report")]
        keep: bool,
        /// Instead, tell what was tried and is reached, of messages by type
        #[arg(long)]
        report: bool,
    },
    /// Test a share of the mutants of channel, transactions, onion, payment and node, by cargo-mutants
    Mutants {
        /// Which share, for example 0/12: each twelfth from the first
        #[arg(long)]
        shard: String,
        /// Only of these crates
        crates: Vec<String>,
    },
    /// Play payments among three processes of a release build that are cut and killed; arguments are the soak's own
    Soak {
        /// For example `--seconds 600 --seed 7`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Pay at random in a network of processes of a release build and LDK nodes; arguments are the program's own
    Network {
        /// For example `--nodes 30 --payments 2000 --seed 7`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run what CI runs
    Ci,
}

fn main() -> ExitCode {
    match perform(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(verb: Verb) -> Result<()> {
    match verb {
        Verb::Check { as_installed: false, names } => check::run_all(&root(), check::Tools::Required, &names),
        Verb::Check { as_installed: true, names } => {
            check::run_all(&root(), check::Tools::AsInstalled, &names)
        }
        Verb::Test { without_bitcoind, filters } => test::all(&test::Selection { without_bitcoind, filters }),
        Verb::Bitcoind => {
            println!("{}", bitcoind::locate()?.display());
            Ok(())
        }
        Verb::Bolts { sections, missing } => bolts::report(
            &root(),
            &sections.map_or(bolts::Sections::Untold, bolts::Sections::Of),
            &missing.map_or(bolts::Missing::Untold, bolts::Missing::Of),
        ),
        Verb::Attacks { write: false } => attacks::report(&root(), attacks::Mode::Check),
        Verb::Attacks { write: true } => attacks::report(&root(), attacks::Mode::Write),
        Verb::Simulate { arguments } => {
            let simulator = ["run", "--release", "--package", "astrape-simulator", "--bin", "simulate", "--"];
            run(cargo().args(simulator).args(arguments))
        }
        Verb::Bench { micro: true, arguments, .. } => bench::operations(&arguments),
        Verb::Bench { court: true, arguments, .. } => bench::court(&arguments),
        Verb::Bench { compare, arguments, .. } => bench::payments(compare, &arguments),
        Verb::Fuzz { report: true, .. } => fuzz::report(),
        Verb::Fuzz { target, keep: true, .. } => fuzz::keep(target.as_deref()),
        Verb::Fuzz { target, seconds, .. } => fuzz::run(target.as_deref(), seconds),
        Verb::Mutants { shard, crates } => mutants::run(&shard, &crates),
        Verb::Soak { arguments } => among_processes("interop", "soak", &arguments, None),
        Verb::Network { arguments } => among_processes("interop-ldk", "network", &arguments, None),
        Verb::Ci => run(Command::new(root().join(".ci/run")).current_dir(root())),
    }
}

/// Runs a program of a room beside a real bitcoind, with nodes of a release build, and a further variable for it.
fn among_processes(
    room: &str,
    program: &str,
    arguments: &[String],
    variable: Option<(&str, PathBuf)>,
) -> Result<()> {
    let bitcoind = bitcoind::locate()?;
    run(cargo().args(["build", "--release", "--package", "astrape-daemon", "--bin", "astrape"]))?;
    let package = format!("astrape-{room}");
    let program = ["run", "--release", "--package", &package, "--bin", program, "--"];
    run(cargo().args(program).args(arguments).env(bitcoind::BITCOIND_EXE, bitcoind).envs(variable))
}
