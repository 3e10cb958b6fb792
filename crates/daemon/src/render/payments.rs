//! Payments of this node, and of others through it.

use super::table::{Row, list, table_with_notes};
use super::words::{bare, channel_name, minute, msat, payment_state, short, time};
use astrape_api::v1::{
    Forward, ListForwardsResponse, ListPaymentsResponse, Payment, PaymentDirection, PaymentPart, PaymentState,
};

/// How a payment of ours ended.
#[must_use]
pub fn ended(payment: &Payment) -> String {
    let amount = msat(payment.amount_msat);
    let mut rows = vec![("payment", payment.payment_hash.clone())];
    let headline = match payment.state() {
        PaymentState::Succeeded => {
            rows.extend(payment.preimage.clone().map(|preimage| ("proof", preimage)));
            let done = if payment.rebalance { "Moved" } else { "Paid" };
            let fee = msat(payment.fee_msat);
            match payment.ended_at_ms.filter(|_| payment.paid_before) {
                Some(at) => format!(
                    "Paid before: {amount} at {} (utc), for a fee of {fee}. Nothing was paid now.",
                    time(at / 1_000)
                ),
                None => format!("{done} {amount}, for a fee of {fee}."),
            }
        }
        PaymentState::Failed => {
            let reason = payment.reason.as_deref().unwrap_or("the reason is not known");
            format!("Not paid: {reason}. Nothing of the {amount} has left the node.")
        }
        PaymentState::Pending | PaymentState::Unspecified => {
            format!("The payment of {amount} is still under way: see `astrape payments`.")
        }
    };
    format!("{headline}\n{}{}", list(&rows), parts(payment))
}

