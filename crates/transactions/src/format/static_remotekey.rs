//! `option_static_remotekey`: `to_remote` is a plain P2WPKH, and HTLC transactions pay their fee at the commitment's rate.

use bitcoin::secp256k1::PublicKey;
use bitcoin::{CompressedPublicKey, ScriptBuf};

use crate::terms::HtlcDirection;

/// Weight of a commitment without HTLCs (BOLT 3 Appendix A).
pub(super) const COMMITMENT_WEIGHT: u64 = 724;

/// HTLC-timeout and HTLC-success (BOLT 3 Appendix A; the latter is really 702).
pub(super) const fn htlc_weight(direction: HtlcDirection) -> u64 {
    match direction {
        HtlcDirection::Offered => 663,
        HtlcDirection::Received => 703,
    }
}

/// P2WPKH to the counterparty's `payment_basepoint`.
pub(super) fn to_remote(payment: &PublicKey) -> ScriptBuf {
    ScriptBuf::new_p2wpkh(&CompressedPublicKey(*payment).wpubkey_hash())
}
