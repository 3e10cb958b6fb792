//! The command line: `astrape run` is the node, every other command talks to one.
//!
//! | room | what is in it |
//! |---|---|
//! | [`exit`] | how a command ends, for scripts |
//! | [`amounts`] | amounts and times as people write them |
//! | `run` | the node as a process: start, serve, stop |
//! | `ask` | commands that ask a node |
//! | `output` | tables for people, JSON for programs |

pub mod amounts;
mod ask;
pub mod exit;
mod output;
mod run;

use crate::config::values::PeerAt;
use crate::config::{ConfigError, PlaceOptions, RunOptions, read};
use amounts::{AmountOrAll, AmountOrAny, Seconds, WholeSat};
use astrape_primitives::Msat;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Args, Command, CommandFactory as _, Parser, Subcommand, ValueEnum};
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
    Payments(Page),
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

/// Send coins to an address on chain.
#[derive(Args, Clone, Debug)]
pub struct Withdraw {
    /// Where to
    pub address: String,
    /// How much, or `all`
    pub amount: AmountOrAll,
    /// Feerate in satoshi per 1000 weight units, instead of the node's estimate
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(253..))]
    pub feerate_perkw: Option<u32>,
    /// Take also what is set aside to close channels in time
    #[arg(long)]
    pub spend_reserve: bool,
}

/// Open a channel.
#[derive(Args, Clone, Debug)]
pub struct Open {
    /// With whom: ID of a connected peer, or ID@HOST:PORT
    pub peer: PeerAt,
    /// Its capacity
    pub amount: WholeSat,
    /// Feerate of the funding in satoshi per 1000 weight units, instead of the node's estimate
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(253..))]
    pub feerate_perkw: Option<u32>,
    /// Do not tell the network of it
    #[arg(long)]
    pub private: bool,
    /// Give the peer this much of it, as a gift
    #[arg(long, value_name = "AMOUNT", default_value = "0")]
    pub push: Msat,
}

/// Ask something else for forwarding over a channel. What was asked before is taken for ten minutes.
#[derive(Args, Clone, Debug)]
pub struct SetChannel {
    /// Channel id, short channel id, alias or funding outpoint, or the beginning of the id; or `all`
    pub channel: String,
    /// For each payment, in millisatoshi
    #[arg(long, value_name = "N")]
    pub fee_base_msat: Option<u32>,
    /// In millionths of what is passed on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub fee_ppm: Option<u32>,
    /// Blocks between the timeouts of what comes in and what goes out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(34..=2016))]
    pub cltv_expiry_delta: Option<u32>,
    /// Smallest payment
    #[arg(long, value_name = "AMOUNT")]
    pub htlc_min: Option<Msat>,
    /// Largest payment; 0 for as much as the channel takes
    #[arg(long, value_name = "AMOUNT")]
    pub htlc_max: Option<Msat>,
    /// For each payment that comes in over it, in millisatoshi, zero or less: a discount
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(..=0))]
    pub inbound_base_msat: Option<i32>,
    /// The same in millionths, zero or less
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(-1_000_000..=0))]
    pub inbound_ppm: Option<i32>,
    /// Begin with what the node asks elsewhere, instead of what the channel asks now
    #[arg(long)]
    pub reset: bool,
}

/// Show what forwarding has earned.
#[derive(Args, Clone, Debug)]
pub struct Stats {
    /// From so long ago on: 24h, 30d
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub since: Seconds,
    /// Length of a period: 1h, 1d, 7d
    #[arg(long, value_name = "TIME", default_value = "1d")]
    pub period: Seconds,
    /// How many channels at most, up to 1000, those that earned most first
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
}

/// Close a channel.
#[derive(Args, Clone, Debug)]
pub struct Close {
    /// Channel id, short channel id, alias or funding outpoint, or the beginning of the id
    pub channel: String,
    /// Where your share goes, instead of a fresh address of the node
    #[arg(long, value_name = "ADDRESS", conflicts_with = "force")]
    pub to: Option<String>,
    /// Go on chain without the peer: costs more, and your money is locked for a time. Without --yes it only tells how much
    /// and how long
    #[arg(long)]
    pub force: bool,
    /// Do it, whatever it costs
    #[arg(long, requires = "force")]
    pub yes: bool,
}

/// Tell how channels end and ended.
#[derive(Args, Clone, Debug)]
pub struct Onchain {
    /// One channel, with all that happened: the beginning of its id, or another name while it is not over
    pub channel: Option<String>,
    /// How many that are over at most, up to 1000
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Only those that ended before this number: for the next page
    #[arg(long, value_name = "N")]
    pub before: Option<u64>,
}

