//! Payments.

use super::Asking;
use crate::cli::amounts::Seconds;
use crate::cli::arguments::{Forwards, Pay, Payments, Probe, Rebalance, Route, Stats};
use crate::cli::exit::{Failure, how_lost, is_lost};
use crate::render;
use astrape_api::v1::{
    FindRouteRequest, GetPaymentRequest, GetStatsRequest, ListForwardsRequest, ListPaymentsRequest,
    PayRequest, Payment, PaymentState, ProbeRequest, RebalanceRequest,
};
use astrape_invoice::{Invoice, PaymentLink};
use astrape_primitives::{NodeId, PaymentHash, PaymentPreimage};
use std::io::IsTerminal as _;
use std::time::Instant;
use tonic::Status;

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
            request_id: pay.request_id.clone(),
        };
        let lost = |status| lost(status, hash_of(pay), pay.request_id.as_deref());
        let began = Instant::now();
        let answer = self.client.pay(request).await.map_err(lost)?.into_inner();
        let payment = answer.payment.unwrap_or_default();
        let took = began.elapsed();
        self.show(&payment, |payment| render::payments::ended(payment, took, pay.parts))?;
        verdict(&payment)
    }

    pub(super) async fn rebalance(mut self, rebalance: &Rebalance) -> Result<(), Failure> {
        let request = RebalanceRequest {
            amount_msat: rebalance.amount.0,
            from: rebalance.from.clone(),
            to: rebalance.to.clone(),
            max_fee_msat: rebalance.max_fee.map(|fee| fee.0),
            timeout_secs: rebalance.timeout.map(|time| time.0),
            request_id: rebalance.request_id.clone(),
        };
        let lost = |status| lost(status, None, rebalance.request_id.as_deref());
        let began = Instant::now();
        let answer = self.client.rebalance(request).await.map_err(lost)?.into_inner();
        let payment = answer.payment.unwrap_or_default();
        let took = began.elapsed();
        self.show(&payment, |payment| render::payments::ended(payment, took, rebalance.parts))?;
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
        if let Some(payment_hash) = asked.payment_hash.clone() {
            let found = self.client.get_payment(GetPaymentRequest { payment_hash }).await?.into_inner();
            return self.show(&found.payment.unwrap_or_default(), render::payments::payment);
        }
        let request = ListPaymentsRequest { limit: Some(asked.page.limit), before: asked.page.before };
        let payments = self.client.list_payments(request).await?.into_inner();
        let render =
            if asked.parts { render::payments::payments_with_parts } else { render::payments::payments };
        let is_behind = asked.page.before.is_some();
        self.show(&payments, |page| match page.payments.is_empty() && is_behind {
            true => render::words::no_more("payments"),
            false => render(page),
        })
    }

    pub(super) async fn stats(mut self, stats: &Stats) -> Result<(), Failure> {
        let request = GetStatsRequest {
            since: Some(now().saturating_sub(stats.since.unwrap_or_else(|| usual_span(stats.period)).0)),
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
        let is_part = request.channel.is_some() || request.since.is_some() || request.until.is_some();
        let answer = self.client.list_forwards(request).await?.into_inner();
        self.show(&answer, |page| match page.forwards.is_empty() {
            true if forwards.page.before.is_some() => render::words::no_more("forwards"),
            true if is_part => "Nothing was forwarded then and there.\n".to_owned(),
            _ => render::payments::forwards(page),
        })
    }
}

