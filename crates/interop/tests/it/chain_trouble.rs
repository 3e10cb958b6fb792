//! bitcoind goes away, comes back, is of another network; the chain goes on without us, or takes back what it gave.

use anyhow::{Context as _, Result, ensure};
use astrape_interop::accounts::{self, text};
use astrape_interop::line::{Opening, SOON};
use astrape_interop::{Bitcoind, Cli, Daemon, Line, wait};
use serde_json::{Value, json};

#[test]
fn nodes_wait_for_a_bitcoind_that_is_away_say_so_and_go_on() -> Result<()> {
    let Some(mut line) = Line::open(3, Opening::HALVES, &[])? else { return Ok(()) };
    line.fund_closes(&line.nodes[2])?;
    line.bitcoind.stop()?;
    for node in &line.nodes {
        wait::until(&format!("{} to raise an alarm", node.name()), SOON, || {
            let info = node.ask(&["getinfo"])?;
            let alarmed = info["alarms"].as_array().is_some_and(|alarms| !alarms.is_empty());
            Ok((alarmed && info["chain_synced"] == false).then_some(()))
        })?;
    }
    let [a, _, c] = line.nodes.as_slice() else { anyhow::bail!("three nodes") };
    // The middle node takes on no risk that it could not carry to the chain.
    let blind = a.command(&["pay", &c.invoice("1k", "blind")?, "--timeout", "2s"])?;
    ensure!(blind.code == 4 || blind.code == 1, "{blind:?}");
    line.bitcoind.run()?;
    for node in &mut line.nodes {
        node.wait_until_up()?;
        let info = node.ask(&["getinfo"])?;
        ensure!(info["alarms"] == json!([]), "{info}");
    }
    line.bitcoind.mine(1)?;
    line.wait_for_height()?;
    line.nodes[0].ask(&["pay", &line.nodes[2].invoice("1k", "seeing")?])?;
    line.wait_for_rest(SOON)?;
    accounts::both_sides_agree(&line.clis())?;
    Ok(())
}

#[test]
fn a_node_that_starts_before_bitcoind_waits_for_it() -> Result<()> {
    let Some(mut bitcoind) = Bitcoind::start()? else { return Ok(()) };
    bitcoind.stop()?;
    let mut node = Daemon::new("A", &bitcoind, &[])?;
    node.spawn()?;
    wait::until("the node to answer", SOON, || {
        node.check_alive()?;
        let answer = node.command(&["getinfo"])?;
        Ok((answer.code == 0 && answer.json()?["chain_synced"] == false).then_some(()))
    })?;
    bitcoind.run()?;
    node.wait_until_up()
}

#[test]
fn what_happened_on_chain_while_a_node_was_down_is_caught_up_with() -> Result<()> {
    let Some(mut line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    let before = accounts::on_chain(&line.nodes[0])?;
    let address = line.nodes[0].ask_for(&["newaddr"], "address")?;
    line.nodes[0].kill()?;
    line.bitcoind.mine(30)?;
    line.bitcoind.fund(&address, 123_456)?;
    line.bitcoind.mine(30)?;
    line.nodes[0].start()?;
    line.wait_for_height()?;
    wait::until("the coin", SOON, || {
        Ok((accounts::on_chain(&line.nodes[0])? == before + 123_456).then_some(()))
    })?;
    line.wait_for_rest(SOON)?;
    line.nodes[0].ask(&["pay", &line.nodes[1].invoice("1k", "after the night")?])?;
    Ok(())
}

#[test]
fn a_channel_survives_a_reorganisation_that_takes_its_funding_back() -> Result<()> {
    let Some(line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    let (a, b) = (&line.nodes[0], &line.nodes[1]);
    a.ask(&["pay", &b.invoice("1k", "before")?])?;
    line.wait_for_rest(SOON)?;
    let channel = a.channels()?.first().context("no channel")?.clone();
    let scid = text(&channel, "short_channel_id")?;
    let height: u32 = scid.split('x').next().unwrap_or_default().parse()?;
    let tip = line.bitcoind.height()?;
    let block: String = line.bitcoind.call("getblockhash", json!([height]))?;
    // In the other branch the funding comes a block later, so that the channel gets another short id.
    line.bitcoind.call::<Value>("invalidateblock", json!([block]))?;
    line.bitcoind.mine_empty()?;
    line.bitcoind.mine(tip - height + 1)?;
    line.wait_for_height()?;
    for node in &line.nodes {
        wait::until(&format!("{} to see the funding in its new place", node.name()), SOON, || {
            let moved =
                |ch: &Value| ch["short_channel_id"].is_string() && ch["short_channel_id"] != scid.as_str();
            Ok(node.channels()?.iter().all(moved).then_some(()))
        })?;
    }
    line.wait_for_rest(SOON)?;
    a.ask(&["pay", &b.invoice("1k", "after")?])?;
    b.ask(&["pay", &a.invoice("1k", "and back")?])?;
    line.wait_for_rest(SOON)?;
    let ids = accounts::both_sides_agree(&line.clis())?;
    ensure!(ids.len() == 1 && channel["channel_id"] == ids[0].as_str(), "{ids:?}");
    Ok(())
}

#[test]
fn a_bitcoind_of_another_network_is_not_taken() -> Result<()> {
    let Some(bitcoind) = Bitcoind::start()? else { return Ok(()) };
    let mut node = Daemon::on_network("signet", "A", &bitcoind, &[])?;
    node.spawn()?;
    let info = wait::until("the node to say what is wrong", SOON, || {
        node.check_alive()?;
        let answer = node.command(&["getinfo"])?;
        let told =
            answer.code == 0 && answer.stdout.contains("alarms") && answer.json()?["alarms"] != json!([]);
        Ok(if told { Some(answer.json()?) } else { None })
    })?;
    ensure!(info["chain_synced"] == false && info["block_height"] == 0, "{info}");
    ensure!(info["alarms"][0].as_str().is_some_and(|alarm| alarm.contains("regtest")), "{info}");
    Ok(())
}

#[test]
fn a_data_directory_of_another_network_is_not_taken() -> Result<()> {
    let Some(bitcoind) = Bitcoind::start()? else { return Ok(()) };
    let mut node = Daemon::start_new("A", &bitcoind, &[])?;
    node.stop()?;
    let elsewhere = Cli::new(node.exe(), node.data_dir(), "signet");
    let refused =
        elsewhere.command(&["run", "--bitcoind-rpc", &bitcoind.rpc_address(), "--listen", "none"])?;
    ensure!(refused.code == 1 && refused.stderr.contains("regtest"), "{refused:?}");
    node.start()
}
