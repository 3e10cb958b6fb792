//! A chain in memory that mines and forks at will, and a source over it that fails at will.

use astrape_chain::{
    Answer, BlockChange, BroadcastResult, ChainSource, FeeEstimates, Follower, FollowerSettings, SourceError,
    SourceState, UnspentOutput, Update,
};
use astrape_primitives::{BlockId, Height, Network, Timestamp};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash as _;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Txid, Witness, transaction,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2025-01-01.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_735_689_600);

/// A chain without proof of work.
pub(crate) struct FakeChain {
    active: Vec<Arc<Block>>,
    known: BTreeMap<BlockHash, Arc<Block>>,
    made: u64,
}

impl FakeChain {
    pub(crate) fn new() -> Self {
        let mut chain = Self { active: Vec::new(), known: BTreeMap::new(), made: 0 };
        chain.mine(vec![]);
        chain
    }

    pub(crate) fn mine(&mut self, txs: Vec<Transaction>) -> Arc<Block> {
        self.made += 1;
        let previous = self.active.last().map_or(BlockHash::all_zeros(), |block| block.block_hash());
        let block = Arc::new(block(previous, self.made, txs));
        self.known.insert(block.block_hash(), Arc::clone(&block));
        self.active.push(Arc::clone(&block));
        block
    }

    /// Takes blocks off, and returns them; the first one stays.
    pub(crate) fn rewind(&mut self, depth: usize) -> Vec<Arc<Block>> {
        let keep = self.active.len().saturating_sub(depth).max(1);
        self.active.split_off(keep)
    }

    /// Puts blocks on again that were taken off.
    pub(crate) fn put_back(&mut self, blocks: Vec<Arc<Block>>) {
        self.active.extend(blocks);
    }

    pub(crate) fn tip(&self) -> BlockId {
        let height = Height(u32::try_from(self.active.len()).unwrap() - 1);
        BlockId { height, hash: self.active.last().unwrap().block_hash() }
    }

    pub(crate) fn hash_at(&self, height: Height) -> Option<BlockHash> {
        Some(self.active.get(usize::try_from(height.0).unwrap())?.block_hash())
    }

    pub(crate) fn block(&self, hash: BlockHash) -> Option<Arc<Block>> {
        self.known.get(&hash).cloned()
    }
}

fn block(previous: BlockHash, number: u64, txs: Vec<Transaction>) -> Block {
    let mut coinbase = tx(&[OutPoint::null()], &[ScriptBuf::new()]);
    coinbase.input[0].script_sig = ScriptBuf::from_bytes(number.to_le_bytes().to_vec());
    coinbase.input[0].witness = Witness::from_slice(&[[0_u8; 32]]);
    let header = Header {
        version: Version::TWO,
        prev_blockhash: previous,
        merkle_root: TxMerkleNode::all_zeros(),
        time: u32::try_from(START.secs()).unwrap(),
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut block = Block { header, txdata: vec![coinbase] };
    block.txdata.extend(txs);
    let root = block.witness_root().unwrap();
    let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
    let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed], commitment.as_byte_array().as_slice()].concat();
    block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) });
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    block
}

/// A transaction from these outpoints to these scripts.
pub(crate) fn tx(inputs: &[OutPoint], outputs: &[ScriptBuf]) -> Transaction {
    let input = |previous_output: &OutPoint| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = |script: &ScriptBuf| TxOut { value: Amount::from_sat(1_000), script_pubkey: script.clone() };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs.iter().map(output).collect(),
    }
}

/// Some outpoint.
pub(crate) fn outpoint(number: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([number; 32]), vout: u32::from(number) }
}

/// Some script.
pub(crate) fn script(number: u8) -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51, number])
}

type Change = Box<dyn FnOnce(&mut FakeChain) + Send>;

/// What a source over a fake chain goes through.
pub(crate) struct Inside {
    pub(crate) chain: FakeChain,
    /// Every question until this many were asked fails.
    pub(crate) failures: u32,
    /// What happens to the chain after so many more questions: (questions, change).
    pub(crate) later: VecDeque<(u32, Change)>,
    pub(crate) tip_time: Timestamp,
    pub(crate) corrupt: bool,
    /// It answers nothing.
    pub(crate) hangs: bool,
    pub(crate) initial_download: bool,
    /// Headers above the best block.
    pub(crate) headers_ahead: u32,
    pub(crate) questions: u64,
    /// In any order.
    pub(crate) mempool: Vec<Transaction>,
}

/// A source over a fake chain.
pub(crate) struct FakeSource(pub(crate) Mutex<Inside>);

