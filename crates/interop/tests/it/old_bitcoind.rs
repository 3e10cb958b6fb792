//! Beside a bitcoind that is too old to know packages.

use anyhow::{Context as _, Result, ensure};
use astrape_interop::accounts::{self, text};
use astrape_interop::line::{DEEP, Opening, SOON};
use astrape_interop::{Bitcoind, Daemon, Older, wait};
use bitcoin::Transaction;
use serde_json::Value;

/// What both nodes hold for right, in satoshi per 1,000 weight units: more than a commitment with anchors ever pays by itself.
const ESTIMATE: u64 = 5_000;

/// What is on its way to the peer when it dies, in satoshi.
const OFFERED_SAT: u64 = 1_000_000;

/// What is on its way to us, in satoshi.
const RECEIVED_SAT: u64 = 700_000;

/// The most that all transactions together may cost, in satoshi.
const MAX_FEES_SAT: u64 = 60_000;

/// Blocks within which all must be over: those for which what we offered can be held, the delay of 144, and some for each end.
const MAX_BLOCKS: u32 = 450;

/// Blocks that come at once while nothing waits to be in them.
const QUIET_BLOCKS: u32 = 6;

/// Has one of them pay the other, who holds the payment. Returns its hash.
fn held(payer: &Daemon, recipient: &Daemon, amount_sat: u64) -> Result<String> {
    let made = recipient.ask(&["invoice", &format!("{amount_sat}sat"), "held", "--hold"])?;
    let (payer, invoice) = (payer.cli(), text(&made, "invoice")?);
    // It ends when the payment does, or the node.
    std::thread::spawn(move || payer.command(&["pay", &invoice]).ok());
    let hash = text(&made, "payment_hash")?;
    wait::until(&format!("{} to hold {amount_sat} sat", recipient.name()), SOON, || {
        let channel = recipient.channels()?.first().cloned().context("no channel")?;
        Ok((channel["incoming_msat"].as_u64() == Some(amount_sat * 1_000)).then_some(()))
    })?;
    Ok(hash)
}

/// What waits in the mempool once there are so many: parents first.
fn waiting(bitcoind: &Bitcoind, count: usize) -> Result<Vec<Transaction>> {
    let ids = wait::until(&format!("{count} transactions in the mempool"), SOON, || {
        let ids = bitcoind.mempool()?;
        Ok((ids.len() == count).then_some(ids))
    })?;
    let mut txs: Vec<Transaction> = ids.iter().map(|id| bitcoind.transaction(id)).collect::<Result<_>>()?;
    let all: Vec<bitcoin::Txid> = txs.iter().map(Transaction::compute_txid).collect();
    txs.sort_by_key(|tx| tx.input.iter().any(|input| all.contains(&input.previous_output.txid)));
    Ok(txs)
}

fn see_block(node: &Daemon, bitcoind: &Bitcoind) -> Result<()> {
    let height = bitcoind.height()?;
    wait::until(&format!("{} to see block {height}", node.name()), SOON, || {
        Ok((node.ask(&["getinfo"])?["block_height"] == height).then_some(()))
    })
}

/// Two nodes with a channel, the first beside a bitcoind that is older.
fn begin(bitcoind: &Bitcoind, older: &Older) -> Result<(Daemon, Daemon)> {
    let options = ["--dev-estimate-perkw", "5000"];
    let mut us = Daemon::beside("A", bitcoind, &older.rpc_address(), &options)?;
    us.start()?;
    let peer = Daemon::start_new("B", bitcoind, &options)?;
    for amount in [Opening::HALVES.amount_sat + 100_000, 300_000] {
        bitcoind.fund(&us.ask_for(&["newaddr"], "address")?, amount)?;
    }
    see_block(&us, bitcoind)?;
    let amounts = [Opening::HALVES.amount_sat, Opening::HALVES.push_sat].map(|sat| format!("{sat}sat"));
    let opened = us.ask(&["open", &peer.peer_address()?, &amounts[0], "--push", &amounts[1]])?;
    bitcoind.wait_for(text(&opened, "funding_outpoint")?.split(':').next().unwrap_or_default())?;
    bitcoind.mine(DEEP)?;
    let both = [&*us, &*peer];
    wait::until("the channel", SOON, || {
        Ok((accounts::at_rest(&both)? && !us.channels()?.is_empty()).then_some(()))
    })?;
    Ok((us, peer))
}

/// Holds that the commitment pays little by itself, and enough with its child.
fn child_pays(bitcoind: &Bitcoind, txs: &[Transaction]) -> Result<()> {
    let [commitment, child] = txs else { anyhow::bail!("{} transactions", txs.len()) };
    let parent = commitment.compute_txid();
    ensure!(child.input.iter().any(|input| input.previous_output.txid == parent), "{child:?}");
    let fee = |tx: &Transaction| bitcoind.fee_of(&tx.compute_txid().to_string());
    let (alone, both) = (fee(commitment)?, fee(commitment)? + fee(child)?);
    let weight = |tx: &Transaction| tx.weight().to_wu();
    ensure!(alone * 1_000 < ESTIMATE * weight(commitment), "the commitment pays {alone} by itself");
    ensure!(both * 1_000 >= ESTIMATE * (weight(commitment) + weight(child)), "both pay {both} only");
    Ok(())
}

#[test]
fn a_close_with_htlcs_and_its_child_go_on_chain_one_after_the_other_where_packages_are_unknown() -> Result<()>
{
    let Some(bitcoind) = Bitcoind::start()? else { return Ok(()) };
    let older = Older::than(&bitcoind, &["submitpackage"])?;
    let (us, mut peer) = begin(&bitcoind, &older)?;
    held(&us, &peer, OFFERED_SAT)?;
    let ours = held(&peer, &us, RECEIVED_SAT)?;
    let coins = accounts::on_chain(&us)?;
    peer.kill()?;
    us.ask(&["settle", &ours])?;
    let channel = text(us.channels()?.first().context("no channel")?, "channel_id")?;
    us.ask(&["close", &channel, "--force", "--yes"])?;

    child_pays(&bitcoind, &waiting(&bitcoind, 2)?)?;
    ensure!(older.denied() > 0, "no package was tried");

    let end = bitcoind.height()? + MAX_BLOCKS;
    while !us.channels()?.is_empty() && bitcoind.height()? < end {
        bitcoind.mine(if bitcoind.mempool()?.is_empty() { QUIET_BLOCKS } else { 1 })?;
        see_block(&us, &bitcoind)?;
    }
    ensure!(us.channels()?.is_empty(), "not over after {MAX_BLOCKS} blocks: {}", us.log_end());
    // The peer had half, and of that it owes what we received; what it held of ours came back.
    let due = coins + Opening::HALVES.amount_sat / 2 + RECEIVED_SAT;
    let got = accounts::on_chain(&us)?;
    ensure!(got < due && got + MAX_FEES_SAT > due, "from {coins} to {got} of {due}");
    let story: Value = us.ask(&["onchain", &channel])?;
    ensure!(story.to_string().contains("\"over\":true"), "{story}");
    ensure!(us.complaints()?.is_empty(), "{:?}", us.complaints()?);
    let warned = us.log()?.lines().filter(|line| line.contains("takes no packages")).count();
    ensure!(warned == 1, "told {warned} times");
    Ok(())
}
