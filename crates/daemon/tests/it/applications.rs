//! What applications beside the node may do by its API: decide on forwards, and find out what would arrive.

use crate::api::{Served, serve};
use crate::support::{Member, until};
use astrape_api::v1::*;
use astrape_daemon::engine::EmbeddedChain;
use astrape_payment::intercept::Intercept;
use astrape_primitives::{Msat, Sat, ShortChannelId};
use std::time::Duration;
use tonic::Code;

const FUNDING: Sat = Sat(1_000_000);
const AMOUNT: Msat = Msat(40_000_000);
/// What the middle node asks for it.
const FEE: Msat = Msat(1_000 + AMOUNT.0 / 10_000);
const MADE_UP: ShortChannelId = ShortChannelId(1 << 63 | 5);

/// Three nodes in a row, the middle one asking about a made-up id.
async fn row(chain: &EmbeddedChain) -> [Served; 3] {
    let alice = Member::start(101, chain).await;
    let bob = Member::start_with(102, chain, |config| {
        config.node.payment.intercept = Intercept::Range { first: MADE_UP, last: MADE_UP };
    })
    .await;
    let carol = Member::start(103, chain).await;
    alice.fund(Sat(2_000_000)).await;
    bob.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    carol.connect(&bob).await;
    alice.open(&bob, FUNDING, Msat(0)).await;
    bob.open(&carol, FUNDING, Msat(0)).await;
    [serve(alice).await, serve(bob).await, serve(carol).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_is_told_of_a_forward_and_sends_it_on_by_a_channel_of_its_choice() {
    let chain = EmbeddedChain::new();
    let [mut alice, mut bob, carol] = row(&chain).await;
    let refused = alice.client.intercept(InterceptRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let invoice = carol.member.invoice_by(AMOUNT, |hint| hint.short_channel_id = MADE_UP).await;
    let request = PayRequest { invoice: invoice.to_string(), ..PayRequest::default() };
    let mut payer = alice.client.clone();
    let paying = tokio::spawn(async move { payer.pay(request).await.unwrap().into_inner() });

    let mut stream = bob.client.intercept(InterceptRequest {}).await.unwrap().into_inner();
    let told = tokio::time::timeout(Duration::from_secs(60), stream.message()).await.expect("it comes");
    let held = told.unwrap().expect("the stream goes on");
    assert_eq!(held.payment_hash, invoice.payment_hash().to_string());
    assert_eq!((held.amount_msat, held.forward_amount_msat), (AMOUNT.0 + FEE.0, AMOUNT.0));
    assert_eq!(held.short_channel_id, MADE_UP.to_string());
    assert!(held.until_ms > held.since_ms && held.until_height < held.forward_expiry_height);
    // Whoever comes later is told it too, and each once.
    let mut second = bob.client.intercept(InterceptRequest {}).await.unwrap().into_inner();
    assert_eq!(second.message().await.unwrap(), Some(held.clone()));
    assert!(
        tokio::time::timeout(Duration::from_millis(300), stream.message()).await.is_err(),
        "it is told once"
    );

    let channels = bob.client.list_channels(ListChannelsRequest {}).await.unwrap().into_inner().channels;
    let onward = channels.iter().find(|channel| channel.peer == carol.member.id().to_string()).unwrap();
    let decide = ResolveHtlcRequest { channel: held.channel, htlc_id: held.htlc_id, ..Default::default() };
    let nowhere = bob.client.resolve_htlc(decide.clone()).await.unwrap_err();
    assert!(nowhere.message().contains("say over which one"), "{nowhere}");
    let decide = ResolveHtlcRequest { over: Some(onward.channel_id.clone()), ..decide };
    bob.client.resolve_htlc(decide.clone()).await.unwrap();
    let payment = paying.await.unwrap().payment.unwrap();
    assert_eq!((payment.state(), payment.fee_msat), (PaymentState::Succeeded, FEE.0));
    let again = bob.client.resolve_htlc(decide).await.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition, "{again}");

    // The forward stands in the list of its channels, and has earned the outgoing one a reputation.
    let request = ListForwardsRequest { channel: Some(onward.channel_id.clone()), ..Default::default() };
    let forwards = bob.client.list_forwards(request).await.unwrap().into_inner().forwards;
    assert_eq!(forwards.iter().map(|forward| forward.fee_msat).collect::<Vec<_>>(), [FEE.0]);
    let nobody = ListForwardsRequest { channel: Some("ab".repeat(32)), ..Default::default() };
    assert!(bob.client.list_forwards(nobody).await.unwrap().into_inner().forwards.is_empty());
    let old = ListForwardsRequest { until: Some(1_000), ..Default::default() };
    assert!(bob.client.list_forwards(old).await.unwrap().into_inner().forwards.is_empty());
    let channels = bob.client.list_channels(ListChannelsRequest {}).await.unwrap().into_inner().channels;
    let of = |earned: fn(&Channel) -> u64| channels.iter().map(earned).max();
    assert_eq!((of(|c| c.earned_out_msat), of(|c| c.earned_in_msat)), (Some(FEE.0), Some(FEE.0)));
    for served in [alice, bob, carol] {
        served.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_by_an_invoice_tells_what_paying_it_would_cost_and_pays_nothing() {
    let chain = EmbeddedChain::new();
    let [mut alice, bob, mut carol] = row(&chain).await;
    let invoice = carol.member.invoice(AMOUNT).await;
    let request = ProbeRequest { invoice: Some(invoice.to_string()), ..ProbeRequest::default() };
    let answer = alice.client.probe(request).await.unwrap().into_inner();
    assert!(answer.reached, "{answer:?}");
    assert_eq!((answer.fee_msat, answer.attempts, answer.hops.len()), (FEE.0, 1, 2));
    assert_eq!(answer.hops.last(), Some(&carol.member.id().to_string()));
    for served in [&mut alice, &mut carol] {
        let listed = served.client.list_payments(ListPaymentsRequest::default()).await.unwrap();
        assert_eq!(listed.into_inner().payments, []);
    }
    until("nothing is left of it", async || {
        let node = alice.member.handle.snapshot();
        node.channels().all(|(_, channel)| channel.open().is_none_or(|open| open.htlcs.is_empty()))
    })
    .await;
    // The invoice is as good as before.
    let request = PayRequest { invoice: invoice.to_string(), ..PayRequest::default() };
    let payment = alice.client.pay(request).await.unwrap().into_inner().payment.unwrap();
    assert_eq!((payment.state(), payment.fee_msat), (PaymentState::Succeeded, FEE.0));
    let much = ProbeRequest {
        node_id: Some(carol.member.id().to_string()),
        amount_msat: Some(900_000_000),
        timeout_secs: Some(5),
        ..ProbeRequest::default()
    };
    let answer = alice.client.probe(much).await.unwrap().into_inner();
    assert!(!answer.reached && answer.attempts == 0, "nothing leads there without an invoice: {answer:?}");
    for served in [alice, bob, carol] {
        served.end().await;
    }
}
