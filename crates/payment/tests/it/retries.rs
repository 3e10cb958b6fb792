//! A payment goes on after failures as long as there is a way, and ends once.

use crate::support::{
    NOW, PAYEE, PREIMAGE, TIP, begin, draft, failed_by, finish, hash, hop, keys, node, own, request, sat,
    view, where_nothing_is_known,
};
use astrape_channel::{NewHtlc, Origin, Refusal, Resolution};
use astrape_invoice::RouteHint;
use astrape_onion::Failure;
use astrape_payment::policy::RETRY_PARTS_FACTOR;
use astrape_payment::send::Limit;
use astrape_payment::{OwnChannel, PayOutput, PayRequest, PayView, Payment, PaymentPart, PaymentPolicy};
use astrape_primitives::{ChannelKeysId, CltvExpiry, Msat, ShortChannelId, Timestamp};
use astrape_routing::{NoRoute, Outcome};
use std::collections::BTreeSet;

const AMOUNT: Msat = Msat(1_000_000);

/// A payment with the channels that it may use.
pub(crate) struct Paying {
    pub(crate) payment: Payment,
    pub(crate) channels: Vec<OwnChannel>,
    pub(crate) now: Timestamp,
}

impl Paying {
    pub(crate) fn new(amount: Msat, hints: Vec<Vec<RouteHint>>, channels: &[OwnChannel]) -> Self {
        Self::of(request(finish(&draft(Some(amount), hints))), channels)
    }

    pub(crate) fn of(request: PayRequest, channels: &[OwnChannel]) -> Self {
        let (payment, _) =
            begin(request, &view(channels, &PaymentPolicy::default())).expect("there is a way");
        Self { payment, channels: channels.to_vec(), now: NOW }
    }

    pub(crate) fn fail(&mut self, part: u64, hop: usize, failure: &Failure) -> Vec<PayOutput> {
        let how = failed_by(&self.payment.parts[&part], hop, failure);
        self.fail_with(part, &how)
    }

    pub(crate) fn fail_with(&mut self, part: u64, how: &Resolution) -> Vec<PayOutput> {
        let policy = PaymentPolicy::default();
        let view = PayView { now: self.now, ..view(&self.channels, &policy) };
        let (next, outputs) = self.payment.on_failed(part, how, &view);
        let (next, outputs) = where_nothing_is_known(next, outputs, &view);
        self.payment = next;
        outputs
    }

    fn refuse(&mut self, part: u64, refusal: &Refusal) -> Vec<PayOutput> {
        let policy = PaymentPolicy::default();
        let view = PayView { now: self.now, ..view(&self.channels, &policy) };
        let (next, outputs) = self.payment.on_not_offered(part, refusal, &view);
        let (next, outputs) = where_nothing_is_known(next, outputs, &view);
        self.payment = next;
        outputs
    }

    fn fulfil(&mut self, part: u64) -> Vec<PayOutput> {
        let (channels, policy) = (&self.channels, PaymentPolicy::default());
        let (next, outputs) = self.payment.on_fulfilled(part, PREIMAGE, None, self.now);
        let (next, outputs) = where_nothing_is_known(next, outputs, &view(channels, &policy));
        self.payment = next;
        outputs
    }
}

pub(crate) fn offers(outputs: &[PayOutput]) -> Vec<(ChannelKeysId, &NewHtlc)> {
    let offer = |output| match output {
        &PayOutput::Offer(channel, ref new) => (channel, new),
        other => panic!("{other:?}"),
    };
    outputs.iter().map(offer).collect()
}

pub(crate) fn is_failure(outputs: &[PayOutput]) -> bool {
    matches!(outputs, [PayOutput::Failed { .. }])
}

pub(crate) fn two_hints() -> Vec<Vec<RouteHint>> {
    vec![vec![hop(2, 22)], vec![hop(3, 33)]]
}

/// A channel with each of the first nodes of [`two_hints`]; the first is taken first.
pub(crate) fn two_channels() -> [OwnChannel; 2] {
    [own(1, 2, sat(6_000)), own(2, 3, sat(5_000))]
}

#[test]
fn a_payment_that_is_fulfilled_is_sent_with_its_proof_and_its_fee() {
    let mut paying = Paying::new(AMOUNT, two_hints(), &two_channels());
    let sent = PayOutput::Sent { preimage: PREIMAGE, amount: AMOUNT, fee: Msat(1_100) };
    assert_eq!(paying.fulfil(0), [sent]);
    assert!(paying.payment.is_over());
}

