//! Errors by which LND means that the channel stays (ADR 26).

use crate::pair::{A, B, Pair};
use astrape_channel::{Attribution, Command, Fault, Link, Reaction, Resolution};
use astrape_primitives::Msat;
use astrape_wire::{Error, Message};

fn error(pair: &Pair, text: &str) -> Message {
    Message::Error(Error { channel_id: pair.channel_id(), data: text.as_bytes().to_vec() })
}

#[test]
fn an_error_that_passes_ends_the_connection_and_not_the_channel() {
    for text in ["internal error", " internal error\n", "invalid revocation", "link failed to shutdown"] {
        let mut pair = Pair::default_ready();
        let message = error(&pair, text);
        let (fault, reaction) = pair.refused(A, message);
        assert!(matches!(fault, Fault::Passing(_)), "{fault}");
        assert_eq!(reaction, Reaction::Disconnect);
        pair.cut();
        pair.connect();
        pair.run();
        let hash = pair.pay(A, Msat(5_000_000));
        pair.run();
        assert!(pair.nodes[A].fulfilled.contains_key(&hash), "it goes on");
    }
}

// BOLT 1.the-error-and-warning-messages.13
#[test]
fn any_other_error_ends_the_channel() {
    for text in ["", "error", "internal errors", "Internal error", "internal error: disk", "sync error"] {
        let mut pair = Pair::default_ready();
        let message = error(&pair, text);
        pair.receive(A, message).expect("no fault");
        assert_eq!(pair.nodes[A].phase(), "closing", "{text}");
    }
}

#[test]
fn a_shutdown_that_is_refused_for_its_htlcs_waits_for_them_on_the_same_connection() {
    let mut pair = Pair::default_ready();
    let (held, preimage) = pair.pay_held(A, Msat(9_000_000));
    pair.run();
    let script = pair.nodes[A].shutdown_script.clone();
    pair.command(A, Command::Shutdown { script });
    // LND takes nothing of it, and answers.
    assert!(matches!(pair.intercept(A), Message::Shutdown(_)));
    let refusal = error(&pair, "link failed to shutdown");
    pair.receive(A, refusal.clone()).expect("the connection stays");
    assert!(pair.nodes[A].open().is_held_open());
    pair.nodes[B].plans.insert(held, Resolution::Fulfilled { preimage, attribution: Attribution::Silent });
    pair.run();
    assert!(pair.nodes[A].fulfilled.contains_key(&held) && !pair.nodes[A].open().is_held_open());
    let link = &pair.nodes[A].channel.as_ref().expect("there").link;
    assert!(matches!(link, Link::Up(up) if up.shutdown_refused), "it is not forgotten over a commitment");
    let (fault, _) = pair.refused(A, refusal);
    assert!(matches!(fault, Fault::Passing(_)), "nothing is left to wait for: {fault}");
    pair.cut();
    pair.connect();
    pair.run();
    assert!(pair.closing_txid(A).is_some() && pair.closing_txid(A) == pair.closing_txid(B));
}
