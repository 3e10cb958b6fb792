//! Nodes as processes: started, stopped, started twice, killed.

use anyhow::{Result, ensure};
use astrape_interop::accounts;
use astrape_interop::line::{Opening, SOON};
use astrape_interop::{Bitcoind, Daemon, Line, wait};
use std::time::Duration;

#[test]
fn a_node_stops_gracefully_and_comes_back_as_the_same() -> Result<()> {
    let Some(mut line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    let id = line.nodes[0].id()?;
    let sides = accounts::sides(&line.nodes[0])?;
    ensure!(line.nodes[0].stop()?.success(), "it ended badly:\n{}", line.nodes[0].log_end());
    let gone = line.nodes[0].command(&["getinfo"])?;
    ensure!(gone.code == 3, "a node that has stopped cannot be reached: {gone:?}");
    line.nodes[0].start()?;
    ensure!(line.nodes[0].id()? == id, "another node came back");
    line.wait_for_rest(SOON)?;
    ensure!(accounts::sides(&line.nodes[0])? == sides, "its channels have changed");
    line.nodes[0].ask(&["pay", &line.nodes[1].invoice("1k", "after the stop")?])?;
    Ok(())
}

#[test]
fn a_node_that_is_told_to_end_while_it_pays_ends_and_finishes_the_payments_later() -> Result<()> {
    let Some(mut line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    let channels = accounts::both_sides_agree(&line.clis())?;
    for at in [0, 1] {
        std::thread::scope(|scope| -> Result<()> {
            let (payer, payee) = (line.nodes[0].cli(), line.nodes[1].cli());
            let invoices = (0..8).map(|_| payee.invoice("2k", "soon over")).collect::<Result<Vec<_>>>()?;
            let paying: Vec<_> = invoices
                .into_iter()
                .map(|invoice| (payer.clone(), invoice))
                .map(|(payer, invoice)| scope.spawn(move || payer.command(&["pay", &invoice])))
                .collect();
            std::thread::sleep(Duration::from_millis(60));
            let ended = line.nodes[at].terminate()?;
            ensure!(ended.success(), "{ended}:\n{}", line.nodes[at].log_end());
            line.nodes[at].start()?;
            for payer in paying {
                // Paid, refused since the peer was away, or the node was gone before it was asked, or before it could say.
                let answer = payer.join().map_err(|_| anyhow::anyhow!("a payer panicked"))??;
                ensure!(matches!(answer.code, 0 | 1 | 3 | 5), "{answer:?}");
            }
            Ok(())
        })?;
    }
    line.wait_for_rest(SOON)?;
    ensure!(accounts::both_sides_agree(&line.clis())? == channels, "other channels than before");
    println!("{:?}", accounts::flow(&line.nodes[0], &line.nodes[1])?);
    Ok(())
}

#[test]
fn what_a_node_answered_is_done_although_it_is_killed_at_once() -> Result<()> {
    let Some(mut line) = Line::start(2, &[])? else { return Ok(()) };
    for _ in 0..2 {
        line.bitcoind.fund(&line.nodes[0].ask_for(&["newaddr"], "address")?, 1_000_000)?;
    }
    line.wait_for_height()?;
    let outside: String = line.bitcoind.call("getnewaddress", serde_json::json!([]))?;
    let withdrawn = line.nodes[0].ask_for(&["withdraw", &outside, "100k"], "txid")?;
    line.nodes[0].kill()?;
    line.nodes[0].start()?;
    line.bitcoind.wait_for(&withdrawn)?;

    let peer = line.nodes[1].peer_address()?;
    let funding = line.nodes[0].ask_for(&["open", &peer, "500k"], "funding_outpoint")?;
    for node in &mut line.nodes {
        node.kill()?;
    }
    for node in &mut line.nodes {
        node.start()?;
    }
    line.bitcoind.wait_for(funding.split(':').next().unwrap_or_default())?;
    line.bury()?;
    line.nodes[0].ask(&["pay", &line.nodes[1].invoice("1k", "over it")?])?;
    let closing = line.nodes[0].ask(&["close", &funding])?;
    ensure!(closing["status"].is_string(), "{closing}");
    for node in &mut line.nodes {
        node.kill()?;
    }
    for node in &mut line.nodes {
        node.start()?;
    }
    wait::until("both sides to see the channel closed", SOON, || {
        line.bitcoind.mine(1)?;
        let (a, b) = (line.nodes[0].channels()?, line.nodes[1].channels()?);
        Ok((a.is_empty() && b.is_empty()).then_some(()))
    })?;
    let owned = accounts::on_chain(&line.nodes[1])?;
    ensure!(owned == 1_000, "the peer got {owned} sat on chain");
    Ok(())
}

#[test]
fn a_second_process_on_the_same_data_directory_is_refused_and_harms_nothing() -> Result<()> {
    let Some(bitcoind) = Bitcoind::start()? else { return Ok(()) };
    let node = Daemon::start_new("A", &bitcoind, &[])?;
    let id = node.id()?;
    let second = node.run_again(&[])?;
    ensure!(second.code == 1 && second.stderr.contains("error"), "{second:?}");
    ensure!(node.id()? == id, "the first node goes on");
    node.ask(&["newaddr"])?;
    // Nor with ports of its own, where only the data directory can stop it.
    let (listen, rpc) = (astrape_interop::ports::free()?, astrape_interop::ports::free()?);
    let (listen, rpc) = (format!("127.0.0.1:{listen}"), format!("127.0.0.1:{rpc}"));
    let second = node.run_again(&["--listen", &listen, "--rpc-addr", &rpc])?;
    ensure!(second.code != 0, "{second:?}");
    node.ask(&["newaddr"])?;
    Ok(())
}

#[test]
fn both_ends_killed_at_once_come_back_to_the_same_channel() -> Result<()> {
    let Some(mut line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    let channels = accounts::both_sides_agree(&line.clis())?;
    for _ in 0..5 {
        let (payer, payee) = (line.nodes[0].cli(), line.nodes[1].cli());
        let paying = std::thread::spawn(move || -> Result<()> {
            for _ in 0..10 {
                // The node dies under some of them.
                if let Ok(invoice) = payee.invoice("2k", "at any time") {
                    payer.command(&["pay", &invoice])?;
                }
            }
            Ok(())
        });
        std::thread::sleep(Duration::from_millis(400));
        for node in &mut line.nodes {
            node.kill()?;
        }
        paying.join().map_err(|_| anyhow::anyhow!("the payer panicked"))??;
        for node in &mut line.nodes {
            node.spawn()?;
        }
        for node in &mut line.nodes {
            node.wait_until_up()?;
        }
    }
    line.wait_for_rest(SOON)?;
    ensure!(accounts::both_sides_agree(&line.clis())? == channels, "other channels than before");
    let flow = accounts::flow(&line.nodes[0], &line.nodes[1])?;
    let payee = accounts::in_channels(&line.nodes[1])?;
    ensure!(payee == 5_000_000_000 + flow.amount_msat, "{payee} {flow:?}");
    println!("{flow:?}");
    Ok(())
}