/// Make an invoice.
#[derive(Args, Clone, Debug)]
pub struct Invoice {
    /// How much, or `any` to let the payer choose
    pub amount: AmountOrAny,
    /// What it is for
    #[arg(required_unless_present = "description_hash", conflicts_with = "description_hash")]
    pub description: Option<String>,
    /// SHA-256 of a text that the payer finds elsewhere, instead of a description
    #[arg(long, value_name = "HEX")]
    pub description_hash: Option<String>,
    /// The preimage, 32 bytes never used before, instead of fresh ones
    #[arg(long, value_name = "HEX")]
    pub preimage: Option<String>,
    /// For how long it can be paid: 3600, 90s, 10m, 2h, 7d [default: 1h]
    #[arg(long, value_name = "TIME")]
    pub expiry: Option<Seconds>,
    /// Hold its payment until it is settled or cancelled; it is given back before it expires
    #[arg(long)]
    pub hold: bool,
    /// The hash of a preimage that you give when you settle it, instead of a preimage that the node knows
    #[arg(long, value_name = "HEX", requires = "hold", conflicts_with = "preimage")]
    pub payment_hash: Option<String>,
    /// For how many blocks its payment can be held [default: 144]
    #[arg(long, value_name = "N", requires = "hold", value_parser = clap::value_parser!(u32).range(1..=1800))]
    pub hold_blocks: Option<u32>,
}

/// Take the payment that is held for an invoice.
#[derive(Args, Clone, Debug)]
pub struct Settle {
    /// The payment hash of the invoice, where the node knows the preimage
    #[arg(required_unless_present = "preimage")]
    pub payment_hash: Option<String>,
    /// The preimage, where the invoice was made of its hash alone
    #[arg(long, value_name = "HEX")]
    pub preimage: Option<String>,
}

/// A part of the list of invoices.
#[derive(Args, Clone, Debug)]
pub struct InvoicePage {
    /// How many at most, up to 1000
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Only those after this payment hash: for the next page
    #[arg(long, value_name = "HEX")]
    pub after: Option<String>,
}

/// Move balance between channels.
#[derive(Args, Clone, Debug)]
pub struct Rebalance {
    /// How much is to come back
    pub amount: Msat,
    /// The channel that it leaves by: channel id, short channel id, alias or funding outpoint, or the beginning of the id
    #[arg(long, value_name = "CHANNEL")]
    pub from: String,
    /// The channel that it comes back by, instead of any other
    #[arg(long, value_name = "CHANNEL")]
    pub to: Option<String>,
    /// Most that the way may cost, instead of the node's share of the amount
    #[arg(long, value_name = "AMOUNT")]
    pub max_fee: Option<Msat>,
    /// How long to try: 60, 90s, 10m
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Seconds>,
}

/// Show the way that a payment would take.
#[derive(Args, Clone, Debug)]
pub struct Route {
    /// The invoice, lnbc…; a link, bitcoin:…?lightning=…; or the id of a node
    pub invoice: String,
    /// How much, where no invoice says it
    pub amount: Option<Msat>,
    /// Most that the way may cost, instead of the node's share of the amount
    #[arg(long, value_name = "AMOUNT")]
    pub max_fee: Option<Msat>,
}

/// Find out whether a payment could arrive.
#[derive(Args, Clone, Debug)]
pub struct Probe {
    /// The id of a node; or an invoice, lnbc…, or a link, bitcoin:…?lightning=…, which is not paid
    pub dest: String,
    /// How much, where no invoice says it
    pub amount: Option<Msat>,
    /// Most that the way may cost, instead of the node's share of the amount
    #[arg(long, value_name = "AMOUNT")]
    pub max_fee: Option<Msat>,
    /// How long to try and to wait for the answer, at most 10m: 30, 90s, 2m
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Seconds>,
}

/// Pay an invoice.
#[derive(Args, Clone, Debug)]
pub struct Pay {
    /// The invoice, lnbc…; a link, bitcoin:…?lightning=…; or the id of a node that takes payments without an invoice
    pub invoice: String,
    /// For the application of a node that is paid without an invoice: a type from 65536 on, and bytes
    #[arg(long = "record", value_name = "TYPE=HEX")]
    pub records: Vec<String>,
    /// Of a payment without an invoice: 32 bytes never used before, so that asking again does not pay again
    #[arg(long, value_name = "HEX")]
    pub preimage: Option<String>,
    /// How much, where no invoice says it
    #[arg(long, value_name = "AMOUNT")]
    pub amount: Option<Msat>,
    /// Most that the way may cost, instead of the node's share of the amount
    #[arg(long, value_name = "AMOUNT")]
    pub max_fee: Option<Msat>,
    /// How long to try: 60, 90s, 10m; what is in flight then is still waited for
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Seconds>,
}

/// A part of a list.
#[derive(Args, Clone, Debug)]
pub struct Page {
    /// How many at most, up to 1000
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Only those before this number: for the next page
    #[arg(long, value_name = "N")]
    pub before: Option<u64>,
}

/// A part of the list of forwards.
#[derive(Args, Clone, Debug)]
pub struct Forwards {
    /// Which page.
    #[command(flatten)]
    pub page: Page,
    /// Only those over this channel: channel id, short channel id, alias or funding outpoint, or the beginning of the id
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,
    /// Only those from so long ago on: 24h, 30d
    #[arg(long, value_name = "TIME")]
    pub since: Option<Seconds>,
    /// Only those before so long ago
    #[arg(long, value_name = "TIME")]
    pub until: Option<Seconds>,
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
