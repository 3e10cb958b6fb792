//! Who is avoided after a failure that nobody signed and that names nobody.

use crate::support::{
    begin, draft, failed_by, finish, hop, keys, node, own, request, sat, view, where_nothing_is_known,
};
use astrape_channel::Resolution;
use astrape_invoice::RouteHint;
use astrape_onion::{Failure, FailurePacket};
use astrape_payment::{OwnChannel, PayOutput, Payment, PaymentPolicy};
use astrape_primitives::{Msat, NodeId, ShortChannelId};

const AMOUNT: Msat = Msat(1_000_000);

fn channels() -> [OwnChannel; 2] {
    [own(1, 2, sat(6_000)), own(2, 5, sat(5_000))]
}

fn paying(hints: Vec<Vec<RouteHint>>) -> Payment {
    let policy = PaymentPolicy::default();
    begin(request(finish(&draft(Some(AMOUNT), hints))), &view(&channels(), &policy))
        .expect("there is a way")
        .0
}

/// How it goes on after an answer to its last part.
fn answered(payment: &Payment, how: &Resolution) -> (Payment, Vec<PayOutput>) {
    let (channels, policy) = (channels(), PaymentPolicy::default());
    let view = view(&channels, &policy);
    let last = payment.attempts - 1;
    let (next, outputs) = payment.on_failed(last, how, &view);
    where_nothing_is_known(next, outputs, &view)
}

/// Bytes that nobody signed, without attribution data.
fn noise() -> Resolution {
    Resolution::Failed(FailurePacket { reason: vec![1; 292], attribution_data: None })
}

/// The channels between the hops of its last part.
fn way(payment: &Payment) -> Vec<ShortChannelId> {
    payment.parts[&(payment.attempts - 1)].channels.clone()
}

fn channels_of(hint: &[RouteHint]) -> Vec<ShortChannelId> {
    hint.iter().map(|hop| hop.short_channel_id).collect()
}

fn suspects(payment: &Payment) -> Vec<(NodeId, u32)> {
    payment.lessons.suspects.iter().map(|(node, times)| (*node, *times)).collect()
}

fn sorted<const N: usize>(mut suspects: [(NodeId, u32); N]) -> Vec<(NodeId, u32)> {
    suspects.sort_unstable();
    suspects.to_vec()
}

// BOLT 4.origin-node.4
#[test]
fn whoever_may_have_changed_a_failure_is_avoided_while_there_is_a_way_without() {
    let (first, beside, apart) =
        (vec![hop(2, 22), hop(3, 33)], vec![hop(2, 24), hop(4, 44)], vec![hop(5, 55), hop(6, 66)]);
    let payment = paying(vec![first.clone(), beside, apart.clone()]);
    assert_eq!(way(&payment), channels_of(&first));
    let (payment, outputs) = answered(&payment, &noise());
    assert_eq!(suspects(&payment), sorted([(node(2), 1), (node(3), 1)]));
    // Not over the peer that may be the one, although it has another way to the recipient.
    assert!(matches!(outputs[..], [PayOutput::Offer(channel, _)] if channel == keys(2)), "{outputs:?}");
    assert_eq!(way(&payment), channels_of(&apart));
}

#[test]
fn where_there_is_no_other_way_who_was_suspected_once_is_used_again_but_not_twice() {
    let (first, beside) = (vec![hop(2, 22), hop(3, 33)], vec![hop(2, 24), hop(4, 44)]);
    let payment = paying(vec![first, beside.clone()]);
    let (payment, outputs) = answered(&payment, &noise());
    assert!(matches!(outputs[..], [PayOutput::Offer(..)]), "{outputs:?}");
    assert_eq!(way(&payment), channels_of(&beside), "another way than before");
    let (payment, outputs) = answered(&payment, &noise());
    assert_eq!(suspects(&payment), sorted([(node(2), 2), (node(3), 1), (node(4), 1)]));
    assert!(matches!(outputs[..], [PayOutput::Failed { .. }]), "{outputs:?}");
    assert!(payment.is_over());
}

#[test]
fn who_passes_on_a_failure_that_can_be_read_is_suspected_no_more() {
    let (first, beside, third) =
        (vec![hop(2, 22), hop(3, 33)], vec![hop(2, 24), hop(4, 44)], vec![hop(2, 27), hop(7, 77)]);
    let payment = paying(vec![first, beside.clone(), third.clone()]);
    let (payment, _) = answered(&payment, &noise());
    assert_eq!(way(&payment), channels_of(&beside));
    let how = failed_by(&payment.parts[&1], 1, &Failure::TemporaryNodeFailure);
    let (payment, outputs) = answered(&payment, &how);
    assert_eq!(suspects(&payment), [(node(3), 1)]);
    assert!(matches!(outputs[..], [PayOutput::Offer(..)]), "{outputs:?}");
    assert_eq!(way(&payment), channels_of(&third));
}

#[test]
fn the_same_way_is_not_gone_again() {
    let payment = paying(vec![vec![hop(5, 55)]]);
    let (payment, outputs) = answered(&payment, &noise());
    assert!(matches!(outputs[..], [PayOutput::Failed { .. }]), "{outputs:?}");
    assert_eq!(suspects(&payment), [(node(5), 1)]);
    let closed = payment.lessons.channels.iter().map(|((channel, _), limit)| (*channel, limit.most));
    assert_eq!(closed.collect::<Vec<_>>(), [(ShortChannelId(55), Msat::ZERO); 2], "both ways");
}
