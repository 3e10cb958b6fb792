//! Closes: what they cost, and how they come about.

use super::{A, id, shows};
use astrape_api::v1::*;
use astrape_daemon::render;

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
        to keep for closes     20,000 sat
        Warning: 15,000 sat are missing on chain to close all channels in time when fees
        are high: send them to an address of `astrape newaddr`.
        ",
    );
    let opened = OpenChannelResponse { warning: render::money::reserve_warning(1), ..Default::default() };
    assert!(render::channels::opened(&opened).contains("Warning: 1 sat are missing"), "below");
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
        channel    {channel} with
                   {A}
        why        we went on chain: by the user's wish
        closed by  our commitment,
                   {txid}, in
                   block 120 (3 confirmations)
        ours       950,000 sat to come, 0 sat came back already, beside 1,100 sat that
                   fees took
        spendable  the last of it at block 263, in about 24 hours

        AMOUNT (SAT)  OUTPUT           CLAIMED BY
             900,000  eeeeeeeeeeee…:0  -
            ours, after a delay of 144 blocks: waits for block 263, in about 24 hours
              50,000  eeeeeeeeeeee…:0  cccccccccccc…
            payment to the peer: being claimed for a fee of 400 sat, due by block 140

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
        closed by  our commitment,
                   {}
        ours       950,000 sat came back, beside 1,100 sat that fees took
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
fn what_a_list_of_closes_has_no_room_for_is_said_and_how_to_ask_for_it() {
    let close = Close { outputs_left_out: 3, events_left_out: 1, keys_id: id("cd"), ..forced_close() };
    let answer = ListClosesResponse { closes: vec![close] };
    let shown = render::closes::closes(&answer, false);
    assert!(shown.contains("Left out: 3 outputs. `astrape onchain abababababab…` tells all.\n"), "{shown}");
    assert!(shown.contains("Left out: 1 earlier event. `astrape onchain"), "{shown}");
    let next = render::closes::next_page(&answer, 1);
    assert_eq!(next, format!("\nThere may be more: `astrape onchain --after {}`\n", id("cd")));
    assert_eq!(render::closes::next_page(&answer, 2), "", "all were told");
    let over = Close { over: true, number: Some(7), ..forced_close() };
    let next = render::closes::next_page(&ListClosesResponse { closes: vec![over] }, 1);
    assert_eq!(next, "\nThere may be more: `astrape onchain --before 7`\n");
}

#[test]
fn coins_that_are_missing_for_closes_are_told_below_the_channels() {
    let warning = render::money::reserve_warning(15_000);
    let answer = ListChannelsResponse { channels: vec![Channel::default()], warning: warning.clone() };
    let shown = render::channels::channels(&answer);
    let told = shown.split("\n\n").last().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(Some(told), warning, "{shown}");
}
