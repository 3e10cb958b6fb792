//! One wallet pays for the claims of all channels: which coins each may spend, and who is served first.

use crate::turn::Turn;
use astrape_onchain::{Event, Resolution, Waiting};
use astrape_primitives::{ChannelKeysId, Height};
use astrape_transactions::WalletInput;
use astrape_wallet::{Coins, Reservation};
use bitcoin::OutPoint;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Turn<'_> {
    /// Confirmed coins that are free, or set aside for this very channel. One whose block left the chain may never come back.
    pub(super) fn coins_for_claims(&self, keys: ChannelKeysId) -> Vec<WalletInput> {
        let tip = self.height();
        let coins = self.node.coins.get(&()).into_iter().flat_map(|coins| coins.iter());
        coins
            .filter(|coin| {
                coin.reserved.is_none_or(|reserved| reserved == Reservation::Claim(keys))
                    && coin.spent.is_none()
                    && coin.confirmations(tip) > 0
                    && !coin.is_immature(tip)
            })
            .map(astrape_wallet::Coin::to_input)
            .collect()
    }

    /// Sets aside what the claims of a channel spend, and frees what they spend no more.
    pub(super) fn set_aside_coins_of(&mut self, keys: ChannelKeysId, resolution: &Resolution) {
        let reservation = Reservation::Claim(keys);
        let wanted: BTreeSet<OutPoint> = resolution.coins().collect();
        let empty = Arc::new(Coins::default());
        let coins = Arc::clone(self.node.coins.get(&()).unwrap_or(&empty));
        let held: BTreeSet<OutPoint> = coins
            .iter()
            .filter(|c| c.reserved == Some(reservation))
            .map(astrape_wallet::Coin::outpoint)
            .collect();
        if held == wanted {
            return;
        }
        let mut coins = (*coins).clone();
        // What is still wanted stays, also where a block has spent it: the block may go.
        for outpoint in held.difference(&wanted) {
            coins.release_one(outpoint, reservation);
        }
        let is_free = |o: &OutPoint| coins.get(o).is_some_and(|c| c.spent.is_none() && c.reserved.is_none());
        let free: Vec<OutPoint> = wanted.difference(&held).filter(|o| is_free(o)).copied().collect();
        coins.reserve(&free, reservation).expect("they were just looked at");
        self.node.coins.set((), Arc::new(coins));
    }

    /// The other channels that wait for a coin.
    pub(super) fn waiting_for_coins(&self, keys: ChannelKeysId) -> Waiting {
        let mut waiting = Waiting::default();
        for (_, other) in self.node.resolutions.iter().filter(|(other, _)| **other != keys) {
            waiting.count(other);
        }
        waiting
    }

    /// Channels in the order of their first deadlines.
    pub(in crate::turn) fn by_urgency(&self, mut channels: Vec<ChannelKeysId>) -> Vec<ChannelKeysId> {
        let due = |keys: &ChannelKeysId| self.node.resolutions.get(keys).and_then(|r| r.due());
        channels.sort_by_cached_key(|keys| (due(keys).unwrap_or(Height(u32::MAX)), *keys));
        channels
    }

    /// Coins came: the channels that wait for one plan again at once. A block more for each would be too much where many
    /// close with few coins.
    pub(in crate::turn) fn serve_who_waits_for_coins(&mut self) {
        let short = self.node.resolutions.iter().filter(|(_, resolution)| resolution.short_of_coins);
        for keys in self.by_urgency(short.map(|(keys, _)| *keys).collect()) {
            if !self.coins_for_claims(keys).is_empty() {
                self.court(keys, Event::Learnt);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::node::Node;
    use crate::record::tests::examples::Gen;
    use astrape_onchain::{Claim, ClaimId};
    use astrape_primitives::{Entropy, Network, NodeId, Timestamp};
    use astrape_wallet::{Coin, WalletFinding};

    fn found(number: u64) -> Coin {
        let mut coin = Gen(number).coin();
        coin.found.is_coinbase = false;
        Coin { confirmed: Some(Height(100)), spent: None, reserved: None, ..coin }
    }

    #[test]
    fn the_coin_of_a_claim_that_confirmed_stays_set_aside_when_another_claim_takes_one_and_its_block_goes() {
        let node_id = NodeId::from_bytes([2; 33]).expect("a point");
        let mut node = Node::new(Config::new(node_id, Network::Regtest));
        let keys = ChannelKeysId([7; 32]);
        let (first, second) = (found(1), found(2));
        let reserved = |node: &Node, coin: &Coin| {
            node.coins.get(&()).and_then(|coins| coins.get(&coin.outpoint())).and_then(|coin| coin.reserved)
        };
        let coins: Coins = [first.clone(), second.clone()].into_iter().collect();
        node.coins.set((), Arc::new(coins));
        let mut turn = Turn::new(&mut node, Timestamp::from_secs(1), Entropy::new([7; 32]));
        let claim = |number: u64, coin: &Coin| {
            (ClaimId(number), Claim { coins: vec![coin.to_input()], ..Gen(number).claim() })
        };
        let mut court = Gen(3).court(keys);
        court.claims = [claim(1, &first)].into_iter().collect();
        turn.set_aside_coins_of(keys, &court);
        turn.coins(vec![WalletFinding::Spent {
            outpoint: first.outpoint(),
            height: Height(101),
            by: bitcoin::hashes::Hash::from_byte_array([8; 32]),
        }]);
        court.claims.extend([claim(2, &second)]);
        turn.set_aside_coins_of(keys, &court);
        turn.coins(vec![WalletFinding::Reorged { from: Height(101) }]);
        let ours = Some(Reservation::Claim(keys));
        assert_eq!([reserved(turn.node, &first), reserved(turn.node, &second)], [ours; 2]);
        // What no claim spends any more is free again.
        court.claims.remove(&ClaimId(1));
        turn.set_aside_coins_of(keys, &court);
        assert_eq!([reserved(turn.node, &first), reserved(turn.node, &second)], [None, ours]);
    }
}
