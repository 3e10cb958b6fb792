//! A whole network on a real bitcoind: `astrape run` as processes and LDK nodes, with announced channels at random between
//! them, of which all learn by gossip. Then anybody pays anybody, and an oracle who knows all balances says before each
//! payment whether it can arrive.
//!
//! `cargo xtask network --nodes 30 --payments 2000` plays it in a release build.
//! Payments are made one after the other, and the oracle looks when nothing is in flight: so it is exact.
//!
//! | room | what is in it |
//! |---|---|
//! | `member` | a node of either kind, to pay and to be paid |
//! | `build` | the nodes, the channels between them, and what all must know of these |
//! | `books` | what each can send to each; at the end, whether nothing was lost |
//! | `report` | what was seen, and whether it is enough |

mod books;
mod build;
mod member;
mod report;

use crate::seen::Ended;
use anyhow::{Result, ensure};
use astrape_interop::wait;
use astrape_routing::synthetic::Dice;
use books::{Books, Record};
use build::Net;
use std::time::{Duration, Instant};

pub use report::{Report, Tally};

/// How long a payment is tried: when its parts lie so that the rest finds no way, the recipient gives them back after a minute, and
/// it can begin anew with what it has learnt.
const PATIENCE: Duration = Duration::from_secs(150);

/// How long what a payment has left may take to be settled: a recipient holds parts for a minute.
const TO_REST: Duration = Duration::from_secs(180);

/// How large a network, and what is done in it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Nodes in all, three at least.
    pub nodes: usize,
    /// Of them those made of LDK.
    pub ldk: usize,
    /// Channels between them, at least one less than nodes.
    pub channels: usize,
    /// Payments.
    pub payments: u32,
    /// Of the network, and of who pays whom how much.
    pub seed: u64,
}

impl Plan {
    /// A network of so many nodes, a fifth of them made of LDK, with about two channels for each.
    #[must_use]
    pub const fn of(nodes: usize, payments: u32, seed: u64) -> Self {
        Self { nodes, ldk: nodes / 5, channels: nodes * 2, payments, seed }
    }
}

/// Plays it and checks all. `None` where tests beside a bitcoind are left out.
///
/// # Errors
/// What was lost or paid twice, and when too few arrived.
pub fn play(plan: &Plan) -> Result<Option<Report>> {
    let mut dice = Dice::new(plan.seed);
    let begin = Instant::now();
    let Some(net) = Net::build(plan, &mut dice)? else { return Ok(None) };
    let built = begin.elapsed();
    println!("{} nodes know all {} channels after {:.0} s", plan.nodes, plan.channels, built.as_secs_f32());
    let first = net.rest()?;
    let owned = net.owned()?;
    let mut report = Report::default();
    let (mut records, mut books) = (Vec::new(), first);
    while report.payments() < plan.payments {
        let Some(deal) = Deal::draw(&mut dice, &books, plan.nodes) else { continue };
        let record = net.pay(&deal, &mut report)?;
        let is_missed = !record.is_paid && deal.is_possible() && net.members[deal.payer].is_ours();
        records.push(record);
        books = net.rest()?;
        if is_missed {
            // The oracle is asked again: what is learnt on the way should be enough for a second try.
            let record = net.pay_again(&deal.as_of(&books), &mut report)?;
            records.extend(record);
            books = net.rest()?;
        }
        if report.payments().is_multiple_of(100) {
            println!("after {:.0} s: {report}", begin.elapsed().as_secs_f32());
        }
    }
    net.settles(&owned, &records)?;
    report.built = built;
    report.paying = begin.elapsed() - built;
    println!("{report}");
    Ok(Some(report))
}

/// What somebody is to pay somebody, and what the oracle says of it.
struct Deal {
    payer: usize,
    payee: usize,
    amount_msat: u64,
    /// The most that could arrive over all ways.
    flow_msat: u64,
    /// The most that could arrive over one.
    widest_msat: u64,
}

/// The smallest payment. Less than a satoshi is not passed on by all.
const LEAST_MSAT: u64 = 2_000;

