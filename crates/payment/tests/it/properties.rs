//! Whatever fails and whatever is fulfilled, in any order: a payment ends once, pays once, and keeps to its limits.

use crate::support::{
    NOW, PAYEE, PREIMAGE, TIP, draft, failed_by, finish, hash, hop, node, own, request, sat, view,
};
use astrape_channel::{NewHtlc, OnionSource, Refusal, Resolution};
use astrape_onion::{Failure, FailurePacket};
use astrape_payment::{OwnChannel, PayOutput, PayRequest, PayView, Payment, PaymentPolicy};
use astrape_primitives::{ChannelKeysId, CltvDelta, CltvExpiry, Features, Msat, Sat, ShortChannelId};
use astrape_routing::graph::{Direction, NewChannel, Policy};
use astrape_routing::{Finder, Graph, Scores};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// How a part ends.
#[derive(Clone, Debug)]
enum End {
    Fulfilled,
    Failed { hop: usize, failure: Failure },
    Garbled,
    Malformed,
    NotOffered(Refusal),
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(Failure::TemporaryChannelFailure),
        Just(Failure::TemporaryNodeFailure),
        Just(Failure::PermanentNodeFailure),
        Just(Failure::PermanentChannelFailure),
        Just(Failure::UnknownNextPeer),
        Just(Failure::FeeInsufficient { htlc_msat: Msat(5) }),
        Just(Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: Msat(5), height: TIP }),
        Just(Failure::FinalIncorrectCltvExpiry { cltv_expiry: CltvExpiry(5) }),
        Just(Failure::MppTimeout),
        (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(code, data)| Failure::Unknown { code, data }),
    ]
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        Just(Refusal::NotUsable("closing")),
        Just(Refusal::TooManyHtlcs(483)),
        any::<u64>().prop_map(|missing| Refusal::InsufficientBalance { missing: Msat(missing) }),
        (0u64..5_000_000).prop_map(|missing| Refusal::InsufficientBalance { missing: Msat(missing) }),
        (0u64..5_000_000).prop_map(|over| Refusal::TooMuchInFlight { over: Msat(over) }),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        1 => Just(End::Fulfilled),
        6 => (0usize..4, failure()).prop_map(|(hop, failure)| End::Failed { hop, failure }),
        1 => Just(End::Garbled),
        1 => Just(End::Malformed),
        3 => refusal().prop_map(End::NotOffered),
    ]
}

fn channels() -> impl Strategy<Value = Vec<OwnChannel>> {
    let peer = prop_oneof![Just(PAYEE), Just(2), Just(3), Just(4)];
    let channel = (peer, 0u64..20_000, prop_oneof![Just(1u64), 1u64..2_000_000]);
    proptest::collection::vec(channel, 1..8).prop_map(|channels| {
        let numbered = (1u8..).zip(channels);
        let own = |(number, (peer, sendable, least))| OwnChannel {
            htlc_minimum: Msat(least),
            ..own(number, peer, sat(sendable))
        };
        numbered.map(own).collect()
    })
}

/// What is watched while a payment runs.
struct Watch {
    amount: Msat,
    max_fee: Msat,
    session_keys: BTreeSet<[u8; 32]>,
    sent: usize,
    failed: usize,
    searches: usize,
    /// The rest has found no way beside the parts in flight, or the recipient does not wait for it.
    waits: bool,
}

impl Watch {
    /// An HTLC is offered.
    fn offer(&mut self, channel: ChannelKeysId, new: &NewHtlc, channels: &[OwnChannel]) {
        assert_eq!((self.sent, self.failed), (0, 0), "nothing is offered after the end");
        let own = channels.iter().find(|c| c.keys == channel).expect("a channel that was given");
        assert!(own.htlc_minimum <= new.amount && new.amount <= own.sendable);
        assert!(new.cltv_expiry.blocks_left(TIP) <= PaymentPolicy::default().max_expiry_blocks);
        let OnionSource::Recipe(recipe) = &new.onion else { panic!("an onion of ours") };
        assert!(self.session_keys.insert(recipe.session_key), "each onion has a key of its own");
        assert_eq!(recipe.check_size(), Ok(()));
        assert_eq!(recipe.associated_data, new.payment_hash);
        let last = recipe.hops.last().expect("at least one");
        let secret = finish(&draft(None, vec![])).payment_secret();
        let says_secret = last.payload.windows(32).any(|bytes| bytes == secret.0);
        assert_eq!(says_secret, new.payment_hash == hash(), "what is no part says nothing of the payment");
    }

