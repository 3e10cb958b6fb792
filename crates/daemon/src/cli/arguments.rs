//! What each command takes, where that is more than a word.

mod coins;

pub use coins::{BumpFee, Open, Recover, Withdraw};

use super::amounts::{AmountOrAny, Seconds};
use astrape_payment::policy::{MAX_CLTV_EXPIRY_DELTA, MAX_FEE_MILLIONTHS, MIN_CLTV_EXPIRY_DELTA};
use astrape_primitives::Msat;
use clap::Args;

/// Ask something else for forwarding over a channel. What was asked before is taken for ten minutes.
#[derive(Args, Clone, Debug)]
pub struct SetChannel {
    /// Channel id, short channel id, alias or funding outpoint, or the beginning of the id; or `all`
    pub channel: String,
    /// For each payment, in millisatoshi
    #[arg(long, value_name = "N")]
    pub fee_base_msat: Option<u32>,
    /// In millionths of what is passed on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_FEE_MILLIONTHS)))]
    pub fee_ppm: Option<u32>,
    /// Blocks between the timeouts of what comes in and what goes out
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32)
            .range(i64::from(MIN_CLTV_EXPIRY_DELTA)..=i64::from(MAX_CLTV_EXPIRY_DELTA))
    )]
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(-i64::from(MAX_FEE_MILLIONTHS)..=0))]
    pub inbound_ppm: Option<i32>,
    /// Begin with what the node asks elsewhere, instead of what the channel asks now
    #[arg(long)]
    pub reset: bool,
}

/// Show what forwarding has earned.
#[derive(Args, Clone, Debug)]
pub struct Stats {
    /// From so long ago on: 24h, 30d [default: 30d, or 366 periods where that is less]
    #[arg(long, value_name = "TIME")]
    pub since: Option<Seconds>,
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
    /// Channel id, short channel id, alias or funding outpoint, or the first 12 or more digits of the id
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
    /// How many at most, up to 1000
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Only those that ended before this number: for the next page
    #[arg(long, value_name = "N")]
    pub before: Option<u64>,
    /// Of those that are not over only those after this name of ours (keys_id): for the next page
    #[arg(long, value_name = "HEX", conflicts_with = "before")]
    pub after: Option<String>,
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
    /// Your name for this command, up to 64 characters and never used for another: repeated with it, it is carried out once
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
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

/// One invoice, or a part of the list of those that are not paid.
#[derive(Args, Clone, Debug)]
pub struct Invoices {
    /// One invoice, also a paid one, by its payment hash: how it stands
    #[arg(conflicts_with_all = ["limit", "after"])]
    pub payment_hash: Option<String>,
    /// How many at most, up to 1000
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Only those behind this place, which a page that is not the last tells: for the next page
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
    /// Your name for this command, up to 64 characters and never used for another: repeated with it, it is carried out once
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// How long to try: 60, 90s, 10m
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Seconds>,
    /// Show its parts, with their hops and how long each held it
    #[arg(long)]
    pub parts: bool,
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
    /// Your name for this command, up to 64 characters and never used for another: repeated with it, it is carried out once
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// How long to try: 60, 90s, 10m; what is in flight then is still waited for
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Seconds>,
    /// Show its parts, with their hops and how long each held it
    #[arg(long)]
    pub parts: bool,
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

/// One payment, or a part of the list.
#[derive(Args, Clone, Debug)]
pub struct Payments {
    /// One payment, by its hash: how it stands, with its parts
    #[arg(conflicts_with_all = ["limit", "before", "parts"])]
    pub payment_hash: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: Page,
    /// Show the parts of each, with their hops and how long each held it: of the payments that ended since the start, the last 1000 parts
    #[arg(long)]
    pub parts: bool,
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
