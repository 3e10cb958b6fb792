//! Payments.

use super::Asking;
use crate::cli::exit::Failure;
use crate::cli::{Page, Pay};
use crate::render;
use astrape_api::v1::{ListForwardsRequest, ListPaymentsRequest, PayRequest, Payment, PaymentState};
use std::io::IsTerminal as _;

impl Asking {
    pub(super) async fn pay(mut self, pay: &Pay) -> Result<(), Failure> {
        if !self.json && std::io::stderr().is_terminal() {
            eprintln!("Paying. Interrupting this command does not stop the payment.");
        }
        let request = PayRequest {
            invoice: pay.invoice.clone(),
            amount_msat: pay.amount.map(|amount| amount.0),
            max_fee_msat: pay.max_fee.map(|fee| fee.0),
            timeout_secs: pay.timeout.map(|time| time.0),
        };
        let answer = self.client.pay(request).await?.into_inner();
        let payment = answer.payment.unwrap_or_default();
        self.show(&payment, render::payments::ended)?;
        verdict(&payment)
    }

    pub(super) async fn payments(mut self, page: &Page) -> Result<(), Failure> {
        let request = ListPaymentsRequest { limit: Some(page.limit), before: page.before };
        let payments = self.client.list_payments(request).await?.into_inner();
        self.show(&payments, render::payments::payments)
    }

    pub(super) async fn forwards(mut self, page: &Page) -> Result<(), Failure> {
        let request = ListForwardsRequest { limit: Some(page.limit), before: page.before };
        let forwards = self.client.list_forwards(request).await?.into_inner();
        self.show(&forwards, render::payments::forwards)
    }
}

/// What a script is told of how a payment ended.
fn verdict(payment: &Payment) -> Result<(), Failure> {
    match payment.state() {
        PaymentState::Succeeded => Ok(()),
        PaymentState::Failed => Err(Failure::PaymentFailed),
        PaymentState::Pending | PaymentState::Unspecified => Err(Failure::PaymentPending),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_can_tell_how_a_payment_ended() {
        let verdict = |state: PaymentState| verdict(&Payment { state: state.into(), ..Payment::default() });
        assert_eq!(verdict(PaymentState::Succeeded), Ok(()));
        assert_eq!(verdict(PaymentState::Failed).map_err(|f| f.code()), Err(4));
        assert_eq!(verdict(PaymentState::Pending).map_err(|f| f.code()), Err(5));
    }
}
