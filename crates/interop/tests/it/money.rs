//! Money into channels and out of them, on chain and over private channels.

use anyhow::{Context as _, Result, ensure};
use astrape_interop::accounts::{self, number, text};
use astrape_interop::line::{Opening, SOON};
use astrape_interop::{Line, wait};
use serde_json::{Value, json};

#[test]
fn coins_come_in_and_go_out_to_the_satoshi() -> Result<()> {
    let Some(line) = Line::start(1, &[])? else { return Ok(()) };
    let (node, bitcoind) = (&line.nodes[0], &line.bitcoind);
    ensure!(accounts::on_chain(node)? == 0, "a new node owns nothing");
    for amount in [300_000, 200_000] {
        bitcoind.fund(&node.ask_for(&["newaddr"], "address")?, amount)?;
    }
    line.wait_for_height()?;
    wait::until("both coins", SOON, || Ok((accounts::on_chain(node)? == 500_000).then_some(())))?;
    let coins = node.ask(&["listfunds"])?["coins"].as_array().context("no coins")?.len();
    ensure!(coins == 2, "{coins} coins");

    let outside: String = bitcoind.call("getnewaddress", json!([]))?;
    let sent = node.ask(&["withdraw", &outside, "250k", "--feerate-perkw", "1000"])?;
    let (txid, fee) = (text(&sent, "txid")?, number(&sent, "fee_sat")?);
    line.bitcoind.wait_for(&txid)?;
    ensure!(bitcoind.fee_of(&txid)? == fee, "it told another fee");
    bitcoind.mine(1)?;
    line.wait_for_height()?;
    let left = 500_000 - 250_000 - fee;
    wait::until("the change", SOON, || Ok((accounts::on_chain(node)? == left).then_some(())))?;
    let received: f64 = bitcoind.call("getreceivedbyaddress", json!([outside, 1]))?;
    ensure!((received - 0.0025).abs() < 1e-9, "{received}");

    let sent = node.ask(&["withdraw", &outside, "all"])?;
    line.bitcoind.wait_for(&text(&sent, "txid")?)?;
    ensure!(number(&sent, "amount_sat")? + number(&sent, "fee_sat")? == left, "{sent}");
    bitcoind.mine(1)?;
    line.wait_for_height()?;
    wait::until("nothing", SOON, || Ok((accounts::on_chain(node)? == 0).then_some(())))?;

    let refused = node.command(&["withdraw", &outside, "1k"])?;
    ensure!(refused.code == 1 && refused.stderr.contains("error"), "{refused:?}");
    Ok(())
}

#[test]
fn a_withdrawal_that_waits_is_mined_for_the_sake_of_its_child() -> Result<()> {
    let Some(line) = Line::start(1, &[])? else { return Ok(()) };
    let (node, bitcoind) = (&line.nodes[0], &line.bitcoind);
    bitcoind.fund(&node.ask_for(&["newaddr"], "address")?, 500_000)?;
    line.wait_for_height()?;
    wait::until("the coin", SOON, || Ok((accounts::on_chain(node)? == 500_000).then_some(())))?;

    let outside: String = bitcoind.call("getnewaddress", json!([]))?;
    let sent = node.ask(&["withdraw", &outside, "250k", "--feerate-perkw", "253"])?;
    let txid = text(&sent, "txid")?;
    bitcoind.wait_for(&txid)?;
    let bump = ["bumpfee", &txid, "--feerate-perkw", "2500"];
    let bumped = node.ask(&bump)?;
    let (child, fee) = (text(&bumped, "child_txid")?, number(&bumped, "fee_sat")?);
    bitcoind.wait_for(&child)?;
    ensure!(bitcoind.fee_of(&child)? == fee, "it told another fee: {bumped}");
    let entry: Value = bitcoind.call("getmempoolentry", json!([child]))?;
    ensure!(entry["ancestorcount"] == 2, "{entry}");
    let paid = entry["fees"]["ancestor"].as_f64().context("no fee")? * 1e8;
    let feerate = paid / entry["ancestorsize"].as_f64().context("no size")?;
    ensure!((9.9..10.1).contains(&feerate), "together they pay {feerate} sat/vB: {entry}");
    let again = node.command(&bump)?;
    ensure!(again.code == 1 && again.stderr.contains("already"), "{again:?}");

    bitcoind.mine(1)?;
    line.wait_for_height()?;
    let left = 250_000 - number(&sent, "fee_sat")? - fee;
    wait::until("what is left", SOON, || Ok((accounts::on_chain(node)? == left).then_some(())))?;
    let late = node.command(&bump)?;
    ensure!(late.code == 1 && late.stderr.contains("waits for a block"), "{late:?}");
    Ok(())
}

#[test]
fn a_private_channel_is_paid_over_under_its_alias() -> Result<()> {
    let Some(line) = Line::open(3, Opening { private: true, ..Opening::HALVES }, &[])? else { return Ok(()) };
    let [a, b, c] = line.nodes.as_slice() else { anyhow::bail!("three nodes") };
    for node in &line.nodes {
        ensure!(node.channels()?.iter().all(|channel| channel["private"] == true), "{:?}", node.channels());
    }
    let invoice = c.invoice("1234567msat", "over an alias")?;
    let decoded = c.ask(&["decode", &invoice])?;
    let hint = text(&decoded["route_hints"][0]["hops"][0], "short_channel_id")?;
    let real: Vec<String> =
        b.channels()?.iter().map(|ch| text(ch, "short_channel_id")).collect::<Result<_>>()?;
    ensure!(!real.contains(&hint), "the invoice tells where on chain the channel is: {hint}");
    a.ask(&["pay", &invoice])?;
    a.ask(&["pay", &c.invoice("2k", "again")?])?;
    c.ask(&["pay", &a.invoice("3k", "and back")?])?;
    line.wait_for_rest(SOON)?;
    accounts::both_sides_agree(&line.clis())?;
    let (there, back) = (accounts::flow(a, c)?, accounts::flow(c, a)?);
    ensure!((there.settled, there.amount_msat) == (2, 3_234_567), "{there:?}");
    ensure!((back.settled, back.amount_msat) == (1, 3_000_000), "{back:?}");
    Ok(())
}

#[test]
fn an_invoice_asked_for_twice_is_paid_once() -> Result<()> {
    let Some(line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    let (a, b) = (&line.nodes[0], &line.nodes[1]);
    let invoice = b.invoice("5k", "once")?;
    std::thread::scope(|scope| {
        let payers: Vec<_> = (0..4).map(|_| scope.spawn(|| a.ask(&["pay", &invoice]))).collect();
        payers.into_iter().try_for_each(|payer| {
            let paid = payer.join().map_err(|_| anyhow::anyhow!("a payer panicked"))??;
            ensure!(paid["state"] == "succeeded", "{paid}");
            Ok(())
        })
    })?;
    let again = a.ask(&["pay", &invoice])?;
    ensure!(again["state"] == "succeeded", "{again}");
    line.wait_for_rest(SOON)?;
    let flow = accounts::flow(a, b)?;
    ensure!((flow.settled, flow.amount_msat) == (1, 5_000_000), "{flow:?}");
    Ok(())
}
