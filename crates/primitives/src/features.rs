//! Feature vectors (BOLT 9): bits in pairs, even means required and odd optional, with dependencies between them.

use core::fmt;

/// A feature that this node knows. The number is the even bit of its pair; the odd bit is one above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
#[expect(missing_docs, reason = "the names are those of BOLT 9's table")]
pub enum Feature {
    DataLossProtect = 0,
    UpfrontShutdownScript = 4,
    GossipQueries = 6,
    VarOnionOptin = 8,
    GossipQueriesEx = 10,
    StaticRemotekey = 12,
    PaymentSecret = 14,
    BasicMpp = 16,
    SupportLargeChannel = 18,
    Anchors = 22,
    RouteBlinding = 24,
    ShutdownAnysegwit = 26,
    DualFund = 28,
    Quiesce = 34,
    AttributionData = 36,
    OnionMessages = 38,
    ProvideStorage = 42,
    ChannelType = 44,
    ScidAlias = 46,
    PaymentMetadata = 48,
    Zeroconf = 50,
    Keysend = 54,
    SimpleClose = 60,
    Splice = 62,
}

impl Feature {
    /// Every feature of BOLT 9's table (and keysend of BLIP 3), by number.
    pub const ALL: [Feature; 24] = [
        Feature::DataLossProtect,
        Feature::UpfrontShutdownScript,
        Feature::GossipQueries,
        Feature::VarOnionOptin,
        Feature::GossipQueriesEx,
        Feature::StaticRemotekey,
        Feature::PaymentSecret,
        Feature::BasicMpp,
        Feature::SupportLargeChannel,
        Feature::Anchors,
        Feature::RouteBlinding,
        Feature::ShutdownAnysegwit,
        Feature::DualFund,
        Feature::Quiesce,
        Feature::AttributionData,
        Feature::OnionMessages,
        Feature::ProvideStorage,
        Feature::ChannelType,
        Feature::ScidAlias,
        Feature::PaymentMetadata,
        Feature::Zeroconf,
        Feature::Keysend,
        Feature::SimpleClose,
        Feature::Splice,
    ];

    /// The even (required) bit.
    #[must_use]
    pub const fn required_bit(self) -> usize {
        self as u16 as usize
    }

    /// The odd (optional) bit.
    #[must_use]
    pub const fn optional_bit(self) -> usize {
        self as u16 as usize + 1
    }

    /// The name in BOLT 9.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Feature::DataLossProtect => "option_data_loss_protect",
            Feature::UpfrontShutdownScript => "option_upfront_shutdown_script",
            Feature::GossipQueries => "gossip_queries",
            Feature::VarOnionOptin => "var_onion_optin",
            Feature::GossipQueriesEx => "gossip_queries_ex",
            Feature::StaticRemotekey => "option_static_remotekey",
            Feature::PaymentSecret => "payment_secret",
            Feature::BasicMpp => "basic_mpp",
            Feature::SupportLargeChannel => "option_support_large_channel",
            Feature::Anchors => "option_anchors",
            Feature::RouteBlinding => "option_route_blinding",
            Feature::ShutdownAnysegwit => "option_shutdown_anysegwit",
            Feature::DualFund => "option_dual_fund",
            Feature::Quiesce => "option_quiesce",
            Feature::AttributionData => "option_attribution_data",
            Feature::OnionMessages => "option_onion_messages",
            Feature::ProvideStorage => "option_provide_storage",
            Feature::ChannelType => "option_channel_type",
            Feature::ScidAlias => "option_scid_alias",
            Feature::PaymentMetadata => "option_payment_metadata",
            Feature::Zeroconf => "option_zeroconf",
            Feature::Keysend => "keysend",
            Feature::SimpleClose => "option_simple_close",
            Feature::Splice => "option_splice",
        }
    }

    /// Features that must be set wherever this one is (BOLT 9, Dependencies), but for those that are assumed.
    #[must_use]
    pub const fn dependencies(self) -> &'static [Feature] {
        match self {
            Feature::BasicMpp => &[Feature::PaymentSecret],
            Feature::Zeroconf => &[Feature::ScidAlias],
            Feature::SimpleClose => &[Feature::ShutdownAnysegwit],
            _ => &[],
        }
    }

    /// Whether every node is taken to have it, set or not (marked ASSUMED in BOLT 9).
    #[must_use]
    pub const fn is_assumed(self) -> bool {
        matches!(
            self,
            Feature::DataLossProtect
                | Feature::VarOnionOptin
                | Feature::StaticRemotekey
                | Feature::PaymentSecret
                | Feature::ChannelType
        )
    }
}

