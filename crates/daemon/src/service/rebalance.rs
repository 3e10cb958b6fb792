//! Balance moved between channels of ours: a payment to ourselves, by an invoice that nobody else ever sees.

use super::payments::MAX_TIMEOUT_SECS;
use super::{NodeService, argument, named, once};
use crate::engine::invoice::{InvoiceRequest, InvoiceSecret};
use astrape_api::v1::{PayResponse, PaymentState, RebalanceRequest};
use astrape_invoice::Description;
use astrape_node::command::PayCommand;
use astrape_node::{Command, Request};
use astrape_payment::Circle;
use astrape_primitives::{PaymentHash, PaymentPreimage};
use tonic::Status;

impl NodeService {
    pub(super) async fn rebalance(&self, request: RebalanceRequest) -> Result<PayResponse, Status> {
        let named = once::named("Rebalance", request.request_id.as_deref(), &request)?;
        if let Some(before) = self.recall(named.as_ref()).await? {
            return self.paid_before(&before).await;
        }
        let amount = argument::msat("amount_msat", request.amount_msat)?;
        let max_fee =
            request.max_fee_msat.map(|fee| argument::msat_or_none("max_fee_msat", fee)).transpose()?;
        let retry_secs = argument::seconds("timeout_secs", request.timeout_secs, MAX_TIMEOUT_SECS)?;
        let node = self.snapshot();
        let out = named::channel(&node, "from", &request.from)?;
        let back = request.to.as_deref().map(|name| named::channel(&node, "to", name)).transpose()?;
        if back == Some(out) {
            return Err(argument::invalid("to", "this is the channel that it leaves by: name another"));
        }
        let invoice = InvoiceRequest {
            amount: Some(amount),
            description: Description::Text("balance moved between channels".to_owned()),
            secret: InvoiceSecret::Preimage(PaymentPreimage(self.handle.random())),
            hold_blocks: None,
            expiry_secs: None,
            earlier: None,
            named: None,
        };
        let invoice = self.handle.make_invoice(invoice).await;
        let invoice = invoice.map_err(|error| Status::failed_precondition(error.to_string()))?;
        let circle = Some(Circle { out, back });
        let command = PayCommand { max_fee, retry_secs, circle, ..PayCommand::new(invoice) };
        let service = self.clone();
        // A task of its own: it ends in order also when nobody waits for the answer any more.
        let paying = tokio::spawn(async move { service.pay_ourselves(command, named).await });
        paying.await.map_err(|error| Status::internal(format!("the payment: {error}")))?
    }

    /// Pays an invoice of ours that nothing else shall pay: it is cancelled where it was not paid.
    async fn pay_ourselves(
        &self,
        command: PayCommand,
        named: Option<Request>,
    ) -> Result<PayResponse, Status> {
        let hash = command.payee.payment_hash();
        let own = hash.to_string();
        let paid = self.pay_and_wait(command, named).await;
        let is_unpaid = match &paid {
            // Of another one if the same was asked for meanwhile: then that is told of, and this is not paid.
            Ok(response) => response.payment.as_ref().is_some_and(|payment| {
                payment.state() == PaymentState::Failed || payment.payment_hash != own
            }),
            // It may be under way still, for example where the node stops.
            Err(_) => self.snapshot().payments().all(|payment| payment.payment_hash != hash),
        };
        if is_unpaid {
            self.forget_invoice(hash).await;
        }
        paid
    }

    async fn forget_invoice(&self, payment_hash: PaymentHash) {
        let cancel = Command::CancelInvoice { payment_hash, earlier: None };
        if let Err(error) = self.handle.command(cancel).await {
            tracing::debug!(%payment_hash, %error, "the invoice of a move between channels stays open until it expires");
        }
    }
}
