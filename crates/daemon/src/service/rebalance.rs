//! Balance moved between channels of ours: a payment to ourselves, by an invoice that nobody else ever sees.

use super::payments::MAX_TIMEOUT_SECS;
use super::{NodeService, argument, named};
use crate::engine::invoice::{InvoiceRequest, InvoiceSecret};
use astrape_api::v1::{PayResponse, RebalanceRequest};
use astrape_invoice::Description;
use astrape_node::command::PayCommand;
use astrape_payment::Circle;
use astrape_primitives::PaymentPreimage;
use tonic::Status;

impl NodeService {
    pub(super) async fn rebalance(&self, request: RebalanceRequest) -> Result<PayResponse, Status> {
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
        };
        let invoice = self.handle.make_invoice(invoice).await;
        let invoice = invoice.map_err(|error| Status::failed_precondition(error.to_string()))?;
        let circle = Some(Circle { out, back });
        self.pay_and_wait(PayCommand { max_fee, retry_secs, circle, ..PayCommand::new(invoice) }).await
    }
}
