//! What people see fits a terminal of 80 columns, whatever is in it.

use super::{A, id};
use astrape_api::v1::*;
use astrape_daemon::render;

const COLUMNS: usize = 80;

/// As long as a reason gets.
const SENTENCE: &str = "no way was found in time: hop 2 of 5, 0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798, is short of \
    money in the channel 912345x2345x1; wait, pay less at a time, or open a channel with a node nearer to the recipient";

#[track_caller]
fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= COLUMNS, "{} columns:\n{line}\nin\n{text}", line.chars().count());
    }
}

fn output(byte: &str) -> String {
    format!("{}:12", id(byte))
}

/// A tenth of a bitcoin, and a fraction.
const MUCH_MSAT: u64 = 12_345_678_901;

fn stats() -> ForwardStats {
    ForwardStats {
        forwarded: 1_234_567,
        failed_here: 12_345,
        failed_beyond: 123_456,
        amount_msat: MUCH_MSAT,
        fee_msat: 123_456_789,
        took_ms: 12_345,
        success_per_mille: 1_000,
    }
}

#[test]
fn no_list_of_payments_or_forwards_is_wider_than_a_terminal() {
    let part = PaymentPart {
        amount_msat: 12_345_678_901,
        fee_msat: 123_456_789,
        hops: vec![A.into(); 9],
        state: PaymentState::Failed.into(),
        hold_times_ms: vec![123_456; 9],
        took_ms: Some(123_456),
        reason: Some(SENTENCE.into()),
    };
    let payment = Payment {
        payment_hash: id("12"),
        direction: PaymentDirection::Sent.into(),
        state: PaymentState::Failed.into(),
        amount_msat: 12_345_678_901,
        fee_msat: 12_345_678,
        reason: Some(SENTENCE.into()),
        number: Some(1_234_567),
        ended_at_ms: Some(1_800_000_000_000),
        parts: vec![part],
        attempts: 12,
        ..Payment::default()
    };
    let received = Payment { direction: PaymentDirection::Received.into(), ..payment.clone() };
    let answer = ListPaymentsResponse { payments: vec![payment, received], under_way: 0 };
    fits(&render::payments::payments(&answer));
    fits(&render::payments::payments_with_parts(&answer));
    let forward = Forward {
        number: 1_234_567,
        at_ms: 1_800_000_000_000,
        incoming: id("aa"),
        incoming_channel: Some("912345x2345x1".into()),
        outgoing: Some(id("bb")),
        amount_in_msat: 12_345_678_901,
        fee_msat: 1_234_567,
        took_ms: 12_345,
        ..Forward::default()
    };
    let failed = Forward {
        failure: Some(SENTENCE.into()),
        incoming_channel: None,
        outgoing_channel: Some("912345x2345x1".into()),
        ..forward.clone()
    };
    fits(&render::payments::forwards(&ListForwardsResponse { forwards: vec![forward, failed] }));
    let channel = ChannelStats {
        keys_id: id("aa"),
        short_channel_id: Some("912345x2345x1".into()),
        incoming: Some(stats()),
        outgoing: Some(stats()),
        ..ChannelStats::default()
    };
    let periods = vec![PeriodStats { from: 1_800_000_000, stats: Some(stats()) }];
    fits(&render::stats::stats(&GetStatsResponse {
        total: Some(stats()),
        periods,
        channels: vec![channel],
        period_secs: 3_600,
    }));
    let hop = RouteHop {
        short_channel_id: "912345x2345x1".into(),
        node_id: A.into(),
        amount_msat: MUCH_MSAT,
        blocks: 1_234,
    };
    let part = RoutePart { amount_msat: MUCH_MSAT, fee_msat: 123_456, hops: vec![hop] };
    fits(&render::route::route(&FindRouteResponse {
        amount_msat: MUCH_MSAT,
        parts: vec![part],
        ..Default::default()
    }));
}

