//! A bitcoind of its own, on regtest.

use crate::process::Process;
use crate::{ports, wait};
use anyhow::{Context as _, Result, ensure};
use astrape_chain::{Auth, RpcClient, RpcError};
use astrape_primitives::Network;
use bitcoin::hashes::Hash as _;
use bitcoin::{Amount, BlockHash};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long bitcoind may take to come up, and to go down.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Longest call: mining a hundred blocks on a busy machine.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// What bitcoind calls a transaction that it does not know (`RPC_INVALID_ADDRESS_OR_KEY`).
const NO_SUCH: i64 = -5;

/// Blocks until the first reward can be spent, and one.
const FIRST_BLOCKS: u32 = 110;

/// A bitcoind with a wallet that has coins.
#[derive(Debug)]
pub struct Bitcoind {
    exe: PathBuf,
    directory: TempDir,
    rpc_port: u16,
    process: Option<Process>,
}

impl Bitcoind {
    /// Starts the one of `BITCOIND_EXE`, or of the PATH. `None` where `ASTRAPE_WITHOUT_BITCOIND=1` leaves these tests out.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn start() -> Result<Option<Self>> {
        let Some(bitcoind) = Self::start_at_genesis()? else { return Ok(None) };
        bitcoind.call::<Value>("createwallet", json!(["miner", false, false, "", false, true, true]))?;
        bitcoind.mine(FIRST_BLOCKS)?;
        Ok(Some(bitcoind))
    }

    /// The same with neither wallet nor blocks.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn start_at_genesis() -> Result<Option<Self>> {
        let Some(exe) = executable()? else { return Ok(None) };
        let directory = tempfile::tempdir()?;
        let mut bitcoind = Self { exe, directory, rpc_port: ports::free()?, process: None };
        bitcoind.run()?;
        Ok(Some(bitcoind))
    }

    /// Starts it again after [`Bitcoind::stop`].
    ///
    /// # Errors
    /// When it does not come up.
    pub fn run(&mut self) -> Result<()> {
        let mut command = Command::new(&self.exe);
        command.args(["-regtest", "-server", "-listen=0", "-dnsseed=0", "-listenonion=0", "-natpmp=0"]);
        // Bitcoin Knots would give addresses of old, which cannot fund a channel.
        command.args(["-txindex=1", "-fallbackfee=0.00002", "-rpcworkqueue=256", "-addresstype=bech32"]);
        command.arg(format!("-datadir={}", self.directory.path().display()));
        command.arg(format!("-rpcport={}", self.rpc_port));
        if is_knots(&self.exe)? {
            // Bitcoin Knots has a relay policy of its own unless told otherwise.
            command.arg("-corepolicy");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::start(&mut command)?;
        wait::until("bitcoind to answer", START_LIMIT, || {
            if let Some(status) = process.ended()? {
                anyhow::bail!("bitcoind ended with {status}: see debug.log in its directory");
            }
            Ok(self.try_call::<u32>("getblockcount", json!([])).ok())
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops it in good order.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        self.call::<Value>("stop", json!([]))?;
        let mut process = self.process.take().context("bitcoind does not run")?;
        ensure!(process.wait(START_LIMIT)?.success(), "bitcoind ended badly");
        Ok(())
    }

    /// Where it offers its RPC, `host:port`.
    #[must_use]
    pub fn rpc_address(&self) -> String {
        format!("127.0.0.1:{}", self.rpc_port)
    }

    /// Its cookie file.
    #[must_use]
    pub fn cookie(&self) -> PathBuf {
        self.directory.path().join("regtest").join(".cookie")
    }

    /// Calls a method.
    ///
    /// # Errors
    /// When it fails.
    pub fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T> {
        self.try_call(method, params).with_context(|| format!("bitcoind: {method}"))
    }

    /// Calls a method, and tells why it failed.
    ///
    /// # Errors
    /// The server's, or of the way to it.
    pub fn try_call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, RpcError> {
        let auth = Auth::cookie_in(self.directory.path(), Network::Regtest);
        let client = RpcClient::new(self.rpc_address(), auth, CALL_LIMIT);
        wait::block_on(client.call(method, params))
    }

    /// Mines blocks with what is in the mempool.
    ///
    /// # Errors
    /// When it does not.
    pub fn mine(&self, blocks: u32) -> Result<Vec<BlockHash>> {
        let address: String = self.call("getnewaddress", json!([]))?;
        let hashes: Vec<String> = self.call("generatetoaddress", json!([blocks, address]))?;
        hashes.iter().map(|hash| Ok(hash.parse()?)).collect()
    }

    /// Mines one block with nothing of the mempool in it.
    ///
    /// # Errors
    /// When it does not.
    pub fn mine_empty(&self) -> Result<BlockHash> {
        let address: String = self.call("getnewaddress", json!([]))?;
        let mined: Value = self.call("generateblock", json!([address, []]))?;
        Ok(mined["hash"].as_str().context("no hash")?.parse()?)
    }

    /// Sends coins to an address and mines them into a block.
    ///
    /// # Errors
    /// When it does not.
    pub fn fund(&self, address: &str, amount_sat: u64) -> Result<()> {
        let amount = Amount::from_sat(amount_sat).to_btc();
        self.call::<String>("sendtoaddress", json!([address, amount]))?;
        self.mine(1).map(drop)
    }

    /// Height of its best block.
    ///
    /// # Errors
    /// When it does not say.
    pub fn height(&self) -> Result<u32> {
        self.call("getblockcount", json!([]))
    }

    /// Ids of what waits in the mempool.
    ///
    /// # Errors
    /// When it does not say.
    pub fn mempool(&self) -> Result<Vec<String>> {
        self.call("getrawmempool", json!([]))
    }

    /// Waits until a transaction is in the mempool.
    ///
    /// # Errors
    /// When it is not soon.
    pub fn wait_for(&self, txid: &str) -> Result<()> {
        wait::until(&format!("{txid} in the mempool"), START_LIMIT, || {
            Ok(self.mempool()?.iter().any(|waiting| waiting == txid).then_some(()))
        })
    }

    /// A transaction, from the mempool or a block.
    ///
    /// # Errors
    /// When there is none of this id.
    pub fn transaction(&self, txid: &str) -> Result<bitcoin::Transaction> {
        let hex: String = self.call("getrawtransaction", json!([txid]))?;
        Ok(bitcoin::consensus::encode::deserialize_hex(&hex)?)
    }

    /// The same, or none where there is none.
    ///
    /// # Errors
    /// When bitcoind does not answer.
    pub fn find_transaction(&self, txid: &str) -> Result<Option<bitcoin::Transaction>> {
        match self.try_call::<String>("getrawtransaction", json!([txid])) {
            Ok(hex) => Ok(Some(bitcoin::consensus::encode::deserialize_hex(&hex)?)),
            Err(error) if error.code() == Some(NO_SUCH) => Ok(None),
            Err(error) => Err(error).context("bitcoind: getrawtransaction"),
        }
    }

    /// What a transaction pays to the miner, in satoshi.
    ///
    /// # Errors
    /// When one of its inputs is not known.
    pub fn fee_of(&self, txid: &str) -> Result<u64> {
        let transaction = self.transaction(txid)?;
        let mut put_in = 0;
        for input in &transaction.input {
            ensure!(input.previous_output.txid != bitcoin::Txid::all_zeros(), "a coinbase pays no fee");
            let spent = self.transaction(&input.previous_output.txid.to_string())?;
            let output = spent.output.get(usize::try_from(input.previous_output.vout)?);
            put_in += output.context("spends an output that is not there")?.value.to_sat();
        }
        Ok(put_in - transaction.output.iter().map(|output| output.value.to_sat()).sum::<u64>())
    }
}

/// The bitcoind to test with, or `None` where these tests are left out.
fn executable() -> Result<Option<PathBuf>> {
    if std::env::var("ASTRAPE_WITHOUT_BITCOIND").is_ok_and(|value| value == "1") {
        eprintln!("left out: ASTRAPE_WITHOUT_BITCOIND=1");
        return Ok(None);
    }
    if let Some(named) = std::env::var_os("BITCOIND_EXE").filter(|named| !named.is_empty()) {
        return Ok(Some(named.into()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("bitcoind")).find(|exe| exe.is_file());
    found.map(Some).context(
        "this needs a bitcoind: run it by `cargo xtask`, or set BITCOIND_EXE=/path/to/bitcoind, \
         or ASTRAPE_WITHOUT_BITCOIND=1 to leave it out",
    )
}

fn is_knots(exe: &Path) -> Result<bool> {
    let output = Command::new(exe).arg("-version").output().context("bitcoind does not run")?;
    Ok(String::from_utf8_lossy(&output.stdout).contains("Knots"))
}
