//! All options of a node. The name of an option is also its key in `astrape.toml`; its variable in the environment is named
//! in its help.

use super::log::{LogFilter, LogFormat};
use super::secrets::{ChannelSecretsHex, SecretHex};
use super::values::{ApiAt, HostPort, Intercepted, ListenAt, NetworkName};
use crate::cli::amounts::{Seconds, WholeSat};
use crate::cli::feerate::Feerate;
use astrape_payment::policy::{MAX_CLTV_EXPIRY_DELTA, MAX_FEE_MILLIONTHS, MIN_CLTV_EXPIRY_DELTA};
use clap::Args;
use clap::builder::BoolishValueParser;
use std::path::PathBuf;

const PLACE: &str = "Which node";
const PEERS: &str = "Peers";
const CHAIN: &str = "Bitcoin";
const CHANNELS: &str = "Channels";
const LOGS: &str = "Logs";
const DEVELOPERS: &str = "For developers and protocol suites (refused on network bitcoin)";

/// Which node. The same for the node itself and for those who talk to it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = PLACE)]
pub struct PlaceOptions {
    /// The Bitcoin network: bitcoin, testnet4, signet or regtest [default: bitcoin]
    #[arg(long, global = true, env = "ASTRAPE_NETWORK", value_name = "NETWORK")]
    pub network: Option<NetworkName>,
    /// Directory of the node's seed, database and credentials [default: ~/.astrape/NETWORK]
    #[arg(long, global = true, env = "ASTRAPE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// File with options, `option = value` a line [default: astrape.toml in the data directory, if it is there]
    #[arg(long, global = true, env = "ASTRAPE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the node offers its API, and where commands look for it; port 0 takes any [default: 127.0.0.1, port 9835,
    /// 19835 (testnet4), 39835 (signet) or 29835 (regtest)]
    #[arg(long, global = true, env = "ASTRAPE_RPC_ADDR", value_name = "HOST:PORT")]
    pub rpc_addr: Option<ApiAt>,
}

/// The options of `astrape run`.
#[derive(Args, Clone, Debug, Default)]
pub struct RunOptions {
    /// Where to listen for peers; several, separated by commas, or `none` [default: 0.0.0.0, port 9735, 19735
    /// (testnet4) or 39735 (signet); on regtest 127.0.0.1:29735]
    #[arg(long, env = "ASTRAPE_LISTEN", value_name = "IP:PORT", value_delimiter = ',', help_heading = PEERS)]
    pub listen: Vec<ListenAt>,
    /// Name of the node for people, at most 32 bytes [default: astrape- and the beginning of its id]
    #[arg(long, env = "ASTRAPE_ALIAS", value_name = "TEXT", help_heading = PEERS)]
    pub alias: Option<String>,

    /// Where others reach this node, told to the whole network; several, separated by commas [default: nowhere]
    #[arg(long, env = "ASTRAPE_ANNOUNCE", value_name = "HOST:PORT", value_delimiter = ',', help_heading = PEERS)]
    pub announce: Vec<HostPort>,
    /// Colour of the node on maps, six hexadecimal digits [default: 000000]
    #[arg(long, env = "ASTRAPE_COLOR", value_name = "RRGGBB", help_heading = PEERS)]
    pub color: Option<String>,

    /// DNS seeds to ask for peers while the node has none; it calls nodes of the network that it knows then, too. Several,
    /// separated by commas, or `none` to call no strangers at all [default: some on network bitcoin, no seed but the network on
    /// testnet4 and signet, `none` on regtest]
    #[arg(long, env = "ASTRAPE_DNS_SEEDS", value_name = "NAME", value_delimiter = ',', help_heading = PEERS)]
    pub dns_seeds: Vec<String>,

