//! What channels ask for forwarding.

use super::{NodeService, argument, channels, named, refusal};
use astrape_api::v1::{ForwardPolicy, SetChannelRequest, SetChannelResponse};
use astrape_node::command::PolicyChange;
use astrape_node::{Command, Node};
use astrape_primitives::{ChannelKeysId, CltvDelta, Msat};
use tonic::Status;

/// Names all channels.
const ALL: &str = "all";

impl NodeService {
    pub(super) async fn set_channel(&self, request: SetChannelRequest) -> Result<SetChannelResponse, Status> {
        let change = change(&request)?;
        let channel = match request.channel.as_str() {
            ALL => None,
            name => Some(named::channel(&self.snapshot(), "channel", name)?),
        };
        self.handle.command(Command::SetPolicy { channel, change }).await.map_err(refusal::command)?;
        let node = self.snapshot();
        let asked = node.channels().filter(|(keys, _)| channel.is_none_or(|only| only == *keys));
        let channels = asked.map(|(keys, channel)| channels::message(&node, keys, channel)).collect();
        Ok(SetChannelResponse { channels })
    }
}

fn change(request: &SetChannelRequest) -> Result<PolicyChange, Status> {
    let amount =
        |field, amount: Option<u64>| amount.map(|amount| argument::msat_or_none(field, amount)).transpose();
    let delta = request.cltv_expiry_delta.map(|delta| u16::try_from(delta).unwrap_or(u16::MAX));
    let change = PolicyChange {
        reset: request.reset,
        fee_base: amount("fee_base_msat", request.fee_base_msat)?,
        fee_proportional_millionths: request.fee_proportional_millionths,
        cltv_expiry_delta: delta.map(CltvDelta),
        htlc_minimum: amount("htlc_minimum_msat", request.htlc_minimum_msat)?,
        htlc_maximum: amount("htlc_maximum_msat", request.htlc_maximum_msat)?
            .map(|most| Some(most).filter(|most| *most != Msat::ZERO)),
        inbound_base_msat: request.inbound_base_msat,
        inbound_proportional_millionths: request.inbound_proportional_millionths,
    };
    if change == PolicyChange::default() {
        return Err(argument::invalid("channel", "nothing is to be changed: say what"));
    }
    Ok(change)
}

/// What a channel asks, as the contract has it.
pub(super) fn policy(node: &Node, keys: ChannelKeysId) -> ForwardPolicy {
    let policy = node.policy(&keys);
    ForwardPolicy {
        fee_base_msat: policy.fee_base.0,
        fee_proportional_millionths: policy.fee_proportional_millionths,
        cltv_expiry_delta: policy.cltv_expiry_delta.0.into(),
        htlc_minimum_msat: policy.htlc_minimum.0,
        htlc_maximum_msat: policy.htlc_maximum.map(|most| most.0),
        inbound_base_msat: policy.inbound.base_msat,
        inbound_proportional_millionths: policy.inbound.proportional_millionths,
        is_default: *policy == node.config().payment.forward,
    }
}
