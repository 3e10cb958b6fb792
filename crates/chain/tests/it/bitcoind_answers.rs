//! What we make of bitcoind's answers, against a server that answers as bitcoind does.

use crate::kit::{Believer, FakeChain, outpoint, script, settings, tx};
use crate::server::{Call, Reply, Server, http};
use astrape_chain::{
    Auth, Bitcoind, BitcoindConfig, BlockChange, BroadcastResult, ChainSource, Follower, SourceError, Update,
    Watch,
};
use astrape_primitives::{BlockId, ChainEvent, FeeratePerKw, Height, Network, Sat};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, OutPoint, Transaction, Witness};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const HASH: &str = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";

fn bitcoind(server: &Server) -> Bitcoind {
    let auth = Auth::UserPassword { user: "u".into(), password: "p".into() };
    Bitcoind::new(BitcoindConfig {
        address: server.address.clone(),
        ..BitcoindConfig::local(Network::Regtest, auth)
    })
}

async fn with(reply: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> (Server, Bitcoind) {
    let server = Server::start(reply).await;
    let bitcoind = bitcoind(&server);
    (server, bitcoind)
}

fn info(chain: &str) -> Value {
    json!({
        "chain": chain, "blocks": 7, "headers": 9, "bestblockhash": HASH, "time": 1_700_000_000,
        "mediantime": 1_600_000_000, "initialblockdownload": true, "warnings": ["not", "read"]
    })
}

#[tokio::test]
async fn the_state_is_read() {
    let (_server, bitcoind) = with(|_| Reply::Result(info("regtest"))).await;
    let state = bitcoind.state().await.unwrap();
    assert_eq!(state.tip, BlockId { height: Height(7), hash: HASH.parse().unwrap() });
    assert_eq!((state.headers, state.tip_time.secs()), (Height(9), 1_700_000_000));
    assert!(state.initial_download);
}

#[tokio::test]
async fn another_chain_is_refused_by_name() {
    let (_server, bitcoind) = with(|_| Reply::Result(info("main"))).await;
    let expected = SourceError::WrongNetwork { expected: Network::Regtest, found: "main".into() };
    assert_eq!(bitcoind.state().await, Err(expected));
}

#[tokio::test]
async fn a_starting_bitcoind_is_not_ready() {
    let (_server, bitcoind) = with(|_| Reply::Error(-28, "Loading block index…")).await;
    assert_eq!(bitcoind.state().await, Err(SourceError::NotReady("Loading block index…".into())));
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let (_server, bitcoind) = with(|call| match call.method.as_str() {
        "getblockhash" => Reply::Error(-8, "Block height out of range"),
        "getblock" | "getmempoolentry" => Reply::Error(-5, "not found"),
        "gettxout" => Reply::Result(Value::Null),
        "gettxspendingprevout" => Reply::Result(json!([{ "txid": HASH, "vout": 1 }])),
        "getrawtransaction" => Reply::Error(-5, "No such mempool transaction"),
        other => panic!("{other}"),
    })
    .await;
    assert_eq!(bitcoind.hash_at(Height(9)).await, Ok(None));
    assert_eq!(bitcoind.block(BlockHash::all_zeros()).await, Ok(None));
    assert_eq!(bitcoind.in_mempool(outpoint(1).txid).await, Ok(false));
    assert_eq!(bitcoind.unspent(outpoint(1)).await, Ok(None));
    assert_eq!(bitcoind.spenders_in_mempool(&[outpoint(1)]).await, Ok(BTreeSet::new()));
    assert_eq!(bitcoind.mempool_transaction(outpoint(1).txid).await, Ok(None));
}

#[tokio::test]
async fn spends_of_many_outputs_are_asked_for_in_batches() {
    let (server, bitcoind) = with(|_| {
        Reply::Result(json!([
            { "txid": HASH, "vout": 0, "spendingtxid": HASH }, { "txid": HASH, "vout": 1, "spendingtxid": HASH },
            { "txid": HASH, "vout": 2 }
        ]))
    })
    .await;
    let many: Vec<OutPoint> = (0..2_500).map(|vout| OutPoint { vout, ..outpoint(1) }).collect();
    let spenders = bitcoind.spenders_in_mempool(&many).await.unwrap();
    assert_eq!(spenders, BTreeSet::from([HASH.parse().unwrap()]), "each once");
    let asked: Vec<usize> =
        server.calls().iter().map(|call| call.params[0].as_array().unwrap().len()).collect();
    assert_eq!(asked, [1_000, 1_000, 500]);
}

#[tokio::test]
async fn a_pruned_block_is_an_error_and_not_none() {
    let (_server, bitcoind) = with(|_| Reply::Error(-1, "Block not available (pruned data)")).await;
    let answer = bitcoind.block(BlockHash::all_zeros()).await;
    assert_eq!(answer, Err(SourceError::Pruned(BlockHash::all_zeros())));
    assert_eq!(
        bitcoind.txids(BlockHash::all_zeros()).await,
        Err(SourceError::Pruned(BlockHash::all_zeros()))
    );
}

#[tokio::test]
async fn a_bitcoind_that_prunes_tells_from_where_on_it_has_blocks() {
    for (pruned, height, told) in [(true, Some(5), Some(Height(5))), (false, None, None)] {
        let answer = move |_: &Call| {
            let mut info = info("regtest");
            info["pruned"] = json!(pruned);
            info["pruneheight"] = json!(height);
            Reply::Result(info)
        };
        let (_server, bitcoind) = with(answer).await;
        assert_eq!(bitcoind.pruned_below().await, Ok(told));
    }
    let (_server, bitcoind) = with(|_| Reply::Result(info("regtest"))).await;
    assert_eq!(bitcoind.pruned_below().await, Ok(None), "an older one says nothing of it");
}

#[tokio::test]
async fn a_block_that_cannot_be_decoded_is_nonsense() {
    for raw in ["zz", "00ff", ""] {
        let (_server, bitcoind) = with(move |_| Reply::Result(json!(raw))).await;
        assert!(matches!(bitcoind.block(BlockHash::all_zeros()).await, Err(SourceError::Nonsense(_))));
    }
}

#[tokio::test]
async fn an_unspent_output_is_read_to_the_satoshi() {
    let (server, bitcoind) = with(|_| {
        Reply::Result(json!({
            "bestblock": HASH, "confirmations": 3, "value": 20_999_999.976_900_01,
            "scriptPubKey": { "asm": "", "hex": "5101", "type": "nonstandard" }, "coinbase": true
        }))
    })
    .await;
    let found = bitcoind.unspent(outpoint(4)).await.unwrap().unwrap();
    assert_eq!(found.value, Sat(2_099_999_997_690_001));
    assert_eq!((found.script, found.confirmations, found.coinbase), (script(1), 3, true));
    assert_eq!(server.calls()[0].params, json!([outpoint(4).txid.to_string(), 4, false]));
}

#[tokio::test]
async fn fees_are_turned_into_sat_per_kw() {
    let (_server, bitcoind) = with(|call| match call.method.as_str() {
        "getmempoolinfo" => Reply::Result(json!({ "mempoolminfee": 0.000_012_34, "size": 1 })),
        _ if call.params[0] == 2 => Reply::Result(json!({ "feerate": 0.001, "blocks": 2 })),
        _ if call.params[0] == 144 => Reply::Result(json!({ "feerate": 0.000_01, "blocks": 144 })),
        _ => Reply::Result(json!({ "errors": ["Insufficient data or no feerate found"], "blocks": 6 })),
    })
    .await;
    let fees = bitcoind.fees().await.unwrap();
    assert_eq!(fees.floor(), FeeratePerKw(309));
    assert_eq!((fees.for_target(6), fees.for_target(144)), (FeeratePerKw(25_000), FeeratePerKw(309)));
    assert!(!fees.is_guessed());
}

#[tokio::test]
async fn a_wait_that_bitcoind_does_not_know_becomes_a_pause() {
    let (server, bitcoind) = with(|_| Reply::Error(-32601, "Method not found")).await;
    let tip = BlockId { height: Height(7), hash: BlockHash::all_zeros() };
    let pause = Duration::from_millis(30);
    bitcoind.wait(tip, pause).await.unwrap();
    let begin = Instant::now();
    bitcoind.wait(tip, pause).await.unwrap();
    assert!(begin.elapsed() >= pause);
    let calls = server.calls();
    assert_eq!(calls.len(), 1, "it is asked only once");
    assert_eq!((calls[0].method.as_str(), &calls[0].params), ("waitforblockheight", &json!([8, 30])));
}

fn parent_and_child() -> [Transaction; 2] {
    let parent = tx(&[outpoint(1)], &[script(1)]);
    let child = tx(&[OutPoint { txid: parent.compute_txid(), vout: 0 }], &[script(2)]);
    [parent, child]
}

async fn broadcast(
    package: &[Transaction],
    reply: impl Fn(&Call) -> Reply + Send + Sync + 'static,
) -> (BroadcastResult, Vec<String>) {
    let (server, bitcoind) = with(reply).await;
    let result = bitcoind.broadcast(package).await;
    (result, server.calls().into_iter().map(|call| call.method).collect())
}

#[tokio::test]
async fn each_outcome_of_a_single_broadcast_is_told() {
    let [parent, _] = parent_and_child();
    let single = std::slice::from_ref(&parent);
    let txid = parent.compute_txid().to_string();
    let (result, methods) = broadcast(single, move |_| Reply::Result(json!(txid))).await;
    assert_eq!((result, methods), (BroadcastResult::Accepted, vec!["sendrawtransaction".into()]));
    for (code, words, expected) in [
        (-27, "Transaction outputs already in utxo set", BroadcastResult::AlreadyKnown),
        (-26, "txn-already-known", BroadcastResult::AlreadyKnown),
        (
            -26,
            "min relay fee not met, 1 < 2",
            BroadcastResult::Rejected("min relay fee not met, 1 < 2".into()),
        ),
        (
            -25,
            "bad-txns-inputs-missingorspent",
            BroadcastResult::Rejected("bad-txns-inputs-missingorspent".into()),
        ),
        (-28, "Verifying blocks…", BroadcastResult::Unreachable("Verifying blocks… (code -28)".into())),
    ] {
        assert_eq!(broadcast(single, move |_| Reply::Error(code, words)).await.0, expected);
    }
    let (result, _) = broadcast(single, |_| Reply::raw(http("503 Busy", "Work queue depth exceeded"))).await;
    assert_eq!(result, BroadcastResult::Unreachable("HTTP status 503".into()));
    assert!(matches!(broadcast(&[], |_| Reply::Silence).await.0, BroadcastResult::Rejected(_)));
}

#[tokio::test]
async fn the_servers_own_fee_limit_is_switched_off() {
    let [parent, _] = parent_and_child();
    let (server, bitcoind) = with(|_| Reply::Error(-26, "no")).await;
    bitcoind.broadcast(std::slice::from_ref(&parent)).await;
    assert_eq!(server.calls()[0].params, json!([serialize_hex(&parent), 0]));
    let package = parent_and_child();
    let (server, bitcoind) =
        with(|_| Reply::Result(json!({ "package_msg": "success", "tx-results": {} }))).await;
    bitcoind.broadcast(&package).await;
    assert_eq!(server.calls()[0].params, json!([package.each_ref().map(serialize_hex), 0]));
}

#[tokio::test]
async fn a_bitcoind_that_has_no_such_limit_for_packages_is_asked_without() {
    let package = parent_and_child();
    let (result, methods) = broadcast(&package, |call| match call.params.as_array().map(Vec::len) {
        Some(2) => Reply::Error(-1, "submitpackage [\"rawtx\",...]"),
        _ => Reply::Result(json!({ "package_msg": "success", "tx-results": {} })),
    })
    .await;
    assert_eq!((result, methods.len()), (BroadcastResult::Accepted, 2));
}

#[tokio::test]
async fn a_package_goes_as_one() {
    let package = parent_and_child();
    let (result, methods) =
        broadcast(&package, |_| Reply::Result(json!({ "package_msg": "success", "tx-results": {} }))).await;
    assert_eq!((result, methods), (BroadcastResult::Accepted, vec!["submitpackage".into()]));
}

#[tokio::test]
async fn without_packages_the_members_go_one_by_one() {
    let package = parent_and_child();
    let (result, methods) = broadcast(&package, |call| match call.method.as_str() {
        "submitpackage" => Reply::Error(-32601, "Method not found"),
        _ => Reply::Result(json!(outpoint(1).txid.to_string())),
    })
    .await;
    assert_eq!(result, BroadcastResult::Accepted);
    assert_eq!(methods, ["submitpackage", "sendrawtransaction", "sendrawtransaction"]);
}

#[tokio::test]
async fn where_packages_are_forbidden_the_members_go_one_by_one() {
    let package = parent_and_child();
    let (result, methods) = broadcast(&package, |call| match call.method.as_str() {
        "submitpackage" => Reply::raw(http("403 Forbidden", "")),
        _ => Reply::Result(json!(outpoint(1).txid.to_string())),
    })
    .await;
    assert_eq!(result, BroadcastResult::Accepted);
    assert_eq!(methods, ["submitpackage", "sendrawtransaction", "sendrawtransaction"]);
}

#[tokio::test]
async fn a_package_whose_parent_is_confirmed_is_still_sent() {
    let package = parent_and_child();
    let parent = serialize_hex(&package[0]);
    let (result, _) = broadcast(&package, move |call| match call.method.as_str() {
        "submitpackage" => Reply::Result(json!({
            "package_msg": "transaction failed", "tx-results": { "aa": { "error": "txn-already-known" } }
        })),
        _ if call.params[0] == parent => Reply::Error(-27, "already in utxo set"),
        _ => Reply::Result(json!(outpoint(1).txid.to_string())),
    })
    .await;
    assert_eq!(result, BroadcastResult::Accepted);
}

#[tokio::test]
async fn a_refused_package_says_why_as_a_package() {
    let package = parent_and_child();
    let (result, _) = broadcast(&package, |call| match call.method.as_str() {
        "submitpackage" => Reply::Result(json!({
            "package_msg": "transaction failed",
            "tx-results": { "aa": { "error": "min relay fee not met, 0 < 110" }, "bb": { "error": "package-not-validated" } }
        })),
        _ => Reply::Error(-25, "bad-txns-inputs-missingorspent"),
    })
    .await;
    assert_eq!(result, BroadcastResult::Rejected("min relay fee not met, 0 < 110".into()));
}

/// A server that answers from a fake chain.
async fn serving(chain: Arc<Mutex<FakeChain>>) -> Server {
    Server::start(move |call| {
        let chain = chain.lock().unwrap();
        match call.method.as_str() {
            "getblockchaininfo" => {
                let tip = chain.tip();
                let mut answer = info("regtest");
                answer["blocks"] = json!(tip.height.0);
                answer["headers"] = json!(tip.height.0);
                answer["bestblockhash"] = json!(tip.hash.to_string());
                Reply::Result(answer)
            }
            "getblockhash" => {
                let height = u32::try_from(call.params[0].as_u64().unwrap()).unwrap();
                chain
                    .hash_at(Height(height))
                    .map_or(Reply::Error(-8, "out of range"), |hash| Reply::Result(json!(hash.to_string())))
            }
            "getblock" => {
                let hash = call.params[0].as_str().unwrap().parse().unwrap();
                let block = chain.block(hash);
                block.map_or(Reply::Error(-5, "unknown"), |block| {
                    Reply::Result(json!(serialize_hex(block.as_ref())))
                })
            }
            "waitforblockheight" => Reply::Error(-32601, "Method not found"),
            other => panic!("{other}"),
        }
    })
    .await
}

// attack 7
// attack 8
#[tokio::test]
async fn a_block_of_monstrous_witnesses_hides_no_breach_in_the_next_one() {
    let mut chain = FakeChain::new();
    let recent = vec![chain.tip()];
    let mut many_items = tx(&[outpoint(1)], &[script(1)]);
    many_items.input[0].witness = Witness::from_slice(&[[0_u8; 0]; 500_001]);
    let mut large_item = tx(&[outpoint(2)], &[script(1)]);
    large_item.input[0].witness = Witness::from_slice(&[vec![7_u8; 3_300_000]]);
    chain.mine(vec![many_items, large_item]);
    let breach = tx(&[outpoint(9)], &[script(9)]);
    chain.mine(vec![breach.clone()]);
    let tip = chain.tip();
    let server = serving(Arc::new(Mutex::new(chain))).await;

    let mut watch = Watch::new();
    watch.add_outpoint(outpoint(9));
    let mut believer = Believer::new(&recent);
    let mut follower = Follower::new(Arc::new(bitcoind(&server)), recent, settings()).unwrap();
    let mut told = Vec::new();
    while believer.seen.last() != Some(&tip) {
        let next = tokio::time::timeout(Duration::from_secs(60), follower.next()).await.unwrap();
        let Update::Block(change) = next else { continue };
        believer.take(&change);
        if let ChainEvent::Connected { matched, .. } = watch.event(&change) {
            told.extend(matched);
        }
        assert!(matches!(change, BlockChange::Connected { .. }));
    }
    assert_eq!(told.len(), 1);
    assert_eq!(*told[0].tx, breach);
}
