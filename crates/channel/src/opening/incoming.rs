//! The peer opens: `open_channel`, `accept_channel`, `funding_created`, `funding_signed`.

use super::channel_type::ChannelType;
use super::{Agreed, AwaitingFundingCreated, Proposal, check};
use crate::channel::{Channel, Link, Opening, Phase, Up};
use crate::fault::Fault;
use crate::output::{Outgoing, Output, Signing, Transition};
use crate::policy::View;
use astrape_primitives::{ChannelId, ChannelKeysId, Feature, NodeId, ShortChannelId, Side};
use astrape_transactions::{ChannelKeys, Commitment};
use astrape_wire::{ANNOUNCE_CHANNEL, AcceptChannel, FundingCreated, Message, OpenChannel};
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, ScriptBuf, Txid};

/// What is ours in a channel that a peer opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingRequest {
    /// The peer.
    pub peer: NodeId,
    /// Which of our keys: chosen at random, and our name for the channel.
    pub keys: ChannelKeysId,
    /// Those keys.
    pub channel_keys: ChannelKeys,
    /// Random: by which name the peer may route to us over the channel.
    pub local_alias: ShortChannelId,
    /// Where our balance must go at a cooperative close, if we want to be bound to that.
    pub upfront_shutdown_script: Option<ScriptBuf>,
}

impl Channel {
    /// Answers `open_channel` with `accept_channel`. That the temporary id is not in use with this peer is for the caller to
    /// check.
    ///
    /// # Errors
    /// When the proposal is not acceptable ([`Fault::Proposal`]).
    pub fn open_incoming(
        message: &OpenChannel,
        incoming: IncomingRequest,
        view: &View<'_>,
    ) -> Result<Transition, Fault> {
        let proposal = judge(message, incoming, view)?;
        let agreed = Agreed {
            remote: check::announced_in_open(message, view),
            remote_point: message.first_per_commitment_point,
            minimum_depth: view.policy.minimum_depth_for(message.funding_satoshis).max(1),
            proposal,
        };
        check::announced(&agreed.remote, &agreed.proposal.local, message.funding_satoshis, view)?;
        let answer = Message::AcceptChannel(accept_channel(&agreed));
        let state = Opening::AwaitingFundingCreated(Box::new(AwaitingFundingCreated { agreed }));
        let next = Channel { link: Link::Up(Up::default()), phase: Phase::Opening(state) };
        Ok(Transition { next, outputs: vec![Output::Send(Outgoing::Plain(answer))] })
    }
}

/// The receiver's requirements of `open_channel` that are about the channel as a whole.
fn judge(m: &OpenChannel, incoming: IncomingRequest, view: &View<'_>) -> Result<Proposal, Fault> {
    let reject = |text: String| Err(Fault::Proposal(text));
    if m.chain_hash != view.policy.network.chain_hash() {
        return reject(format!("another chain than {}", view.policy.network));
    }
    if view.negotiated(Feature::DualFund) {
        return reject("open_channel where option_dual_fund was negotiated".into());
    }
    let announce = m.channel_flags & ANNOUNCE_CHANNEL != 0;
    let Some(channel_type) = &m.channel_type else {
        return reject("open_channel without channel_type".into());
    };
    let kind = ChannelType::read(channel_type, announce, view).map_err(Fault::Proposal)?;
    check::size(m.funding_satoshis, m.push_msat, view.policy.min_funding, view).map_err(Fault::Proposal)?;
    let (min, max) = (view.min_feerate(kind.format), view.max_feerate());
    if m.feerate_per_kw < min || m.feerate_per_kw > max {
        return Err(Fault::Feerate { got: m.feerate_per_kw, min, max });
    }
    let amounts = (m.funding_satoshis, m.push_msat);
    check::first_commitment(kind.format, m.feerate_per_kw, amounts, m.channel_reserve_satoshis, view.policy)
        .map_err(Fault::Proposal)?;
    let upfront = incoming.upfront_shutdown_script.filter(|s| crate::closing::script_is_allowed(s, view));
    Ok(Proposal {
        peer: incoming.peer,
        keys: incoming.keys,
        temporary_channel_id: m.temporary_channel_id,
        opener: Side::Remote,
        format: kind.format,
        scid_alias: kind.scid_alias,
        announce,
        funding: m.funding_satoshis,
        push: m.push_msat,
        feerate: m.feerate_per_kw,
        local: check::ours(
            incoming.channel_keys.basepoints,
            m.funding_satoshis,
            m.dust_limit_satoshis,
            upfront,
            view.policy,
        ),
        points: incoming.channel_keys.points,
        local_alias: incoming.local_alias,
    })
}

fn accept_channel(agreed: &Agreed) -> AcceptChannel {
    let local = &agreed.proposal.local;
    AcceptChannel {
        temporary_channel_id: agreed.proposal.temporary_channel_id,
        dust_limit_satoshis: local.dust_limit,
        max_htlc_value_in_flight_msat: local.max_htlc_value_in_flight,
        channel_reserve_satoshis: local.channel_reserve,
        htlc_minimum_msat: local.htlc_minimum,
        minimum_depth: agreed.minimum_depth,
        to_self_delay: local.to_self_delay,
        max_accepted_htlcs: local.max_accepted_htlcs,
        funding_pubkey: local.basepoints.funding,
        revocation_basepoint: local.basepoints.revocation,
        payment_basepoint: local.basepoints.payment,
        delayed_payment_basepoint: local.basepoints.delayed_payment,
        htlc_basepoint: local.basepoints.htlc,
        first_per_commitment_point: agreed.proposal.points[0],
        upfront_shutdown_script: Some(local.upfront_shutdown_script.clone().unwrap_or_default()),
        channel_type: Some(agreed.proposal.channel_type()),
    }
}

/// The peer names its funding and signs our first commitment: the channel is open, and we sign the peer's.
pub(super) fn funding_created(
    state: &AwaitingFundingCreated,
    m: &FundingCreated,
    view: &View<'_>,
) -> Result<Transition, Fault> {
    if m.temporary_channel_id != state.agreed.proposal.temporary_channel_id {
        return Err(Fault::Proposal("funding_created for another temporary_channel_id".into()));
    }
    if m.funding_txid == Txid::all_zeros() {
        // No transaction has it, and an outpoint with it would pass for the input of a coinbase (attack 58).
        return Err(Fault::Funding("funding_txid is zero".into()));
    }
    let outpoint = OutPoint { txid: m.funding_txid, vout: u32::from(m.funding_output_index) };
    state.agreed.check_signature(outpoint, &m.signature, view)?;
    let request = state.agreed.remote_request(outpoint);
    Commitment::build(view.secp, &request.terms, &request.content)
        .map_err(|e| Fault::Proposal(e.to_string()))?;
    let signing =
        Signing::FundingSigned { request: Box::new(request), channel_id: ChannelId::from_funding(&outpoint) };
    let mut outputs = vec![Output::Send(Outgoing::Sign(signing))];
    outputs.extend(state.agreed.opened(outpoint));
    Ok(Transition { next: state.agreed.open(outpoint, None, m.signature, view), outputs })
}
