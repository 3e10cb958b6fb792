//! What is owed to the world whether or not it was done before: asked after a restart (effects may be late, never lost).

use crate::channel::{Channel, Closing, How, Open, Phase};
use crate::output::Output;

impl Channel {
    /// What must be broadcast, again if need be: our unconfirmed funding, and what spends the funding.
    #[must_use]
    pub fn owed_to_chain(&self) -> Vec<Output> {
        let Some(open) = self.open() else {
            return Vec::new();
        };
        let funding = open.funding.tx.as_ref().filter(|_| open.funding.confirmed.is_none());
        let mut owed: Vec<Output> =
            funding.map(|tx| Output::BroadcastFunding(tx.clone())).into_iter().collect();
        if let Phase::Closing(closing) = &self.phase
            && closing.open.funding.spent.is_none()
        {
            owed.extend(spend_owed(closing));
        }
        owed
    }

    /// What must be watched.
    #[must_use]
    pub fn watches(&self) -> Vec<Output> {
        let watch = |open: &Open| {
            let terms = &open.funding.terms;
            Output::WatchFunding { outpoint: terms.outpoint, script: terms.funding_script() }
        };
        self.open().map(watch).into_iter().collect()
    }

    /// What the signer owes: the point of our commitment after the next, when a restart came before its answer.
    #[must_use]
    pub fn owed_to_signer(&self) -> Vec<Output> {
        match &self.phase {
            Phase::Open(open) if open.local.third_point.is_none() => {
                vec![Output::PointNeeded(open.local.number.plus(2))]
            }
            _ => Vec::new(),
        }
    }
}

fn spend_owed(closing: &Closing) -> Option<Output> {
    match &closing.how {
        How::Cooperative { request, remote_signature } => Some(Output::BroadcastClosing {
            txid: request.tx.compute_txid(),
            request: (**request).clone(),
            remote_signature: *remote_signature,
        }),
        How::OurCommitment { .. } => Some(Output::BroadcastCommitment(closing.open.local_request())),
        How::AwaitPeersCommitment { .. } | How::Spent => None,
    }
}
