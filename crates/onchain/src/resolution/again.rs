//! A close that was in a block and left it: it is brought back, whoever made it.
//!
//! What was in a block is signed, valid and known to all, so saying it again gives nothing away; and what follows from it is
//! prepared. It is brought back where that serves us: not a spend that nothing of ours explains, and not our own commitment,
//! which the channel owes by itself where it may go out at all. When it does not come back, ours goes.

use super::{Resolution, View};
use crate::output::{Output, Story};
use crate::spender::Spender;
use astrape_primitives::Height;
use bitcoin::{Transaction, Txid};
use std::sync::Arc;

/// Blocks that a close that left the chain has to come back, before our own commitment goes out. What has a deadline waits
/// for no count: [`crate::deadline`] speaks for HTLCs.
pub const BLOCKS_TO_COME_BACK: u32 = 36;

/// A spend of the funding that left the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// It.
    pub tx: Arc<Transaction>,
    /// What it is.
    pub spender: Spender,
    /// The best block when it left.
    pub since: Height,
}

impl Left {
    /// Whether it goes out again.
    fn is_brought_back(&self) -> bool {
        match self.spender {
            Spender::Cooperative
            | Spender::Theirs { .. }
            | Spender::Revoked { .. }
            | Spender::Future { .. } => true,
            Spender::Ours { .. } | Spender::Unknown => false,
        }
    }

    /// Whether our own commitment shall go out in its place.
    fn is_given_up(&self, tip: Height) -> bool {
        match self.spender {
            Spender::Theirs { .. } | Spender::Revoked { .. } => tip >= self.since.plus(BLOCKS_TO_COME_BACK),
            Spender::Unknown => true,
            // It has no deadline. After a loss of data ours must never go out. Our own is owed by the channel.
            Spender::Cooperative | Spender::Future { .. } | Spender::Ours { .. } => false,
        }
    }
}

impl Resolution {
    /// The spend of the funding left the chain: the best block is `tip` now.
    pub(super) fn close_left(&mut self, tip: Height, out: &mut Vec<Output>) {
        if let Some(close) = self.close.take() {
            out.push(Output::Story(Story::LeftTheChain { txid: close.txid() }));
            self.left = Some(Left { tx: close.tx, spender: close.spender, since: tip });
        }
    }

    /// With every block, until something spends the funding again.
    pub(super) fn bring_back(&mut self, view: &View<'_>, out: &mut Vec<Output>) {
        let Some(left) = self.left.clone() else { return };
        if left.is_brought_back() {
            out.push(Output::Again(Arc::clone(&left.tx)));
            // As if the mempool had shown it: our anchor on it pays for its way. Not while the mempool has another.
            if self.seen.is_none() {
                self.wait_for_peers(&left.tx, view, out);
            }
        }
        if left.is_given_up(view.tip) {
            out.push(Output::OursNeeded);
        }
    }

    /// What went out again and may have to.
    pub(super) fn owed_again(&self, out: &mut Vec<Output>) {
        let left = self.left.as_ref().filter(|left| left.is_brought_back());
        out.extend(left.map(|left| Output::Again(Arc::clone(&left.tx))));
    }

    /// The transaction of the peer with this id that a block or the mempool has shown: the parent of a claim that pays for it.
    pub(crate) fn parent_that_was_shown(&self, txid: Txid) -> Option<Arc<Transaction>> {
        let shown = self.left.as_ref().map(|left| &left.tx).into_iter().chain(&self.seen);
        shown.into_iter().find(|tx| tx.compute_txid() == txid).cloned()
    }
}
