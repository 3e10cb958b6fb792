//! Invoices and payments.

use super::table::{list, table};
use super::words::{msat, payment_state, short, time};
use astrape_api::v1::{
    DecodeInvoiceResponse, Forward, ListForwardsResponse, ListPaymentsResponse, Payment, PaymentDirection,
    PaymentState,
};

/// How a payment of ours ended.
#[must_use]
pub fn ended(payment: &Payment) -> String {
    let amount = msat(payment.amount_msat);
    let mut rows = vec![("payment", payment.payment_hash.clone())];
    let headline = match payment.state() {
        PaymentState::Succeeded => {
            rows.extend(payment.preimage.clone().map(|preimage| ("proof", preimage)));
            format!("Paid {amount}, for a fee of {}.", msat(payment.fee_msat))
        }
        PaymentState::Failed => {
            let reason = payment.reason.as_deref().unwrap_or("the reason is not known");
            format!("Not paid: {reason}. Nothing of the {amount} has left the node.")
        }
        PaymentState::Pending | PaymentState::Unspecified => {
            format!("The payment of {amount} is still under way: see `astrape payments`.")
        }
    };
    format!("{headline}\n{}", list(&rows))
}

/// Payments sent and received.
#[must_use]
pub fn payments(answer: &ListPaymentsResponse) -> String {
    if answer.payments.is_empty() {
        return "No payments yet.\n".to_owned();
    }
    let headings = ["number", "time (utc)", "direction", "amount", "fee", "state", "payment"];
    table(&headings, &[0, 3, 4], answer.payments.iter().map(row).collect())
}

fn row(payment: &Payment) -> Vec<String> {
    let (direction, fee) = match payment.direction() {
        PaymentDirection::Received => ("received", "-".to_owned()),
        PaymentDirection::Sent | PaymentDirection::Unspecified => ("sent", msat(payment.fee_msat)),
    };
    let state = payment_state(payment.state());
    vec![
        payment.number.map_or("-".to_owned(), |number| number.to_string()),
        payment.ended_at_ms.map_or("-".to_owned(), |at| time(at / 1000)),
        direction.to_owned(),
        msat(payment.amount_msat),
        fee,
        payment.reason.as_ref().map_or(state.to_owned(), |reason| format!("{state}: {reason}")),
        short(&payment.payment_hash),
    ]
}

/// Payments of others.
#[must_use]
pub fn forwards(answer: &ListForwardsResponse) -> String {
    if answer.forwards.is_empty() {
        return "Nothing has been forwarded yet.\n".to_owned();
    }
    let headings = ["number", "time (utc)", "came in", "earned", "from", "to", "state"];
    table(&headings, &[0, 2, 3], answer.forwards.iter().map(forward_row).collect())
}

fn forward_row(forward: &Forward) -> Vec<String> {
    vec![
        forward.number.to_string(),
        time(forward.at_ms / 1000),
        msat(forward.amount_in_msat),
        msat(forward.fee_msat),
        short(&forward.incoming),
        forward.outgoing.as_deref().map_or("-".to_owned(), short),
        forward.failure.as_ref().map_or("forwarded".to_owned(), |why| format!("failed: {why}")),
    ]
}

/// An invoice that was read.
#[must_use]
pub fn decoded(invoice: &DecodeInvoiceResponse) -> String {
    let expires = if invoice.expired { " (expired)" } else { "" };
    let mut rows = vec![
        ("amount", invoice.amount_msat.map_or("any: say how much with --amount".to_owned(), msat)),
        ("payee", invoice.payee.clone()),
        ("network", invoice.network.clone()),
        ("made", time(invoice.created_at)),
        ("expires", format!("{}{expires}", time(invoice.expires_at))),
        ("payment", invoice.payment_hash.clone()),
    ];
    rows.extend(invoice.description.clone().map(|text| ("description", text)));
    rows.extend(invoice.description_hash.clone().map(|hash| ("description hash", hash)));
    rows.extend(invoice.fallback_addresses.iter().map(|address| ("or on chain to", address.clone())));
    for hint in &invoice.route_hints {
        let way =
            hint.hops.iter().map(|hop| format!("{} over {}", short(&hop.node_id), hop.short_channel_id));
        rows.push(("way by", way.collect::<Vec<_>>().join(", ")));
    }
    list(&rows)
}
