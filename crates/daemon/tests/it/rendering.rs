//! What people see, letter by letter.

use astrape_api::v1::event::Fact;
use astrape_api::v1::*;
use astrape_daemon::render;

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
fn channels_are_a_line_each() {
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
        CHANNEL        PEER           STATE                                CAPACITY             OURS       PEER'S         IN FLIGHT  SHORT ID
        abababababab…  0279be667ef9…  ready                           1,000,000 sat  499,000.500 sat  500,000 sat  999.500 sat in 1  103x1x0
        cdcdcdcdcdcd…  0279be667ef9…  awaiting confirmations: 2 of 3     50,000 sat       50,000 sat        0 sat                 -  16000000x1x2 (private)
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
                   AMOUNT  STATE            CONFIRMATIONS  COIN
        5,000,000,000 sat  immature reward              7  eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee:1

             OURS      OF  STATE  CHANNEL        PEER
        9.999 sat  10 sat  ready  abababababab…  0279be667ef9…
        ",
    );
}

fn payment(state: PaymentState) -> Payment {
    Payment {
        payment_hash: id("12"),
        direction: PaymentDirection::Sent.into(),
        state: state.into(),
        amount_msat: 50_000_000,
        ..Payment::default()
    }
}

#[test]
fn the_end_of_a_payment_is_told_in_words() {
    let paid = Payment { fee_msat: 1_005, preimage: Some(id("34")), ..payment(PaymentState::Succeeded) };
    shows(
        &render::payments::ended(&paid),
        "
        Paid 50,000 sat, for a fee of 1.005 sat.
        payment  1212121212121212121212121212121212121212121212121212121212121212
        proof    3434343434343434343434343434343434343434343434343434343434343434
        ",
    );
    let failed = Payment { reason: Some("no way was found".into()), ..payment(PaymentState::Failed) };
    shows(
        &render::payments::ended(&failed),
        "
        Not paid: no way was found. Nothing of the 50,000 sat has left the node.
        payment  1212121212121212121212121212121212121212121212121212121212121212
        ",
    );
    assert!(render::payments::ended(&payment(PaymentState::Pending)).contains("still under way"));
}

#[test]
fn the_parts_of_a_payment_are_told_with_their_hops_and_how_long_each_held_it() {
    let part = |state: PaymentState| PaymentPart {
        amount_msat: 25_000_000,
        fee_msat: 1_000,
        hops: vec![id("ab"), id("cd")],
        state: state.into(),
        ..PaymentPart::default()
    };
    let failed = PaymentPart {
        hold_times_ms: vec![700],
        took_ms: Some(800),
        reason: Some("it was full".into()),
        ..part(PaymentState::Failed)
    };
    let arrived = PaymentPart {
        hold_times_ms: vec![11_000, 300],
        took_ms: Some(12_000),
        ..part(PaymentState::Succeeded)
    };
    let parts = vec![failed, arrived, part(PaymentState::Pending)];
    let sent = Payment { parts, attempts: 3, ..payment(PaymentState::Pending) };
    let answer = ListPaymentsResponse { payments: vec![sent, payment(PaymentState::Failed)] };
    shows(
        &render::payments::payments_with_parts(&answer),
        "
        NUMBER  TIME (UTC)  DIRECTION      AMOUNT    FEE  STATE                                  PAYMENT
             -  -           sent       50,000 sat  0 sat  under way (1 part under way, 3 tried)  121212121212…
             -  -           sent       50,000 sat  0 sat  failed                                 121212121212…

        50,000 sat, under way: payment 1212121212121212121212121212121212121212121212121212121212121212
        PART      AMOUNT    FEE  STATE                 AFTER  WAY
           1  25,000 sat  1 sat  failed: it was full  800 ms  abababababab… (700 ms) > cdcdcdcdcdcd…
           2  25,000 sat  1 sat  succeeded              12 s  abababababab… (11 s) > cdcdcdcdcdcd… (300 ms)
           3  25,000 sat  1 sat  under way                 -  abababababab… > cdcdcdcdcdcd…
        ",
    );
    assert!(!render::payments::payments(&answer).contains("PART "), "only when asked for");
}

