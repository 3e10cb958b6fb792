//! The connection breaks in the middle of everything; ours is killed between and during payments. All payments end, no
//! millisatoshi is lost, no channel is closed.

use crate::common::{paid, paid_by};
use anyhow::{Result, ensure};
use astrape_interop::accounts::payments;
use astrape_interop::wire::Wire;
use astrape_interop_ldk::stage::{TO_END, side};
use astrape_interop_ldk::{Ended, Kind, Stage};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

const CAPACITY_SAT: u64 = 5_000_000;
const PUSH_SAT: u64 = 2_500_000;

/// Payments each way in a burst while the wire is cut.
const BURST: usize = 100;

/// Of each burst, at least so many must have been paid each way: to fail all is to end them, too.
const MIN_PAID: usize = 10;

/// Between two cuts a payment must arrive, if one does within this time: a slow machine would be cut more often than it can pay.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Cuts that must have hit: bursts follow one another until they have.
const MIN_CUTS: u32 = 10;

/// No more bursts than these: a wire that they do not get cut is not being cut.
const MAX_BURSTS: usize = 20;

/// Kills of our process.
const KILLS: u32 = 5;

/// Feerates that theirs goes through meanwhile, in satoshi per 1000 weight units, where it opened the channel.
const FEERATES: [u32; 4] = [1_700, 800, 2_400, 1_000];

/// Who opened the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opener {
    Ours,
    Theirs,
}

#[test]
fn with_anchors_all_payments_end_while_the_wire_is_cut_again_and_again() -> Result<()> {
    cut(Kind::Anchors, Opener::Ours, 11)
}

#[test]
fn with_static_remotekey_all_payments_end_while_the_wire_is_cut_again_and_again() -> Result<()> {
    cut(Kind::StaticRemoteKey, Opener::Ours, 12)
}

#[test]
fn with_anchors_all_payments_end_while_the_wire_is_cut_and_theirs_changes_the_feerate() -> Result<()> {
    cut(Kind::Anchors, Opener::Theirs, 13)
}

#[test]
fn with_static_remotekey_all_payments_end_while_the_wire_is_cut_and_theirs_changes_the_feerate() -> Result<()>
{
    cut(Kind::StaticRemoteKey, Opener::Theirs, 14)
}

#[test]
fn with_anchors_ours_is_killed_between_payments_and_goes_on() -> Result<()> {
    killed(Kind::Anchors)
}

#[test]
fn with_static_remotekey_ours_is_killed_between_payments_and_goes_on() -> Result<()> {
    killed(Kind::StaticRemoteKey)
}

/// Another seed than the usual ones, for who looks for more.
fn seed_or(usual: u64) -> Result<u64> {
    std::env::var("ASTRAPE_SEED").map_or(Ok(usual), |text| Ok(text.parse::<u64>()? + usual))
}

fn cut(kind: Kind, opener: Opener, seed: u64) -> Result<()> {
    let seed = seed_or(seed)?;
    let Some(stage) = Stage::start(1, 1, kind, &[CAPACITY_SAT + 200_000])? else { return Ok(()) };
    let (_, wire) = stage.connect_by_wire(0, 0)?;
    let channel = match opener {
        Opener::Ours => stage.astrape_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?,
        Opener::Theirs => stage.ldk_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?,
    };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut sent, mut got, mut bursts) = (0, 0, 0);
    while wire.cuts() < MIN_CUTS {
        ensure!(bursts < MAX_BURSTS, "only {} cuts in {bursts} bursts", wire.cuts());
        bursts += 1;
        let before = stage.agree(0, 0, &channel)?;
        let burst = Burst::of(&stage, &mut random)?;
        let (forth, back) = burst.pay_under_cuts(&stage, &wire, opener, &mut random)?;
        let after = stage.agree(0, 0, &channel)?;
        ensure!(after.0 + forth == before.0 + back, "{before:?} - {forth} + {back}: {after:?}");
        (sent, got) = (sent + forth, got + back);
    }
    println!("{kind:?}, opened by {opener:?}, seed {seed}: {} cuts in {bursts} bursts", wire.cuts());
    let (ours, theirs) = (&stage.astrape[0], &stage.ldk[0]);
    let seen = theirs.seen();
    ensure!(seen.twice.is_empty() && seen.claimed.values().sum::<u64>() == sent, "{sent}: {seen:?}");
    let received: u64 = payments(ours, "received")?.values().map(|payment| payment.amount_msat).sum();
    ensure!(received == got, "ours says it received {received}, theirs that it sent {got}");
    stage.closes((0, 0, &channel), |stage| stage.ldk[0].close(&channel))?;
    Ok(())
}

