//! What people are told of a channel on chain.

use crate::ledger::ChannelFact;
use crate::turn::Turn;
use astrape_onchain::{Spender, Story};
use astrape_primitives::{ChannelKeysId, Side};

impl Turn<'_> {
    pub(super) fn tell_of_the_chain(&mut self, keys: ChannelKeysId, story: Story) {
        let fact = |txid, what: String, amount, fee| ChannelFact::OnChain { txid, what, amount, fee };
        let fact = match story {
            Story::Spent { txid, spender: Spender::Unknown } => fact(
                Some(txid),
                "WARNING: nothing that this channel knows of spends its funding: a key may have leaked, and its funds may \
                 be lost"
                    .to_owned(),
                None,
                None,
            ),
            Story::Spent { txid, spender: Spender::Future { .. } } => fact(
                Some(txid),
                "WARNING: the peer closed with a newer state than ours; what is certainly ours is swept, HTLCs may be lost"
                    .to_owned(),
                None,
                None,
            ),
            // The channel tells of it.
            Story::Spent { .. } => return,
            // A version for a higher fee is no turning point.
            Story::Claiming { is_first: false, .. } => return,
            Story::LeftTheChain { txid } => {
                let what = "left the chain by a reorganisation; it is brought back".to_owned();
                fact(Some(txid), what, None, None)
            }
            Story::Claiming { txid, value, fee: paid, deadline, .. } => {
                let by = deadline.map_or_else(String::new, |height| format!(", due by block {height}"));
                fact(Some(txid), format!("claiming {value} for a fee of {paid}{by}"), Some(value), None)
            }
            Story::Claimed { txid, value, fee: paid } => {
                fact(Some(txid), format!("claimed {value}"), Some(value), paid)
            }
            Story::TakenByPeer { htlc: (side, id), value, with_preimage, txid } => {
                let whose = if side == Side::Local { "our" } else { "the peer's" };
                let how = if with_preimage { "with the preimage" } else { "back after its expiry" };
                let what = format!("the peer took {whose} HTLC {id} {how}");
                fact(Some(txid), what, Some(value), None)
            }
            Story::Lost { value, txid } => {
                let what = "WARNING: the peer took an output of a revoked commitment after its delay".to_owned();
                fact(Some(txid), what, Some(value), None)
            }
            Story::NoCoins { missing } => {
                let what = format!(
                    "WARNING: the wallet has no confirmed coins for the fee of this channel's transactions: send at least \
                     {missing} to it now"
                );
                fact(None, what, Some(missing), None)
            }
        };
        self.tell(keys, fact);
    }
}
