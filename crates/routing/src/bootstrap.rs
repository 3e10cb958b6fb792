//! The first peers of a node that has none: DNS seeds (BOLT 10), and nodes of the graph.
//!
//! A seed answers `SRV` queries with node ids, ports and virtual host names, and `A` and `AAAA` queries for those names. What
//! comes is anybody's: an answer is bounded, read without trust, and names at most some places to try.
//!
//! | room | what is in it |
//! |---|---|
//! | [`dns`] | the messages of RFC 1035, as far as they are used |
//! | [`seed`] | a seed of our own: which nodes answer a query |
//! | [`strangers`] | nodes of the graph that may be called |
//!
//! Never: a socket. The shell sends and receives.

pub mod dns;
pub mod seed;
pub mod strangers;

use astrape_primitives::NodeId;
use bitcoin::bech32::{self, Bech32, Hrp};
use dns::{Data, Kind, Record};

/// Nodes that are taken from one answer: enough to find a few that listen.
pub const MAX_FOUND: usize = 50;

/// The realm of Bitcoin.
const REALM: u8 = 0;

/// Types of addresses that we can dial, as bits of their types in BOLT 7: IPv4 and IPv6.
const DIALLED: u8 = 1 << 1 | 1 << 2;

/// A node that a seed or the graph names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub node_id: NodeId,
    /// Where it may listen, as `host:port`.
    pub address: String,
}

/// The name to ask a seed for: nodes of Bitcoin that can be dialled, some of them.
#[must_use]
pub fn question(seed: &str) -> String {
    format!("r{REALM}.a{DIALLED}.n{MAX_FOUND}.{}", seed.trim_end_matches('.'))
}

/// What an answer to an `SRV` query names. No condition of the query is relied on (BOLT 10): what is no node id, has no port
/// or no name is left out.
#[must_use]
pub fn found(records: &[Record]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for record in records {
        let Data::Srv { port, target } = &record.data else {
            continue;
        };
        let label = target.split('.').next().unwrap_or_default();
        let Some(node_id) = node_of_label(label).filter(|_| *port != 0) else {
            continue;
        };
        // The seed may have told the address of the name at once.
        let address = records.iter().find(|other| other.name.eq_ignore_ascii_case(target)).and_then(
            |other| match other.data {
                Data::A(ip) => Some(format!("{ip}:{port}")),
                Data::Aaaa(ip) => Some(format!("[{ip}]:{port}")),
                Data::Srv { .. } => None,
            },
        );
        let address = address.unwrap_or_else(|| format!("{target}:{port}"));
        if found.len() < MAX_FOUND && found.iter().all(|other| other.node_id != node_id) {
            found.push(Found { node_id, address });
        }
    }
    found
}

/// A node id as BOLT 10 writes it: bech32 with the prefix `ln`.
#[must_use]
pub fn label_of_node(node_id: &NodeId) -> String {
    bech32::encode::<Bech32>(Hrp::parse_unchecked("ln"), node_id.as_bytes())
        .expect("33 bytes are well below bech32's limit")
}

/// Reads what [`label_of_node`] writes.
#[must_use]
pub fn node_of_label(label: &str) -> Option<NodeId> {
    let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32>(label).ok()?;
    if checked.hrp() != Hrp::parse_unchecked("ln") {
        return None;
    }
    let bytes: Vec<u8> = checked.byte_iter().collect();
    NodeId::from_bytes(bytes.try_into().ok()?).ok()
}

/// The question about a seed's nodes.
#[must_use]
pub fn query(id: u16, seed: &str) -> Option<Vec<u8>> {
    dns::query(id, &question(seed), Kind::Srv)
}

/// What a seed answers to [`query`].
///
/// # Errors
/// When the bytes are no answer to this question.
pub fn answer(bytes: &[u8], id: u16, seed: &str) -> Result<Vec<Found>, dns::DnsFault> {
    dns::answer(bytes, id, &question(seed), Kind::Srv).map(|records| found(&records))
}
