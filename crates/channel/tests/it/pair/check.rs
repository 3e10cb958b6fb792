//! What must hold after every step, and at rest.

use super::{A, B, Pair};
use astrape_channel::fee::Fees;
use astrape_channel::{Link, Open};
use astrape_transactions::{Commitment, CommitmentContent};

impl Pair {
    /// What must hold after every step.
    pub(super) fn check(&self, who: usize) {
        let channel = self.nodes[who].channel.as_ref().expect("just installed");
        if let Some(after) = channel.after_losing_the_connection() {
            assert_eq!(after.after_losing_the_connection().as_ref(), Some(&after));
            assert_eq!(after.link, Link::Down);
        }
        let Some(open) = channel.open() else {
            return;
        };
        let capacity = open.funding.terms.capacity.to_msat();
        assert_eq!(open.balances.local.saturating_add(open.balances.remote), capacity);
        assert!(open.fees.changes().len() <= Fees::MAX_CHANGES);
        assert!(Fees::from_changes(open.fees.changes().to_vec()).is_some(), "{:?}", open.fees);
        assert_eq!(open.remote.secrets.next(), open.remote.acked());
        let local = self.build(open, &open.local_content());
        let signatures = &open.local.signatures;
        local.verify(&self.secp, &signatures.commitment, &signatures.htlcs).expect("ours can be broadcast");
        assert_eq!(local.number(), open.local.number);
        self.build(open, &open.remote_request().content);
    }

    fn build(&self, open: &Open, content: &CommitmentContent) -> Commitment {
        Commitment::build(&self.secp, &open.funding.terms, content).expect("money is conserved")
    }

    /// At rest, what one holds for its own is what the other holds for the peer's.
    pub(crate) fn check_mirrors(&self) {
        for (one, other) in [(A, B), (B, A)] {
            let (one, other) = (self.nodes[one].open(), self.nodes[other].open());
            let (ours, theirs) =
                (self.build(one, &one.local_content()), self.build(other, &other.remote_request().content));
            assert_eq!(ours.tx(), theirs.tx());
            assert_eq!(one.remote.unrevoked, None);
            assert_eq!(one.balances.local, other.balances.remote);
            assert_eq!(one.htlcs.len(), other.htlcs.len());
        }
    }
}
