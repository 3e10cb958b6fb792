//! Those who pay: each asks for an invoice, pays it, and remembers what it was told.

use super::{MIN_ENDED, Plan};
use crate::cli::Cli;
use anyhow::{Context as _, Result, bail};
use astrape_api::v1::{CreateInvoiceRequest, GetInfoRequest, PayRequest, PaymentState};
use astrape_api::{Client, connect};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tonic::Code;

/// Pause after a node could not be reached or had no way.
const PAUSE: Duration = Duration::from_millis(40);

/// What a payer was told of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Paid,
    Failed,
    /// Its node died before it answered.
    Unknown,
}

/// What all payers were told, by payer and hash.
#[derive(Debug, Default)]
pub(super) struct Answers(BTreeMap<String, BTreeMap<String, Ended>>);

impl Answers {
    pub(super) fn of<'a>(&'a self, payer: &str) -> impl Iterator<Item = (&'a String, Ended)> {
        self.0.get(payer).into_iter().flatten().map(|(hash, ended)| (hash, *ended))
    }

    pub(super) fn unknown(&self) -> usize {
        self.0.values().flat_map(BTreeMap::values).filter(|ended| **ended == Ended::Unknown).count()
    }
}

/// When all is over: after some time, and once enough payments have ended.
#[derive(Debug)]
struct End {
    begin: Instant,
    time: Duration,
    ended: AtomicU64,
}

impl End {
    fn is_there(&self) -> bool {
        self.begin.elapsed() >= self.time && self.ended.load(Ordering::Relaxed) >= MIN_ENDED
    }
}

/// Pays both ways until the time is over and enough has been paid.
///
/// # Errors
/// When a node answers what no node should.
pub(super) async fn run(a: Cli, c: Cli, plan: Plan) -> Result<Answers> {
    let end = Arc::new(End { begin: Instant::now(), time: plan.time, ended: AtomicU64::new(0) });
    let mut tasks = JoinSet::new();
    for number in 0..plan.in_flight * 2 {
        let (payer, payee) = if number % 2 == 0 { (&a, &c) } else { (&c, &a) };
        let random = ChaCha8Rng::seed_from_u64(plan.seed ^ (number as u64 + 1) << 32);
        let end = Arc::clone(&end);
        let task = Payer { payer: payer.clone(), payee: payee.clone(), random, end, told: BTreeMap::new() };
        tasks.spawn(task.run());
    }
    let mut answers = Answers::default();
    while let Some(told) = tasks.join_next().await {
        let (payer, told) = told??;
        answers.0.entry(payer).or_default().extend(told);
    }
    Ok(answers)
}

struct Payer {
    payer: Cli,
    payee: Cli,
    random: ChaCha8Rng,
    end: Arc<End>,
    told: BTreeMap<String, Ended>,
}

impl Payer {
    async fn run(mut self) -> Result<(String, BTreeMap<String, Ended>)> {
        let mut id = None;
        while !self.end.is_there() {
            let both =
                async { Ok::<_, anyhow::Error>((reach(&self.payer).await?, reach(&self.payee).await?)) };
            let Ok((mut payer, mut payee)) = both.await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            if id.is_none() {
                id = payer.get_info(GetInfoRequest {}).await.ok().map(|info| info.into_inner().node_id);
            }
            // Until one of the two dies.
            while !self.end.is_there() && self.pay_one(&mut payer, &mut payee).await? {}
        }
        Ok((id.context("the payer was never up")?, self.told))
    }

    /// One payment; whether both nodes can still be reached.
    async fn pay_one(&mut self, payer: &mut Client, payee: &mut Client) -> Result<bool> {
        // Dust and not, and now and then more than the channels can carry, so that it has to fail.
        let amount_msat = match self.random.gen_range(0..40) {
            0..6 => self.random.gen_range(1..300_000),
            6 => self.random.gen_range(110_000_000_000..150_000_000_000),
            _ => self.random.gen_range(1_000_000..60_000_000),
        };
        let wanted = CreateInvoiceRequest {
            amount_msat: Some(amount_msat),
            description: "one of many".into(),
            ..Default::default()
        };
        let Ok(made) = payee.create_invoice(wanted).await else { return Ok(false) };
        let made = made.into_inner();
        let request =
            PayRequest { invoice: made.invoice, max_fee_msat: Some(1_000_000), ..PayRequest::default() };
        let ended = match payer.pay(request).await {
            Ok(answer) => match answer.into_inner().payment.unwrap_or_default().state() {
                PaymentState::Succeeded => Ended::Paid,
                PaymentState::Failed => Ended::Failed,
                other => bail!("`pay` ended with {other:?}"),
            },
            Err(status) => match status.code() {
                // There was no way at once, since a neighbour was down: this is no payment.
                Code::FailedPrecondition => {
                    tokio::time::sleep(PAUSE).await;
                    return Ok(true);
                }
                Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal => {
                    self.told.insert(made.payment_hash, Ended::Unknown);
                    return Ok(false);
                }
                _ => bail!("`pay` ended with {status}"),
            },
        };
        self.told.insert(made.payment_hash, ended);
        self.end.ended.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }
}

async fn reach(node: &Cli) -> Result<Client> {
    let address = std::fs::read_to_string(node.data_dir().join("api.addr"))?;
    Ok(connect(node.data_dir(), address.trim()).await?)
}
