//! Weights that BOLT 3 fixes, and the dust thresholds of Bitcoin nodes.

use astrape_primitives::Sat;
use bitcoin::Script;
use bitcoin::opcodes::all::OP_RETURN;

/// What each untrimmed HTLC adds to the weight of a commitment.
pub const HTLC_OUTPUT_WEIGHT: u64 = 172;

/// Version, counts of inputs and outputs, locktime, and the segwit marker (Appendix A).
pub const TRANSACTION_FIELDS_WEIGHT: u64 = 4 * 10 + 2;

/// An input with empty `scriptSig`, without its witness: outpoint, length, sequence.
pub const INPUT_WEIGHT: u64 = 4 * 41;

/// A P2WSH output, such as the funding output.
pub const P2WSH_OUTPUT_WEIGHT: u64 = 4 * 43;

/// Witness of the funding input: two signatures of 73 bytes and the 2-of-2.
pub const FUNDING_WITNESS_WEIGHT: u64 = 222;

/// Least witness weight that each input of a collaborative funding pays for (BOLT 2).
pub const MIN_WITNESS_WEIGHT: u64 = 107;

/// An output with a script of this length (below 253 bytes).
#[must_use]
pub const fn output_weight(script_len: u64) -> u64 {
    4 * (9 + script_len)
}

/// Value below which Bitcoin nodes do not relay an output with this script (BOLT 3 "Dust Limits").
#[must_use]
pub fn dust_threshold(script: &Script) -> Sat {
    if script.as_bytes().first() == Some(&OP_RETURN.to_u8()) {
        Sat::ZERO
    } else if script.is_p2pkh() {
        Sat(546)
    } else if script.is_p2sh() {
        Sat(540)
    } else if script.is_p2wpkh() {
        Sat(294)
    } else if script.is_p2wsh() {
        Sat(330)
    } else if script.as_bytes() == [0x51, 0x02, 0x4e, 0x73] {
        Sat(240)
    } else if script.is_witness_program() {
        Sat(354)
    } else {
        Sat(546)
    }
}

/// Lowest `dust_limit_satoshis` with which every standard script that is no legacy one is relayed (BOLT 2).
pub const MIN_DUST_LIMIT: Sat = Sat(354);

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::ScriptBuf;

    #[test]
    fn dust_thresholds_are_those_of_bitcoin_nodes() {
        let witness = |version: u8, len: u8| {
            let mut bytes = vec![version, len];
            bytes.resize(2 + usize::from(len), 7);
            ScriptBuf::from(bytes)
        };
        for (script, dust) in [
            (ScriptBuf::new_op_return([1, 2, 3]), 0),
            (ScriptBuf::from_hex("76a91414011f7254d96b819c76986c277d115efce6f7b588ac").expect("hex"), 546),
            (ScriptBuf::from_hex("a91414011f7254d96b819c76986c277d115efce6f7b587").expect("hex"), 540),
            (witness(0, 20), 294),
            (witness(0, 32), 330),
            (ScriptBuf::from(vec![0x51, 0x02, 0x4e, 0x73]), 240),
            (witness(0x51, 32), 354),
            (witness(0x60, 40), 354),
        ] {
            assert_eq!(dust_threshold(&script), Sat(dust), "{script}");
        }
    }
}
