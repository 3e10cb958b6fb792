//! Facts, a line each.

use super::words::{msat, payment_state, sat, short, time};
use astrape_api::v1::event::Fact;
use astrape_api::v1::{Event, PaymentDirection};

/// A fact as a line.
#[must_use]
pub fn line(event: &Event) -> String {
    format!("{} #{} {}", time(event.at_ms / 1000), event.number, fact(event.fact.as_ref()))
}

fn fact(fact: Option<&Fact>) -> String {
    match fact {
        Some(Fact::Payment(payment)) => {
            let (hash, amount) = (short(&payment.payment_hash), msat(payment.amount_msat));
            let reason = payment.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            match payment.direction() {
                PaymentDirection::Received if payment.keysend => {
                    format!("payment {hash}: received {amount} without an invoice")
                }
                PaymentDirection::Received if payment.rebalance => {
                    format!("payment {hash}: {amount} came back from a way in a circle")
                }
                PaymentDirection::Received => format!("payment {hash}: received {amount}"),
                PaymentDirection::Sent | PaymentDirection::Unspecified => {
                    format!("payment {hash}: sending {amount} {}{reason}", payment_state(payment.state()))
                }
            }
        }
        Some(Fact::Forward(forward)) => {
            let (hash, amount) = (short(&forward.payment_hash), msat(forward.amount_in_msat));
            match &forward.failure {
                None => format!("forward {hash}: {amount} came in, earned {}", msat(forward.fee_msat)),
                Some(why) => format!("forward {hash}: {amount} came in and went back: {why}"),
            }
        }
        Some(Fact::Channel(channel)) => {
            format!("channel {} with {}: {}", short(&channel.channel_id), short(&channel.peer), channel.text)
        }
        Some(Fact::Invoice(invoice)) => format!("invoice {}: {}", short(&invoice.payment_hash), invoice.text),
        Some(Fact::FeeBumped(done)) => {
            format!(
                "transaction {} is paid for by {}, fee {}",
                short(&done.txid),
                done.child_txid,
                sat(done.fee_sat)
            )
        }
        Some(Fact::NeverConfirmed(lost)) => {
            format!(
                "transaction {} can never confirm: {} has spent what it spends or builds on. What else it was to spend is free again",
                lost.txid, lost.spent_by_txid
            )
        }
        Some(Fact::Withdrawn(done)) => {
            format!(
                "withdrawn {}, fee {}, transaction {}",
                sat(done.amount_sat),
                sat(done.fee_sat),
                done.txid
            )
        }
        None => "something that this version does not know".to_owned(),
    }
}
