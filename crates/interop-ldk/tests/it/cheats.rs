//! LDK broadcasts a state that it has revoked: all of it is Astrape's, to the last satoshi, also when Astrape was asleep while LDK
//! made HTLC transactions of it, and when Astrape is killed between blocks.

use anyhow::{Result, ensure};
use astrape_interop_ldk::trial::{CAPACITY_SAT, Nights, Trial, Who};
use astrape_interop_ldk::{Kind, Tree};

/// L to M: in the old state L can take it back by timeout.
const FORTH: u64 = 64_000;
/// M to L: in the old state L can take it with its preimage.
const BACK: u64 = 85_000;
/// L to M, after the old state: what L would win.
const SPENT_SINCE: u64 = 300_000;

// attack 1
#[test]
fn with_anchors_a_revoked_commitment_is_taken_whole_by_a_node_that_is_killed_between_blocks() -> Result<()> {
    awake(Kind::Anchors)
}

// attack 1
#[test]
fn with_static_remotekey_a_revoked_commitment_is_taken_whole_by_a_node_that_is_killed_between_blocks()
-> Result<()> {
    awake(Kind::StaticRemoteKey)
}

#[test]
fn with_anchors_revoked_htlc_transactions_are_taken_whole_by_a_node_that_was_asleep() -> Result<()> {
    asleep(Kind::Anchors)
}

#[test]
fn with_static_remotekey_revoked_htlc_transactions_are_taken_whole_by_a_node_that_was_asleep() -> Result<()> {
    asleep(Kind::StaticRemoteKey)
}

/// Opens the channels, has L keep a state with an HTLC each way of which it knows the preimage of one, and goes on until that
/// is long revoked.
fn begin(kind: Kind, nights: Nights) -> Result<Option<Trial>> {
    let Some(trial) = Trial::begin(kind, Who::Theirs, nights)? else { return Ok(None) };
    let (l, m) = (trial.l(), trial.m());
    let forth = trial.in_flight_exactly(l, m, FORTH)?;
    let back = trial.in_flight_exactly(m, l, BACK)?;
    l.claim_and_keep_state(back)?;
    trial.ended(m, &[(back, true)])?;
    m.claim(forth)?;
    trial.ended(l, &[(forth, true)])?;
    let since = trial.in_flight_exactly(l, m, SPENT_SINCE)?;
    m.claim(since)?;
    trial.ended(l, &[(since, true)])?;
    trial.stage.agree(0, 0, &trial.with_l)?;
    trial.stage.agree(1, 0, &trial.with_m)?;
    Ok(Some(trial))
}

fn awake(kind: Kind) -> Result<()> {
    let Some(mut trial) = begin(kind, Nights::Killed)? else { return Ok(()) };
    let eve = trial.eve()?;
    trial.l_cheats()?;
    let tree = trial.is_over()?;
    let fees = trial.all_is_ours(eve, &tree)?;
    trial.stage.agree(1, 0, &trial.with_m)?;
    println!("{kind:?}: taken for {fees} sat, with {} kills\n{}", trial.kills, tree.told());
    Ok(())
}

fn asleep(kind: Kind) -> Result<()> {
    let Some(mut trial) = begin(kind, Nights::Killed)? else { return Ok(()) };
    let eve = trial.eve()?;
    trial.l_cheats()?;
    // The commitment, the success of one HTLC, and the timeout of the other.
    trial.asleep_until(|tree| second_stages(tree) == 2)?;
    let tree = trial.is_over()?;
    ensure!(second_stages(&tree) == 2, "{}", tree.told());
    let fees = trial.all_is_ours(eve, &tree)?;
    // Blocks that came while it slept have refused it nothing: it pays for one of those to come.
    ensure!(fees < CAPACITY_SAT / 100, "{fees} sat of fees\n{}", tree.told());
    trial.stage.agree(1, 0, &trial.with_m)?;
    println!("{kind:?}: taken for {fees} sat after sleep, with {} kills\n{}", trial.kills, tree.told());
    Ok(())
}

/// HTLCs that HTLC transactions of L have taken.
fn second_stages(tree: &Tree) -> usize {
    let is_second = |output: &&bitcoin::TxOut| output.script_pubkey.is_p2wsh();
    tree.branches.iter().skip(1).map(|branch| branch.tx.output.iter().filter(is_second).count()).sum()
}
