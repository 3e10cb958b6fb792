//! What goes ahead of parts whose ways are doubtful, and the parts that follow.

use crate::support::{PAYEE, TIP, draft, failed_by, finish, hash, node, own, request, view};
use astrape_channel::{Origin, Refusal, Resolution};
use astrape_onion::Failure;
use astrape_payment::{OwnChannel, PayOutput, Payment, PaymentPolicy};
use astrape_primitives::{Msat, ShortChannelId};
use astrape_routing::Route;
use astrape_routing::search::{RouteHop, RoutePart};

const AMOUNT: Msat = Msat(900_000_000);
const SHARES: [Msat; 2] = [Msat(500_000_000), Msat(400_000_000)];
const SENDABLE: Msat = Msat(1_000_000_000);

/// Two parts over one channel of ours and two channels of its peer.
fn route(channel: &OwnChannel, chance_millionths: u32) -> Route {
    let part = |(number, amount): (u64, Msat)| {
        let hop = |short_channel_id, node, blocks| RouteHop {
            short_channel_id,
            node,
            amount,
            blocks,
            public: None,
        };
        let hops = vec![hop(channel.alias, channel.peer, 40), hop(ShortChannelId(number), node(PAYEE), 0)];
        RoutePart { amount, fee: Msat::ZERO, hops }
    };
    Route { parts: (70..).zip(SHARES).map(part).collect(), fee: Msat::ZERO, chance_millionths, cost: 0 }
}

fn begun(channels: &[OwnChannel]) -> Payment {
    let invoice = finish(&draft(Some(AMOUNT), vec![]));
    let policy = PaymentPolicy::default();
    let (payment, outputs) = Payment::start(request(invoice), &view(channels, &policy)).expect("it begins");
    assert!(matches!(&outputs[..], [PayOutput::Search(_)]), "{outputs:?}");
    payment
}

/// Follows a route; the hashes of what is offered, by their numbers.
fn follow(payment: &Payment, route: Route, channels: &[OwnChannel]) -> (Payment, Vec<(u64, bool)>) {
    let policy = PaymentPolicy::default();
    let (next, outputs) = payment.on_route(payment.searches, &Ok(route), &view(channels, &policy));
    let offered = outputs.iter().map(|output| match output {
        PayOutput::Offer(_, new) => {
            let Origin::Payment { payment_hash, part } = new.origin else { panic!("it is ours") };
            assert_eq!(payment_hash, hash(), "whatever it is, this payment hears of it");
            (part, new.payment_hash == hash())
        }
        other => panic!("{other:?}"),
    });
    (next.clone(), offered.collect())
}

/// The recipient knows no such hash.
fn unknown(payment: &Payment, part: u64) -> Resolution {
    let failure = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: Msat(5), height: TIP };
    let part = &payment.parts[&part];
    failed_by(part, part.channels.len(), &failure)
}

#[test]
fn scouts_go_ahead_of_doubtful_parts_and_the_parts_follow_when_all_scouts_are_back() {
    let channels = [own(1, 2, SENDABLE)];
    let policy = PaymentPolicy::default();
    let (payment, offered) = follow(&begun(&channels), route(&channels[0], 499_999), &channels);
    assert_eq!(offered, [(0, false), (1, false)]);
    assert_eq!(payment.in_flight(), (Msat::ZERO, Msat::ZERO), "nothing is paid by them");
    let (payment, outputs) = payment.on_failed(1, &unknown(&payment, 1), &view(&channels, &policy));
    assert!(matches!(&outputs[..], [PayOutput::Teach(_)]), "the other is not back: {outputs:?}");
    let (payment, outputs) = payment.on_failed(0, &unknown(&payment, 0), &view(&channels, &policy));
    let [PayOutput::Teach(trip), PayOutput::Search(query)] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(!trip.taught().is_empty(), "what it has crossed");
    assert_eq!(query.amount, AMOUNT);
    assert_eq!(payment.last_failure, None, "nothing has failed");
    let (payment, offered) = follow(&payment, route(&channels[0], 500_000), &channels);
    assert_eq!(offered, [(2, true), (3, true)]);
    assert_eq!(payment.in_flight().0, AMOUNT);
}

#[test]
fn one_part_has_no_scout_and_parts_that_are_likely_to_arrive_have_none() {
    let channels = [own(1, 2, SENDABLE)];
    let mut single = route(&channels[0], 1);
    single.parts.truncate(1);
    single.parts[0].amount = AMOUNT;
    single.parts[0].hops.iter_mut().for_each(|hop| hop.amount = AMOUNT);
    assert_eq!(follow(&begun(&channels), single, &channels).1, [(0, true)]);
    assert_eq!(follow(&begun(&channels), route(&channels[0], 500_000), &channels).1, [(0, true), (1, true)]);
}

#[test]
fn a_channel_of_ours_that_refused_one_htlc_beside_another_is_used_to_the_whole_when_both_are_back() {
    let channels = [own(1, 2, SENDABLE)];
    let policy = PaymentPolicy::default();
    let view = view(&channels, &policy);
    let (payment, _) = follow(&begun(&channels), route(&channels[0], 1), &channels);
    let (payment, outputs) =
        payment.on_not_offered(1, &Refusal::InsufficientBalance { missing: Msat(44_000) }, &view);
    assert_eq!(outputs, [], "the other is under way");
    let (_, outputs) = payment.on_failed(0, &unknown(&payment, 0), &view);
    let [PayOutput::Teach(_), PayOutput::Search(query)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(query.channels[0].sendable, Msat(AMOUNT.0 - 44_000));
}
