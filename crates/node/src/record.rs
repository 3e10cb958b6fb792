//! The node as rows, derived from the change of its state: nobody says "store". Rows are small, versioned, and named by
//! typed keys; what they hold is told beside each kind.

mod channel;
mod codec;
mod key;
mod parts;
mod payment;
mod policy;
mod resolution;
mod send;
mod single;

use crate::journal::Key;
use crate::state::{
    ChainState, Counters, FailedByPeer, KnownPeer, OwedTransaction, OwnNode, OwnUpdate, PeerUpdate,
};
use crate::table::Table;
use astrape_channel::Channel;
use astrape_onchain::Resolution;
use astrape_payment::intercept::Held;
use astrape_payment::{ChannelPolicy, OpenInvoice, Payment, Receiving};
use astrape_primitives::{ChannelKeysId, HtlcId, NodeId, PaymentHash};
use astrape_wallet::{Coin, Coins};
use bitcoin::{OutPoint, Txid};
use channel::ChannelRows;
pub(crate) use channel::diff_channel;
use codec::Unreadable;
use key::{ChannelRow, Kind};
pub(crate) use resolution::diff_resolution;
use resolution::{ResolutionRow, ResolutionRows};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A record that this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record {key:?} is not readable: {reason}")]
pub struct RecordError {
    key: Key,
    reason: String,
}

/// A value that is one row under its key.
pub(crate) trait Row: Sized {
    /// What it is about.
    type Id;
    const KIND: Kind;

    fn id_bytes(id: &Self::Id) -> Vec<u8>;
    fn id_of(bytes: &[u8]) -> Option<Self::Id>;
    fn encode(&self) -> Vec<u8>;
    fn decode(id: &Self::Id, bytes: &[u8]) -> Result<Self, Unreadable>;
}

/// What is shared in memory is one row all the same.
impl<T: Row> Row for Arc<T> {
    type Id = T::Id;
    const KIND: Kind = T::KIND;

    fn id_bytes(id: &T::Id) -> Vec<u8> {
        T::id_bytes(id)
    }

    fn id_of(bytes: &[u8]) -> Option<T::Id> {
        T::id_of(bytes)
    }

    fn encode(&self) -> Vec<u8> {
        (**self).encode()
    }

    fn decode(id: &T::Id, bytes: &[u8]) -> Result<Self, Unreadable> {
        T::decode(id, bytes).map(Arc::new)
    }
}

/// Adds the rows of what a step changed in a table.
pub(crate) fn diff_table<V: Row + PartialEq + Clone>(
    table: &Table<V::Id, V>,
    out: &mut BTreeMap<Key, Option<Vec<u8>>>,
) where
    V::Id: Ord + Clone,
{
    for id in table.touched() {
        let (old, new) = (table.before(id), table.get(id));
        if old != new {
            out.insert(V::KIND.key(&V::id_bytes(id)), new.map(Row::encode));
        }
    }
}

/// Adds the rows of coins that differ.
pub(crate) fn diff_coins(table: &Table<(), Arc<Coins>>, out: &mut BTreeMap<Key, Option<Vec<u8>>>) {
    if table.touched().next().is_none() {
        return;
    }
    let empty = Arc::new(Coins::default());
    let old = table.before(&()).unwrap_or(&empty);
    let new = table.get(&()).unwrap_or(&empty);
    for coin in new.iter().filter(|coin| old.get(&coin.outpoint()) != Some(*coin)) {
        out.insert(Kind::Coin.key(&<Coin as Row>::id_bytes(&coin.outpoint())), Some(coin.encode()));
    }
    for coin in old.iter().filter(|coin| new.get(&coin.outpoint()).is_none()) {
        out.insert(Kind::Coin.key(&<Coin as Row>::id_bytes(&coin.outpoint())), None);
    }
}

/// All that is durable of a node.
#[derive(Default)]
pub(crate) struct Restored {
    pub(crate) channels: BTreeMap<ChannelKeysId, Arc<Channel>>,
    pub(crate) payments: BTreeMap<PaymentHash, Arc<Payment>>,
    pub(crate) invoices: BTreeMap<PaymentHash, Arc<OpenInvoice>>,
    pub(crate) receiving: BTreeMap<PaymentHash, Arc<Receiving>>,
    pub(crate) coins: Coins,
    pub(crate) peers: BTreeMap<NodeId, KnownPeer>,
    pub(crate) peer_updates: BTreeMap<ChannelKeysId, PeerUpdate>,
    pub(crate) owed: BTreeMap<Txid, OwedTransaction>,
    pub(crate) own_updates: BTreeMap<ChannelKeysId, OwnUpdate>,
    pub(crate) own_node: BTreeMap<(), OwnNode>,
    pub(crate) policies: BTreeMap<ChannelKeysId, Arc<ChannelPolicy>>,
    pub(crate) failed_by_peer: BTreeMap<ChannelKeysId, FailedByPeer>,
    pub(crate) held: BTreeMap<(ChannelKeysId, HtlcId), Held>,
    pub(crate) chain: ChainState,
    pub(crate) counters: Counters,
    pub(crate) resolutions: BTreeMap<ChannelKeysId, Arc<Resolution>>,
}

