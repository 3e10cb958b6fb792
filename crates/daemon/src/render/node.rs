//! The node itself, and its peers.

use super::table::{Row, list, table_with_notes, wrapped};
use super::words::count;
use astrape_api::v1::{GetInfoResponse, ListPeersResponse};

/// Who the node is and how it stands.
#[must_use]
pub fn info(info: &GetInfoResponse) -> String {
    let listening =
        if info.listening.is_empty() { "not at all".to_owned() } else { info.listening.join(", ") };
    let channels = format!(
        "{} ready, {} opening, {} closing",
        info.ready_channels, info.opening_channels, info.closing_channels
    );
    let mut text = list(&[
        ("node id", info.node_id.clone()),
        ("alias", info.alias.clone()),
        ("network", info.network.clone()),
        ("version", info.version.clone()),
        ("block", info.block_height.to_string()),
        ("chain", info.chain_status.clone()),
        ("listening", listening),
        ("peers", format!("{} connected", info.connected_peers)),
        ("channels", channels),
        (
            "graph",
            format!("{} channels, {} nodes; {}", info.graph_channels, info.graph_nodes, info.graph_status),
        ),
    ]);
    for alarm in &info.alarms {
        text.push_str(&format!("\n{}", wrapped(&format!("ALARM: {alarm}"), 0)));
    }
    text
}

/// The peers.
#[must_use]
pub fn peers(answer: &ListPeersResponse) -> String {
    if answer.peers.is_empty() {
        return "No peers yet: `astrape connect ID@HOST:PORT`.\n".to_owned();
    }
    let rows = answer.peers.iter().map(|peer| {
        let connected = if peer.connected { "connected" } else { "away" };
        let at = |(index, address): (usize, &String)| match peer.called_us && index == 0 {
            true => format!("{address} (it called us; it does not listen there)"),
            false => address.clone(),
        };
        let told = [count(peer.channels, "channel")].into_iter();
        let told = told.chain(peer.addresses.iter().enumerate().map(at));
        Row {
            cells: vec![peer.node_id.clone(), connected.to_owned()],
            below: vec![told.collect::<Vec<_>>().join(", ")],
        }
    });
    table_with_notes(&["peer", "state"], &[], rows.collect())
}
