//! Where a `shutdown` may send money (BOLT 2 "Closing Initiation").

use crate::policy::View;
use astrape_primitives::Feature;
use bitcoin::{Script, WitnessVersion};

/// Whether `shutdown` may carry this script between these peers: version 0 witness programs always, later versions with
/// `option_shutdown_anysegwit`.
pub(crate) fn is_allowed(script: &Script, view: &View<'_>) -> bool {
    match script.witness_version() {
        Some(WitnessVersion::V0) => script.is_p2wpkh() || script.is_p2wsh(),
        Some(_) => view.negotiated(Feature::ShutdownAnysegwit),
        None => false,
    }
}
