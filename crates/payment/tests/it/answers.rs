//! What a payment makes of the answers of path search, and what it asks it for.

use crate::support::{NOW, PAYEE, begin, draft, finish, keys, node, own, request, sat, view};
use astrape_payment::send::{Circle, Limit, RouteQuery};
use astrape_payment::{OwnChannel, PayOutput, PayRequest, PayView, Payment, PaymentPolicy};
use astrape_primitives::{Msat, NodeId, ShortChannelId};
use astrape_routing::search::{RouteHop, RoutePart};
use astrape_routing::{Direction, NoRoute, Route};
use std::collections::BTreeSet;

const AMOUNT: Msat = Msat(1_000_000);

fn channels() -> [OwnChannel; 2] {
    [own(1, 2, sat(5_000)), own(2, 3, sat(5_000))]
}

/// A payment whose question is open.
fn asking() -> Payment {
    let (channels, policy) = (channels(), PaymentPolicy::default());
    let request = request(finish(&draft(Some(AMOUNT), vec![])));
    let (payment, outputs) = Payment::start(request, &view(&channels, &policy)).expect("it may begin");
    assert!(matches!(outputs[..], [PayOutput::Search(_)]), "{outputs:?}");
    payment
}

/// What is asked when nobody has answered.
fn asked_again(payment: &Payment) -> RouteQuery {
    let (channels, policy) = (channels(), PaymentPolicy::default());
    let later = PayView { now: NOW.plus(5_000), ..view(&channels, &policy) };
    let (_, outputs) = payment.on_tick(&later).expect("it is due");
    let [PayOutput::Search(query)] = &outputs[..] else { panic!("{outputs:?}") };
    (**query).clone()
}

fn answered(payment: &Payment, found: &Result<Route, NoRoute>) -> (Payment, Vec<PayOutput>) {
    let (channels, policy) = (channels(), PaymentPolicy::default());
    payment.on_route(payment.searches, found, &view(&channels, &policy))
}

/// Over our first channel, to node 2, and from there to `to`.
fn way(amount: Msat, fee: Msat, to: NodeId) -> RoutePart {
    let first = RouteHop {
        short_channel_id: channels()[0].alias,
        node: node(2),
        amount: amount.saturating_add(fee),
        blocks: 80,
        public: None,
    };
    let short_channel_id = ShortChannelId(29);
    let public = Some((Direction::FromNode1, sat(1_000_000)));
    RoutePart {
        amount,
        fee,
        hops: vec![first, RouteHop { short_channel_id, node: to, amount, blocks: 0, public }],
    }
}

fn route(parts: Vec<RoutePart>) -> Result<Route, NoRoute> {
    let fee = parts.iter().map(|part| part.fee).sum();
    Ok(Route { parts, fee, chance_millionths: 1_000_000, cost: 0 })
}

#[test]
fn an_answer_that_does_not_fit_is_not_followed_and_the_question_is_asked_anew() {
    let payment = asking();
    let (payee, most) = (node(PAYEE), payment.max_fee);
    let (_, outputs) = answered(&payment, &route(vec![way(AMOUNT, most, payee)]));
    assert!(matches!(outputs[..], [PayOutput::Offer(channel, _)] if channel == keys(1)), "{outputs:?}");
    let less = Msat(AMOUNT.0 - 1);
    let many = vec![way(Msat(AMOUNT.0 / 50), Msat::ZERO, payee); 50];
    for unfit in [
        vec![way(less, most, payee)],
        vec![way(AMOUNT, Msat(most.0 + 1), payee)],
        many,
        vec![way(AMOUNT, most, node(4))],
        vec![],
    ] {
        let (next, outputs) = answered(&payment, &route(unfit.clone()));
        let [PayOutput::Search(query)] = &outputs[..] else { panic!("{unfit:?}: {outputs:?}") };
        assert_eq!((query.number, next.searches), (2, 2));
    }
}

#[test]
fn questions_are_counted_and_bounded() {
    for (searches, goes_on) in [(1_023, true), (1_024, false)] {
        let payment = Payment { searches, ..asking() };
        let (next, outputs) = answered(&payment, &route(vec![]));
        assert_eq!(matches!(outputs[..], [PayOutput::Search(_)]), goes_on, "{outputs:?}");
        assert_eq!(next.is_over(), !goes_on);
    }
}

#[test]
fn who_is_suspected_is_kept_out_of_ways_until_there_is_none_without() {
    let mut payment = asking();
    payment.lessons.nodes.insert(node(4));
    payment.lessons.suspects.extend([(node(5), 1), (node(6), 2), (node(7), 3)]);
    let without = |payment: &Payment| asked_again(payment).without_nodes.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(without(&payment), BTreeSet::from([4, 5, 6, 7].map(node)));
    let nobody = Err(NoRoute::UnknownNode(node(PAYEE)));
    let (payment, outputs) = answered(&payment, &nobody);
    let [PayOutput::Search(query)] = &outputs[..] else {
        panic!("who was suspected once is borne: {outputs:?}")
    };
    assert_eq!(
        query.without_nodes.iter().copied().collect::<BTreeSet<_>>(),
        BTreeSet::from([4, 6, 7].map(node))
    );
    assert_eq!(payment.lessons.bears, 1);
    let (payment, outputs) = answered(&payment, &nobody);
    assert!(matches!(outputs[..], [PayOutput::Failed { .. }]), "and nobody else: {outputs:?}");
    assert!(payment.is_over());
}

#[test]
fn where_nobody_is_suspected_no_way_means_the_end() {
    let (payment, outputs) = answered(&asking(), &Err(NoRoute::UnknownNode(node(PAYEE))));
    assert!(matches!(outputs[..], [PayOutput::Failed { .. }]), "{outputs:?}");
    assert_eq!((payment.searches, payment.lessons.bears), (1, 0));
    let mut payment = asking();
    payment.lessons.suspects.insert(node(6), 2);
    let (_, outputs) = answered(&payment, &Err(NoRoute::UnknownNode(node(PAYEE))));
    assert!(
        matches!(outputs[..], [PayOutput::Failed { .. }]),
        "to bear one doubt opens nothing: {outputs:?}"
    );
}

#[test]
fn a_channel_that_failed_is_tried_with_a_1024th_of_the_payment_and_not_with_less() {
    // A 1024th is 976 msat. Half of what may be there is tried.
    for (most, tried) in [(1_950, 0), (1_951, 976)] {
        let mut payment = asking();
        let limit = Limit { most: Msat(most), dared: 0 };
        payment.lessons.channels.insert((ShortChannelId(29), Direction::FromNode1), limit);
        let bounds = asked_again(&payment).at_most;
        assert_eq!(bounds.iter().map(|bound| bound.most).collect::<Vec<_>>(), [Msat(tried)], "{most}");
    }
}

#[test]
fn of_a_circle_without_a_way_is_told_what_path_search_says() {
    let (channels, policy) = (channels(), PaymentPolicy::default());
    let view = PayView { payer: node(PAYEE), ..view(&channels, &policy) };
    let circle = Some(Circle { out: keys(1), back: None });
    let request = PayRequest { circle, ..request(finish(&draft(Some(AMOUNT), vec![]))) };
    assert!(begin(request.clone(), &view).is_err());
    let (payment, _) = Payment::start(request, &view).expect("it may begin");
    for reason in [NoRoute::NoChannel, NoRoute::UnknownNode(node(PAYEE))] {
        let told = payment.on_route(1, &Err(reason), &view).1;
        assert_eq!(told, [PayOutput::Failed { reason: reason.to_string() }]);
    }
}
