//! What we accept of a peer and what we offer: numbers with names, each a choice of the operator.

use astrape_primitives::{Feature, Features, FeeratePerKw, Height, Msat, Network, NodeId, Sat, Timestamp};
use astrape_transactions::CommitmentFormat;
use bitcoin::secp256k1::{All, Secp256k1};

/// Most HTLCs that BOLT 2 lets a side accept: so that all of them and a penalty fit a standard transaction.
pub const MAX_ACCEPTED_HTLCS: u16 = 483;

/// Largest channel without `option_support_large_channel`: funding below 2^24 satoshi.
pub const MAX_FUNDING_WITHOUT_LARGE: Sat = Sat((1 << 24) - 1);

/// A funding in a coinbase cannot be spent before it has this many confirmations.
pub const COINBASE_MATURITY: u32 = 100;

/// Depth at which BOLT 5 calls an end irrevocable.
const CLOSING_DEPTH: u32 = 100;

/// The same where nobody else mines.
const REGTEST_CLOSING_DEPTH: u32 = 7;

/// The operator's choices for channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The network.
    pub network: Network,
    /// Smallest channel that we accept. We open smaller ones, down to [`SMALLEST_FUNDING`].
    pub min_funding: Sat,
    /// Largest channel that we open or accept (beyond 2^24 only with `option_support_large_channel`).
    pub max_funding: Sat,
    /// Our dust limit.
    pub dust_limit: Sat,
    /// Largest dust limit that we accept: what is below is lost at a force-close.
    pub max_dust_limit: Sat,
    /// Delay that we ask the peer's outputs to bear, in blocks.
    pub to_self_delay: u16,
    /// Longest delay that we accept for ours.
    pub max_to_self_delay: u16,
    /// Smallest HTLC that we take.
    pub htlc_minimum: Msat,
    /// Largest `htlc_minimum_msat` of a peer that we accept.
    pub max_htlc_minimum: Msat,
    /// Most HTLCs that we take at a time.
    pub max_accepted_htlcs: u16,
    /// Fewest HTLCs that we accept to be limited to.
    pub min_accepted_htlcs: u16,
    /// Share of the capacity that we let be in flight towards us, in percent.
    pub max_in_flight_percent: u8,
    /// What we ask the peer to keep, in thousandths of the capacity.
    pub reserve_permille: u16,
    /// Largest reserve that we accept to keep, in thousandths of the capacity.
    pub max_reserve_permille: u16,
    /// Confirmations before `channel_ready`; `None` chooses by amount.
    pub minimum_depth: Option<u32>,
    /// Most confirmations that we accept to wait for.
    pub max_minimum_depth: u32,
    /// Bound on the HTLCs without an output, which go to the miners at a force-close (BOLT 2,
    /// `max_dust_htlc_exposure_msat`). Of a smaller channel less is borne: [`Policy::dust_exposure_of`].
    pub max_dust_htlc_exposure: Msat,
    /// Largest share of the capacity that the commitment's fee may take, in percent (attack 39).
    pub max_fee_percent: u8,
    /// Lowest feerate that we take from an opener, as a share of our own estimate in percent; never below the floor.
    pub min_feerate_percent: u32,
    /// Highest feerate that we take from an opener, as a multiple of our own estimate.
    pub max_feerate_factor: u32,
    /// Lowest feerate accepted whatever the estimate says.
    pub feerate_floor: FeeratePerKw,
    /// Highest feerate of our commitments with anchors, whatever the estimate: they need only enter mempools, and a child pays the
    /// rest. A peer that asks for more while fees are high is no peer of ours before it asks for less.
    pub max_anchors_feerate: FeeratePerKw,
    /// Whether we offer and accept `anchors` channels.
    pub anchors: bool,
    /// Highest number of blocks that a fundee waits for the funding before it forgets the channel (BOLT 2: 2016).
    pub funding_timeout: u32,
    /// Confirmations of all that the end of a channel led to, before it is forgotten: what is shallower may leave the chain
    /// again, and a revoked commitment take its place (attack 25). BOLT 5 asks for 100; enforcement never goes below the
    /// deepest reorganisation that it bears. HTLCs end, and money is the wallet's, long before.
    pub closing_depth: u32,
}

/// The smallest channel that is worth its fees.
pub const SMALLEST_FUNDING: Sat = Sat(20_000);

/// What the smallest channels may lose in dust.
pub const SMALL_DUST_EXPOSURE: Sat = Sat(50_000);

/// 10 sat/vbyte.
pub const USUAL_MAX_ANCHORS_FEERATE: FeeratePerKw = FeeratePerKw(2_500);

