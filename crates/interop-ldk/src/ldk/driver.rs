//! What turns the wheels of an LDK node: events, the chain, connections.

use super::{Hears, Inner};
use anyhow::{Context as _, Result};
use bitcoin::{Address, Amount, Block, BlockHash, Denomination, Network, ScriptBuf, Transaction, consensus};
use lightning::chain::{BestBlock, Listen as _};
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

/// How often a node of a network is told that time goes by: after three times, LDK gives back parts whose payment is not whole.
const TICK: Duration = Duration::from_secs(20);

/// Runs until the node is to stop. What fails is told by the node's end.
pub(super) fn run(node: &Inner) {
    let (mut looked, mut ticked) = (Instant::now(), Instant::now());
    while !node.stopping.load(Ordering::SeqCst) {
        node.manager.get_event_or_persistence_needed_future().wait_timeout(TURN);
        let _gate = node.gate.lock().unwrap_or_else(PoisonError::into_inner);
        node.peers.process_events();
        node.manager.process_pending_events(&|event: Event| handle(node, event));
        node.monitor.process_pending_events(&|event: Event| handle(node, event));
        for old in node.old.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            old.turn(node);
        }
        if node.manager.needs_pending_htlc_processing() {
            node.manager.process_pending_htlc_forwards();
        }
        if node.hears == Hears::Gossip && ticked.elapsed() > TICK {
            ticked = Instant::now();
            node.manager.timer_tick_occurred();
        }
        node.peers.process_events();
        broadcast(node);
        if looked.elapsed() > LOOK {
            looked = Instant::now();
            node.note_trouble(follow(node));
            redial(node);
        }
    }
    node.peers.disconnect_all_peers();
}

/// Sends what is to be broadcast. It may be known already, or wait for a block.
fn broadcast(node: &Inner) {
    for transaction in node.mailbox.take() {
        let hex = consensus::encode::serialize_hex(&transaction);
        let _ = node.bitcoind.try_call::<Value>("sendrawtransaction", json!([hex]));
    }
}

/// Broadcasts a commitment at once, before the peer is told that the channel is closed and goes on chain itself.
pub(super) fn broadcast_first(node: &Inner) {
    node.monitor.process_pending_events(&|event: Event| handle(node, event));
    broadcast(node);
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
            let mut holding = node.holding.lock().unwrap_or_else(PoisonError::into_inner);
            match purpose.preimage().filter(|_| !refuse.contains(&payment_hash.0)) {
                Some(preimage) if holding.takes(payment_hash.0, preimage) => {}
                Some(preimage) => node.manager.claim_funds(preimage),
                None => {
                    node.seen.lock().unwrap_or_else(PoisonError::into_inner).refused.insert(payment_hash.0);
                    node.manager.fail_htlc_backwards(&payment_hash);
                }
            }
            Ok(())
        }
        Event::BumpTransaction(bump) => {
            node.bumper.handle_event(&bump);
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

/// Feeds new blocks, after it has taken back those that left the chain.
fn follow(node: &Inner) -> Result<()> {
    let best = node.bitcoind.height()?;
    leave_forks(node, best)?;
    loop {
        let height = node.manager.current_best_block().height + 1;
        if height > best {
            break;
        }
        let block = block_at(node, height)?;
        node.monitor.block_connected(&block, height);
        node.manager.block_connected(&block, height);
        node.monitor.rebroadcast_pending_claims();
    }
    for old in node.old.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        old.follow(node, |height| block_at(node, height), best)?;
    }
    Ok(())
}

fn hash_at(node: &Inner, height: u32) -> Result<BlockHash> {
    Ok(node.bitcoind.call::<String>("getblockhash", json!([height]))?.parse()?)
}

fn block_at(node: &Inner, height: u32) -> Result<Block> {
    let hex: String = node.bitcoind.call("getblock", json!([hash_at(node, height)?, 0]))?;
    Ok(consensus::encode::deserialize_hex(&hex)?)
}

/// Goes back to the last block that it has in common with the chain, if it stands on another.
fn leave_forks(node: &Inner, best: u32) -> Result<()> {
    let stood = node.manager.current_best_block();
    if stood.height <= best && hash_at(node, stood.height)? == stood.block_hash {
        return Ok(());
    }
    let mut height = stood.height;
    let mut hash = stood.block_hash;
    while height > best || hash_at(node, height)? != hash {
        let header: Value = node.bitcoind.call("getblockheader", json!([hash]))?;
        hash = header["previousblockhash"].as_str().context("no block before")?.parse()?;
        height -= 1;
    }
    let fork = BestBlock { block_hash: hash, height };
    node.monitor.blocks_disconnected(fork);
    node.manager.blocks_disconnected(fork);
    Ok(())
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