// BOLT 4.basic-multi-part-payments.5
// BOLT 4.receiving-failure-codes.8
#[test]
fn another_way_is_tried_without_the_channel_that_failed() {
    for failure in [
        Failure::TemporaryChannelFailure,
        Failure::UnknownNextPeer,
        Failure::FeeInsufficient { htlc_msat: AMOUNT },
        Failure::IncorrectCltvExpiry { cltv_expiry: CltvExpiry(TIP.0) },
        Failure::ExpiryTooSoon,
        Failure::ChannelDisabled { disabled_flags: 0 },
        Failure::InvalidOnionHmac { sha256_of_onion: [0; 32] },
        Failure::Unknown { code: 0x77, data: vec![] },
    ] {
        let mut paying = Paying::new(AMOUNT, two_hints(), &two_channels());
        assert_eq!(paying.payment.parts[&0].channel, keys(1));
        let outputs = paying.fail(0, 0, &failure);
        let [(channel, new)] = offers(&outputs)[..] else { panic!("{failure}: {outputs:?}") };
        assert_eq!((channel, new.payment_hash), (keys(2), hash()), "{failure}");
        assert_eq!(new.origin, Origin::Payment { payment_hash: hash(), part: 1 });
        let lessons = &paying.payment.lessons;
        let avoided: BTreeSet<ShortChannelId> =
            lessons.channels.keys().map(|(channel, _)| *channel).collect();
        assert_eq!(avoided, BTreeSet::from([ShortChannelId(22)]), "{failure}");
        assert!(lessons.own.is_empty() && lessons.nodes.is_empty(), "{failure}");
        assert!(is_failure(&paying.fail(1, 0, &failure)), "{failure}");
    }
}

// BOLT 4.receiving-failure-codes.4
#[test]
fn a_node_that_failed_is_not_used_again_by_any_of_its_channels() {
    let hints = vec![vec![hop(2, 22)], vec![hop(2, 23)], vec![hop(3, 33)]];
    let mut paying = Paying::new(AMOUNT, hints, &two_channels());
    let outputs = paying.fail(0, 0, &Failure::TemporaryNodeFailure);
    assert_eq!(offers(&outputs)[0].0, keys(2));
    assert!(paying.payment.lessons.nodes.contains(&node(2)));
}

// BOLT 4.receiving-failure-codes.2
#[test]
fn what_the_recipient_says_for_good_ends_the_payment() {
    let failure = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: AMOUNT, height: TIP };
    let mut paying = Paying::new(AMOUNT, two_hints(), &two_channels());
    assert!(is_failure(&paying.fail(0, 1, &failure)));
    assert!(paying.payment.is_over());
}

#[test]
fn a_recipient_who_was_shortchanged_is_reached_another_way() {
    for failure in [
        Failure::FinalIncorrectHtlcAmount { incoming_htlc_amt: Msat(1) },
        Failure::FinalIncorrectCltvExpiry { cltv_expiry: CltvExpiry(TIP.0) },
    ] {
        let mut paying = Paying::new(AMOUNT, two_hints(), &two_channels());
        assert_eq!(offers(&paying.fail(0, 1, &failure))[0].0, keys(2));
    }
}

#[test]
fn a_peer_that_could_not_read_the_onion_is_avoided() {
    let mut paying = Paying::new(AMOUNT, two_hints(), &two_channels());
    let how = Resolution::Malformed { sha256_of_onion: [0; 32], failure_code: 0xc005 };
    assert_eq!(offers(&paying.fail_with(0, &how))[0].0, keys(2));
}

#[test]
fn a_channel_that_does_not_take_a_part_is_avoided_or_used_for_less() {
    let mut paying = Paying::new(AMOUNT, two_hints(), &two_channels());
    let outputs = paying.refuse(0, &Refusal::NotUsable("closing"));
    assert_eq!(offers(&outputs)[0].0, keys(2));

    let channels = [own(1, PAYEE, sat(6_000)), own(2, PAYEE, sat(3_000))];
    let mut paying = Paying::new(sat(5_000), vec![], &channels);
    let outputs = paying.refuse(0, &Refusal::InsufficientBalance { missing: sat(1_000) });
    let amounts: Vec<_> = offers(&outputs).iter().map(|(channel, new)| (*channel, new.amount)).collect();
    assert_eq!(amounts, [(keys(1), sat(4_000)), (keys(2), sat(1_000))]);
}

