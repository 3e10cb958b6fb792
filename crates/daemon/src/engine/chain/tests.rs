//! Blocks are told while other things go on, and a source that says nothing is noticed.

use super::*;
use crate::engine::testing::Slow;
use crate::engine::{ChainBackend, EmbeddedChain, EngineConfig, Handle, Running, start};
use astrape_node::Config;
use astrape_primitives::Network;
use astrape_regtest::RegtestChain;
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::Signer as _;
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn begin(dir: &TempDir, source: &Arc<Slow>, wallet_birthday: Option<Height>) -> (Handle, Running) {
    let signer = Arc::new(InProcessSigner::new(&Seed::from_entropy([7; 32]), Network::Regtest));
    let node = Config::new(signer.node_id(), Network::Regtest);
    let config = EngineConfig {
        network: Network::Regtest,
        data_dir: dir.path().to_owned(),
        signer,
        listen: Vec::new(),
        chain: ChainBackend::Other(Arc::clone(source) as _),
        node,
        wallet_birthday,
        dns_seeds: None,
        name_server: None,
        estimate: None,
        dev_fast: true,
    };
    start(config).await.expect("it starts")
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect(what);
}

#[tokio::test]
async fn blocks_are_told_while_the_wallet_reads_old_ones() {
    let chain = EmbeddedChain::new();
    chain.mine(400);
    let source = Slow::over(&chain);
    source.delay(Duration::from_millis(10));
    let dir = TempDir::new().expect("a directory");
    let (handle, running) = begin(&dir, &source, Some(Height(1))).await;
    until("the node is at the tip", || handle.chain_status().is_reliable()).await;
    chain.mine(1);
    let tip = chain.look(RegtestChain::tip).height;
    until("the new block is told", || handle.snapshot().height() == tip).await;
    assert!(handle.wallet_reading().is_some(), "the wallet has more to read than that");
    source.delay(Duration::ZERO);
    until("the wallet has read all", || handle.wallet_reading().is_none()).await;
    running.stop().await.expect("it stops");
}

/// While it hangs, the mempool is looked at every moment, which must not begin the follower's questions anew.
#[tokio::test]
async fn a_source_that_hangs_is_noticed() {
    let chain = EmbeddedChain::new();
    let source = Slow::over(&chain);
    let dir = TempDir::new().expect("a directory");
    let (handle, running) = begin(&dir, &source, None).await;
    until("the node is at the tip", || handle.chain_status().is_reliable()).await;
    source.hang(true);
    until("it is noticed", || matches!(handle.chain_status(), Status::Unreachable { .. })).await;
    until("the core knows", || handle.snapshot().stale().is_some()).await;
    source.hang(false);
    chain.mine(1);
    let tip = chain.look(RegtestChain::tip).height;
    until("it is asked again", || handle.chain_status().is_reliable() && handle.snapshot().height() == tip)
        .await;
    running.stop().await.expect("it stops");
}
