//! Three nodes pay each other while one, or any of them, is killed again and again.

use anyhow::{Context as _, Result, ensure};
use astrape_interop::accounts::{self, Flow, text};
use astrape_interop::line::{Opening, SOON};
use astrape_interop::{Cli, Daemon, Line, wait};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Who is killed, and what must have happened before a test is over.
struct Plan {
    /// Which nodes of the line.
    victims: &'static [usize],
    /// Payments that must have ended.
    payments: u32,
    /// Kills.
    kills: u32,
}

/// Payments under way at a time, each way.
const IN_FLIGHT: u32 = 4;

/// Of the payments, at least so many in a hundred must have been paid: a node that fails all of them also ends them.
const MIN_SETTLED_PERCENT: u64 = 50;

/// Kills at least that must have met HTLCs in flight: one that meets an idle node tells little. On a slow machine that takes more
/// of them.
const MIN_KILLS_IN_FLIGHT: u32 = 10;

/// How long the nodes have to end what is under way when the kills are over.
const TO_END: Duration = Duration::from_secs(120);

/// How the commands `pay` ended.
#[derive(Debug, Default)]
struct Tally {
    paid: AtomicU32,
    failed: AtomicU32,
    /// The payer died meanwhile, or was dead.
    cut: AtomicU32,
    /// Refused at once: there was no way, since the middle node was down. These are no payments.
    refused: AtomicU32,
    /// Kills of the middle node.
    kills: AtomicU32,
    /// Kills after which a payer's channel held HTLCs.
    kills_in_flight: AtomicU32,
}

impl Tally {
    fn ended(&self) -> u32 {
        [&self.paid, &self.failed].into_iter().map(|count| self.count(count)).sum()
    }

    fn count(&self, counter: &AtomicU32) -> u32 {
        counter.load(Ordering::Relaxed)
    }
}

#[test]
fn no_millisatoshi_is_lost_when_the_middle_node_is_killed_fifty_times_during_five_hundred_payments()
-> Result<()> {
    play(&Plan { victims: &[1], payments: 500, kills: 50 })
}

#[test]
fn no_millisatoshi_is_lost_when_payer_middle_and_payee_are_killed_in_turn() -> Result<()> {
    play(&Plan { victims: &[0, 1, 2], payments: 150, kills: 30 })
}

fn play(plan: &Plan) -> Result<()> {
    let seed = seed()?;
    let begin = Instant::now();
    let Some(mut line) = Line::open(3, Opening::HALVES, &[])? else { return Ok(()) };
    line.fund_closes(&line.nodes[2])?;
    let channels = accounts::both_sides_agree(&line.clis())?;
    ensure!(channels.len() == 2, "{channels:?}");
    let before = accounts::shares(&line.clis())?;
    let opened = begin.elapsed();

    let tally = Tally::default();
    pay_and_kill(&mut line.nodes, plan, &tally, seed)?;
    let paid = begin.elapsed() - opened;
    line.wait_for_rest(TO_END)?;
    println!(
        "seed {seed}: {} payments in {:.0} s: {tally:?}; at rest {:.0} s later",
        tally.ended(),
        paid.as_secs_f32(),
        (begin.elapsed() - opened - paid).as_secs_f32()
    );

    ensure!(accounts::both_sides_agree(&line.clis())? == channels, "other channels than before");
    let [there, back] = flows(&line)?;
    println!("paid A→C {there:?}, C→A {back:?}");
    let [a, b, c] = &line.nodes[..] else { anyhow::bail!("three nodes were started") };
    accounts::settles(&[a, b, c], &before, there, back)?;
    holds_what_was_told(&tally, plan, there, back)?;
    for node in &line.nodes {
        let info = node.ask(&["getinfo"])?;
        ensure!(info["alarms"].as_array().is_some_and(Vec::is_empty), "{info}");
        ensure!(node.complaints()?.is_empty(), "{}: {:#?}", node.name(), node.complaints());
    }
    close_both(&line)?;
    println!("all in {:.0} s", begin.elapsed().as_secs_f32());
    Ok(())
}