#[test]
fn payments_and_forwards_are_a_line_each() {
    let sent = Payment {
        number: Some(7),
        ended_at_ms: Some(1_800_000_000_999),
        fee_msat: 1_000,
        ..payment(PaymentState::Succeeded)
    };
    let received = Payment {
        number: Some(6),
        direction: PaymentDirection::Received.into(),
        ended_at_ms: Some(1_800_000_000_000),
        ..payment(PaymentState::Succeeded)
    };
    shows(
        &render::payments::payments(&ListPaymentsResponse {
            payments: vec![payment(PaymentState::Pending), sent, received],
        }),
        "
        NUMBER  TIME (UTC)           DIRECTION      AMOUNT    FEE  STATE      PAYMENT
             -  -                    sent       50,000 sat  0 sat  under way  121212121212…
             7  2027-01-15 08:00:00  sent       50,000 sat  1 sat  succeeded  121212121212…
             6  2027-01-15 08:00:00  received   50,000 sat      -  succeeded  121212121212…
        ",
    );
    let forward = Forward {
        number: 3,
        at_ms: 1_800_000_000_000,
        incoming: id("aa"),
        outgoing: Some(id("bb")),
        amount_in_msat: 1_001_000,
        fee_msat: 1_000,
        took_ms: 345,
        ..Forward::default()
    };
    let failed = Forward {
        fee_msat: 0,
        took_ms: 61_000,
        outgoing: None,
        failure: Some("no such channel".into()),
        failed_here: true,
        ..forward.clone()
    };
    shows(
        &render::payments::forwards(&ListForwardsResponse { forwards: vec![forward, failed] }),
        "
        NUMBER  TIME (UTC)             CAME IN  EARNED    TOOK  FROM           TO             STATE
             3  2027-01-15 08:00:00  1,001 sat   1 sat  345 ms  aaaaaaaaaaaa…  bbbbbbbbbbbb…  forwarded
             3  2027-01-15 08:00:00  1,001 sat   0 sat    61 s  aaaaaaaaaaaa…  -              failed here: no such channel
        ",
    );
}

#[test]
fn what_forwarding_has_earned_is_shown_by_period_and_by_channel() {
    let some = ForwardStats {
        forwarded: 3,
        failed_here: 1,
        failed_beyond: 2,
        amount_msat: 5_000_000,
        fee_msat: 1_500,
        took_ms: 700,
        success_per_mille: 500,
    };
    let stats = GetStatsResponse {
        total: Some(some),
        periods: vec![PeriodStats { from: 1_800_000_000, stats: Some(some) }],
        channels: vec![ChannelStats {
            keys_id: id("aa"),
            short_channel_id: None,
            peer: None,
            incoming: None,
            outgoing: Some(some),
        }],
    };
    shows(
        &render::stats::stats(&stats),
        "
        FROM (UTC)           FORWARDED  FAILED HERE  FAILED BEYOND  SUCCESS     AMOUNT     EARNED    TOOK
        2027-01-15 08:00:00          3            1              2   50.0 %  5,000 sat  1.500 sat  700 ms
        in all                       3            1              2   50.0 %  5,000 sat  1.500 sat  700 ms

        CHANNEL        CAME IN  SUCCESS  WENT OUT  SUCCESS  AMOUNT OUT     EARNED
        aaaaaaaaaaaa…        0        -         3   50.0 %   5,000 sat  1.500 sat
        ",
    );
    assert!(render::stats::stats(&GetStatsResponse::default()).contains("Nothing was forwarded"));
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
        CHANNEL         BASE  MILLIONTHS  BLOCKS   SMALLEST  LARGEST                INBOUND  AS ELSEWHERE
        cccccccccccc…  1 sat         100      80  0.001 sat      all  -5 msat, 0 millionths  no
        ",
    );
}

