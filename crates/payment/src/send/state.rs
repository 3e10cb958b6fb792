//! A payment of ours as it is kept: what was asked, what is in flight, what was learnt.

use super::teach::Passage;
use astrape_invoice::Invoice;
use astrape_onion::OnionRecipe;
use astrape_primitives::{
    ChannelKeysId, Msat, NodeId, PaymentHash, PaymentPreimage, PaymentSecret, ShortChannelId, Timestamp,
};
use astrape_routing::Direction;
use astrape_routing::search::Asked;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a payment keeps of what was asked: a retry reads it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The text of an invoice.
    Invoice(String),
    /// A payment without one.
    Keysend {
        /// What the onion carries.
        preimage: PaymentPreimage,
        /// For applications.
        custom_records: BTreeMap<u64, Vec<u8>>,
    },
    /// Nothing: the recipient is only to be reached. Such a payment is never durable.
    Probe {
        /// What the onion carries.
        payment_secret: PaymentSecret,
        /// An invoice of the recipient.
        invoice: Option<Box<Invoice>>,
    },
}

/// A payment of ours that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its hash.
    pub payment_hash: PaymentHash,
    /// The recipient.
    pub destination: NodeId,
    /// What the recipient is to get.
    pub amount: Msat,
    /// The most that the way may cost.
    pub max_fee: Msat,
    /// What is paid.
    pub what: What,
    /// From which the session keys of its parts follow.
    pub session_key_seed: [u8; 32],
    /// The parts in flight, and scouts, by number.
    pub parts: BTreeMap<u64, PaymentPart>,
    /// What earlier parts that have ended since had over a channel on the way of a part in flight: by its number, and how many channels
    /// of others it crosses before. It may have met them there.
    pub beside: BTreeMap<(u64, u8), Msat>,
    /// How many parts were ever made; the number of the next one.
    pub attempts: u64,
    /// How many questions path search was asked; the number of the last one.
    pub searches: u64,
    /// When the last question was asked, while it is open.
    pub asked_at: Option<Timestamp>,
    /// What failures have taught.
    pub lessons: Lessons,
    /// The proof that it arrived. From then on nothing is offered.
    pub preimage: Option<PaymentPreimage>,
    /// Why nothing more is tried.
    pub gave_up: Option<String>,
    /// The last failure, in words.
    pub last_failure: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// Nothing is tried again from this time on.
    pub retry_until: Timestamp,
}

/// A part of a payment: one HTLC of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentPart {
    /// Over which channel of ours.
    pub channel: ChannelKeysId,
    /// What the recipient is to get of it.
    pub amount: Msat,
    /// What the hops take.
    pub fee: Msat,
    /// The channels between its hops: the first is that from our peer on. One less than there are hops.
    pub channels: Vec<ShortChannelId>,
    /// Its onion: the hops and how to read their answers.
    pub recipe: Arc<OnionRecipe>,
    /// Follows from the two before. Each new payment asks it of all that are under way.
    crossings: Arc<[Passage]>,
}

impl PaymentPart {
    /// A part over `channel` of ours and these `channels` of others, one less than `recipe` has hops.
    #[must_use]
    pub fn new(
        channel: ChannelKeysId,
        amount: Msat,
        fee: Msat,
        channels: Vec<ShortChannelId>,
        recipe: Arc<OnionRecipe>,
    ) -> Self {
        let crossings = Passage::all(&channels, &recipe, amount).collect();
        Self { channel, amount, fee, channels, recipe, crossings }
    }

    /// The channels of others that it crosses, in the order of the money.
    pub(super) fn crossings(&self) -> impl Iterator<Item = Passage> + '_ {
        self.crossings.iter().copied()
    }

    /// What leaves the channel of ours.
    pub(crate) fn sent(&self) -> Msat {
        self.amount.saturating_add(self.fee)
    }

    /// Its hops, our peer first and the recipient last.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.recipe.hops.iter().map(|hop| NodeId::from_key(&hop.node))
    }

    /// Hop `index`, from 0 for our peer; the recipient for whatever is beyond.
    pub(crate) fn node(&self, index: usize) -> NodeId {
        let hops = &self.recipe.hops;
        let hop = hops.get(index).or(hops.last()).expect("a part is made with at least one hop");
        NodeId::from_key(&hop.node)
    }
}

/// What failures of a payment have taught. As large as the ways that it has tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lessons {
    /// What is still worth trying over a channel of ours that refused a part, for all parts that are in flight together.
    pub own: BTreeMap<ChannelKeysId, Msat>,
    /// What is known of channels of others that failed.
    pub channels: BTreeMap<(ShortChannelId, Direction), Limit>,
    /// What channels ask in truth, as their nodes have told this payment alone. Nobody else is to see that it knows: it would tell whose
    /// payment it is.
    pub asked: BTreeMap<(ShortChannelId, Direction), Told>,
    /// Nodes that are not to be used.
    pub nodes: BTreeSet<NodeId>,
    /// How often nodes stood on a way whose failure could not be read and named nobody.
    pub suspects: BTreeMap<NodeId, u32>,
    /// Nodes that were suspected so often are used all the same: there was no way without them.
    pub bears: u32,
}

/// What may be in a channel of others that failed, one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// The most that may be there, for all parts that are in flight together: one millisatoshi more failed.
    pub most: Msat,
    /// How far beyond half of it is gone: there was no way with less.
    pub dared: u32,
}

/// What a channel of others asks, as its node has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub asked: Asked,
    /// Parts from this number on are made by that.
    pub since: u64,
}

impl Payment {
    /// Whether it has ended and nothing is in flight: it may be forgotten.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.parts.is_empty() && (self.preimage.is_some() || self.gave_up.is_some())
    }

    /// Whether it is only to reach the recipient.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        matches!(self.what, What::Probe { .. })
    }

    /// What the recipient and the hops get of the parts in flight; nothing of scouts.
    #[must_use]
    pub fn in_flight(&self) -> (Msat, Msat) {
        let parts = || self.parts.values().filter(|part| !self.is_scout(part));
        (parts().map(|p| p.amount).sum(), parts().map(|p| p.fee).sum())
    }
}
