//! Which proposals are acceptable: the receiver's requirements of `open_channel` and `accept_channel` (BOLT 2), and what we
//! say in our own.

use crate::fault::Fault;
use crate::params::Announced;
use crate::policy::{MAX_ACCEPTED_HTLCS, MAX_FUNDING_WITHOUT_LARGE, Policy, View};
use astrape_primitives::{Feature, FeeratePerKw, Msat, Sat};
use astrape_transactions::weights::MIN_DUST_LIMIT;
use astrape_transactions::{Basepoints, CommitmentFormat, commitment_fee};
use astrape_wire::{AcceptChannel, OpenChannel};
use bitcoin::ScriptBuf;

/// What we announce for a channel of `funding`. `reserve_floor` is the least that we must ask the peer to keep.
pub(super) fn ours(
    basepoints: Basepoints,
    funding: Sat,
    reserve_floor: Sat,
    upfront_shutdown_script: Option<ScriptBuf>,
    policy: &Policy,
) -> Announced {
    Announced {
        basepoints,
        dust_limit: policy.dust_limit,
        max_htlc_value_in_flight: Msat(
            funding.to_msat().0 / 100 * u64::from(policy.max_in_flight_percent.min(100)),
        ),
        channel_reserve: permille(funding, policy.reserve_permille).max(reserve_floor).max(policy.dust_limit),
        htlc_minimum: policy.htlc_minimum,
        to_self_delay: policy.to_self_delay,
        max_accepted_htlcs: policy.max_accepted_htlcs.min(MAX_ACCEPTED_HTLCS),
        upfront_shutdown_script,
    }
}

/// What the peer announced in `open_channel`.
pub(super) fn announced_in_open(m: &OpenChannel, view: &View<'_>) -> Announced {
    Announced {
        basepoints: Basepoints {
            funding: m.funding_pubkey,
            revocation: m.revocation_basepoint,
            payment: m.payment_basepoint,
            delayed_payment: m.delayed_payment_basepoint,
            htlc: m.htlc_basepoint,
        },
        dust_limit: m.dust_limit_satoshis,
        max_htlc_value_in_flight: m.max_htlc_value_in_flight_msat,
        channel_reserve: m.channel_reserve_satoshis,
        htlc_minimum: m.htlc_minimum_msat,
        to_self_delay: m.to_self_delay,
        max_accepted_htlcs: m.max_accepted_htlcs,
        upfront_shutdown_script: binding(m.upfront_shutdown_script.as_ref(), view),
    }
}

/// What the peer announced in `accept_channel`.
pub(super) fn announced_in_accept(m: &AcceptChannel, view: &View<'_>) -> Announced {
    Announced {
        basepoints: Basepoints {
            funding: m.funding_pubkey,
            revocation: m.revocation_basepoint,
            payment: m.payment_basepoint,
            delayed_payment: m.delayed_payment_basepoint,
            htlc: m.htlc_basepoint,
        },
        dust_limit: m.dust_limit_satoshis,
        max_htlc_value_in_flight: m.max_htlc_value_in_flight_msat,
        channel_reserve: m.channel_reserve_satoshis,
        htlc_minimum: m.htlc_minimum_msat,
        to_self_delay: m.to_self_delay,
        max_accepted_htlcs: m.max_accepted_htlcs,
        upfront_shutdown_script: binding(m.upfront_shutdown_script.as_ref(), view),
    }
}

/// An upfront script binds only where both sides know the feature; an empty one declines.
fn binding(script: Option<&ScriptBuf>, view: &View<'_>) -> Option<ScriptBuf> {
    script.filter(|s| !s.is_empty() && view.negotiated(Feature::UpfrontShutdownScript)).cloned()
}

