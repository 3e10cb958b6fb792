//! A seed of our own (BOLT 10): which nodes answer a query, and how.

use super::dns::{self, Data, Kind, Record};
use super::{REALM, label_of_node, node_of_label};
use astrape_primitives::NodeId;
use astrape_wire::Address;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};

/// For how long an answer may be believed, in seconds: the least that BOLT 10 allows.
pub const TTL: u32 = 60;

/// Longest answer: what passes every network in one datagram.
pub const MAX_REPLY: usize = 1_232;

/// Records of an answer, where the query does not say.
const DEFAULT_COUNT: usize = 25;

/// Types of addresses of an answer, where the query does not say: IPv4 and IPv6.
const DEFAULT_TYPES: u64 = 1 << 1 | 1 << 2;

/// The port of BOLT 1: `A` and `AAAA` name no other.
const DEFAULT_PORT: u16 = 9735;

/// A node that a seed may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub node_id: NodeId,
    /// Where it listens.
    pub addresses: Vec<Address>,
}

/// What a query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Conditions {
    realm: u64,
    types: u64,
    node: Option<NodeId>,
    count: usize,
}

/// The seed of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    root: String,
}

impl Seed {
    /// Of a domain.
    #[must_use]
    pub fn new(root: &str) -> Self {
        Self { root: root.trim_end_matches('.').to_ascii_lowercase() }
    }

    /// Answers a query with some of the nodes, chosen anew by each `entropy`; none for what is no query to this seed.
    #[must_use]
    pub fn answer(&self, query: &[u8], nodes: &[Listed], entropy: [u8; 32]) -> Option<Vec<u8>> {
        let (id, name, kind) = dns::read_query(query)?;
        let conditions = self.conditions(&name.to_ascii_lowercase(), kind)?;
        let chosen = chosen(nodes, &conditions, kind, entropy);
        let mut records = Vec::new();
        for (listed, addresses) in &chosen {
            self.tell_of(&name, kind, listed, addresses, &mut records);
        }
        if conditions.node.is_none() {
            let answers = |record: &Record| {
                matches!(
                    (kind, &record.data),
                    (Kind::A, Data::A(_)) | (Kind::Aaaa, Data::Aaaa(_)) | (Kind::Srv, Data::Srv { .. })
                )
            };
            let mut left = conditions.count;
            records.retain(|record| {
                let counts = answers(record);
                let keeps = !counts || left > 0;
                left -= usize::from(counts && keeps);
                keeps
            });
        }
        dns::reply(id, &name, kind, &records, MAX_REPLY)
    }

    /// The conditions, from the root leftwards: of two the one further left counts. `_nodes._tcp` is a name for no condition.
    fn conditions(&self, name: &str, kind: Kind) -> Option<Conditions> {
        let labels = name.strip_suffix(&self.root)?;
        let labels = labels.strip_suffix('.').unwrap_or(labels);
        let mut conditions = Conditions { realm: 0, types: DEFAULT_TYPES, node: None, count: DEFAULT_COUNT };
        if labels.is_empty() || (labels == "_nodes._tcp" && kind == Kind::Srv) {
            return Some(conditions);
        }
        for label in labels.rsplit('.') {
            let (key, value) = label.split_at_checked(1)?;
            match key {
                "r" => conditions.realm = value.parse().ok()?,
                "a" => conditions.types = value.parse().ok()?,
                "n" => conditions.count = value.parse().ok()?,
                // The whole label is the id: `ln1…`.
                "l" => conditions.node = Some(node_of_label(label)?),
                // Filtering is best effort: an unknown condition is ignored.
                _ => {}
            }
        }
        Some(conditions)
    }

    fn tell_of(
        &self,
        name: &str,
        kind: Kind,
        listed: &Listed,
        addresses: &[&Address],
        records: &mut Vec<Record>,
    ) {
        let virtual_name = format!("{}.{}", label_of_node(&listed.node_id), self.root);
        for address in addresses {
            let host = if kind == Kind::Srv { &virtual_name } else { name };
            if kind == Kind::Srv {
                let data = Data::Srv { port: address.port(), target: virtual_name.clone() };
                records.push(Record { name: name.to_owned(), ttl: TTL, data });
            }
            let data = match address {
                Address::Ipv4(ip, _) => Data::A(*ip),
                Address::Ipv6(ip, _) => Data::Aaaa(*ip),
                Address::TorV3(..) | Address::Hostname(..) => continue,
            };
            records.push(Record { name: host.to_owned(), ttl: TTL, data });
        }
    }
}

/// The nodes that fit, in an order that nobody can foresee, with those of their addresses that fit.
fn chosen<'a>(
    nodes: &'a [Listed],
    conditions: &Conditions,
    kind: Kind,
    entropy: [u8; 32],
) -> Vec<(&'a Listed, Vec<&'a Address>)> {
    if conditions.realm != u64::from(REALM) {
        return Vec::new();
    }
    let is_asked = |listed: &&Listed| conditions.node.is_none_or(|node| listed.node_id == node);
    let mut fitting: Vec<(&Listed, Vec<&Address>)> = nodes
        .iter()
        .filter(is_asked)
        .map(|listed| {
            let fits = |address: &&Address| fits(address, conditions, kind);
            (listed, listed.addresses.iter().filter(fits).collect::<Vec<_>>())
        })
        .filter(|(_, addresses)| !addresses.is_empty())
        .collect();
    fitting.sort_by_cached_key(|(listed, _)| {
        let mut engine = sha256::Hash::engine();
        engine.input(&entropy);
        engine.input(listed.node_id.as_bytes());
        sha256::Hash::from_engine(engine)
    });
    fitting.truncate(conditions.count);
    fitting
}

fn fits(address: &Address, conditions: &Conditions, kind: Kind) -> bool {
    let is_default = address.port() == DEFAULT_PORT;
    match (kind, address) {
        (Kind::A, Address::Ipv4(..)) | (Kind::Aaaa, Address::Ipv6(..)) => {
            // Of one node all that it has is told (BOLT 10).
            is_default || conditions.node.is_some()
        }
        (Kind::Srv, Address::Ipv4(..) | Address::Ipv6(..)) => {
            conditions.types & 1 << address.descriptor_type() != 0
        }
        _ => false,
    }
}
