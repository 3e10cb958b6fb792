//! Against a real bitcoind on regtest. `BITCOIND_EXE` names it, or it is on the PATH; `cargo xtask test` finds or obtains
//! one. `ASTRAPE_WITHOUT_BITCOIND=1` leaves these tests out.

use crate::kit::Believer;
use crate::node::{Node, anyone};
use astrape_chain::{
    BroadcastResult, ChainSource, Follower, FollowerSettings, MempoolView, SourceError, Status, Update,
    starting_cursor,
};
use astrape_primitives::{FeeratePerKw, Height, Network, Sat};
use bitcoin::absolute::LockTime;
use bitcoin::blockdata::opcodes::OP_TRUE;
use bitcoin::hashes::Hash as _;
use bitcoin::script::Builder;
use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, transaction};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// A node was off for longer than its bitcoind keeps blocks.
#[tokio::test]
async fn blocks_that_were_pruned_are_had_again_and_the_chain_is_followed_to_its_end() {
    let Some(whole) = Node::start().await else { return };
    let cursor = starting_cursor(&whole.source(Network::Regtest), 10).await.unwrap();
    whole.mine(1_000).await;
    let Some(pruning) = Node::start_with(&["-prune=1", "-fastprune"]).await else { return };
    pruning.follow(&whole).await;
    pruning.call("pruneblockchain", json!([600])).await;
    assert!(
        pruning.source(Network::Regtest).pruned_below().await.unwrap() > Some(Height(20)),
        "the first are gone"
    );
    // Without a peer that has them it is said, and the others are found as before.
    pruning.call("disconnectnode", json!([whole.address()])).await;
    let alone = pruning.source(Network::Regtest);
    let block_at = |height| {
        let alone = &alone;
        async move { alone.block(alone.hash_at(height).await?.expect("it is in the chain")).await }
    };
    assert!(matches!(block_at(Height(1)).await, Err(SourceError::Pruned(_))));
    assert!(block_at(Height(999)).await.unwrap().is_some());

    pruning.follow(&whole).await;
    until_connected(&pruning).await;
    let source = Arc::new(pruning.source(Network::Regtest));
    let gone = source.txids(source.hash_at(Height(1)).await.unwrap().unwrap()).await;
    assert!(matches!(gone, Err(SourceError::Pruned(_))), "nothing is downloaded for what others announce");
    let mut follower = Follower::new(source.clone(), cursor, settings(Duration::from_millis(100))).unwrap();
    let follow = async {
        while follower.tip().height < Height(1_000) {
            follower.next().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), follow).await.unwrap();
    assert_eq!(follower.tip(), whole.tip().await);
}

/// Waits until a peer has told what it has.
async fn until_connected(node: &Node) {
    let has_peer = async || {
        let peers = node.call("getpeerinfo", json!([])).await;
        peers.as_array().unwrap().iter().any(|peer| peer["servicesnames"].to_string().contains("NETWORK"))
    };
    while !has_peer().await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn unspent_outputs_are_found_by_their_scripts() {
    let Some(node) = Node::start().await else { return };
    node.mine(1).await;
    node.mine_to(&ScriptBuf::new_p2wsh(&bitcoin::WScriptHash::from_byte_array([7; 32])), 2).await;
    let source = node.source(Network::Regtest);
    let wanted: Vec<ScriptBuf> = (0..2_048_u16)
        .map(|n| ScriptBuf::from_bytes(n.to_be_bytes().to_vec()).to_p2wsh())
        .chain([anyone()])
        .collect();
    let found = source.find_unspent(&wanted).await.unwrap();
    let [output] = &found[..] else { panic!("{found:?}") };
    assert_eq!((output.value, &output.script, output.confirmations), (Sat(50 * 100_000_000), &anyone(), 3));
    let first = source.block(source.hash_at(Height(1)).await.unwrap().unwrap()).await.unwrap().unwrap();
    assert_eq!(output.outpoint, coinbase_of(&first));
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
    assert!(source.unspent(coin).await.unwrap().is_some(), "a spend that nobody has mined is none");
    let mut view = MempoolView::default();
    assert_eq!(view.look(&source, &[coin]).await, Ok(Some(vec![Arc::new(tx.clone())])));
    let child = spend(OutPoint { txid: tx.compute_txid(), vout: 0 }, &[4_999_980_000]);
    assert_eq!(source.broadcast(std::slice::from_ref(&child)).await, BroadcastResult::Accepted);
    let told = view.look(&source, &[coin]).await;
    assert_eq!(told, Ok(Some(vec![Arc::new(tx.clone()), Arc::new(child.clone())])), "with what hangs on it");
    let rival = spend(coin, &[4_999_989_999]);
    let BroadcastResult::Rejected(reason) = source.broadcast(&[rival]).await else {
        panic!("it pays too little")
    };
    assert!(reason.contains("insufficient fee"), "{reason}");

    node.mine(1).await;
    assert!(!source.in_mempool(tx.compute_txid()).await.unwrap());
    assert_eq!(source.unspent(coin).await, Ok(None), "now it is spent");
    assert_eq!(view.look(&source, &[coin]).await, Ok(Some(vec![])));
    assert_eq!(source.broadcast(std::slice::from_ref(&child)).await, BroadcastResult::AlreadyKnown);
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
