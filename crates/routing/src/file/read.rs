//! Bytes to graph.

use super::block::{self, BLOCK_HEAD};
use super::record::{Record, Records};
use super::{MAGIC, MAX_FILE};
use crate::graph::slots::{ChannelSlot, NodeSlot, Slots};
use crate::graph::{Graph, MAX_CHANNELS, NodeInfo};
use astrape_primitives::{NodeId, in_parallel};
use std::sync::Arc;

/// From so many nodes on, several threads check their ids, some microseconds each.
const MIN_PARALLEL: usize = 4_096;

/// Why bytes are no graph. It can be had anew from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Another kind or version.
    #[error("this is no graph that this version reads")]
    Format,
    /// Longer than any graph.
    #[error("a graph of {0} bytes is longer than any: not read")]
    TooLong(usize),
    /// More channels than a graph holds.
    #[error("the graph has more than {MAX_CHANNELS} channels: not read")]
    TooMany,
    /// A block is cut off or its checksum is wrong.
    #[error("the graph is damaged at byte {0}")]
    Damaged(usize),
    /// What it says cannot be, although the checksum holds.
    #[error("the graph contradicts itself at byte {0}")]
    Inconsistent(usize),
}

impl Graph {
    /// Reads a whole file, of whatever origin.
    ///
    /// # Errors
    /// When it is no graph, damaged, too large or contradicts itself.
    pub fn import(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.len() > MAX_FILE {
            return Err(FileError::TooLong(bytes.len()));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(FileError::Format);
        }
        let (mut tables, mut at) = (Tables::default(), MAGIC.len());
        while at < bytes.len() {
            let block = block::read(&bytes[at..]).ok_or(FileError::Damaged(at))?;
            tables.read(block).map_err(|fault| fault.at(at))?;
            at += BLOCK_HEAD + block.len();
        }
        tables.graph().ok_or(FileError::Inconsistent(at))
    }
}

enum Fault {
    TooMany,
    Inconsistent,
}

impl Fault {
    const fn at(self, at: usize) -> FileError {
        match self {
            Self::TooMany => FileError::TooMany,
            Self::Inconsistent => FileError::Inconsistent(at),
        }
    }
}

struct Node {
    id: [u8; 33],
    info: Option<Arc<NodeInfo>>,
}

#[derive(Default)]
struct Tables {
    nodes: Vec<Option<Node>>,
    channels: Vec<Option<ChannelSlot>>,
}

impl Tables {
    fn read(&mut self, block: &[u8]) -> Result<(), Fault> {
        let mut records = Records::new(block);
        while !records.is_empty() {
            match records.next().ok_or(Fault::Inconsistent)? {
                Record::Node(number, id) => put(&mut self.nodes, number, Some(Node { id, info: None }))?,
                Record::NoNode(number) => put(&mut self.nodes, number, None)?,
                Record::Info(number, info) => {
                    let node = self.nodes.get_mut(number as usize).and_then(Option::as_mut);
                    node.ok_or(Fault::Inconsistent)?.info = Some(Arc::new(info));
                }
                Record::Channel(number, slot) => put(&mut self.channels, number, Some(slot))?,
                Record::NoChannel(number) => put(&mut self.channels, number, None)?,
            }
        }
        Ok(())
    }

    /// The graph of the tables, once all is found to fit together.
    fn graph(self) -> Option<Graph> {
        let mut degrees = vec![0_u32; self.nodes.len()];
        for slot in self.channels.iter().flatten() {
            for end in slot.ends {
                *degrees.get_mut(end as usize)? += 1;
            }
        }
        let ids = checked_ids(&self.nodes)?;
        let nodes: Vec<Option<NodeSlot>> = self
            .nodes
            .into_iter()
            .zip(ids.iter().zip(&degrees))
            .map(|(node, (id, degree))| {
                let (node, id) = node.zip(*id)?;
                (*degree > 0).then_some(NodeSlot { id, degree: *degree, told: 0, info: node.info })
            })
            .collect();
        let ordered = |slot: &ChannelSlot| {
            let [one, two] = slot.ends.map(|end| nodes[end as usize].as_ref());
            one.zip(two).is_some_and(|(one, two)| one.id < two.id)
        };
        if !self.channels.iter().flatten().all(ordered) {
            return None;
        }
        Graph::from_slots(Slots::from_items(nodes), Slots::from_items(self.channels))
    }
}

/// Puts an item into its place: one that is there, or the next one. So nothing is allocated that is not in the file.
fn put<T>(items: &mut Vec<Option<T>>, number: u32, item: Option<T>) -> Result<(), Fault> {
    let number = number as usize;
    if number < items.len() {
        items[number] = item;
    } else if number >= 2 * MAX_CHANNELS {
        return Err(Fault::TooMany);
    } else if number == items.len() {
        items.push(item);
    } else {
        return Err(Fault::Inconsistent);
    }
    Ok(())
}

/// Checks that all ids are points of the curve.
fn checked_ids(nodes: &[Option<Node>]) -> Option<Vec<Option<NodeId>>> {
    let id = |node: &Option<Node>| match node {
        Some(node) => NodeId::from_bytes(node.id).ok().map(Some),
        None => Some(None),
    };
    in_parallel(nodes, MIN_PARALLEL, id).into_iter().collect()
}