/// What the commands told is what the lists tell, and enough happened to mean something.
fn holds_what_was_told(tally: &Tally, plan: &Plan, there: Flow, back: Flow) -> Result<()> {
    let (settled, failed) = (there.settled + back.settled, there.failed + back.failed);
    let (paid, cut) = (tally.count(&tally.paid), tally.count(&tally.cut));
    // Of those whose payer died while the command waited, only the lists can tell.
    let told = u64::from(paid)..=u64::from(paid + cut);
    ensure!(told.contains(&settled), "{paid} times `pay` said that it is paid, {settled} times `payments`");
    ensure!(settled + failed >= plan.payments.into(), "only {settled} and {failed} payments ended");
    ensure!(tally.count(&tally.kills) >= plan.kills, "{tally:?}");
    ensure!(
        tally.count(&tally.kills_in_flight) >= MIN_KILLS_IN_FLIGHT,
        "the kills met idle nodes: {tally:?}"
    );
    ensure!(
        settled * 100 >= (settled + failed) * MIN_SETTLED_PERCENT,
        "only {settled} of {failed} were paid"
    );
    ensure!(there.settled > 0 && back.settled > 0, "one way nothing was paid");
    Ok(())
}

/// Payments run both ways between the ends while nodes die and come back.
fn pay_and_kill(nodes: &mut [Daemon], plan: &Plan, tally: &Tally, seed: u64) -> Result<()> {
    let enough = AtomicBool::new(false);
    let trouble: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    let (a, c) = (nodes[0].cli(), nodes[2].cli());
    std::thread::scope(|scope| {
        for worker in 0..IN_FLIGHT * 2 {
            let (payer, payee) = if worker % 2 == 0 { (&a, &c) } else { (&c, &a) };
            let (enough, trouble) = (&enough, &trouble);
            let mut random = ChaCha8Rng::seed_from_u64(seed ^ (u64::from(worker + 1) << 32));
            scope.spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    if let Err(error) = pay_one(payer, payee, &mut random, tally) {
                        trouble.lock().expect("nobody panics holding it").get_or_insert(error);
                        enough.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
        let killed = kill_until_enough(nodes, plan, tally, &enough, seed);
        enough.store(true, Ordering::Relaxed);
        killed
    })?;
    match trouble.into_inner().expect("nobody panics holding it") {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn pay_one(payer: &Cli, payee: &Cli, random: &mut ChaCha8Rng, tally: &Tally) -> Result<()> {
    // Dust and not, and now and then more than the second channel can carry, so that the middle node has to fail it.
    let amount_msat: u64 = match random.gen_range(0..20) {
        0..3 => random.gen_range(1..300_000),
        3..5 => random.gen_range(4_990_000_000..5_000_000_000),
        _ => random.gen_range(1_000_000..60_000_000),
    };
    let made = payee.command(&["invoice", &format!("{amount_msat}msat"), "one of many"])?;
    if matches!(made.code, 3 | 5) {
        // It was dead, or it died under the command: an invoice that nobody has heard of is none.
        std::thread::sleep(Duration::from_millis(50));
        return Ok(());
    }
    let invoice = text(&made.json()?, "invoice")?;
    let answer = payer.command(&["pay", &invoice, "--max-fee", "10k"])?;
    let count = match answer.code {
        0 => &tally.paid,
        4 => &tally.failed,
        // It was dead, or it died under the payment.
        3 | 5 => {
            std::thread::sleep(Duration::from_millis(50));
            &tally.cut
        }
        1 => {
            std::thread::sleep(Duration::from_millis(50));
            &tally.refused
        }
        _ => anyhow::bail!("`pay` ended with {answer:?}"),
    };
    count.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

fn kill_until_enough(
    nodes: &mut [Daemon],
    plan: &Plan,
    tally: &Tally,
    enough: &AtomicBool,
    seed: u64,
) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let goes_on = || {
        tally.count(&tally.kills) < plan.kills
            || tally.count(&tally.kills_in_flight) < MIN_KILLS_IN_FLIGHT
            || tally.ended() < plan.payments
    };
    while goes_on() && !enough.load(Ordering::Relaxed) {
        let victim = plan.victims[random.gen_range(0..plan.victims.len())];
        // Mostly in the middle of payments; now and then while it still comes up.
        if random.gen_range(0..8) != 0 {
            nodes[victim].wait_until_up()?;
        }
        std::thread::sleep(Duration::from_millis(random.gen_range(0..1_500)));
        nodes[victim].kill().with_context(|| format!("so far {tally:?}"))?;
        tally.kills.fetch_add(1, Ordering::Relaxed);
        for (at, node) in nodes.iter().enumerate() {
            if at != victim && holds_htlcs(node).unwrap_or(false) {
                tally.kills_in_flight.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(random.gen_range(0..200)));
        nodes[victim].spawn()?;
    }
    nodes.iter_mut().try_for_each(Daemon::wait_until_up)
}

fn holds_htlcs(node: &Cli) -> Result<bool> {
    Ok(accounts::sides(node)?.values().any(|side| side.htlcs > 0))
}

fn flows(line: &Line) -> Result<[Flow; 2]> {
    let (a, c) = (&line.nodes[0], &line.nodes[2]);
    Ok([accounts::flow(a, c)?, accounts::flow(c, a)?])
}

/// Closes all channels together with the peer; what reaches the wallets is what both sides said.
fn close_both(line: &Line) -> Result<()> {
    let before: Vec<u64> = line.nodes.iter().map(|node| accounts::on_chain(node)).collect::<Result<_>>()?;
    let mut due = before.clone();
    for (at, closer) in [(0, 0), (1, 2)] {
        // Each node opened the channel to the next one, and pays for its close.
        let ids: Vec<String> = accounts::sides(&line.nodes[at])?.into_keys().collect();
        let theirs = accounts::sides(&line.nodes[at + 1])?;
        let id = ids.iter().find(|id| theirs.contains_key(*id)).context("neighbours have a channel")?;
        let sides = [accounts::sides(&line.nodes[at])?[id].clone(), theirs[id].clone()];
        let closing = line.nodes[closer].ask(&["close", id])?;
        let txid = wait::until("the closing transaction", SOON, || {
            let channels = line.nodes[closer].channels()?;
            let told = channels.iter().find(|channel| channel["channel_id"] == *id);
            let told = told.and_then(|channel| channel["closing_txid"].as_str().map(str::to_owned));
            Ok(told.or(text(&closing, "closing_txid").ok()))
        })?;
        line.bitcoind.wait_for(&txid)?;
        let fee = line.bitcoind.fee_of(&txid)?;
        // The fee holds what is below a satoshi on both sides; the opener's share paid the rest of it.
        let capacity = sides[0].capacity_sat;
        let farther = sides[1].local_msat / 1_000;
        due[at] += capacity - farther - fee;
        due[at + 1] += farther;
    }
    line.bitcoind.mine(6)?;
    line.wait_for_height()?;
    for ((node, due), before) in line.nodes.iter().zip(&due).zip(&before) {
        wait::until(&format!("{} to own {due} sat on chain, it had {before}", node.name()), SOON, || {
            Ok((accounts::on_chain(node)? == *due).then_some(()))
        })?;
    }
    Ok(())
}

fn seed() -> Result<u64> {
    let seed = match std::env::var("ASTRAPE_SEED") {
        Ok(seed) => seed.parse().context("ASTRAPE_SEED is no number")?,
        Err(_) => rand::random(),
    };
    println!("seed {seed}: ASTRAPE_SEED repeats its choices, though not the moments of other processes");
    Ok(seed)
}
