//! We open: `open_channel`, `accept_channel`, our funding transaction, `funding_created`, `funding_signed`.

use super::channel_type::ChannelType;
use super::{Agreed, AwaitingAcceptChannel, AwaitingFunding, AwaitingFundingSigned, Proposal, abort, check};
use crate::channel::{Channel, Link, Opening, Phase, Up};
use crate::fault::{Fault, Refusal};
use crate::output::{Outgoing, Output, Signing, Transition};
use crate::policy::{SMALLEST_FUNDING, View};
use astrape_primitives::{ChannelId, ChannelKeysId, FeeratePerKw, Msat, NodeId, Sat, ShortChannelId, Side};
use astrape_transactions::CommitmentFormat;
use astrape_transactions::scripts::funding_witness_script;
use astrape_transactions::{ChannelKeys, Commitment};
use astrape_wire::{ANNOUNCE_CHANNEL, AcceptChannel, FundingSigned, Message, OpenChannel};
use bitcoin::{OutPoint, ScriptBuf, Transaction};
use std::sync::Arc;

/// A channel that we want to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// With whom.
    pub peer: NodeId,
    /// Which of our keys: chosen at random, and our name for the channel.
    pub keys: ChannelKeysId,
    /// Those keys.
    pub channel_keys: ChannelKeys,
    /// Its size, which we pay.
    pub funding: Sat,
    /// What of it is the peer's from the start.
    pub push: Msat,
    /// Whether it shall be announced to the network.
    pub announce: bool,
    /// What its commitments are to be; the best that both sides know when absent.
    pub format: Option<CommitmentFormat>,
    /// First feerate of the commitments; our own estimate when absent.
    pub feerate: Option<FeeratePerKw>,
    /// Feerate of the funding transaction, for the wallet.
    pub funding_feerate: Option<FeeratePerKw>,
    /// Random, and not in use with this peer.
    pub temporary_channel_id: ChannelId,
    /// Random: by which name the peer may route to us over the channel.
    pub local_alias: ShortChannelId,
    /// Where our balance must go at a cooperative close, if we want to be bound to that.
    pub upfront_shutdown_script: Option<ScriptBuf>,
}

impl Channel {
    /// Opens a channel: sends `open_channel`. The peer must be connected.
    ///
    /// # Errors
    /// When the channel would break a rule of BOLT 2 or of our own policy.
    pub fn open_outgoing(request: OpenRequest, view: &View<'_>) -> Result<Transition, Refusal> {
        let proposal = propose(&request, view).map_err(Refusal::Open)?;
        let message = Message::OpenChannel(open_channel(&proposal, view));
        let state = AwaitingAcceptChannel { proposal, funding_feerate: request.funding_feerate };
        Ok(next(
            Opening::AwaitingAcceptChannel(Box::new(state)),
            vec![Output::Send(Outgoing::Plain(message))],
        ))
    }
}

fn propose(request: &OpenRequest, view: &View<'_>) -> Result<Proposal, String> {
    check::size(request.funding, request.push, SMALLEST_FUNDING, view)?;
    if let Some(script) = &request.upfront_shutdown_script
        && !crate::closing::script_is_allowed(script, view)
    {
        return Err("the upfront shutdown script has no form that the peer would accept".into());
    }
    let kind = ChannelType::choose(request.announce, request.format, view)?;
    let usual = || view.policy.commitment_feerate(kind.format, view.feerate);
    let feerate = request.feerate.unwrap_or_else(usual).max(view.policy.feerate_floor);
    let upfront = request.upfront_shutdown_script.clone();
    // The reserve must not be below the dust limit that the peer will announce.
    let floor = view.policy.max_dust_limit;
    let local = check::ours(request.channel_keys.basepoints, request.funding, floor, upfront, view.policy);
    let amounts = (request.funding, request.push);
    check::first_commitment(kind.format, feerate, amounts, local.channel_reserve, view.policy)?;
    Ok(Proposal {
        peer: request.peer,
        keys: request.keys,
        temporary_channel_id: request.temporary_channel_id,
        opener: Side::Local,
        format: kind.format,
        scid_alias: kind.scid_alias,
        announce: request.announce,
        funding: request.funding,
        push: request.push,
        feerate,
        local,
        points: request.channel_keys.points,
        local_alias: request.local_alias,
    })
}