#[test]
fn unpaid_invoices_are_a_line_each() {
    let open = Invoice {
        payment_hash: id("12"),
        expires_at: 1_800_003_600,
        description: "tea".into(),
        hold: true,
        state: InvoiceState::Open.into(),
        ..Default::default()
    };
    let held = Invoice {
        amount_msat: Some(5_000_000),
        received_msat: 5_000_000,
        state: InvoiceState::Held.into(),
        until_height: Some(900_000),
        ..open.clone()
    };
    shows(
        &render::invoices::invoices(&ListInvoicesResponse { invoices: vec![open, held] }),
        "
        PAYMENT                                                           EXPIRES (UTC)           AMOUNT   RECEIVED  STATE                    DESCRIPTION
        1212121212121212121212121212121212121212121212121212121212121212  2027-01-15 09:00:00        any      0 sat  open, to be held         tea
        1212121212121212121212121212121212121212121212121212121212121212  2027-01-15 09:00:00  5,000 sat  5,000 sat  held until block 900000  tea
        ",
    );
}

#[test]
fn an_invoice_is_read_out() {
    let invoice = DecodeInvoiceResponse {
        network: "regtest".into(),
        amount_msat: None,
        created_at: 1_800_000_000,
        expires_at: 1_800_003_600,
        expired: true,
        payee: A.into(),
        payment_hash: id("12"),
        description: Some("coffee".into()),
        route_hints: vec![RouteHint {
            hops: vec![RouteHintHop {
                node_id: A.into(),
                short_channel_id: "1x2x3".into(),
                ..Default::default()
            }],
        }],
        ..DecodeInvoiceResponse::default()
    };
    shows(
        &render::invoices::decoded(&invoice),
        "
        amount       any: say how much with --amount
        payee        0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798
        network      regtest
        made         2027-01-15 08:00:00
        expires      2027-01-15 09:00:00 (expired)
        payment      1212121212121212121212121212121212121212121212121212121212121212
        description  coffee
        way by       0279be667ef9… over 1x2x3
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
            Fact::Withdrawn(WithdrawResponse { txid: "t".into(), amount_sat: 5, fee_sat: 1 }),
            "withdrawn 5 sat, fee 1 sat, transaction t",
        ),
    ] {
        assert_eq!(render::events::line(&event(fact)), format!("2027-01-15 08:00:00 #4 {line}"));
    }
}

#[test]
fn what_a_close_costs_and_what_is_missing_for_it_is_said() {
    let forced = ForcedClose { warning: "It costs.".into(), ..ForcedClose::default() };
    let closing = CloseChannelResponse {
        channel_id: "ab".into(),
        status: "ready".into(),
        closing_txid: None,
        forced: Some(forced),
    };
    assert_eq!(render::channels::closing(&closing), "channel  ab\nstate    ready\nIt costs.\n");
    let balance = GetBalanceResponse {
        confirmed_sat: 5_000,
        reserve_sat: 20_000,
        reserve_missing_sat: 15_000,
        ..GetBalanceResponse::default()
    };
    shows(
        &render::money::balance(&balance),
        "
        on chain               5,000 sat
        in channels            0 sat
        can receive (at most)  0 sat
        set aside for closes   20,000 sat
        Warning: 15,000 sat are missing on chain to close all channels in time when fees are high: send them to an address of `astrape newaddr`.
        ",
    );
    let opened = OpenChannelResponse { warning: render::money::reserve_warning(1), ..Default::default() };
    assert!(render::channels::opened(&opened).contains("Warning: 1 sat are missing"));
    assert_eq!(render::money::reserve_warning(0), None);
}

