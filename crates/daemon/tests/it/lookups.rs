//! One invoice, one payment, looked up by its hash, from its beginning to after a restart.

use crate::api::{Served, serve};
use crate::support::Member;
use astrape_api::v1::*;
use astrape_daemon::engine::EmbeddedChain;
use astrape_primitives::{Msat, Sat};
use tonic::{Code, Status};

async fn invoice(node: &mut Served, hash: &str) -> Result<Invoice, Status> {
    let request = GetInvoiceRequest { payment_hash: hash.to_owned() };
    Ok(node.client.get_invoice(request).await?.into_inner().invoice.unwrap())
}

async fn payment(node: &mut Served, hash: &str) -> Result<Payment, Status> {
    let request = GetPaymentRequest { payment_hash: hash.to_owned() };
    Ok(node.client.get_payment(request).await?.into_inner().payment.unwrap())
}

async fn make(node: &mut Served, hold: bool) -> CreateInvoiceResponse {
    let request = CreateInvoiceRequest {
        amount_msat: Some(5_000_000),
        description: "tea".into(),
        hold,
        ..Default::default()
    };
    node.client.create_invoice(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_and_its_payment_are_found_by_their_hash_at_both_ends_whatever_became_of_them() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(141, &chain).await, Member::start(142, &chain).await);
    alice.fund(Sat(1_000_000)).await;
    alice.connect(&bob).await;
    alice.open(&bob, Sat(600_000), Msat(0)).await;
    let (mut alice, mut bob) = (serve(alice).await, serve(bob).await);
    let made = make(&mut bob, true).await;
    let hash = made.payment_hash.as_str();
    let open = invoice(&mut bob, hash).await.unwrap();
    assert_eq!((open.state(), &open.invoice, open.hold), (InvoiceState::Open, &made.invoice, true));
    assert_eq!((open.description.as_str(), open.ended_at_ms), ("tea", None));
    for unknown in [invoice(&mut alice, hash).await.err(), payment(&mut alice, hash).await.err()] {
        assert_eq!(unknown.unwrap().code(), Code::NotFound);
    }

    let mut payer = alice.client.clone();
    let pay = PayRequest { invoice: made.invoice.clone(), ..Default::default() };
    let paying = tokio::spawn(async move { payer.pay(pay).await.unwrap().into_inner().payment.unwrap() });
    crate::support::until("the payment is held", async || {
        let request = GetInvoiceRequest { payment_hash: hash.to_owned() };
        let found = bob.client.clone().get_invoice(request).await.unwrap().into_inner().invoice.unwrap();
        found.state() == InvoiceState::Held && found.received_msat == 5_000_000 && found.parts == 1
    })
    .await;
    let pending = payment(&mut alice, hash).await.unwrap();
    assert_eq!((pending.state(), pending.parts.len()), (PaymentState::Pending, 1), "{pending:?}");
    let settle = SettleInvoiceRequest { payment_hash: Some(hash.to_owned()), preimage: None };
    bob.client.settle_invoice(settle).await.unwrap();
    let sent = paying.await.unwrap();
    assert_eq!(payment(&mut alice, hash).await.unwrap(), sent);

    let canceled = make(&mut bob, false).await.payment_hash;
    bob.client.cancel_invoice(CancelInvoiceRequest { payment_hash: canceled.clone() }).await.unwrap();
    let found = invoice(&mut bob, &canceled).await.unwrap();
    assert_eq!((found.state(), found.amount_msat), (InvoiceState::Canceled, Some(5_000_000)));
    assert!(found.ended_at_ms.is_some());

    let (mut alice, mut bob) = (alice.restart().await, bob.restart().await);
    let paid = invoice(&mut bob, hash).await.unwrap();
    assert_eq!((paid.state(), paid.received_msat), (InvoiceState::Paid, 5_000_000));
    assert_eq!(paid.description, "tea", "what was sold is known by it");
    assert_eq!((&paid.preimage, &paid.invoice), (&sent.preimage, &made.invoice), "and its text is kept");
    let told = (open.amount_msat, open.created_at, open.expires_at);
    assert_eq!((paid.amount_msat, paid.created_at, paid.expires_at), told);
    let received = payment(&mut bob, hash).await.unwrap();
    assert_eq!((received.direction(), received.ended_at_ms), (PaymentDirection::Received, paid.ended_at_ms));
    assert_eq!(received.description.as_deref(), Some("tea"));
    let again = payment(&mut alice, hash).await.unwrap();
    assert_eq!((again.state(), again.number, again.fee_msat), (PaymentState::Succeeded, sent.number, 0));

    // What came without an invoice is a payment, and no invoice.
    let tip = PayRequest {
        node_id: Some(bob.member.id().to_string()),
        amount_msat: Some(1_000),
        ..Default::default()
    };
    alice.member.connect(&bob.member).await;
    let bob_id = bob.member.id();
    crate::support::until("the channel is usable", async || alice.member.is_usable_with(bob_id).await).await;
    let tip = alice.client.pay(tip).await.unwrap().into_inner().payment.unwrap();
    assert!(payment(&mut bob, &tip.payment_hash).await.unwrap().keysend);
    assert_eq!(invoice(&mut bob, &tip.payment_hash).await.unwrap_err().code(), Code::NotFound);
    for served in [alice, bob] {
        served.end().await;
    }
}
