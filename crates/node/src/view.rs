//! What others may look at: the API reads a clone of the node, never the node that steps.

mod hints;
mod sums;
mod ways;

pub(crate) use sums::{closing_cost, sums};

use crate::index::real_scid;
use crate::node::{ConnectedPeer, Node};
use crate::owed::SpentBy;
use crate::state::{ChainState, KnownPeer, OwedTransaction};
use crate::turn::incoming_htlc;
use astrape_channel::{Channel, Htlc, Open};
use astrape_onchain::{Resolution, Sums};
use astrape_payment::intercept::Held;
use astrape_payment::jam::Reputation;
use astrape_payment::{OpenInvoice, Payment, Receiving};
use astrape_primitives::{
    ChannelId, ChannelKeysId, Feature, FeeratePerKw, Height, NodeId, PaymentHash, Sat, ShortChannelId,
    Timestamp,
};
use astrape_wallet::{Balance, Coin};
use bitcoin::{OutPoint, ScriptBuf, Txid};
use std::sync::Arc;

/// Blocks within which a transaction of our coins should be confirmed: about a day.
pub const MAX_UNCONFIRMED_BLOCKS: u32 = 144;

/// A transaction of our coins that does not get into the chain: a withdrawal, or a funding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck<'a> {
    /// Which.
    pub txid: Txid,
    /// Why the network did not take it when it was offered last, in the words of the chain source, if it did not.
    pub refused: Option<&'a str>,
    /// What has spent a coin of it, or of what it builds on, if something has: it is given up once that is
    /// [deep](OwedTransaction::DEEP).
    pub beaten_by: Option<SpentBy>,
    /// A coin that it spends and that a reorganisation has taken out of the chain.
    pub lost_deposit: Option<OutPoint>,
    /// Blocks since it was first offered, or was in a block that is gone.
    pub blocks: u32,
}

impl Node {
    /// Who we are, and what the operator chose.
    #[must_use]
    pub fn config(&self) -> &crate::Config {
        &self.config
    }

    /// All channels that are not over.
    pub fn channels(&self) -> impl Iterator<Item = (ChannelKeysId, &Channel)> {
        self.channels.iter().map(|(keys, channel)| (*keys, &**channel))
    }

    /// One channel.
    #[must_use]
    pub fn channel(&self, keys: &ChannelKeysId) -> Option<&Channel> {
        self.channels.get(keys).map(|c| &**c)
    }

    /// What the chain has made of a channel so far, once it goes there.
    #[must_use]
    pub fn resolution(&self, keys: &ChannelKeysId) -> Option<&Resolution> {
        self.resolutions.get(keys).map(|r| &**r)
    }

    /// What the transaction that closed a channel has cost us by itself: its fee, and its anchors, where we have opened the channel.
    #[must_use]
    pub fn closing_cost(&self, keys: &ChannelKeysId) -> Option<Sat> {
        Some(closing_cost(self.resolution(keys)?, self.channel(keys)?.open()?))
    }

    /// What a close has brought and cost so far, beside [`Self::closing_cost`].
    #[must_use]
    pub fn close_sums(&self, keys: &ChannelKeysId) -> Option<Sums> {
        Some(sums(self.resolution(keys)?, self.channel(keys)?.open()?))
    }

    /// A channel by its peer and its id.
    #[must_use]
    pub fn channel_by_id(&self, peer: NodeId, id: ChannelId) -> Option<ChannelKeysId> {
        self.index.by_id(peer, id)
    }

    /// Where the funding of a channel stands in the chain.
    #[must_use]
    pub fn short_channel_id(&self, keys: &ChannelKeysId) -> Option<ShortChannelId> {
        real_scid(self.channel(keys)?.open()?)
    }

    /// The channel with a peer that has this short channel id, real or an alias of either side. LDK names the real one also
    /// where `option_scid_alias` was agreed on, which only keeps it from others.
    #[must_use]
    pub fn channel_of_peer(&self, peer: NodeId, scid: ShortChannelId) -> Option<ChannelKeysId> {
        self.index.of_peer(&peer).into_iter().find(|keys| {
            self.channel(keys).and_then(Channel::open).is_some_and(|open| {
                let known = [real_scid(open), Some(open.params.local_alias), open.readiness.remote_alias];
                known.contains(&Some(scid))
            })
        })
    }

    /// Where a cooperative close can pay what is ours when the peer is here and knows no later witness versions than 0: the
    /// wallet's scripts are taproot.
    #[must_use]
    pub fn script_for_plain_peer(&self, channel: &ChannelKeysId) -> Option<ScriptBuf> {
        let open = self.channels.get(channel)?.open()?;
        let features = &self.peers.get(&open.params.peer)?.features;
        let is_plain = !features.supports(Feature::ShutdownAnysegwit);
        (is_plain && open.params.local.upfront_shutdown_script.is_none()).then(|| open.plain_close_script())
    }

    /// Connected peers.
    pub fn connected_peers(&self) -> impl Iterator<Item = (NodeId, &ConnectedPeer)> {
        self.peers.iter().map(|(id, peer)| (*id, peer))
    }

    /// Peers that we want to stay connected with.
    pub fn known_peers(&self) -> impl Iterator<Item = (NodeId, &KnownPeer)> {
        self.known_peers.iter().map(|(id, peer)| (*id, peer))
    }

