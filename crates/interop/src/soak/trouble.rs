//! Those who make trouble: processes are killed and started again, wires are cut, and what the processes use is looked at.

use super::Plan;
use crate::daemon::Daemon;
use crate::process::Usage;
use crate::wire::Wire;
use anyhow::{Context as _, Result};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::time::{Duration, Instant};

/// Pauses between two kills, and between two cuts: as long as these, at random.
const KILL_EVERY: core::ops::Range<u64> = 2_000..16_000;
const CUT_EVERY: core::ops::Range<u64> = 300..4_000;

/// How long a process stays dead.
const DEAD_FOR: core::ops::Range<u64> = 0..300;

/// A wire is cut when so many bytes more have passed: in the middle of some message.
const CUT_AFTER: core::ops::Range<u32> = 1..20_000;

/// How often is looked at what the processes use.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What happened to one node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fate {
    /// How often it was killed.
    pub kills: u32,
    /// Most memory at a time, in bytes.
    pub resident: u64,
    /// Most open files at a time.
    pub descriptors: usize,
    /// CPU time of all its processes, as far as it was seen, in seconds.
    pub cpu_secs: f64,
}

/// What happened to each node.
pub(super) type Fates = Vec<Fate>;

/// Makes trouble until the payers are done.
///
/// # Errors
/// When a node ends by itself, or does not come up again.
pub(super) fn make(
    nodes: &mut [Daemon],
    wires: &[Wire],
    plan: &Plan,
    is_over: impl Fn() -> bool,
) -> Result<Fates> {
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut fates = vec![Fate::default(); nodes.len()];
    let mut seen = vec![0.0; nodes.len()];
    let soon = |random: &mut ChaCha8Rng, range: core::ops::Range<u64>| {
        Instant::now() + Duration::from_millis(random.gen_range(range))
    };
    let (mut kill_at, mut cut_at) = (soon(&mut random, KILL_EVERY), soon(&mut random, CUT_EVERY));
    while !is_over() {
        std::thread::sleep(LOOK_EVERY);
        for (at, node) in nodes.iter().enumerate() {
            seen[at] = look(node, &mut fates[at])?;
        }
        if Instant::now() > cut_at {
            wires[random.gen_range(0..wires.len())].cut_after(random.gen_range(CUT_AFTER));
            cut_at = soon(&mut random, CUT_EVERY);
        }
        if Instant::now() > kill_at {
            let victim = random.gen_range(0..nodes.len());
            // Mostly in the middle of payments; now and then while it still comes up.
            if random.gen_range(0..8) != 0 {
                nodes[victim].wait_until_up()?;
            }
            nodes[victim].kill().context("a node that was to be killed")?;
            fates[victim].kills += 1;
            fates[victim].cpu_secs += std::mem::take(&mut seen[victim]);
            std::thread::sleep(Duration::from_millis(random.gen_range(DEAD_FOR)));
            nodes[victim].spawn()?;
            kill_at = soon(&mut random, KILL_EVERY);
        }
    }
    nodes.iter_mut().try_for_each(Daemon::wait_until_up)?;
    for (fate, seen) in fates.iter_mut().zip(seen) {
        fate.cpu_secs += seen;
    }
    Ok(fates)
}

/// Looks at what a process uses; its CPU time is returned.
fn look(node: &Daemon, fate: &mut Fate) -> Result<f64> {
    let Usage { cpu_secs, resident, descriptors } =
        node.process()?.usage().with_context(|| format!("{} has ended by itself", node.name()))?;
    fate.resident = fate.resident.max(resident);
    fate.descriptors = fate.descriptors.max(descriptors);
    Ok(cpu_secs)
}