/// Reads all rows. One that nothing claims is an error: it may be what a newer version needs.
pub(crate) fn restore(rows: &BTreeMap<Key, Vec<u8>>) -> Result<Restored, RecordError> {
    let mut restored = Restored::default();
    let mut channels: BTreeMap<ChannelKeysId, ChannelRows<'_>> = BTreeMap::new();
    let mut coins: BTreeMap<OutPoint, Coin> = BTreeMap::new();
    let mut resolutions: BTreeMap<ChannelKeysId, ResolutionRows> = BTreeMap::new();
    let (mut chain, mut counters) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in rows {
        let unreadable = |reason: Unreadable| RecordError { key: key.clone(), reason: reason.to_string() };
        let (kind, about) =
            Kind::of(key).ok_or(Unreadable::Senseless("an unknown kind")).map_err(unreadable)?;
        match kind {
            Kind::Channel => {
                let (keys, row) = ChannelRow::of(about)
                    .ok_or(Unreadable::Senseless("an unknown row of a channel"))
                    .map_err(unreadable)?;
                channels.entry(keys).or_default().add(row, value);
            }
            Kind::Payment => add(&mut restored.payments, about, value).map_err(unreadable)?,
            Kind::Invoice => add(&mut restored.invoices, about, value).map_err(unreadable)?,
            Kind::Receiving => add(&mut restored.receiving, about, value).map_err(unreadable)?,
            Kind::Coin => add(&mut coins, about, value).map_err(unreadable)?,
            Kind::KnownPeer => add(&mut restored.peers, about, value).map_err(unreadable)?,
            Kind::PeerUpdate => add(&mut restored.peer_updates, about, value).map_err(unreadable)?,
            Kind::Owed => add(&mut restored.owed, about, value).map_err(unreadable)?,
            Kind::OwnUpdate => add(&mut restored.own_updates, about, value).map_err(unreadable)?,
            Kind::ChannelPolicy => add(&mut restored.policies, about, value).map_err(unreadable)?,
            Kind::FailedByPeer => add(&mut restored.failed_by_peer, about, value).map_err(unreadable)?,
            Kind::Held => add(&mut restored.held, about, value).map_err(unreadable)?,
            Kind::OwnNode => add(&mut restored.own_node, about, value).map_err(unreadable)?,
            Kind::Chain => add(&mut chain, about, value).map_err(unreadable)?,
            Kind::Counters => add(&mut counters, about, value).map_err(unreadable)?,
            Kind::Resolution => {
                let (keys, row) = ResolutionRow::of(about)
                    .ok_or(Unreadable::Senseless("an unknown row of a resolution"))
                    .map_err(unreadable)?;
                resolutions.entry(keys).or_default().add(&keys, row, value).map_err(unreadable)?;
            }
        }
    }
    restored.coins = coins.into_values().collect();
    restored.chain = chain.remove(&()).unwrap_or_default();
    restored.counters = counters.remove(&()).unwrap_or_default();
    for (keys, rows) in channels {
        let unreadable =
            |(row, reason): channel::InRow| RecordError { key: row.key(&keys), reason: reason.to_string() };
        let channel = rows.restore(&keys).map_err(unreadable)?;
        restored.channels.insert(keys, Arc::new(channel));
    }
    for (keys, rows) in resolutions {
        let unreadable = |reason: Unreadable| RecordError {
            key: ResolutionRow::Head.key(&keys),
            reason: reason.to_string(),
        };
        let resolution = rows.restore().map_err(unreadable)?;
        restored.resolutions.insert(keys, Arc::new(resolution));
    }
    Ok(restored)
}

fn add<V: Row>(to: &mut BTreeMap<V::Id, V>, about: &[u8], value: &[u8]) -> Result<(), Unreadable>
where
    V::Id: Ord,
{
    let id = V::id_of(about).ok_or(Unreadable::Senseless("a key that is no id"))?;
    let value = V::decode(&id, value)?;
    to.insert(id, value);
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
