//! Small transactions over coins that anybody can spend, and chains that have such coins.

use astrape_primitives::{Sat, Timestamp};
use astrape_regtest::RegtestChain;
use bitcoin::absolute::LockTime;
use bitcoin::blockdata::opcodes::OP_TRUE;
use bitcoin::script::Builder;
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, transaction};

/// 2025-01-01.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_735_689_600);

/// A chain with a full faucet.
pub(crate) fn chain() -> RegtestChain {
    RegtestChain::with_faucet(START)
}

/// A confirmed coin of this size that anybody can spend.
pub(crate) fn coin(chain: &mut RegtestChain, sat: u64) -> OutPoint {
    let outpoint = chain.fund(&anyone(), Sat(sat)).unwrap();
    mine(chain, 1);
    outpoint
}

pub(crate) fn mine(chain: &mut RegtestChain, blocks: u32) {
    chain.mine(blocks, &anyone());
}

/// Script that anybody can spend with [`open_witness`].
pub(crate) fn anyone() -> ScriptBuf {
    RegtestChain::faucet_script()
}

pub(crate) fn open_witness() -> Witness {
    Witness::from_slice(&[Builder::new().push_opcode(OP_TRUE).into_script().as_bytes()])
}

/// Spends coins that anybody can spend to new ones of these sizes.
pub(crate) fn spend(inputs: &[OutPoint], outputs: &[u64]) -> Transaction {
    let input = |previous_output: &OutPoint| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: open_witness(),
    };
    let output = |sat: &u64| TxOut { value: bitcoin::Amount::from_sat(*sat), script_pubkey: anyone() };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs.iter().map(output).collect(),
    }
}

/// The same as version 3.
pub(crate) fn v3(mut tx: Transaction) -> Transaction {
    tx.version = transaction::Version(3);
    tx
}

/// An output of a transaction.
pub(crate) fn out(tx: &Transaction, vout: u32) -> OutPoint {
    OutPoint { txid: tx.compute_txid(), vout }
}
