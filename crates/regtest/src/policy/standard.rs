//! Forms of transactions, outputs and witnesses that are relayed.

use crate::ledger::Coin;
use crate::reject::MempoolReject;
use bitcoin::blockdata::opcodes::all::OP_PUSHNUM_16;
use bitcoin::{OutPoint, Script, Transaction, TxOut, WitnessVersion};
use std::collections::BTreeMap;

/// `MAX_STANDARD_TX_WEIGHT`.
const MAX_WEIGHT: u64 = 400_000;
/// `MIN_STANDARD_TX_NONWITNESS_SIZE`.
const MIN_NON_WITNESS_SIZE: usize = 65;
/// `MAX_STANDARD_SCRIPTSIG_SIZE`.
const MAX_SCRIPT_SIG: usize = 1_650;
/// `MAX_OP_RETURN_RELAY`.
const MAX_DATA_OUTPUT: usize = 83;
/// `MAX_DUST_OUTPUTS_PER_TX`: one, and only as ephemeral dust.
const MAX_DUST_OUTPUTS: usize = 1;
/// `MAX_STANDARD_TX_SIGOPS_COST`.
const MAX_SIGOPS_COST: usize = 16_000;
/// `MAX_STANDARD_P2WSH_SCRIPT_SIZE`.
const MAX_WITNESS_SCRIPT: usize = 3_600;
/// `MAX_STANDARD_P2WSH_STACK_ITEMS`.
const MAX_WITNESS_ITEMS: usize = 100;
/// `MAX_STANDARD_P2WSH_STACK_ITEM_SIZE` and `MAX_STANDARD_TAPSCRIPT_STACK_ITEM_SIZE`.
const MAX_WITNESS_ITEM: usize = 80;
/// First byte of an annex (BIP 341).
const ANNEX_TAG: u8 = 0x50;
/// Leaf version of tapscript, its parity bit cleared (BIP 342).
const TAPSCRIPT_LEAF: u8 = 0xc0;
/// Pay to anchor: `OP_1 <4e73>` (`CScript::IsPayToAnchor`).
const PAY_TO_ANCHOR: [u8; 4] = [0x51, 0x02, 0x4e, 0x73];

/// The form of a transaction (`IsStandardTx`).
pub(crate) fn check_form(tx: &Transaction) -> Result<(), MempoolReject> {
    if !(1..=3).contains(&tx.version.0) {
        return Err(MempoolReject::Version);
    }
    if tx.weight().to_wu() > MAX_WEIGHT {
        return Err(MempoolReject::Size);
    }
    for input in &tx.input {
        if input.script_sig.len() > MAX_SCRIPT_SIG {
            return Err(MempoolReject::ScriptSigSize);
        }
        if !input.script_sig.is_push_only() {
            return Err(MempoolReject::ScriptSigNotPushOnly);
        }
    }
    if !tx.output.iter().all(|out| is_standard_output(&out.script_pubkey)) {
        return Err(MempoolReject::ScriptPubkey);
    }
    if tx.output.iter().filter(|out| out.script_pubkey.is_op_return()).count() > 1 {
        return Err(MempoolReject::MultiOpReturn);
    }
    if dust_outputs(tx).count() > MAX_DUST_OUTPUTS {
        return Err(MempoolReject::Dust);
    }
    if tx.base_size() < MIN_NON_WITNESS_SIZE {
        return Err(MempoolReject::SizeSmall);
    }
    Ok(())
}

/// Whether an output is worth less than its spend at 3 sat/vbyte (`IsDust`, `GetDustThreshold`).
pub(crate) fn is_dust(output: &TxOut) -> bool {
    !output.script_pubkey.is_op_return() && output.value < output.script_pubkey.minimal_non_dust()
}

/// Indices of the dust outputs (`GetDust`).
pub(crate) fn dust_outputs(tx: &Transaction) -> impl Iterator<Item = u32> + '_ {
    (0_u32..).zip(&tx.output).filter(|(_, out)| is_dust(out)).map(|(index, _)| index)
}