fn open_channel(proposal: &Proposal, view: &View<'_>) -> OpenChannel {
    let local = &proposal.local;
    OpenChannel {
        chain_hash: view.policy.network.chain_hash(),
        temporary_channel_id: proposal.temporary_channel_id,
        funding_satoshis: proposal.funding,
        push_msat: proposal.push,
        dust_limit_satoshis: local.dust_limit,
        max_htlc_value_in_flight_msat: local.max_htlc_value_in_flight,
        channel_reserve_satoshis: local.channel_reserve,
        htlc_minimum_msat: local.htlc_minimum,
        feerate_per_kw: proposal.feerate,
        to_self_delay: local.to_self_delay,
        max_accepted_htlcs: local.max_accepted_htlcs,
        funding_pubkey: local.basepoints.funding,
        revocation_basepoint: local.basepoints.revocation,
        payment_basepoint: local.basepoints.payment,
        delayed_payment_basepoint: local.basepoints.delayed_payment,
        htlc_basepoint: local.basepoints.htlc,
        first_per_commitment_point: proposal.points[0],
        channel_flags: if proposal.announce { ANNOUNCE_CHANNEL } else { 0 },
        upfront_shutdown_script: Some(local.upfront_shutdown_script.clone().unwrap_or_default()),
        channel_type: Some(proposal.channel_type()),
    }
}

/// The peer agrees: our wallet is asked for the funding.
pub(super) fn accept_channel(
    state: &AwaitingAcceptChannel,
    m: &AcceptChannel,
    view: &View<'_>,
) -> Result<Transition, Fault> {
    let proposal = &state.proposal;
    let reject = |text: String| Err(Fault::Proposal(text));
    if m.temporary_channel_id != proposal.temporary_channel_id {
        return reject("accept_channel for another temporary_channel_id".into());
    }
    match &m.channel_type {
        None => return reject("accept_channel without channel_type".into()),
        Some(kind) if *kind != proposal.channel_type() => {
            return reject(format!(
                "channel_type {kind:?} where {:?} was asked for",
                proposal.channel_type()
            ));
        }
        Some(_) => {}
    }
    if m.minimum_depth > view.policy.max_minimum_depth {
        return reject(format!("minimum_depth of {} blocks", m.minimum_depth));
    }
    let remote = check::announced_in_accept(m, view);
    check::announced(&remote, &proposal.local, proposal.funding, view)?;
    let agreed = Agreed {
        proposal: proposal.clone(),
        remote,
        remote_point: m.first_per_commitment_point,
        // A peer may trust our funding at once; we give the chain one block all the same, so that an alias is never all
        // there is.
        minimum_depth: m.minimum_depth.max(1),
    };
    let keys = (agreed.proposal.local.basepoints.funding, agreed.remote.basepoints.funding);
    let output = Output::FundingNeeded {
        script: funding_witness_script(&keys.0, &keys.1).to_p2wsh(),
        amount: proposal.funding,
        feerate: state.funding_feerate,
    };
    Ok(next(Opening::AwaitingFunding(Box::new(AwaitingFunding { agreed })), vec![output]))
}

/// Our wallet has made the funding transaction: sends `funding_created`. A transaction that does not fund the channel is a
/// mistake of ours and ends the opening.
pub(super) fn fund(
    channel: &Channel,
    state: &AwaitingFunding,
    tx: Arc<Transaction>,
    outpoint: OutPoint,
    view: &View<'_>,
) -> Transition {
    let agreed = &state.agreed;
    let request = agreed.remote_request(outpoint);
    let output = usize::try_from(outpoint.vout).ok().and_then(|vout| tx.output.get(vout));
    let funds = outpoint.txid == tx.compute_txid()
        && u16::try_from(outpoint.vout).is_ok()
        && output == Some(&request.terms.funding_output());
    let problem = if funds {
        Commitment::build(view.secp, &request.terms, &request.content).err().map(|e| e.to_string())
    } else {
        Some("the funding transaction does not have the agreed output".to_owned())
    };
    if let Some(problem) = problem {
        return abort(channel, &Opening::AwaitingFunding(Box::new(state.clone())), &problem);
    }
    let signing = Signing::FundingCreated {
        request: Box::new(request),
        temporary_channel_id: agreed.proposal.temporary_channel_id,
    };
    let state = AwaitingFundingSigned { agreed: agreed.clone(), tx, outpoint };
    next(Opening::AwaitingFundingSigned(Box::new(state)), vec![Output::Send(Outgoing::Sign(signing))])
}

/// The peer has signed our first commitment: the channel is open, and its funding may be broadcast.
pub(super) fn funding_signed(
    state: &AwaitingFundingSigned,
    m: &FundingSigned,
    view: &View<'_>,
) -> Result<Transition, Fault> {
    if m.channel_id != ChannelId::from_funding(&state.outpoint) {
        return Err(Fault::Proposal("funding_signed for another channel_id".into()));
    }
    state.agreed.check_signature(state.outpoint, &m.signature, view)?;
    let tx = Arc::clone(&state.tx);
    let next = state.agreed.open(state.outpoint, Some(Arc::clone(&tx)), m.signature, view);
    let mut outputs = vec![Output::BroadcastFunding(tx)];
    outputs.extend(state.agreed.opened(state.outpoint));
    Ok(Transition { next, outputs })
}

fn next(opening: Opening, outputs: Vec<Output>) -> Transition {
    Transition { next: Channel { link: Link::Up(Up::default()), phase: Phase::Opening(opening) }, outputs }
}
