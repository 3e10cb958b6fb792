//! A node of either kind.

use crate::ldk::Ldk;
use crate::seen::Ended;
use anyhow::{Context as _, Result};
use astrape_api::Client;
use astrape_api::v1::{CreateInvoiceRequest, PayRequest, PaymentState};
use astrape_interop::account::Account;
use astrape_interop::{Daemon, wait};
use lightning::bolt11_invoice::Bolt11Invoice;
use std::time::Duration;

/// A node.
pub(super) enum Member {
    /// A process of ours, with its API.
    Ours { daemon: Box<Daemon>, client: Client },
    /// One made of LDK.
    Theirs { name: String, node: Box<Ldk> },
}

impl Member {
    /// A process that is up.
    pub(super) fn ours(daemon: Daemon) -> Result<Self> {
        let accounts = wait::block_on(Account::of(&daemon, 1))?;
        let Some(Account::Astrape(client)) = accounts.into_iter().next() else {
            anyhow::bail!("no way to {}", daemon.name())
        };
        Ok(Self::Ours { daemon: Box::new(daemon), client })
    }

    pub(super) const fn is_ours(&self) -> bool {
        matches!(self, Self::Ours { .. })
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Ours { daemon, .. } => daemon.name(),
            Self::Theirs { name, .. } => name,
        }
    }

    pub(super) fn id(&self) -> Result<String> {
        match self {
            Self::Ours { daemon, .. } => daemon.id(),
            Self::Theirs { node, .. } => Ok(node.id().to_string()),
        }
    }

    pub(super) fn invoice(&self, amount_msat: u64) -> Result<String> {
        match self {
            Self::Ours { client, .. } => {
                let request = CreateInvoiceRequest {
                    amount_msat: Some(amount_msat),
                    description: "a payment of the network".to_owned(),
                    ..CreateInvoiceRequest::default()
                };
                let mut client = client.clone();
                Ok(wait::block_on(client.create_invoice(request))?.into_inner().invoice)
            }
            Self::Theirs { node, .. } => Ok(node.invoice(amount_msat)?.to_string()),
        }
    }

    /// Pays, and tells how that ended. A refusal is a failure: the oracle says whether it was right.
    pub(super) fn pay(&self, invoice: &str, max_fee_msat: u64, within: Duration) -> Result<Ended> {
        let client = match self {
            Self::Ours { client, .. } => client,
            Self::Theirs { node, .. } => {
                // When LDK finds no way at the beginning, it says so and begins nothing.
                return Ok(node
                    .pay_within(invoice, within)
                    .unwrap_or_else(|error| Ended::Failed { reason: format!("{error:#}") }));
            }
        };
        let request = PayRequest {
            invoice: invoice.to_owned(),
            max_fee_msat: Some(max_fee_msat),
            timeout_secs: Some(within.as_secs()),
            ..PayRequest::default()
        };
        let mut client = client.clone();
        let payment = match wait::block_on(client.pay(request)) {
            Ok(answer) => answer.into_inner().payment.context("no payment in the answer")?,
            Err(refused) => return Ok(Ended::Failed { reason: refused.message().to_owned() }),
        };
        Ok(match payment.state() {
            PaymentState::Succeeded => Ended::Paid { fee_msat: payment.fee_msat },
            _ => Ended::Failed { reason: payment.reason.unwrap_or_default() },
        })
    }
}

/// The hash of an invoice, as Astrape writes it.
pub(super) fn hash_of(invoice: &str) -> Result<String> {
    let read: Bolt11Invoice = invoice.parse().map_err(|error| anyhow::anyhow!("{invoice}: {error:?}"))?;
    Ok(read.payment_hash().to_string())
}
