//! Against a real bitcoind on regtest. `BITCOIND_EXE` names it, or it is on the PATH; `cargo xtask test` finds or obtains
//! one. `ASTRAPE_WITHOUT_BITCOIND=1` leaves these tests out.

use crate::kit::Believer;
use astrape_chain::{
    Auth, Bitcoind, BitcoindConfig, BroadcastResult, ChainSource, Follower, FollowerSettings, RpcClient,
    SourceError, Status, Update, starting_cursor,
};
use astrape_primitives::{BlockId, FeeratePerKw, Network, Sat};
use bitcoin::absolute::LockTime;
use bitcoin::blockdata::opcodes::OP_TRUE;
use bitcoin::script::Builder;
use bitcoin::{
    Address, Amount, Block, BlockHash, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
    transaction,
};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A bitcoind of its own directory and port, killed at the end.
struct Node {
    directory: tempfile::TempDir,
    port: u16,
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
    async fn start() -> Option<Self> {
        executable()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut node = Self { directory: tempfile::tempdir().unwrap(), port, child: None };
        node.run().await;
        Some(node)
    }

    /// Starts it, and waits until it answers.
    async fn run(&mut self) {
        let exe = executable().expect("it was there before");
        let mut command = Command::new(&exe);
        command.args(["-regtest", "-server", "-listen=0", "-dnsseed=0", "-listenonion=0", "-natpmp=0"]);
        command.arg(format!("-datadir={}", self.directory.path().display()));
        command.arg(format!("-rpcport={}", self.port));
        if is_knots(&exe) {
            command.arg("-corepolicy");
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        self.child = Some(child.expect("bitcoind starts"));
        let source = self.source(Network::Regtest);
        let begin = Instant::now();
        while let Err(error) = source.state().await {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("bitcoind ended with {status}");
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "bitcoind does not come up: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops it in good order.
    async fn stop(&mut self) {
        self.call("stop", json!([])).await;
        let mut child = self.child.take().expect("it runs");
        tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    }

    fn auth(&self) -> Auth {
        Auth::cookie_in(self.directory.path(), Network::Regtest)
    }

    fn source(&self, network: Network) -> Bitcoind {
        let address = format!("127.0.0.1:{}", self.port);
        Bitcoind::new(BitcoindConfig { address, network, ..BitcoindConfig::local(network, self.auth()) })
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        let client = RpcClient::new(format!("127.0.0.1:{}", self.port), self.auth(), Duration::from_secs(60));
        client.call(method, params).await.unwrap()
    }

    async fn mine(&self, blocks: u32) -> Vec<BlockHash> {
        self.mine_to(&anyone(), blocks).await
    }

    async fn mine_to(&self, script: &ScriptBuf, blocks: u32) -> Vec<BlockHash> {
        let address = Address::from_script(script, bitcoin::Network::Regtest).unwrap().to_string();
        let hashes = self.call("generatetoaddress", json!([blocks, address])).await;
        serde_json::from_value(hashes).unwrap()
    }

    async fn tip(&self) -> BlockId {
        self.source(Network::Regtest).state().await.unwrap().tip
    }
}

/// P2WSH of `OP_TRUE`.
fn anyone() -> ScriptBuf {
    Builder::new().push_opcode(OP_TRUE).into_script().to_p2wsh()
}

fn spend(from: OutPoint, outputs: &[u64]) -> Transaction {
    let witness = Witness::from_slice(&[Builder::new().push_opcode(OP_TRUE).into_script().as_bytes()]);
    Transaction {
        version: transaction::Version(3),
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: from,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness,
        }],
        output: outputs
            .iter()
            .map(|sat| TxOut { value: Amount::from_sat(*sat), script_pubkey: anyone() })
            .collect(),
    }
}

fn coinbase_of(block: &Block) -> OutPoint {
    OutPoint { txid: block.txdata[0].compute_txid(), vout: 0 }
}

fn settings(poll_interval: Duration) -> FollowerSettings {
    FollowerSettings { poll_interval, ..FollowerSettings::for_network(Network::Regtest) }
}

#[tokio::test]
async fn the_blocks_of_bitcoind_are_followed_over_a_reorganisation() {
    let Some(node) = Node::start().await else { return };
    let source = Arc::new(node.source(Network::Regtest));
    let recent = starting_cursor(source.as_ref(), 10).await.unwrap();
    let mut believer = Believer::new(&recent);
    let mut follower =
        Follower::new(Arc::clone(&source) as _, recent, settings(Duration::from_millis(200))).unwrap();
    let hashes = node.mine(12).await;
    believer.listen_until(&mut follower, node.tip().await).await;
    assert_eq!(believer.seen.len(), 13);

    node.call("invalidateblock", json!([hashes[8]])).await;
    // To another script: the same block again would be the one that was made invalid.
    node.mine_to(&ScriptBuf::new().to_p2wsh(), 6).await;
    believer.listen_until(&mut follower, node.tip().await).await;
    assert_eq!(believer.seen.len(), 15);
    assert_eq!(believer.seen[8].hash, hashes[7]);
}

#[tokio::test]
async fn a_new_block_is_told_at_once() {
    let Some(node) = Node::start().await else { return };
    node.mine(1).await;
    let source = Arc::new(node.source(Network::Regtest));
    let recent = starting_cursor(source.as_ref(), 1).await.unwrap();
    let mut follower = Follower::new(source, recent, settings(Duration::from_secs(60))).unwrap();
    assert!(matches!(follower.next().await, Update::Status(Status::Following { .. })));
    let begin = Instant::now();
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        node.mine(1).await
    };
    let (update, hashes) = tokio::join!(follower.next(), later);
    assert!(matches!(update, Update::Block(_)));
    assert_eq!(follower.tip().hash, hashes[0]);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_restart_of_bitcoind_is_survived() {
    let Some(mut node) = Node::start().await else { return };
    node.mine(2).await;
    let source = Arc::new(node.source(Network::Regtest));
    let recent = starting_cursor(source.as_ref(), 2).await.unwrap();
    let mut believer = Believer::new(&recent);
    let mut follower = Follower::new(source, recent, settings(Duration::from_millis(100))).unwrap();
    assert!(matches!(follower.next().await, Update::Status(Status::Following { .. })));
    node.stop().await;
    let update = tokio::time::timeout(Duration::from_secs(60), follower.next()).await.unwrap();
    assert!(matches!(update, Update::Status(Status::Unreachable { .. })), "{update:?}");
    node.run().await;
    node.mine(3).await;
    believer.listen_until(&mut follower, node.tip().await).await;
    while !follower.status().is_reliable() {
        tokio::time::timeout(Duration::from_secs(60), follower.next()).await.unwrap();
    }
}

#[tokio::test]
async fn the_wrong_chain_is_refused() {
    let Some(node) = Node::start().await else { return };
    let answer = node.source(Network::Signet).state().await;
    let expected = SourceError::WrongNetwork { expected: Network::Signet, found: "regtest".into() };
    assert_eq!(answer, Err(expected));
}

#[tokio::test]
async fn transactions_are_sent_and_looked_up() {
    let Some(node) = Node::start().await else { return };
    let source = node.source(Network::Regtest);
    let hashes = node.mine(101).await;
    let block = source.block(hashes[0]).await.unwrap().unwrap();
    let coin = coinbase_of(&block);
    let found = source.unspent(coin).await.unwrap().unwrap();
    assert_eq!((found.value, found.confirmations, found.coinbase), (Sat(5_000_000_000), 101, true));
    assert_eq!(found.script, anyone());

    let tx = spend(coin, &[4_999_990_000]);
    assert_eq!(source.broadcast(std::slice::from_ref(&tx)).await, BroadcastResult::Accepted);
    assert!(source.in_mempool(tx.compute_txid()).await.unwrap());
    assert_eq!(source.unspent(coin).await, Ok(None));
    assert_eq!(source.spender_in_mempool(coin).await.unwrap().as_ref(), Some(&tx));
    let rival = spend(coin, &[4_999_989_999]);
    let BroadcastResult::Rejected(reason) = source.broadcast(&[rival]).await else {
        panic!("it pays too little")
    };
    assert!(reason.contains("insufficient fee"), "{reason}");

    node.mine(1).await;
    assert!(!source.in_mempool(tx.compute_txid()).await.unwrap());
    assert_eq!(source.spender_in_mempool(coin).await, Ok(None));
    assert_eq!(source.broadcast(std::slice::from_ref(&tx)).await, BroadcastResult::AlreadyKnown);
    let fees = source.fees().await.unwrap();
    assert!(fees.is_guessed() && fees.floor() == FeeratePerKw::FLOOR);
}

#[tokio::test]
async fn a_child_brings_its_free_parent_along() {
    let Some(node) = Node::start().await else { return };
    let source = node.source(Network::Regtest);
    let hashes = node.mine(101).await;
    let coin = coinbase_of(&source.block(hashes[0]).await.unwrap().unwrap());
    let parent = spend(coin, &[5_000_000_000]);
    let child = spend(OutPoint { txid: parent.compute_txid(), vout: 0 }, &[4_999_990_000]);
    let alone = source.broadcast(std::slice::from_ref(&parent)).await;
    assert!(
        matches!(&alone, BroadcastResult::Rejected(reason) if reason.contains("min relay fee not met")),
        "{alone:?}"
    );
    let package = [parent, child];
    assert_eq!(source.broadcast(&package).await, BroadcastResult::Accepted);
    assert_eq!(source.broadcast(&package).await, BroadcastResult::Accepted, "the same again");
    node.mine(1).await;
    assert_eq!(source.broadcast(&package).await, BroadcastResult::AlreadyKnown);
}
