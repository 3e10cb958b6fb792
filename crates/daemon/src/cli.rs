//! The command line: `astrape run` is the node, every other command talks to one.
//!
//! | room | what is in it |
//! |---|---|
//! | [`exit`] | how a command ends, for scripts |
//! | [`amounts`] | amounts and times as people write them |
//! | [`arguments`] | what each command takes |
//! | `files` | how many files and sockets the process may have open |
//! | `run` | the node as a process: start, serve, stop |
//! | `ask` | commands that ask a node |
//! | `output` | tables for people, JSON for programs |

pub mod amounts;
pub mod arguments;
mod ask;
pub mod exit;
mod files;
mod output;
mod run;

use crate::config::values::PeerAt;
use crate::config::{ConfigError, PlaceOptions, RunOptions, read};
use arguments::{
    Close, Forwards, Invoice, InvoicePage, Onchain, Open, Pay, Payments, Probe, Rebalance, Route, SetChannel,
    Settle, Stats, Withdraw,
};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory as _, Parser, Subcommand, ValueEnum};
use exit::Failure;
use std::ffi::OsString;
use std::process::ExitCode;

/// What a script can rely on.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused or failed; the message says why and what to do
  2  the command line, the environment or the file with options is wrong
  3  the node cannot be reached
  4  the payment failed: nothing was paid; or the probe reached nobody
  5  the payment is still under way: see `astrape payments`

Amounts are written 1000 or 1000sat (satoshi), 50k, 1.5m, 5msat, 0.001btc.";

/// Most characters of a wrong argument that an error repeats.
const MAX_REPEATED: usize = 100;

/// A Lightning node, and the commands to use it.
#[derive(Parser, Clone, Debug)]
#[command(name = "astrape", version, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    /// Which node.
    #[command(flatten)]
    pub place: PlaceOptions,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do.
#[derive(Subcommand, Clone, Debug)]
pub enum Action {
    /// Run a node beside a bitcoind, until it is stopped
    #[command(after_help = "\
Every option can also stand in the environment, by the variable that is shown, or in astrape.toml, by its name without \
dashes in front. A flag wins over the environment, the environment over the file.")]
    Run(Box<RunOptions>),
    /// See three nodes pay each other on a private chain inside this process
    Playground {
        /// Leave the nodes running for the other commands, until interrupted
        #[arg(long)]
        keep: bool,
    },
    /// Show who the node is and how it stands
    Getinfo,
    /// Make a fresh address to send coins to
    Newaddr,
    /// Show what the node owns, summed up
    Balance,
    /// Show what the node owns, piece by piece
    Listfunds,
    /// Send coins to an address on chain
    Withdraw(Withdraw),
    /// Connect to a peer, and stay connected
    Connect {
        /// The peer, as ID@HOST:PORT
        peer: PeerAt,
    },
    /// Hang up on a peer, and stay away
    Disconnect {
        /// The peer's id
        peer: PeerAt,
    },
    /// Show connected and remembered peers
    Peers,
    /// Open a channel
    Open(Open),
    /// Show the channels
    Channels,
    /// Ask something else for forwarding over a channel, and tell the network
    Setchannel(SetChannel),
    /// Close a channel
    Close(Close),
    /// Tell how channels end and ended: why, by which transaction, what is yours and when you can spend it
    Onchain(Onchain),
    /// Make an invoice
    Invoice(Invoice),
    /// Show invoices that are not paid: open, held, cancelled
    Invoices(InvoicePage),
    /// Take the payment that is held for an invoice
    Settle(Settle),
    /// Give back what is held for an invoice, and take no payment for it any more
    Cancel {
        /// The payment hash of the invoice
        payment_hash: String,
    },
    /// Read an invoice, without paying it
    Decode {
        /// The invoice, lnbc…
        invoice: String,
    },
    /// Pay an invoice, a link or a node, and wait for the end
    Pay(Pay),
    /// Show the way that a payment would take, without paying
    Route(Route),
    /// Find out whether a payment could arrive, by one that nobody can settle: nothing is paid
    Probe(Probe),
    /// Move balance from one channel to another, through the network
    Rebalance(Rebalance),
    /// Show payments sent and received, newest first
    Payments(Payments),
    /// Show payments of others that were forwarded, newest first
    Forwards(Forwards),
    /// Show what forwarding has earned and how much of it went through, by day and by channel
    Stats(Stats),
    /// Tell what happens, as it happens, until interrupted
    Events {
        /// Begin with the fact of this number, also if it is past
        #[arg(long, value_name = "N")]
        since: Option<u64>,
    },
    /// Show what is known of the network
    Graph {
        /// A part of it, instead of all in numbers
        #[command(subcommand)]
        part: Option<GraphPart>,
    },
    /// Stop the node
    Stop,
    /// Write a completion for a shell to standard output
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// A part of the network.
#[derive(Subcommand, Clone, Debug)]
pub enum GraphPart {
    /// A node, as it describes itself, with its channels
    Node {
        /// Its id
        node_id: String,
    },
    /// A channel, with the terms of both ends
    Channel {
        /// Its short channel id, BLOCKxTRANSACTIONxOUTPUT
        short_channel_id: String,
    },
}

/// A shell that is completed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash
    Bash,
    /// Elvish
    Elvish,
    /// Fish
    Fish,
    /// PowerShell
    Powershell,
    /// Z shell
    Zsh,
}

/// The whole command line. The help names variables without what they hold: that is what `run --show-config` is for.
pub(crate) fn command() -> Command {
    let quiet = |arg: Arg| arg.hide_env_values(true);
    // A number below zero is a wrong value, which is told so, and not an unknown option.
    let signed = |arg: Arg| {
        let takes_a_value = arg.get_action().takes_values();
        arg.allow_negative_numbers(takes_a_value)
    };
    let all = Cli::command().mut_args(quiet).mut_subcommand("run", |run| run.mut_args(quiet));
    all.mut_args(signed).mut_subcommands(|command| command.mut_args(signed))
}

/// An error of the command line repeats what was written, but no more of it than a person would read.
fn shortened(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        let cut = match error.get(kind) {
            Some(ContextValue::String(text)) if text.len() > MAX_REPEATED => {
                text.chars().take(MAX_REPEATED).chain(['…']).collect()
            }
            _ => continue,
        };
        error.insert(kind, ContextValue::String(cut));
    }
    error
}

/// Does what a command line asks for.
pub fn main(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let invocation = match read(argv) {
        Ok(invocation) => invocation,
        Err(ConfigError::CommandLine(error)) => {
            // Help and version are such errors too; they go to standard output and end well.
            let error = shortened(error);
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE));
        }
        Err(ConfigError::Refused(words)) => return Failure::Usage(words).report(false),
    };
    let json = invocation.cli.json;
    let done = match &invocation.cli.action {
        Action::Run(options) if options.show_config => output::config(&invocation),
        Action::Run(options) => run::run(&invocation.place, options),
        Action::Playground { keep } => run::playground(*keep),
        Action::Completion { shell } => complete(*shell),
        _ => ask::ask(&invocation),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

fn complete(shell: Shell) -> Result<(), Failure> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Elvish => clap_complete::Shell::Elvish,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Powershell => clap_complete::Shell::PowerShell,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "astrape", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
