//! ldk-nodes in a row, with channels between neighbours: as [`Line`](crate::line::Line), of others.

use crate::bitcoind::Bitcoind;
use crate::ldk_node::LdkNode;
use crate::line::{DEEP, Opening, SOON};
use crate::wait;
use anyhow::Result;
use std::path::Path;
use std::time::{Duration, Instant};

/// What an ldk-node keeps back for each channel with anchors, whoever opens it, twice, and something for fees.
const MARGIN_SAT: u64 = 100_000;

/// How long gossip may take before the nodes are asked to connect anew.
const HEARSAY: Duration = Duration::from_secs(10);

/// The nodes; each opened the channels to its next one.
#[derive(Debug)]
pub struct LdkLine {
    /// The nodes.
    pub nodes: Vec<LdkNode>,
}

impl LdkLine {
    /// Starts nodes, funds them, opens and buries the channels, and waits until all know of all.
    ///
    /// # Errors
    /// When any of that fails.
    pub fn open(exe: &Path, bitcoind: &Bitcoind, count: usize, opening: Opening) -> Result<Self> {
        let names = ["A", "B", "C", "D"].into_iter().take(count);
        let nodes: Vec<_> = names.map(|name| LdkNode::start(name, exe, bitcoind)).collect::<Result<_>>()?;
        let line = Self { nodes };
        for node in &line.nodes {
            let address = node.ask("address")?;
            for _ in 0..opening.count {
                bitcoind.fund(&address, opening.amount_sat + MARGIN_SAT)?;
            }
        }
        line.sync()?;
        for (from, to) in line.nodes.iter().zip(line.nodes.iter().skip(1)) {
            let request = format!("open {} {} {}", to.peer_address()?, opening.amount_sat, opening.push_sat);
            for _ in 0..opening.count {
                let waiting = bitcoind.mempool()?.len();
                from.ask(&request)?;
                wait::until("the funding in the mempool", SOON, || {
                    Ok((bitcoind.mempool()?.len() > waiting).then_some(()))
                })?;
                // Until it is in a block, the wallet would spend the same coins for the next one; and a peer refuses a fifth
                // channel while four wait for a block.
                bitcoind.mine(1)?;
                line.sync()?;
            }
        }
        bitcoind.mine(DEEP)?;
        line.wait_until_ready(opening.count)?;
        Ok(line)
    }

    /// Has all nodes look at the chain.
    fn sync(&self) -> Result<()> {
        self.nodes.iter().try_for_each(|node| node.ask("sync").map(drop))
    }

    /// Waits until all channels are usable, and announced to every node.
    fn wait_until_ready(&self, per_pair: u32) -> Result<()> {
        self.sync()?;
        let pairs = u64::try_from(self.nodes.len())? - 1;
        for (at, node) in self.nodes.iter().enumerate() {
            let neighbours = if at == 0 || at + 1 == self.nodes.len() { 1 } else { 2 };
            wait::until(&format!("ldk-node {}: usable channels", node.name()), SOON, || {
                Ok((node.ask_number("usable")? >= neighbours * u64::from(per_pair)).then_some(()))
            })?;
            self.wait_for_gossip(node, pairs * u64::from(per_pair))?;
        }
        Ok(())
    }

    /// Waits until a node knows so many channels. An ldk-node drops an announcement whose funding it does not find deep enough
    /// when it hears of it, and hears of it again only on a new connection.
    fn wait_for_gossip(&self, node: &LdkNode, channels: u64) -> Result<()> {
        let mut asked = Instant::now();
        wait::until(&format!("ldk-node {}: {channels} channels known", node.name()), SOON, || {
            if asked.elapsed() > HEARSAY {
                self.nodes.iter().try_for_each(|node| node.ask("reconnect").map(drop))?;
                asked = Instant::now();
            }
            Ok((node.ask_number("known")? >= channels).then_some(()))
        })
    }
}
