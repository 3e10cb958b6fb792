//! Building a block: coinbase, commitments and proof of work.

use astrape_primitives::{BlockId, Sat};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash as _;
use bitcoin::script::Builder;
use bitcoin::{
    Block, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Witness,
    transaction,
};
use std::sync::Arc;

/// The easiest target there is: every second hash meets it (`powLimit` of regtest).
const REGTEST_BITS: u32 = 0x207f_ffff;

/// Weight kept free for header and coinbase (`DEFAULT_BLOCK_RESERVED_WEIGHT`).
pub(crate) const RESERVED_WEIGHT: u64 = 8_000;

/// What a block is made of, besides its transactions.
pub(crate) struct Frame<'a> {
    pub(crate) previous: BlockId,
    pub(crate) time: u32,
    /// Counts all blocks ever made here, so that a block mined again has another hash.
    pub(crate) extra_nonce: u64,
    pub(crate) reward: Sat,
    pub(crate) reward_script: &'a bitcoin::Script,
}

/// A block with valid proof of work over these transactions.
pub(crate) fn assemble(frame: &Frame<'_>, txs: &[Arc<Transaction>]) -> Block {
    let mut txdata = vec![coinbase(frame)];
    txdata.extend(txs.iter().map(|tx| Transaction::clone(tx)));
    let header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: frame.previous.hash,
        merkle_root: TxMerkleNode::all_zeros(),
        time: frame.time,
        bits: CompactTarget::from_consensus(REGTEST_BITS),
        nonce: 0,
    };
    let mut block = Block { header, txdata };
    let witness_root = block.witness_root().expect("a block has a coinbase");
    let commitment = Block::compute_witness_commitment(&witness_root, &[0; 32]);
    let mut script = vec![0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
    script.extend_from_slice(commitment.as_byte_array());
    let output = TxOut { value: bitcoin::Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) };
    block.txdata[0].output.push(output);
    block.header.merkle_root = block.compute_merkle_root().expect("a block has a coinbase");
    while !block.header.target().is_met_by(block.block_hash()) {
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
    block
}

/// The first transaction of a block, without the commitment to the witnesses (BIP 34, BIP 141).
fn coinbase(frame: &Frame<'_>) -> Transaction {
    let height = i64::from(frame.previous.height.plus(1).0);
    let input = TxIn {
        previous_output: OutPoint::null(),
        script_sig: Builder::new().push_int(height).push_slice(frame.extra_nonce.to_le_bytes()).into_script(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[0_u8; 32]]),
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![TxOut { value: frame.reward.into(), script_pubkey: frame.reward_script.to_owned() }],
    }
}
