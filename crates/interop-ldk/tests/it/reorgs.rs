//! The blocks of a forced close leave the chain, and others take their place.

use anyhow::{Context as _, Result, ensure};
use astrape_interop::line::SOON;
use astrape_interop::wait;
use astrape_interop_ldk::Kind;
use astrape_interop_ldk::trial::{Nights, Trial, Who};
use bitcoin::OutPoint;
use serde_json::{Value, json};

const CLAIMED_FORTH: u64 = 50_000;
const STUCK_BACK: u64 = 83_000;

/// Blocks that leave the chain: fewer than make a spend irrevocable.
const GONE: u32 = 4;

#[test]
fn with_anchors_a_forced_close_that_a_reorganisation_takes_away_is_made_again() -> Result<()> {
    reorganised(Kind::Anchors, Who::Ours)
}

#[test]
fn with_static_remotekey_a_forced_close_of_theirs_that_a_reorganisation_takes_away_is_resolved() -> Result<()>
{
    reorganised(Kind::StaticRemoteKey, Who::Theirs)
}

/// Whether something spends the commitment that is in a block.
fn has_claim(trial: &Trial) -> Result<bool> {
    let tree = trial.tree()?;
    let root = tree.root()?;
    if tree.branches.len() >= 2 {
        return Ok(true);
    }
    for (vout, _) in (0..).zip(&root.tx.output) {
        if trial.stage.spender(OutPoint { txid: root.txid, vout })?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn reorganised(kind: Kind, closer: Who) -> Result<()> {
    let Some(mut trial) = Trial::begin(kind, closer, Nights::Killed)? else { return Ok(()) };
    let claimed = trial.in_flight(trial.l(), trial.m(), CLAIMED_FORTH)?;
    let stuck = trial.in_flight(trial.m(), trial.l(), STUCK_BACK)?;
    let forth = CLAIMED_FORTH + 1 + CLAIMED_FORTH * 100 / 1_000_000;
    let due = trial.due(&[(forth, Who::Ours), (STUCK_BACK, Who::Ours)])?;
    trial.goes_on_chain(closer)?;
    trial.m().claim(claimed)?;
    trial.ended(trial.l(), &[])?;
    // The commitment and the claim of the HTLC are in blocks: and then they are not, and the mempool is empty.
    trial.block()?;
    wait::until("a claim in the mempool, or in the block", SOON, || Ok(has_claim(&trial)?.then_some(())))?;
    trial.blocks(GONE - 1)?;
    let before = trial.tree()?;
    ensure!(before.branches.len() >= 2, "the commitment and a claim: {}", before.told());
    let bitcoind = &trial.stage.bitcoind;
    let fork = bitcoind.height()? - GONE + 1;
    let hash: String = bitcoind.call("getblockhash", json!([fork]))?;
    bitcoind.call::<Value>("invalidateblock", json!([hash]))?;
    for _ in 0..=GONE {
        bitcoind.mine_empty()?;
    }
    trial.stage.wait_for_height()?;
    ensure!(trial.tree()?.branches.is_empty(), "the close is not in the new chain");
    let told = trial.story()?;
    ensure!(told["over"] == false && told["confirmations"] == 0, "{told}");
    ensure!(told["how"] == "no transaction is in a block yet", "{told}");
    wait::until("the commitment to wait again", SOON, || {
        Ok((!trial.stage.bitcoind.mempool()?.is_empty()).then_some(()))
    })
    .context("nobody brings it back")?;

    let tree = trial.is_over()?;
    trial.commitment_is_right(&due, &tree)?;
    let fees = trial.ours_is_right(&due, closer, &tree)?;
    trial.theirs_is_right(&due)?;
    trial.ended(trial.l(), &[(claimed, true)])?;
    trial.ended(trial.m(), &[(stuck, false)])?;
    println!("{kind:?}, closed by {closer:?}: {fees} sat of fees, {} kills\n{}", trial.kills, tree.told());
    Ok(())
}
