//! The nodes that are measured: a row of ours, or of others, behind one face.

use anyhow::{Context as _, Result, bail};
use astrape_interop::account::Account;
use astrape_interop::accounts::{self, number};
use astrape_interop::bitcoind::Bitcoind;
use astrape_interop::ldk_node::LdkNode;
use astrape_interop::line::{Line, Opening, SOON};
use astrape_interop::load::Load;
use astrape_interop::process::Usage;
use astrape_interop::{LdkLine, wait};
use std::fs;
use std::path::Path;

/// What a channel of ours holds: so much that it does not run dry.
const CAPACITY_SAT: u64 = 500_000_000;

/// What one of ldk-node holds: it accepts no larger one.
const LDK_CAPACITY_SAT: u64 = 16_000_000;

/// ldk-node lets no more than 50 HTLCs into a channel, and that cannot be changed: several channels make up for it.
const LDK_CHANNELS: u32 = 5;

/// A row of nodes.
pub(crate) enum Nodes {
    /// Ours, one channel between neighbours.
    Astrape(Line),
    /// ldk-nodes, [`LDK_CHANNELS`] between neighbours.
    LdkNode(LdkLine),
}

/// What all nodes have used so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) usage: Usage,
    /// Bytes in all data directories.
    pub(crate) disk: u64,
    /// Numbers of the commitments of all sides of all channels; none of others.
    pub(crate) commitments: u64,
    /// Signatures of commitments and their HTLCs; none of others.
    pub(crate) signatures: u64,
}

impl Nodes {
    /// Our nodes with a channel between neighbours, beside a bitcoind of their own.
    pub(crate) fn ours(count: usize) -> Result<Line> {
        let opening = Opening { amount_sat: CAPACITY_SAT, push_sat: CAPACITY_SAT / 10, ..Opening::HALVES };
        let line = Line::open(count, opening, &["--log-level", "warn"])?;
        let Some(line) = line else { bail!("a benchmark needs a bitcoind") };
        Ok(line)
    }

    /// As many ldk-nodes beside a bitcoind, if their program was named.
    pub(crate) fn ldk(count: usize, bitcoind: &Bitcoind) -> Result<Option<Self>> {
        let Some(exe) = LdkNode::executable() else { return Ok(None) };
        let (amount_sat, push_sat) = (LDK_CAPACITY_SAT, LDK_CAPACITY_SAT / 10);
        let opening = Opening { amount_sat, push_sat, count: LDK_CHANNELS, private: false };
        Ok(Some(Self::LdkNode(LdkLine::open(&exe, bitcoind, count, opening)?)))
    }

    /// The program.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Astrape(_) => "Astrape",
            Self::LdkNode(_) => "ldk-node",
        }
    }

    /// Makes the payee the payer and the payer the payee.
    pub(crate) fn turn(&mut self) {
        match self {
            Self::Astrape(line) => line.nodes.reverse(),
            Self::LdkNode(line) => line.nodes.reverse(),
        }
    }

    /// Callers of payer and payee for a load.
    pub(crate) fn accounts(&self, load: &Load) -> Result<(Vec<Account>, Vec<Account>)> {
        match self {
            Self::Astrape(line) => {
                let (payer, payee) = line.nodes.first().zip(line.nodes.last()).context("no ends")?;
                wait::block_on(async {
                    Ok((Account::of(payer, load.in_flight).await?, Account::of(payee, load.makers()).await?))
                })
            }
            Self::LdkNode(line) => {
                let (payer, payee) = line.nodes.first().zip(line.nodes.last()).context("no ends")?;
                let callers = |node: &LdkNode, count| vec![Account::LdkNode(node.desk()); count];
                Ok((callers(payer, load.in_flight), callers(payee, load.makers())))
            }
        }
    }

    /// Waits until no HTLC is in flight, so that the next figure does not pay for what the last left under way. Others do
    /// not tell.
    pub(crate) fn wait_for_rest(&self) -> Result<()> {
        let Self::Astrape(line) = self else { return Ok(()) };
        wait::until("all channels to rest", SOON, || {
            for node in line.clis() {
                if accounts::sides(node)?.values().any(|side| side.htlcs > 0) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }

    pub(crate) fn totals(&self) -> Result<Totals> {
        let mut sum = Totals::default();
        match self {
            Self::Astrape(line) => {
                for node in &line.nodes {
                    sum.add(node.process()?.usage()?, node.data_dir())?;
                    sum.signatures += number(&node.ask(&["getinfo"])?, "commitment_signatures")?;
                    for channel in node.channels()? {
                        sum.commitments += number(&channel, "commitment_number")?;
                    }
                }
            }
            Self::LdkNode(line) => {
                for node in &line.nodes {
                    sum.add(node.usage()?, &node.data_dir())?;
                }
            }
        }
        Ok(sum)
    }
}

impl Totals {
    fn add(&mut self, usage: Usage, directory: &Path) -> Result<()> {
        self.usage.cpu_secs += usage.cpu_secs;
        self.usage.resident += usage.resident;
        self.usage.descriptors += usage.descriptors;
        self.disk += bytes_in(directory)?;
        Ok(())
    }
}

fn bytes_in(directory: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let about = entry?.metadata()?;
        sum += if about.is_file() { about.len() } else { 0 };
    }
    Ok(sum)
}
