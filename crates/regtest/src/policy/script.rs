//! Signature rules that relay adds to consensus, read from the stack items themselves, because the consensus library
//! offers no flags for them.

use crate::ledger::Coin;
use crate::reject::MempoolReject;
use bitcoin::blockdata::opcodes::all::{OP_IF, OP_NOTIF};
use bitcoin::script::Instruction;
use bitcoin::{Script, Transaction, TxIn, secp256k1};

/// `SCRIPT_VERIFY_LOW_S`, `SCRIPT_VERIFY_STRICTENC` and, where a witness script begins with a branch,
/// `SCRIPT_VERIFY_MINIMALIF`. Taproot needs none of them: its own rules are consensus.
pub(crate) fn check_signature_policy(tx: &Transaction, coins: &[Coin]) -> Result<(), MempoolReject> {
    for (input, coin) in tx.input.iter().zip(coins) {
        let script = &coin.output.script_pubkey;
        if script.is_p2tr() {
            continue;
        }
        for push in script_sig_pushes(input) {
            check_item(push)?;
        }
        let items: Vec<&[u8]> = input.witness.iter().collect();
        let is_script = script.is_p2wsh() || nested_program(input).is_some_and(Script::is_p2wsh);
        let stack = match items.split_last() {
            Some((witness_script, stack)) if is_script => {
                check_minimal_if(witness_script, stack)?;
                stack
            }
            _ => items.as_slice(),
        };
        for item in stack {
            check_item(item)?;
        }
    }
    Ok(())
}

fn script_sig_pushes(input: &TxIn) -> impl Iterator<Item = &[u8]> {
    input.script_sig.instructions().filter_map(|instruction| match instruction {
        Ok(Instruction::PushBytes(bytes)) => Some(bytes.as_bytes()),
        _ => None,
    })
}

/// The witness program inside a P2SH spend.
fn nested_program(input: &TxIn) -> Option<&Script> {
    script_sig_pushes(input).last().map(Script::from_bytes)
}

/// A stack item that has the frame of a DER signature must have a low S and a known hash type.
fn check_item(item: &[u8]) -> Result<(), MempoolReject> {
    let framed = item.len() >= 9 && item[0] == 0x30 && usize::from(item[1]) + 3 == item.len();
    let Some((hash_type, der)) = item.split_last().filter(|_| framed) else { return Ok(()) };
    let Ok(signature) = secp256k1::ecdsa::Signature::from_der(der) else { return Ok(()) };
    if !(1..=3).contains(&(hash_type & !0x80)) {
        return Err(MempoolReject::SighashType);
    }
    let mut low = signature;
    low.normalize_s();
    if low != signature {
        return Err(MempoolReject::HighS);
    }
    Ok(())
}

/// The argument of a leading `OP_IF` is empty or the single byte 1.
fn check_minimal_if(witness_script: &[u8], stack: &[&[u8]]) -> Result<(), MempoolReject> {
    let branches = witness_script.first().is_some_and(|op| [OP_IF.to_u8(), OP_NOTIF.to_u8()].contains(op));
    match stack.last() {
        Some(top) if branches && !top.is_empty() && *top != [1] => Err(MempoolReject::MinimalIf),
        _ => Ok(()),
    }
}
