//! All coins: what a scanner finds, what is reserved, and what it comes to.

use crate::coin::{Coin, FoundCoin, Reservation};
use crate::select::Refusal;
use astrape_primitives::{Height, Sat};
use bitcoin::{OutPoint, Txid};
use std::collections::BTreeMap;

/// Confirmations of a spend after which the spent coin is forgotten. Deeper reorganisations have never been seen; a coin
/// that one would give back is found anew, only without its reservation.
pub const SPENT_BURIED: u32 = 100;

/// What a scanner found. Findings come in the order in which they happened; the same one twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalletFinding {
    /// A coin is in the best chain.
    Confirmed {
        /// The coin.
        coin: FoundCoin,
        /// Height of its block.
        height: Height,
    },
    /// A coin waits in the mempool.
    Unconfirmed {
        /// The coin.
        coin: FoundCoin,
    },
    /// A transaction of the best chain spends a coin.
    Spent {
        /// The coin.
        outpoint: OutPoint,
        /// Height of the block with the spend.
        height: Height,
        /// What spends it: another transaction than the one that it was set aside for can never confirm beside it.
        by: Txid,
    },
    /// Blocks left the best chain: what they made waits again, what they spent is unspent again.
    Reorged {
        /// Height of the lowest block that left.
        from: Height,
    },
    /// The transaction that made an unconfirmed coin was replaced, or will not confirm.
    Dropped {
        /// The coin.
        outpoint: OutPoint,
    },
}

/// What the unspent coins come to. Each coin counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Confirmed and free.
    pub confirmed: Sat,
    /// Not in a block yet.
    pub unconfirmed: Sat,
    /// Rewards of blocks that may not be spent yet.
    pub immature: Sat,
    /// Set aside for an opening or a withdrawal.
    pub reserved: Sat,
}

impl Balance {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Sat {
        [self.confirmed, self.unconfirmed, self.immature, self.reserved].into_iter().sum()
    }
}

/// Our coins. There is no bound on their number: each costs its sender a fee, and dropping one would lose money;
/// [selection](crate::select) has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coins {
    coins: BTreeMap<OutPoint, Coin>,
}

impl FromIterator<Coin> for Coins {
    /// The coins as they were recorded.
    fn from_iter<I: IntoIterator<Item = Coin>>(coins: I) -> Self {
        Self { coins: coins.into_iter().map(|coin| (coin.outpoint(), coin)).collect() }
    }
}

impl Coins {
    /// The coin at `outpoint`.
    #[must_use]
    pub fn get(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.coins.get(outpoint)
    }

    /// All coins by outpoint, also those spent of late.
    pub fn iter(&self) -> impl Iterator<Item = &Coin> {
        self.coins.values()
    }

    /// What the unspent coins come to when the tip is at `tip`. What a stranger's transaction makes counts from its block on: a
    /// reorganisation that takes the block takes the coin, and whatever it came from (a channel, for one) counts again in its stead.
    #[must_use]
    pub fn balance(&self, tip: Height) -> Balance {
        let mut balance = Balance::default();
        for coin in self.coins.values().filter(|coin| coin.is_there(tip)) {
            let part = if coin.reserved.is_some() {
                &mut balance.reserved
            } else if coin.confirmations(tip) == 0 {
                &mut balance.unconfirmed
            } else if coin.is_immature(tip) {
                &mut balance.immature
            } else {
                &mut balance.confirmed
            };
            *part = part.saturating_add(coin.amount());
        }
        balance
    }

    /// Takes in a finding, and returns the coins that it changed.
    pub fn apply(&mut self, finding: WalletFinding) -> Vec<OutPoint> {
        match finding {
            WalletFinding::Confirmed { coin, height } => self.found(coin, Some(height)),
            // A block's reward without its block is nothing.
            WalletFinding::Unconfirmed { coin } if coin.is_coinbase => self.dropped(coin.outpoint),
            WalletFinding::Unconfirmed { coin } => self.found(coin, None),
            WalletFinding::Spent { outpoint, height, by: _ } => self.spent(outpoint, height),
            WalletFinding::Reorged { from } => self.reorged(from),
            WalletFinding::Dropped { outpoint } => self.dropped(outpoint),
        }
    }

