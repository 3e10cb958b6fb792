//! What must stay in the wallet so that channels can be closed in time. A commitment with anchors pays little by itself: its
//! child brings the fee, and the child is paid for with a coin of ours (BOLT 3). A node without coins stands before a court
//! that it cannot pay (attack 27).

use crate::node::Node;
use crate::owed::SpentBy;
use astrape_channel::{Channel, Phase};
use astrape_primitives::{FeeratePerKw, Sat, Side};
use astrape_transactions::CommitmentFormat;
use astrape_transactions::trim::commitment_weight;
use astrape_wallet::Coins;
use bitcoin::{OutPoint, Txid};
use std::collections::{BTreeMap, BTreeSet};

/// What a commitment and its child are reckoned to pay together: 40 sat/vbyte, a busy day. On a busier one it is still
/// enough for some of the channels, and those that have least time go first.
pub const RESERVE_FEERATE: FeeratePerKw = FeeratePerKw(10_000);

/// HTLCs that each commitment is reckoned with: those that are worth a close are few.
const RESERVED_HTLCS: usize = 2;

/// Weight of the child that brings a commitment into a block: an anchor and a coin as inputs, the change as output.
pub const CHILD_WEIGHT: u64 = 42 + (164 + 116) + (164 + 66) + 172;

/// What should stay for the close of one channel.
#[must_use]
pub const fn reserve_per_channel(format: CommitmentFormat) -> Sat {
    match format {
        // Its commitment has paid all that it will ever pay.
        CommitmentFormat::StaticRemotekey => Sat::ZERO,
        CommitmentFormat::Anchors => {
            RESERVE_FEERATE.fee(commitment_weight(format, RESERVED_HTLCS) + CHILD_WEIGHT)
        }
    }
}

/// What should stay for the close of a channel that is being opened, once it is funded.
pub(crate) fn reserve_of_opening(channel: &Channel) -> Sat {
    match &channel.phase {
        Phase::Opening(opening) => reserve_per_channel(opening.proposal().format),
        Phase::Open(_) | Phase::Closing(_) | Phase::Closed(_) => Sat::ZERO,
    }
}

/// Whether the commitment of a channel may still have to be brought into the chain.
fn may_go_on_chain(channel: &Channel) -> bool {
    match &channel.phase {
        Phase::Open(open) => open.funding.spent.is_none(),
        Phase::Closing(closing) => closing.open.funding.spent.is_none(),
        Phase::Opening(_) | Phase::Closed(_) => false,
    }
}

impl Node {
    /// What the wallet should hold for the closes of all channels.
    #[must_use]
    pub fn anchor_reserve(&self) -> Sat {
        let channels = self.channels().filter(|(_, channel)| may_go_on_chain(channel));
        let formats = channels.filter_map(|(_, channel)| channel.open().map(|open| open.params.format));
        formats.map(reserve_per_channel).sum()
    }

    /// The same with the channels that we are opening.
    pub(crate) fn reserve_with_openings(&self) -> Sat {
        let openings = self.openings.iter().filter_map(|(_, opening)| opening.reserve);
        self.anchor_reserve().saturating_add(openings.sum())
    }

    /// What of [`Node::anchor_reserve`] the wallet does not hold, counting what is confirmed or waits to be.
    #[must_use]
    pub fn missing_reserve(&self) -> Sat {
        let balance = self.coin_balance();
        self.anchor_reserve().saturating_sub(balance.confirmed.saturating_add(balance.unconfirmed))
    }

    /// What the transactions spend that are owed to the network, or were until they were deep enough.
    pub(crate) fn spent_by_us(&self) -> BTreeSet<OutPoint> {
        let inputs = self.owed.iter().flat_map(|(_, owed)| &owed.tx.input);
        inputs.map(|input| input.previous_output).collect()
    }

    /// Our coins without those that transactions of ours spend, and those that they would make and cannot.
    pub(crate) fn coins_left(&self) -> Coins {
        let (spent, beaten) = (self.spent_by_us(), self.beaten());
        let is_left = |outpoint: OutPoint| !spent.contains(&outpoint) && !beaten.contains_key(&outpoint.txid);
        self.coins().filter(|coin| is_left(coin.outpoint())).cloned().collect()
    }

    /// What comes back of the coins that fund channels or are withdrawn, as long as the wallet has not seen it in a transaction.
    pub(crate) fn change_to_come(&self) -> Sat {
        let beaten = self.beaten();
        let is_unseen = |outpoint: &OutPoint| {
            self.owed.contains(&outpoint.txid)
                && !beaten.contains_key(&outpoint.txid)
                && self.coins.get(&()).is_none_or(|coins| coins.get(outpoint).is_none())
        };
        let of_withdrawals = self.change.iter().filter(|(outpoint, _)| is_unseen(outpoint));
        of_withdrawals
            .map(|(_, amount)| *amount)
            .sum::<Sat>()
            .saturating_add(self.change_of_fundings(&beaten))
    }

    fn change_of_fundings(&self, beaten: &BTreeMap<Txid, SpentBy>) -> Sat {
        let open = self.channels().filter_map(|(_, channel)| channel.open());
        let by_us = open.filter(|open| open.params.opener == Side::Local);
        let fundings: BTreeSet<OutPoint> = by_us.map(|open| open.funding.terms.outpoint).collect();
        let is_change = |outpoint: &OutPoint| {
            !fundings.contains(outpoint)
                && self.coins.get(&()).is_none_or(|coins| coins.get(outpoint).is_none())
        };
        let of_owed = fundings.iter().filter_map(|funding| {
            let owed = self.owed.get(&funding.txid).filter(|owed| owed.confirmed.is_none())?;
            if beaten.contains_key(&funding.txid) {
                return None;
            }
            let outputs = (0..).zip(&owed.tx.output);
            let change = outputs.filter(|(vout, _)| is_change(&OutPoint { txid: funding.txid, vout: *vout }));
            Some(change.map(|(_, output)| Sat::from(output.value)).sum::<Sat>())
        });
        of_owed.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_with_anchors_sets_aside_the_fee_of_a_busy_day_and_one_without_nothing() {
        assert_eq!(reserve_per_channel(CommitmentFormat::StaticRemotekey), Sat::ZERO);
        let reserve = reserve_per_channel(CommitmentFormat::Anchors);
        assert!((Sat(15_000)..=Sat(30_000)).contains(&reserve), "{reserve}");
    }
}
