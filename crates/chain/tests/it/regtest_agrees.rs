//! The embedded regtest chain judged by a real bitcoind: the same blocks and the same transactions, good and bad, have the
//! same fate in both.

use crate::kit::START;
use crate::node::{Node, anyone};
use astrape_chain::{ChainSource as _, Watch};
use astrape_primitives::{ChainEvent, Sat};
use astrape_regtest::{Policy, RegtestChain};
use bitcoin::absolute::LockTime;
use bitcoin::blockdata::opcodes::OP_TRUE;
use bitcoin::blockdata::opcodes::all::{OP_CHECKSIG, OP_SWAP};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use bitcoin::sighash::SighashCache;
use bitcoin::{
    Amount, OutPoint, PublicKey, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, transaction,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The version of Bitcoin Core from which on the limits and replacement rules of clusters stand in the place of those that
/// we copy.
const FIRST_WITH_CLUSTERS: u64 = 310_000;

/// Both chains at the same tip.
struct Both {
    ours: RegtestChain,
    theirs: Node,
    /// How often each outcome was seen, so that a run that saw little fails.
    outcomes: BTreeMap<String, u32>,
}

impl Both {
    /// With 131 common blocks, the last of which has 100 coins of a million satoshi that anybody can spend.
    async fn start() -> Option<(Self, Vec<(OutPoint, u64)>)> {
        Self::start_with(&[]).await
    }

    /// The same, with these flags for bitcoind besides.
    async fn start_with(more: &[&'static str]) -> Option<(Self, Vec<(OutPoint, u64)>)> {
        // Bitcoin Core 29.0's own feerates; later ones have lower defaults.
        let mut flags =
            vec!["-minrelaytxfee=0.00001", "-incrementalrelayfee=0.00001", "-dustrelayfee=0.00003"];
        flags.extend(more);
        let theirs = Node::start_with(&flags).await?;
        let version = theirs.call("getnetworkinfo", json!([])).await["version"].as_u64().unwrap();
        if version >= FIRST_WITH_CLUSTERS {
            eprintln!("left out: bitcoind {version} has the cluster mempool, whose rules are not ours");
            return None;
        }
        let mut ours = RegtestChain::with_faucet(START);
        let wide = ours.fund(&anyone(), Sat(110_000_000)).unwrap();
        let fan = Draft { outputs: vec![1_000_000; 100], ..Draft::of(&[wide]) }.build();
        ours.submit(fan.clone()).unwrap();
        ours.mine(1, &anyone());
        let mut both = Self { ours, theirs, outcomes: BTreeMap::new() };
        both.hand_over(1).await;
        let coins = (0..100).map(|vout| (OutPoint { txid: fan.compute_txid(), vout }, 1_000_000)).collect();
        Some((both, coins))
    }

    /// Gives bitcoind our blocks from a height on.
    async fn hand_over(&mut self, from: u32) {
        self.submit_blocks(from).await;
        self.compare_mempools("after a block").await;
    }

    async fn submit_blocks(&mut self, from: u32) {
        for height in from..=self.ours.tip().height.0 {
            let block = self.ours.block_at(astrape_primitives::Height(height)).unwrap();
            let answer = self.theirs.call("submitblock", json!([serialize_hex(block.as_ref())])).await;
            // The blocks of a branch that is not the best one yet are inconclusive.
            assert!(answer == Value::Null || answer == "inconclusive", "block {height}: {answer}");
        }
        assert_eq!(self.theirs.tip().await, self.ours.tip());
    }

    async fn mine(&mut self, blocks: u32) {
        let from = self.ours.tip().height.0 + 1;
        self.ours.mine(blocks, &anyone());
        self.hand_over(from).await;
    }

    /// Replaces the best blocks by one more empty ones, and compares the mempools, but for transactions with locks: we ask
    /// for locks at the fork, bitcoind at the new tip, but with relative ones reckoned at the old tip.
    async fn reorg(&mut self, depth: u32) {
        let before = self.ours.clone();
        self.ours.reorg(depth);
        let from = self.ours.tip().height.0 + 1;
        for _ in 0..=depth {
            self.ours.mine_with(&[], &anyone()).unwrap();
        }
        self.submit_blocks(from).await;
        let is_locked = |txid: &Txid| {
            let mut queue = vec![*txid];
            while let Some(txid) = queue.pop() {
                let Some(seen) = before.transaction(&txid).filter(|_| before.confirmations(&txid) <= depth)
                else {
                    continue;
                };
                let has_lock =
                    |input: &TxIn| seen.tx.version.0 >= 2 && input.sequence.is_relative_lock_time();
                if seen.tx.lock_time != LockTime::ZERO || seen.tx.input.iter().any(has_lock) {
                    return true;
                }
                queue.extend(seen.tx.input.iter().map(|input| input.previous_output.txid));
            }
            false
        };
        let ours = self.our_mempool();
        let theirs = self.their_mempool().await;
        let different: Vec<&Txid> =
            ours.symmetric_difference(&theirs).filter(|txid| !is_locked(txid)).collect();
        assert!(different.is_empty(), "ours {ours:#?}, theirs {theirs:#?}, different {different:#?}");
        assert!(ours.intersection(&theirs).count() >= 5, "ours {ours:#?}, theirs {theirs:#?}");
    }

    fn our_mempool(&self) -> BTreeSet<Txid> {
        self.ours.mempool().iter().map(|tx| tx.compute_txid()).collect()
    }

    async fn their_mempool(&self) -> BTreeSet<Txid> {
        serde_json::from_value(self.theirs.call("getrawmempool", json!([])).await).unwrap()
    }

    async fn compare_mempools(&self, when: &str) {
        assert_eq!(self.our_mempool(), self.their_mempool().await, "{when}");
    }

    /// Offers a transaction to both.
    async fn submit(&mut self, tx: &Transaction) -> Result<Txid, String> {
        let raw = serialize_hex(tx);
        let answer = self.theirs.call("testmempoolaccept", json!([[raw], 0])).await;
        let theirs = match answer[0]["allowed"].as_bool() {
            Some(true) => Ok(tx.compute_txid()),
            _ => Err(answer[0]["reject-reason"].as_str().unwrap_or_default().to_owned()),
        };
        if theirs.is_ok() {
            self.theirs.call("sendrawtransaction", json!([raw, 0])).await;
        }
        // What is in brackets tells more of a script's failure than the engine tells us.
        let before_bracket = |text: String| text.split(" (").next().unwrap_or_default().to_owned();
        let ours = self.ours.submit(tx.clone()).map_err(|reject| before_bracket(reject.to_string()));
        // `testmempoolaccept` has its own word for one, Knots for some, and later versions for scripts.
        let usual = |text: String| match text.as_str() {
            "missing-inputs" => "bad-txns-inputs-missingorspent".to_owned(),
            knots if knots.starts_with("truc-") => "TRUC-violation".to_owned(),
            "mempool-script-verify-flag-failed" => "mandatory-script-verify-flag-failed".to_owned(),
            _ => text,
        };
        let theirs = theirs.map_err(before_bracket).map_err(usual);
        assert_eq!(ours, theirs, "{tx:#?}");
        let outcome = ours.clone().err().unwrap_or_else(|| "accepted".into());
        *self.outcomes.entry(outcome).or_default() += 1;
        self.compare_mempools("after a transaction").await;
        ours
    }

    /// Offers a package to both.
    async fn submit_package(&mut self, package: &[Transaction]) -> bool {
        let raw: Vec<String> = package.iter().map(serialize_hex).collect();
        let answer = self.theirs.try_call("submitpackage", json!([raw, 0])).await;
        let theirs = answer.as_ref().is_ok_and(|answer| answer["package_msg"] == "success");
        let ours = self.ours.submit_package(package);
        assert_eq!(ours.is_ok(), theirs, "ours: {ours:?}, theirs: {answer:?}, {package:#?}");
        let outcome = if theirs { "package accepted" } else { "package refused" };
        *self.outcomes.entry(outcome.into()).or_default() += 1;
        self.compare_mempools("after a package").await;
        theirs
    }
}

/// A transaction over coins that anybody can spend.
struct Draft {
    version: i32,
    lock_time: u32,
    inputs: Vec<OutPoint>,
    sequence: Sequence,
    outputs: Vec<u64>,
    signed: bool,
}

impl Draft {
    fn of(inputs: &[OutPoint]) -> Self {
        Self {
            version: 2,
            lock_time: 0,
            inputs: inputs.to_vec(),
            sequence: Sequence::MAX,
            outputs: Vec::new(),
            signed: true,
        }
    }

    fn build(&self) -> Transaction {
        let key = Builder::new().push_opcode(OP_TRUE).into_script();
        let witness = if self.signed { Witness::from_slice(&[key.as_bytes()]) } else { Witness::new() };
        let input = |previous_output: &OutPoint| TxIn {
            previous_output: *previous_output,
            script_sig: ScriptBuf::new(),
            sequence: self.sequence,
            witness: witness.clone(),
        };
        let output = |sat: &u64| TxOut { value: Amount::from_sat(*sat), script_pubkey: anyone() };
        Transaction {
            version: transaction::Version(self.version),
            lock_time: LockTime::from_consensus(self.lock_time),
            input: self.inputs.iter().map(input).collect(),
            output: self.outputs.iter().map(output).collect(),
        }
    }
}

/// Numbers that look random (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn index(&mut self, below: usize) -> usize {
        usize::try_from(self.roll(u64::try_from(below).unwrap())).unwrap()
    }
}

