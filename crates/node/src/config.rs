//! What the operator chose, and who we are. Not durable: a restart may change it.

use astrape_channel::Policy;
use astrape_payment::PaymentPolicy;
use astrape_primitives::{ChannelKeysId, Feature, Features, FeeratePerKw, Network, NodeId};
use astrape_wire::Addresses;
use std::collections::BTreeSet;

/// Who we are and what the operator chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Our node.
    pub node_id: NodeId,
    /// Choices for channels.
    pub channel: Policy,
    /// Choices for payments.
    pub payment: PaymentPolicy,
    /// Use this feerate for channels, take no lower one, and change none: for protocol suites (never on mainnet).
    pub fixed_feerate: Option<FeeratePerKw>,
    /// What we offer in `init`.
    pub features: Features,
    /// What others see of us in `node_announcement`.
    pub appearance: Appearance,
    /// Channels whose state may be old: an older copy of the journal was put back, or nothing tells that none was. We sign
    /// nothing in them and broadcast nothing of ours until the peer has told where it is.
    pub suspect: BTreeSet<ChannelKeysId>,
    /// Those of them of which the mark outside the journal has a newer state. The peer's word clears none of these: it must
    /// close them.
    pub led: BTreeSet<ChannelKeysId>,
}

impl Config {
    /// What suits most nodes.
    #[must_use]
    pub fn new(node_id: NodeId, network: Network) -> Self {
        Self {
            node_id,
            channel: Policy::default_for(network),
            payment: PaymentPolicy::default(),
            fixed_feerate: None,
            features: default_features(),
            appearance: Appearance::default(),
            suspect: BTreeSet::new(),
            led: BTreeSet::new(),
        }
    }
}

/// What others see of us (BOLT 7 `node_announcement`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appearance {
    /// A name, of at most 32 bytes of UTF-8; what is longer is cut.
    pub alias: String,
    /// A colour for maps.
    pub rgb_color: [u8; 3],
    /// Where others can reach us; empty when they cannot.
    pub addresses: Addresses,
}

/// What this version supports, as `init` says it. Nothing is required but what BOLT 9 marks as assumed.
#[must_use]
pub fn default_features() -> Features {
    Features::empty()
        .with_required(Feature::DataLossProtect)
        .with_optional(Feature::UpfrontShutdownScript)
        .with_optional(Feature::GossipQueries)
        .with_required(Feature::VarOnionOptin)
        .with_optional(Feature::GossipQueriesEx)
        .with_required(Feature::StaticRemotekey)
        .with_required(Feature::PaymentSecret)
        .with_optional(Feature::BasicMpp)
        .with_optional(Feature::SupportLargeChannel)
        .with_optional(Feature::Anchors)
        .with_optional(Feature::ShutdownAnysegwit)
        .with_optional(Feature::AttributionData)
        .with_required(Feature::ChannelType)
        .with_optional(Feature::ScidAlias)
}