/// How far back statistics go when nobody says: a month, or as many periods as an answer has.
fn usual_span(period: Seconds) -> Seconds {
    const MONTH_SECS: u64 = 30 * 86_400;
    // The one that has just begun is a period too.
    Seconds(MONTH_SECS.min(period.0.saturating_mul(crate::service::MAX_PERIODS - 1)))
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

/// The hash of what is to be paid, as far as it is known without the node.
fn hash_of(pay: &Pay) -> Option<PaymentHash> {
    if let Some(preimage) = &pay.preimage {
        let mut bytes = [0; 32];
        hex::decode_to_slice(preimage, &mut bytes).ok()?;
        return Some(PaymentPreimage(bytes).payment_hash());
    }
    let text = pay.invoice.trim();
    let linked = if PaymentLink::is_link(text) { PaymentLink::read(text).ok()?.lightning } else { None };
    let invoice: Invoice = linked.as_deref().unwrap_or(text).trim().parse().ok()?;
    Some(invoice.payment_hash())
}

/// What a script is told where no answer came to a call that pays: the payment may have been begun, and then goes on.
fn lost(status: Status, payment_hash: Option<PaymentHash>, request_id: Option<&str>) -> Failure {
    if !is_lost(&status) {
        return status.into();
    }
    let what = match payment_hash {
        Some(hash) => format!("payment {hash} may be under way"),
        None => "the payment may be under way".to_owned(),
    };
    let how = match (payment_hash, request_id) {
        (Some(_), _) => {
            "this command again pays nothing twice, and waits for the end; `astrape payments HASH` tells how it stands".to_owned()
        }
        (None, Some(id)) => {
            format!("this command again, with --request-id '{id}', tells how it ended, and pays nothing twice")
        }
        (None, None) => {
            "look for it with `astrape payments` before you pay again (a command with --request-id can be repeated instead)"
                .to_owned()
        }
    };
    let words = format!("{}; {what}: {how}", how_lost(&status));
    Failure::PaymentUnknown { words, payment_hash: payment_hash.map(|hash| hash.to_string()) }
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
    use clap::Parser as _;

    fn pay(words: &[&str]) -> Pay {
        let line = ["astrape", "pay"].iter().chain(words);
        match crate::cli::Cli::try_parse_from(line).expect("a command line").action {
            crate::cli::Action::Pay(pay) => pay,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_script_that_lost_the_node_is_told_which_payment_may_be_under_way_and_how_to_find_out() {
        let node = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let hash = PaymentPreimage([7; 32]).payment_hash();
        let with_preimage = pay(&[node, "--preimage", &"07".repeat(32)]);
        assert_eq!(hash_of(&with_preimage), Some(hash));
        assert_eq!(hash_of(&pay(&[node])), None);
        let broke = || Status::unknown("h2");
        for (status, hash, id, told) in [
            (broke(), Some(hash), None, hash.to_string()),
            (Status::unavailable("the node is stopping"), Some(hash), Some("tip"), hash.to_string()),
            (broke(), None, Some("tip"), "--request-id 'tip'".to_owned()),
            (broke(), None, None, "before you pay again".to_owned()),
            (Status::cancelled("gone"), None, None, "the connection to the node broke: gone".to_owned()),
        ] {
            let failure = lost(status, hash, id);
            let Failure::PaymentUnknown { words, payment_hash } = &failure else { panic!("{failure:?}") };
            assert!(failure.code() == 5 && words.contains(&told), "{words}");
            assert_eq!(payment_hash, &hash.map(|hash| hash.to_string()));
        }
        assert_eq!(lost(Status::failed_precondition("no"), Some(hash), None), Failure::Refused("no".into()));
        assert_eq!(lost(Status::unauthenticated("no"), Some(hash), None).code(), 3, "nothing was begun");
    }

    #[test]
    fn statistics_of_short_periods_go_back_as_far_as_an_answer_has_room() {
        let hours = usual_span(Seconds(3_600)).0 + 1;
        assert!(
            hours.div_ceil(3_600) <= crate::service::MAX_PERIODS,
            "the example of the help is carried out"
        );
        assert_eq!(usual_span(Seconds(86_400)), Seconds(30 * 86_400));
    }

    #[test]
    fn a_script_can_tell_how_a_payment_ended() {
        let verdict = |state: PaymentState| verdict(&Payment { state: state.into(), ..Payment::default() });
        assert_eq!(verdict(PaymentState::Succeeded), Ok(()));
        assert_eq!(verdict(PaymentState::Failed).map_err(|f| f.code()), Err(4));
        assert_eq!(verdict(PaymentState::Pending).map_err(|f| f.code()), Err(5));
    }
}
