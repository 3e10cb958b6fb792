//! The funding is spent on chain: by which transaction, and what its HTLCs show. Claims on its outputs, and when all is over,
//! are no matter of this crate (BOLT 5).

use crate::channel::{Channel, Closed, How, Open, Phase};
use crate::funding::Spend;
use crate::open::Work;
use crate::output::{Output, Story, Transition};
use astrape_primitives::{CommitmentNumber, Height, HtlcId, PaymentPreimage, Side};
use astrape_transactions::numbering::commitment_number;
use astrape_transactions::{Commitment, CommitmentContent, is_closing};
use bitcoin::Transaction;
use std::sync::Arc;

/// What the peer holds after we have lost state.
const NEWER: &str = "a commitment of the peer that is newer than our records";

impl Work<'_> {
    /// A confirmed transaction spends the funding. Whatever it is, the channel is no more.
    pub(crate) fn funding_spent(mut self, tx: Arc<Transaction>, height: Height) -> Transition {
        let how = self.classify(&tx);
        self.stop();
        self.outputs.push(Output::Story(Story::Spent { txid: tx.compute_txid(), how }));
        self.open.funding.spent = Some(Spend { tx, height });
        if how == NEWER {
            // Our records are old. Should a reorganisation take this transaction away, ours must still never go out.
            let reason = "the peer has a commitment that is newer than our records".to_owned();
            self.how = Some(How::AwaitPeersCommitment { reason });
        }
        self.how.get_or_insert(How::Spent);
        self.finish()
    }

    fn classify(&self, tx: &Transaction) -> &'static str {
        let open = &self.open;
        let txid = tx.compute_txid();
        let is = |content| {
            Commitment::build(self.view.secp, &open.funding.terms, &content).is_ok_and(|c| c.txid() == txid)
        };
        if open.pays_out(tx) {
            return "the closing transaction that both sides signed";
        }
        if is(open.local_content()) {
            return "our commitment";
        }
        let acked = open.remote.acked();
        if is(open.content(Side::Remote, acked, open.remote.point)) || is(open.remote_request().content) {
            return "the peer's commitment";
        }
        match commitment_number(&open.funding.terms, tx) {
            Some(number) if number < acked => "a revoked commitment of the peer",
            Some(number) if number > open.remote.number && number <= CommitmentNumber::MAX => NEWER,
            _ => "an unknown transaction",
        }
    }

    /// All that the spend led to is irrevocable: nothing is left to do.
    pub(super) fn resolved(self) -> Transition {
        let Some(spend) = self.open.funding.spent.clone() else {
            return self.finish();
        };
        let closed = Closed { params: Arc::clone(&self.open.params), txid: spend.tx.compute_txid() };
        let mut outputs = self.outputs;
        outputs.push(Output::Over);
        Transition { next: Channel { link: self.link, phase: Phase::Closed(closed) }, outputs }
    }

    /// The chain shows the preimage of an HTLC of ours: it is durable and claimed upstream at once.
    pub(crate) fn preimage_seen(mut self, id: HtlcId, preimage: PaymentPreimage) -> Transition {
        let Some(htlc) = self.open.htlcs.get(&(Side::Local, id)).cloned() else {
            return self.finish();
        };
        if htlc.preimage().is_none() && preimage.payment_hash() == htlc.payment_hash {
            self.learn_preimage(&htlc, preimage, None);
        }
        self.finish()
    }
}

impl Open {
    /// What the commitments of the peer say that are not revoked: the one that it is bound to, and perhaps the next.
    #[must_use]
    pub fn remote_contents(&self) -> Vec<CommitmentContent> {
        let bound_to = self.content(Side::Remote, self.remote.acked(), self.remote.point);
        let next = self.remote.unrevoked.map(|_| self.remote_request().content);
        std::iter::once(bound_to).chain(next).collect()
    }

    /// Whether a transaction is a closing transaction that both signed, with whatever fee.
    fn pays_out(&self, tx: &Transaction) -> bool {
        let (Some(local), Some(remote)) = (&self.shutdown.local, &self.shutdown.remote) else {
            return false;
        };
        is_closing(&self.funding.terms, tx, [local, remote])
    }
}
