//! Payments, forwards, invoices and probes.

use super::{A, id, shows};
use astrape_api::v1::*;
use astrape_daemon::render;
use std::time::Duration;

pub(super) fn payment(state: PaymentState) -> Payment {
    Payment {
        payment_hash: id("12"),
        direction: PaymentDirection::Sent.into(),
        state: state.into(),
        amount_msat: 50_000_000,
        ..Payment::default()
    }
}

const TOOK: Duration = Duration::from_millis(840);

fn ended(payment: &Payment) -> String {
    render::payments::ended(payment, TOOK, false)
}

#[test]
fn the_end_of_a_payment_is_told_in_words() {
    let paid = Payment {
        fee_msat: 1_005,
        preimage: Some(id("34")),
        destination: Some(A.into()),
        ..payment(PaymentState::Succeeded)
    };
    shows(
        &ended(&paid),
        "
        Paid 50,000 sat to 0279be667ef9… in 0.8 s; fee 1.005 sat (0.002 %).
        payment  1212121212121212121212121212121212121212121212121212121212121212
        proof    3434343434343434343434343434343434343434343434343434343434343434
        ",
    );
    let before = Payment { paid_before: true, ended_at_ms: Some(1_800_000_000_999), ..paid };
    let told = "Paid before: 50,000 sat to 0279be667ef9… at 2027-01-15 08:00:00 (utc); fee 1.005 sat (0.002 %). Nothing was paid now.";
    let text = ended(&before).replace('\n', " ");
    assert!(text.starts_with(told), "{text}");
    let failed = Payment { reason: Some("no way was found".into()), ..payment(PaymentState::Failed) };
    shows(
        &ended(&failed),
        "
        Not paid: no way was found. Nothing of the 50,000 sat has left the node. What
        was tried is told by `astrape payments
        1212121212121212121212121212121212121212121212121212121212121212`; the same
        command tries again, and goes by what was learnt.
        payment  1212121212121212121212121212121212121212121212121212121212121212
        ",
    );
    let pending = ended(&payment(PaymentState::Pending));
    assert!(pending.contains("still under way") && pending.contains("astrape payments"), "{pending}");
}

#[test]
fn how_fast_a_payment_was_and_what_share_its_fee_is_are_told_as_people_say_it() {
    let share = |fee_msat| ended(&Payment { fee_msat, ..payment(PaymentState::Succeeded) });
    for (fee_msat, told) in [
        (0, "fee 0 sat."),
        (1, "fee 0.001 sat (less than 0.001 %)."),
        (10_000, "fee 10 sat (0.02 %)."),
        (100_000, "fee 100 sat (0.2 %)."),
        (2_500_000, "fee 2,500 sat (5.0 %)."),
        (75_000_000, "fee 75,000 sat (150.0 %)."),
    ] {
        assert!(share(fee_msat).lines().next().unwrap().ends_with(told), "{}", share(fee_msat));
    }
    for (millis, told) in [(7, "in 7 ms"), (100, "in 0.1 s"), (12_345, "in 12.3 s"), (600_000, "in 10 min")] {
        let took = Duration::from_millis(millis);
        let text = render::payments::ended(&payment(PaymentState::Succeeded), took, false);
        assert!(text.starts_with(&format!("Paid 50,000 sat {told}; ")), "{text}");
    }
}

