//! `shutdown`.

use crate::pair::{A, B, Pair, Setup, p2wpkh};
use astrape_channel::output::Story;
use astrape_channel::{Command, Fault, Output, Phase, Reaction, Refusal};
use astrape_primitives::{Features, HtlcId, Msat};
use astrape_wire::{Message, Shutdown};
use bitcoin::ScriptBuf;

fn shutdown(pair: &mut Pair, who: usize) {
    let script = pair.nodes[who].shutdown_script.clone();
    pair.command(who, Command::Shutdown { script });
}

fn message(pair: &Pair, script: Vec<u8>) -> Message {
    Message::Shutdown(Shutdown { channel_id: pair.channel_id(), scriptpubkey: ScriptBuf::from(script) })
}

/// `OP_n` and a push of `len` bytes.
fn witness_program(version: u8, len: u8) -> Vec<u8> {
    let opcode = if version == 0 { 0 } else { 0x50 + version };
    let mut bytes = vec![opcode, len];
    bytes.resize(usize::from(len) + 2, 5);
    bytes
}

fn closed_alike(pair: &Pair) {
    assert!(pair.closing_txid(A).is_some());
    assert_eq!(pair.closing_txid(A), pair.closing_txid(B));
}

// BOLT 2.closing-initiation-shutdown.4
// BOLT 2.closing-initiation-shutdown.18
// BOLT 2.legacy-closing-negotiation-closing_signed.1
#[test]
fn either_side_may_close_and_both_end_alike() {
    for anchors in [true, false] {
        for who in [A, B] {
            let mut pair = Pair::ready(Setup { anchors, ..Setup::default() });
            shutdown(&mut pair, who);
            shutdown(&mut pair, who);
            pair.run();
            closed_alike(&pair);
            assert!(pair.nodes.iter().all(|n| n.times_said("shutdown") == 1));
            let by_us = |n: usize| {
                pair.nodes[n].saw(|o| matches!(o, Output::Story(Story::ShuttingDown { by_us: true })))
            };
            assert_eq!([by_us(A), by_us(B)], [who == A, who == B]);
        }
    }
}

#[test]
fn both_may_begin_at_once() {
    let mut pair = Pair::default_ready();
    shutdown(&mut pair, A);
    shutdown(&mut pair, B);
    pair.run();
    closed_alike(&pair);
    assert!(pair.nodes.iter().all(|n| n.times_said("shutdown") == 1));
}

// BOLT 2.closing-initiation-shutdown.1
// BOLT 2.closing-initiation-shutdown.15
#[test]
fn there_is_nothing_to_shut_down_before_both_have_signed() {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.deliver(A).expect("good");
    let m = Message::Shutdown(Shutdown {
        channel_id: astrape_primitives::ChannelId([77; 32]),
        scriptpubkey: p2wpkh(1),
    });
    for who in [A, B] {
        assert!(matches!(pair.receive(who, m.clone()), Err(Fault::Unexpected { .. })));
    }
    shutdown(&mut pair, A);
    assert_eq!(pair.nodes[A].times_said("shutdown"), 0);
    assert_eq!(pair.nodes[A].phase(), "none", "it is cancelled");
}

// BOLT 2.closing-initiation-shutdown.2
// BOLT 2.closing-initiation-shutdown.17
#[test]
fn a_channel_may_close_before_it_is_ready() {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.run();
    shutdown(&mut pair, B);
    pair.run();
    closed_alike(&pair);
}

