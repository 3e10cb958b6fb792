//! What turns the wheels of an LDK node: events, the chain, connections.

use super::Inner;
use anyhow::{Context as _, Result};
use bitcoin::{Address, Amount, Block, Denomination, Network, ScriptBuf, Transaction, consensus};
use lightning::chain::Listen as _;
use lightning::events::{Event, EventsProvider as _};
use lightning::ln::types::ChannelId;
use serde_json::{Value, json};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest sleep when nothing happens.
const TURN: Duration = Duration::from_millis(5);

/// How often the chain is asked and lost peers are dialled.
const LOOK: Duration = Duration::from_millis(100);

/// Runs until the node is to stop. What fails is told by the node's end.
pub(super) fn run(node: &Inner) {
    let mut looked = Instant::now();
    while !node.stopping.load(Ordering::SeqCst) {
        node.manager.get_event_or_persistence_needed_future().wait_timeout(TURN);
        node.peers.process_events();
        node.manager.process_pending_events(&|event: Event| handle(node, event));
        node.monitor.process_pending_events(&|event: Event| handle(node, event));
        if node.manager.needs_pending_htlc_processing() {
            node.manager.process_pending_htlc_forwards();
        }
        node.peers.process_events();
        for transaction in node.mailbox.take() {
            // It may be known already, or wait for a block.
            let hex = consensus::encode::serialize_hex(&transaction);
            let _ = node.bitcoind.try_call::<Value>("sendrawtransaction", json!([hex]));
        }
        if looked.elapsed() > LOOK {
            looked = Instant::now();
            node.note_trouble(follow(node));
            redial(node);
        }
    }
    node.peers.disconnect_all_peers();
}

fn handle(node: &Inner, event: Event) -> Result<(), lightning::events::ReplayEvent> {
    node.seen.lock().unwrap_or_else(PoisonError::into_inner).note(&event);
    let done = match event {
        Event::FundingGenerationReady {
            temporary_channel_id,
            counterparty_node_id,
            channel_value_satoshis,
            output_script,
            ..
        } => fund(node, temporary_channel_id, counterparty_node_id, channel_value_satoshis, &output_script),
        Event::OpenChannelRequest { temporary_channel_id, counterparty_node_id, .. } => {
            let accepted =
                node.manager.accept_inbound_channel(&temporary_channel_id, &counterparty_node_id, 0, None);
            accepted.map_err(|error| anyhow::anyhow!("{error:?}"))
        }
        Event::PaymentClaimable { payment_hash, purpose, .. } => {
            let refuse = node.refuse.lock().unwrap_or_else(PoisonError::into_inner);
            match purpose.preimage().filter(|_| !refuse.contains(&payment_hash.0)) {
                Some(preimage) => node.manager.claim_funds(preimage),
                None => {
                    node.seen.lock().unwrap_or_else(PoisonError::into_inner).refused.insert(payment_hash.0);
                    node.manager.fail_htlc_backwards(&payment_hash);
                }
            }
            Ok(())
        }
        _ => Ok(()),
    };
    node.note_trouble(done);
    Ok(())
}

/// Has bitcoind's wallet make the funding transaction.
fn fund(
    node: &Inner,
    channel: ChannelId,
    peer: bitcoin::secp256k1::PublicKey,
    amount_sat: u64,
    script: &ScriptBuf,
) -> Result<()> {
    let address = Address::from_script(script, Network::Regtest)?.to_string();
    let amount = Amount::from_sat(amount_sat).to_string_in(Denomination::Bitcoin);
    let call = |method: &str, params: Value| node.bitcoind.call::<Value>(method, params);
    let raw = call("createrawtransaction", json!([[], { address: amount }]))?;
    let funded = call("fundrawtransaction", json!([raw, { "lockUnspents": true, "fee_rate": 5 }]))?;
    let signed = call("signrawtransactionwithwallet", json!([funded["hex"]]))?;
    let transaction: Transaction =
        consensus::encode::deserialize_hex(signed["hex"].as_str().context("nothing signed")?)?;
    node.manager
        .funding_transaction_generated(channel, peer, transaction)
        .map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// Feeds new blocks. These tests have no reorganisation.
fn follow(node: &Inner) -> Result<()> {
    let best = node.bitcoind.height()?;
    loop {
        let height = node.manager.current_best_block().height + 1;
        if height > best {
            return Ok(());
        }
        let hash: String = node.bitcoind.call("getblockhash", json!([height]))?;
        let hex: String = node.bitcoind.call("getblock", json!([hash, 0]))?;
        let block: Block = consensus::encode::deserialize_hex(&hex)?;
        node.monitor.block_connected(&block, height);
        node.manager.block_connected(&block, height);
    }
}

/// Dials the peers that it should have and has not.
fn redial(node: &Inner) {
    let wanted = node.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (peer, address) in wanted {
        if node.peers.peer_by_node_id(&peer).is_none() {
            let peers = node.peers.clone();
            node.runtime.spawn(async move {
                if let Some(connection) = lightning_net_tokio::connect_outbound(peers, peer, address).await {
                    connection.await;
                }
            });
        }
    }
}
