//! Whom a probe that nobody has asked for should go to: those who were paid before, and those through whom most can be reached.

use super::Shared;
use astrape_node::{Fact, Found, Input};
use astrape_payment::background::MAX_TARGETS;
use astrape_primitives::NodeId;
use astrape_routing::Snapshot;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::runtime::Handle as Runtime;

/// How many of each kind there are at most.
const MAX_OF_A_KIND: usize = MAX_TARGETS / 2;

/// Answers the core. Lost, it asks again at the next interval.
pub(crate) fn look_up(shared: &Arc<Shared>, runtime: &Runtime) {
    let shared = Arc::clone(shared);
    runtime.spawn(async move {
        let looking = Arc::clone(&shared);
        if let Ok(nodes) = tokio::task::spawn_blocking(move || targets(&looking)).await {
            // When the core has stopped, there is nothing to probe for.
            let _ = shared.core.input(Input::Found(Found::ProbeTargets { nodes })).await;
        }
    });
}

fn targets(shared: &Shared) -> Vec<NodeId> {
    let mut nodes = paid_before(shared);
    nodes.extend(largest(&shared.gossip.snapshot()));
    nodes.into_iter().collect()
}

/// The recipients of our last payments, also of those that failed.
fn paid_before(shared: &Shared) -> BTreeSet<NodeId> {
    let ended = shared.lookups.read(|reader| reader.payments(None, MAX_OF_A_KIND));
    let ended = ended.unwrap_or_else(|error| {
        tracing::warn!(%error, "who was paid before cannot be read: only the largest nodes are probed");
        Vec::new()
    });
    let paid = ended.iter().filter_map(|entry| match &entry.fact {
        Fact::PaymentSent { destination, .. } | Fact::PaymentFailed { destination, .. } => Some(*destination),
        _ => None,
    });
    paid.collect()
}

/// The nodes of the network with the most channels.
fn largest(network: &Snapshot) -> impl Iterator<Item = NodeId> + use<> {
    let mut all: Vec<(usize, NodeId)> = network.nodes().map(|id| (network.ways_to(&id), id)).collect();
    all.sort_unstable_by(|one, other| other.cmp(one));
    all.into_iter().take(MAX_OF_A_KIND).map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_routing::synthetic;
    use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};

    fn id(number: u8) -> NodeId {
        let key = SecretKey::from_slice(&[number; 32]).expect("a key");
        NodeId::from_key(&PublicKey::from_secret_key(&Secp256k1::new(), &key))
    }

    #[test]
    fn those_with_the_most_channels_are_chosen_and_no_more_than_there_may_be() {
        let ids: Vec<NodeId> = (1..=120).map(id).collect();
        let links = synthetic::links(5, 120, 400, 1_700_000_000);
        let network = synthetic::graph(&links, &ids).expect("all ids differ").snapshot();
        let chosen: Vec<NodeId> = largest(&network).collect();
        assert_eq!(chosen.len(), MAX_OF_A_KIND);
        let least = chosen.iter().map(|id| network.ways_to(id)).min().expect("some");
        let others = ids.iter().filter(|id| !chosen.contains(id)).map(|id| network.ways_to(id));
        let most = others.max().expect("more nodes than are chosen");
        assert!(most <= least, "{most} beside {least}");
        let distinct: BTreeSet<&NodeId> = chosen.iter().collect();
        assert_eq!(distinct.len(), chosen.len());
    }
}