/// A feature vector. Two vectors with the same bits are equal however many zero bytes they came with.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Features {
    /// Little-endian bits without zero bytes at the end.
    bits: Vec<u8>,
}

impl Features {
    /// No bit set.
    #[must_use]
    pub const fn empty() -> Self {
        Self { bits: Vec::new() }
    }

    /// From the bytes of the wire: big-endian, padded at will.
    #[must_use]
    pub fn from_be_bytes(bytes: &[u8]) -> Self {
        let mut features = Self { bits: bytes.iter().rev().copied().collect() };
        features.trim();
        features
    }

    /// The bytes of the wire: big-endian, without padding.
    #[must_use]
    pub fn to_be_bytes(&self) -> Vec<u8> {
        self.bits.iter().rev().copied().collect()
    }

    /// With one more bit set.
    #[must_use]
    pub fn with_bit(mut self, bit: usize) -> Self {
        self.set_bit(bit);
        self
    }

    /// With a feature offered: its odd bit.
    #[must_use]
    pub fn with_optional(self, feature: Feature) -> Self {
        self.with_bit(feature.optional_bit())
    }

    /// With a feature required: its even bit.
    #[must_use]
    pub fn with_required(self, feature: Feature) -> Self {
        self.with_bit(feature.required_bit())
    }

    /// Sets a bit.
    pub fn set_bit(&mut self, bit: usize) {
        if self.bits.len() <= bit / 8 {
            self.bits.resize(bit / 8 + 1, 0);
        }
        self.bits[bit / 8] |= 1 << (bit % 8);
    }

    /// Whether a bit is set.
    #[must_use]
    pub fn bit(&self, bit: usize) -> bool {
        self.bits.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
    }

    /// Whether a feature is supported: either bit of its pair.
    #[must_use]
    pub fn supports(&self, feature: Feature) -> bool {
        self.bit(feature.required_bit()) || self.bit(feature.optional_bit())
    }

    /// Whether a feature is required: its even bit (BOLT 9: also when both are set).
    #[must_use]
    pub fn requires(&self, feature: Feature) -> bool {
        self.bit(feature.required_bit())
    }

    /// Whether no bit is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// The bits that are set, upwards.
    pub fn iter_bits(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.bits.len() * 8).filter(|bit| self.bit(*bit))
    }

    /// The first even bit whose feature is not among `known`: what forbids going on (BOLT 1, "it's ok to be odd").
    #[must_use]
    pub fn first_unknown_required(&self, known: &[Feature]) -> Option<usize> {
        self.iter_bits().find(|bit| bit.is_multiple_of(2) && !known.iter().any(|f| f.required_bit() == *bit))
    }

    /// The first feature here whose dependency is missing, with that dependency. What is assumed is never missing.
    #[must_use]
    pub fn missing_dependency(&self) -> Option<(Feature, Feature)> {
        Feature::ALL.into_iter().filter(|f| self.supports(*f)).find_map(|feature| {
            let missing = feature.dependencies().iter().find(|d| !d.is_assumed() && !self.supports(**d));
            missing.map(|dependency| (feature, *dependency))
        })
    }

    /// All the bits of both vectors.
    #[must_use]
    pub fn union(&self, other: &Features) -> Features {
        let mut out = self.clone();
        other.iter_bits().for_each(|bit| out.set_bit(bit));
        out
    }

    fn trim(&mut self) {
        while self.bits.last() == Some(&0) {
            self.bits.pop();
        }
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter_bits()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_does_not_change_a_vector() {
        assert_eq!(Features::from_be_bytes(&[0, 0, 0x20]), Features::from_be_bytes(&[0x20]));
        assert_eq!(Features::from_be_bytes(&[0, 0, 0x20]).to_be_bytes(), [0x20]);
        assert!(Features::from_be_bytes(&[0]).is_empty());
    }

    #[test]
    fn an_unknown_even_bit_is_found_and_an_odd_one_is_not() {
        let known = [Feature::StaticRemotekey];
        assert_eq!(Features::empty().with_bit(12).with_bit(101).first_unknown_required(&known), None);
        assert_eq!(Features::empty().with_bit(12).with_bit(100).first_unknown_required(&known), Some(100));
    }

    #[test]
    fn a_missing_dependency_is_named() {
        let features = Features::empty().with_optional(Feature::Zeroconf);
        assert_eq!(features.missing_dependency(), Some((Feature::Zeroconf, Feature::ScidAlias)));
        assert_eq!(features.with_optional(Feature::ScidAlias).missing_dependency(), None);
        let mpp = Features::empty().with_optional(Feature::BasicMpp);
        assert_eq!(mpp.missing_dependency(), None, "payment_secret is assumed");
    }
}
