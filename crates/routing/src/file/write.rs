//! Graph to bytes.

use super::record::{write_channel, write_info, write_no_channel, write_no_node, write_node};
use super::{MAGIC, MAX_BLOCK};
use crate::checksum::crc32c;
use crate::graph::Graph;
use crate::graph::slots::{ChannelSlot, NodeSlot, Slots};
use std::collections::BTreeSet;

/// Which places have changed since the file was last written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) nodes: BTreeSet<u32>,
    pub(crate) channels: BTreeSet<u32>,
}

impl Graph {
    /// The whole graph as a file.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        let (nodes, channels) = self.slots();
        let numbers = |bound: usize| 0..u32::try_from(bound).expect("slots are numbered by u32");
        append(&mut file, nodes, numbers(nodes.bound()), channels, numbers(channels.bound()));
        file
    }

    /// The whole graph as a file that begins anew: changes are counted from here on.
    #[must_use]
    pub fn take_all(&mut self) -> Vec<u8> {
        *self.changes_mut() = Changes::default();
        self.export()
    }

    /// What is to be appended to the file for what has changed since the last time; nothing when nothing has.
    #[must_use]
    pub fn take_changes(&mut self) -> Vec<u8> {
        let changes = core::mem::take(self.changes_mut());
        let mut blocks = Vec::new();
        let (nodes, channels) = self.slots();
        append(&mut blocks, nodes, changes.nodes.iter().copied(), channels, changes.channels.into_iter());
        blocks
    }
}

/// Nodes before channels before what nodes say of themselves, each upwards by number: so whatever is referred to is there, and
/// no number is met before the one below it.
fn append(
    file: &mut Vec<u8>,
    nodes: &Slots<NodeSlot>,
    node_numbers: impl Iterator<Item = u32> + Clone,
    channels: &Slots<ChannelSlot>,
    channel_numbers: impl Iterator<Item = u32>,
) {
    let mut block = Vec::new();
    for number in node_numbers.clone() {
        match nodes.find(number) {
            Some(node) => write_node(&mut block, number, node.id.as_bytes()),
            None => write_no_node(&mut block, number),
        }
        close_if_full(file, &mut block);
    }
    for number in channel_numbers {
        match channels.find(number) {
            Some(slot) => write_channel(&mut block, number, slot),
            None => write_no_channel(&mut block, number),
        }
        close_if_full(file, &mut block);
    }
    for number in node_numbers {
        if let Some(info) = nodes.find(number).and_then(|node| node.info.as_deref()) {
            write_info(&mut block, number, info);
            close_if_full(file, &mut block);
        }
    }
    close(file, &mut block);
}

/// A record is far shorter than half a block: features and addresses are parts of messages of 65,535 bytes.
fn close_if_full(file: &mut Vec<u8>, block: &mut Vec<u8>) {
    if block.len() >= MAX_BLOCK / 2 {
        close(file, block);
    }
}

fn close(file: &mut Vec<u8>, block: &mut Vec<u8>) {
    if block.is_empty() {
        return;
    }
    file.extend(u32::try_from(block.len()).expect("a block is short").to_be_bytes());
    file.extend(crc32c(block).to_be_bytes());
    file.append(block);
}
