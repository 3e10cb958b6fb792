//! Nodes as processes: started, stopped, started twice, killed.

use anyhow::{Result, ensure};
use astrape_interop::accounts;
use astrape_interop::line::{Opening, SOON};
use astrape_interop::{Bitcoind, Daemon, Line};

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
        std::thread::sleep(std::time::Duration::from_millis(400));
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