/// The same amounts each way, at once.
struct Burst {
    amounts: Vec<u64>,
    to_theirs: Vec<String>,
    to_ours: Vec<String>,
}

impl Burst {
    fn of(stage: &Stage, random: &mut ChaCha8Rng) -> Result<Self> {
        let (ours, theirs) = (&stage.astrape[0], &stage.ldk[0]);
        let amounts: Vec<u64> = (0..BURST).map(|_| random.gen_range(1_000..5_000_000)).collect();
        let to_theirs = amounts.iter().map(|&msat| Ok(theirs.invoice(msat)?.to_string()));
        let to_ours = amounts.iter().map(|msat| ours.invoice(&format!("{msat}msat"), "cut"));
        Ok(Self {
            to_theirs: to_theirs.collect::<Result<_>>()?,
            to_ours: to_ours.collect::<Result<_>>()?,
            amounts,
        })
    }

    /// Pays all while the wire is cut again and again. Returns what was paid forth and back, in millisatoshi.
    fn pay_under_cuts(
        &self,
        stage: &Stage,
        wire: &Wire,
        opener: Opener,
        random: &mut ChaCha8Rng,
    ) -> Result<(u64, u64)> {
        let (ours, theirs) = (&stage.astrape[0], &stage.ldk[0]);
        let (over, paid) = (AtomicBool::new(false), AtomicUsize::new(0));
        let note = |is_paid: bool| {
            paid.fetch_add(usize::from(is_paid), Ordering::SeqCst);
            is_paid
        };
        let ended = thread::scope(|scope| -> Result<_> {
            let cutter = scope.spawn(|| {
                let mut feerates = FEERATES.iter().cycle();
                while !over.load(Ordering::SeqCst) {
                    if let (Opener::Theirs, Some(per_kw)) = (opener, feerates.next()) {
                        theirs.set_feerate(*per_kw);
                    }
                    let before = paid.load(Ordering::SeqCst);
                    wire.cut_after(random.gen_range(1..8_000));
                    thread::sleep(Duration::from_millis(random.gen_range(100..500)));
                    let paused = Instant::now();
                    let goes_on = || paid.load(Ordering::SeqCst) > before || over.load(Ordering::SeqCst);
                    while !goes_on() && paused.elapsed() < MAX_PAUSE {
                        thread::sleep(Duration::from_millis(10));
                    }
                }
            });
            // Four of ours at a time, each a command and so a process, and six of theirs.
            let ours_pay = side_by_side(scope, &self.to_theirs, 4, |invoice| end_of(ours, invoice).map(note));
            let theirs_pay =
                side_by_side(scope, &self.to_ours, 6, |invoice| patiently(theirs, invoice).map(note));
            let ended = (all(ours_pay), all(theirs_pay));
            over.store(true, Ordering::SeqCst);
            cutter.join().map_err(|_| anyhow::anyhow!("the cutter panicked"))?;
            Ok([ended.0?, ended.1?])
        })?;
        wire.cut_after(u32::MAX);
        let counts = ended.each_ref().map(|ended| ended.iter().filter(|paid| **paid).count());
        println!("paid {counts:?} of {BURST} each way");
        ensure!(counts.iter().all(|&count| count >= MIN_PAID), "only {counts:?} were paid");
        let [forth, back] = ended.map(|ended| {
            self.amounts.iter().zip(ended).filter(|(_, paid)| *paid).map(|(msat, _)| msat).sum()
        });
        Ok((forth, back))
    }
}

/// Pays invoices in so many threads, and leaves their order to [`all`].
fn side_by_side<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    invoices: &'env [String],
    threads: usize,
    pay: impl Fn(&str) -> Result<bool> + Copy + Send + 'env,
) -> Vec<ScopedJoinHandle<'scope, Result<Vec<bool>>>> {
    let parts = invoices.chunks(invoices.len().div_ceil(threads));
    parts.map(|part| scope.spawn(move || part.iter().map(|invoice| pay(invoice)).collect())).collect()
}

/// How all of them ended, in the order of the invoices.
fn all(payers: Vec<ScopedJoinHandle<'_, Result<Vec<bool>>>>) -> Result<Vec<bool>> {
    let mut ended = Vec::new();
    for payer in payers {
        ended.extend(payer.join().map_err(|_| anyhow::anyhow!("a payer panicked"))??);
    }
    Ok(ended)
}

