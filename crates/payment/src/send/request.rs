//! What the user wants to pay, and what a payment looks at beside itself.

use super::state::Lessons;
use crate::policy::PaymentPolicy;
use astrape_invoice::Invoice;
use astrape_primitives::{
    ChannelKeysId, Height, Msat, Network, NodeId, PaymentHash, PaymentPreimage, PaymentSecret,
    ShortChannelId, Timestamp,
};
use astrape_routing::search::HintHop;
use bitcoin::secp256k1::{All, Secp256k1};
use std::collections::BTreeMap;

/// What a payment looks at beside itself.
#[derive(Clone, Copy, Debug)]
pub struct PayView<'a> {
    /// This node.
    pub payer: NodeId,
    /// The channels that a payment may begin with.
    pub channels: &'a [OwnChannel],
    /// The time.
    pub now: Timestamp,
    /// The height of the chain.
    pub tip: Height,
    /// What the operator chose.
    pub policy: &'a PaymentPolicy,
    /// To look at signatures of others.
    pub secp: &'a Secp256k1<All>,
}

/// How a payment to ourselves comes back over a channel: what its peer asks, under the id that the peer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayBack {
    /// The hop.
    pub hop: HintHop,
    /// The most that the peer can send.
    pub receivable: Msat,
}

/// A channel that a payment may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnChannel {
    /// Our name for it.
    pub keys: ChannelKeysId,
    /// Our alias of it: its name in the questions to path search.
    pub alias: ShortChannelId,
    /// What others call it when they send over it to us: its real id, and what our route hints say.
    pub inbound: [Option<ShortChannelId>; 2],
    /// The peer.
    pub peer: NodeId,
    /// The largest HTLC that we can offer now.
    pub sendable: Msat,
    /// How what we pay to ourselves may end in it, where its peer has said what it asks.
    pub back: Option<WayBack>,
    /// The smallest HTLC that the peer takes.
    pub htlc_minimum: Msat,
}

/// Whom the user wants to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payee {
    /// Who made an invoice.
    Invoice(Box<Invoice>),
    /// A node that takes payments without one (bLIP 3).
    Keysend {
        /// Which.
        node: NodeId,
        /// The preimage, which only the recipient finds in the onion.
        preimage: PaymentPreimage,
        /// For applications, by type from 65536 on.
        custom_records: BTreeMap<u64, Vec<u8>>,
    },
    /// A node that is to be reached and not paid: nobody knows a preimage of the hash, so that nothing can be settled.
    Probe {
        /// Which.
        node: NodeId,
        /// Fresh random bytes.
        payment_hash: PaymentHash,
        /// The same: the recipient cannot tell the HTLC from one for an invoice that it has forgotten.
        payment_secret: PaymentSecret,
        /// An invoice of the node: how it can be reached, and for how much.
        invoice: Option<Box<Invoice>>,
    },
}

impl Payee {
    /// By what the payment is known.
    #[must_use]
    pub fn payment_hash(&self) -> PaymentHash {
        match self {
            Self::Invoice(invoice) => invoice.payment_hash(),
            Self::Keysend { preimage, .. } => preimage.payment_hash(),
            Self::Probe { payment_hash, .. } => *payment_hash,
        }
    }

    /// Who it is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        match self {
            Self::Invoice(invoice) => invoice.payee(),
            Self::Keysend { node, .. } | Self::Probe { node, .. } => *node,
        }
    }

    /// What it asks for itself, if it does.
    #[must_use]
    pub fn amount(&self) -> Option<Msat> {
        match self {
            Self::Invoice(invoice) => invoice.amount(),
            Self::Keysend { .. } => None,
            Self::Probe { invoice, .. } => invoice.as_ref().and_then(|invoice| invoice.amount()),
        }
    }
}

/// What the user wants to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayRequest {
    /// Where this node lives.
    pub network: Network,
    /// Whom.
    pub payee: Payee,
    /// How much: needed where an invoice leaves it open, and without one.
    pub amount: Option<Msat>,
    /// The most that the way may cost; a share of the amount otherwise.
    pub max_fee: Option<Msat>,
    /// How long to try, in seconds; the policy's otherwise.
    pub retry_secs: Option<u64>,
    /// 32 fresh random bytes: the session key of each part follows from them.
    pub session_key_seed: [u8; 32],
    /// Out by one channel of ours and back by another, to move balance between them.
    pub circle: Option<Circle>,
}

/// A payment to ourselves, by an invoice of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circle {
    /// It leaves by this channel, and no part comes back by it.
    pub out: ChannelKeysId,
    /// It comes back by this channel; by any other, if absent.
    pub back: Option<ChannelKeysId>,
}

impl Circle {
    /// What must not be used, as if it had failed: so it holds for all retries.
    pub(super) fn lessons(&self, channels: &[OwnChannel]) -> Lessons {
        let mut lessons = Lessons::default();
        for channel in channels {
            if channel.keys != self.out {
                lessons.own.insert(channel.keys, Msat::ZERO);
            }
            if channel.keys == self.out || self.back.is_some_and(|back| back != channel.keys) {
                channel.inbound.into_iter().flatten().for_each(|id| lessons.close(id));
            }
        }
        lessons
    }
}
