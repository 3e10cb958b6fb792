//! `option_anchors` with zero-fee HTLC transactions: everything that is not an anchor waits a block, and each side has an
//! anchor to bring its own fee.

use astrape_primitives::Sat;
use bitcoin::ScriptBuf;
use bitcoin::opcodes::all::{OP_CHECKSIGVERIFY, OP_CSV};
use bitcoin::script::Builder;
use bitcoin::secp256k1::PublicKey;

use crate::terms::HtlcDirection;

/// Weight of a commitment without HTLCs, with both anchors (BOLT 3 Appendix A).
pub(super) const COMMITMENT_WEIGHT: u64 = 1124;

/// Value of an anchor: the dust threshold of P2WSH.
pub(super) const ANCHOR: Sat = Sat(330);

/// HTLC-timeout and HTLC-success (BOLT 3 Appendix A; the latter is really 705).
pub(super) const fn htlc_weight(direction: HtlcDirection) -> u64 {
    match direction {
        HtlcDirection::Offered => 666,
        HtlcDirection::Received => 706,
    }
}

/// To the counterparty's `payment_basepoint` after one block.
pub(super) fn to_remote(payment: &PublicKey) -> ScriptBuf {
    Builder::new()
        .push_slice(payment.serialize())
        .push_opcode(OP_CHECKSIGVERIFY)
        .push_int(1)
        .push_opcode(OP_CSV)
        .into_script()
}
