//! A source by Bitcoin Core's RPC (also Knots and others that speak it).

mod answers;
mod broadcast;
mod pruned;
mod search;

use crate::fees::{FeeEstimates, TARGETS};
use crate::rpc::{Auth, IN_WARMUP, METHOD_NOT_FOUND, RpcClient, RpcError};
use crate::source::{
    Answer, BroadcastResult, ChainSource, FoundOutput, SourceError, SourceState, UnspentOutput,
};
use answers::{BlockTxids, BlockchainInfo, MempoolInfo, PrevoutSpender, SmartFee, TxOutInfo};
use astrape_primitives::{BlockId, FeeratePerKw, Height, Network};
use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::{Block, BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// No such transaction or block (`RPC_INVALID_ADDRESS_OR_KEY`).
const NOT_FOUND: i64 = -5;
/// Anything that has no code of its own, a pruned block for one (`RPC_MISC_ERROR`).
const MISC_ERROR: i64 = -1;
/// A height above the tip (`RPC_INVALID_PARAMETER`).
const INVALID_PARAMETER: i64 = -8;

/// Outputs in one `gettxspendingprevout`: each takes some microseconds under the lock of bitcoind's mempool.
const MAX_PREVOUTS: usize = 1_000;

/// Where bitcoind is and who we are to it.
#[derive(Clone, Debug)]
pub struct BitcoindConfig {
    /// `host:port` of its RPC.
    pub address: String,
    /// Our credentials.
    pub auth: Auth,
    /// The chain that it must follow.
    pub network: Network,
    /// Longest time for an answer.
    pub timeout: Duration,
}

impl BitcoindConfig {
    /// The port on this machine that bitcoind uses by default, and half a minute for an answer.
    #[must_use]
    pub fn local(network: Network, auth: Auth) -> Self {
        let port = match network {
            Network::Bitcoin => 8332,
            Network::Testnet4 => 48332,
            Network::Signet => 38332,
            Network::Regtest => 18443,
        };
        Self { address: format!("127.0.0.1:{port}"), auth, network, timeout: Duration::from_secs(30) }
    }
}

/// bitcoind as a source.
#[derive(Debug)]
pub struct Bitcoind {
    rpc: RpcClient,
    network: Network,
    /// It does not let us wait for blocks; then its state is asked again and again.
    cannot_wait: AtomicBool,
    /// It takes no packages, and that was said.
    lacks_packages: AtomicBool,
    pruned: pruned::Pruned,
}

impl Bitcoind {
    /// A source; it is not asked anything yet.
    #[must_use]
    pub fn new(config: BitcoindConfig) -> Self {
        let BitcoindConfig { address, auth, network, timeout } = config;
        Self {
            rpc: RpcClient::new(address, auth, timeout),
            network,
            cannot_wait: AtomicBool::new(false),
            lacks_packages: AtomicBool::new(false),
            pruned: pruned::Pruned::default(),
        }
    }

    async fn get_state(&self) -> Result<SourceState, SourceError> {
        let info: BlockchainInfo = self.ask("getblockchaininfo", json!([])).await?;
        if info.chain != chain_name(self.network) {
            return Err(SourceError::WrongNetwork { expected: self.network, found: info.chain });
        }
        Ok(info.into())
    }

    async fn get_hash_at(&self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        absent_if(self.rpc.call("getblockhash", json!([height.0])).await, INVALID_PARAMETER)
    }

    async fn get_block(&self, hash: BlockHash) -> Result<Option<Arc<Block>>, SourceError> {
        match self.get_whole(hash).await {
            Err(SourceError::Pruned(hash)) => self.fetch_again(hash).await.map(Some),
            found => found,
        }
    }

    /// As it has it now.
    async fn get_whole(&self, hash: BlockHash) -> Result<Option<Arc<Block>>, SourceError> {
        let raw: Option<String> = self.get_of_block(hash, 0).await?;
        let decode = |raw: String| deserialize_hex(&raw).map(Arc::new);
        raw.map(decode).transpose().map_err(|error| SourceError::Nonsense(format!("block {hash}: {error}")))
    }

    async fn get_of_block<T: serde::de::DeserializeOwned>(
        &self,
        hash: BlockHash,
        verbosity: u32,
    ) -> Result<Option<T>, SourceError> {
        match self.rpc.call("getblock", json!([hash, verbosity])).await {
            Err(RpcError::Server { code: MISC_ERROR, message }) if message.contains("pruned") => {
                Err(SourceError::Pruned(hash))
            }
            answer => absent_if(answer, NOT_FOUND),
        }
    }

    async fn get_pruned_below(&self) -> Result<Option<Height>, SourceError> {
        let info: BlockchainInfo = self.ask("getblockchaininfo", json!([])).await?;
        Ok(info.pruneheight.filter(|_| info.pruned).map(Height))
    }

    /// Asked with verbosity 1, it gives the ids alone: a tenth of the block.
    async fn get_txids(&self, hash: BlockHash) -> Result<Option<Arc<Vec<Txid>>>, SourceError> {
        let found: Option<BlockTxids> = self.get_of_block(hash, 1).await?;
        Ok(found.map(|block| Arc::new(block.tx)))
    }

    /// By `waitforblockheight` and not `waitfornewblock`: the former has no gap between the look and the wait. A
    /// reorganisation to the same height is found at the end of the wait.
    async fn wait_above(&self, tip: BlockId, at_most: Duration) -> Result<(), SourceError> {
        if self.cannot_wait.load(Ordering::Relaxed) {
            tokio::time::sleep(at_most).await;
            return Ok(());
        }
        // Zero would mean for ever.
        let millis = u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX).max(1);
        let params = json!([tip.height.plus(1).0, millis]);
        let limit = at_most.saturating_add(Duration::from_secs(30));
        match self.rpc.call_within::<Value>("waitforblockheight", params, limit).await {
            Ok(_) => Ok(()),
            Err(RpcError::Forbidden) => self.give_up_waiting(),
            Err(error) if error.code() == Some(METHOD_NOT_FOUND) => self.give_up_waiting(),
            Err(error) => Err(error.into()),
        }
    }

    fn give_up_waiting(&self) -> Result<(), SourceError> {
        self.cannot_wait.store(true, Ordering::Relaxed);
        tracing::info!("bitcoind does not let us wait for blocks: asking in intervals");
        Ok(())
    }

    async fn get_fees(&self) -> Result<FeeEstimates, SourceError> {
        let info: MempoolInfo = self.ask("getmempoolinfo", json!([])).await?;
        let mut by_target = BTreeMap::new();
        for target in TARGETS {
            let estimate: SmartFee = self.ask("estimatesmartfee", json!([target])).await?;
            by_target.extend(estimate.feerate.map(|rate| (target, per_kw(rate))));
        }
        Ok(FeeEstimates::new(self.network, per_kw(info.mempoolminfee), by_target))
    }

    async fn get_unspent(&self, outpoint: OutPoint) -> Result<Option<UnspentOutput>, SourceError> {
        let found: Option<TxOutInfo> =
            self.ask("gettxout", json!([outpoint.txid, outpoint.vout, false])).await?;
        Ok(found.map(UnspentOutput::from))
    }

    async fn get_in_mempool(&self, txid: Txid) -> Result<bool, SourceError> {
        let entry: Option<Value> =
            absent_if(self.rpc.call("getmempoolentry", json!([txid])).await, NOT_FOUND)?;
        Ok(entry.is_some())
    }

    async fn get_spenders(&self, outpoints: &[OutPoint]) -> Result<BTreeSet<Txid>, SourceError> {
        let mut found = BTreeSet::new();
        for batch in outpoints.chunks(MAX_PREVOUTS) {
            let named: Vec<Value> = batch.iter().map(|o| json!({ "txid": o.txid, "vout": o.vout })).collect();
            let spenders: Vec<PrevoutSpender> = self.ask("gettxspendingprevout", json!([named])).await?;
            found.extend(spenders.into_iter().filter_map(|spender| spender.spendingtxid));
        }
        Ok(found)
    }

    /// Without `-txindex`, `getrawtransaction` knows the mempool alone; with it, also what is confirmed, which is not asked
    /// for and does no harm.
    async fn get_mempool_transaction(&self, txid: Txid) -> Result<Option<Transaction>, SourceError> {
        let raw = self.rpc.call("getrawtransaction", json!([txid])).await;
        let raw: Option<String> = absent_if(raw, NOT_FOUND)?;
        let decode = |raw: String| deserialize_hex(&raw);
        raw.map(decode)
            .transpose()
            .map_err(|error| SourceError::Nonsense(format!("transaction {txid}: {error}")))
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<T, SourceError> {
        Ok(self.rpc.call(method, params).await?)
    }
}

impl ChainSource for Bitcoind {
    fn state(&self) -> Answer<'_, SourceState> {
        Box::pin(self.get_state())
    }

    fn hash_at(&self, height: Height) -> Answer<'_, Option<BlockHash>> {
        Box::pin(self.get_hash_at(height))
    }

    fn block(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Block>>> {
        Box::pin(self.get_block(hash))
    }

    fn kept_block(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Block>>> {
        Box::pin(self.get_whole(hash))
    }

    fn pruned_below(&self) -> Answer<'_, Option<Height>> {
        Box::pin(self.get_pruned_below())
    }

    fn txids(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Vec<Txid>>>> {
        Box::pin(self.get_txids(hash))
    }

    fn wait(&self, tip: BlockId, at_most: Duration) -> Answer<'_, ()> {
        Box::pin(self.wait_above(tip, at_most))
    }

    fn broadcast<'a>(
        &'a self,
        package: &'a [Transaction],
    ) -> Pin<Box<dyn Future<Output = BroadcastResult> + Send + 'a>> {
        Box::pin(broadcast::broadcast(&self.rpc, package, &self.lacks_packages))
    }

    fn fees(&self) -> Answer<'_, FeeEstimates> {
        Box::pin(self.get_fees())
    }

    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<UnspentOutput>> {
        Box::pin(self.get_unspent(outpoint))
    }

    fn find_unspent<'a>(&'a self, scripts: &'a [ScriptBuf]) -> Answer<'a, Vec<FoundOutput>> {
        Box::pin(self.search_unspent(scripts))
    }

    fn in_mempool(&self, txid: Txid) -> Answer<'_, bool> {
        Box::pin(self.get_in_mempool(txid))
    }

    fn spenders_in_mempool<'a>(&'a self, outpoints: &'a [OutPoint]) -> Answer<'a, BTreeSet<Txid>> {
        Box::pin(self.get_spenders(outpoints))
    }

    fn mempool_transaction(&self, txid: Txid) -> Answer<'_, Option<Transaction>> {
        Box::pin(self.get_mempool_transaction(txid))
    }
}