#[test]
fn the_end_of_a_payment_has_its_parts_only_when_they_are_asked_for_and_none_is_left_out() {
    let part = |amount_msat, state: PaymentState| PaymentPart {
        amount_msat,
        fee_msat: amount_msat / 1_000,
        hops: vec![A.into()],
        state: state.into(),
        ..PaymentPart::default()
    };
    let parts = vec![
        part(30_000_000, PaymentState::Failed),
        part(20_000_000, PaymentState::Succeeded),
        part(30_000_000, PaymentState::Pending),
    ];
    let paid = Payment { fee_msat: 50_000, parts, ..payment(PaymentState::Succeeded) };
    let text = ended(&paid);
    let told = "Paid 50,000 sat in 0.8 s; fee 50 sat (0.1 %), 2 parts, 1 of them under way still.";
    assert!(text.replace('\n', " ").starts_with(told), "{text}");
    assert!(!text.contains("PART "), "{text}");
    let text = render::payments::ended(&paid, TOOK, true);
    assert!(text.contains("PART ") && text.contains("succeeded") && text.contains("under way"), "{text}");
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
    let answer = ListPaymentsResponse { payments: vec![sent, payment(PaymentState::Failed)], under_way: 0 };
    shows(
        &render::payments::payments_with_parts(&answer),
        "
        NUMBER  TIME (UTC)  STATE      AMOUNT (SAT)  FEE (SAT)  PAYMENT
             -  -           under way        50,000          0  121212121212…
            1 part under way, 3 tried
             -  -           failed           50,000          0  121212121212…

        50,000 sat, under way:
        payment 1212121212121212121212121212121212121212121212121212121212121212
        PART  AMOUNT (SAT)  FEE (SAT)  STATE       AFTER
           1        25,000          1  failed     800 ms
            abababababab… (700 ms) > cdcdcdcdcdcd…
            it was full
           2        25,000          1  succeeded    12 s
            abababababab… (11 s) > cdcdcdcdcdcd… (300 ms)
           3        25,000          1  under way       -
            abababababab… > cdcdcdcdcdcd…
        ",
    );
    assert!(!render::payments::payments(&answer).contains("PART "), "only when asked for");
}

#[test]
fn balance_moved_between_channels_is_told_from_payments() {
    let sent = Payment { fee_msat: 2_000, rebalance: true, ..payment(PaymentState::Succeeded) };
    let back = Payment { direction: PaymentDirection::Received.into(), fee_msat: 0, ..sent.clone() };
    shows(
        &render::payments::payments(&ListPaymentsResponse {
            payments: vec![back, sent.clone()],
            under_way: 0,
        }),
        "
        NUMBER  TIME (UTC)  STATE                 AMOUNT (SAT)  FEE (SAT)  PAYMENT
             -  -           received from itself        50,000          -  121212121212…
             -  -           sent to itself              50,000          2  121212121212…
        ",
    );
    shows(
        &ended(&sent),
        "
        Moved 50,000 sat in 0.8 s; fee 2 sat (0.004 %).
        payment  1212121212121212121212121212121212121212121212121212121212121212
        ",
    );
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
            under_way: 1,
        }),
        "
        NUMBER  TIME (UTC)        STATE      AMOUNT (SAT)  FEE (SAT)  PAYMENT
             -  -                 under way        50,000          0  121212121212…
             7  2027-01-15 08:00  sent             50,000          1  121212121212…
             6  2027-01-15 08:00  received         50,000          -  121212121212…
        ",
    );
    let forward = Forward {
        number: 3,
        at_ms: 1_800_000_000_000,
        incoming: id("aa"),
        outgoing: Some(id("bb")),
        outgoing_channel: Some("912345x2345x1".into()),
        amount_in_msat: 1_001_000,
        fee_msat: 1_000,
        took_ms: 345,
        ..Forward::default()
    };
    let failed = Forward {
        fee_msat: 0,
        took_ms: 61_000,
        incoming_channel: Some(id("ac")),
        outgoing: None,
        outgoing_channel: None,
        failure: Some("no such channel".into()),
        failed_here: true,
        ..forward.clone()
    };
    shows(
        &render::payments::forwards(&ListForwardsResponse { forwards: vec![forward, failed] }),
        "
        NUMBER  TIME (UTC)      CAME IN (SAT)  EARNED  FROM           TO
             3  27-01-15 08:00          1,001       1  aaaaaaaaaaaa…  912345x2345x1
             3  27-01-15 08:00          1,001  failed  acacacacacac…  -
            failed here after 61 s: no such channel

        --json tells more: how long each was here, and what went out.
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
            channel_id: Some(id("ab")),
            short_channel_id: None,
            peer: None,
            incoming: None,
            outgoing: Some(some),
        }],
        period_secs: 86_400,
    };
    shows(
        &render::stats::stats(&stats),
        "
        FROM (UTC)  PASSED  FAILED  (HERE)  SUCCESS  AMOUNT (SAT)  EARNED
        2027-01-15       3       3     (1)   50.0 %         5,000   1.500
        in all           3       3     (1)   50.0 %         5,000   1.500

        CHANNEL        CAME IN  SUCCESS  WENT OUT  SUCCESS  OUT (SAT)  EARNED
        abababababab…        0        -         3   50.0 %      5,000   1.500
        ",
    );
    for (period_secs, label) in [(3_600, "2027-01-15 08:00  "), (45, "2027-01-15 08:00:00  ")] {
        let finer = render::stats::stats(&GetStatsResponse { period_secs, ..stats.clone() });
        assert!(finer.contains(label), "{finer}");
    }
    assert!(render::stats::stats(&GetStatsResponse::default()).contains("Nothing was forwarded"));
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
        &render::invoices::invoices(&ListInvoicesResponse { invoices: vec![open, held], next: None }),
        "
        EXPIRES (UTC)     AMOUNT (SAT)  RECEIVED (SAT)  STATE
        2027-01-15 09:00           any               0  open, to be held
            1212121212121212121212121212121212121212121212121212121212121212
            tea
        2027-01-15 09:00         5,000           5,000  held until block 900000
            1212121212121212121212121212121212121212121212121212121212121212
            tea
        ",
    );
}

