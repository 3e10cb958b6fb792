//! Payments.

use super::Asking;
use crate::cli::amounts::Seconds;
use crate::cli::arguments::{Forwards, Pay, Payments, Probe, Rebalance, Route, Stats};
use crate::cli::exit::Failure;
use crate::render;
use astrape_api::v1::{
    FindRouteRequest, GetPaymentRequest, GetStatsRequest, ListForwardsRequest, ListPaymentsRequest,
    PayRequest, Payment, PaymentState, ProbeRequest, RebalanceRequest,
};
use astrape_primitives::NodeId;
use std::io::IsTerminal as _;

impl Asking {
    pub(super) async fn pay(mut self, pay: &Pay) -> Result<(), Failure> {
        if !self.json && std::io::stderr().is_terminal() {
            eprintln!("Paying. Interrupting this command does not stop the payment.");
        }
        let (invoice, node_id) = payee(&pay.invoice);
        let request = PayRequest {
            invoice: invoice.unwrap_or_default(),
            node_id,
            preimage: pay.preimage.clone(),
            custom_records: pay.records.clone(),
            amount_msat: pay.amount.map(|amount| amount.0),
            max_fee_msat: pay.max_fee.map(|fee| fee.0),
            timeout_secs: pay.timeout.map(|time| time.0),
        };
        let answer = self.client.pay(request).await?.into_inner();
            request_id: pay.request_id.clone(),
        let payment = answer.payment.unwrap_or_default();
        self.show(&payment, render::payments::ended)?;
        verdict(&payment)
    }

    pub(super) async fn rebalance(mut self, rebalance: &Rebalance) -> Result<(), Failure> {
        let request = RebalanceRequest {
            amount_msat: rebalance.amount.0,
            from: rebalance.from.clone(),
            to: rebalance.to.clone(),
            max_fee_msat: rebalance.max_fee.map(|fee| fee.0),
            timeout_secs: rebalance.timeout.map(|time| time.0),
        };
        let answer = self.client.rebalance(request).await?.into_inner();
        let payment = answer.payment.unwrap_or_default();
            request_id: rebalance.request_id.clone(),
        self.show(&payment, render::payments::ended)?;
        verdict(&payment)
    }

    pub(super) async fn route(mut self, route: &Route) -> Result<(), Failure> {
        let (invoice, node_id) = payee(&route.invoice);
        let request = FindRouteRequest {
            invoice,
            node_id,
            amount_msat: route.amount.map(|amount| amount.0),
            max_fee_msat: route.max_fee.map(|fee| fee.0),
        };
        let found = self.client.find_route(request).await?.into_inner();
        self.show(&found, render::route::route)
    }

    pub(super) async fn probe(mut self, probe: &Probe) -> Result<(), Failure> {
        let (invoice, node_id) = payee(&probe.dest);
        let request = ProbeRequest {
            invoice,
            node_id,
            amount_msat: probe.amount.map(|amount| amount.0),
            max_fee_msat: probe.max_fee.map(|fee| fee.0),
            timeout_secs: probe.timeout.map(|time| time.0),
        };
        let answer = self.client.probe(request).await?.into_inner();
        self.show(&answer, render::probe::probe)?;
        if answer.reached { Ok(()) } else { Err(Failure::PaymentFailed) }
    }

    pub(super) async fn payments(mut self, asked: &Payments) -> Result<(), Failure> {
        let request = ListPaymentsRequest { limit: Some(asked.page.limit), before: asked.page.before };
        let payments = self.client.list_payments(request).await?.into_inner();
        let render =
            if asked.parts { render::payments::payments_with_parts } else { render::payments::payments };
        if let Some(payment_hash) = asked.payment_hash.clone() {
            let found = self.client.get_payment(GetPaymentRequest { payment_hash }).await?.into_inner();
            return self.show(&found.payment.unwrap_or_default(), render::payments::payment);
        }
        self.show(&payments, render)
    }

    pub(super) async fn stats(mut self, stats: &Stats) -> Result<(), Failure> {
        let request = GetStatsRequest {
            since: Some(now().saturating_sub(stats.since.0)),
            until: None,
            period_secs: Some(stats.period.0),
            limit: Some(stats.limit),
        };
        let stats = self.client.get_stats(request).await?.into_inner();
        self.show(&stats, render::stats::stats)
    }

    pub(super) async fn forwards(mut self, forwards: &Forwards) -> Result<(), Failure> {
        let ago = |time: Seconds| now().saturating_sub(time.0);
        let request = ListForwardsRequest {
            limit: Some(forwards.page.limit),
            before: forwards.page.before,
            channel: forwards.channel.clone(),
            since: forwards.since.map(ago),
            until: forwards.until.map(ago),
        };
        let forwards = self.client.list_forwards(request).await?.into_inner();
        self.show(&forwards, render::payments::forwards)
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// An invoice, or a node.
fn payee(text: &str) -> (Option<String>, Option<String>) {
    match text.trim().parse::<NodeId>() {
        Ok(_) => (None, Some(text.trim().to_owned())),
        Err(_) => (Some(text.to_owned()), None),
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
