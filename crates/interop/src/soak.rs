//! Payments at full speed both ways among three processes, while sockets are cut in the middle of messages and every one of the
//! processes is killed again and again. Then the accounts are compared to the millisatoshi.
//!
//! `cargo xtask soak` plays it for long in a release build, and `tests/it/soak.rs` for a short while.

mod payers;
mod report;
mod trouble;

use crate::accounts::{self, Flow, Told};
use crate::line::{Line, Opening};
use crate::wire::Wire;
use crate::{Cli, Daemon, wait};
use anyhow::{Context as _, Result, bail, ensure};
use payers::{Answers, Ended};
use std::time::{Duration, Instant};

pub use report::{Report, Used};

/// What each channel holds, half of it on either side: so much that payments both ways do not run it dry.
const CAPACITY_SAT: u64 = 200_000_000;

/// How long the nodes have to end what is under way when the trouble is over.
const TO_END: Duration = Duration::from_secs(120);

/// Memory of one node at any time: a node of two channels uses a third of it.
pub const MAX_RESIDENT: u64 = 128 << 20;

/// Open files and sockets of one node at any time: database, bitcoind, two peers, and the API's connections.
pub const MAX_DESCRIPTORS: usize = 96;

/// What the databases of all three nodes grow by for one payment, at most. An invoice of some hundred bytes, its payment on two
/// sides and the forward are kept for good, in tables with their indices.
pub const MAX_BYTES_PER_PAYMENT: u64 = 4_096;

/// Payments that must end, however long they take: what the databases grow by is no measure for few.
const MIN_ENDED: u64 = 500;

/// Of the payments that ended, at least so many in a hundred must have been paid: a node that fails all also ends them.
const MIN_SETTLED_PERCENT: u64 = 50;

/// How long, and how rough.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// For how long payments are begun, and longer where few have ended by then.
    pub time: Duration,
    /// Payments under way at a time, each way.
    pub in_flight: usize,
    /// Of the choices who is killed or cut, when, and how much is paid.
    pub seed: u64,
}

/// Plays it and checks all. `None` where tests beside a bitcoind are left out.
///
/// # Errors
/// What was lost, paid twice, closed, or used beyond its bound.
pub fn play(plan: &Plan) -> Result<Option<Report>> {
    let Some(mut stage) = Stage::open()? else { return Ok(None) };
    let disk = stage.weigh()?;
    let before = stage.books()?;
    let begin = Instant::now();
    let (answers, fates) = {
        let nodes = &mut stage.line.nodes;
        let (a, c) = (nodes[0].cli(), nodes[2].cli());
        let payers = std::thread::spawn({
            let plan = *plan;
            move || wait::block_on(payers::run(a, c, plan))
        });
        let fates = trouble::make(nodes, &stage.wires, plan, || payers.is_finished());
        let answers = payers.join().map_err(|_| anyhow::anyhow!("the payers panicked"))??;
        (answers, fates?)
    };
    let paying = begin.elapsed();
    stage.wait_for_rest()?;
    let grown = stage.weigh()?.saturating_sub(disk);
    let report = stage.judge(&before, &answers, fates, grown, paying)?;
    Ok(Some(report))
}

/// Three nodes in a row, with wires between them that can be cut.
struct Stage {
    line: Line,
    wires: Vec<Wire>,
}

/// What must not change, or only by what was paid.
struct Books {
    channels: Vec<String>,
    shares: Vec<u64>,
}

impl Stage {
    fn open() -> Result<Option<Self>> {
        let Some(line) = Line::start(3, &["--log-level", "warn"])? else { return Ok(None) };
        let opening =
            Opening { amount_sat: CAPACITY_SAT, push_sat: CAPACITY_SAT / 2, count: 1, private: false };
        let mut wires = Vec::new();
        for (from, to) in line.nodes.iter().zip(line.nodes.iter().skip(1)) {
            line.bitcoind.fund(&from.ask_for(&["newaddr"], "address")?, CAPACITY_SAT + 1_000_000)?;
            line.wait_for_height()?;
            let wire = Wire::to(to.peer_socket())?;
            line.open_channel_at(from, &format!("{}@{}", to.id()?, wire.address()), opening)?;
            wires.push(wire);
        }
        line.fund_closes(&line.nodes[2])?;
        line.bury()?;
        Ok(Some(Self { line, wires }))
    }

