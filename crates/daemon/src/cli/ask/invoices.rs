//! Invoices: made, read, listed, settled, cancelled.

use super::Asking;
use crate::cli::amounts::AmountOrAny;
use crate::cli::arguments::{Invoice, Invoices, Settle};
use crate::cli::exit::Failure;
use crate::render;
use astrape_api::v1::{
    CancelInvoiceRequest, CreateInvoiceRequest, DecodeInvoiceRequest, GetInvoiceRequest, ListInvoicesRequest,
    SettleInvoiceRequest,
};

impl Asking {
    pub(super) async fn invoice(mut self, invoice: &Invoice) -> Result<(), Failure> {
        let amount_msat = match invoice.amount {
            AmountOrAny::Amount(amount) => Some(amount.0),
            AmountOrAny::Any => None,
        };
        let request = CreateInvoiceRequest {
            amount_msat,
            description: invoice.description.clone().unwrap_or_default(),
            description_hash: invoice.description_hash.clone(),
            preimage: invoice.preimage.clone(),
            expiry_secs: invoice.expiry.map(|expiry| expiry.0),
            hold: invoice.hold,
            payment_hash: invoice.payment_hash.clone(),
            hold_blocks: invoice.hold_blocks,
            request_id: invoice.request_id.clone(),
        };
        let made = self.client.create_invoice(request).await?.into_inner();
        if !self.json {
            made.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        }
        self.show(&made, |made| match invoice.hold {
            // Settle and cancel ask for it.
            true => format!("{}\npayment  {}", made.invoice, made.payment_hash),
            false => made.invoice.clone(),
        })
    }

    pub(super) async fn decode(mut self, invoice: &str) -> Result<(), Failure> {
        let request = DecodeInvoiceRequest { invoice: invoice.to_owned() };
        let decoded = self.client.decode_invoice(request).await?.into_inner();
        self.show(&decoded, render::invoices::decoded)
    }

    pub(super) async fn invoices(mut self, asked: &Invoices) -> Result<(), Failure> {
        if let Some(payment_hash) = asked.payment_hash.clone() {
            let found = self.client.get_invoice(GetInvoiceRequest { payment_hash }).await?.into_inner();
            return self.show(&found.invoice.unwrap_or_default(), render::invoices::invoice);
        }
        let request = ListInvoicesRequest { limit: Some(asked.limit), after: asked.after.clone() };
        let invoices = self.client.list_invoices(request).await?.into_inner();
        self.show(&invoices, |page| match page.invoices.is_empty() && asked.after.is_some() {
            true => render::words::no_more("invoices"),
            false => render::invoices::invoices(page),
        })
    }

    pub(super) async fn settle(mut self, settle: &Settle) -> Result<(), Failure> {
        let request = SettleInvoiceRequest {
            payment_hash: settle.payment_hash.clone(),
            preimage: settle.preimage.clone(),
        };
        let settled = self.client.settle_invoice(request).await?.into_inner();
        self.show(&settled, |settled| format!("Settled {}.", settled.payment_hash))
    }

    pub(super) async fn cancel(mut self, payment_hash: &str) -> Result<(), Failure> {
        let request = CancelInvoiceRequest { payment_hash: payment_hash.to_owned() };
        let canceled = self.client.cancel_invoice(request).await?.into_inner();
        self.show(&canceled, |_| "Cancelled: no payment is taken for it any more, and what is held for it, if anything is, goes back.".to_owned())
    }
}