/// One payment, sent or received, as far as it got.
#[must_use]
pub fn payment(payment: &Payment) -> String {
    let is_received = payment.direction() == PaymentDirection::Received;
    let mut rows = vec![
        ("payment", payment.payment_hash.clone()),
        ("direction", if is_received { "received" } else { "sent" }.to_owned()),
        ("state", payment_state(payment.state()).to_owned()),
        ("amount", msat(payment.amount_msat)),
    ];
    if !is_received {
        rows.push(("fee", msat(payment.fee_msat)));
    }
    rows.extend(payment.description.clone().map(|what| ("description", what)));
    rows.extend(payment.reason.clone().map(|reason| ("reason", reason)));
    rows.extend(payment.destination.clone().map(|node| ("payee", node)));
    rows.extend(payment.preimage.clone().map(|preimage| ("proof", preimage)));
    rows.extend(payment.ended_at_ms.map(|at| ("ended", time(at / 1_000))));
    rows.extend(payment.number.map(|number| ("number", number.to_string())));
    let records = payment.custom_records.iter().map(|record| format!("{}={}", record.r#type, record.value));
    rows.extend(records.map(|record| ("record", record)));
    format!("{}{}", list(&rows), parts(payment))
}

/// The parts of a payment, each with its hops and how long each held it, as far as that is known; nothing if there are none.
fn parts(payment: &Payment) -> String {
    if payment.parts.is_empty() {
        return String::new();
    }
    let headings = ["part", "amount (sat)", "fee (sat)", "state", "after"];
    let rows = (1..).zip(&payment.parts).map(|(number, part)| part_row(number, part));
    format!("\n{}", table_with_notes(&headings, &[0, 1, 2, 4], rows.collect()))
}

fn part_row(number: usize, part: &PaymentPart) -> Row {
    Row {
        cells: vec![
            number.to_string(),
            bare(part.amount_msat),
            bare(part.fee_msat),
            payment_state(part.state()).to_owned(),
            part.took_ms.map_or("-".to_owned(), took),
        ],
        below: vec![way(&part.hops, &part.hold_times_ms), part.reason.clone().unwrap_or_default()],
    }
}

/// Hops in the order of the money, each with how long it held what was sent, if it says so.
pub(super) fn way(hops: &[String], hold_times_ms: &[u64]) -> String {
    let times = hold_times_ms.iter().copied().chain(std::iter::repeat(0));
    let hop = |(hop, time): (&String, u64)| match time {
        0 => short(hop),
        time => format!("{} ({})", short(hop), took(time)),
    };
    hops.iter().zip(times).map(hop).collect::<Vec<_>>().join(" > ")
}

/// Payments sent and received.
#[must_use]
pub fn payments(answer: &ListPaymentsResponse) -> String {
    if answer.payments.is_empty() {
        return "No payments yet.\n".to_owned();
    }
    let headings = ["number", "time (utc)", "state", "amount (sat)", "fee (sat)", "payment"];
    table_with_notes(&headings, &[0, 3, 4], answer.payments.iter().map(row).collect())
}

/// The same, each sent one with its parts, as far as they are remembered.
#[must_use]
pub fn payments_with_parts(answer: &ListPaymentsResponse) -> String {
    let known = |payment: &&Payment| !payment.parts.is_empty();
    let shown = answer.payments.iter().filter(known).map(|payment| {
        let (amount, hash) = (msat(payment.amount_msat), &payment.payment_hash);
        format!("\n{amount}, {}:\npayment {hash}{}", payment_state(payment.state()), parts(payment))
    });
    payments(answer) + &shown.collect::<String>()
}

fn row(payment: &Payment) -> Row {
    let (state, fee) = match (payment.direction(), payment.state(), payment.rebalance) {
        (PaymentDirection::Received, _, false) => ("received", "-".to_owned()),
        (PaymentDirection::Received, _, true) => ("received from itself", "-".to_owned()),
        (_, PaymentState::Succeeded, false) => ("sent", bare(payment.fee_msat)),
        (_, PaymentState::Succeeded, true) => ("sent to itself", bare(payment.fee_msat)),
        (_, state, _) => (payment_state(state), bare(payment.fee_msat)),
    };
    let is_over =
        |part: &&PaymentPart| matches!(part.state(), PaymentState::Succeeded | PaymentState::Failed);
    let parts = match payment.parts.len() - payment.parts.iter().filter(is_over).count() {
        0 => String::new(),
        parts => in_parts(parts, payment.attempts),
    };
    Row {
        cells: vec![
            payment.number.map_or("-".to_owned(), |number| number.to_string()),
            payment.ended_at_ms.map_or("-".to_owned(), |at| minute(at / 1000)),
            state.to_owned(),
            bare(payment.amount_msat),
            fee,
            short(&payment.payment_hash),
        ],
        below: vec![
            payment.description.clone().unwrap_or_default(),
            parts,
            payment.reason.clone().unwrap_or_default(),
        ],
    }
}

fn in_parts(parts: usize, attempts: u64) -> String {
    let parts = if parts == 1 { "1 part".to_owned() } else { format!("{parts} parts") };
    format!("{parts} under way, {attempts} tried")
}

/// Payments of others.
#[must_use]
pub fn forwards(answer: &ListForwardsResponse) -> String {
    if answer.forwards.is_empty() {
        return "Nothing has been forwarded yet.\n".to_owned();
    }
    let headings = ["number", "time (utc)", "came in (sat)", "earned", "from", "to"];
    let forwards = table_with_notes(&headings, &[0, 2, 3], answer.forwards.iter().map(forward_row).collect());
    forwards + "\n--json tells more: how long each was here, and what went out.\n"
}

fn forward_row(forward: &Forward) -> Row {
    // Of this century: with both channels and amounts there is no room for more.
    let at = minute(forward.at_ms / 1000).chars().skip(2).collect();
    let incoming = forward.incoming_channel.as_ref().unwrap_or(&forward.incoming);
    let outgoing = forward.outgoing_channel.as_ref().or(forward.outgoing.as_ref());
    let took = took(forward.took_ms);
    Row {
        cells: vec![
            forward.number.to_string(),
            at,
            bare(forward.amount_in_msat),
            if forward.failure.is_some() { "failed".to_owned() } else { bare(forward.fee_msat) },
            channel_name(incoming),
            outgoing.map_or("-".to_owned(), |name| channel_name(name)),
        ],
        below: vec![match &forward.failure {
            None => String::new(),
            Some(why) if forward.failed_here => format!("failed here after {took}: {why}"),
            Some(why) => format!("failed after {took}: {why}"),
        }],
    }
}

/// A time in the unit that suits it.
pub(super) fn took(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..600_000 => format!("{} s", ms / 1_000),
        _ => format!("{} min", ms / 60_000),
    }
}
