//! A way to a node for who makes payments, whatever node it is.

use crate::cli::Cli;
use crate::ldk_node::Desk;
use anyhow::{Context as _, Result};
use astrape_api::v1::{CreateInvoiceRequest, PayRequest, PaymentState};
use astrape_api::{Client, connect};
use tonic::Code;

/// Calls that share a connection: servers allow some hundred at most.
const CALLS_PER_CONNECTION: usize = 64;

/// One caller of a node's API.
#[derive(Clone, Debug)]
pub enum Account {
    /// Of `astrape`, by gRPC.
    Astrape(Client),
    /// Of an ldk-node, by the lines of its pipes.
    LdkNode(Desk),
}

/// Why an invoice was not paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpaid {
    /// For now: it may be paid a little later.
    Refused(String),
    /// For good.
    Failed(String),
}

impl Account {
    /// `count` callers of an `astrape`, over few connections.
    ///
    /// # Errors
    /// When the node does not run.
    pub async fn of(node: &Cli, count: usize) -> Result<Vec<Self>> {
        let address =
            std::fs::read_to_string(node.data_dir().join("api.addr")).context("does the node run?")?;
        let mut accounts: Vec<Self> = Vec::with_capacity(count);
        while accounts.len() < count {
            let client = connect(node.data_dir(), address.trim()).await?;
            let more = (count - accounts.len()).min(CALLS_PER_CONNECTION);
            accounts.extend(std::iter::repeat_n(Self::Astrape(client), more));
        }
        Ok(accounts)
    }

    /// Has an invoice made.
    ///
    /// # Errors
    /// When that is refused.
    pub async fn invoice(&mut self, amount_msat: u64) -> Result<String> {
        match self {
            Self::Astrape(client) => {
                let request = CreateInvoiceRequest {
                    amount_msat: Some(amount_msat),
                    description: "one of many".to_owned(),
                    ..CreateInvoiceRequest::default()
                };
                Ok(client.create_invoice(request).await?.into_inner().invoice)
            }
            Self::LdkNode(desk) => desk.invoice(amount_msat).await,
        }
    }

    /// Pays an invoice.
    ///
    /// # Errors
    /// Why it is not paid.
    pub async fn pay(&mut self, invoice: &str) -> Result<(), Unpaid> {
        match self {
            Self::Astrape(client) => {
                let request = PayRequest { invoice: invoice.to_owned(), ..PayRequest::default() };
                let answer = client.pay(request).await.map_err(|status| match status.code() {
                    Code::FailedPrecondition => Unpaid::Refused(status.message().to_owned()),
                    _ => Unpaid::Failed(status.message().to_owned()),
                })?;
                let payment = answer.into_inner().payment.unwrap_or_default();
                if payment.state() == PaymentState::Succeeded {
                    return Ok(());
                }
                Err(Unpaid::Failed(payment.reason.unwrap_or_else(|| "no reason was told".to_owned())))
            }
            // It does not tell apart what is full from what is impossible.
            Self::LdkNode(desk) => desk.pay(invoice).await.map_err(|why| Unpaid::Refused(format!("{why:#}"))),
        }
    }
}
