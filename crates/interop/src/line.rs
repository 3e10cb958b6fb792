//! Nodes in a row, with a channel between neighbours.

use crate::accounts::{self, text};
use crate::bitcoind::Bitcoind;
use crate::cli::Cli;
use crate::daemon::Daemon;
use crate::wait;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::time::Duration;

/// Blocks that bury a funding deep enough for any channel, and let it be announced.
pub const DEEP: u32 = 6;

/// How long nodes may take to see a block, agree on something, connect.
pub const SOON: Duration = Duration::from_secs(60);

/// A channel to be opened between neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Its capacity, in satoshi.
    pub amount_sat: u64,
    /// What the farther node gets at once, in satoshi.
    pub push_sat: u64,
    /// How many such channels.
    pub count: u32,
    /// Whether they are kept from the network.
    pub private: bool,
}

impl Opening {
    /// One public channel of 10,000,000 sat, half of it on either side.
    pub const HALVES: Self = Self { amount_sat: 10_000_000, push_sat: 5_000_000, count: 1, private: false };
}

/// Nodes in a row; each opened the channels to its next one.
#[derive(Debug)]
pub struct Line {
    /// Beside which they run.
    pub bitcoind: Bitcoind,
    /// The nodes.
    pub nodes: Vec<Daemon>,
}

impl Line {
    /// Starts nodes `A`, `B`, … with `options`, funds all but the last, connects them, opens and buries the channels.
    /// `None` where tests beside a bitcoind are left out.
    ///
    /// # Errors
    /// When any of that fails.
    pub fn open(count: usize, opening: Opening, options: &[&str]) -> Result<Option<Self>> {
        let Some(line) = Self::start(count, options)? else { return Ok(None) };
        for (from, to) in line.nodes.iter().zip(line.nodes.iter().skip(1)) {
            // What the channels take, and something for fees, in a coin for each.
            for _ in 0..opening.count {
                let address = from.ask_for(&["newaddr"], "address")?;
                line.bitcoind.fund(&address, opening.amount_sat + 100_000)?;
            }
            line.wait_for_height()?;
            for _ in 0..opening.count {
                line.open_channel(from, to, opening)?;
            }
        }
        line.bury()?;
        Ok(Some(line))
    }

    /// Gives a node that opens no channel what it should keep for the closes of those that it has.
    ///
    /// # Errors
    /// When that fails.
    pub fn fund_closes(&self, node: &Daemon) -> Result<()> {
        self.bitcoind.fund(&node.ask_for(&["newaddr"], "address")?, 100_000)?;
        self.wait_for_height()
    }

    /// Starts nodes `A`, `B`, … that know nothing of each other.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start(count: usize, options: &[&str]) -> Result<Option<Self>> {
        let Some(bitcoind) = Bitcoind::start()? else { return Ok(None) };
        let mut nodes = Vec::new();
        for name in ["A", "B", "C", "D"].iter().take(count) {
            let mut node = Daemon::new(name, &bitcoind, options)?;
            node.spawn()?;
            nodes.push(node);
        }
        for node in &mut nodes {
            node.wait_until_up()?;
        }
        Ok(Some(Self { bitcoind, nodes }))
    }

    /// Opens a channel between two nodes, connecting them first, and returns what the command answered.
    ///
    /// # Errors
    /// When it is refused.
    pub fn open_channel(&self, from: &Daemon, to: &Daemon, opening: Opening) -> Result<Value> {
        self.open_channel_at(from, &to.peer_address()?, opening)
    }

    /// As [`Line::open_channel`], with a peer at an address `ID@HOST:PORT`.
    ///
    /// # Errors
    /// When it is refused.
    pub fn open_channel_at(&self, from: &Daemon, peer: &str, opening: Opening) -> Result<Value> {
        let (amount, push) = (format!("{}sat", opening.amount_sat), format!("{}sat", opening.push_sat));
        let mut command = vec!["open", peer, amount.as_str(), "--push", push.as_str()];
        if opening.private {
            command.push("--private");
        }
        let opened = from.ask(&command)?;
        let funding = text(&opened, "funding_outpoint")?;
        self.bitcoind.wait_for(funding.split(':').next().unwrap_or_default())?;
        Ok(opened)
    }

    /// Mines until all channels are ready, and waits until all nodes say so.
    ///
    /// # Errors
    /// When they are not soon.
    pub fn bury(&self) -> Result<()> {
        self.bitcoind.mine(DEEP)?;
        self.wait_for_height()?;
        self.wait_for_rest(SOON)
    }

    /// Waits until all nodes have seen the newest block.
    ///
    /// # Errors
    /// When they have not soon.
    pub fn wait_for_height(&self) -> Result<()> {
        let height = self.bitcoind.height()?;
        for node in &self.nodes {
            wait::until(&format!("{} to see block {height}", node.name()), SOON, || {
                Ok((node.ask(&["getinfo"])?["block_height"] == height).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Waits until all channels are ready and connected and nothing is in flight.
    ///
    /// # Errors
    /// When that takes longer than `limit`.
    pub fn wait_for_rest(&self, limit: Duration) -> Result<()> {
        let nodes = self.clis();
        let rest =
            wait::until("all channels to rest", limit, || Ok(accounts::at_rest(&nodes)?.then_some(())));
        rest.with_context(|| nodes.iter().map(|node| restless(node)).collect::<Vec<_>>().join("\n"))
    }

    /// The command lines of all nodes.
    #[must_use]
    pub fn clis(&self) -> Vec<&Cli> {
        self.nodes.iter().map(|node| &**node).collect()
    }
}

/// What of a node does not rest.
fn restless(node: &Cli) -> String {
    let sides = accounts::sides(node);
    let payments = node.payments().map(|payments| {
        payments.into_iter().filter(|payment| payment["state"] == "pending").collect::<Vec<_>>()
    });
    format!("{}: {sides:?}, under way: {payments:?}", node.data_dir().display())
}
