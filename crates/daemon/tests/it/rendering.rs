//! What people see, letter by letter.

mod closes;
mod payments;
mod widths;

use astrape_api::v1::event::Fact;
use astrape_api::v1::*;
use astrape_daemon::render;
use payments::payment;

const A: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn id(byte: &str) -> String {
    byte.repeat(32)
}

#[track_caller]
fn shows(text: &str, expected: &str) {
    let expected: Vec<&str> =
        expected.lines().map(|line| line.strip_prefix("        ").unwrap_or(line)).skip(1).collect();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines, expected[..expected.len() - 1], "\n{text}");
}

#[test]
fn the_node_says_who_it_is_and_raises_alarms() {
    let info = GetInfoResponse {
        node_id: A.into(),
        alias: "astrape-0279be66".into(),
        network: "regtest".into(),
        version: "0.1.0".into(),
        block_height: 101,
        chain_synced: true,
        chain_status: "following, at block 101".into(),
        listening: vec!["127.0.0.1:29735".into()],
        connected_peers: 2,
        ready_channels: 1,
        opening_channels: 1,
        closing_channels: 0,
        graph_status: "up to date".into(),
        graph_channels: 12,
        graph_nodes: 7,
        alarms: vec!["the disk is almost full".into()],
        commitment_signatures: 7,
        wallet_reading: None,
    };
    shows(
        &render::node::info(&info),
        "
        node id    0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798
        alias      astrape-0279be66
        network    regtest
        version    0.1.0
        block      101
        chain      following, at block 101
        listening  127.0.0.1:29735
        peers      2 connected
        channels   1 ready, 1 opening, 0 closing
        graph      12 channels, 7 nodes; up to date

        ALARM: the disk is almost full
        ",
    );
}

#[test]
fn channels_are_a_line_each_and_how_they_stand_below() {
    let ready = Channel {
        channel_id: id("ab"),
        peer: A.into(),
        status: "ready".into(),
        capacity_sat: 1_000_000,
        local_msat: 499_000_500,
        remote_msat: 500_000_000,
        outgoing_msat: 999_500,
        htlcs: 1,
        short_channel_id: Some("103x1x0".into()),
        ..Channel::default()
    };
    let opening = Channel {
        channel_id: id("cd"),
        peer: A.into(),
        status: "awaiting confirmations: 2 of 3".into(),
        capacity_sat: 50_000,
        local_msat: 50_000_000,
        alias: Some("16000000x1x2".into()),
        private: true,
        ..Channel::default()
    };
    shows(
        &render::channels::channels(&ListChannelsResponse { channels: vec![ready, opening], warning: None }),
        "
        CHANNEL        PEER           CAPACITY (SAT)   OURS (SAT)  PEER'S (SAT)
        abababababab…  0279be667ef9…       1,000,000  499,000.500       500,000
            103x1x0, ready; 999.500 sat in flight in 1 payment
        cdcdcdcdcdcd…  0279be667ef9…          50,000       50,000             0
            16000000x1x2, private, awaiting confirmations: 2 of 3
        ",
    );
    let none = render::channels::channels(&ListChannelsResponse::default());
    assert!(none.contains("astrape open"), "{none}");
}

#[test]
fn money_is_summed_up_and_listed() {
    let balance = GetBalanceResponse {
        confirmed_sat: 1_234_567,
        channels_local_msat: 5_001,
        channels_remote_msat: 7_000,
        closing_msat: 1_000,
        ..GetBalanceResponse::default()
    };
    shows(
        &render::money::balance(&balance),
        "
        on chain               1,234,567 sat
        in channels            5.001 sat
        can receive (at most)  7 sat
        in closing channels    1 sat
        ",
    );
    let reading = Some(WalletReading { read_height: 200, tip_height: 900 });
    let text = render::money::balance(&GetBalanceResponse { wallet_reading: reading, ..balance });
    let told = text.replace('\n', " ");
    assert!(told.contains("Warning: the on-chain wallet has read block 200 of 900"), "{text}");
    let coin = Coin {
        outpoint: format!("{}:1", id("ee")),
        amount_sat: 5_000_000_000,
        confirmations: 7,
        state: CoinState::Immature.into(),
        ..Coin::default()
    };
    let share = ChannelFunds {
        channel_id: id("ab"),
        peer: A.into(),
        capacity_sat: 10,
        local_msat: 9_999,
        state: ChannelState::Ready.into(),
        ..ChannelFunds::default()
    };
    shows(
        &render::money::funds(&ListFundsResponse { coins: vec![coin], channels: vec![share] }),
        "
         AMOUNT (SAT)  STATE            CONFIRMATIONS  COIN
        5,000,000,000  immature reward              7  eeeeeeeeeeee…:1

        OURS (SAT)  OF (SAT)  STATE  CHANNEL        PEER
             9.999        10  ready  abababababab…  0279be667ef9…
        ",
    );
}

#[test]
fn what_channels_ask_is_a_line_each() {
    let policy = ForwardPolicy {
        fee_base_msat: 1_000,
        fee_proportional_millionths: 100,
        cltv_expiry_delta: 80,
        htlc_minimum_msat: 1,
        inbound_base_msat: -5,
        ..Default::default()
    };
    let channel = Channel { channel_id: id("cc"), policy: Some(policy), ..Default::default() };
    shows(
        &render::policies::policies(&SetChannelResponse { channels: vec![channel] }),
        "
        CHANNEL         BASE  MILLIONTHS  BLOCKS   SMALLEST  LARGEST  USUAL
        cccccccccccc…  1 sat         100      80  0.001 sat      all  no
            for what comes in over it: -0.005 sat, 0 millionths
        ",
    );
}

#[test]
fn each_fact_is_a_line() {
    let event = |fact| Event { number: 4, at_ms: 1_800_000_000_000, fact: Some(fact) };
    let channel = ChannelEvent {
        channel_id: id("ab"),
        peer: A.into(),
        text: "ready for payments".into(),
        ..Default::default()
    };
    for (fact, line) in [
        (
            Fact::Payment(payment(PaymentState::Succeeded)),
            "payment 121212121212…: sending 50,000 sat succeeded",
        ),
        (Fact::Channel(channel), "channel abababababab… with 0279be667ef9…: ready for payments"),
        (
            Fact::Withdrawn(WithdrawResponse { txid: "t".into(), amount_sat: 5, fee_sat: 1, warning: None }),
            "withdrawn 5 sat, fee 1 sat, transaction t",
        ),
        (
            Fact::NeverConfirmed(NeverConfirmed { txid: "t".into(), spent_by_txid: "u".into() }),
            "transaction t can never confirm: u has spent what it spends or builds on. What else it was to spend is free again",
        ),
        (
            Fact::FeeBumped(BumpFeeResponse {
                txid: id("cd"),
                child_txid: "t".into(),
                fee_sat: 7,
                ..BumpFeeResponse::default()
            }),
            "transaction cdcdcdcdcdcd… is paid for by t, fee 7 sat",
        ),
    ] {
        assert_eq!(render::events::line(&event(fact)), format!("2027-01-15 08:00:00 #4 {line}"));
    }
}