#[test]
fn a_channel_of_others_that_was_too_small_is_tried_with_half_where_parts_are_taken() {
    let mut paying = Paying::new(sat(4_000), two_hints(), &[own(1, 2, sat(6_000)), own(2, 3, sat(6_000))]);
    let outputs = paying.fail(0, 0, &Failure::TemporaryChannelFailure);
    assert_eq!(offers(&outputs).len(), 1, "all over the other");
    let outputs = paying.fail(1, 0, &Failure::TemporaryChannelFailure);
    assert_eq!(offers(&outputs).len(), 2);
    let amounts: Vec<Msat> = paying.payment.parts.values().map(|part| part.amount).collect();
    assert_eq!(amounts, [sat(2_000), sat(2_000)]);
}

#[test]
fn more_than_half_of_what_may_be_in_a_channel_is_dared_where_there_is_no_way_with_less() {
    let channels = [own(1, 2, sat(6_000)), own(2, 3, sat(1_500))];
    let mut paying = Paying::new(sat(4_000), two_hints(), &channels);
    let outputs = paying.fail(0, 0, &Failure::TemporaryChannelFailure);
    // With half of 4,000 and 1,500 it is too little, with three quarters it is enough.
    let dared: Vec<u32> = paying.payment.lessons.channels.values().map(|limit| limit.dared).collect();
    assert_eq!(dared, [1], "{outputs:?}");
    let amounts: Vec<Msat> = paying.payment.parts.values().map(|part| part.amount).collect();
    assert_eq!(amounts, [sat(3_000), sat(1_000)]);
}

#[test]
fn what_is_known_of_a_channel_of_others_holds_for_all_parts_together() {
    // Two channels of ours to the one node before the recipient, whose channel is too small.
    let hints = vec![vec![hop(2, 22)]];
    let mut paying = Paying::new(sat(4_000), hints, &[own(1, 2, sat(6_000)), own(2, 2, sat(6_000))]);
    assert!(is_failure(&paying.fail(0, 0, &Failure::TemporaryChannelFailure)));
}