/// A transaction that is mostly sound and now and then breaks a rule.
fn draw(dice: &mut Dice, coins: &[(OutPoint, u64)], height: u32) -> Transaction {
    let mut inputs: Vec<(OutPoint, u64)> = Vec::new();
    for _ in 0..=dice.roll(3).saturating_sub(1) {
        // The latest coins are likelier: so chains grow.
        let among = if dice.roll(2) == 0 { coins.len().min(12) } else { coins.len() };
        let coin = coins[coins.len() - 1 - dice.index(among)];
        if dice.roll(100) == 0 || !inputs.contains(&coin) {
            inputs.push(coin);
        }
    }
    let mut draft = Draft::of(&inputs.iter().map(|(outpoint, _)| *outpoint).collect::<Vec<_>>());
    draft.version = [2, 2, 2, 3, 3, 1][dice.index(6)];
    if dice.roll(40) == 0 {
        draft.version = [0, 4][dice.index(2)];
    }
    draft.sequence = match dice.roll(12) {
        0 => Sequence::from_height(1),
        1 => Sequence::from_height(3),
        2 => Sequence::from_512_second_intervals(1),
        3 => Sequence::ZERO,
        4 | 5 => Sequence::ENABLE_RBF_NO_LOCKTIME,
        _ => Sequence::MAX,
    };
    if dice.roll(6) == 0 {
        draft.lock_time = height - 1 + u32::try_from(dice.roll(4)).unwrap();
    }
    draft.signed = dice.roll(40) != 0;
    let total: u64 = inputs.iter().map(|(_, value)| *value).sum();
    let fee = match dice.roll(10) {
        0 => 0,
        1 => dice.roll(200),
        2..=5 => 200 + dice.roll(800),
        6..=8 => 1_000 + dice.roll(20_000),
        _ => total / 2,
    };
    let count = if dice.roll(30) == 0 { 240 } else { 1 + dice.roll(3) };
    let each = total.saturating_sub(fee) / count;
    draft.outputs = vec![each; usize::try_from(count).unwrap()];
    if dice.roll(30) == 0 {
        draft.outputs.push(dice.roll(400));
    }
    if dice.roll(60) == 0 {
        draft.outputs.push(total);
    }
    draft.build()
}