    /// Where bitcoind offers its RPC [default: 127.0.0.1, port 8332, 48332 (testnet4), 38332 (signet) or 18443 (regtest)]
    #[arg(long, env = "ASTRAPE_BITCOIND_RPC", value_name = "HOST:PORT", help_heading = CHAIN)]
    pub bitcoind_rpc: Option<HostPort>,
    /// bitcoind's cookie file [default: .cookie in the data directory of bitcoind, for the network]
    #[arg(long, env = "ASTRAPE_BITCOIND_COOKIE", value_name = "FILE", help_heading = CHAIN)]
    pub bitcoind_cookie: Option<PathBuf>,
    /// User of bitcoind's RPC, instead of a cookie
    #[arg(long, env = "ASTRAPE_BITCOIND_USER", value_name = "NAME", help_heading = CHAIN)]
    pub bitcoind_user: Option<String>,
    /// Password of that user; better given in the file or the environment than on the command line
    #[arg(
        long,
        env = "ASTRAPE_BITCOIND_PASSWORD",
        value_name = "TEXT",
        help_heading = CHAIN
    )]
    pub bitcoind_password: Option<String>,

    /// Height of the first block in which the seed may have coins, if its words were used before; a wallet that has not looked
    /// there begins anew [default: where the chain is; for words of an earlier node, the first block of Astrape's time]
    #[arg(
        long,
        env = "ASTRAPE_WALLET_BIRTHDAY",
        value_name = "HEIGHT",
        value_parser = clap::value_parser!(u32).range(0..500_000_000),
        help_heading = CHAIN
    )]
    pub wallet_birthday: Option<u32>,

    /// Fee for each payment that is forwarded, in millisatoshi [default: 1000]
    #[arg(long, env = "ASTRAPE_FEE_BASE_MSAT", value_name = "N", help_heading = CHANNELS)]
    pub fee_base_msat: Option<u32>,
    /// Fee for what is forwarded, in millionths of the amount, at most 1000000 [default: 100]
    #[arg(
        long,
        env = "ASTRAPE_FEE_PPM",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_FEE_MILLIONTHS)),
        help_heading = CHANNELS
    )]
    pub fee_ppm: Option<u32>,
    /// Blocks between the timeouts of what comes in and what goes out, from 34 (less leaves no time to claim on chain) to 2016
    /// [default: 80]
    #[arg(
        long,
        env = "ASTRAPE_CLTV_EXPIRY_DELTA",
        value_name = "N",
        value_parser = clap::value_parser!(u16)
            .range(i64::from(MIN_CLTV_EXPIRY_DELTA)..=i64::from(MAX_CLTV_EXPIRY_DELTA)),
        help_heading = CHANNELS
    )]
    pub cltv_expiry_delta: Option<u16>,
    /// Take no payments without an invoice (keysend)
    #[arg(
        long,
        env = "ASTRAPE_NO_KEYSEND",
        value_parser = BoolishValueParser::new(),
        help_heading = CHANNELS
    )]
    pub no_keysend: bool,
    /// Forwards that wait for an application to decide on them, by the API: none, all, or those to short channel ids from FIRST to
    /// LAST, which are no channels [default: none]
    #[arg(long, env = "ASTRAPE_INTERCEPT", value_name = "none|all|FIRST-LAST", help_heading = CHANNELS)]
    pub intercept: Option<Intercepted>,
    /// For how long they wait before they are given back: 90s, 10m, 1h [default: 10m]
    #[arg(long, env = "ASTRAPE_INTERCEPT_TIMEOUT", value_name = "TIME", help_heading = CHANNELS)]
    pub intercept_timeout: Option<Seconds>,
    /// Probe a node now and then while nothing else is under way, at most once in this time: 10m, 1h; it keeps what is known of the
    /// network fresh, and costs others slots and time [default: never]
    #[arg(long, env = "ASTRAPE_PROBE_INTERVAL", value_name = "TIME", help_heading = CHANNELS)]
    pub probe_interval: Option<Seconds>,
    /// HTLCs for such probes in an hour, from 1 to 360 [default: 60]
    #[arg(
        long,
        env = "ASTRAPE_PROBES_PER_HOUR",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=360),
        help_heading = CHANNELS
    )]
    pub probes_per_hour: Option<u32>,
    /// Confirmations of a funding before its channel is used, from 1 to 144 [default: 3 to 6, by the amount]
    #[arg(
        long,
        env = "ASTRAPE_MINIMUM_DEPTH",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=144),
        help_heading = CHANNELS
    )]
    pub minimum_depth: Option<u32>,
    /// Smallest channel that peers may open to us, of 20000sat or more [default: 20000sat]
    #[arg(long, env = "ASTRAPE_MIN_CHANNEL", value_name = "AMOUNT", help_heading = CHANNELS)]
    pub min_channel: Option<WholeSat>,
    /// Largest channel, whoever opens it [default: 10btc]
    #[arg(long, env = "ASTRAPE_MAX_CHANNEL", value_name = "AMOUNT", help_heading = CHANNELS)]
    pub max_channel: Option<WholeSat>,
    /// Highest feerate of our own commitments with anchors: 10 or 10sat/vb, from 1 to 1000. What a close needs beyond it, a child
    /// pays. A peer that asks for more when a channel is opened needs a higher one [default: 10sat/vb]
    #[arg(long, env = "ASTRAPE_MAX_COMMITMENT_FEERATE", value_name = "FEERATE", help_heading = CHANNELS)]
    pub max_commitment_feerate: Option<Feerate>,

    /// What is logged: error, warn, info, debug, trace, or a filter such as info,astrape_chain=debug [default: info]
    #[arg(long, env = "ASTRAPE_LOG_LEVEL", value_name = "LEVEL", help_heading = LOGS)]
    pub log_level: Option<LogFilter>,
    /// How it is logged, to standard error: text for people, json for programs [default: text]
    #[arg(long, env = "ASTRAPE_LOG_FORMAT", value_name = "FORMAT", help_heading = LOGS)]
    pub log_format: Option<LogFormat>,

    /// Private key of the node, instead of the seed's
    #[arg(
        long,
        env = "ASTRAPE_DEV_NODE_KEY",
        value_name = "HEX",
        help_heading = DEVELOPERS
    )]
    pub dev_node_key: Option<SecretHex>,
    /// Six secrets of 32 bytes, separated by `/`, used as they are for every channel: funding, revocation, payment, delayed
    /// payment, HTLC, shachain seed
    #[arg(
        long,
        env = "ASTRAPE_DEV_CHANNEL_SECRETS",
        value_name = "HEX/HEX/HEX/HEX/HEX/HEX",
        help_heading = DEVELOPERS
    )]
    pub dev_channel_secrets: Option<ChannelSecretsHex>,
    /// Feerate of commitments, in satoshi per 1000 weight units: used, accepted as the lowest, and never changed
    #[arg(
        long,
        env = "ASTRAPE_DEV_FIXED_FEERATE_PERKW",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(253..=1_000_000),
        help_heading = DEVELOPERS
    )]
    pub dev_fixed_feerate_perkw: Option<u32>,
    /// Stands in for the estimates of bitcoind, in satoshi per 1000 weight units: the commitments follow it
    #[arg(
        long,
        env = "ASTRAPE_DEV_ESTIMATE_PERKW",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(253..=1_000_000),
        help_heading = DEVELOPERS
    )]
    pub dev_estimate_perkw: Option<u32>,
    /// Ask the chain, and send gossip, more than once a second
    #[arg(
        long,
        env = "ASTRAPE_DEV_FAST",
        value_parser = BoolishValueParser::new(),
        help_heading = DEVELOPERS
    )]
    pub dev_fast: bool,

    /// Show the options in force and where each comes from, and end
    #[arg(long)]
    pub show_config: bool,
}

/// Options that are no keys of the file: they say where it is, or what to do now.
pub(crate) const NOT_IN_FILE: [&str; 2] = ["config", "show-config"];

/// Options whose values are not shown.
pub(crate) const SECRET: [&str; 3] = ["bitcoind-password", "dev-node-key", "dev-channel-secrets"];
