//! Forced closes by either side with payments in flight both ways, some claimed on chain and some timed out: everybody has what
//! is due, to the satoshi, also when Astrape is killed between blocks.

use anyhow::{Result, ensure};
use astrape_interop_ldk::Kind;
use astrape_interop_ldk::trial::{Nights, Trial, Who};

/// L to M, and claimed by M when L's channel is on chain: ours, with the preimage.
const CLAIMED_FORTH: u64 = 50_000;
/// L to M, and never claimed: L's, by timeout.
const STUCK_FORTH: u64 = 61_000;
/// M to L, and claimed by L on chain: L's, with the preimage.
const CLAIMED_BACK: u64 = 72_000;
/// M to L, and never claimed: ours, by timeout.
const STUCK_BACK: u64 = 83_000;
/// M to L, too small for an output: lost to the miner, and failed to M when that is deep.
const DUST_BACK: u64 = 200;

#[test]
fn with_anchors_our_forced_close_pays_everybody_what_is_due() -> Result<()> {
    closed(Kind::Anchors, Who::Ours, Nights::Quiet)
}

#[test]
fn with_static_remotekey_our_forced_close_pays_everybody_what_is_due() -> Result<()> {
    closed(Kind::StaticRemoteKey, Who::Ours, Nights::Quiet)
}

#[test]
fn with_anchors_their_forced_close_pays_everybody_what_is_due() -> Result<()> {
    closed(Kind::Anchors, Who::Theirs, Nights::Quiet)
}

#[test]
fn with_static_remotekey_their_forced_close_pays_everybody_what_is_due() -> Result<()> {
    closed(Kind::StaticRemoteKey, Who::Theirs, Nights::Quiet)
}

#[test]
fn with_anchors_our_forced_close_is_resolved_by_a_node_that_is_killed_between_blocks() -> Result<()> {
    closed(Kind::Anchors, Who::Ours, Nights::Killed)
}

#[test]
fn with_static_remotekey_our_forced_close_is_resolved_by_a_node_that_is_killed_between_blocks() -> Result<()>
{
    closed(Kind::StaticRemoteKey, Who::Ours, Nights::Killed)
}

#[test]
fn with_anchors_their_forced_close_is_resolved_by_a_node_that_is_killed_between_blocks() -> Result<()> {
    closed(Kind::Anchors, Who::Theirs, Nights::Killed)
}

#[test]
fn with_static_remotekey_their_forced_close_is_resolved_by_a_node_that_is_killed_between_blocks() -> Result<()>
{
    closed(Kind::StaticRemoteKey, Who::Theirs, Nights::Killed)
}

/// The closer has opened the channel.
fn closed(kind: Kind, closer: Who, nights: Nights) -> Result<()> {
    let Some(mut trial) = Trial::begin(kind, closer, nights)? else { return Ok(()) };
    let with_m_before = trial.stage.agree(1, 0, &trial.with_m)?;
    let (l, m) = (trial.l(), trial.m());
    let claimed_forth = trial.in_flight(l, m, CLAIMED_FORTH)?;
    let stuck_forth = trial.in_flight(l, m, STUCK_FORTH)?;
    let claimed_back = trial.in_flight(m, l, CLAIMED_BACK)?;
    let stuck_back = trial.in_flight(m, l, STUCK_BACK)?;
    let dust_back = trial.in_flight(m, l, DUST_BACK)?;
    // What L gave for a payment forth has our fee in it.
    let forth = |sat: u64| sat + astrape_fee(sat);
    let due = trial.due(&[
        (forth(CLAIMED_FORTH), Who::Ours),
        (forth(STUCK_FORTH), Who::Theirs),
        (CLAIMED_BACK, Who::Theirs),
        (STUCK_BACK, Who::Ours),
    ])?;
    trial.goes_on_chain(closer)?;
    trial.blocks(2)?;
    trial.l().claim(claimed_back)?;
    trial.m().claim(claimed_forth)?;

    let tree = trial.is_over()?;
    trial.commitment_is_right(&due, &tree)?;
    let fees = trial.ours_is_right(&due, closer, &tree)?;
    trial.theirs_is_right(&due)?;
    let tree = trial.tree()?;
    trial.ended(trial.l(), &[(claimed_forth, true), (stuck_forth, false)])?;
    let paid = trial.ended(trial.m(), &[(claimed_back, true), (stuck_back, false), (dust_back, false)])?;
    let after = trial.stage.agree(1, 0, &trial.with_m)?;
    let expected = with_m_before.1 + CLAIMED_FORTH * 1_000 - CLAIMED_BACK * 1_000 - paid;
    ensure!(after.1 == expected, "M should have {expected}, and has {after:?}");
    trial.l().is_well()?;
    trial.m().is_well()?;
    println!(
        "{kind:?}, closed by {closer:?}: {} transactions, {fees} sat of fees are ours, {} kills\n{}",
        tree.branches.len(),
        trial.kills,
        tree.told()
    );
    Ok(())
}

/// What Astrape asks for passing on an amount by default, in satoshi: 1,000 msat and 100 millionths.
fn astrape_fee(amount_sat: u64) -> u64 {
    1 + amount_sat * 100 / 1_000_000
}
