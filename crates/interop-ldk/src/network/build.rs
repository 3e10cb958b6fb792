//! The nodes and the channels between them.

use super::Plan;
use super::member::Member;
use crate::ldk::{Hears, Kind, Ldk};
use anyhow::{Context as _, Result, ensure};
use astrape_interop::accounts::text;
use astrape_interop::line::DEEP;
use astrape_interop::{Bitcoind, Daemon, wait};
use astrape_routing::synthetic::Dice;
use bitcoin::Amount;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long all may take to see a block, or a channel to be ready.
const SOON: Duration = Duration::from_secs(120);

/// What channels hold, in satoshi.
const CAPACITY_SAT: std::ops::Range<u64> = 400_000..4_000_000;

/// What a coin has beyond the channel that it pays for: the fee, and something for the anchors' reserve.
const SPARE_SAT: u64 = 100_000;

/// Each so many-th node is made of LDK, until there are enough.
const LDK_EACH: usize = 3;

/// A channel of the plan.
pub(super) struct Opening {
    /// Who opens it, and with whom.
    pub(super) ends: [usize; 2],
    capacity_sat: u64,
    push_sat: u64,
}

/// A network.
pub(super) struct Net {
    bitcoind: Arc<Bitcoind>,
    pub(super) members: Vec<Member>,
    /// Who has which id.
    pub(super) by_id: BTreeMap<String, usize>,
    /// The channels by id, with their ends.
    pub(super) channels: BTreeMap<String, [usize; 2]>,
}

impl Net {
    /// Starts the nodes, opens the channels, and waits until all know all.
    pub(super) fn build(plan: &Plan, dice: &mut Dice) -> Result<Option<Self>> {
        ensure!(plan.nodes >= 3 && plan.channels + 1 >= plan.nodes, "{plan:?} is no network");
        let Some(bitcoind) = Bitcoind::start()? else { return Ok(None) };
        let bitcoind = Arc::new(bitcoind);
        let members = members(plan, &bitcoind)?;
        let openings = openings(plan, &members, dice);
        let ids = members.iter().map(Member::id).collect::<Result<Vec<_>>>()?;
        let by_id = ids.iter().cloned().zip(0..).collect();
        let mut net = Self { bitcoind, members, by_id, channels: BTreeMap::new() };
        net.fund(&openings)?;
        for opening in &openings {
            let id = net.open(opening, &ids)?;
            net.channels.insert(id, opening.ends);
        }
        ensure!(net.channels.len() == openings.len(), "two channels have one id");
        // One more: below seven blocks LDK names its public channels in invoices too, by aliases, and a payer counts them twice.
        net.bitcoind.mine(DEEP + 1)?;
        net.wait_for_height()?;
        net.wait_for_gossip()?;
        Ok(Some(net))
    }

    /// Gives each that opens channels a coin for each of them, and those that others open to one for the close.
    fn fund(&self, openings: &[Opening]) -> Result<()> {
        let mut coins: BTreeMap<String, f64> = BTreeMap::new();
        for opening in openings {
            for (end, amount_sat) in
                opening.ends.into_iter().zip([opening.capacity_sat + SPARE_SAT, SPARE_SAT])
            {
                if let Member::Ours { daemon, .. } = &self.members[end] {
                    let address = daemon.ask_for(&["newaddr"], "address")?;
                    coins.insert(address, Amount::from_sat(amount_sat).to_btc());
                }
            }
        }
        self.bitcoind.call::<Value>("sendmany", json!(["", coins]))?;
        self.bitcoind.mine(1)?;
        self.wait_for_height()
    }

    /// Opens a channel, and returns its id once its funding is on its way.
    fn open(&self, opening: &Opening, ids: &[String]) -> Result<String> {
        let Opening { ends: [from, to], capacity_sat, push_sat } = opening;
        let before = self.bitcoind.mempool()?.len();
        let id = match (&self.members[*from], &self.members[*to]) {
            (Member::Ours { daemon, .. }, peer) => {
                let at = match peer {
                    Member::Ours { daemon: peer, .. } => format!("{}@{}", ids[*to], peer.peer_socket()),
                    Member::Theirs { node, .. } => {
                        node.connect(ids[*from].parse()?, daemon.peer_socket())?;
                        ids[*to].clone()
                    }
                };
                let (amount, push) = (format!("{capacity_sat}sat"), format!("{push_sat}sat"));
                text(&daemon.ask(&["open", &at, &amount, "--push", &push])?, "channel_id")?
            }
            (Member::Theirs { node, .. }, Member::Ours { daemon, .. }) => {
                let peer = ids[*to].parse()?;
                node.connect(peer, daemon.peer_socket())?;
                node.open(peer, *capacity_sat, push_sat * 1_000)?
            }
            (Member::Theirs { .. }, Member::Theirs { .. }) => anyhow::bail!("LDK nodes do not listen here"),
        };
        wait::until("a funding in the mempool", SOON, || {
            Ok((self.bitcoind.mempool()?.len() > before).then_some(()))
        })?;
        Ok(id)
    }