/// Pays with ours, again while there is no way, and returns whether it was paid.
fn end_of(ours: &astrape_interop::Cli, invoice: &str) -> Result<bool> {
    let begun = Instant::now();
    loop {
        let answer = ours.command(&["pay", invoice])?;
        match answer.code {
            0 => return Ok(true),
            4 => return Ok(false),
            // Refused at once: the peer is away just now.
            1 if begun.elapsed() < TO_END => thread::sleep(Duration::from_millis(100)),
            _ => anyhow::bail!("{answer:?}"),
        }
    }
}

/// Pays with theirs, and returns whether it was paid.
fn patiently(theirs: &astrape_interop_ldk::Ldk, invoice: &str) -> Result<bool> {
    let begun = Instant::now();
    loop {
        match theirs.pay(invoice) {
            Ok(Ended::Paid { .. }) => return Ok(true),
            Ok(Ended::Failed { reason }) if reason == "RouteNotFound" && begun.elapsed() < TO_END => {}
            Ok(Ended::Failed { .. }) => return Ok(false),
            Err(error) if format!("{error:#}").contains("RouteNotFound") && begun.elapsed() < TO_END => {}
            Err(error) => return Err(error),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn killed(kind: Kind) -> Result<()> {
    let Some(mut stage) = Stage::start(1, 1, kind, &[CAPACITY_SAT + 200_000])? else { return Ok(()) };
    stage.connect(0, 0)?;
    let channel = stage.ldk_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?;
    let mut expected = stage.agree(0, 0, &channel)?;
    for kill in 1..=u64::from(KILLS) {
        // Between payments.
        let (forth, back) = (kill * 1_111_111, kill * 777_777);
        paid(&stage.astrape[0], &stage.ldk[0].invoice(forth)?.to_string())?;
        paid_by(&stage.ldk[0], &stage.astrape[0].invoice(&format!("{back}msat"), "kill")?)?;
        expected = (expected.0 + back - forth, expected.1 + forth - back);
        stage.astrape[0].kill()?;
        stage.astrape[0].start()?;
        let told = stage.agree(0, 0, &channel)?;
        ensure!(told == expected, "kill {kill}: {expected:?} was right, {told:?} is told");
        // While some are under way.
        expected = kill_during_payments(&mut stage, &channel, expected, kill)?;
    }
    ensure!(side(&stage.astrape[0], &channel)?.state == "ready");
    stage.closes((0, 0, &channel), |stage| stage.astrape[0].ask(&["close", &channel]).map(drop))?;
    Ok(())
}

/// Kills ours while theirs pays it ten times at once, and ours pays once. Returns what both have then.
fn kill_during_payments(
    stage: &mut Stage,
    channel: &str,
    before: (u64, u64),
    seed: u64,
) -> Result<(u64, u64)> {
    const AT_ONCE: u64 = 10;
    let mut invoices = BTreeMap::new();
    for number in 1..=AT_ONCE {
        let amount = number * 100_000 + seed;
        invoices.insert(stage.astrape[0].invoice(&format!("{amount}msat"), "kill")?, amount);
    }
    let forth = 2_000_000;
    let (cli, invoice) = (stage.astrape[0].cli(), stage.ldk[0].invoice(forth)?);
    let (hash, text) = (astrape_interop_ldk::ldk::hash_of(&invoice), invoice.to_string());
    // It dies with the node that it asks.
    let payer = thread::spawn(move || cli.command(&["pay", &text]));
    let begun: Vec<([u8; 32], u64)> = invoices
        .iter()
        .map(|(invoice, amount)| Ok((stage.ldk[0].begin_to_pay(invoice)?, *amount)))
        .collect::<Result<_>>()?;
    thread::sleep(Duration::from_millis(seed * 40));
    stage.astrape[0].kill()?;
    payer.join().map_err(|_| anyhow::anyhow!("the payer panicked"))??;
    stage.astrape[0].start()?;
    let mut back = 0;
    for (hash, amount) in begun {
        if matches!(stage.ldk[0].end_of(hash)?, Ended::Paid { .. }) {
            back += amount;
        }
    }
    let told = stage.agree(0, 0, channel)?;
    let claimed = stage.ldk[0].seen().claimed.get(&hash).copied().unwrap_or(0);
    let expected = (before.0 + back - claimed, before.1 + claimed - back);
    ensure!(told == expected, "{before:?} + {back} - {claimed}: {told:?}");
    let sent = payments(&stage.astrape[0], "sent")?;
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let state = sent.get(&hash).map(|payment| payment.state.as_str());
    ensure!((state == Some("succeeded")) == (claimed > 0), "{state:?}, {claimed}");
    Ok(told)
}
