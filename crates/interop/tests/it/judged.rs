//! The worlds of the simulator that end before the court, judged by a real bitcoind: it takes every block, also those that
//! others replace, and relays what is in them.

use anyhow::{Context as _, Result, bail, ensure};
use astrape_chain::RpcError;
use astrape_interop::Bitcoind;
use astrape_regtest::RegtestChain;
use astrape_simulator::{Totals, run_court_seed_for_its_chain};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{Block, BlockHash, Transaction, Txid};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The acts of chance before the end of the channels begins.
const ACTS: u32 = 40;

/// Worlds that are judged at least. Of those after them, up to the last, the ones are judged that show what none has shown before.
const LEAST_SEEDS: u64 = 24;
const LAST_SEED: u64 = 800;

/// What must happen in the worlds that are judged.
const MUST: [&str; 25] = [
    "forced closes",
    "closes with the previous",
    "spends by both",
    "spends by our commitment",
    "spends by theirs",
    "spends by a revoked one",
    "thefts of HTLCs by preimage",
    "thefts of several HTLCs",
    "penalties on delayed outputs",
    "penalties on HTLCs",
    "claims of delayed outputs",
    "claims of to_remote",
    "anchors spent",
    "HTLC-success",
    "HTLC-timeout",
    "claims by preimage",
    "claims by timeout",
    "claims contested",
    "claims cycled",
    "deep reorganisations",
    "closes undone",
    "withheld revocations",
    "invoices paid by two",
    "thefts in the guise of a close",
    "witnesses rewritten",
];

/// What makes bitcoind take a transaction instead of another, or one without a fee, in satoshi: nobody pays it.
const FAVOUR_SAT: u64 = 10_000_000;

/// What bitcoind was asked about.
#[derive(Debug, Default)]
struct Asked {
    blocks: u32,
    replaced: u32,
    relayed: u32,
    favoured: u32,
    for_blocks_alone: u32,
}

struct Judge<'a> {
    bitcoind: Bitcoind,
    asked: &'a mut Asked,
}

impl Judge<'_> {
    /// Goes through all that was ever the best block, from the genesis block on.
    fn judge(&mut self, chain: &RegtestChain) -> Result<()> {
        let genesis = chain.hash_at(astrape_primitives::Height(0)).context("no genesis block")?;
        let mut tip: BlockHash = self.bitcoind.call("getbestblockhash", json!([]))?;
        ensure!(tip == genesis, "another genesis block: {tip}");
        for block in chain.blocks_as_made() {
            if block.header.prev_blockhash != tip {
                self.go_back_to(block.header.prev_blockhash)?;
                self.asked.replaced += 1;
            }
            let mut unrelayed: BTreeSet<Txid> = BTreeSet::new();
            for tx in block.txdata.iter().skip(1) {
                let is_child = tx.input.iter().any(|i| unrelayed.contains(&i.previous_output.txid));
                if is_child || !self.relay(tx).with_context(|| format!("{tx:#?}"))? {
                    unrelayed.insert(tx.compute_txid());
                }
            }
            tip = self.connect(block)?;
        }
        ensure!(tip == chain.tip().hash, "it ends at {tip}, ours at {:?}", chain.tip());
        Ok(())
    }

    /// What stands on a block goes.
    fn go_back_to(&self, hash: BlockHash) -> Result<()> {
        let header: Value = self.bitcoind.call("getblockheader", json!([hash]))?;
        let height = header["height"].as_u64().context("no height")?;
        let above: String = self.bitcoind.call("getblockhash", json!([height + 1]))?;
        self.bitcoind.call::<Value>("invalidateblock", json!([above]))?;
        let best: BlockHash = self.bitcoind.call("getbestblockhash", json!([]))?;
        ensure!(best == hash, "{best} is the best, not {hash}");
        Ok(())
    }

    /// A transaction of the next block goes through the mempool. Whether that takes it.
    fn relay(&mut self, tx: &Transaction) -> Result<bool> {
        let raw = serialize_hex(tx);
        let send = || self.bitcoind.try_call::<String>("sendrawtransaction", json!([raw, 0]));
        match send() {
            Ok(_) => self.asked.relayed += 1,
            Err(RpcError::Server { message, .. }) if is_for_blocks_alone(&message) => {
                self.asked.for_blocks_alone += 1;
                return Ok(false);
            }
            Err(RpcError::Server { message, .. }) if needs_a_favour(&message) => {
                let txid = tx.compute_txid();
                self.bitcoind.call::<Value>("prioritisetransaction", json!([txid, 0, FAVOUR_SAT]))?;
                send().context("even as if it paid more")?;
                self.asked.favoured += 1;
            }
            Err(error) => bail!(error),
        }
        Ok(true)
    }

    fn connect(&mut self, block: &Block) -> Result<BlockHash> {
        let answer: Value = self.bitcoind.call("submitblock", json!([serialize_hex(block)]))?;
        ensure!(answer.is_null(), "it says of block {}: {answer}", block.block_hash());
        self.asked.blocks += 1;
        Ok(block.block_hash())
    }
}

/// Whether only the fee is wrong: it replaces what a reorganisation gave back, or it is a thief's who mines it himself.
fn needs_a_favour(refusal: &str) -> bool {
    ["insufficient fee", "min relay fee not met"].iter().any(|reason| refusal.starts_with(reason))
}

/// Whether only mempools mind: a witness has bytes that choose a branch in other words than theirs, or the transaction is there with
/// other bytes already.
fn is_for_blocks_alone(refusal: &str) -> bool {
    ["argument must be minimal", "txn-same-nonwitness-data-in-mempool"]
        .iter()
        .any(|why| refusal.contains(why))
}

// attack 6
// attack 11
// attack 23
// attack 25
// attack 36
#[test]
fn bitcoind_takes_every_block_of_the_worlds_of_thieves_and_relays_what_is_in_them() -> Result<()> {
    let mut asked = Asked::default();
    let mut totals = Totals::default();
    let unseen = |totals: &Totals| -> BTreeSet<&str> {
        let seen = |name: &str| totals.court.counts().any(|(known, count)| known == name && count > 0);
        MUST.into_iter().filter(|name| !seen(name)).collect()
    };
    for seed in 1..=LAST_SEED {
        let played = run_court_seed_for_its_chain(seed, ACTS);
        let (outcome, chain) = played.map_err(|broken| anyhow::anyhow!("seed {seed}: {broken}"))?;
        let missing = unseen(&totals);
        if seed > LEAST_SEEDS && missing.is_subset(&unseen(&outcome.totals)) {
            continue;
        }
        let Some(bitcoind) = Bitcoind::start_at_genesis()? else { return Ok(()) };
        Judge { bitcoind, asked: &mut asked }
            .judge(&chain)
            .with_context(|| format!("the world of seed {seed}"))?;
        totals.add(&outcome.totals);
        if seed >= LEAST_SEEDS && unseen(&totals).is_empty() {
            break;
        }
    }
    ensure!(unseen(&totals).is_empty(), "{:?} were not seen\n{totals}", unseen(&totals));
    eprintln!("{asked:?}");
    // What pays too little is the exception.
    ensure!(asked.replaced >= 5 && asked.relayed > 10 * asked.favoured, "{asked:?}");
    Ok(())
}
