//! What is wanted of a channel.

use crate::input::FreshKeys;
use astrape_payment::{ForwardPolicy, InboundFee};
use astrape_primitives::{CltvDelta, FeeratePerKw, Msat, NodeId, Sat};
use astrape_transactions::CommitmentFormat;
use bitcoin::ScriptBuf;

/// Open a channel.
#[derive(Clone, Debug)]
pub struct OpenChannelCommand {
    /// With whom; must be connected.
    pub peer: NodeId,
    /// Its capacity.
    pub funding: Sat,
    /// What the peer gets of it at once.
    pub push: Msat,
    /// Whether the network is told of it.
    pub announce: bool,
    /// What its commitments are to be; the best that both sides know otherwise.
    pub format: Option<CommitmentFormat>,
    /// For the funding transaction; our estimate otherwise.
    pub feerate: Option<FeeratePerKw>,
    /// Fresh keys.
    pub keys: FreshKeys,
    /// A fresh script of our wallet for the change.
    pub change_script: ScriptBuf,
    /// Where our balance will go, if we commit to it now.
    pub upfront_shutdown_script: Option<ScriptBuf>,
    /// Whether it may take what should stay for the closes of channels ([`crate::Node::anchor_reserve`]), this one among them.
    pub spend_reserve: bool,
    /// Whether the funding may cost more than the channel is to hold.
    pub accept_high_fee: bool,
}

/// What a channel is to ask for forwarding. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// Begin with the node's own policy instead of the channel's.
    pub reset: bool,
    /// For each HTLC.
    pub fee_base: Option<Msat>,
    /// In proportion.
    pub fee_proportional_millionths: Option<u32>,
    /// Blocks between the expiries.
    pub cltv_expiry_delta: Option<CltvDelta>,
    /// Smallest HTLC.
    pub htlc_minimum: Option<Msat>,
    /// Largest HTLC; the capacity if that is said to be none.
    pub htlc_maximum: Option<Option<Msat>>,
    /// For each HTLC that comes in, in millisatoshi, zero or less.
    pub inbound_base_msat: Option<i32>,
    /// The same in proportion.
    pub inbound_proportional_millionths: Option<i32>,
}

impl PolicyChange {
    /// The policy that follows from `before`.
    #[must_use]
    pub fn applied_to(&self, before: &ForwardPolicy) -> ForwardPolicy {
        let inbound = InboundFee {
            base_msat: self.inbound_base_msat.unwrap_or(before.inbound.base_msat),
            proportional_millionths: self
                .inbound_proportional_millionths
                .unwrap_or(before.inbound.proportional_millionths),
        };
        ForwardPolicy {
            fee_base: self.fee_base.unwrap_or(before.fee_base),
            fee_proportional_millionths: self
                .fee_proportional_millionths
                .unwrap_or(before.fee_proportional_millionths),
            cltv_expiry_delta: self.cltv_expiry_delta.unwrap_or(before.cltv_expiry_delta),
            htlc_minimum: self.htlc_minimum.unwrap_or(before.htlc_minimum),
            htlc_maximum: self.htlc_maximum.unwrap_or(before.htlc_maximum),
            inbound,
        }
    }
}
