//! Graph to bytes.

use super::MAGIC;
use super::block::{close, close_if_full};
use super::record::{write_channel, write_info, write_no_channel, write_no_node, write_node};
use crate::graph::Graph;

impl Graph {
    /// The whole graph as a file.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let mut file = Vec::new();
        self.export_to(&mut file);
        file
    }

    /// Appends such a file to others. Nodes before channels before what nodes say of themselves, each upwards by number: so
    /// whatever is referred to is there, and no number is met before the one below it.
    pub(crate) fn export_to(&self, file: &mut Vec<u8>) {
        file.extend(MAGIC);
        let (nodes, channels) = self.slots();
        let mut block = Vec::new();
        for number in numbers(nodes.bound()) {
            match nodes.find(number) {
                Some(node) => write_node(&mut block, number, node.id.as_bytes()),
                None => write_no_node(&mut block, number),
            }
            close_if_full(file, &mut block);
        }
        for number in numbers(channels.bound()) {
            match channels.find(number) {
                Some(slot) => write_channel(&mut block, number, slot),
                None => write_no_channel(&mut block, number),
            }
            close_if_full(file, &mut block);
        }
        for number in numbers(nodes.bound()) {
            if let Some(info) = nodes.find(number).and_then(|node| node.info.as_deref()) {
                write_info(&mut block, number, info);
                close_if_full(file, &mut block);
            }
        }
        close(file, &mut block);
    }
}

fn numbers(bound: usize) -> core::ops::Range<u32> {
    0..u32::try_from(bound).expect("slots are numbered by u32")
}