    /// Payments of ours that are under way.
    pub fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.payments.iter().map(|(_, payment)| &**payment)
    }

    /// A payment of ours that is under way.
    #[must_use]
    pub fn payment(&self, payment_hash: &PaymentHash) -> Option<&Payment> {
        self.payments.get(payment_hash).map(|payment| &**payment)
    }

    /// Forwards that wait for an application: their channel and id there, the HTLC, and since when it waits.
    pub fn held(&self) -> impl Iterator<Item = (ChannelKeysId, Arc<Htlc>, Held)> + '_ {
        self.held.iter().filter_map(|((keys, id), held)| {
            Some((*keys, incoming_htlc(self.channels.get(keys)?, *id)?, *held))
        })
    }

    /// Invoices of ours that are not paid.
    pub fn invoices(&self) -> impl Iterator<Item = &OpenInvoice> {
        self.invoices.iter().map(|(_, invoice)| &**invoice)
    }

    /// An invoice of ours that is not paid.
    #[must_use]
    pub fn invoice(&self, payment_hash: &PaymentHash) -> Option<&OpenInvoice> {
        self.invoices.get(payment_hash).map(|i| &**i)
    }

    /// What is here of a payment to us that is not settled.
    #[must_use]
    pub fn receiving(&self, payment_hash: &PaymentHash) -> Option<&Receiving> {
        self.receiving.get(payment_hash).map(|set| &**set)
    }

    /// Our coins, also those spent of late.
    pub fn coins(&self) -> impl Iterator<Item = &Coin> {
        self.coins.get(&()).into_iter().flat_map(|coins| coins.iter())
    }

    /// What our unspent coins come to. What a transaction of ours spends is not ours any more, and its change is, seen or not.
    #[must_use]
    pub fn coin_balance(&self) -> Balance {
        let balance = self.coins_left().balance(self.height());
        Balance { unconfirmed: balance.unconfirmed.saturating_add(self.change_to_come()), ..balance }
    }

    /// Our coins that are there and that no transaction of ours spends.
    pub fn own_coins(&self) -> impl Iterator<Item = &Coin> {
        let (tip, spent, beaten) = (self.height(), self.spent_by_us(), self.beaten());
        let is_left =
            move |outpoint: OutPoint| !spent.contains(&outpoint) && !beaten.contains_key(&outpoint.txid);
        self.coins().filter(move |coin| coin.is_there(tip) && is_left(coin.outpoint()))
    }

    /// Channels that both sides close, and whose closing fee has not been agreed on in ten minutes with the peer there: they stand
    /// still until it is, or until somebody closes them by force.
    pub fn closes_that_stand_still(&self) -> impl Iterator<Item = ChannelKeysId> {
        self.negotiating.iter().filter(|(_, of)| of.is_late).map(|(keys, _)| *keys)
    }

    /// Transactions of our coins that the network does not take, that no block has taken within [`MAX_UNCONFIRMED_BLOCKS`], or whose
    /// coins something else has spent.
    pub fn stuck_transactions(&self) -> impl Iterator<Item = Stuck<'_>> {
        let (tip, beaten) = (self.height(), self.beaten());
        self.owed.iter().filter(|(_, owed)| owed.confirmed.is_none()).filter_map(move |(txid, owed)| {
            let (beaten_by, lost_deposit) = (beaten.get(txid).copied(), self.lost_deposit_of(txid));
            let refused = self.refused.get(txid).map(String::as_str);
            let blocks = owed.since.map_or(0, |since| tip.0.saturating_sub(since.0));
            let is_stuck = refused.is_some() || beaten_by.is_some() || blocks >= MAX_UNCONFIRMED_BLOCKS;
            is_stuck.then_some(Stuck { txid: *txid, refused, beaten_by, lost_deposit, blocks })
        })
    }

    /// Transactions of our coins that are owed to the network.
    pub fn owed_transactions(&self) -> impl Iterator<Item = (Txid, &OwedTransaction)> {
        self.owed.iter().map(|(txid, owed)| (*txid, owed))
    }

    /// The chain as far as the node has seen it.
    #[must_use]
    pub fn chain(&self) -> ChainState {
        self.chain.get(&()).cloned().unwrap_or_default()
    }

    /// The height of the newest block that the node has seen.
    #[must_use]
    pub fn height(&self) -> Height {
        self.chain.get(&()).map_or(Height(0), ChainState::height)
    }

    /// The present estimate of the feerate for commitments.
    #[must_use]
    pub fn feerate(&self) -> FeeratePerKw {
        self.world.feerate
    }

    /// Why what the node sees of the chain is not fresh, if it is not.
    #[must_use]
    pub fn stale(&self) -> Option<&str> {
        self.world.stale.as_deref()
    }

    /// Channels in which this program failed.
    pub fn quarantined(&self) -> impl Iterator<Item = (ChannelKeysId, Timestamp)> {
        self.quarantined.iter().map(|(keys, at)| (*keys, *at))
    }

    /// Channels whose state may be old, until their peer has told where it is.
    pub fn suspect(&self) -> impl Iterator<Item = ChannelKeysId> {
        self.suspect.iter().copied()
    }

    /// What the forwards over a channel have paid and cost, since the process started.
    #[must_use]
    pub fn reputation(&self, keys: &ChannelKeysId) -> Reputation {
        self.reputations.get(keys).copied().unwrap_or_default()
    }

    /// Whether there is a channel with a node that could be used if it were connected.
    #[must_use]
    pub fn is_peer_away(&self, peer: &NodeId) -> bool {
        let ready = |keys: &ChannelKeysId| {
            self.channels.get(keys).and_then(|channel| channel.open()).is_some_and(Open::is_ready)
        };
        !self.peers.contains(peer) && self.index.of_peer(peer).iter().any(ready)
    }
}