#[test]
fn no_list_of_channels_coins_invoices_or_peers_is_wider_than_a_terminal() {
    let policy = ForwardPolicy {
        fee_base_msat: 10_000,
        fee_proportional_millionths: 100_000,
        cltv_expiry_delta: 1_000,
        htlc_minimum_msat: 1_000_000,
        htlc_maximum_msat: Some(16_777_215_000),
        inbound_base_msat: -123_456,
        inbound_proportional_millionths: -100_000,
        ..ForwardPolicy::default()
    };
    let channel = Channel {
        channel_id: id("ab"),
        peer: A.into(),
        status: format!("force-closing: {SENTENCE}"),
        capacity_sat: 16_777_215,
        local_msat: MUCH_MSAT,
        remote_msat: MUCH_MSAT,
        outgoing_msat: MUCH_MSAT,
        htlcs: 483,
        short_channel_id: Some("912345x2345x1".into()),
        private: true,
        policy: Some(policy),
        ..Channel::default()
    };
    let warning = render::money::reserve_warning(15_000);
    fits(&render::channels::channels(&ListChannelsResponse { channels: vec![channel.clone()], warning }));
    fits(&render::policies::policies(&SetChannelResponse { channels: vec![channel] }));
    let coin = Coin {
        outpoint: output("ee"),
        amount_sat: 100_000_000_000,
        confirmations: 912_345,
        state: CoinState::Immature.into(),
        ..Coin::default()
    };
    let share = ChannelFunds {
        channel_id: id("ab"),
        peer: A.into(),
        capacity_sat: 16_777_215,
        local_msat: 16_777_215_001,
        state: ChannelState::AwaitingConfirmations.into(),
        ..ChannelFunds::default()
    };
    fits(&render::money::funds(&ListFundsResponse { coins: vec![coin], channels: vec![share] }));
    let invoice = Invoice {
        payment_hash: id("12"),
        expires_at: 1_800_003_600,
        amount_msat: Some(MUCH_MSAT),
        received_msat: MUCH_MSAT,
        description: "a long description of what is bought ".repeat(17),
        state: InvoiceState::Held.into(),
        until_height: Some(912_345),
        ..Invoice::default()
    };
    fits(&render::invoices::invoices(&ListInvoicesResponse { invoices: vec![invoice], next: None }));
    let peer = Peer {
        node_id: A.into(),
        connected: true,
        addresses: vec!["[2001:db8:85a3:1234:5678:8a2e:370:7334]:49735".into(); 4],
        channels: 12,
        called_us: true,
        ..Peer::default()
    };
    fits(&render::node::peers(&ListPeersResponse { peers: vec![peer] }));
}

#[test]
fn no_story_of_a_close_and_no_alarm_is_wider_than_a_terminal() {
    let output = CloseOutput {
        outpoint: output("ee"),
        what: "payment from the peer, whose preimage is not known: the peer's from block 912345 on".into(),
        amount_sat: 100_000_000,
        status: "being claimed for a fee of 123,456 sat, due by block 912345".into(),
        spendable_in_secs: Some(84_600),
        claim_txid: Some(id("cc")),
        ..CloseOutput::default()
    };
    let event =
        CloseEvent { number: 7, at_ms: 1_700_000_000_000, text: SENTENCE.into(), txid: Some(id("dd")) };
    let close = Close {
        channel_id: id("ab"),
        peer: A.into(),
        why: format!("the peer failed the channel: {SENTENCE}"),
        how: "our commitment".into(),
        txid: Some(id("ee")),
        height: Some(912_345),
        confirmations: 123,
        returned_sat: Some(100_000_000),
        pending_sat: 100_000_000,
        fees_sat: Some(123_456),
        spendable_height: Some(912_489),
        spendable_in_secs: Some(141 * 600),
        outputs: vec![output],
        outputs_left_out: 12,
        events: vec![event],
        events_left_out: 12,
        ..Close::default()
    };
    fits(&render::closes::closes(&ListClosesResponse { closes: vec![close] }, true));
    let balance = GetBalanceResponse { reserve_missing_sat: 1_000_000, ..GetBalanceResponse::default() };
    fits(&render::money::balance(&balance));
    let info =
        GetInfoResponse { node_id: A.into(), alarms: vec![SENTENCE.into()], ..GetInfoResponse::default() };
    fits(&render::node::info(&info));
}
