//! Channels.

use super::table::{Row, list, table_with_notes, wrapped};
use super::words::{bare, bare_sat, count, msat, short};
use astrape_api::v1::{Channel, CloseChannelResponse, ListChannelsResponse, OpenChannelResponse};

/// The channels.
#[must_use]
pub fn channels(answer: &ListChannelsResponse) -> String {
    if answer.channels.is_empty() {
        return "No channels yet: `astrape open ID@HOST:PORT AMOUNT`.\n".to_owned();
    }
    let headings = ["channel", "peer", "capacity (sat)", "ours (sat)", "peer's (sat)"];
    let warning = answer.warning.as_ref().map_or_else(String::new, |text| format!("\n{}", wrapped(text, 0)));
    table_with_notes(&headings, &[2, 3, 4], answer.channels.iter().map(row).collect()) + &warning
}

fn row(channel: &Channel) -> Row {
    let in_flight = channel.outgoing_msat.saturating_add(channel.incoming_msat);
    let name = channel.short_channel_id.as_ref().or(channel.alias.as_ref());
    let name = name.map_or_else(String::new, |name| format!("{name}, "));
    let private = if channel.private { "private, " } else { "" };
    let in_flight = match channel.htlcs {
        0 => String::new(),
        htlcs => format!("; {} in flight in {}", msat(in_flight), count(htlcs, "payment")),
    };
    Row {
        cells: vec![
            short(&channel.channel_id),
            short(&channel.peer),
            bare_sat(channel.capacity_sat),
            bare(channel.local_msat),
            bare(channel.remote_msat),
        ],
        below: vec![format!("{name}{private}{}{in_flight}", channel.status)],
    }
}

/// A channel that was funded.
#[must_use]
pub fn opened(opened: &OpenChannelResponse) -> String {
    let mut text =
        list(&[("channel", opened.channel_id.clone()), ("funding", opened.funding_outpoint.clone())]);
    text.push_str("It can be used once the funding is confirmed: see `astrape channels`.\n");
    if let Some(warning) = &opened.warning {
        text.push_str(&wrapped(warning, 0));
    }
    text
}

/// A channel that is being closed, or what closing it would cost.
#[must_use]
pub fn closing(closing: &CloseChannelResponse) -> String {
    let mut rows = vec![("channel", closing.channel_id.clone()), ("state", closing.status.clone())];
    rows.extend(closing.closing_txid.clone().map(|txid| ("transaction", txid)));
    let text = list(&rows);
    match &closing.forced {
        Some(forced) => format!("{text}{}\n", forced.warning),
        None => text,
    }
}