/// A child of a transaction's first output.
fn child_of(dice: &mut Dice, parent: &Transaction) -> Transaction {
    let outpoint = OutPoint { txid: parent.compute_txid(), vout: 0 };
    let value = parent.output[0].value.to_sat();
    let fee = [0, 300, 2_000, 30_000][dice.index(4)];
    let version = if dice.roll(8) == 0 { 2 } else { parent.version.0 };
    Draft { version, outputs: vec![value.saturating_sub(fee)], ..Draft::of(&[outpoint]) }.build()
}

async fn play(seed: u64, moves: u32) -> Option<BTreeMap<String, u32>> {
    let (mut both, mut coins) = Both::start().await?;
    assert_eq!(both.ours.policy(), Policy::default());
    let mut dice = Dice(seed);
    for turn in 1..=moves {
        let height = both.ours.tip().height.0;
        // Mostly what nothing spends; the rest makes replacements and missing inputs.
        let kind = dice.roll(8);
        let is_wanted = |(outpoint, _): &&(OutPoint, u64)| match kind {
            0 => true,
            1 | 2 => both.ours.spender_in_mempool(outpoint).is_some(),
            _ => both.ours.is_unspent(outpoint),
        };
        let choice: Vec<(OutPoint, u64)> = coins.iter().filter(is_wanted).copied().collect();
        let choice = if choice.is_empty() { coins.clone() } else { choice };
        let tx = draw(&mut dice, &choice, height);
        let made: Vec<(OutPoint, u64)> = (0_u32..)
            .zip(&tx.output)
            .map(|(vout, out)| (OutPoint { txid: tx.compute_txid(), vout }, out.value.to_sat()))
            .take(4)
            .collect();
        if dice.roll(4) == 0 {
            let child = child_of(&mut dice, &tx);
            coins.push((OutPoint { txid: child.compute_txid(), vout: 0 }, child.output[0].value.to_sat()));
            if both.submit_package(&[tx, child]).await {
                coins.extend(made);
            }
        } else if both.submit(&tx).await.is_ok() {
            coins.extend(made);
        }
        if turn % 60 == 0 {
            both.mine(1).await;
        }
    }
    both.reorg(3).await;
    Some(both.outcomes)
}

