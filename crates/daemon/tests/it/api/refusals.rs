//! What is wrong with a question, and what cannot be done now, is said so that the asker can mend it.

use super::served;
use astrape_api::v1::*;
use astrape_daemon::engine::EmbeddedChain;
use tonic::{Code, Response, Status};

/// A call that must be refused for what is wrong with one field, without repeating what was sent.
#[track_caller]
pub(super) fn is_refused<T: std::fmt::Debug>(call: &str, field: &str, answer: Result<Response<T>, Status>) {
    let status = answer.expect_err(call);
    assert_eq!(status.code(), Code::InvalidArgument, "{call}: {status:?}");
    assert!(status.message().starts_with(&format!("{field}: ")), "{call}: {}", status.message());
    assert!(status.message().len() < 300, "{call}: {} characters", status.message().len());
}

const POINT: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

const MAINNET: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";

/// Texts that are nothing at all: missing, wrong, hostile, huge.
fn nonsense() -> Vec<String> {
    let texts =
        ["", " ", "x", "-1", "00", "\0", "\u{202e}abc", "🦀", "../../etc/passwd", "'; DROP TABLE", "lnbc1"];
    let mut texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
    texts.extend(["a".repeat(60_000), "05".repeat(33), format!("{POINT}0"), "é".repeat(1_000)]);
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_says_which_of_its_arguments_is_wrong() {
    let chain = EmbeddedChain::new();
    let mut node = served(1, &chain).await;
    let own_id = node.member.id().to_string();
    let own_address = node.client.new_address(NewAddressRequest {}).await.unwrap().into_inner().address;
    let client = &mut node.client;

    for text in nonsense() {
        let request = WithdrawRequest { address: text.clone(), amount_sat: Some(1), ..Default::default() };
        is_refused("withdraw", "address", client.withdraw(request).await);
        let request = ConnectPeerRequest { node_id: text.clone(), address: Some("127.0.0.1:1".into()) };
        is_refused("connect", "node_id", client.connect_peer(request).await);
        let request = ConnectPeerRequest { node_id: POINT.into(), address: Some(text.clone()) };
        is_refused("connect", "address", client.connect_peer(request).await);
        let request = DisconnectPeerRequest { node_id: text.clone() };
        is_refused("disconnect", "node_id", client.disconnect_peer(request).await);
        let request = OpenChannelRequest { node_id: text.clone(), amount_sat: 100_000, ..Default::default() };
        is_refused("open", "node_id", client.open_channel(request).await);
        let request = OpenChannelRequest {
            node_id: POINT.into(),
            address: Some(text.clone()),
            amount_sat: 100_000,
            ..Default::default()
        };
        is_refused("open", "address", client.open_channel(request).await);
        let request =
            CloseChannelRequest { channel: "abcd".into(), address: Some(text.clone()), ..Default::default() };
        is_refused("close", "address", client.close_channel(request).await);
        let request = CreateInvoiceRequest { preimage: Some(text.clone()), ..Default::default() };
        is_refused("invoice", "preimage", client.create_invoice(request).await);
        let request = CreateInvoiceRequest { description_hash: Some(text.clone()), ..Default::default() };
        is_refused("invoice", "description_hash", client.create_invoice(request).await);
        let request = DecodeInvoiceRequest { invoice: text.clone() };
        is_refused("decode", "invoice", client.decode_invoice(request).await);
        let request = PayRequest { invoice: text.clone(), ..Default::default() };
        is_refused("pay", "invoice", client.pay(request).await);
        if text.len() != 66 && text.len() != 67 {
            let request = CloseChannelRequest { channel: text.clone(), ..Default::default() };
            is_refused("close", "channel", client.close_channel(request).await);
        }
    }

    let too_much = [0, 21_000_000 * 100_000_000 + 1, u64::MAX];
    for amount in too_much {
        let request =
            WithdrawRequest { address: own_address.clone(), amount_sat: Some(amount), ..Default::default() };
        is_refused("withdraw", "amount_sat", client.withdraw(request).await);
        let request = OpenChannelRequest { node_id: POINT.into(), amount_sat: amount, ..Default::default() };
        is_refused("open", "amount_sat", client.open_channel(request).await);
    }
    for amount in [0, 21_000_000 * 100_000_000_000 + 1, u64::MAX] {
        let request = CreateInvoiceRequest { amount_msat: Some(amount), ..Default::default() };
        is_refused("invoice", "amount_msat", client.create_invoice(request).await);
    }
    for per_kw in [0, 252, 250_001, u32::MAX] {
        let feerate_perkw = Some(per_kw);
        let request =
            WithdrawRequest { address: own_address.clone(), all: true, feerate_perkw, ..Default::default() };
        is_refused("withdraw", "feerate_perkw", client.withdraw(request).await);
        let request = OpenChannelRequest {
            node_id: POINT.into(),
            amount_sat: 100_000,
            feerate_perkw,
            ..Default::default()
        };
        is_refused("open", "feerate_perkw", client.open_channel(request).await);
    }
    for (amount_sat, all) in [(Some(1), true), (None, false)] {
        let request = WithdrawRequest { address: own_address.clone(), amount_sat, all, ..Default::default() };
        is_refused("withdraw", "amount_sat", client.withdraw(request).await);
    }
    for push_msat in [100_000_001, u64::MAX] {
        let request = OpenChannelRequest {
            node_id: POINT.into(),
            amount_sat: 100_000,
            push_msat,
            ..Default::default()
        };
        is_refused("open", "push_msat", client.open_channel(request).await);
    }
    for expiry_secs in [0, 366 * 86_400 + 1, u64::MAX] {
        let request = CreateInvoiceRequest { expiry_secs: Some(expiry_secs), ..Default::default() };
        is_refused("invoice", "expiry_secs", client.create_invoice(request).await);
    }
    let request = CreateInvoiceRequest { description: "x".repeat(640), ..Default::default() };
    is_refused("invoice", "description", client.create_invoice(request).await);
    let both = CreateInvoiceRequest {
        description: "x".into(),
        description_hash: Some("00".repeat(32)),
        ..Default::default()
    };
    is_refused("invoice", "description_hash", client.create_invoice(both).await);
    let request = WithdrawRequest { address: MAINNET.into(), all: true, ..Default::default() };
    is_refused("withdraw on another network", "address", client.withdraw(request).await);
    let request = CloseChannelRequest {
        channel: "abcd".into(),
        address: Some(own_address),
        force: true,
        ..Default::default()
    };
    is_refused("a forced close to an address", "address", client.close_channel(request).await);
    for limit in [0, 1_001, u32::MAX] {
        let request = ListPaymentsRequest { limit: Some(limit), before: None };
        is_refused("payments", "limit", client.list_payments(request).await);
        let request = ListForwardsRequest { limit: Some(limit), ..Default::default() };
        is_refused("forwards", "limit", client.list_forwards(request).await);
    }
    let request = ConnectPeerRequest { node_id: own_id.clone(), address: Some("127.0.0.1:1".into()) };
    is_refused("connect to oneself", "node_id", client.connect_peer(request).await);
    let request = OpenChannelRequest { node_id: own_id, amount_sat: 100_000, ..Default::default() };
    is_refused("open with oneself", "node_id", client.open_channel(request).await);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_now_is_refused_with_what_helps() {
    let chain = EmbeddedChain::new();
    let mut node = served(2, &chain).await;
    let any = CreateInvoiceRequest { description: "any amount".into(), ..Default::default() };
    let own_invoice = node.client.create_invoice(any).await.unwrap().into_inner();
    assert!(own_invoice.warnings[0].contains("no channel is ready"), "{:?}", own_invoice.warnings);
    let own_address = node.client.new_address(NewAddressRequest {}).await.unwrap().into_inner().address;
    let client = &mut node.client;

    let nobody = ConnectPeerRequest { node_id: POINT.into(), address: Some("127.0.0.1:1".into()) };
    let open = OpenChannelRequest { node_id: POINT.into(), amount_sat: 100_000, ..Default::default() };
    let close = |channel: &str| CloseChannelRequest { channel: channel.into(), ..Default::default() };
    let pay =
        |amount_msat| PayRequest { invoice: own_invoice.invoice.clone(), amount_msat, ..Default::default() };
    let used = CreateInvoiceRequest { preimage: Some("07".repeat(32)), ..Default::default() };
    client.create_invoice(used.clone()).await.expect("fresh");
    let outpoint = format!("{}:0", "ab".repeat(32));
    for (call, code, status) in [
        ("nobody is there", Code::FailedPrecondition, client.connect_peer(nobody).await.err()),
        ("not connected", Code::FailedPrecondition, client.open_channel(open).await.err()),
        (
            "no such peer",
            Code::NotFound,
            client.disconnect_peer(DisconnectPeerRequest { node_id: POINT.into() }).await.err(),
        ),
        ("no channel", Code::NotFound, client.close_channel(close("abcdabcdabcd")).await.err()),
        ("no channel", Code::NotFound, client.close_channel(close(&"ab".repeat(32))).await.err()),
        ("no channel", Code::NotFound, client.close_channel(close("1x2x3")).await.err()),
        ("no channel", Code::NotFound, client.close_channel(close(&outpoint)).await.err()),
        ("no coins", Code::FailedPrecondition, {
            let request =
                WithdrawRequest { address: own_address, amount_sat: Some(10_000), ..Default::default() };
            client.withdraw(request).await.err()
        }),
        ("the amount is open", Code::InvalidArgument, client.pay(pay(None)).await.err()),
        ("our own invoice", Code::FailedPrecondition, client.pay(pay(Some(1_000))).await.err()),
        ("a used preimage", Code::FailedPrecondition, client.create_invoice(used).await.err()),
    ] {
        let status = status.expect(call);
        assert_eq!(status.code(), code, "{call}: {status:?}");
        assert!(status.message().len() > 10, "{call}: {}", status.message());
    }
    node.end().await;
}
