//! What commands take that spend coins.

use crate::cli::amounts::{AmountOrAll, WholeSat};
use crate::cli::feerate::Fees;
use crate::config::values::PeerAt;
use astrape_primitives::Msat;
use clap::{Args, ValueEnum};

/// Send coins to an address on chain.
#[derive(Args, Clone, Debug)]
pub struct Withdraw {
    /// Where to
    pub address: String,
    /// How much, or `all`
    pub amount: AmountOrAll,
    /// What it pays.
    #[command(flatten)]
    pub fees: Fees,
    /// Your name for this command, up to 64 characters and never used for another: repeated with it, it is carried out once
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// Take also what should stay in the wallet to close channels in time
    #[arg(long)]
    pub spend_reserve: bool,
    /// Do it also where the fee is more than what is sent
    #[arg(long)]
    pub accept_high_fee: bool,
}

/// Have a withdrawal or a funding mined sooner.
#[derive(Args, Clone, Debug)]
pub struct BumpFee {
    /// The transaction that waits
    #[arg(value_name = "TRANSACTION")]
    pub txid: String,
    /// What it pays.
    #[command(flatten)]
    pub fees: Fees,
    /// Take also what should stay in the wallet to close channels in time
    #[arg(long)]
    pub spend_reserve: bool,
}

/// Search for what peers have paid out.
#[derive(Args, Clone, Debug)]
pub struct Recover {
    /// What it pays.
    #[command(flatten)]
    pub fees: Fees,
    /// Sweep nothing: only tell what is there
    #[arg(long, conflicts_with_all = ["feerate", "feerate_perkw"])]
    pub only_look: bool,
}

/// What the commitments of a channel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChannelType {
    /// Their fees are paid when they are needed, by a child
    #[value(name = "anchors")]
    Anchors,
    /// Their fees are chosen before, and follow the estimate
    #[value(name = "static_remotekey")]
    StaticRemotekey,
}

impl ChannelType {
    /// As the API names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ChannelType::Anchors => "anchors",
            ChannelType::StaticRemotekey => "static_remotekey",
        }
    }
}

/// Open a channel.
#[derive(Args, Clone, Debug)]
pub struct Open {
    /// With whom: ID@HOST:PORT, or ID alone where the node is connected or knows an address
    pub peer: PeerAt,
    /// Its capacity
    pub amount: WholeSat,
    /// What it pays.
    #[command(flatten)]
    pub fees: Fees,
    /// Do not tell the network of it
    #[arg(long)]
    pub private: bool,
    /// What its commitments are to be [default: anchors, where the peer knows them]
    #[arg(long, value_name = "TYPE")]
    pub channel_type: Option<ChannelType>,
    /// Take also what should stay in the wallet to close channels in time, this one among them
    #[arg(long)]
    pub spend_reserve: bool,
    /// Do it also where the fee of the funding is more than the channel is to hold
    #[arg(long)]
    pub accept_high_fee: bool,
    /// Your name for this command, up to 64 characters and never used for another: repeated with it, it is carried out once
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// Give the peer this much of it, as a gift
    #[arg(long, value_name = "AMOUNT", default_value = "0")]
    pub push: Msat,
}
