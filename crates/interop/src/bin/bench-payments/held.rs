//! A payment beside HTLCs that are held: each commitment signs all of them again.
//!
//! They are held by the node behind the payee: it is stopped (SIGSTOP) before they reach it, so that the payee, who is to
//! forward them, has them irrevocably committed and waits. It waits less than a minute, then hangs up on who does not answer.

use crate::Arguments;
use crate::figures::{Figures, HEAD};
use crate::nodes::Nodes;
use anyhow::{Context as _, Result, bail, ensure};
use astrape_interop::account::Account;
use astrape_interop::line::{Line, SOON};
use astrape_interop::load::{Load, Until};
use astrape_interop::{accounts, wait};
use std::process::Command;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long it is measured: shorter than the payee has patience.
const TIME: Duration = Duration::from_secs(15);

pub(crate) fn run(arguments: &Arguments, held: usize) -> Result<()> {
    let mut line = Nodes::ours(3)?;
    let behind = line.nodes.pop().context("three nodes")?;
    let amount_msat = arguments.amount_sat * 1_000;
    let load = Load { amount_msat, in_flight: 1, until: Until::Time(TIME) };
    let invoices = wait::block_on(async {
        let mut account = Account::of(&behind, 1).await?.pop().context("no caller")?;
        let mut invoices = Vec::new();
        for _ in 0..held {
            invoices.push(account.invoice(amount_msat).await?);
        }
        anyhow::Ok(invoices)
    })?;
    let nodes = Nodes::Astrape(line);
    Figures::measure(&nodes, Load { in_flight: 8, until: Until::Payments(1_000), ..load })?;
    println!("{HEAD}");
    println!("{}", Figures::measure(&nodes, load)?.row(0, 1));

    let Nodes::Astrape(line) = &nodes else { bail!("ours") };
    signal("STOP", behind.process()?.id())?;
    let holding = hold(line, invoices)?;
    wait_until_held(line, held)?;
    let beside = Figures::measure_only(&nodes, load)?;
    // The last payment's own HTLC may not be gone yet.
    ensure!(held_now(line)? >= held, "they were not held all the time: {} are left", held_now(line)?);
    signal("CONT", behind.process()?.id())?;
    println!("{}", beside.row(0, 1));
    println!("\nThe second row is beside {held} HTLCs that are held.");
    let paid = wait::block_on(holding.join_all()).into_iter().filter(|paid| *paid).count();
    println!("Of those, {paid} were paid once their payee went on.");
    nodes.wait_for_rest()
}

/// Begins to pay all of these, each by a task that tells in the end whether it was.
fn hold(line: &Line, invoices: Vec<String>) -> Result<JoinSet<bool>> {
    let payer = line.nodes.first().context("no payer")?;
    wait::block_on(async {
        let mut tasks = JoinSet::new();
        for (mut account, invoice) in Account::of(payer, invoices.len()).await?.into_iter().zip(invoices) {
            tasks.spawn(async move { account.pay(&invoice).await.is_ok() });
        }
        Ok(tasks)
    })
}

fn wait_until_held(line: &Line, held: usize) -> Result<()> {
    wait::until("the HTLCs to be held", SOON, || Ok((held_now(line)? == held).then_some(())))
}

/// HTLCs in the payer's channel.
fn held_now(line: &Line) -> Result<usize> {
    let sides = accounts::sides(line.nodes.first().context("no payer")?)?;
    let htlcs: u64 = sides.values().map(|side| side.htlcs).sum();
    Ok(usize::try_from(htlcs)?)
}

fn signal(name: &str, process: u32) -> Result<()> {
    let status = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status()?;
    ensure!(status.success(), "SIG{name} does not reach process {process}");
    Ok(())
}
