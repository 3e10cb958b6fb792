//! Commands of which nobody knows what came: the node was killed, or stopped, before it could say. They are repeated.

use anyhow::{Context as _, Result, ensure};
use astrape_interop::accounts::{self, text};
use astrape_interop::line::{Opening, SOON};
use astrape_interop::{Daemon, Line, wait};
use serde_json::{Value, json};
use std::time::Duration;

/// Has a command carried out, kills the node, and gives the command again: both answers.
fn with_a_kill_between(node: &mut Daemon, words: &[&str]) -> Result<(Value, Value)> {
    let first = node.ask(words)?;
    node.kill()?;
    node.start()?;
    Ok((first, node.ask(words)?))
}

/// Payments that a node has received.
fn received(node: &Daemon) -> Result<usize> {
    Ok(node.payments()?.iter().filter(|payment| payment["direction"] == "received").count())
}

#[test]
fn what_is_repeated_with_its_id_after_a_kill_is_done_once() -> Result<()> {
    let Some(mut line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    line.bitcoind.fund(&line.nodes[0].ask_for(&["newaddr"], "address")?, 3_000_000)?;
    line.bitcoind.fund(&line.nodes[0].ask_for(&["newaddr"], "address")?, 3_000_000)?;
    line.wait_for_height()?;
    let (peer, address) = (line.nodes[1].id()?, line.nodes[1].peer_address()?);
    let outside: String = line.bitcoind.call("getnewaddress", json!([]))?;
    let node = &mut line.nodes[0];

    let withdraw = ["withdraw", &outside, "100k", "--request-id", "rent 7"];
    let (first, second) = with_a_kill_between(node, &withdraw)?;
    ensure!(first == second && first["txid"].is_string(), "{first} {second}");
    let other = node.command(&["withdraw", &outside, "101k", "--request-id", "rent 7"])?;
    ensure!(other.code == 1 && other.stderr.contains("request id rent 7 was used"), "{other:?}");
    let sent = |node: &Daemon| -> Result<usize> {
        let coins = node.ask(&["listfunds"])?;
        Ok(coins["coins"]
            .as_array()
            .context("coins")?
            .iter()
            .filter(|coin| coin["state"] == "unconfirmed")
            .count())
    };
    ensure!(sent(node)? <= 1, "one transaction has one change");

    let invoice = ["invoice", "2k", "tea", "--request-id", "table 4"];
    let (first, second) = with_a_kill_between(node, &invoice)?;
    ensure!(first["invoice"] == second["invoice"], "{first} {second}");

    let open = ["open", &address, "500k", "--request-id", "second"];
    let (first, second) = with_a_kill_between(node, &open)?;
    ensure!(first["channel_id"] == second["channel_id"], "{first} {second}");
    ensure!(node.channels()?.len() == 2, "{:?}", node.channels()?);

    // The node was killed before it could bring the funding to its bitcoind: it does so when it is back.
    let funding = text(&first, "funding_outpoint")?;
    line.bitcoind.wait_for(funding.split(':').next().unwrap_or_default())?;
    line.bury()?;
    line.wait_for_rest(SOON)?;
    let node = &mut line.nodes[0];
    let tip = ["pay", &peer, "--amount", "3k", "--request-id", "tip"];
    let (first, second) = with_a_kill_between(node, &tip)?;
    ensure!(text(&first, "payment_hash")? == text(&second, "payment_hash")?, "{first} {second}");
    ensure!(received(&line.nodes[1])? == 1, "{:?}", line.nodes[1].payments()?);
    Ok(())
}

#[test]
fn a_payment_without_an_invoice_arrives_once_whenever_its_node_is_killed() -> Result<()> {
    let Some(mut line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    let peer = line.nodes[1].id()?;
    let mut arrived = 0;
    for round in 0..6u64 {
        let id = format!("tip-{round}");
        let (cli, words) = (line.nodes[0].cli(), ["pay", &peer, "--amount", "3k", "--request-id", &id]);
        let answer = std::thread::scope(|scope| {
            let paying = scope.spawn(|| cli.command(&words));
            std::thread::sleep(Duration::from_millis(15 * round));
            line.nodes[0].kill()?;
            paying.join().map_err(|_| anyhow::anyhow!("the payer panicked"))?
        })?;
        // Done, not begun, failed, or begun and not known how it goes on.
        ensure!(matches!(answer.code, 0 | 3 | 4 | 5), "{answer:?}");
        if answer.code == 5 {
            ensure!(answer.stderr.contains(&format!("--request-id '{id}'")), "{answer:?}");
        }
        line.nodes[0].start()?;
        line.wait_for_rest(SOON)?;
        let again = line.nodes[0].command(&words)?;
        ensure!(matches!(again.code, 0 | 4), "{again:?}");
        ensure!(answer.code != 0 || again.code == 0, "{answer:?} {again:?}");
        arrived += usize::from(again.code == 0);
        line.wait_for_rest(SOON)?;
        ensure!(received(&line.nodes[1])? == arrived, "round {round}: {:?}", line.nodes[1].payments()?);
    }
    ensure!(arrived > 0, "none has arrived");
    accounts::both_sides_agree(&line.clis())?;
    Ok(())
}

#[test]
fn a_script_is_told_which_payment_is_under_way_when_its_node_is_killed_or_stopped() -> Result<()> {
    let Some(mut line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    for stops in [false, true] {
        let made = line.nodes[1].ask(&["invoice", "2k", "held", "--hold"])?;
        let (invoice, hash) = (text(&made, "invoice")?, text(&made, "payment_hash")?);
        let cli = line.nodes[0].cli();
        let answer = std::thread::scope(|scope| {
            let paying = scope.spawn(|| cli.command(&["pay", &invoice]));
            wait::until("the payment to be held", SOON, || {
                let held = line.nodes[1].ask(&["invoices", &hash])?;
                Ok((held["state"] == "held").then_some(()))
            })?;
            if stops {
                line.nodes[0].stop()?;
            } else {
                line.nodes[0].kill()?;
            }
            paying.join().map_err(|_| anyhow::anyhow!("the payer panicked"))?
        })?;
        ensure!(answer.code == 5, "{answer:?}");
        let told: Value = serde_json::from_str(&answer.stderr)?;
        ensure!(told["code"] == 5 && told["payment_hash"] == hash.as_str(), "{told}");
        line.nodes[0].start()?;
        let pending = line.nodes[0].ask(&["payments", &hash])?;
        ensure!(pending["state"] == "pending", "{pending}");
        line.nodes[1].ask(&["settle", &hash])?;
        let paid = line.nodes[0].ask(&["pay", &invoice])?;
        ensure!(paid["state"] == "succeeded" && paid["payment_hash"] == hash.as_str(), "{paid}");
        let settled = line.nodes[1].ask(&["invoices", &hash])?;
        ensure!(settled["state"] == "paid" && settled["received_msat"] == 2_000_000, "{settled}");
    }
    Ok(())
}
