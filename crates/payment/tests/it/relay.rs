//! An HTLC is passed on when it pays, and leaves time enough.

use crate::support::{TIP, forward, hash, incoming, keys, packet, peeled_forward};
use astrape_channel::{Htlc, NewHtlc, OnionSource, Origin};
use astrape_onion::{Failure, ForwardPayload};
use astrape_payment::{ForwardPolicy, InboundFee, PaymentPolicy, RelayTarget, relay};
use astrape_primitives::{ChannelKeysId, CltvDelta, CltvExpiry, HtlcId, Msat};

const AMOUNT: Msat = Msat(1_000_000);
/// A satoshi and a hundred millionths.
const FEE: Msat = Msat(1_100);
const EXPIRY: u32 = TIP.0 + 40;
const DELTA: u32 = 80;

/// A forward that is just good enough; each test breaks one thing.
struct Case {
    incoming: Htlc,
    payload: ForwardPayload,
    forward: ForwardPolicy,
    before: Vec<ForwardPolicy>,
    inbound: Vec<InboundFee>,
    known: bool,
    usable: Result<(), &'static str>,
    fresh: bool,
}

impl Case {
    fn good() -> Self {
        let payload = forward(AMOUNT, EXPIRY);
        Self {
            incoming: incoming(4, Msat(AMOUNT.0 + FEE.0), EXPIRY + DELTA, peeled_forward(payload)),
            payload,
            forward: ForwardPolicy::default(),
            before: Vec::new(),
            inbound: vec![InboundFee::default()],
            known: true,
            usable: Ok(()),
            fresh: true,
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut case = Self::good();
        change(&mut case);
        case
    }

    fn decide(&self) -> Result<(ChannelKeysId, NewHtlc), Failure> {
        let policies = [vec![self.forward.clone()], self.before.clone()].concat();
        let (policies, inbound) = (&policies, &self.inbound);
        let target = RelayTarget { keys: keys(2), policies, inbound, usable: self.usable };
        let target = self.known.then_some(target);
        let policy = PaymentPolicy::default();
        relay(&self.incoming, keys(1), &self.payload, &packet(), target, self.fresh, TIP, &policy)
    }

    fn failure(&self) -> Option<Failure> {
        self.decide().err()
    }
}

// BOLT 7.htlc-fees.1
#[test]
fn what_just_pays_and_just_leaves_time_enough_is_passed_on_as_the_payload_says() {
    let new = NewHtlc {
        amount: AMOUNT,
        payment_hash: hash(),
        cltv_expiry: CltvExpiry(EXPIRY),
        onion: OnionSource::Packet(packet()),
        origin: Origin::Relay { channel: keys(1), id: HtlcId(4) },
    };
    assert_eq!(Case::good().decide(), Ok((keys(2), new)));
}

#[test]
fn what_pays_more_than_asked_is_forwarded_with_no_more_than_the_payload_says() {
    let case = Case::with(|c| c.incoming.amount = Msat(u64::MAX));
    assert_eq!(case.decide().map(|(_, new)| new.amount), Ok(AMOUNT));
}

// BOLT 4.onion-decryption.16
// BOLT 4.payload-format.51
// BOLT 4.failure-messages.3
// BOLT 4.failure-messages.12
#[test]
fn a_channel_that_is_not_known_is_an_unknown_next_peer() {
    assert_eq!(Case::with(|c| c.known = false).failure(), Some(Failure::UnknownNextPeer));
}

// BOLT 4.payload-format.51
#[test]
fn a_channel_that_carries_nothing_now_may_do_so_later() {
    let failure = Case::with(|c| c.usable = Err("the peer is away")).failure();
    assert_eq!(failure, Some(Failure::TemporaryChannelFailure));
}

// BOLT 4.payload-format.52
// BOLT 4.failure-messages.4
#[test]
fn a_millisatoshi_below_the_fee_is_a_fee_too_low() {
    let low = Msat(AMOUNT.0 + FEE.0 - 1);
    let failure = Case::with(|c| c.incoming.amount = low).failure();
    assert_eq!(failure, Some(Failure::FeeInsufficient { htlc_msat: low }));
}

// BOLT 4.payload-format.52
#[test]
fn an_amount_whose_fee_is_beyond_all_numbers_is_not_forwarded() {
    let case = Case::with(|c| {
        c.incoming.amount = Msat(u64::MAX);
        c.payload.amt_to_forward = Msat(u64::MAX);
    });
    assert_eq!(case.failure(), Some(Failure::FeeInsufficient { htlc_msat: Msat(u64::MAX) }));
}

// BOLT 4.payload-format.53
// BOLT 4.failure-messages.4
#[test]
fn a_block_less_than_the_delta_is_an_incorrect_expiry() {
    let failure = Case::with(|c| c.incoming.cltv_expiry = CltvExpiry(EXPIRY + DELTA - 1)).failure();
    assert_eq!(failure, Some(Failure::IncorrectCltvExpiry { cltv_expiry: CltvExpiry(EXPIRY) }));
    let failure = Case::with(|c| c.incoming.cltv_expiry = CltvExpiry(DELTA - 1)).failure();
    assert!(matches!(failure, Some(Failure::IncorrectCltvExpiry { .. })), "below zero");
}

// BOLT 2.cltv_expiry_delta-selection.6
#[test]
fn what_expires_at_once_is_not_forwarded() {
    let least = TIP.0 + PaymentPolicy::default().min_forward_expiry_blocks;
    let at = |expiry: u32| {
        Case::with(|c| {
            c.payload.outgoing_cltv_value = CltvExpiry(expiry);
            c.incoming.cltv_expiry = CltvExpiry(expiry + DELTA);
        })
    };
    assert_eq!(at(least).failure(), None);
    assert_eq!(at(least - 1).failure(), Some(Failure::ExpiryTooSoon));
    assert_eq!(at(0).failure(), Some(Failure::ExpiryTooSoon));
}

// BOLT 2.forwarding-htlcs.3
#[test]
fn an_htlc_with_fewer_blocks_left_than_the_delta_is_failed_whatever_its_payload_says() {
    for outgoing in [0, TIP.0 - 1, TIP.0, TIP.0 + 1, TIP.0 + DELTA] {
        let case = Case::with(|c| {
            c.incoming.cltv_expiry = CltvExpiry(TIP.0 + DELTA - 1);
            c.payload.outgoing_cltv_value = CltvExpiry(outgoing);
        });
        assert!(case.decide().is_err(), "{outgoing}");
    }
}

// BOLT 2.forwarding-htlcs.4
#[test]
fn what_could_be_held_for_too_long_is_not_forwarded() {
    let most = TIP.0 + PaymentPolicy::default().max_expiry_blocks;
    let at = |expiry: u32| Case::with(|c| c.incoming.cltv_expiry = CltvExpiry(expiry)).failure();
    assert_eq!(at(most), None);
    assert_eq!(at(most + 1), Some(Failure::ExpiryTooFar));
    assert_eq!(at(u32::MAX), Some(Failure::ExpiryTooFar));
}

#[test]
fn an_expiry_that_is_a_time_is_too_far() {
    let case = Case::with(|c| {
        c.payload.outgoing_cltv_value = CltvExpiry(CltvExpiry::FIRST_TIME);
        c.incoming.cltv_expiry = CltvExpiry(u32::MAX);
    });
    assert_eq!(case.failure(), Some(Failure::ExpiryTooFar));
}

// BOLT 4.failure-messages.4
#[test]
fn what_is_below_the_minimum_is_not_forwarded() {
    let at = |least: Msat| Case::with(|c| c.forward.htlc_minimum = least).failure();
    assert_eq!(at(AMOUNT), None);
    assert_eq!(at(Msat(AMOUNT.0 + 1)), Some(Failure::AmountBelowMinimum { htlc_msat: AMOUNT }));
}

// BOLT 2.adding-an-htlc-update_add_htlc.5
#[test]
fn nothing_is_not_forwarded_even_where_there_is_no_minimum() {
    let case = Case::with(|c| {
        c.forward.htlc_minimum = Msat::ZERO;
        c.payload.amt_to_forward = Msat::ZERO;
    });
    assert_eq!(case.failure(), Some(Failure::AmountBelowMinimum { htlc_msat: Msat::ZERO }));
}

#[test]
fn what_is_above_the_maximum_is_not_forwarded() {
    let at = |most: Msat| Case::with(|c| c.forward.htlc_maximum = Some(most)).failure();
    assert_eq!(at(AMOUNT), None);
    assert_eq!(at(Msat(AMOUNT.0 - 1)), Some(Failure::TemporaryChannelFailure));
}

// attack 43
#[test]
fn nothing_is_forwarded_while_the_chain_that_we_see_may_be_old() {
    assert_eq!(Case::with(|c| c.fresh = false).failure(), Some(Failure::TemporaryNodeFailure));
}

// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.1
// BOLT 2.bounding-exposure-to-trimmed-in-flight-htlcs-max_dust_htlc_exposure_msat.3
// attack 38
#[test]
fn dust_over_the_bound_is_failed_once_it_is_committed() {
    let failure = Case::with(|c| c.incoming.over_dust_exposure = true).failure();
    assert_eq!(failure, Some(Failure::TemporaryChannelFailure));
}

// BOLT 4.failure-messages.5
#[test]
fn of_several_faults_the_first_in_the_list_of_failures_is_told() {
    let mut case = Case::with(|c| {
        c.incoming.amount = AMOUNT;
        c.incoming.cltv_expiry = CltvExpiry(TIP.0 + 1);
        c.payload.outgoing_cltv_value = CltvExpiry(TIP.0);
        c.forward.htlc_minimum = Msat(AMOUNT.0 + 1);
        c.usable = Err("closing");
        c.known = false;
        c.fresh = false;
    });
    assert_eq!(case.failure(), Some(Failure::TemporaryNodeFailure));
    case.fresh = true;
    assert_eq!(case.failure(), Some(Failure::UnknownNextPeer));
    case.known = true;
    assert_eq!(case.failure(), Some(Failure::AmountBelowMinimum { htlc_msat: AMOUNT }));
    case.forward.htlc_minimum = Msat(1);
    assert_eq!(case.failure(), Some(Failure::FeeInsufficient { htlc_msat: AMOUNT }));
    case.incoming.amount = Msat(AMOUNT.0 + FEE.0);
    assert_eq!(case.failure(), Some(Failure::IncorrectCltvExpiry { cltv_expiry: CltvExpiry(TIP.0) }));
    case.forward.cltv_expiry_delta = CltvDelta(1);
    assert_eq!(case.failure(), Some(Failure::ExpiryTooSoon));
    case.payload.outgoing_cltv_value = CltvExpiry(EXPIRY);
    case.incoming.cltv_expiry = CltvExpiry(u32::MAX);
    assert_eq!(case.failure(), Some(Failure::TemporaryChannelFailure));
    case.usable = Ok(());
    assert_eq!(case.failure(), Some(Failure::ExpiryTooFar));
}

#[test]
fn what_was_asked_before_a_change_is_still_enough_and_the_failure_is_that_of_today() {
    let dearer = ForwardPolicy { fee_base: Msat(5_000), ..Default::default() };
    let longer = ForwardPolicy { cltv_expiry_delta: CltvDelta(100), ..Default::default() };
    let smaller = ForwardPolicy { htlc_maximum: Some(Msat(1)), ..Default::default() };
    for today in [dearer, longer, smaller] {
        let strict = Case::with(|c| c.forward = today.clone());
        assert!(strict.failure().is_some());
        let lenient = Case::with(|c| {
            c.forward = today.clone();
            c.before =
                vec![ForwardPolicy { fee_base: Msat(9_000), ..Default::default() }, Default::default()];
        });
        assert_eq!(lenient.failure(), None, "{today:?}");
        let neither = Case::with(|c| {
            c.forward = today.clone();
            c.before = vec![Default::default()];
            c.incoming.amount = AMOUNT;
        });
        let alone = Case::with(|c| {
            c.forward = today.clone();
            c.incoming.amount = AMOUNT;
        });
        assert_eq!(neither.failure(), alone.failure(), "{today:?}");
    }
}

#[test]
fn a_millisatoshi_too_little_is_too_little_for_every_policy_of_before() {
    let case = Case::with(|c| {
        c.before = vec![ForwardPolicy { fee_base: Msat(2_000), ..Default::default() }];
        c.incoming.amount = Msat(AMOUNT.0 + FEE.0 - 1);
    });
    assert!(matches!(case.failure(), Some(Failure::FeeInsufficient { .. })));
}

#[test]
fn a_discount_of_the_channel_that_it_came_in_over_makes_less_enough_but_never_less_than_is_passed_on() {
    let paying = |amount: u64, inbound: Vec<InboundFee>| {
        Case::with(|c| {
            c.incoming.amount = Msat(amount);
            c.inbound = inbound;
        })
        .failure()
    };
    let some = InboundFee { base_msat: -600, proportional_millionths: 0 };
    assert_eq!(paying(AMOUNT.0 + 500, vec![some]), None);
    assert!(paying(AMOUNT.0 + 499, vec![some]).is_some());
    assert_eq!(paying(AMOUNT.0 + 500, vec![InboundFee::default(), some]), None, "as it was before a change");
    let all = InboundFee { base_msat: i32::MIN, proportional_millionths: -1_000_000 };
    assert_eq!(paying(AMOUNT.0, vec![all]), None);
    assert!(paying(AMOUNT.0 - 1, vec![all]).is_some());
}
