//! The fields that we read of bitcoind's answers.

use crate::source::{SourceState, UnspentOutput};
use astrape_primitives::{BlockId, Height, Timestamp};
use bitcoin::amount::serde::as_btc;
use bitcoin::{Amount, BlockHash, ScriptBuf, Txid};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `getblockchaininfo`
#[derive(Deserialize)]
pub(super) struct BlockchainInfo {
    pub(super) chain: String,
    blocks: u32,
    headers: u32,
    bestblockhash: BlockHash,
    /// Time in the best block's header; older nodes do not tell it.
    time: Option<u32>,
    mediantime: u32,
    initialblockdownload: bool,
    #[serde(default)]
    pub(super) pruned: bool,
    /// The lowest block that it still has; told only where it prunes.
    pub(super) pruneheight: Option<u32>,
}

impl From<BlockchainInfo> for SourceState {
    fn from(info: BlockchainInfo) -> Self {
        SourceState {
            tip: BlockId { height: Height(info.blocks), hash: info.bestblockhash },
            tip_time: Timestamp::from_secs(info.time.unwrap_or(info.mediantime).into()),
            headers: Height(info.headers),
            initial_download: info.initialblockdownload,
        }
    }
}

/// `getblock` with verbosity 1
#[derive(Deserialize)]
pub(super) struct BlockTxids {
    pub(super) tx: Vec<Txid>,
}

/// `getmempoolinfo`
#[derive(Deserialize)]
pub(super) struct MempoolInfo {
    /// The higher one of `-minrelaytxfee` and the floor of a full mempool, in bitcoin per 1,000 virtual bytes.
    #[serde(with = "as_btc")]
    pub(super) mempoolminfee: Amount,
}

/// `estimatesmartfee`; without a feerate when there is too little to learn from.
#[derive(Deserialize)]
pub(super) struct SmartFee {
    #[serde(default, with = "as_btc::opt")]
    pub(super) feerate: Option<Amount>,
}

/// `gettxout`
#[derive(Deserialize)]
pub(super) struct TxOutInfo {
    confirmations: u32,
    #[serde(with = "as_btc")]
    value: Amount,
    #[serde(rename = "scriptPubKey")]
    script: ScriptInfo,
    coinbase: bool,
}

#[derive(Deserialize)]
struct ScriptInfo {
    hex: ScriptBuf,
}

impl From<TxOutInfo> for UnspentOutput {
    fn from(info: TxOutInfo) -> Self {
        UnspentOutput {
            value: info.value.into(),
            script: info.script.hex,
            confirmations: info.confirmations,
            coinbase: info.coinbase,
        }
    }
}

/// A row of `gettxspendingprevout`
#[derive(Deserialize)]
pub(super) struct PrevoutSpender {
    pub(super) spendingtxid: Option<Txid>,
}

/// `submitpackage`
#[derive(Deserialize)]
pub(super) struct PackageAnswer {
    pub(super) package_msg: String,
    #[serde(rename = "tx-results", default)]
    results: BTreeMap<String, MemberAnswer>,
}

#[derive(Deserialize)]
struct MemberAnswer {
    error: Option<String>,
}

impl PackageAnswer {
    /// What went wrong, in one line.
    pub(super) fn reason(&self) -> String {
        let errors = self.results.values().filter_map(|member| member.error.as_deref());
        let errors: Vec<&str> = errors.filter(|error| *error != "package-not-validated").collect();
        if errors.is_empty() { self.package_msg.clone() } else { errors.join("; ") }
    }
}