/// Signature operations (`GetTransactionSigOpCost`).
pub(crate) fn check_sigops(tx: &Transaction, coins: &[Coin]) -> Result<u64, MempoolReject> {
    let spent: BTreeMap<OutPoint, &Coin> =
        tx.input.iter().map(|input| input.previous_output).zip(coins).collect();
    let cost = tx.total_sigop_cost(|outpoint| spent.get(outpoint).map(|coin| coin.output.clone()));
    if cost > MAX_SIGOPS_COST {
        return Err(MempoolReject::TooManySigops);
    }
    Ok(u64::try_from(cost).unwrap_or(u64::MAX))
}

/// What is spent and how (`AreInputsStandard`, `IsWitnessStandard`).
pub(crate) fn check_inputs(tx: &Transaction, coins: &[Coin]) -> Result<(), MempoolReject> {
    for (input, coin) in tx.input.iter().zip(coins) {
        let script = &coin.output.script_pubkey;
        if !is_standard_output(script) || script.is_op_return() || is_unknown_witness(script) {
            return Err(MempoolReject::NonstandardInputs);
        }
        if input.witness.is_empty() {
            continue;
        }
        let items: Vec<&[u8]> = input.witness.iter().collect();
        let redeem = input.script_sig.instructions().last();
        let program = match redeem {
            Some(Ok(bitcoin::script::Instruction::PushBytes(bytes))) if script.is_p2sh() => {
                Script::from_bytes(bytes.as_bytes())
            }
            _ => script.as_script(),
        };
        if !is_standard_witness(program, &items, script.is_p2sh()) {
            return Err(MempoolReject::NonstandardWitness);
        }
    }
    Ok(())
}

/// Output forms that are relayed (`Solver`, `IsStandard`).
fn is_standard_output(script: &Script) -> bool {
    if script.is_op_return() {
        return script.len() <= MAX_DATA_OUTPUT && is_push_only_after_return(script);
    }
    match script.witness_version() {
        Some(WitnessVersion::V0) => script.is_p2wpkh() || script.is_p2wsh(),
        Some(_) => true,
        None => script.is_p2pk() || script.is_p2pkh() || script.is_p2sh() || is_small_multisig(script),
    }
}

fn is_push_only_after_return(script: &Script) -> bool {
    Script::from_bytes(script.as_bytes().get(1..).unwrap_or_default()).is_push_only()
}

/// Bare multisig of at most three keys (`-permitbaremultisig` is on by default).
fn is_small_multisig(script: &Script) -> bool {
    let keys = script.as_bytes().iter().rev().nth(1).copied().unwrap_or(0);
    script.is_multisig() && keys <= OP_PUSHNUM_16.to_u8() - 13
}

fn is_pay_to_anchor(script: &Script) -> bool {
    script.as_bytes() == PAY_TO_ANCHOR
}

/// Witness programs that nobody knows how to spend yet: fine as outputs, not as inputs.
fn is_unknown_witness(script: &Script) -> bool {
    match script.witness_version() {
        None | Some(WitnessVersion::V0) => false,
        Some(WitnessVersion::V1) => !script.is_p2tr() && !is_pay_to_anchor(script),
        Some(_) => true,
    }
}

/// The limits of a witness by the form of what it spends (`IsWitnessStandard`).
fn is_standard_witness(program: &Script, items: &[&[u8]], nested: bool) -> bool {
    if is_pay_to_anchor(program) || !program.is_witness_program() {
        return false;
    }
    if program.is_p2wsh() {
        let Some((script, stack)) = items.split_last() else { return false };
        return script.len() <= MAX_WITNESS_SCRIPT
            && stack.len() <= MAX_WITNESS_ITEMS
            && stack.iter().all(|item| item.len() <= MAX_WITNESS_ITEM);
    }
    if program.is_p2tr() && !nested {
        return is_standard_taproot_witness(items);
    }
    true
}

fn is_standard_taproot_witness(items: &[&[u8]]) -> bool {
    let has_annex = items.len() >= 2 && items.last().and_then(|item| item.first()) == Some(&ANNEX_TAG);
    if has_annex {
        return false;
    }
    match items {
        [] => false,
        [_key_path] => true,
        [stack @ .., _script, control] => {
            let is_tapscript = control.first().is_some_and(|leaf| leaf & 0xfe == TAPSCRIPT_LEAF);
            !is_tapscript || stack.iter().all(|item| item.len() <= MAX_WITNESS_ITEM)
        }
    }
}
