//! A load of payments: so many under way at a time, for so long or so many.

use crate::account::{Account, Unpaid};
use crate::cli::Cli;
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// Invoices that are made at a time, at least: a payer that waits for one is no load.
const MIN_INVOICE_MAKERS: usize = 8;

/// Pause before a payment that was refused is tried again, and for how long it is.
const REFUSED_PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// What is paid, and how.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Of each payment.
    pub amount_msat: u64,
    /// Payments under way at a time.
    pub in_flight: usize,
    /// Until when new ones are begun.
    pub until: Until,
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this time.
    Time(Duration),
    /// After so many payments.
    Payments(u64),
}

impl Load {
    /// How many callers make its invoices.
    #[must_use]
    pub fn makers(&self) -> usize {
        self.in_flight.max(MIN_INVOICE_MAKERS)
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How long each payment took that was paid, from the call to its answer; sorted.
    pub latencies: Vec<Duration>,
    /// Payments that were refused at once and tried again, by times.
    pub refusals: u64,
    /// Payments that were not paid.
    pub failures: u64,
    /// Why one of them was not.
    pub reason: Option<String>,
    /// From the first call to the last answer.
    pub elapsed: Duration,
}

impl Outcome {
    /// Payments that were paid, a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.count() / self.elapsed.as_secs_f64()
    }

    /// Payments that were paid.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^52 payments")]
    pub fn count(&self) -> f64 {
        self.latencies.len() as f64
    }

    /// The latency that `percent` in a hundred payments did not exceed.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let at = self.latencies.len().saturating_sub(1) * percent / 100;
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// What the tasks of a load share.
struct Shared {
    load: Load,
    begin: Instant,
    /// Payments begun so far.
    begun: AtomicU64,
    /// The payers have ended: makers of invoices shall.
    over: AtomicBool,
    invoices: Mutex<mpsc::Receiver<String>>,
}

impl Shared {
    /// Whether one more payment is to be begun; it counts as begun then.
    fn another(&self) -> bool {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        match self.load.until {
            Until::Time(time) => self.begin.elapsed() < time,
            Until::Payments(count) => begun < count,
        }
    }
}

/// Makes the payments from one `astrape` to another.
///
/// # Errors
/// When a node cannot be reached, or refuses an invoice.
pub async fn run(payer: &Cli, payee: &Cli, load: Load) -> Result<Outcome> {
    let payers = Account::of(payer, load.in_flight).await?;
    let payees = Account::of(payee, load.makers()).await?;
    run_between(payers, payees, load).await
}

/// Makes the payments: one task for each account of the payer, and one for each of the payee, which makes invoices a little
/// ahead of the payers.
///
/// # Errors
/// When a node cannot be reached, or refuses an invoice.
pub async fn run_between(payers: Vec<Account>, payees: Vec<Account>, load: Load) -> Result<Outcome> {
    let (made, invoices) = mpsc::channel(load.makers());
    let shared = Arc::new(Shared {
        load,
        begin: Instant::now(),
        begun: AtomicU64::new(0),
        over: AtomicBool::new(false),
        invoices: Mutex::new(invoices),
    });
    let mut makers = JoinSet::new();
    for account in payees {
        makers.spawn(make_invoices(Arc::clone(&shared), account, made.clone()));
    }
    drop(made);
    let mut workers = JoinSet::new();
    for account in payers {
        workers.spawn(pay(Arc::clone(&shared), account));
    }
    let mut all = Outcome::default();
    while let Some(one) = workers.join_next().await {
        let one = one?;
        all.latencies.extend(one.latencies);
        all.refusals += one.refusals;
        all.failures += one.failures;
        all.reason = all.reason.or(one.reason);
    }
    all.elapsed = shared.begin.elapsed();
    shared.over.store(true, Ordering::Relaxed);
    shared.invoices.lock().await.close();
    while let Some(maker) = makers.join_next().await {
        maker??;
    }
    all.latencies.sort_unstable();
    Ok(all)
}

async fn make_invoices(shared: Arc<Shared>, mut account: Account, made: mpsc::Sender<String>) -> Result<()> {
    while !shared.over.load(Ordering::Relaxed) {
        let invoice = account.invoice(shared.load.amount_msat).await?;
        if made.send(invoice).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn pay(shared: Arc<Shared>, mut account: Account) -> Outcome {
    let mut outcome = Outcome::default();
    while shared.another() {
        let next = shared.invoices.lock().await.recv().await;
        let Some(invoice) = next else { break };
        let begin = Instant::now();
        match pay_one(&mut account, &invoice, &mut outcome.refusals).await {
            Ok(()) => outcome.latencies.push(begin.elapsed()),
            Err(reason) => {
                outcome.failures += 1;
                outcome.reason = Some(reason);
            }
        }
    }
    outcome
}

/// Pays an invoice; why not, if not. A payment that is refused is tried again: the slot of an HTLC is free a little later
/// than the payer is told that it is paid, so that a load of all slots finds none for a moment.
async fn pay_one(account: &mut Account, invoice: &str, refusals: &mut u64) -> Result<(), String> {
    let begin = Instant::now();
    loop {
        match account.pay(invoice).await {
            Ok(()) => return Ok(()),
            Err(Unpaid::Refused(_)) if begin.elapsed() < PATIENCE => {
                *refusals += 1;
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
            Err(Unpaid::Refused(reason) | Unpaid::Failed(reason)) => return Err(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_latencies() {
        let latencies: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        let outcome = Outcome { latencies, elapsed: Duration::from_secs(2), ..Outcome::default() };
        assert_eq!(outcome.percentile(50), Duration::from_millis(50));
        assert_eq!(outcome.percentile(99), Duration::from_millis(99));
        assert!((outcome.per_second() - 50.0).abs() < 1e-9);
        assert_eq!(Outcome::default().percentile(99), Duration::ZERO);
    }
}
