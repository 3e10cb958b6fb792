//! The network as others tell it.

use super::table::{list, table};
use super::words::{msat, sat, short, time};
use astrape_api::v1::{
    GetGraphChannelResponse, GetGraphNodeResponse, GetGraphResponse, GraphChannel, GraphPolicy,
};

/// The network in numbers.
#[must_use]
pub fn summary(graph: &GetGraphResponse) -> String {
    list(&[
        ("channels", format!("{} ({} of them closing)", graph.channels, graph.closed_channels)),
        ("nodes", graph.nodes.to_string()),
        ("capacity", sat(graph.capacity_sat)),
        ("terms told", format!("{} directions", graph.updates)),
        ("being checked", format!("{} channels", graph.waiting)),
        ("sync", graph.status.clone()),
    ])
}

/// A node, as it describes itself.
#[must_use]
pub fn node(node: &GetGraphNodeResponse) -> String {
    let said = |text: &str| if text.is_empty() { "has not said".to_owned() } else { text.to_owned() };
    let mut text = list(&[
        ("node id", node.node_id.clone()),
        ("calls itself", said(&node.alias)),
        ("reachable at", said(&node.addresses.join(", "))),
        ("said so", if node.timestamp == 0 { "never".to_owned() } else { time(node.timestamp.into()) }),
        ("channels", node.channel_count.to_string()),
    ]);
    if !node.channels.is_empty() {
        text.push('\n');
        text.push_str(&channels(&node.channels));
    }
    text
}

/// A channel, with the terms of both ends.
#[must_use]
pub fn channel(answer: &GetGraphChannelResponse) -> String {
    let Some(channel) = &answer.channel else {
        return "No such channel.\n".to_owned();
    };
    list(&[
        ("channel", channel.short_channel_id.clone()),
        ("node 1", channel.node_1.clone()),
        ("node 2", channel.node_2.clone()),
        ("capacity", capacity(channel)),
        ("state", if channel.closed { "closed" } else { "open" }.to_owned()),
        ("1 to 2", terms(channel.from_1.as_ref())),
        ("2 to 1", terms(channel.from_2.as_ref())),
    ])
}

fn channels(all: &[GraphChannel]) -> String {
    let rows = all.iter().map(|channel| {
        vec![
            channel.short_channel_id.clone(),
            short(&channel.node_1),
            short(&channel.node_2),
            capacity(channel),
        ]
    });
    table(&["channel", "node 1", "node 2", "capacity"], &[3], rows.collect())
}

fn capacity(channel: &GraphChannel) -> String {
    if channel.capacity_sat == 0 { "not known".to_owned() } else { sat(channel.capacity_sat) }
}

fn terms(policy: Option<&GraphPolicy>) -> String {
    let Some(policy) = policy else {
        return "not told".to_owned();
    };
    let state = if policy.disabled { "disabled, " } else { "" };
    format!(
        "{state}{} + {} ppm, {} blocks, {} to {}, told {}",
        msat(policy.fee_base_msat.into()),
        policy.fee_ppm,
        policy.cltv_expiry_delta,
        msat(policy.htlc_minimum_msat),
        msat(policy.htlc_maximum_msat),
        time(policy.timestamp.into())
    )
}
