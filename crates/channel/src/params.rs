//! What the two sides agreed on when the channel was opened. Never changes.

use astrape_primitives::{ChannelId, ChannelKeysId, Height, Msat, NodeId, Sat, ShortChannelId, Side};
use astrape_transactions::{Basepoints, CommitmentFormat};
use bitcoin::ScriptBuf;

/// What one side said of itself and asked of the other in `open_channel` or `accept_channel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Its keys.
    pub basepoints: Basepoints,
    /// Outputs below this are left out of its own commitment.
    pub dust_limit: Sat,
    /// Most that it lets the *other* have in flight towards it.
    pub max_htlc_value_in_flight: Msat,
    /// What it asks the *other* to keep.
    pub channel_reserve: Sat,
    /// Smallest HTLC that it takes from the *other*.
    pub htlc_minimum: Msat,
    /// Delay that it asks the *other's* outputs to itself to bear, in blocks.
    pub to_self_delay: u16,
    /// Most HTLCs that it takes from the *other* at a time.
    pub max_accepted_htlcs: u16,
    /// Where its balance must go at a cooperative close, if it committed to that.
    pub upfront_shutdown_script: Option<ScriptBuf>,
}

/// What was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// The set of keys of our signer, and the channel's name in our records.
    pub keys: ChannelKeysId,
    /// The peer.
    pub peer: NodeId,
    /// Id of the channel once its funding is known.
    pub channel_id: ChannelId,
    /// Who opened, and so pays the commitment's fee.
    pub opener: Side,
    /// Format of the commitments.
    pub format: CommitmentFormat,
    /// Whether the channel type has `option_scid_alias`: payments over it by alias only.
    pub scid_alias: bool,
    /// Whether it will be announced to the network (`announce_channel`).
    pub announce: bool,
    /// What we announced.
    pub local: Announced,
    /// What the peer announced.
    pub remote: Announced,
    /// Confirmations of the funding that we wait for before `channel_ready`.
    pub minimum_depth: u32,
    /// Our alias for the channel, drawn when it was negotiated.
    pub local_alias: ShortChannelId,
    /// The tip when it was funded.
    pub funded_at: Height,
}

impl Params {
    /// What one side announced.
    #[must_use]
    pub fn of(&self, side: Side) -> &Announced {
        match side {
            Side::Local => &self.local,
            Side::Remote => &self.remote,
        }
    }

    /// What `side` must keep: the other side asked for it.
    #[must_use]
    pub fn reserve_of(&self, side: Side) -> Sat {
        self.of(side.other()).channel_reserve
    }
}
