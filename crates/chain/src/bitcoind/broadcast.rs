//! Sending transactions by bitcoind.

use crate::bitcoind::answers::PackageAnswer;
use crate::rpc::{METHOD_NOT_FOUND, RpcClient, RpcError};
use crate::source::BroadcastResult;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{Transaction, Txid};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

/// Any fault without a code of its own, as too many parameters are (`RPC_MISC_ERROR`).
const MISC_ERROR: i64 = -1;
/// An input is missing or spent, or a rule that is not named (`RPC_VERIFY_ERROR`).
const VERIFY_ERROR: i64 = -25;
/// Refused by consensus or policy (`RPC_VERIFY_REJECTED`).
const VERIFY_REJECTED: i64 = -26;
/// It is in the chain (`RPC_VERIFY_ALREADY_IN_UTXO_SET`).
const ALREADY_IN_CHAIN: i64 = -27;
/// What it cannot decode (`RPC_DESERIALIZATION_ERROR`).
const DESERIALIZATION_ERROR: i64 = -22;
/// A package of a wrong form (`RPC_INVALID_PARAMETER`).
const INVALID_PARAMETER: i64 = -8;

/// Words of a refusal that mean: we have it.
const ALREADY_KNOWN: [&str; 3] =
    ["txn-already-known", "txn-already-in-mempool", "txn-same-nonwitness-data-in-mempool"];

/// Sends one transaction, or a package by `submitpackage`. Where the package as such is refused, or the node is too old
/// to know packages or keeps them from us (`rpcwhitelist`), its members are sent one by one: a parent may be confirmed meanwhile,
/// and then the child is no package any more. What became of the last one, the child, is the answer.
pub(super) async fn broadcast(
    rpc: &RpcClient,
    package: &[Transaction],
    lacks_packages: &AtomicBool,
) -> BroadcastResult {
    let refusal = match package {
        [] => return BroadcastResult::Rejected("there is no transaction to send".into()),
        [alone] => return send(rpc, alone).await,
        _ => match submit_package(rpc, package).await {
            Ok(answer) if answer.package_msg == "success" => return BroadcastResult::Accepted,
            Ok(answer) => Some(answer.reason()),
            Err(error) if error.code() == Some(METHOD_NOT_FOUND) => {
                warn_once(lacks_packages, "it is too old to know submitpackage");
                None
            }
            Err(RpcError::Forbidden) => {
                warn_once(lacks_packages, "its rpcwhitelist keeps submitpackage from us");
                None
            }
            Err(error) => match outcome(error) {
                BroadcastResult::Rejected(reason) => Some(reason),
                other => return other,
            },
        },
    };
    let mut last = BroadcastResult::Accepted;
    for tx in package {
        last = send(rpc, tx).await;
    }
    match (last, refusal) {
        (BroadcastResult::Rejected(_), Some(reason)) => BroadcastResult::Rejected(reason),
        (last, _) => last,
    }
}

/// The operator can mend it, and should before fees are high.
fn warn_once(lacks_packages: &AtomicBool, why: &str) {
    if !lacks_packages.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "bitcoind takes no packages ({why}): parent and child go one by one, and a commitment that pays less than its \
             mempool asks for gets nowhere until fees fall"
        );
    }
}

/// A package, without bitcoind's own limit of the feerate: a child pays for its parent too, and its own feerate is far above that
/// of both. A node before 27.0 knows neither the limit nor how to switch it off.
async fn submit_package(rpc: &RpcClient, package: &[Transaction]) -> Result<PackageAnswer, RpcError> {
    let raw: Vec<String> = package.iter().map(serialize_hex).collect();
    match rpc.call("submitpackage", json!([raw, 0])).await {
        Err(error) if error.code() == Some(MISC_ERROR) => rpc.call("submitpackage", json!([raw])).await,
        answer => answer,
    }
}

/// One transaction, without bitcoind's own limit of the feerate: what may be spent on fees is decided in the core.
async fn send(rpc: &RpcClient, tx: &Transaction) -> BroadcastResult {
    match rpc.call::<Txid>("sendrawtransaction", json!([serialize_hex(tx), 0])).await {
        Ok(_) => BroadcastResult::Accepted,
        Err(error) => outcome(error),
    }
}

fn outcome(error: RpcError) -> BroadcastResult {
    match error {
        RpcError::Server { code: ALREADY_IN_CHAIN, .. } => BroadcastResult::AlreadyKnown,
        RpcError::Server { message, .. } if ALREADY_KNOWN.iter().any(|words| message.contains(words)) => {
            BroadcastResult::AlreadyKnown
        }
        RpcError::Server {
            code: VERIFY_ERROR | VERIFY_REJECTED | DESERIALIZATION_ERROR | INVALID_PARAMETER,
            message,
        } => BroadcastResult::Rejected(message),
        error => BroadcastResult::Unreachable(error.to_string()),
    }
}
