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
        coins.release(reservation);
        let is_free = |o: &OutPoint| coins.get(o).is_some_and(|c| c.spent.is_none() && c.reserved.is_none());
        let free: Vec<OutPoint> = wanted.into_iter().filter(is_free).collect();
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
