//! What of a message goes into the graph.

use crate::graph::{NewChannel, NodeInfo, Policy, StoredAt};
use astrape_primitives::{NodeId, Sat};
use astrape_wire::{ChannelAnnouncement, ChannelUpdate, NodeAnnouncement};
use std::collections::BTreeSet;

pub(in crate::gossip) fn new_channel(
    m: &ChannelAnnouncement,
    [node_1, node_2]: [NodeId; 2],
    capacity: Option<Sat>,
    received: u32,
    stored: Option<StoredAt>,
) -> NewChannel {
    NewChannel {
        short_channel_id: m.short_channel_id,
        node_1,
        node_2,
        capacity,
        features: m.features.features(),
        received,
        stored,
    }
}

pub(in crate::gossip) fn policy(m: &ChannelUpdate, stored: Option<StoredAt>) -> Policy {
    Policy {
        timestamp: m.timestamp,
        fee_base_msat: m.fee_base_msat,
        fee_proportional_millionths: m.fee_proportional_millionths,
        cltv_expiry_delta: m.cltv_expiry_delta,
        htlc_minimum: m.htlc_minimum_msat,
        htlc_maximum: m.htlc_maximum_msat,
        disabled: m.channel_flags & ChannelUpdate::DISABLE != 0,
        checksum: m.checksum(),
        stored,
    }
}

pub(in crate::gossip) fn node_info(m: &NodeAnnouncement, stored: Option<StoredAt>) -> NodeInfo {
    let mut seen = BTreeSet::new();
    NodeInfo {
        timestamp: m.timestamp,
        features: m.features.features(),
        color: m.rgb_color,
        alias: m.alias,
        // Each once, however often it is said.
        addresses: m.addresses.iter().filter(|address| seen.insert(address.clone())).collect(),
        stored,
    }
}
