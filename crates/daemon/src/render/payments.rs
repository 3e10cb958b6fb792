//! Payments of this node, and of others through it.

use super::table::{Row, list, table_with_notes, wrapped};
use super::words::{bare, channel_name, minute, msat, payment_state, short, time};
use astrape_api::v1::{
    Forward, ListForwardsResponse, ListPaymentsResponse, Payment, PaymentDirection, PaymentPart, PaymentState,
};
use std::time::Duration;

/// How a payment of ours ended, `took` after it was asked for. Its parts only where they are asked for.
#[must_use]
pub fn ended(payment: &Payment, took: Duration, with_parts: bool) -> String {
    let amount = msat(payment.amount_msat);
    let mut rows = vec![("payment", payment.payment_hash.clone())];
    let headline = match payment.state() {
        PaymentState::Succeeded => {
            rows.extend(payment.preimage.clone().map(|preimage| ("proof", preimage)));
            succeeded(payment, took)
        }
        PaymentState::Failed => {
            let reason = payment.reason.as_deref().unwrap_or("the reason is not known").trim_end_matches('.');
            format!(
                "Not paid: {reason}. Nothing of the {amount} has left the node. What was tried is told by `astrape payments {}`; the same \
                 command tries again, and goes by what was learnt.",
                payment.payment_hash
            )
        }
        PaymentState::Pending | PaymentState::Unspecified => format!(
            "The payment of {amount} is still under way: `astrape payments {}` tells how it stands.",
            payment.payment_hash
        ),
    };
    let parts = if with_parts { parts(payment) } else { String::new() };
    format!("{}{}{parts}", wrapped(&headline, 0), list(&rows))
}

/// What was paid to whom, how fast and for how much.
fn succeeded(payment: &Payment, took: Duration) -> String {
    let (amount, fee) = (msat(payment.amount_msat), fee_and_share(payment));
    let to = match (&payment.destination, payment.rebalance) {
        (Some(node), false) => format!(" to {}", short(node)),
        _ => String::new(),
    };
    if let Some(at) = payment.ended_at_ms.filter(|_| payment.paid_before) {
        let at = time(at / 1_000);
        return format!("Paid before: {amount}{to} at {at} (utc); fee {fee}. Nothing was paid now.");
    }
    let done = if payment.rebalance { "Moved" } else { "Paid" };
    format!("{done} {amount}{to} in {}; fee {fee}{}.", seconds(took), carried_in(payment))
}

/// The fee, and what share of the amount it is.
fn fee_and_share(payment: &Payment) -> String {
    let fee = msat(payment.fee_msat);
    let millionths =
        (u128::from(payment.fee_msat) * 1_000_000).checked_div(u128::from(payment.amount_msat)).unwrap_or(0);
    match millionths {
        _ if payment.fee_msat == 0 => fee,
        0..10 => format!("{fee} (less than 0.001 %)"),
        10..100 => format!("{fee} (0.00{} %)", millionths / 10),
        100..1_000 => format!("{fee} (0.0{} %)", millionths / 100),
        _ => format!("{fee} ({}.{} %)", millionths / 10_000, millionths / 1_000 % 10),
    }
}

/// In how many parts the money went, where there were several: those that came back carried none.
fn carried_in(payment: &Payment) -> String {
    let count = |state| payment.parts.iter().filter(|part| part.state() == state).count();
    match (count(PaymentState::Succeeded), count(PaymentState::Pending)) {
        (0, _) | (1, 0) => String::new(),
        (parts, 0) => format!(", {parts} parts"),
        (over, under_way) => format!(", {} parts, {under_way} of them under way still", over + under_way),
    }
}

/// A time to tenths of a second, or to what there is below.
fn seconds(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..100 => format!("{ms} ms"),
        ms @ 100..60_000 => format!("{}.{} s", ms / 1_000, ms / 100 % 10),
        ms => took(u64::try_from(ms).unwrap_or(u64::MAX)),
    }
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
