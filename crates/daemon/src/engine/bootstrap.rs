//! Peers for a node that has none. One that knows nobody asks DNS seeds (BOLT 10) at once and calls some of the nodes that they
//! name. One that knows the network, and has been alone for minutes, calls some of its nodes first, drawn by lot.
//!
//! Whether strangers are called at all is the operator's choice, and stands in [`EngineConfig::dns_seeds`] alone.
//!
//! [`EngineConfig::dns_seeds`]: super::EngineConfig::dns_seeds

use super::peers::dial::dial;
use super::{Shared, clock};
use astrape_primitives::Network;
use astrape_routing::bootstrap::dns::MAX_DNS_MESSAGE;
use astrape_routing::bootstrap::strangers::is_public;
use astrape_routing::bootstrap::{self, Found};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// Peers that are looked for: one tells all, the others that it does not lie.
const WANTED: usize = 3;

/// Nodes of the graph that are called in one round.
const MAX_CALLS: usize = 8;

/// How long a name server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a node may take: many are gone.
const DIAL_PATIENCE: Duration = Duration::from_secs(10);

/// Pause before it is looked again whether there is anybody.
const AGAIN: Duration = Duration::from_secs(60);

/// How long a node that knows the network is alone before it calls strangers: its own peers are called meanwhile.
const ALONE: Duration = Duration::from_secs(3 * 60);

/// The seeds of a network, where the operator names none; `None` where nobody is to be called.
#[must_use]
pub fn usual_seeds(network: Network) -> Option<Vec<String>> {
    let names: &[&str] = match network {
        Network::Bitcoin => &["nodes.lightning.wiki", "lseed.bitcoinstats.com"],
        Network::Testnet4 | Network::Signet => &[],
        Network::Regtest => return None,
    };
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Sees to it that there is somebody, until the engine stops. Without `seeds` strangers are not called.
pub(super) async fn run(shared: Arc<Shared>, seeds: Option<Vec<String>>, name_server: Option<SocketAddr>) {
    let Some(seeds) = seeds else { return };
    let stop = shared.shutdown.clone();
    tokio::select! {
        () = stop.begun() => {}
        () = keep_peers(&shared, &seeds, name_server) => {}
    }
}

async fn keep_peers(shared: &Arc<Shared>, seeds: &[String], name_server: Option<SocketAddr>) {
    let fast = shared.dev_fast;
    let (again, alone) = if fast { (AGAIN / 200, ALONE / 200) } else { (AGAIN, ALONE) };
    let mut accompanied_at = Instant::now();
    loop {
        let knows_network = shared.gossip.progress().1 > 0;
        // Who knows the network can do with one peer, and waits for its own.
        let enough = if knows_network { 1 } else { WANTED };
        if shared.peers.chosen() >= enough {
            accompanied_at = Instant::now();
        } else if !knows_network || accompanied_at.elapsed() >= alone {
            look_for_peers(shared, seeds, name_server).await;
        }
        tokio::time::sleep(again).await;
    }
}

/// One round: nodes of the graph, and the seeds where these do not help.
async fn look_for_peers(shared: &Arc<Shared>, seeds: &[String], name_server: Option<SocketAddr>) {
    // On regtest all nodes are in one machine.
    let is_local = shared.network == Network::Regtest;
    let strangers = shared.gossip.strangers(MAX_CALLS, clock::fresh32(), |ip| is_local || is_public(ip));
    call(shared, strangers).await;
    for seed in seeds {
        if shared.peers.chosen() > 0 && (shared.peers.chosen() >= WANTED || shared.gossip.progress().1 > 0) {
            return;
        }
        match ask(seed, name_server).await {
            Ok(found) => {
                tracing::info!(%seed, nodes = found.len(), "a DNS seed names nodes");
                call(shared, found).await;
            }
            Err(error) => tracing::info!(%seed, %error, "a DNS seed does not help"),
        }
    }
}

/// Dials some of them, one after the other.
async fn call(shared: &Arc<Shared>, found: Vec<Found>) {
    for Found { node_id, address } in found {
        if shared.peers.chosen() >= WANTED {
            return;
        }
        match tokio::time::timeout(DIAL_PATIENCE, dial(shared, node_id, &address)).await {
            Ok(Ok(_)) => {
                tracing::info!(peer = %node_id, %address, "a node that we did not know of our own is a peer now");
            }
            Ok(Err(error)) => tracing::debug!(peer = %node_id, %address, %error, "not reached"),
            Err(_) => tracing::debug!(peer = %node_id, %address, "not reached in time"),
        }
    }
}

/// Asks one seed, by way of the machine's name server.
async fn ask(seed: &str, name_server: Option<SocketAddr>) -> anyhow::Result<Vec<Found>> {
    let server = match name_server {
        Some(server) => server,
        None => system_name_server().await?,
    };
    let [high, low, ..] = clock::fresh32();
    let id = u16::from_be_bytes([high, low]);
    let query = bootstrap::query(id, seed).ok_or_else(|| anyhow::anyhow!("it is no name"))?;
    let local: SocketAddr = if server.is_ipv4() { ([0_u8; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(local).await?;
    // Answers of others are not received.
    socket.connect(server).await?;
    socket.send(&query).await?;
    let mut buffer = vec![0; MAX_DNS_MESSAGE];
    let answer = async {
        loop {
            let len = socket.recv(&mut buffer).await?;
            match bootstrap::answer(&buffer[..len], id, seed) {
                // An old answer, or one of somebody who guesses: ours may come yet.
                Err(bootstrap::dns::DnsFault::OtherQuestion) => {}
                answer => return anyhow::Ok(answer?),
            }
        }
    };
    tokio::time::timeout(PATIENCE, answer).await?
}

/// The first name server of the machine.
async fn system_name_server() -> anyhow::Result<SocketAddr> {
    let text = tokio::fs::read_to_string("/etc/resolv.conf").await?;
    name_server_in(&text).ok_or_else(|| anyhow::anyhow!("the machine has no name server"))
}

fn name_server_in(text: &str) -> Option<SocketAddr> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let ip = (words.next() == Some("nameserver")).then(|| words.next()).flatten()?;
        Some(SocketAddr::new(ip.parse::<IpAddr>().ok()?, 53))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_name_server_is_the_first_that_is_named() {
        let text =
            "# nameserver 192.0.2.9\nsearch example.com\nnameserver  192.0.2.1\nnameserver 192.0.2.2\n";
        assert_eq!(name_server_in(text), Some("192.0.2.1:53".parse().expect("an address")));
        assert_eq!(
            name_server_in("nameserver 2001:db8::1"),
            Some("[2001:db8::1]:53".parse().expect("an address"))
        );
        assert_eq!(name_server_in("nameserver nonsense\noptions x"), None);
        assert_eq!(name_server_in(""), None);
    }

    #[test]
    fn on_regtest_nobody_is_asked() {
        assert_eq!(usual_seeds(Network::Regtest), None);
        assert!(usual_seeds(Network::Bitcoin).is_some_and(|seeds| !seeds.is_empty()));
    }
}