#[tokio::test]
async fn random_transactions_have_the_same_fate_in_both() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 1..=3 {
        let Some(outcomes) = play(seed, 300).await else { return };
        for (outcome, times) in outcomes {
            *seen.entry(outcome).or_default() += times;
        }
    }
    for outcome in [
        "accepted",
        "package accepted",
        "package refused",
        "min relay fee not met",
        "insufficient fee",
        "TRUC-violation",
        "bad-txns-inputs-missingorspent",
        "bad-txns-in-belowout",
        "dust",
        "non-final",
        "non-BIP68-final",
        "version",
    ] {
        assert!(seen.get(outcome).is_some_and(|times| *times >= 3), "{outcome} was too rare: {seen:#?}");
    }
}

#[tokio::test]
async fn long_chains_end_where_bitcoind_ends_them() {
    let Some((mut both, coins)) = Both::start().await else { return };
    // One child after the other.
    let mut last = coins[0];
    for _ in 0..26 {
        let tx = Draft { outputs: vec![last.1 - 1_000], ..Draft::of(&[last.0]) }.build();
        if both.submit(&tx).await.is_err() {
            break;
        }
        last = (OutPoint { txid: tx.compute_txid(), vout: 0 }, last.1 - 1_000);
    }
    // Many children of one parent, and the carve-out.
    let parent = Draft { outputs: vec![30_000; 30], ..Draft::of(&[coins[1].0]) }.build();
    both.submit(&parent).await.unwrap();
    for vout in 0..30 {
        let from = OutPoint { txid: parent.compute_txid(), vout };
        both.submit(&Draft { outputs: vec![20_000], ..Draft::of(&[from]) }.build()).await.ok();
    }
    // Children that are large together with their parent.
    let wide = Draft { outputs: vec![400; 2_000], ..Draft::of(&[coins[3].0]) }.build();
    both.submit(&wide).await.unwrap();
    for vout in 0..20 {
        let inputs: Vec<OutPoint> =
            (0..40).map(|step| OutPoint { txid: wide.compute_txid(), vout: vout * 40 + step }).collect();
        both.submit(&Draft { outputs: vec![10_000], ..Draft::of(&inputs) }.build()).await.ok();
    }
    assert!(both.outcomes["too-long-mempool-chain"] >= 8, "{:#?}", both.outcomes);
    both.mine(1).await;
}

#[tokio::test]
async fn a_miner_takes_what_bitcoind_would_take() {
    let flags = &["-blockmintxfee=0.00005", "-blockmaxweight=24000"];
    let Some((mut both, coins)) = Both::start_with(flags).await else { return };
    let policy = both.ours.policy();
    let block_min = astrape_primitives::FeeratePerKw::from_sat_per_vb(5);
    both.ours.set_policy(Policy { block_min, block_weight: 24_000, ..policy });
    // Fees that are all different, some below the miner's floor; some have a child that pays for both.
    let mut offered = Vec::new();
    for (index, (coin, value)) in (0_u64..).zip(&coins[..60]) {
        let fee = 150 + index * 53;
        let tx = Draft { outputs: vec![value - fee], ..Draft::of(&[*coin]) }.build();
        both.submit(&tx).await.unwrap();
        if index % 7 == 0 {
            let from = OutPoint { txid: tx.compute_txid(), vout: 0 };
            let outputs = vec![value - fee - 1_001 - 97 * index];
            both.submit(&Draft { outputs, ..Draft::of(&[from]) }.build()).await.unwrap();
        }
        offered.push(tx);
    }
    let template = both.theirs.call("getblocktemplate", json!([{ "rules": ["segwit"] }])).await;
    let ids =
        template["transactions"].as_array().unwrap().iter().map(|tx| tx["txid"].as_str().unwrap().parse());
    let theirs: BTreeSet<Txid> = ids.collect::<Result<_, _>>().unwrap();
    let ours: BTreeSet<Txid> = both.ours.template().iter().map(|tx| tx.compute_txid()).collect();
    assert_eq!(ours, theirs);
    let left = both.our_mempool().len() - ours.len();
    assert!(ours.len() >= 30 && left >= 10, "{} in the block, {left} left", ours.len());
}