impl FakeSource {
    pub(crate) fn new(chain: FakeChain) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inside {
            chain,
            failures: 0,
            later: VecDeque::new(),
            tip_time: START,
            corrupt: false,
            hangs: false,
            initial_download: false,
            headers_ahead: 0,
            questions: 0,
            mempool: Vec::new(),
        })))
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Inside) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    fn answer<T>(&self, act: impl FnOnce(&mut Inside) -> T) -> Result<T, SourceError> {
        self.with(|inside| {
            inside.questions += 1;
            if let Some((questions, _)) = inside.later.front_mut() {
                if *questions == 0 {
                    let (_, change) = inside.later.pop_front().unwrap();
                    change(&mut inside.chain);
                } else {
                    *questions -= 1;
                }
            }
            if inside.failures > 0 {
                inside.failures -= 1;
                return Err(SourceError::Unreachable("nobody is there".into()));
            }
            Ok(act(inside))
        })
    }
}

/// Answers at once, but lets other tasks run: so a dropped future is dropped in the middle.
async fn soon<T>(answer: Result<T, SourceError>) -> Result<T, SourceError> {
    tokio::task::yield_now().await;
    answer
}

impl ChainSource for FakeSource {
    fn state(&self) -> Answer<'_, SourceState> {
        if self.with(|inside| inside.hangs) {
            return Box::pin(std::future::pending());
        }
        Box::pin(soon(self.answer(|inside| SourceState {
            tip: inside.chain.tip(),
            tip_time: inside.tip_time,
            headers: inside.chain.tip().height.plus(inside.headers_ahead),
            initial_download: inside.initial_download,
        })))
    }

    fn hash_at(&self, height: Height) -> Answer<'_, Option<BlockHash>> {
        Box::pin(soon(self.answer(|inside| inside.chain.hash_at(height))))
    }

    fn block(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Block>>> {
        Box::pin(soon(self.answer(|inside| {
            let block = inside.chain.block(hash)?;
            if !inside.corrupt {
                return Some(block);
            }
            let mut other = Block::clone(&block);
            other.txdata[0].lock_time = LockTime::from_consensus(7);
            Some(Arc::new(other))
        })))
    }

    fn broadcast<'a>(
        &'a self,
        _: &'a [Transaction],
    ) -> Pin<Box<dyn Future<Output = BroadcastResult> + Send + 'a>> {
        Box::pin(async { BroadcastResult::Accepted })
    }

    fn fees(&self) -> Answer<'_, FeeEstimates> {
        Box::pin(async { Err(SourceError::Refused("no fees here".into())) })
    }

    fn unspent(&self, _: OutPoint) -> Answer<'_, Option<UnspentOutput>> {
        Box::pin(async { Ok(None) })
    }

    fn in_mempool(&self, txid: Txid) -> Answer<'_, bool> {
        Box::pin(soon(self.answer(|inside| inside.mempool.iter().any(|tx| tx.compute_txid() == txid))))
    }

    fn spenders_in_mempool<'a>(&'a self, outpoints: &'a [OutPoint]) -> Answer<'a, BTreeSet<Txid>> {
        let spends = |tx: &&Transaction| tx.input.iter().any(|i| outpoints.contains(&i.previous_output));
        Box::pin(soon(
            self.answer(|inside| {
                inside.mempool.iter().filter(spends).map(Transaction::compute_txid).collect()
            }),
        ))
    }

    fn mempool_transaction(&self, txid: Txid) -> Answer<'_, Option<Transaction>> {
        Box::pin(soon(
            self.answer(|inside| inside.mempool.iter().find(|tx| tx.compute_txid() == txid).cloned()),
        ))
    }
}

/// Fast, on a clock that stands at [`START`].
pub(crate) fn settings() -> FollowerSettings {
    FollowerSettings {
        poll_interval: Duration::from_millis(1),
        now: || START,
        ..FollowerSettings::for_network(Network::Bitcoin)
    }
}

/// Somebody who only believes what a follower tells.
pub(crate) struct Believer {
    pub(crate) seen: Vec<BlockId>,
}

impl Believer {
    /// Believes in the line of blocks that the follower begins with.
    pub(crate) fn new(recent: &[BlockId]) -> Self {
        Self { seen: recent.to_vec() }
    }

    /// Takes one change, and checks that it continues the line.
    pub(crate) fn take(&mut self, change: &BlockChange) {
        let top = self.seen.last().copied();
        match change {
            BlockChange::Connected { id, block } => {
                let top = top.expect("a block connects on another one");
                assert_eq!((block.header.prev_blockhash, id.height), (top.hash, top.height.plus(1)));
                assert_eq!(block.block_hash(), id.hash);
                self.seen.push(*id);
            }
            BlockChange::Disconnected { id } => {
                assert_eq!(Some(*id), top);
                self.seen.pop();
            }
        }
    }

    /// Listens until the follower is at this block.
    pub(crate) async fn listen_until(&mut self, follower: &mut Follower, tip: BlockId) {
        let listen = async {
            while self.seen.last() != Some(&tip) {
                if let Update::Block(change) = follower.next().await {
                    self.take(&change);
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), listen).await.expect("the follower reaches the tip");
    }
}
