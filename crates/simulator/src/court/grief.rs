//! Fee griefing: a thief contests, in mempools, what our claims spend, and makes it dear to replace what it put there.
//!
//! It pays with its own coins, by the rules that all nodes relay by: its transaction pays a little more than ours and takes
//! one input of our batch away from it (attack 16); sometimes a large child of the least feerate hangs on it, which whoever
//! replaces it must pay for too (attack 34). With anchors only: without them an HTLC transaction pays what both have signed.

use super::theft::{Kept, Loot, loot};
use crate::prototype::prototype;
use crate::totals::Seen;
use crate::world::World;
use astrape_transactions::CommitmentFormat;
use astrape_transactions::signing::{ClaimInput, ClaimRequest, Signer as _, Spend, WalletInput};
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use rand::Rng as _;

/// Outputs of the child that makes a contest dear to replace.
const PIN_OUTPUTS: usize = 80;

/// What each of them has, in satoshi: no dust.
const PIN_OUTPUT_SAT: u64 = 400;

/// What is left of the thief's coin at least.
const LEAST_CHANGE_SAT: u64 = 100_000;

/// Contests one output that a claim in the mempool spends. Whether there was one.
pub(super) fn contest(world: &mut World) -> bool {
    let Some((kept, mut loot)) = loot(world) else { return false };
    let is_ours = |tx: &Transaction| {
        tx.output.iter().any(|out| world.machines[kept.node].wallet.owns(&out.script_pubkey))
    };
    let claim = |one: &Loot| world.chain.spender_in_mempool(&one.htlc.outpoint());
    loot.retain(|one| claim(one).is_some_and(|claim| !is_ours(&claim)));
    if kept.request.terms.format != CommitmentFormat::Anchors || loot.is_empty() {
        return false;
    }
    let one = loot.swap_remove(world.rng.gen_range(0..loot.len()));
    let Some(claim) = claim(&one) else { return false };
    let Some(rival) = coin(world, kept.node).and_then(|coin| rival(world, &kept, &one, &claim, &coin)) else {
        return false;
    };
    if world.chain.submit(rival.clone()).is_err() {
        return false;
    }
    world.totals.court.saw(Seen::Contested);
    world.totals.court.saw_many(Seen::BatchContested, u64::from(claim.input.len() > 1));
    world.trace.say(|| format!("{} the thief contests {}", world.now.0, one.htlc.outpoint()));
    if world.rng.gen_bool(0.5)
        && let Some(child) = child(world, kept.node, &rival)
        && world.chain.submit(child).is_ok()
    {
        world.totals.court.saw(Seen::Pinned);
    }
    world.mempool_is_another();
    true
}

/// A confirmed coin of the thief.
fn coin(world: &World, node: usize) -> Option<WalletInput> {
    let coins = world.machines[node].wallet.coins(&world.chain, world.from);
    let is_confirmed = |outpoint: &OutPoint| world.chain.confirmations(&outpoint.txid) > 0;
    let coin = coins.into_iter().find(|c| is_confirmed(&c.outpoint) && c.amount.0 > 2 * LEAST_CHANGE_SAT)?;
    Some(WalletInput {
        outpoint: coin.outpoint,
        prevout: TxOut { value: coin.amount.into(), script_pubkey: coin.script_pubkey },
        keychain: coin.keychain,
        index: coin.index,
    })
}

/// The thief's HTLC transaction, with the coin for its fee: it replaces the claim.
fn rival(
    world: &World,
    kept: &Kept,
    one: &Loot,
    claim: &Transaction,
    coin: &WalletInput,
) -> Option<Transaction> {
    let (replaced, vsize) = world.chain.mempool_fee(&claim.compute_txid())?;
    let change = world.machines[kept.node].wallet.internal(0);
    let with_fee = |fee: u64| -> Option<Transaction> {
        let mut tx = one.htlc.tx().clone();
        tx.input.push(input(coin.outpoint));
        let value = coin.prevout.value.to_sat().checked_sub(fee).filter(|left| *left > LEAST_CHANGE_SAT)?;
        tx.output.push(output(value, change.clone()));
        let of_wallet = ClaimInput {
            prevout: coin.prevout.clone(),
            spend: Spend::Wallet { keychain: coin.keychain, index: coin.index },
        };
        sign(kept.node, tx, vec![one.input(kept), of_wallet])
    };
    let size = with_fee(0)?.vsize() as u64;
    // BIP 125: a better feerate than what it replaces, and more in all by the least increment.
    let by_rate = replaced.0 * size / vsize.max(1) + size / 50;
    with_fee(by_rate.max(replaced.0 + size) + 2)
}

/// A large transaction of the least feerate that spends its change.
fn child(world: &World, node: usize, rival: &Transaction) -> Option<Transaction> {
    let wallet = &world.machines[node].wallet;
    let vout = rival.output.iter().rposition(|out| wallet.owns(&out.script_pubkey))?;
    let prevout = rival.output.get(vout)?.clone();
    let outpoint = OutPoint { txid: rival.compute_txid(), vout: u32::try_from(vout).ok()? };
    let script = wallet.internal(0);
    let mut outputs = vec![output(PIN_OUTPUT_SAT, script.clone()); PIN_OUTPUTS];
    let spent = PIN_OUTPUTS as u64 * PIN_OUTPUT_SAT;
    // One satoshi a virtual byte, of which an output has 43 and the rest less than 200.
    let fee = 43 * (PIN_OUTPUTS as u64 + 1) + 200;
    outputs.push(output(prevout.value.to_sat().checked_sub(spent + fee)?, script));
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input(outpoint)],
        output: outputs,
    };
    let spend = Spend::Wallet { keychain: astrape_transactions::Keychain::Internal, index: 0 };
    sign(node, tx, vec![ClaimInput { prevout, spend }])
}

fn sign(node: usize, tx: Transaction, inputs: Vec<ClaimInput>) -> Option<Transaction> {
    prototype().signers[node].clone().sign_claim(&ClaimRequest { tx, inputs }).ok()
}

fn input(previous_output: OutPoint) -> TxIn {
    let sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;
    TxIn { previous_output, script_sig: ScriptBuf::new(), sequence, witness: Witness::new() }
}

fn output(sat: u64, script_pubkey: ScriptBuf) -> TxOut {
    TxOut { value: Amount::from_sat(sat), script_pubkey }
}