/// The name in `getblockchaininfo`.
fn chain_name(network: Network) -> &'static str {
    match network {
        Network::Bitcoin => "main",
        Network::Testnet4 | Network::Signet | Network::Regtest => network.name(),
    }
}

/// From bitcoin per 1,000 virtual bytes, rounded up.
fn per_kw(per_kvb: bitcoin::Amount) -> FeeratePerKw {
    FeeratePerKw(u32::try_from(per_kvb.to_sat().div_ceil(4)).unwrap_or(u32::MAX))
}

/// Turns the error that means "there is none" into none.
fn absent_if<T>(answer: Result<T, RpcError>, code: i64) -> Result<Option<T>, SourceError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code() == Some(code) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl From<RpcError> for SourceError {
    fn from(error: RpcError) -> Self {
        let text = error.to_string();
        match error {
            RpcError::Server { code: IN_WARMUP, message } => SourceError::NotReady(message),
            RpcError::Server { .. } | RpcError::Forbidden => SourceError::Refused(text),
            RpcError::Garbage(_) | RpcError::TooLarge { .. } => SourceError::Nonsense(text),
            RpcError::Connect { .. }
            | RpcError::Cookie { .. }
            | RpcError::Unauthorized
            | RpcError::Broken(_)
            | RpcError::Timeout(_)
            | RpcError::Http(_) => SourceError::Unreachable(text),
        }
    }
}
