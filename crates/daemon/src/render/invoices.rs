//! Invoices.

use super::table::{Row, list, table_with_notes};
use super::words::{bare, minute, msat, short, time};
use astrape_api::names::name_of;
use astrape_api::v1::{DecodeInvoiceResponse, Invoice, InvoiceState, ListInvoicesResponse};

/// Invoices that are not paid.
#[must_use]
pub fn invoices(answer: &ListInvoicesResponse) -> String {
    if answer.invoices.is_empty() {
        return "No unpaid invoices.\n".to_owned();
    }
    let headings = ["expires (utc)", "amount (sat)", "received (sat)", "state"];
    let more = answer
        .next
        .as_ref()
        .map_or_else(String::new, |next| format!("\nThere are more: `astrape invoices --after {next}`\n"));
    table_with_notes(&headings, &[1, 2], answer.invoices.iter().map(row).collect()) + &more
}

/// How an invoice stands, in words.
fn state(invoice: &Invoice) -> String {
    let state = name_of::<InvoiceState>(invoice.state).replace('_', " ");
    match invoice.until_height {
        Some(height) => format!("{state} until block {height}"),
        None if invoice.hold => format!("{state}, to be held"),
        None => state,
    }
}

/// One invoice. What the node has forgotten of it is left out.
#[must_use]
pub fn invoice(invoice: &Invoice) -> String {
    let mut rows = vec![("payment", invoice.payment_hash.clone()), ("state", state(invoice))];
    if !invoice.invoice.is_empty() {
        rows.extend([
            ("amount", invoice.amount_msat.map_or("any".to_owned(), msat)),
            ("description", invoice.description.clone()),
            ("made", time(invoice.created_at)),
            ("expires", time(invoice.expires_at)),
        ]);
    }
    if invoice.invoice.is_empty() && !invoice.description.is_empty() {
        rows.push(("description", invoice.description.clone()));
    }
    if invoice.received_msat > 0 {
        rows.push(("received", msat(invoice.received_msat)));
    }
    if invoice.parts > 0 {
        rows.push(("parts", invoice.parts.to_string()));
    }
    rows.extend(invoice.ended_at_ms.map(|at| ("ended", time(at / 1_000))));
    rows.extend(invoice.preimage.clone().map(|preimage| ("proof", preimage)));
    if !invoice.invoice.is_empty() {
        rows.push(("invoice", invoice.invoice.clone()));
    }
    list(&rows)
}

fn row(invoice: &Invoice) -> Row {
    Row {
        cells: vec![
            minute(invoice.expires_at),
            invoice.amount_msat.map_or("any".to_owned(), bare),
            bare(invoice.received_msat),
            state(invoice),
        ],
        below: vec![invoice.payment_hash.clone(), invoice.description.clone()],
    }
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