// BOLT 4.basic-multi-part-payments.5
// BOLT 4.basic-multi-part-payments.9
#[test]
fn only_the_part_that_failed_is_sent_again() {
    let channels = [own(1, PAYEE, sat(3_000)), own(2, PAYEE, sat(2_500)), own(3, PAYEE, sat(2_000))];
    let mut paying = Paying::new(sat(5_000), vec![], &channels);
    let second = paying.payment.parts[&1].amount;
    assert_eq!((paying.payment.parts.len(), second), (2, sat(2_000)));
    paying.channels[0].sendable = Msat::ZERO;
    let outputs = paying.refuse(1, &Refusal::NotUsable("closing"));
    let [(channel, new)] = offers(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!((channel, new.amount), (keys(3), second));
    assert_eq!(paying.payment.in_flight().0, sat(5_000));
}

#[test]
fn a_payment_that_gave_up_is_failed_only_when_its_last_part_is_back() {
    let channels = [own(1, PAYEE, sat(3_000)), own(2, PAYEE, sat(3_000))];
    let mut paying = Paying::new(sat(5_000), vec![], &channels);
    assert_eq!(paying.fail(0, 0, &Failure::MppTimeout), []);
    assert!(paying.payment.gave_up.is_some() && !paying.payment.is_over());
    assert!(is_failure(&paying.fail(1, 0, &Failure::MppTimeout)));
    assert!(paying.payment.is_over());
}

#[test]
fn a_payment_that_gave_up_is_sent_if_a_part_that_was_out_is_fulfilled() {
    let channels = [own(1, PAYEE, sat(3_000)), own(2, PAYEE, sat(3_000))];
    let mut paying = Paying::new(sat(5_000), vec![], &channels);
    let second = paying.payment.parts[&1].amount;
    assert_eq!(paying.fail(0, 0, &Failure::MppTimeout), []);
    let sent = PayOutput::Sent { preimage: PREIMAGE, amount: second, fee: Msat::ZERO };
    assert_eq!(paying.fulfil(1), [sent]);
    assert!(paying.payment.is_over());
}

#[test]
fn after_the_preimage_nothing_is_offered_whatever_fails() {
    let channels = [own(1, PAYEE, sat(3_000)), own(2, PAYEE, sat(3_000)), own(3, PAYEE, sat(9_000))];
    let mut paying = Paying::new(sat(12_000), vec![], &channels);
    assert!(matches!(paying.fulfil(0)[..], [PayOutput::Sent { amount, .. }] if amount == sat(12_000)));
    assert!(!paying.payment.is_over(), "a part is still out");
    assert_eq!(paying.fail(1, 0, &Failure::TemporaryChannelFailure), []);
    assert!(paying.payment.is_over());
}

#[test]
fn every_part_is_fulfilled_and_the_payment_is_sent_once() {
    let channels = [own(1, PAYEE, sat(3_000)), own(2, PAYEE, sat(3_000))];
    let mut paying = Paying::new(sat(5_000), vec![], &channels);
    assert_eq!(paying.fulfil(1).len(), 1);
    assert_eq!(paying.fulfil(0), []);
    assert!(paying.payment.is_over());
    assert_eq!(paying.fulfil(0), [], "told twice");
}

#[test]
fn an_answer_to_a_part_that_is_not_out_changes_nothing() {
    let mut paying = Paying::new(AMOUNT, two_hints(), &two_channels());
    let before = paying.payment.clone();
    let how = failed_by(&before.parts[&0], 0, &Failure::UnknownNextPeer);
    assert_eq!(paying.fail_with(7, &how), []);
    assert_eq!(paying.refuse(7, &Refusal::NotUsable("closing")), []);
    assert_eq!(paying.payment, before);
}

#[test]
fn nothing_is_tried_again_after_the_time_for_retries() {
    let mut paying = Paying::new(AMOUNT, two_hints(), &two_channels());
    paying.now = NOW.plus(60_000);
    let outputs = paying.fail(0, 0, &Failure::TemporaryChannelFailure);
    let [PayOutput::Failed { reason }] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(reason.ends_with("(the time for retries is up)"), "{reason}");
}

// BOLT 11.payer-payee-requirements.1
#[test]
fn nothing_is_tried_again_after_the_invoice_has_expired() {
    let request =
        PayRequest { retry_secs: Some(1_000_000), ..request(finish(&draft(Some(AMOUNT), two_hints()))) };
    let mut paying = Paying::of(request, &two_channels());
    paying.now = NOW.plus(3_600_000);
    assert!(is_failure(&paying.fail(0, 0, &Failure::TemporaryChannelFailure)));
}

#[test]
fn a_retry_stays_within_the_fee_that_was_allowed() {
    let mut dear = hop(3, 33);
    dear.fee_base_msat = 50_000;
    let mut paying = Paying::new(AMOUNT, vec![vec![hop(2, 22)], vec![dear]], &two_channels());
    let outputs = paying.fail(0, 0, &Failure::UnknownNextPeer);
    let [PayOutput::Failed { reason }] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(reason.contains("the cheapest way costs 50.100 sat and at most 5 sat was allowed"), "{reason}");
}

#[test]
fn attempts_are_counted_and_bounded() {
    let hints: Vec<Vec<RouteHint>> = (0..10).map(|n| vec![hop(2, 100 + n)]).collect();
    let channels: Vec<OwnChannel> = (0..10).map(|n| own(n, 2, sat(5_000))).collect();
    let mut paying = Paying::new(AMOUNT, hints, &channels);
    let most = PaymentPolicy::default().max_payment_attempts;
    paying.payment.attempts = most;
    let outputs = paying.fail(0, 0, &Failure::UnknownNextPeer);
    let [PayOutput::Failed { reason }] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(reason.ends_with(&format!("({most} attempts were made)")), "{reason}");
}

#[test]
fn what_other_parts_have_in_a_channel_is_not_taken_for_what_it_lacks() {
    let hints = vec![vec![hop(2, 22)], vec![hop(2, 33)]];
    let channels = [own(1, 2, sat(3_000)), own(2, 2, sat(3_000))];
    let mut paying = Paying::new(sat(5_000), hints, &channels);
    let over = |part: &PaymentPart| part.channels.clone();
    let parts = paying.payment.parts.clone();
    let [first, second] = [&parts[&0], &parts[&1]];
    assert_eq!((over(first), over(second)), (vec![ShortChannelId(22)], vec![ShortChannelId(22)]));
    let policy = PaymentPolicy::default();
    let how = failed_by(second, 0, &Failure::TemporaryChannelFailure);
    let taught = paying.payment.on_failed(1, &how, &view(&channels, &policy)).1;
    let stuck = taught.iter().find_map(|output| match output {
        PayOutput::Teach(trip) => trip.taught().last().map(|taught| (taught.outcome, taught.amount)),
        _ => None,
    });
    assert_eq!(stuck, Some((Outcome::Stuck, first.amount.saturating_add(second.amount))));
    paying.fail_with(1, &how);
    let limits: Vec<Limit> = paying.payment.lessons.channels.values().copied().collect();
    assert_eq!(limits[0].most, Msat(first.amount.0 + second.amount.0 - 1));
    // What is worth a try of it beside the first part is less than what failed: that goes the other way.
    let again = paying.payment.parts.values().filter(|part| part.channels == [ShortChannelId(33)]);
    assert_eq!(again.map(|part| part.amount).collect::<Vec<_>>(), [second.amount]);
}

#[test]
fn what_failed_may_be_split_further_while_the_other_parts_are_in_flight() {
    let policy = PaymentPolicy { max_payment_parts: 2, ..PaymentPolicy::default() };
    let invoice = finish(&draft(Some(sat(5_000)), vec![vec![hop(2, 22)], vec![hop(4, 44)]]));
    let channels = [own(1, 2, sat(3_000)), own(2, 4, sat(3_000))];
    let preview = Payment::preview(request(invoice.clone()), &view(&channels, &policy)).expect("it may");
    assert_eq!(preview.limits.max_parts, 2, "at first");
    let (payment, offers) = begin(request(invoice), &view(&channels, &policy)).expect("there is a way");
    assert_eq!(offers.len(), 2);
    // The channels hold little more now, so that the network must be asked for the rest.
    let channels = [own(1, 2, sat(100)), own(2, 4, sat(100))];
    let how = failed_by(&payment.parts[&0], 0, &Failure::UnknownNextPeer);
    let (_, outputs) = payment.on_failed(0, &how, &view(&channels, &policy));
    let asked = outputs.iter().find_map(|output| match output {
        PayOutput::Search(query) => Some(query.limits.max_parts),
        _ => None,
    });
    assert_eq!(asked, Some(2 * RETRY_PARTS_FACTOR - 1), "{outputs:?}");
}

#[test]
fn where_nothing_is_in_flight_more_parts_than_at_first_are_asked_for_only_if_so_few_find_no_way() {
    let policy = PaymentPolicy { max_payment_parts: 2, ..PaymentPolicy::default() };
    let invoice = finish(&draft(Some(sat(2_000)), vec![vec![hop(2, 22)]]));
    let channels = [own(1, 2, sat(3_000))];
    let (payment, offers) = begin(request(invoice), &view(&channels, &policy)).expect("there is a way");
    assert_eq!(offers.len(), 1);
    let asked = |outputs: &[PayOutput]| -> Option<(u64, usize)> {
        outputs.iter().find_map(|output| match output {
            PayOutput::Search(query) => Some((query.number, query.limits.max_parts)),
            _ => None,
        })
    };
    let how = failed_by(&payment.parts[&0], 0, &Failure::UnknownNextPeer);
    let (payment, outputs) = payment.on_failed(0, &how, &view(&channels, &policy));
    assert!(payment.parts.is_empty());
    let (number, few) = asked(&outputs).expect("the hint is no way any more");
    assert_eq!(few, 2);
    let too_few = Err(NoRoute::TooManyParts { amount: payment.amount, limit: few });
    let (payment, outputs) = payment.on_route(number, &too_few, &view(&channels, &policy));
    let (number, many) = asked(&outputs).expect("more may do");
    assert_eq!(many, 2 * RETRY_PARTS_FACTOR);
    let too_few = Err(NoRoute::TooManyParts { amount: payment.amount, limit: many });
    let (payment, outputs) = payment.on_route(number, &too_few, &view(&channels, &policy));
    assert!(payment.is_over() && asked(&outputs).is_none(), "{outputs:?}");
}

#[test]
fn a_channel_that_gives_no_number_for_what_is_missing_is_not_asked_for_the_same_again() {
    let mut paying = Paying::new(AMOUNT, vec![], &[own(1, PAYEE, sat(5_000))]);
    assert!(is_failure(&paying.refuse(0, &Refusal::InsufficientBalance { missing: Msat::ZERO })));
}
