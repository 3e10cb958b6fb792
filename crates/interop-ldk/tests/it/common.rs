//! What several plays do.

use anyhow::{Result, ensure};
use astrape_interop::Cli;
use astrape_interop::accounts::text;
use astrape_interop_ldk::{Ended, Ldk};
use serde_json::Value;

/// Has a node of ours pay, and returns the payment as it ended.
pub(crate) fn pay(ours: &Cli, invoice: &str) -> Result<Value> {
    let answer = ours.command(&["pay", invoice])?;
    ensure!(answer.code == 0 || answer.code == 4, "{answer:?}");
    answer.json()
}

/// Has a node of ours pay, and holds that it did. Returns what the way cost.
pub(crate) fn paid(ours: &Cli, invoice: &str) -> Result<u64> {
    let payment = pay(ours, invoice)?;
    ensure!(text(&payment, "state")? == "succeeded", "{payment}");
    astrape_interop::accounts::number(&payment, "fee_msat")
}

/// Has a node of ours pay, and holds that this fails. Returns why.
pub(crate) fn not_paid(ours: &Cli, invoice: &str) -> Result<String> {
    let payment = pay(ours, invoice)?;
    ensure!(text(&payment, "state")? == "failed", "{payment}");
    text(&payment, "reason")
}

/// Has a node of theirs pay, and holds that it did. Returns what the way cost.
pub(crate) fn paid_by(theirs: &Ldk, invoice: &str) -> Result<u64> {
    match theirs.pay(invoice)? {
        Ended::Paid { fee_msat } => Ok(fee_msat),
        failed @ Ended::Failed { .. } => anyhow::bail!("{failed:?}\n{}", theirs.log_end()),
    }
}

/// Holds that a payment of theirs failed because the recipient refused it.
pub(crate) fn is_refused(ended: &Ended) -> Result<()> {
    ensure!(*ended == Ended::Failed { reason: "RecipientRejected".to_owned() }, "{ended:?}");
    Ok(())
}