impl Policy {
    /// What suits most nodes.
    #[must_use]
    pub fn default_for(network: Network) -> Self {
        Self {
            network,
            min_funding: SMALLEST_FUNDING,
            max_funding: Sat(10_00000000),
            dust_limit: Sat(354),
            max_dust_limit: Sat(546),
            to_self_delay: 144,
            max_to_self_delay: 2016,
            htlc_minimum: Msat(1),
            max_htlc_minimum: Msat(10_000_000),
            max_accepted_htlcs: MAX_ACCEPTED_HTLCS,
            min_accepted_htlcs: 5,
            max_in_flight_percent: 100,
            reserve_permille: 10,
            max_reserve_permille: 200,
            minimum_depth: None,
            max_minimum_depth: 144,
            max_dust_htlc_exposure: Sat(500_000).to_msat(),
            max_fee_percent: 50,
            min_feerate_percent: 25,
            max_feerate_factor: 10,
            feerate_floor: FeeratePerKw::FLOOR,
            max_anchors_feerate: USUAL_MAX_ANCHORS_FEERATE,
            anchors: true,
            funding_timeout: 2016,
            closing_depth: if network == Network::Regtest { REGTEST_CLOSING_DEPTH } else { CLOSING_DEPTH },
        }
    }

    /// Confirmations that we wait for: 3, and one more for each 0.1 bitcoin up to 6, since a deeper reorganisation costs a
    /// miner more than the channel is worth.
    #[must_use]
    pub fn minimum_depth_for(&self, funding: Sat) -> u32 {
        self.minimum_depth.unwrap_or_else(|| {
            let extra = u32::try_from(funding.0 / 10_000_000).unwrap_or(3);
            3 + extra.min(3)
        })
    }

    /// What may be in HTLCs without an output in a channel of this capacity: [`SMALL_DUST_EXPOSURE`] in every one, beyond that a
    /// twentieth. Where fees are high all small payments have none, and a large channel that carried a dozen of them would be of
    /// little use.
    #[must_use]
    pub fn dust_exposure_of(&self, capacity: Sat) -> Msat {
        let share = Sat(capacity.0 / 20).max(SMALL_DUST_EXPOSURE);
        self.max_dust_htlc_exposure.min(share.to_msat())
    }

    /// What a commitment of ours shall pay by an estimate.
    #[must_use]
    pub fn commitment_feerate(&self, format: CommitmentFormat, estimate: FeeratePerKw) -> FeeratePerKw {
        match format {
            CommitmentFormat::StaticRemotekey => estimate,
            CommitmentFormat::Anchors => estimate.min(self.max_anchors_feerate),
        }
    }
}

/// The world as a channel needs it in one step.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The time of the step.
    pub now: Timestamp,
    /// Height of the best block that the node knows.
    pub tip: Height,
    /// Our estimate of the feerate that a commitment needs now.
    pub feerate: FeeratePerKw,
    /// The lowest that it was within about a day, this moment included.
    pub lowest_feerate: FeeratePerKw,
    /// The highest.
    pub highest_feerate: FeeratePerKw,
    /// What the peer's `init` offers; empty while the peer is away.
    pub peer_features: &'a Features,
    /// Our node.
    pub our_id: NodeId,
    /// Our own features.
    pub our_features: &'a Features,
    /// The operator's choices.
    pub policy: &'a Policy,
    /// Precomputed tables of the curve.
    pub secp: &'a Secp256k1<All>,
}

impl View<'_> {
    /// Whether both sides offer a feature.
    #[must_use]
    pub fn negotiated(&self, feature: Feature) -> bool {
        self.our_features.supports(feature) && self.peer_features.supports(feature)
    }

    /// Lowest feerate that we take from an opener in a new channel.
    #[must_use]
    pub fn min_feerate(&self, format: CommitmentFormat) -> FeeratePerKw {
        self.least_by(self.feerate, format)
    }

    /// Lowest feerate that we take from the opener of a channel that is there. It may have been signed a while ago and be said
    /// again after a cut (BOLT 2): an estimate that rose in between must not divide two honest nodes for ever.
    #[must_use]
    pub fn min_feerate_of_updates(&self, format: CommitmentFormat) -> FeeratePerKw {
        self.least_by(self.lowest_feerate, format)
    }

    /// With anchors a child pays the rest: the commitment needs only enter mempools.
    fn least_by(&self, estimate: FeeratePerKw, format: CommitmentFormat) -> FeeratePerKw {
        if format == CommitmentFormat::Anchors {
            return self.policy.feerate_floor;
        }
        let share = u64::from(estimate.0) * u64::from(self.policy.min_feerate_percent) / 100;
        FeeratePerKw(u32::try_from(share).unwrap_or(u32::MAX)).max(self.policy.feerate_floor)
    }

    /// Highest feerate that we take from an opener in a new channel. Small estimates leave room: 10,000 sat/kw is always accepted.
    #[must_use]
    pub fn max_feerate(&self) -> FeeratePerKw {
        self.most_by(self.feerate)
    }

    /// Highest feerate that we take from the opener of a channel that is there, which may have signed it before prices fell.
    #[must_use]
    pub fn max_feerate_of_updates(&self) -> FeeratePerKw {
        self.most_by(self.highest_feerate)
    }

    fn most_by(&self, estimate: FeeratePerKw) -> FeeratePerKw {
        FeeratePerKw(estimate.0.saturating_mul(self.policy.max_feerate_factor).max(10_000))
    }
}