/// A coin and two spends of it, of which one is valid: the signature stands in the very script that it signs, and is taken out
/// of it before that is hashed (`FindAndDelete`), or is left in. Any signature will do, for any is somebody's: whose, its
/// hash says.
fn signature_in_its_own_script(from: OutPoint) -> [Transaction; 3] {
    let secp = Secp256k1::new();
    let any = secp
        .sign_ecdsa_recoverable(&Message::from_digest([7; 32]), &SecretKey::from_slice(&[9; 32]).unwrap());
    let mut pushed = PushBytesBuf::try_from(any.to_standard().serialize_der().to_vec()).unwrap();
    pushed.push(1).unwrap();
    let with = Builder::new().push_slice(&pushed).push_opcode(OP_SWAP).push_opcode(OP_CHECKSIG).into_script();
    let without = Builder::new().push_opcode(OP_SWAP).push_opcode(OP_CHECKSIG).into_script();
    let mut coin = Draft { outputs: vec![900_000], ..Draft::of(&[from]) }.build();
    coin.output[0].script_pubkey = with.clone();
    let spend = |hashed: &ScriptBuf| {
        let outpoint = OutPoint { txid: coin.compute_txid(), vout: 0 };
        let mut tx = Draft { outputs: vec![800_000], signed: false, ..Draft::of(&[outpoint]) }.build();
        let hash = SighashCache::new(&tx).legacy_signature_hash(0, hashed, 1).unwrap();
        let signer = secp.recover_ecdsa(&Message::from(hash), &any).unwrap();
        tx.input[0].script_sig = Builder::new().push_key(&PublicKey::new(signer)).into_script();
        tx
    };
    let [valid, invalid] = [spend(&without), spend(&with)];
    [coin, valid, invalid]
}

// attack 9
#[tokio::test]
async fn a_script_that_others_have_judged_wrongly_is_judged_as_bitcoin_core_does() {
    let mut alone = RegtestChain::with_faucet(START);
    let from = alone.fund(&anyone(), Sat(1_000_000)).unwrap();
    alone.mine(1, &anyone());
    let [coin, valid, invalid] = signature_in_its_own_script(from);
    alone.mine_with(&[coin], &anyone()).unwrap();
    assert!(alone.clone().mine_with(&[invalid], &anyone()).is_err());
    alone.mine_with(&[valid], &anyone()).unwrap();
    // And bitcoind has the last word: it takes the block, we follow it through its source, and it takes none with the other.
    let Some((mut both, coins)) = Both::start().await else { return };
    let [coin, valid, invalid] = signature_in_its_own_script(coins[0].0);
    let from = both.ours.tip().height.0 + 1;
    both.ours.mine_with(&[coin], &anyone()).unwrap();
    both.hand_over(from).await;
    let address = bitcoin::Address::from_script(&anyone(), bitcoin::Network::Regtest).unwrap().to_string();
    let refused = both.theirs.try_call("generateblock", json!([address, [serialize_hex(&invalid)]])).await;
    assert!(refused.is_err(), "{refused:?}");
    let block = both.theirs.call("generateblock", json!([address, [serialize_hex(&valid)]])).await;
    let hash = block["hash"].as_str().unwrap().parse().unwrap();
    let source = both.theirs.source(astrape_primitives::Network::Regtest);
    let block = source.block(hash).await.unwrap().unwrap();
    assert!(block.txdata.contains(&valid));
    let mut watch = Watch::new();
    watch.add_outpoint(valid.input[0].previous_output);
    let id = both.theirs.tip().await;
    let ChainEvent::Connected { matched, .. } = watch.connected(id, &block) else { panic!("a block") };
    assert_eq!(matched.len(), 1, "what spends a watched output is found in it");
}