// BOLT 2.closing-initiation-shutdown.3
// BOLT 2.closing-initiation-shutdown.6
// BOLT 2.closing-initiation-shutdown.7
#[test]
fn what_waits_is_refused_and_what_is_pending_is_settled_first() {
    let mut pair = Pair::default_ready();
    let (held, preimage) = pair.pay_held(A, Msat(9_000_000));
    pair.run();
    let waiting = pair.pay(A, Msat(1_000_000));
    let on_its_way = pair.pay(B, Msat(1_000_000));
    pair.propose(B);
    shutdown(&mut pair, A);
    assert!(matches!(pair.nodes[A].not_offered[&waiting], Refusal::NotUsable(_)));
    let late = pair.pay(A, Msat(1_000_000));
    assert!(pair.nodes[A].not_offered.contains_key(&late));
    pair.run();
    assert!(pair.nodes[B].fulfilled.contains_key(&on_its_way), "it crossed the shutdown");
    assert_eq!(pair.nodes[A].times_said("update_add_htlc"), 1);
    assert_eq!([pair.nodes[A].phase(), pair.nodes[B].phase()], ["open", "open"], "one is held");
    assert_eq!(pair.nodes[A].times_said("closing_signed"), 0);
    let plan = astrape_channel::Resolution::Fulfilled {
        preimage,
        attribution: astrape_channel::Attribution::Silent,
    };
    pair.nodes[B].plans.insert(held, plan);
    pair.run();
    closed_alike(&pair);
    let last_update =
        pair.nodes[B].said.iter().rposition(|m| m.starts_with("update_")).expect("it fulfilled");
    let negotiation = pair.nodes[B].said.iter().position(|m| *m == "closing_signed").expect("it closed");
    assert!(last_update < negotiation);
}

#[test]
fn a_feerate_on_its_way_arrives_before_the_closing_transaction_is_spoken_of() {
    let mut pair = Pair::default_ready();
    pair.command(A, Command::UpdateFee(astrape_primitives::FeeratePerKw(1500)));
    pair.propose(A);
    shutdown(&mut pair, A);
    pair.run();
    closed_alike(&pair);
    let place = |name: &str| pair.nodes[A].said.iter().rposition(|m| *m == name).expect("said");
    assert!(place("revoke_and_ack") < place("closing_signed"));
    assert!(pair.nodes.iter().all(|n| n.open().fees.changes().len() == 1));
}

#[test]
fn a_feerate_that_waits_is_dropped_when_there_is_nothing_left_but_to_close() {
    for before in [true, false] {
        let mut pair = Pair::default_ready();
        let feerate = Command::UpdateFee(astrape_primitives::FeeratePerKw(1500));
        if before {
            pair.command(A, feerate);
            shutdown(&mut pair, A);
        } else {
            shutdown(&mut pair, A);
            pair.command(A, feerate);
        }
        pair.propose(A);
        pair.run();
        closed_alike(&pair);
        assert_eq!(pair.nodes[A].times_said("update_fee"), 0);
    }
}

#[test]
fn the_negotiation_waits_for_the_peers_shutdown_on_this_connection() {
    let mut pair = Pair::default_ready();
    shutdown(&mut pair, A);
    pair.deliver_until(A, "shutdown");
    pair.deliver_until(B, "shutdown");
    pair.cut();
    pair.connect();
    let said = pair.nodes[A].said.len();
    pair.deliver_until(B, "channel_reestablish");
    assert_eq!(pair.nodes[A].said[said..], ["channel_ready", "shutdown"]);
    pair.deliver_until(A, "channel_reestablish");
    pair.deliver_until(B, "shutdown");
    assert_eq!(pair.nodes[A].said[said..], ["channel_ready", "shutdown", "closing_signed"]);
    pair.run();
    closed_alike(&pair);
}

#[test]
fn the_peer_adds_nothing_after_its_shutdown() {
    let mut pair = Pair::default_ready();
    pair.pay_held(A, Msat(9_000_000));
    pair.run();
    let m = message(&pair, p2wpkh(1).into_bytes());
    pair.receive(B, m).expect("good");
    let add = astrape_wire::UpdateAddHtlc {
        channel_id: pair.channel_id(),
        id: HtlcId(1),
        amount_msat: Msat(1_000_000),
        payment_hash: astrape_primitives::PaymentHash([1; 32]),
        cltv_expiry: astrape_primitives::CltvExpiry(900),
        onion_routing_packet: astrape_wire::OnionPacket::from_bytes(&[0; 1366]),
        path_key: None,
    };
    let (fault, reaction) = pair.refused(B, Message::UpdateAddHtlc(add.clone()));
    assert_eq!((fault, reaction), (Fault::AfterShutdown("update_add_htlc"), Reaction::Disconnect));
    // Nor does it shut down upon adds that it has not signed.
    let mut pair = Pair::default_ready();
    let add = astrape_wire::UpdateAddHtlc { id: HtlcId(0), ..add };
    pair.receive(B, Message::UpdateAddHtlc(add)).expect("good");
    let m = message(&pair, p2wpkh(1).into_bytes());
    let (fault, _) = pair.refused(B, m);
    assert!(matches!(fault, Fault::Shutdown(_)));
}