    fn found(&mut self, found: FoundCoin, confirmed: Option<Height>) -> Vec<OutPoint> {
        let outpoint = found.outpoint;
        let known = self.coins.get(&outpoint);
        let (spent, reserved) = known.map_or((None, None), |coin| (coin.spent, coin.reserved));
        let coin = Coin { found, confirmed, spent, reserved };
        if known == Some(&coin) {
            return Vec::new();
        }
        self.coins.insert(outpoint, coin);
        vec![outpoint]
    }

    fn spent(&mut self, outpoint: OutPoint, height: Height) -> Vec<OutPoint> {
        match self.coins.get_mut(&outpoint) {
            Some(coin) if coin.spent != Some(height) => {
                coin.spent = Some(height);
                vec![outpoint]
            }
            _ => Vec::new(),
        }
    }

    fn reorged(&mut self, from: Height) -> Vec<OutPoint> {
        let gone = |height: Option<Height>| height.is_some_and(|height| height >= from);
        let touched: Vec<OutPoint> =
            self.coins.values().filter(|c| gone(c.confirmed) || gone(c.spent)).map(Coin::outpoint).collect();
        for outpoint in &touched {
            let Some(coin) = self.coins.get_mut(outpoint) else { continue };
            coin.spent = coin.spent.filter(|height| *height < from);
            coin.confirmed = coin.confirmed.filter(|height| *height < from);
            if coin.confirmed.is_none() && coin.found.is_coinbase {
                self.coins.remove(outpoint);
            }
        }
        touched
    }

    fn dropped(&mut self, outpoint: OutPoint) -> Vec<OutPoint> {
        match self.coins.get(&outpoint) {
            Some(coin) if coin.confirmed.is_none() => {
                self.coins.remove(&outpoint);
                vec![outpoint]
            }
            _ => Vec::new(),
        }
    }

    /// Sets coins aside: all of them or, on error, none.
    ///
    /// # Errors
    /// When one is not there, spent, or set aside already.
    pub fn reserve(&mut self, outpoints: &[OutPoint], reservation: Reservation) -> Result<(), Refusal> {
        for outpoint in outpoints {
            let coin = self.coins.get(outpoint).ok_or(Refusal::NoSuchCoin(*outpoint))?;
            if coin.spent.is_some() {
                return Err(Refusal::Spent(*outpoint));
            }
            if coin.reserved.is_some() {
                return Err(Refusal::Reserved(*outpoint));
            }
        }
        for outpoint in outpoints {
            if let Some(coin) = self.coins.get_mut(outpoint) {
                coin.reserved = Some(reservation);
            }
        }
        Ok(())
    }

    /// Frees what was set aside for `reservation`, and returns it. Coins spent meanwhile stay spent.
    pub fn release(&mut self, reservation: Reservation) -> Vec<OutPoint> {
        let mut released = Vec::new();
        for coin in self.coins.values_mut().filter(|coin| coin.reserved == Some(reservation)) {
            coin.reserved = None;
            released.push(coin.found.outpoint);
        }
        released
    }

    /// Frees one coin, if it was set aside for `reservation`.
    pub fn release_one(&mut self, outpoint: &OutPoint, reservation: Reservation) {
        if let Some(coin) = self.coins.get_mut(outpoint).filter(|coin| coin.reserved == Some(reservation)) {
            coin.reserved = None;
        }
    }

    /// Forgets coins whose spend is [buried](SPENT_BURIED) under `tip`, and returns them.
    pub fn forget_buried(&mut self, tip: Height) -> Vec<OutPoint> {
        let buried =
            |coin: &Coin| coin.spent.is_some_and(|height| height.confirmations_at(tip) >= SPENT_BURIED);
        let forgotten: Vec<OutPoint> =
            self.coins.values().filter(|coin| buried(coin)).map(Coin::outpoint).collect();
        for outpoint in &forgotten {
            self.coins.remove(outpoint);
        }
        forgotten
    }
}
