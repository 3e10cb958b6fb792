//! Channels.

use super::table::{list, table};
use super::words::{msat, sat, short};
use astrape_api::v1::{Channel, CloseChannelResponse, ListChannelsResponse, OpenChannelResponse};

/// The channels.
#[must_use]
pub fn channels(answer: &ListChannelsResponse) -> String {
    if answer.channels.is_empty() {
        return "No channels yet: `astrape open ID@HOST:PORT AMOUNT`.\n".to_owned();
    }
    let headings = ["channel", "peer", "state", "capacity", "ours", "peer's", "in flight", "short id"];
    let warning = answer.warning.as_ref().map_or_else(String::new, |text| format!("\n{text}\n"));
    table(&headings, &[3, 4, 5, 6], answer.channels.iter().map(row).collect()) + &warning
}

fn row(channel: &Channel) -> Vec<String> {
    let in_flight = channel.outgoing_msat.saturating_add(channel.incoming_msat);
    let name = channel.short_channel_id.as_deref().or(channel.alias.as_deref()).unwrap_or("-");
    let private = if channel.private { " (private)" } else { "" };
    vec![
        short(&channel.channel_id),
        short(&channel.peer),
        channel.status.clone(),
        sat(channel.capacity_sat),
        msat(channel.local_msat),
        msat(channel.remote_msat),
        if channel.htlcs == 0 { "-".to_owned() } else { format!("{} in {}", msat(in_flight), channel.htlcs) },
        format!("{name}{private}"),
    ]
}

/// A channel that was funded.
#[must_use]
pub fn opened(opened: &OpenChannelResponse) -> String {
    let mut text =
        list(&[("channel", opened.channel_id.clone()), ("funding", opened.funding_outpoint.clone())]);
    text.push_str("It can be used once the funding is confirmed: see `astrape channels`.\n");
    if let Some(warning) = &opened.warning {
        text.push_str(&format!("{warning}\n"));
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