// BOLT 2.closing-initiation-shutdown.10
// BOLT 2.closing-initiation-shutdown.11
// BOLT 2.closing-initiation-shutdown.12
// BOLT 2.closing-initiation-shutdown.13
// BOLT 2.closing-initiation-shutdown.14
// BOLT 2.closing-initiation-shutdown.16
#[test]
fn only_the_forms_of_the_bolt_are_sent_and_taken() {
    let op_return = [vec![0x6a, 6], vec![1; 6]].concat();
    let p2pkh = [vec![0x76, 0xa9, 20], vec![1; 20], vec![0x88, 0xac]].concat();
    let p2sh = [vec![0xa9, 20], vec![1; 20], vec![0x87]].concat();
    let always = [witness_program(0, 20), witness_program(0, 32)];
    let anysegwit = [witness_program(1, 32), witness_program(16, 2), witness_program(2, 40)];
    let never = [
        witness_program(0, 21),
        witness_program(1, 41),
        witness_program(1, 1),
        op_return,
        p2pkh,
        p2sh,
        vec![],
    ];
    let cases = always.into_iter().map(|s| (s, true, true));
    let cases = cases.chain(anysegwit.into_iter().map(|s| (s, true, false)));
    let cases: Vec<_> = cases.chain(never.into_iter().map(|s| (s, false, false))).collect();
    for (script, with, without) in cases {
        for (negotiated, allowed) in [(true, with), (false, without)] {
            let mut pair = Pair::default_ready();
            if !negotiated {
                pair.nodes[B].features = Features::empty();
            }
            pair.command(A, Command::Shutdown { script: ScriptBuf::from(script.clone()) });
            assert_eq!(pair.nodes[A].times_said("shutdown") == 1, allowed, "{script:?}");
            let refused = pair.nodes[A].saw(|o| matches!(o, Output::Refused(Refusal::Close(_))));
            assert_eq!(refused, !allowed);
            let m = message(&pair, script.clone());
            let answer = pair.receive(B, m);
            assert_eq!(answer.is_ok(), allowed, "{script:?}");
            assert!(allowed || matches!(answer, Err(Fault::Shutdown(_))));
        }
    }
}

#[test]
fn a_peer_that_knows_no_taproot_is_answered_with_a_script_that_it_knows() {
    for anchors in [true, false] {
        let mut pair = Pair::ready(Setup { anchors, ..Setup::default() });
        pair.nodes[A].features = Features::empty();
        pair.nodes[B].features = Features::empty();
        shutdown(&mut pair, A);
        pair.run();
        closed_alike(&pair);
        assert!(!pair.nodes[B].saw(|o| matches!(o, Output::ShutdownScriptNeeded)), "the wallet has none");
        let open = pair.nodes[B].open();
        let script = open.shutdown.local.clone().expect("answered");
        assert_eq!(script, open.plain_close_script());
        assert!(if anchors { script.is_p2wsh() } else { script.is_p2wpkh() });
    }
}

/// Both are bound to `p2wpkh(50)` and `p2wpkh(60)`.
fn bound() -> Pair {
    let mut pair = Pair::new(Setup::default());
    pair.upfront = [Some(p2wpkh(50)), Some(p2wpkh(60))];
    pair.propose_channel();
    pair.run();
    pair.confirm_funding();
    pair.run();
    pair
}

// BOLT 2.closing-initiation-shutdown.9
#[test]
fn we_stand_by_the_script_that_we_promised() {
    let mut pair = bound();
    pair.command(A, Command::Shutdown { script: p2wpkh(51) });
    assert!(pair.nodes[A].saw(|o| matches!(o, Output::Refused(Refusal::Close(_)))));
    assert_eq!(pair.nodes[A].times_said("shutdown"), 0);
    pair.command(A, Command::Shutdown { script: p2wpkh(50) });
    pair.run();
    closed_alike(&pair);
    assert_eq!(pair.nodes[B].open().shutdown.local, Some(p2wpkh(60)), "answered without asking");
    assert!(!pair.nodes[B].saw(|o| matches!(o, Output::ShutdownScriptNeeded)));
}

