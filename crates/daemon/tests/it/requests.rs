//! Calls that are repeated with the id of their request, since nobody knows what came of the first: nothing is done twice. With a
//! node that is killed between them they are in `interop`.

use crate::api::{Served, serve, served};
use crate::strangers::Stranger;
use crate::support::{Member, until};
use astrape_api::v1::*;
use astrape_daemon::engine::EmbeddedChain;
use astrape_node::Fact;
use astrape_primitives::{Msat, Sat};
use std::time::Duration;
use tonic::Code;

const ADDRESS: &str = "bcrt1pqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqm3usuw";

/// Facts of one kind that a node has written.
async fn count(node: &Served, is_it: fn(&Fact) -> bool) -> usize {
    let facts = node.member.handle.read(|ledger| ledger.facts_from(0, 1_000)).await.unwrap();
    facts.iter().filter(|entry| is_it(&entry.fact)).count()
}

/// Alice with a channel to Bob, and money for more.
async fn pair(seeds: [u8; 2], chain: &EmbeddedChain) -> (Served, Member) {
    let (alice, bob) = (Member::start(seeds[0], chain).await, Member::start(seeds[1], chain).await);
    for _ in 0..3 {
        alice.fund(Sat(1_000_000)).await;
    }
    alice.connect(&bob).await;
    alice.open(&bob, Sat(600_000), Msat(0)).await;
    (serve(alice).await, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coins_leave_once_for_one_request_asked_for_at_once_and_after_a_restart() {
    let mut alice = served(121, &EmbeddedChain::new()).await;
    alice.member.fund(Sat(1_000_000)).await;
    let ask = |amount_sat| WithdrawRequest {
        address: ADDRESS.into(),
        amount_sat: Some(amount_sat),
        request_id: Some("rent of may".into()),
        ..Default::default()
    };
    // What is refused leaves its id free.
    let refused = alice.client.withdraw(ask(5_000_000)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let mut another = alice.client.clone();
    let (first, second) = tokio::join!(alice.client.withdraw(ask(100_000)), another.withdraw(ask(100_000)));
    let first = first.unwrap().into_inner();
    assert_eq!(second.unwrap().into_inner(), first);
    let mut alice = alice.restart().await;
    assert_eq!(alice.client.withdraw(ask(100_000)).await.unwrap().into_inner(), first);
    let other = alice.client.withdraw(ask(100_001)).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists, "{other}");
    assert!(other.message().contains("rent of may") && other.message().contains("choose a new id"));
    let invoice = CreateInvoiceRequest { request_id: Some("rent of may".into()), ..Default::default() };
    let other = alice.client.create_invoice(invoice).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists, "{other}");
    assert_eq!(count(&alice, |fact| matches!(fact, Fact::Withdrawn { .. })).await, 1);
    alice.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_is_opened_once_for_one_request_also_when_its_peer_is_gone() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(122, &chain).await, Member::start(123, &chain).await);
    alice.fund(Sat(1_000_000)).await;
    alice.fund(Sat(1_000_000)).await;
    alice.handle.synced().await.unwrap();
    bob.handle.synced().await.unwrap();
    let ask = OpenChannelRequest {
        node_id: bob.id().to_string(),
        address: Some(bob.address()),
        amount_sat: 400_000,
        request_id: Some("to bob".into()),
        ..Default::default()
    };
    let mut alice = serve(alice).await;
    let mut another = alice.client.clone();
    let (first, second) =
        tokio::join!(alice.client.open_channel(ask.clone()), another.open_channel(ask.clone()));
    let first = first.unwrap().into_inner();
    assert_eq!(second.unwrap().into_inner().channel_id, first.channel_id);
    bob.stop().await.unwrap();
    let mut alice = alice.restart().await;
    let third = alice.client.open_channel(ask.clone()).await.unwrap().into_inner();
    assert_eq!((third.channel_id, third.funding_outpoint), (first.channel_id, first.funding_outpoint));
    let other = OpenChannelRequest { amount_sat: 400_001, ..ask };
    assert_eq!(alice.client.open_channel(other).await.unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(alice.channels().await.len(), 1);
    alice.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_that_was_under_way_when_its_node_was_killed_is_told_as_ended() {
    let chain = EmbeddedChain::new();
    let alice = Member::start(124, &chain).await;
    alice.fund(Sat(1_000_000)).await;
    alice.handle.synced().await.unwrap();
    // A peer that is connected and never answers.
    let mut mute = Stranger::connect(125, &alice).await;
    mute.say_init().await;
    let peer = Stranger::id(125);
    until("it is up", async || alice.handle.snapshot().connected_peers().any(|(id, _)| id == peer)).await;
    let ask = OpenChannelRequest {
        node_id: peer.to_string(),
        amount_sat: 400_000,
        request_id: Some("to nobody".into()),
        ..Default::default()
    };
    let mut alice = serve(alice).await;
    let (mut client, first) = (alice.client.clone(), ask.clone());
    let opening = tokio::spawn(async move { client.open_channel(first).await });
    until("the opening is under way", async || alice.member.handle.snapshot().channels().count() == 1).await;
    // Asked again, it is still waited for.
    let waiting = tokio::time::timeout(Duration::from_millis(500), alice.client.open_channel(ask.clone()));
    assert!(waiting.await.is_err(), "no second opening, and no answer yet");
    assert_eq!(alice.member.handle.snapshot().channels().count(), 1);
    let killed = alice.member.as_if_killed();
    alice.end().await;
    assert!(opening.await.unwrap().is_err());

    let mut alice = serve(killed.start().await).await;
    for _ in 0..2 {
        let ended = alice.client.open_channel(ask.clone()).await.unwrap_err();
        assert_eq!(ended.code(), Code::FailedPrecondition, "{ended}");
        assert!(ended.message().contains("the node stopped before it was funded"), "{ended}");
        assert!(ended.message().contains("choose a new one"), "{ended}");
    }
    let new = OpenChannelRequest { request_id: Some("to nobody 2".into()), ..ask };
    let refused = alice.client.open_channel(new).await.unwrap_err();
    assert!(refused.message().contains("no address"), "{refused}");
    alice.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_paid_without_an_invoice_once_for_one_request() {
    let chain = EmbeddedChain::new();
    let (mut alice, bob) = pair([126, 127], &chain).await;
    let ask = |amount_msat| PayRequest {
        node_id: Some(bob.id().to_string()),
        amount_msat: Some(amount_msat),
        request_id: Some("tip".into()),
        ..Default::default()
    };
    let mut another = alice.client.clone();
    let (first, second) = tokio::join!(alice.client.pay(ask(5_000)), another.pay(ask(5_000)));
    let first = first.unwrap().into_inner().payment.unwrap();
    assert_eq!(first.state(), PaymentState::Succeeded, "{first:?}");
    assert_eq!(second.unwrap().into_inner().payment.unwrap().payment_hash, first.payment_hash);
    let mut alice = alice.restart().await;
    let third = alice.client.pay(ask(5_000)).await.unwrap().into_inner().payment.unwrap();
    assert_eq!(
        (third.payment_hash, third.preimage, third.number),
        (first.payment_hash, first.preimage, first.number)
    );
    assert_eq!(alice.client.pay(ask(6_000)).await.unwrap_err().code(), Code::AlreadyExists);
    let received = bob.handle.read(|ledger| ledger.payments(None, 10)).await.unwrap();
    assert_eq!(received.len(), 1);
    alice.end().await;
    bob.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_failed_is_told_as_failed_and_tried_again_under_a_new_id_alone() {
    let chain = EmbeddedChain::new();
    let (mut alice, bob) = pair([128, 129], &chain).await;
    let invoice = bob.invoice(Msat(900_000_000)).await.to_string();
    let ask = |id: &str| PayRequest {
        invoice: invoice.clone(),
        timeout_secs: Some(1),
        request_id: Some(id.into()),
        ..Default::default()
    };
    let first = alice.client.pay(ask("bill")).await;
    let Ok(first) = first else {
        // It was refused at once, which leaves the id free.
        assert_ne!(alice.client.pay(ask("bill")).await.unwrap_err().code(), Code::AlreadyExists);
        alice.end().await;
        return bob.stop().await.unwrap();
    };
    let first = first.into_inner().payment.unwrap();
    assert_eq!(first.state(), PaymentState::Failed, "it is more than the channel holds");
    let again = alice.client.pay(ask("bill")).await.unwrap().into_inner().payment.unwrap();
    assert_eq!(again.number, first.number, "the same end");
    let new = alice.client.pay(ask("bill 2")).await.unwrap().into_inner().payment.unwrap();
    assert!(new.number > first.number, "another attempt");
    alice.end().await;
    bob.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_is_made_once_for_one_request_and_found_again_once_it_is_paid() {
    let chain = EmbeddedChain::new();
    let (mut alice, bob) = pair([130, 131], &chain).await;
    let mut bob = serve(bob).await;
    let ask = |description: &str| CreateInvoiceRequest {
        amount_msat: Some(7_000_000),
        description: description.into(),
        request_id: Some("table 4".into()),
        ..Default::default()
    };
    let mut another = bob.client.clone();
    let (first, second) =
        tokio::join!(bob.client.create_invoice(ask("tea")), another.create_invoice(ask("tea")));
    let first = first.unwrap().into_inner();
    assert_eq!(second.unwrap().into_inner().invoice, first.invoice);
    let open = bob.client.list_invoices(ListInvoicesRequest::default()).await.unwrap().into_inner();
    assert_eq!(open.invoices.len(), 1);
    let pay = PayRequest { invoice: first.invoice.clone(), ..Default::default() };
    let paid = alice.client.pay(pay).await.unwrap().into_inner().payment.unwrap();
    assert_eq!(paid.state(), PaymentState::Succeeded, "{paid:?}");
    let mut bob = bob.restart().await;
    let third = bob.client.create_invoice(ask("tea")).await.unwrap().into_inner();
    assert_eq!((third.invoice, third.expires_at), (first.invoice, first.expires_at));
    assert_eq!(bob.client.create_invoice(ask("coffee")).await.unwrap_err().code(), Code::AlreadyExists);
    for served in [alice, bob] {
        served.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balance_is_moved_once_for_one_request() {
    let chain = EmbeddedChain::new();
    let [alice, bob, carol] = [132, 133, 134].map(|seed| Member::start(seed, &chain));
    let (alice, bob, carol) = (alice.await, bob.await, carol.await);
    for (from, to) in [(&alice, &bob), (&bob, &carol), (&carol, &alice)] {
        from.fund(Sat(1_000_000)).await;
        from.connect(to).await;
        from.open_announced(to, Sat(500_000), Msat(0)).await;
    }
    until("all channels are known with their terms", async || {
        let known = alice.handle.graph_summary();
        (known.channels, known.updates) == (3, 6)
    })
    .await;
    let mut alice = serve(alice).await;
    let channels = alice.channels().await;
    let with = |peer: &Member| {
        let is_with = |channel: &&Channel| channel.peer == peer.id().to_string();
        channels.iter().find(is_with).unwrap().channel_id.clone()
    };
    let ask = RebalanceRequest {
        amount_msat: 50_000_000,
        from: with(&bob),
        to: Some(with(&carol)),
        max_fee_msat: Some(1_000_000),
        request_id: Some("even".into()),
        ..Default::default()
    };
    let mut another = alice.client.clone();
    let (first, second) = tokio::join!(alice.client.rebalance(ask.clone()), another.rebalance(ask.clone()));
    let first = first.unwrap().into_inner().payment.unwrap();
    assert_eq!(first.state(), PaymentState::Succeeded, "{first:?}");
    assert_eq!(second.unwrap().into_inner().payment.unwrap().payment_hash, first.payment_hash);
    let mut alice = alice.restart().await;
    let third = alice.client.rebalance(ask).await.unwrap().into_inner().payment.unwrap();
    assert_eq!(third.payment_hash, first.payment_hash);
    assert_eq!(count(&alice, |fact| matches!(fact, Fact::PaymentSent { .. })).await, 1);
    let invoices = alice.client.list_invoices(ListInvoicesRequest::default()).await.unwrap().into_inner();
    let is_open = |invoice: &&Invoice| invoice.state() == InvoiceState::Open;
    assert_eq!(invoices.invoices.iter().filter(is_open).count(), 0, "none is left open");
    alice.end().await;
    for member in [bob, carol] {
        member.stop().await.unwrap();
    }
}