    /// The payment is as it should be between two events.
    fn look(&mut self, payment: &Payment) {
        let (amount, fee) = payment.in_flight();
        assert!(amount <= self.amount && fee <= self.max_fee);
        assert!(self.sent + self.failed <= 1);
        assert_eq!(payment.preimage.is_some(), self.sent == 1);
        assert!(self.failed == 0 || payment.parts.is_empty());
        assert_eq!(payment.is_over(), payment.parts.is_empty() && self.sent + self.failed == 1);
        let scouts = payment.parts.values().filter(|part| payment.is_scout(part));
        let scouted: Msat = scouts.map(|part| part.amount).sum();
        if scouted > Msat::ZERO {
            assert!(amount == Msat::ZERO && scouted <= self.amount, "scouts go before all parts");
        } else if payment.preimage.is_none() && payment.gave_up.is_none() {
            let is_whole = amount == self.amount;
            assert!(is_whole || (self.waits && amount > Msat::ZERO), "all of it is out, or the rest waits");
            self.waits &= !is_whole;
        }
        assert_eq!(payment.asked_at, None, "every question was answered");
        assert!(payment.attempts <= PaymentPolicy::default().max_payment_attempts);
    }

    /// Takes what follows, and answers the questions to path search.
    fn outputs(
        &mut self,
        mut payment: Payment,
        outputs: Vec<PayOutput>,
        finder: &mut Finder,
        channels: &[OwnChannel],
    ) -> Payment {
        let policy = PaymentPolicy::default();
        let mut outputs = std::collections::VecDeque::from(outputs);
        while let Some(output) = outputs.pop_front() {
            match output {
                PayOutput::Search(query) => {
                    self.searches += 1;
                    let missing = self.amount.saturating_sub(payment.in_flight().0);
                    assert_eq!(query.amount, missing);
                    let found = finder.find(&query.request(NOW));
                    self.waits = found.is_err();
                    let view = view(channels, &policy);
                    // An answer to an older question is none.
                    assert_eq!(payment.on_route(query.number - 1, &found, &view), (payment.clone(), vec![]));
                    let (next, more) = payment.on_route(query.number, &found, &view);
                    payment = next;
                    outputs.extend(more);
                }
                PayOutput::Teach(trip) => {
                    assert_eq!(trip.payment_hash, payment.payment_hash);
                    assert!(!trip.part.channels.is_empty() || trip.taught().is_empty());
                }
                PayOutput::Offer(channel, new) => self.offer(channel, &new, channels),
                PayOutput::Sent { preimage, amount, fee } => {
                    self.sent += 1;
                    assert_eq!(preimage, PREIMAGE);
                    assert!(amount <= self.amount && fee <= self.max_fee);
                }
                reached @ PayOutput::Reached { .. } => panic!("this is no probe: {reached:?}"),
                PayOutput::Failed { reason } => {
                    self.failed += 1;
                    assert!(!reason.is_empty());
                }
            }
        }
        payment
    }
}

/// What is known of the network: two ways to the payee beside those of its invoice, one of them long.
fn network() -> Graph {
    let mut graph = Graph::new();
    for (number, [a, b], capacity) in
        [(101, [2, PAYEE], 4_000), (102, [4, 5], 30_000), (103, [5, 6], 20_000), (104, [6, PAYEE], 9_000)]
    {
        let (one, two) = (node(a).min(node(b)), node(a).max(node(b)));
        let id = ShortChannelId(number);
        let new = NewChannel {
            short_channel_id: id,
            node_1: one,
            node_2: two,
            capacity: Some(Sat(capacity)),
            features: Features::empty(),
            received: 0,
            stored: None,
        };
        graph.add_channel(new).expect("each is new");
        for direction in Direction::BOTH {
            let policy = Policy {
                timestamp: 1,
                fee_base_msat: 10,
                fee_proportional_millionths: 50,
                cltv_expiry_delta: CltvDelta(40),
                htlc_minimum: Msat(1),
                htlc_maximum: Sat(capacity).to_msat(),
                disabled: false,
                checksum: 0,
                stored: None,
            };
            graph.set_policy(id, direction, policy).expect("it is there");
        }
    }
    graph
}