/// Checks the size of a channel, whoever opens it.
pub(super) fn size(funding: Sat, push: Msat, least: Sat, view: &View<'_>) -> Result<(), String> {
    let policy = view.policy;
    if funding < least || funding > policy.max_funding {
        return Err(format!(
            "{funding} is not between the smallest channel of {least} and the largest of {}",
            policy.max_funding
        ));
    }
    if funding > MAX_FUNDING_WITHOUT_LARGE && !view.negotiated(Feature::SupportLargeChannel) {
        return Err(format!("{funding} needs option_support_large_channel, which was not negotiated"));
    }
    if push > funding.to_msat() {
        return Err(format!("push_msat of {push} is more than the funding of {funding}"));
    }
    Ok(())
}

/// Checks what the peer announced, against what we announce in return.
pub(super) fn announced(
    theirs: &Announced,
    ours: &Announced,
    funding: Sat,
    view: &View<'_>,
) -> Result<(), Fault> {
    let policy = view.policy;
    let most_reserve = permille(funding, policy.max_reserve_permille).max(policy.max_dust_limit);
    let reject = |text: String| Err(Fault::Proposal(text));
    if theirs.max_accepted_htlcs > MAX_ACCEPTED_HTLCS
        || theirs.max_accepted_htlcs < policy.min_accepted_htlcs.max(1)
    {
        return reject(format!("max_accepted_htlcs of {}", theirs.max_accepted_htlcs));
    }
    if theirs.to_self_delay > policy.max_to_self_delay {
        return reject(format!("to_self_delay of {} blocks", theirs.to_self_delay));
    }
    if theirs.dust_limit < MIN_DUST_LIMIT || theirs.dust_limit > policy.max_dust_limit {
        return reject(format!("dust_limit_satoshis of {}", theirs.dust_limit));
    }
    if theirs.htlc_minimum > policy.max_htlc_minimum {
        return reject(format!("htlc_minimum_msat of {}", theirs.htlc_minimum));
    }
    if theirs.max_htlc_value_in_flight < theirs.htlc_minimum.max(Msat(1)) {
        return reject(format!("max_htlc_value_in_flight_msat of {}", theirs.max_htlc_value_in_flight));
    }
    if theirs.channel_reserve > most_reserve {
        return reject(format!(
            "channel_reserve_satoshis of {}, more than {most_reserve}",
            theirs.channel_reserve
        ));
    }
    if theirs.channel_reserve < theirs.dust_limit || theirs.channel_reserve < ours.dust_limit {
        return reject(format!(
            "channel_reserve_satoshis of {} is below a dust limit",
            theirs.channel_reserve
        ));
    }
    if ours.channel_reserve < theirs.dust_limit {
        return reject(format!("dust_limit_satoshis of {} is above our channel reserve", theirs.dust_limit));
    }
    if let Some(script) = &theirs.upfront_shutdown_script
        && !crate::closing::script_is_allowed(script, view)
    {
        return reject("upfront_shutdown_script has no form that shutdown allows".into());
    }
    Ok(())
}

/// Checks that the opener can pay for the first commitments, and that not both sides start below `reserve`.
pub(super) fn first_commitment(
    format: CommitmentFormat,
    feerate: FeeratePerKw,
    (funding, push): (Sat, Msat),
    reserve: Sat,
    policy: &Policy,
) -> Result<(), String> {
    let fee = commitment_fee(format, feerate, 0);
    let cost = fee.saturating_add(format.anchors_cost()).to_msat();
    let opener = funding.to_msat().saturating_sub(push);
    let Some(left) = opener.checked_sub(cost) else {
        return Err(format!("the opener has {opener} and must pay {cost} for the first commitment"));
    };
    if left <= reserve.to_msat() && push <= reserve.to_msat() {
        return Err(format!("neither side would have more than its reserve of {reserve}"));
    }
    if fee > permille(funding, u16::from(policy.max_fee_percent) * 10) {
        return Err(format!(
            "a commitment fee of {fee} would take more than {}% of the channel",
            policy.max_fee_percent
        ));
    }
    Ok(())
}

fn permille(amount: Sat, share: u16) -> Sat {
    Sat(amount.0.saturating_mul(u64::from(share)) / 1000)
}
