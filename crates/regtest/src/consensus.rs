//! Consensus rules of one transaction, and its scripts, checked by Bitcoin Core's own engine.

use crate::ledger::{Coin, Ledger};
use crate::reject::TxInvalid;
use astrape_primitives::amount::MAX_MONEY_SAT;
use astrape_primitives::{Height, Sat};
use bitcoin::{Sequence, Transaction, consensus};
use bitcoinconsensus::{Utxo, VERIFY_ALL_PRE_TAPROOT, VERIFY_TAPROOT, verify_with_flags};
use std::collections::BTreeSet;

/// Blocks before a coinbase may be spent (`COINBASE_MATURITY`).
pub(crate) const COINBASE_MATURITY: u32 = 100;

/// Largest weight of a block (`MAX_BLOCK_WEIGHT`).
pub(crate) const MAX_BLOCK_WEIGHT: u64 = 4_000_000;

/// Locktimes below are heights, from here on times (`LOCKTIME_THRESHOLD`).
const LOCKTIME_THRESHOLD: u32 = 500_000_000;

/// Rules that need no other transaction (`CheckTransaction`), for what is no coinbase.
pub(crate) fn check_transaction(tx: &Transaction) -> Result<(), TxInvalid> {
    if tx.input.is_empty() {
        return Err(TxInvalid::NoInputs);
    }
    if tx.output.is_empty() {
        return Err(TxInvalid::NoOutputs);
    }
    let stripped = u64::try_from(tx.base_size()).unwrap_or(u64::MAX);
    if stripped.saturating_mul(4) > MAX_BLOCK_WEIGHT {
        return Err(TxInvalid::Oversize);
    }
    if tx.output.iter().any(|out| out.value.to_sat() > MAX_MONEY_SAT) {
        return Err(TxInvalid::OutputTooLarge);
    }
    if value_out(tx).0 > MAX_MONEY_SAT {
        return Err(TxInvalid::OutputsTooLarge);
    }
    let mut seen = BTreeSet::new();
    if !tx.input.iter().all(|input| seen.insert(input.previous_output)) {
        return Err(TxInvalid::DuplicateInputs);
    }
    if tx.input.iter().any(|input| input.previous_output.is_null()) {
        return Err(TxInvalid::NullPrevout);
    }
    Ok(())
}

/// All that goes out.
pub(crate) fn value_out(tx: &Transaction) -> Sat {
    tx.output.iter().map(|out| Sat::from(out.value)).sum()
}

/// Whether the absolute locktime allows a block at `height` on a chain with this median time (`IsFinalTx`, BIP 113).
pub(crate) fn is_final(tx: &Transaction, height: Height, median_time: u32) -> bool {
    let lock = tx.lock_time.to_consensus_u32();
    let reached = if lock < LOCKTIME_THRESHOLD { height.0 } else { median_time };
    lock < reached || tx.input.iter().all(|input| input.sequence == Sequence::MAX)
}

/// Whether the relative locktimes allow a block on top of the ledger's tip (`SequenceLocks`, BIP 68). A coin that is
/// unconfirmed has the height of the block that would hold both.
pub(crate) fn sequence_locks_met(tx: &Transaction, coins: &[Coin], ledger: &Ledger) -> bool {
    const DISABLED: u32 = 1 << 31;
    const IS_TIME: u32 = 1 << 22;
    if tx.version.0 < 2 {
        return true;
    }
    let height = ledger.tip().height.plus(1);
    tx.input.iter().zip(coins).all(|(input, coin)| {
        let sequence = input.sequence.to_consensus_u32();
        let value = sequence & 0xffff;
        if sequence & DISABLED != 0 {
            true
        } else if sequence & IS_TIME != 0 {
            let from = ledger.median_time_at(Height(coin.height.0.saturating_sub(1)));
            u64::from(from) + (u64::from(value) << 9) <= u64::from(ledger.tip_median_time())
        } else {
            coin.height.plus(value) <= height
        }
    })
}

/// Maturity and value (`Consensus::CheckTxInputs`). Gives the fee.
pub(crate) fn check_inputs(tx: &Transaction, coins: &[Coin], height: Height) -> Result<Sat, TxInvalid> {
    if coins.iter().any(|coin| coin.coinbase && height.0.saturating_sub(coin.height.0) < COINBASE_MATURITY) {
        return Err(TxInvalid::PrematureCoinbaseSpend);
    }
    let value_in: Sat = coins.iter().map(|coin| Sat::from(coin.output.value)).sum();
    if value_in.0 > MAX_MONEY_SAT {
        return Err(TxInvalid::InputsTooLarge);
    }
    value_in.checked_sub(value_out(tx)).ok_or(TxInvalid::OutputsAboveInputs)
}

/// Every input's script by `libbitcoinconsensus`, with all flags that consensus knows (P2SH, strict DER, `NULLDUMMY`,
/// CLTV, CSV, segwit, taproot).
pub(crate) fn check_scripts(tx: &Transaction, coins: &[Coin]) -> Result<(), TxInvalid> {
    let raw = consensus::serialize(tx);
    let spent: Vec<Utxo> = coins
        .iter()
        .map(|coin| Utxo {
            script_pubkey: coin.output.script_pubkey.as_bytes().as_ptr(),
            script_pubkey_len: u32::try_from(coin.output.script_pubkey.len()).unwrap_or(u32::MAX),
            value: i64::try_from(coin.output.value.to_sat()).unwrap_or(i64::MAX),
        })
        .collect();
    for (input, coin) in coins.iter().enumerate() {
        let script = coin.output.script_pubkey.as_bytes();
        let flags = VERIFY_ALL_PRE_TAPROOT | VERIFY_TAPROOT;
        verify_with_flags(script, coin.output.value.to_sat(), &raw, Some(&spent), input, flags)
            .map_err(|_| TxInvalid::Script { input })?;
    }
    Ok(())
}