// BOLT 2.closing-initiation-shutdown.20
#[test]
fn a_peer_is_held_to_the_script_that_it_promised() {
    let mut pair = bound();
    let m = message(&pair, p2wpkh(51).into_bytes());
    let (fault, reaction) = pair.refused(B, m);
    assert!(matches!(fault, Fault::Shutdown(_)));
    assert_eq!(reaction, Reaction::Disconnect);
}

#[test]
fn a_peer_does_not_change_the_script_of_its_shutdown() {
    let mut pair = Pair::default_ready();
    pair.pay_held(A, Msat(9_000_000));
    pair.run();
    for script in [51, 51] {
        let m = message(&pair, p2wpkh(script).into_bytes());
        pair.receive(B, m).expect("the same twice does no harm");
    }
    let m = message(&pair, p2wpkh(52).into_bytes());
    let (fault, _) = pair.refused(B, m);
    assert!(matches!(fault, Fault::Shutdown(_)));
}

// BOLT 2.message-retransmission.50
#[test]
fn shutdown_is_said_again_after_a_cut_wherever_it_comes() {
    // With an HTLC pending, so that the close takes a while; cut after each message until the end.
    for messages in 0.. {
        let mut pair = Pair::default_ready();
        let hash = pair.pay(A, Msat(9_000_000));
        pair.propose(A);
        shutdown(&mut pair, B);
        let mut more = true;
        for n in 0..messages {
            more = pair.step(n % 2);
        }
        let said = [A, B].map(|who| pair.nodes[who].times_said("shutdown"));
        pair.cut();
        pair.connect();
        let closing = [A, B].map(|who| pair.nodes[who].open().shutdown.local.is_some());
        pair.run();
        for who in [A, B] {
            let again = pair.nodes[who].times_said("shutdown") - said[who];
            assert_eq!(again, 1, "{who}, which had{} begun", if closing[who] { "" } else { " not" });
        }
        closed_alike(&pair);
        assert!(pair.nodes[A].fulfilled.contains_key(&hash));
        if !more {
            assert!(messages > 10);
            break;
        }
    }
}

#[test]
fn a_close_that_is_wanted_without_a_connection_begins_when_the_peer_is_back() {
    let mut pair = Pair::default_ready();
    pair.cut();
    shutdown(&mut pair, A);
    assert_eq!(pair.nodes[A].times_said("shutdown"), 0);
    pair.connect();
    pair.run();
    closed_alike(&pair);
}

// BOLT 2.closing-initiation-shutdown.8
#[test]
fn htlcs_that_come_after_our_shutdown_are_known_for_it_and_those_before_are_not() {
    let mut pair = Pair::default_ready();
    pair.pay_held(A, Msat(9_000_000));
    pair.run();
    // Added, and not signed yet.
    pair.pay(A, Msat(1_000_000));
    pair.propose(A);
    pair.deliver(A).expect("an HTLC");
    shutdown(&mut pair, B);
    let is_late = |pair: &Pair, id: u64| pair.nodes[B].open().is_after_shutdown(HtlcId(id));
    assert_eq!([0, 1, 2].map(|id| is_late(&pair, id)), [false, false, true]);
    pair.cut();
    pair.connect();
    pair.run();
    assert_eq!([0, 1, 2].map(|id| is_late(&pair, id)), [false, false, true], "it is said once");
    // An older version has said it, and did not note when.
    let channel = pair.nodes[B].channel.as_mut().expect("open");
    let Phase::Open(open) = &mut channel.phase else { panic!("open") };
    open.shutdown.late_from = None;
    assert!(!is_late(&pair, 2));
    pair.cut();
    pair.connect();
    pair.run();
    assert_eq!([0, 1, 2].map(|id| is_late(&pair, id)), [false, false, true]);
}