impl Deal {
    /// Any two nodes. The amount is of any order of magnitude up to what can flow, and in a third of the cases of the last:
    /// there ways are hard to find, or several are needed, or there are none: few of those, since the parts of such a payment
    /// wait a minute at the recipient.
    fn draw(dice: &mut Dice, books: &Books, nodes: usize) -> Option<Self> {
        let mut node = || usize::try_from(dice.below(nodes as u64)).ok();
        let (payer, payee) = (node()?, node()?);
        let flow_msat = books.balances.max_flow(payer, payee);
        let widest_msat = books.balances.widest_way(payer, payee);
        if payer == payee || flow_msat < LEAST_MSAT {
            return None;
        }
        let most = flow_msat + flow_msat / 50;
        let most = if dice.below(3) == 0 { most } else { most >> dice.below(most.ilog2().into()) };
        let amount_msat = LEAST_MSAT + dice.below(most.max(1));
        Some(Self { payer, payee, amount_msat, flow_msat, widest_msat })
    }

    /// The same at a later moment.
    fn as_of(&self, books: &Books) -> Self {
        let flow_msat = books.balances.max_flow(self.payer, self.payee);
        let widest_msat = books.balances.widest_way(self.payer, self.payee);
        Self { flow_msat, widest_msat, ..*self }
    }

    /// More than all hops of all parts can ask for together.
    const fn fees_msat(&self) -> u64 {
        self.amount_msat / 200 + 200_000
    }

    /// Whether it can arrive: no doubt of fees is left.
    const fn is_possible(&self) -> bool {
        self.amount_msat + self.fees_msat() <= self.flow_msat
    }

    /// Whether it cannot, were all ways free.
    const fn is_impossible(&self) -> bool {
        self.amount_msat > self.flow_msat
    }
}

impl Net {
    /// Waits until nothing is in flight anywhere, and tells who can send how much to whom.
    fn rest(&self) -> Result<Books> {
        let begin = Instant::now();
        loop {
            let books = self.books()?;
            if books.rests {
                return Ok(books);
            }
            ensure!(begin.elapsed() < TO_REST, "something stays in flight: {:?}", books.restless);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn pay(&self, deal: &Deal, report: &mut Report) -> Result<Record> {
        let (record, took) = self.attempt(deal)?;
        let payer = &self.members[deal.payer];
        let tally = if payer.is_ours() { &mut report.ours } else { &mut report.theirs };
        tally.note(deal, record.is_paid, took);
        Ok(record)
    }

    /// A second try of what could have arrived and has not, if it still can.
    fn pay_again(&self, deal: &Deal, report: &mut Report) -> Result<Option<Record>> {
        if !deal.is_possible() {
            println!("after the first try {} msat could flow of {} msat", deal.flow_msat, deal.amount_msat);
            return Ok(None);
        }
        let (record, _) = self.attempt(deal)?;
        report.ours.arrived_later += u32::from(record.is_paid);
        Ok(Some(record))
    }

    /// Pays, and tells how long that took.
    fn attempt(&self, deal: &Deal) -> Result<(Record, Duration)> {
        let invoice = self.members[deal.payee].invoice(deal.amount_msat)?;
        let begin = Instant::now();
        let payer = &self.members[deal.payer];
        let ended = payer.pay(&invoice, deal.fees_msat(), PATIENCE)?;
        let took = begin.elapsed();
        if let Ended::Failed { reason } = &ended {
            if deal.is_possible() {
                println!(
                    "{} does not pay {} {} msat, of which {} could flow and {} by one way: {reason}",
                    payer.name(),
                    self.members[deal.payee].name(),
                    deal.amount_msat,
                    deal.flow_msat,
                    deal.widest_msat
                );
            }
        } else {
            ensure!(!deal.is_impossible(), "{} msat arrived where {} can", deal.amount_msat, deal.flow_msat);
        }
        let is_paid = matches!(ended, Ended::Paid { .. });
        Ok((Record { payee: deal.payee, hash: member::hash_of(&invoice)?, is_paid }, took))
    }
}

/// Runs what is to be done on all nodes at once.
fn all<T: Send + 'static>(
    of: impl Iterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    wait::block_on(async {
        let tasks: Vec<_> = of.map(tokio::spawn).collect();
        let mut done = Vec::with_capacity(tasks.len());
        for task in tasks {
            done.push(task.await??);
        }
        Ok(done)
    })
}
