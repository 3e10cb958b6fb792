//! Blocks go: what they held is undone, fact by fact.

use super::Resolution;
use crate::output::Output;
use crate::tracked::{Role, Tracked};
use astrape_primitives::Height;
use bitcoin::OutPoint;

impl Resolution {
    /// The blocks from a height on are gone.
    pub(super) fn reorged(&mut self, from: Height, out: &mut Vec<Output>) {
        for tracked in self.outputs.values_mut() {
            tracked.spent = tracked.spent.filter(|spent| spent.height < from);
        }
        // The output of an HTLC transaction is gone with it; the commitment's own wait for the commitment.
        let commitment = self.close.as_ref().map(super::Close::txid);
        let gone = |(outpoint, t): &(&OutPoint, &Tracked)| {
            Some(outpoint.txid) != commitment && t.confirmed.is_some_and(|height| height >= from)
        };
        let vanished: Vec<OutPoint> =
            self.outputs.iter().filter(gone).map(|(outpoint, _)| *outpoint).collect();
        for outpoint in vanished {
            self.outputs.remove(&outpoint);
            out.push(Output::Forget(outpoint));
        }
        if self.close.as_ref().is_some_and(|close| close.height >= from) {
            self.close_left(Height(from.0.saturating_sub(1)), out);
            for tracked in self.outputs.values_mut() {
                tracked.confirmed = None;
            }
            // Without its commitment an anchor that was swept at leisure is worth nothing.
            let is_anchor = |t: &Tracked| matches!(t.role, Role::Anchor { .. });
            let anchors: Vec<OutPoint> =
                self.outputs.iter().filter(|(_, t)| is_anchor(t)).map(|(outpoint, _)| *outpoint).collect();
            for outpoint in anchors {
                self.outputs.remove(&outpoint);
                out.push(Output::Forget(outpoint));
            }
        }
    }
}
