//! A load of payments by the API: so many under way at a time, for so long.

use crate::cli::Cli;
use anyhow::{Context as _, Result};
use astrape_api::v1::{CreateInvoiceRequest, PayRequest, PaymentState};
use astrape_api::{Client, connect};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tonic::Code;

/// Calls that share a connection: servers allow some hundred at most.
const CALLS_PER_CONNECTION: usize = 64;

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
    /// For how long new ones are begun.
    pub time: Duration,
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
    /// The payers have ended: makers of invoices shall.
    over: AtomicBool,
    invoices: Mutex<mpsc::Receiver<String>>,
}

/// Makes the payments. Invoices are made meanwhile, a little ahead of the payers.
///
/// # Errors
/// When a node cannot be reached, or refuses an invoice.
pub async fn run(payer: &Cli, payee: &Cli, load: Load) -> Result<Outcome> {
    let payers = clients(payer, load.in_flight).await?;
    let makers = load.in_flight.max(MIN_INVOICE_MAKERS);
    let payees = clients(payee, makers).await?;
    let (made, invoices) = mpsc::channel(makers);
    let shared = Arc::new(Shared {
        load,
        begin: Instant::now(),
        over: AtomicBool::new(false),
        invoices: Mutex::new(invoices),
    });
    let mut makers = JoinSet::new();
    for client in payees {
        makers.spawn(make_invoices(Arc::clone(&shared), client, made.clone()));
    }
    drop(made);
    let mut workers = JoinSet::new();
    for client in payers {
        workers.spawn(pay(Arc::clone(&shared), client));
    }
    let mut all = Outcome::default();
    while let Some(one) = workers.join_next().await {
        let one = one??;
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

/// `count` clients over few connections.
async fn clients(node: &Cli, count: usize) -> Result<Vec<Client>> {
    let address = std::fs::read_to_string(node.data_dir().join("api.addr")).context("does the node run?")?;
    let mut clients: Vec<Client> = Vec::with_capacity(count);
    while clients.len() < count {
        let client = connect(node.data_dir(), address.trim()).await?;
        let more = (count - clients.len()).min(CALLS_PER_CONNECTION);
        clients.extend(std::iter::repeat_n(client, more));
    }
    Ok(clients)
}

async fn make_invoices(shared: Arc<Shared>, mut client: Client, made: mpsc::Sender<String>) -> Result<()> {
    let request = CreateInvoiceRequest {
        amount_msat: Some(shared.load.amount_msat),
        description: "one of many".to_owned(),
        ..CreateInvoiceRequest::default()
    };
    while !shared.over.load(Ordering::Relaxed) {
        let invoice = client.create_invoice(request.clone()).await?.into_inner().invoice;
        if made.send(invoice).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn pay(shared: Arc<Shared>, mut client: Client) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    while shared.begin.elapsed() < shared.load.time {
        let next = shared.invoices.lock().await.recv().await;
        let Some(invoice) = next else { break };
        let begin = Instant::now();
        let failure = pay_one(&mut client, invoice, &mut outcome.refusals).await;
        match failure {
            None => outcome.latencies.push(begin.elapsed()),
            Some(reason) => {
                outcome.failures += 1;
                outcome.reason = Some(reason);
            }
        }
    }
    Ok(outcome)
}

/// Pays an invoice; why not, if not. A payment that is refused at once is tried again: the slot of an HTLC is free a little
/// later than the payer is told that it is paid, so that a load of all slots finds none for a moment.
async fn pay_one(client: &mut Client, invoice: String, refusals: &mut u64) -> Option<String> {
    let begin = Instant::now();
    loop {
        let request = PayRequest { invoice: invoice.clone(), ..PayRequest::default() };
        match client.pay(request).await {
            Ok(answer) => {
                let payment = answer.into_inner().payment.unwrap_or_default();
                let paid = payment.state() == PaymentState::Succeeded;
                return (!paid).then(|| payment.reason.unwrap_or_else(|| "no reason was told".to_owned()));
            }
            Err(status) if status.code() == Code::FailedPrecondition && begin.elapsed() < PATIENCE => {
                *refusals += 1;
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
            Err(status) => return Some(status.message().to_owned()),
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