    fn books(&self) -> Result<Books> {
        let nodes = self.line.clis();
        let channels = accounts::both_sides_agree(&nodes)?;
        ensure!(channels.len() == 2, "{channels:?}");
        Ok(Books { channels, shares: accounts::shares(&nodes)? })
    }

    /// What lies on the disks of all nodes. They are stopped for it: a database that is open has a part of itself in its log, which
    /// is written over, and so tells nothing of what it holds.
    fn weigh(&mut self) -> Result<u64> {
        self.line.nodes.iter_mut().try_for_each(|node| node.stop().map(drop))?;
        let disk = report::disk(&self.line)?;
        self.line.nodes.iter_mut().try_for_each(Daemon::start)?;
        self.wait_for_rest()?;
        Ok(disk)
    }

    /// Waits until nothing is under way. The lists are long by now: only their first page is asked for, where all that is under
    /// way stands.
    fn wait_for_rest(&self) -> Result<()> {
        let rests = |node: &Cli| -> Result<bool> {
            let rests = |side: &accounts::Side| side.htlcs == 0 && side.connected && side.state == "ready";
            let first = node.ask(&["payments", "--limit", "1"])?["payments"].clone();
            let pending = first.as_array().context("no list of payments")?;
            Ok(accounts::sides(node)?.values().all(rests)
                && !pending.iter().any(|payment| payment["state"] == "pending"))
        };
        wait::until("all channels to rest", TO_END, || {
            for node in self.line.clis() {
                if !rests(node)? {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .with_context(|| {
            self.line.clis().iter().map(|n| format!("{:?}\n", accounts::sides(n))).collect::<String>()
        })
    }

    fn judge(
        &self,
        before: &Books,
        answers: &Answers,
        fates: trouble::Fates,
        grown: u64,
        paying: Duration,
    ) -> Result<Report> {
        let [a, b, c] = &self.line.nodes[..] else { bail!("three nodes were started") };
        let channels = accounts::both_sides_agree(&self.line.clis())?;
        ensure!(channels == before.channels, "a channel was closed: {:?}, {channels:?}", before.channels);
        let (there, back) = (accounts::flow(a, c)?, accounts::flow(c, a)?);
        accounts::settles(&[a, b, c], &before.shares, there, back)?;
        for payer in [a, c] {
            as_told(answers, &accounts::payments(payer, "sent")?, payer)?;
        }
        for node in &self.line.nodes {
            let info = node.ask(&["getinfo"])?;
            ensure!(info["alarms"].as_array().is_some_and(Vec::is_empty), "{info}");
            ensure!(node.complaints()?.is_empty(), "{}: {:#?}", node.name(), node.complaints());
        }
        let cuts = self.wires.iter().map(Wire::cuts).sum();
        let report = Report { there, back, cuts, grown, paying, fates, unknown: answers.unknown() };
        println!("{report}");
        report.is_within_bounds()?;
        Ok(report)
    }
}

/// Each payment has ended once, and as its payer was told.
fn as_told(answers: &Answers, sent: &std::collections::BTreeMap<String, Told>, payer: &Cli) -> Result<()> {
    let id = payer.ask_for(&["getinfo"], "node_id")?;
    for (hash, ended) in answers.of(&id) {
        let listed = sent.get(hash).map(|told| told.state.as_str());
        let agrees = match ended {
            Ended::Paid => listed == Some("succeeded"),
            Ended::Failed => listed == Some("failed"),
            // The payer died before it answered: it may have begun or not, and has ended if it did.
            Ended::Unknown => matches!(listed, None | Some("succeeded" | "failed")),
        };
        ensure!(agrees, "payment {hash}: the payer was told {ended:?}, the list says {listed:?}");
    }
    Ok(())
}
