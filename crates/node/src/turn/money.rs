//! What is asserted before anything leaves through the door, in release builds too: money is conserved, and an HTLC that is
//! relayed stands against one that is worth at least as much and expires later.

use super::{Turn, incoming_htlc, origin_of};
use astrape_channel::Origin;
use astrape_primitives::SharedMap;

impl Turn<'_> {
    /// Money is conserved in every channel that the step touched; an HTLC that we forward is worth no more than the one
    /// that pays for it. In release builds too: nothing leaves through the door otherwise.
    pub(super) fn check_money(&self) {
        // Where our program has failed nothing new is signed: what is left to do must not be stopped by what was found wrong.
        let touched = self.node.channels.touched().filter(|keys| !self.node.quarantined.contains_key(*keys));
        for keys in touched {
            let Some(open) = self.node.channels.get(keys).and_then(|c| c.open()) else {
                continue;
            };
            let total = open.balances.local.checked_add(open.balances.remote);
            assert_eq!(
                total,
                Some(open.funding.terms.capacity.to_msat()),
                "money appeared or went in channel {keys}"
            );
            self.check_forwards(self.node.channels.before(keys).and_then(|c| c.open()), open);
        }
    }

    /// Checks those that the step has changed: what pays for an HTLC never does.
    fn check_forwards(&self, before: Option<&astrape_channel::Open>, open: &astrape_channel::Open) {
        let none = SharedMap::new();
        let changed = before.map_or(&none, |b| &b.htlcs).differences(&open.htlcs);
        for htlc in changed.filter_map(|(_, _, htlc)| htlc) {
            let Some(Origin::Relay { channel, id }) = origin_of(htlc) else {
                continue;
            };
            let upstream = self.node.channels.get(&channel).and_then(|c| incoming_htlc(c, id));
            if let Some(upstream) = upstream {
                assert!(
                    upstream.amount >= htlc.amount && upstream.cltv_expiry >= htlc.cltv_expiry,
                    "an HTLC is forwarded with more than came in, or for longer"
                );
            }
        }
    }
}
