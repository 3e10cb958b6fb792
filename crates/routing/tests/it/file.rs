//! The graph as a file: what is written is read, and nothing else.

use crate::kit::{channel, line, nodes, scid};
use astrape_primitives::Features;
use astrape_routing::{FileError, Graph, NewChannel, NodeInfo, StoredAt};
use astrape_wire::address::{Address, Hostname};
use core::num::NonZeroU64;
use proptest::prelude::*;

fn info(name: u8) -> NodeInfo {
    NodeInfo {
        timestamp: 77,
        features: Features::empty().with_bit(9).with_bit(55),
        color: [1, 2, 3],
        alias: [name; 32],
        addresses: vec![
            Address::Ipv4([127, 0, 0, 1].into(), 9735),
            Address::Hostname(Hostname::new("example.org").expect("a name"), 9735),
        ],
        stored: NonZeroU64::new(u64::MAX).map(StoredAt),
    }
}

/// Some of everything: holes too.
fn mixed() -> Graph {
    let ids = nodes(6);
    let mut graph = line(&ids);
    graph.set_node(ids[1], info(b'a')).expect("it has channels");
    graph.remove_channel(scid(4));
    graph.remove_channel(scid(1));
    let features = Features::empty().with_bit(1_001);
    graph.add_channel(NewChannel { capacity: None, features, ..channel(9, [ids[0], ids[3]]) }).expect("new");
    graph
}

fn content(
    graph: &Graph,
) -> (Vec<astrape_routing::Channel>, Vec<(astrape_primitives::NodeId, Option<NodeInfo>)>) {
    let nodes = graph.nodes().map(|(id, info)| (id, info.cloned()));
    (graph.channels(..).collect(), nodes.collect())
}

#[test]
fn a_graph_is_read_as_it_was_written() {
    for graph in [Graph::new(), line(&nodes(5)), mixed()] {
        let read = Graph::import(&graph.export()).expect("it was written here");
        assert_eq!(content(&read), content(&graph));
        assert_eq!(read.export(), graph.export());
    }
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let file = mixed().export();
    for length in 0..file.len() {
        let error = Graph::import(&file[..length]).err();
        let expected = match length {
            0..8 => Some(FileError::Format),
            // Nothing but how a file begins is a graph without channels.
            8 => None,
            _ => Some(FileError::Damaged(8)),
        };
        assert_eq!(error, expected, "{length} bytes");
    }
}

// attack 83
#[test]
fn a_flipped_bit_is_refused() {
    let file = mixed().export();
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Graph::import(&damaged).is_err(), "bit {bit}");
    }
}

/// CRC-32C, apart from the reader's.
fn crc32c(content: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    let table: Vec<u32> = (0..256).map(|byte| (0..8).fold(byte, |crc, _| step(crc))).collect();
    !content.iter().fold(u32::MAX, |crc, byte| crc >> 8 ^ table[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

/// A block with a checksum that holds.
fn block(content: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(content.len()).expect("short").to_be_bytes().to_vec();
    out.extend(crc32c(content).to_be_bytes());
    out.extend(content);
    out
}

fn file_of(records: &[Vec<u8>]) -> Vec<u8> {
    [b"astgrph1".to_vec(), block(&records.concat())].concat()
}

fn node(number: u32, id: &[u8; 33]) -> Vec<u8> {
    [vec![1], number.to_be_bytes().to_vec(), id.to_vec()].concat()
}

fn plain_channel(number: u32, id: u64, ends: [u32; 2]) -> Vec<u8> {
    let numbers: Vec<u8> = [number.to_be_bytes().to_vec(), id.to_be_bytes().to_vec()].concat();
    let ends: Vec<u8> = ends.iter().flat_map(|end| end.to_be_bytes()).collect();
    // Capacity, when received, where stored, no features, no policies.
    [vec![4], numbers, ends, vec![0; 8 + 4 + 8 + 2 + 2]].concat()
}

// attack 79
#[test]
fn a_file_that_contradicts_itself_is_refused() {
    let ids = nodes(2);
    let [one, two] = [0, 1].map(|at: usize| node(u32::try_from(at).expect("few"), ids[at].as_bytes()));
    let good = file_of(&[one.clone(), two.clone(), plain_channel(0, 7, [0, 1])]);
    assert_eq!(Graph::import(&good).map(|graph| graph.channel_count()), Ok(1));
    let refused = [
        // An end that is not there, ends out of order, an end with itself.
        vec![one.clone(), plain_channel(0, 7, [0, 1])],
        vec![one.clone(), two.clone(), plain_channel(0, 7, [1, 0])],
        vec![one.clone(), two.clone(), plain_channel(0, 7, [1, 1])],
        vec![one.clone(), two.clone(), plain_channel(0, 7, [0, u32::MAX])],
        // A channel twice, a node twice.
        vec![one.clone(), two.clone(), plain_channel(0, 7, [0, 1]), plain_channel(1, 7, [0, 1])],
        vec![
            one.clone(),
            two.clone(),
            node(2, ids[0].as_bytes()),
            plain_channel(0, 7, [0, 1]),
            plain_channel(1, 8, [2, 1]),
        ],
        // No point of the curve, no record, half a record.
        vec![node(0, &[9; 33]), two.clone(), plain_channel(0, 7, [0, 1])],
        vec![vec![6, 0, 0, 0, 0]],
        vec![vec![1, 0, 0]],
    ];
    for (case, records) in refused.iter().enumerate() {
        let error = Graph::import(&file_of(records)).err();
        assert!(matches!(error, Some(FileError::Inconsistent(_))), "case {case}: {error:?}");
    }
}

// attack 79
#[test]
fn nothing_is_allocated_for_what_is_only_announced() {
    let id = *nodes(1)[0].as_bytes();
    // A place far off, a block longer than any, a file longer than any.
    assert!(matches!(Graph::import(&file_of(&[node(1_999_999, &id)])), Err(FileError::Inconsistent(_))));
    assert!(matches!(Graph::import(&file_of(&[node(u32::MAX, &id)])), Err(FileError::TooMany)));
    let long = [b"astgrph1".to_vec(), u32::MAX.to_be_bytes().to_vec(), vec![0; 64]].concat();
    assert_eq!(Graph::import(&long).err(), Some(FileError::Damaged(8)));
    assert_eq!(Graph::import(b"something else").err(), Some(FileError::Format));
}

// attack 79
#[test]
fn a_graph_of_ten_times_the_channels_is_refused() {
    // Empty places suffice: they are what memory would be taken for.
    let mut file = b"astgrph1".to_vec();
    let mut records = Vec::with_capacity(1 << 20);
    for number in 0..2_000_001_u32 {
        records.push(5);
        records.extend(number.to_be_bytes());
        if records.len() >= 500_000 {
            file.extend(block(&records));
            records.clear();
        }
    }
    file.extend(block(&records));
    assert_eq!(Graph::import(&file).err(), Some(FileError::TooMany));
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader(records in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Graph::import(&records);
        let _ = Graph::import(&[b"astgrph1".to_vec(), block(&records)].concat());
    }
}
