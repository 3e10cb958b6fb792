//! A payment beside HTLCs that are held: each commitment signs all of them again.
//!
//! The payee holds them: they pay hold invoices, which it settles in the end.

use crate::Arguments;
use crate::figures::{Figures, HEAD};
use crate::nodes::Nodes;
use anyhow::{Context as _, Result, bail, ensure};
use astrape_api::Client;
use astrape_api::v1::{CreateInvoiceRequest, SettleInvoiceRequest};
use astrape_interop::account::Account;
use astrape_interop::line::{Line, SOON};
use astrape_interop::load::{Load, Until};
use astrape_interop::{accounts, wait};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long it is measured.
const TIME: Duration = Duration::from_secs(15);

pub(crate) fn run(arguments: &Arguments, held: usize) -> Result<()> {
    let nodes = Nodes::Astrape(Nodes::ours(2)?);
    let amount_msat = arguments.amount_sat * 1_000;
    let load = Load { amount_msat, in_flight: 1, until: Until::Time(TIME) };
    Figures::measure(&nodes, Load { in_flight: 8, until: Until::Payments(1_000), ..load })?;
    println!("{HEAD}");
    println!("{}", Figures::measure(&nodes, load)?.row(0, 1));

    let Nodes::Astrape(line) = &nodes else { bail!("ours") };
    let holding = hold(line, amount_msat, held)?;
    wait_until_held(line, held)?;
    let beside = Figures::measure_only(&nodes, load)?;
    // The last payment's own HTLC may not be gone yet.
    ensure!(held_now(line)? >= held, "they were not held all the time: {} are left", held_now(line)?);
    println!("{}", beside.row(0, 1));
    println!("\nThe second row is beside {held} HTLCs that are held.");
    let paid = wait::block_on(settle(line, holding))?;
    ensure!(paid == held, "only {paid} of {held} were paid once their payee settled");
    nodes.wait_for_rest()
}

/// Payments that are held: their hashes, and tasks that tell in the end whether each was paid.
struct Holding {
    hashes: Vec<String>,
    payments: JoinSet<bool>,
}

/// Has hold invoices made, and begins to pay them.
fn hold(line: &Line, amount_msat: u64, held: usize) -> Result<Holding> {
    let payer = line.nodes.first().context("no payer")?;
    wait::block_on(async {
        let mut payee = payee(line).await?;
        let mut holding = Holding { hashes: Vec::new(), payments: JoinSet::new() };
        for mut account in Account::of(payer, held).await? {
            let request = CreateInvoiceRequest {
                amount_msat: Some(amount_msat),
                description: "held".to_owned(),
                hold: true,
                ..CreateInvoiceRequest::default()
            };
            let made = payee.create_invoice(request).await?.into_inner();
            holding.hashes.push(made.payment_hash);
            holding.payments.spawn(async move { account.pay(&made.invoice).await.is_ok() });
        }
        Ok(holding)
    })
}

/// Settles them, and tells how many were paid.
async fn settle(line: &Line, holding: Holding) -> Result<usize> {
    let mut payee = payee(line).await?;
    for hash in holding.hashes {
        payee.settle_invoice(SettleInvoiceRequest { payment_hash: Some(hash), preimage: None }).await?;
    }
    Ok(holding.payments.join_all().await.into_iter().filter(|paid| *paid).count())
}

async fn payee(line: &Line) -> Result<Client> {
    let account = Account::of(line.nodes.last().context("no payee")?, 1).await?.pop();
    let Some(Account::Astrape(client)) = account else { bail!("no way to the payee") };
    Ok(client)
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