fn apply(payment: &Payment, part: u64, end: &End, channels: &[OwnChannel]) -> (Payment, Vec<PayOutput>) {
    let policy = PaymentPolicy::default();
    let hops = payment.parts[&part].recipe.hops.len();
    let view = view(channels, &policy);
    let failed = |how: &Resolution| payment.on_failed(part, how, &view);
    match end {
        // Nobody has the preimage of a scout.
        End::Fulfilled if payment.is_scout(&payment.parts[&part]) => {
            let unknown = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: Msat(5), height: TIP };
            failed(&failed_by(&payment.parts[&part], hops - 1, &unknown))
        }
        End::Fulfilled => payment.on_fulfilled(part, PREIMAGE, None, NOW),
        End::Failed { hop, failure } => failed(&failed_by(&payment.parts[&part], hop % hops, failure)),
        End::Garbled => {
            failed(&Resolution::Failed(FailurePacket { reason: vec![3; 292], attribution_data: None }))
        }
        End::Malformed => failed(&Resolution::Malformed { sha256_of_onion: [0; 32], failure_code: 0xc006 }),
        End::NotOffered(refusal) => payment.on_not_offered(part, refusal, &view),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    // BOLT 4.basic-multi-part-payments.2
    // BOLT 4.basic-multi-part-payments.8
    // BOLT 4.basic-multi-part-payments.9
    #[test]
    fn a_payment_ends_exactly_once_and_never_pays_or_costs_more_than_it_may(
        amount in 1u64..30_000_000,
        max_fee in proptest::option::of(0u64..20_000),
        base in 0u32..3_000,
        rate in 0u32..5_000,
        channels in channels(),
        ends in proptest::collection::vec((any::<usize>(), end()), 1..40),
        last in end(),
        seed in any::<[u8; 32]>(),
    ) {
        let priced = |from, channel| {
            let mut hop = hop(from, channel);
            (hop.fee_base_msat, hop.fee_proportional_millionths) = (base, rate);
            hop
        };
        let hints = vec![vec![hop(2, 22)], vec![priced(3, 33)], vec![priced(4, 44), hop(3, 34)]];
        let invoice = finish(&draft(Some(Msat(amount)), hints));
        let request = PayRequest {
            max_fee: max_fee.map(Msat),
            session_key_seed: seed,
            ..request(invoice)
        };
        let policy = PaymentPolicy::default();
        let Ok((mut payment, outputs)) = Payment::start(request, &view(&channels, &policy)) else {
            return Ok(());
        };
        let mut finder = Finder::new(network().snapshot(), &Scores::new());
        let mut watch = Watch {
            amount: Msat(amount),
            max_fee: payment.max_fee,
            session_keys: BTreeSet::new(),
            sent: 0,
            failed: 0,
            searches: 0,
            waits: false,
        };
        payment = watch.outputs(payment, outputs, &mut finder, &channels);
        watch.look(&payment);
        let mut ends = ends.into_iter();
        while !payment.parts.is_empty() {
            let (index, end) = ends.next().unwrap_or((0, last.clone()));
            let parts: Vec<u64> = payment.parts.keys().copied().collect();
            let part = parts[index % parts.len()];
            watch.waits |= matches!(end, End::Failed { failure: Failure::MppTimeout, .. });
            let (next, outputs) = apply(&payment, part, &end, &channels);
            payment = watch.outputs(next, outputs, &mut finder, &channels);
            // The recipient was busy.
            let later = PayView { now: NOW.plus(5_000), ..view(&channels, &policy) };
            if let Some((next, outputs)) = payment.on_tick(&later) {
                payment = watch.outputs(next, outputs, &mut finder, &channels);
            }
            watch.look(&payment);
        }
        prop_assert_eq!(watch.sent + watch.failed, 1);
        prop_assert!(payment.is_over());
    }
}
