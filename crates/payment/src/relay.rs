//! Whether an HTLC is passed on: the checks of a forwarding node, in the order in which BOLT 4 lists its failures.
//!
//! It sees no invoice: what is forwarded is settled by a preimage from downstream or not at all (attack 3).

use crate::policy::{ForwardPolicy, InboundFee, PaymentPolicy};
use astrape_channel::{Htlc, NewHtlc, OnionSource, Origin};
use astrape_onion::{Failure, ForwardPayload};
use astrape_primitives::{ChannelKeysId, Height, Msat};
use astrape_wire::OnionPacket;

/// The channel that an onion names.
#[derive(Clone, Copy, Debug)]
pub struct RelayTarget<'a> {
    /// Our name for it.
    pub keys: ChannelKeysId,
    /// What we ask for forwarding over it: today, and before changes that payers may not know of yet.
    pub policies: &'a [ForwardPolicy],
    /// What the channel that it came in over asks beside, in the same way.
    pub inbound: &'a [InboundFee],
    /// Whether it can carry anything now; if not why, in words. Its limits and balance are judged by the channel.
    pub usable: Result<(), &'static str>,
}

/// Decides on an HTLC that is irrevocably committed and asks to be passed on: what to offer over which channel, or the
/// failure for its sender. `target` is the channel with `payload.short_channel_id`, if there is one.
///
/// `chain_fresh` is false while the chain that we see may be old: nothing is forwarded then, since no expiry can be
/// judged (attack 43).
///
/// # Errors
/// The failure of BOLT 4 for the first rule that is not met.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a different part of the node's state, at its one call"
)]
pub fn relay(
    incoming: &Htlc,
    incoming_channel: ChannelKeysId,
    payload: &ForwardPayload,
    next: &OnionPacket,
    target: Option<RelayTarget<'_>>,
    chain_fresh: bool,
    tip: Height,
    policy: &PaymentPolicy,
) -> Result<(ChannelKeysId, NewHtlc), Failure> {
    if !chain_fresh {
        return Err(Failure::TemporaryNodeFailure);
    }
    if incoming.over_dust_exposure {
        return Err(Failure::TemporaryChannelFailure);
    }
    let target = target.ok_or(Failure::UnknownNextPeer)?;
    let asked =
        target.policies.iter().flat_map(|asked| target.inbound.iter().map(move |inbound| (asked, inbound)));
    let judged = asked.map(|(asked, inbound)| check_asked(incoming, payload, asked, inbound));
    // The failure that its sender is told is that of today's policy, which is the first.
    judged.reduce(|first, next| if first.is_ok() { first } else { next.or(first) }).unwrap_or(Ok(()))?;
    check_expiries(incoming, payload, target, tip, policy)?;
    let outgoing = NewHtlc {
        amount: payload.amt_to_forward,
        payment_hash: incoming.payment_hash,
        cltv_expiry: payload.outgoing_cltv_value,
        onion: OnionSource::Packet(next.clone()),
        origin: Origin::Relay { channel: incoming_channel, id: incoming.id },
    };
    Ok((target.keys, outgoing))
}

/// Whether an HTLC brings what one policy asks, and leaves the time that it asks for.
fn check_asked(
    incoming: &Htlc,
    payload: &ForwardPayload,
    policy: &ForwardPolicy,
    inbound: &InboundFee,
) -> Result<(), Failure> {
    let (received, forwarded) = (incoming.amount, payload.amt_to_forward);
    if policy.htlc_maximum.is_some_and(|most| forwarded > most) {
        return Err(Failure::TemporaryChannelFailure);
    }
    // BOLT 2: an HTLC of nothing may not be offered, whatever the operator says.
    if forwarded < policy.htlc_minimum.max(Msat(1)) {
        return Err(Failure::AmountBelowMinimum { htlc_msat: forwarded });
    }
    let asked = policy.fee_from(inbound, forwarded).and_then(|fee| fee.checked_add(forwarded));
    if asked.is_none_or(|asked| received < asked) {
        return Err(Failure::FeeInsufficient { htlc_msat: received });
    }
    let outgoing = payload.outgoing_cltv_value;
    let delta = u32::from(policy.cltv_expiry_delta.0);
    if incoming.cltv_expiry.0.checked_sub(delta).is_none_or(|latest| latest < outgoing.0) {
        return Err(Failure::IncorrectCltvExpiry { cltv_expiry: outgoing });
    }
    Ok(())
}

/// When all of these hold beside what a policy asks, the incoming HTLC has more than the outgoing channel's
/// `cltv_expiry_delta` left, as BOLT 2 ("Forwarding HTLCs") asks.
fn check_expiries(
    incoming: &Htlc,
    payload: &ForwardPayload,
    target: RelayTarget<'_>,
    tip: Height,
    policy: &PaymentPolicy,
) -> Result<(), Failure> {
    if payload.outgoing_cltv_value.blocks_left(tip) < policy.min_forward_expiry_blocks {
        return Err(Failure::ExpiryTooSoon);
    }
    // Its peer may be back in a moment: `channel_disabled` is for a channel of which the network was told that it is (BOLT 4).
    if target.usable.is_err() {
        return Err(Failure::TemporaryChannelFailure);
    }
    if incoming.cltv_expiry.blocks_left(tip) > policy.max_expiry_blocks {
        return Err(Failure::ExpiryTooFar);
    }
    Ok(())
}
