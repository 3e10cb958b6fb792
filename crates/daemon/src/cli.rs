//! The command line: `astrape run` is the node, every other command talks to one.
//!
//! | room | what is in it |
//! |---|---|
//! | [`exit`] | how a command ends, for scripts |
//! | [`amounts`] | amounts and times as people write them |
//! | [`feerate`] | feerates as people write them |
//! | [`arguments`] | what each command takes |
//! | `fields` | what a node refuses, in words of the command line |
//! | `files` | how many files and sockets the process may have open |
//! | `run` | the node as a process: start, serve, stop |
//! | `ask` | commands that ask a node |
//! | `output` | tables for people, JSON for programs |
//! | `usage` | what is wrong with a command line |

pub mod amounts;
pub mod arguments;
mod ask;
pub mod exit;
pub mod feerate;
mod fields;
mod files;
mod output;
mod run;
mod usage;

use crate::config::values::PeerAt;
use crate::config::{ConfigError, Invocation, PlaceOptions, RunOptions, Settings, read};
use arguments::{
    BumpFee, Close, Forwards, Invoice, Invoices, Onchain, Open, Pay, Payments, Probe, Rebalance, Recover,
    Route, SetChannel, Settle, Stats, Withdraw,
};
use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
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
  5  the payment is still under way, or was when the node was lost: see `astrape payments`";

/// A Lightning node, and the commands to use it.
#[derive(Parser, Clone, Debug)]
#[command(name = "astrape", version, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    /// Which node.
    #[command(flatten)]
    pub place: PlaceOptions,
    /// Print JSON, for programs
    #[arg(long, global = true, overrides_with = "json")]
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
    /// Make a fresh address to send coins to. What others send counts from its first block on
    Newaddr,
    /// Show what the node owns, summed up
    Balance,
    /// Show what the node owns, piece by piece
    Listfunds,
    /// Send coins to an address on chain
    Withdraw(Withdraw),
    /// Have a withdrawal or a funding mined sooner, by a transaction that spends its change and pays for both
    Bumpfee(BumpFee),
    /// Search the chain for what peers have paid out of channels that this node has forgotten, and bring it to the wallet: after a new
    /// beginning with nothing but the words of the seed. Takes minutes
    Recover(Recover),
    /// Connect to a peer, and stay connected
    Connect {
        /// The peer: ID@HOST:PORT, or ID alone where the node knows an address, from before or from the network
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
    #[command(override_usage = "astrape invoice [OPTIONS] <AMOUNT> <DESCRIPTION | --description-hash <HEX>>")]
    Invoice(Invoice),
    /// Show invoices that are not paid: open, held, cancelled; or how one stands
    Invoices(Invoices),
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
    /// Show payments sent and received, newest first; or how one stands
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

/// The whole command line. The help names variables without what they hold: that is what `run --show-config` is for. It says
/// of every command that takes an amount in which unit that is.
pub(crate) fn command() -> Command {
    let quiet = |arg: Arg| arg.hide_env_values(true);
    // A number below zero is a wrong value, which is told so, and not an unknown option.
    let signed = |arg: Arg| {
        let takes_a_value = arg.get_action().takes_values();
        arg.allow_negative_numbers(takes_a_value)
    };
    let all = Cli::command().mut_args(quiet).mut_subcommand("run", |run| run.mut_args(quiet));
    let with_units = |command: Command| {
        let takes_amounts = command.get_arguments().any(amounts::is_amount);
        if takes_amounts { command.after_help(amounts::UNITS) } else { command }
    };
    all.mut_args(signed).mut_subcommands(|command| with_units(command.mut_args(signed)))
}

/// Does what a command line asks for.
pub fn main(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let argv: Vec<OsString> = argv.into_iter().collect();
    let json = usage::wants_json(&argv);
    let done = match perform(argv.clone()) {
        Ok(done) => done,
        Err(ConfigError::CommandLine(error)) => return usage::report(error, &argv, json),
        Err(ConfigError::Refused(words)) => Err(Failure::Usage(words)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

/// What came of it, or why it was not tried.
fn perform(argv: Vec<OsString>) -> Result<Result<(), Failure>, ConfigError> {
    match Cli::from_arg_matches(&command().try_get_matches_from(&argv)?)?.action {
        // These concern no node of the user's, and so no file with options.
        Action::Playground { keep } => return Ok(run::playground(keep)),
        Action::Completion { shell } => return Ok(complete(shell)),
        _ => {}
    }
    let invocation = read(argv)?;
    Ok(match &invocation.cli.action {
        Action::Run(options) => {
            let settings = Settings::resolve(invocation.place.clone(), options.as_ref().clone());
            let settings = settings.map_err(|error| sourced(error, &invocation))?;
            if options.show_config { output::config(&invocation, &settings) } else { run::run(&settings) }
        }
        _ => ask::ask(&invocation),
    })
}

/// A refusal of options, with what has set those that nobody has typed.
fn sourced(error: ConfigError, invocation: &Invocation) -> ConfigError {
    match error {
        ConfigError::Refused(words) => {
            let elsewhere = fields::set_elsewhere(fields::named_in(&words, &invocation.sources));
            ConfigError::Refused(words + &elsewhere)
        }
        error => error,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_takes_an_amount_says_in_which_unit() {
        let all = command();
        let takes_amounts = |command: &&Command| {
            let names = ["amount", "push", "max_fee", "htlc_min", "htlc_max"];
            command.get_arguments().any(|arg| names.contains(&arg.get_id().as_str()))
        };
        let found: Vec<&str> = all
            .get_subcommands()
            .filter(takes_amounts)
            .map(|command| {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                for unit in ["satoshi unless", "sat", "k", "msat", "btc", "decimal point"] {
                    assert!(help.contains(unit), "{} does not say {unit}: {help}", command.get_name());
                }
                command.get_name()
            })
            .collect();
        let known = ["withdraw", "open", "setchannel", "invoice", "pay", "route", "probe", "rebalance"];
        assert!(known.iter().all(|name| found.contains(name)), "{found:?}");
        let quiet = all.find_subcommand("getinfo").expect("a command");
        assert!(quiet.get_after_help().is_none(), "where there is no amount nothing is said of it");
    }

    #[test]
    fn the_command_line_holds_together() {
        command().debug_assert();
    }
}
