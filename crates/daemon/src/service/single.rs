//! One invoice, one payment: looked up by its hash, wherever the node has it.

use super::invoices::unpaid;
use super::payments::{pending, with_parts};
use super::{NodeService, argument, facts, refusal};
use crate::engine::clock;
use astrape_api::v1::{
    GetInvoiceRequest, GetInvoiceResponse, GetPaymentRequest, GetPaymentResponse, Invoice, InvoiceState,
};
use astrape_node::{Entry, Fact};
use astrape_primitives::PaymentHash;
use tonic::Status;

impl NodeService {
    pub(super) async fn get_invoice(&self, request: GetInvoiceRequest) -> Result<GetInvoiceResponse, Status> {
        let hash = PaymentHash(argument::hex32("payment_hash", &request.payment_hash)?);
        // In this order: what is not waited for any more has its end in the ledger.
        let node = self.snapshot();
        let waiting = node.invoice(&hash).map(|invoice| unpaid(&node, invoice, clock::now()));
        let fact = self.handle.read(move |ledger| {
            let paid = ledger.last_payment_fact(&hash)?.filter(is_invoice_paid);
            if paid.is_some() { Ok(paid) } else { ledger.last_invoice_fact(&hash) }
        });
        let ended = fact.await.map_err(refusal::ledger)?.as_ref().and_then(ended);
        let invoice = match (waiting, ended) {
            // When it was cancelled is known to the ledger alone.
            (Some(waiting), Some(ended)) if ended.state() == waiting.state() => {
                Some(Invoice { ended_at_ms: ended.ended_at_ms, ..waiting })
            }
            // It was paid since the snapshot was taken.
            (Some(_), Some(ended)) if ended.state() == InvoiceState::Paid => Some(ended),
            (Some(waiting), _) => Some(waiting),
            (None, ended) => ended,
        };
        let none = || {
            let why =
                "no invoice of this node has this hash, or it has expired unpaid: see `astrape invoices`";
            Status::not_found(why)
        };
        Ok(GetInvoiceResponse { invoice: Some(invoice.ok_or_else(none)?) })
    }

    pub(super) async fn get_payment(&self, request: GetPaymentRequest) -> Result<GetPaymentResponse, Status> {
        let hash = PaymentHash(argument::hex32("payment_hash", &request.payment_hash)?);
        let node = self.snapshot();
        let us = self.handle.node_id();
        let under_way = node.payment(&hash).filter(|payment| payment.preimage.is_none());
        let under_way = under_way.map(|payment| pending(payment, us));
        let payment = match under_way {
            Some(payment) => Some(payment),
            None => {
                let last = self.handle.last_payment_fact(&hash).map_err(refusal::ledger)?;
                last.as_ref().and_then(facts::payment)
            }
        };
        let none = || Status::not_found("no payment of this node has this hash: see `astrape payments`");
        let payment = with_parts(payment.ok_or_else(none)?, &node, &self.handle.trips());
        Ok(GetPaymentResponse { payment: Some(payment) })
    }
}

fn is_invoice_paid(entry: &Entry) -> bool {
    matches!(entry.fact, Fact::PaymentReceived { keysend: false, .. })
}

/// An invoice of which only its end is known.
fn ended(entry: &Entry) -> Option<Invoice> {
    let invoice = |payment_hash: &PaymentHash, state: InvoiceState| Invoice {
        payment_hash: payment_hash.to_string(),
        state: state.into(),
        ended_at_ms: Some(entry.at.0),
        ..Invoice::default()
    };
    match &entry.fact {
        Fact::PaymentReceived { payment_hash, preimage, amount, description, bolt11, .. } => Some(Invoice {
            received_msat: amount.0,
            description: description.clone(),
            preimage: Some(preimage.reveal_hex()),
            ..with_text(invoice(payment_hash, InvoiceState::Paid), bolt11)
        }),
        Fact::InvoiceCanceled { payment_hash, .. } => Some(invoice(payment_hash, InvoiceState::Canceled)),
        _ => None,
    }
}

/// An invoice with what its text says, where that was kept.
fn with_text(invoice: Invoice, bolt11: &str) -> Invoice {
    let Ok(read) = bolt11.parse::<astrape_invoice::Invoice>() else { return invoice };
    Invoice {
        invoice: bolt11.to_owned(),
        amount_msat: read.amount().map(|amount| amount.0),
        created_at: read.timestamp(),
        expires_at: read.expires_at(),
        ..invoice
    }
}