#[test]
fn one_invoice_is_shown_with_what_the_node_knows_of_it() {
    let held = Invoice {
        payment_hash: id("12"),
        invoice: "lnbcrt50u1".into(),
        amount_msat: Some(5_000_000),
        description: "tea".into(),
        created_at: 1_800_000_000,
        expires_at: 1_800_003_600,
        hold: true,
        received_msat: 5_000_000,
        parts: 2,
        state: InvoiceState::Held.into(),
        until_height: Some(900_000),
        ..Default::default()
    };
    shows(
        &render::invoices::invoice(&held),
        "
        payment      1212121212121212121212121212121212121212121212121212121212121212
        state        held until block 900000
        amount       5,000 sat
        description  tea
        made         2027-01-15 08:00:00
        expires      2027-01-15 09:00:00
        received     5,000 sat
        parts        2
        invoice      lnbcrt50u1
        ",
    );
    let paid = Invoice {
        payment_hash: id("12"),
        received_msat: 5_000_000,
        state: InvoiceState::Paid.into(),
        ended_at_ms: Some(1_800_000_100_000),
        preimage: Some(id("34")),
        ..Default::default()
    };
    shows(
        &render::invoices::invoice(&paid),
        "
        payment   1212121212121212121212121212121212121212121212121212121212121212
        state     paid
        received  5,000 sat
        ended     2027-01-15 08:01:40
        proof     3434343434343434343434343434343434343434343434343434343434343434
        ",
    );
}

#[test]
fn one_payment_is_shown_with_all_that_is_known_of_it() {
    let received = Payment {
        direction: PaymentDirection::Received.into(),
        preimage: Some(id("34")),
        ended_at_ms: Some(1_800_000_100_000),
        number: Some(7),
        custom_records: vec![CustomRecord { r#type: 65_537, value: "0102".into() }],
        ..payment(PaymentState::Succeeded)
    };
    shows(
        &render::payments::payment(&received),
        "
        payment    1212121212121212121212121212121212121212121212121212121212121212
        direction  received
        state      succeeded
        amount     50,000 sat
        proof      3434343434343434343434343434343434343434343434343434343434343434
        ended      2027-01-15 08:01:40
        number     7
        record     65537=0102
        ",
    );
    let failed = Payment {
        reason: Some("no way was found".into()),
        destination: Some(A.into()),
        ..payment(PaymentState::Failed)
    };
    let text = render::payments::payment(&failed);
    assert!(text.contains("reason     no way was found") && text.contains("fee        0 sat"), "{text}");
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
