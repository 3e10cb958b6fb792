//! The transaction of a selection, and what it weighs before it is signed.

use crate::coin::Coin;
use crate::select::{Refusal, Selection};
use astrape_primitives::{FeeratePerKw, Height, Sat};
use astrape_transactions::signing::WalletRequest;
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Script, Sequence, Transaction, TxIn, TxOut, VarInt, Witness};

/// Weight of an input that spends P2TR by its key: outpoint, empty script and sequence (41 bytes of 4), and a witness of
/// one signature of 64 bytes (66 bytes of 1).
pub const INPUT_WEIGHT: u64 = 41 * 4 + 66;

/// Version and lock time (8 bytes of 4), and the two bytes that announce witnesses.
const FRAME_WEIGHT: u64 = 8 * 4 + 2;

/// Weight of a signed transaction that spends `inputs` coins to `outputs` and maybe to a change script.
#[must_use]
pub fn weight(inputs: usize, outputs: &[TxOut], change: Option<&Script>) -> u64 {
    let output = |script: &Script| 4 * (8 + length(script.len()) + script.len() as u64);
    let count = outputs.len() + usize::from(change.is_some());
    FRAME_WEIGHT
        + 4 * (length(inputs) + length(count))
        + INPUT_WEIGHT * inputs as u64
        + outputs.iter().map(|o| output(&o.script_pubkey)).sum::<u64>()
        + change.map_or(0, output)
}

/// Bytes of a number as Bitcoin writes lengths.
fn length(number: usize) -> u64 {
    VarInt::from(number).size() as u64
}

/// Fee of `weight` weight units, rounded up: a transaction of ours never pays less than was asked.
#[must_use]
pub fn fee(feerate: FeeratePerKw, weight: u64) -> Sat {
    Sat(u64::from(feerate.0).saturating_mul(weight).div_ceil(1000))
}

impl Selection {
    /// The transaction, ready to be signed: version 2, replaceable (BIP 125), and not minable below the next block, so
    /// that no miner gains by mining `tip` again. Inputs and outputs are in the order of BIP 69, which does not tell
    /// which output is the change.
    ///
    /// # Errors
    /// When the outputs differ from those that were selected for in what they weigh or come to.
    pub fn to_request(
        &self,
        mut outputs: Vec<TxOut>,
        change_script: &Script,
        tip: Height,
    ) -> Result<WalletRequest, Refusal> {
        if let Some(change) = self.change {
            outputs.push(TxOut { value: change.into(), script_pubkey: change_script.to_owned() });
        }
        let paid: Sat = outputs.iter().map(|output| Sat::from(output.value)).sum();
        let spent: Sat = self.inputs.iter().map(Coin::amount).sum();
        let as_selected = weight(self.inputs.len(), &outputs, None) == self.weight;
        if paid.checked_add(self.fee) != Some(spent) || !as_selected {
            return Err(Refusal::OtherOutputs);
        }
        outputs.sort_by(|a, b| (a.value, &a.script_pubkey).cmp(&(b.value, &b.script_pubkey)));
        let mut inputs: Vec<_> = self.inputs.iter().map(Coin::to_input).collect();
        // BIP 69 orders ids as they are shown: from the last byte.
        inputs.sort_by_key(|input| {
            let mut txid = *AsRef::<[u8; 32]>::as_ref(&input.outpoint.txid);
            txid.reverse();
            (txid, input.outpoint.vout)
        });
        let tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::from_height(tip.0).unwrap_or(LockTime::ZERO),
            input: inputs
                .iter()
                .map(|input| TxIn {
                    previous_output: input.outpoint,
                    sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
                    witness: Witness::new(),
                    ..TxIn::default()
                })
                .collect(),
            output: outputs,
        };
        Ok(WalletRequest { tx, inputs })
    }
}