    fn wait_for_height(&self) -> Result<()> {
        let height = self.bitcoind.height()?;
        for member in &self.members {
            wait::until(&format!("{} to see block {height}", member.name()), SOON, || {
                Ok(match member {
                    Member::Ours { daemon, .. } => daemon.ask(&["getinfo"])?["block_height"] == height,
                    Member::Theirs { node, .. } => node.height() >= height,
                }
                .then_some(()))
            })?;
        }
        Ok(())
    }

    /// Waits until each knows all channels with the terms of both ends.
    fn wait_for_gossip(&self) -> Result<()> {
        let all = (self.channels.len(), 2 * self.channels.len());
        for member in &self.members {
            let mut known = (0, 0);
            let waited = wait::until("gossip to reach all", SOON, || {
                known = match member {
                    Member::Ours { daemon, .. } => {
                        let graph = daemon.ask(&["graph"])?;
                        let count = |field: &str| graph[field].as_u64().and_then(|n| usize::try_from(n).ok());
                        count("channels").zip(count("updates")).context("no numbers")?
                    }
                    Member::Theirs { node, .. } => node.known(),
                };
                Ok((known == all).then_some(()))
            });
            waited.with_context(|| format!("{} knows {known:?} of {all:?}", member.name()))?;
        }
        Ok(())
    }
}

/// Starts all nodes, those of LDK among the others.
fn members(plan: &Plan, bitcoind: &Arc<Bitcoind>) -> Result<Vec<Member>> {
    let is_ldk = |at: usize| at % LDK_EACH == LDK_EACH - 1 && at / LDK_EACH < plan.ldk;
    let mut daemons = BTreeMap::new();
    for at in (0..plan.nodes).filter(|at| !is_ldk(*at)) {
        let mut daemon = Daemon::new(&format!("A{at}"), bitcoind, &[])?;
        daemon.spawn()?;
        daemons.insert(at, daemon);
    }
    let member = |at: usize| match daemons.remove(&at) {
        Some(mut daemon) => {
            daemon.wait_until_up()?;
            Member::ours(daemon)
        }
        None => {
            let name = format!("L{at}");
            let node = Ldk::start_in_network(&name, bitcoind, Kind::Anchors, Hears::Gossip)?;
            Ok(Member::Theirs { name, node: Box::new(node) })
        }
    };
    (0..plan.nodes).map(member).collect()
}

/// Channels at random: first one from each node to an earlier one, so that all are reached, then others.
fn openings(plan: &Plan, members: &[Member], dice: &mut Dice) -> Vec<Opening> {
    let mut pairs: BTreeSet<[usize; 2]> = BTreeSet::new();
    let mut openings = Vec::new();
    while openings.len() < plan.channels {
        let late = openings.len() + 1;
        let (one, bound) =
            if late < members.len() { (late, late) } else { (below(dice, members.len()), members.len()) };
        let other = below(dice, bound);
        // LDK nodes do not listen, so they have no channels among themselves.
        let is_possible = one != other && (members[one].is_ours() || members[other].is_ours());
        if !is_possible || !pairs.insert([one.min(other), one.max(other)]) {
            continue;
        }
        let capacity_sat = CAPACITY_SAT.start + dice.below(CAPACITY_SAT.end - CAPACITY_SAT.start);
        let push_sat = capacity_sat / 10 + dice.below(capacity_sat * 8 / 10);
        let ends = if dice.below(2) == 0 { [one, other] } else { [other, one] };
        openings.push(Opening { ends, capacity_sat, push_sat });
    }
    openings
}

fn below(dice: &mut Dice, bound: usize) -> usize {
    usize::try_from(dice.below(bound as u64)).expect("below a number of nodes")
}