/// A forced close of ours with a payment in flight.
fn forced_close() -> Close {
    let output =
        |what: &str, amount_sat: u64, status: &str, secs: Option<u64>, txid: Option<String>| CloseOutput {
            outpoint: format!("{}:0", id("ee")),
            what: what.into(),
            amount_sat,
            status: status.into(),
            spendable_in_secs: secs,
            claim_txid: txid,
            ..CloseOutput::default()
        };
    Close {
        channel_id: id("ab"),
        peer: A.into(),
        kind: CloseKind::Ours.into(),
        why: "we went on chain: by the user's wish".into(),
        how: "our commitment".into(),
        txid: Some(id("ee")),
        height: Some(120),
        confirmations: 3,
        returned_sat: Some(0),
        pending_sat: 950_000,
        fees_sat: Some(1_100),
        spendable_height: Some(263),
        spendable_in_secs: Some(141 * 600),
        outputs: vec![
            output("ours, after a delay of 144 blocks", 900_000, "waits for block 263", Some(84_600), None),
            output(
                "payment to the peer",
                50_000,
                "being claimed for a fee of 400 sat, due by block 140",
                Some(0),
                Some(id("cc")),
            ),
        ],
        events: vec![CloseEvent {
            number: 7,
            at_ms: 1_700_000_000_000,
            text: "going on chain: by the user's wish".into(),
            txid: None,
        }],
        ..Close::default()
    }
}

#[test]
fn a_close_tells_why_by_what_and_when_the_money_can_be_spent() {
    let answer = ListClosesResponse { closes: vec![forced_close()] };
    let channel = id("ab");
    let txid = id("ee");
    shows(
        &render::closes::closes(&answer, false),
        &format!(
            "
        channel      {channel} with {A}
        why          we went on chain: by the user's wish
        closed by    our commitment, {txid}, in block 120 (3 confirmations)
        ours         950,000 sat to come, 0 sat claimed already
        fees so far  1,100 sat
        spendable    the last of it at block 263, in about 24 hours

             AMOUNT  WHAT                               STATE                                                                 OUTPUT
        900,000 sat  ours, after a delay of 144 blocks  waits for block 263, in about 24 hours                                eeeeeeeeeeee…:0
         50,000 sat  payment to the peer                being claimed for a fee of 400 sat, due by block 140 (cccccccccccc…)  eeeeeeeeeeee…:0

        2023-11-14 22:13:20 going on chain: by the user's wish
        "
        ),
    );
}

#[test]
fn a_close_that_is_over_takes_four_lines_until_it_is_asked_for() {
    let over = Close {
        over: true,
        height: None,
        returned_sat: Some(950_000),
        pending_sat: 0,
        outputs: Vec::new(),
        ..forced_close()
    };
    let answer = ListClosesResponse { closes: vec![over] };
    shows(
        &render::closes::closes(&answer, false),
        &format!(
            "
        channel    abababababab… with 0279be667ef9…
        why        we went on chain: by the user's wish
        closed by  our commitment, {}
        ours       950,000 sat came back; fees of ours took 1,100 sat of it
        ",
            id("ee")
        ),
    );
    let whole = render::closes::closes(&answer, true);
    assert!(whole.ends_with("2023-11-14 22:13:20 going on chain: by the user's wish\n"), "{whole}");
    let none = render::closes::closes(&ListClosesResponse::default(), false);
    assert_eq!(none, "No channel has been closed, and none is closing.\n");
}

#[test]
fn coins_that_are_missing_for_closes_are_told_below_the_channels() {
    let warning = render::money::reserve_warning(15_000);
    let answer = ListChannelsResponse { channels: vec![Channel::default()], warning: warning.clone() };
    let shown = render::channels::channels(&answer);
    let expected = format!("\n\n{}\n", warning.expect("coins are missing"));
    assert!(shown.ends_with(&expected) && shown.contains("15,000 sat"), "{shown}");
}

#[test]
fn a_probe_says_whether_a_payment_could_arrive_or_where_it_could_not() {
    let reached = ProbeResponse {
        reached: true,
        fee_msat: 5_000,
        hops: vec![A.into(), id("ab")],
        attempts: 2,
        reason: "the recipient did not take it".into(),
        hold_times_ms: vec![12_300],
    };
    shows(
        &render::probe::probe(&reached),
        "
        Reached: a payment could arrive, for a fee of 5 sat; 2 ways were tried.
        HOP  NODE           HELD IT FOR
          1  0279be667ef9…         12 s
          2  abababababab…            -
        ",
    );
    let failed =
        ProbeResponse { attempts: 1, reason: "hop 2 is short of money".into(), ..Default::default() };
    assert_eq!(render::probe::probe(&failed), "Not reached: hop 2 is short of money. 1 way was tried.\n");
}
