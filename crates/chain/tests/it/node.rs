//! A bitcoind for a test.

use astrape_chain::{Auth, Bitcoind, BitcoindConfig, ChainSource, RpcClient, RpcError};
use astrape_primitives::{BlockId, Network};
use astrape_regtest::ports;
use bitcoin::blockdata::opcodes::OP_TRUE;
use bitcoin::script::Builder;
use bitcoin::{Address, BlockHash, ScriptBuf};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a bitcoind is started with other ports when some were taken since they were found free.
const TRIES: u8 = 5;

/// What bitcoind says then: of the port for peers, and of the one for calls.
const PORT_TAKEN: [&str; 2] = ["Unable to bind", "Unable to start HTTP server"];

/// A bitcoind of its own directory and port, killed at the end.
pub(crate) struct Node {
    directory: tempfile::TempDir,
    port: u16,
    /// Where other nodes connect.
    p2p: u16,
    flags: Vec<&'static str>,
    child: Option<Child>,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The bitcoind to test with, or `None` when these tests are left out.
fn executable() -> Option<PathBuf> {
    if std::env::var("ASTRAPE_WITHOUT_BITCOIND").is_ok_and(|value| value == "1") {
        eprintln!("left out: ASTRAPE_WITHOUT_BITCOIND=1");
        return None;
    }
    if let Some(named) = std::env::var_os("BITCOIND_EXE").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|directory| directory.join("bitcoind")).find(|exe| exe.is_file());
    Some(found.expect(
        "these tests need a bitcoind: run `cargo xtask test`, or set BITCOIND_EXE=/path/to/bitcoind, \
         or ASTRAPE_WITHOUT_BITCOIND=1 to leave them out",
    ))
}

/// Whether it is Bitcoin Knots, which has its own relay policy unless told otherwise.
fn is_knots(exe: &PathBuf) -> bool {
    let output = Command::new(exe).arg("-version").output().expect("bitcoind runs");
    String::from_utf8_lossy(&output.stdout).contains("Knots")
}

impl Node {
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// With these flags besides ours.
    pub(crate) async fn start_with(flags: &[&'static str]) -> Option<Self> {
        executable()?;
        let mut why = String::new();
        for _ in 0..TRIES {
            let (port, p2p) = (ports::free().unwrap(), ports::free().unwrap());
            let directory = tempfile::tempdir().unwrap();
            let mut node = Self { directory, port, p2p, flags: flags.to_vec(), child: None };
            match node.try_run().await {
                Ok(()) => return Some(node),
                Err(ended) => why = ended,
            }
            assert!(PORT_TAKEN.iter().any(|words| why.contains(words)), "{why}");
        }
        panic!("{why}");
    }

    /// Starts it where it was, and waits until it answers.
    pub(crate) async fn run(&mut self) {
        self.try_run().await.unwrap_or_else(|why| panic!("{why}"));
    }

    /// The error tells with what it ended instead.
    async fn try_run(&mut self) -> Result<(), String> {
        let exe = executable().expect("it was there before");
        let mut command = Command::new(&exe);
        command.args(["-regtest", "-server", "-dnsseed=0", "-listenonion=0", "-natpmp=0"]);
        command.arg(format!("-datadir={}", self.directory.path().display()));
        command.arg(format!("-rpcport={}", self.port));
        command.arg(format!("-bind=127.0.0.1:{}", self.p2p));
        if is_knots(&exe) {
            command.arg("-corepolicy");
        }
        command.args(&self.flags);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        self.child = Some(child.expect("bitcoind starts"));
        let source = self.source(Network::Regtest);
        let begin = Instant::now();
        while let Err(error) = source.state().await {
            let child = self.child.as_mut().expect("it was started");
            if let Some(status) = child.try_wait().unwrap() {
                let mut said = String::new();
                child.stderr.take().expect("it is piped").read_to_string(&mut said).unwrap();
                return Err(format!("bitcoind ended with {status}: {said}"));
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "bitcoind does not come up: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Stops it in good order.
    pub(crate) async fn stop(&mut self) {
        self.call("stop", json!([])).await;
        let mut child = self.child.take().expect("it runs");
        tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    }

    /// Connects it with another, and waits until it has all blocks of that.
    pub(crate) async fn follow(&self, other: &Node) {
        self.call("addnode", json!([other.address(), "onetry"])).await;
        let begin = Instant::now();
        while self.tip().await != other.tip().await {
            assert!(begin.elapsed() < Duration::from_secs(60), "the blocks do not come over");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Where others connect.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.p2p)
    }

    fn auth(&self) -> Auth {
        Auth::cookie_in(self.directory.path(), Network::Regtest)
    }

    pub(crate) fn source(&self, network: Network) -> Bitcoind {
        let address = format!("127.0.0.1:{}", self.port);
        Bitcoind::new(BitcoindConfig { address, network, ..BitcoindConfig::local(network, self.auth()) })
    }

    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params).await.unwrap()
    }

    pub(crate) async fn try_call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let client = RpcClient::new(format!("127.0.0.1:{}", self.port), self.auth(), Duration::from_secs(60));
        client.call(method, params).await
    }

    pub(crate) async fn mine(&self, blocks: u32) -> Vec<BlockHash> {
        self.mine_to(&anyone(), blocks).await
    }

    pub(crate) async fn mine_to(&self, script: &ScriptBuf, blocks: u32) -> Vec<BlockHash> {
        let address = Address::from_script(script, bitcoin::Network::Regtest).unwrap().to_string();
        let hashes = self.call("generatetoaddress", json!([blocks, address])).await;
        serde_json::from_value(hashes).unwrap()
    }

    pub(crate) async fn tip(&self) -> BlockId {
        self.source(Network::Regtest).state().await.unwrap().tip
    }
}

/// P2WSH of `OP_TRUE`.
pub(crate) fn anyone() -> ScriptBuf {
    Builder::new().push_opcode(OP_TRUE).into_script().to_p2wsh()
}
