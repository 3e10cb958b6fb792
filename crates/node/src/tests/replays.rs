//! The same onion a second time.

use super::net::Net;
use crate::ledger::Fact;
use astrape_channel::htlc::{NewHtlc, OnionSource, Origin};
use astrape_channel::{Command, Event};
use astrape_primitives::{ChannelKeysId, Msat};
use astrape_wire::{Message, UpdateAddHtlc};

/// Three in a row; the first pays the last over the middle, and the first onion is kept for later.
fn paid() -> (Net, ChannelKeysId, UpdateAddHtlc) {
    let mut net = Net::new(3);
    let channel = net.open(0, 1);
    net.open(1, 2);
    let invoice = net.invoice(2, Msat(5_000_000));
    net.pay(0, &invoice).expect("there is a way");
    let add = net.intercept_until(0, 1, "update_add_htlc");
    net.receive(1, 0, &add);
    net.run();
    let Message::UpdateAddHtlc(add) = add else { panic!("{add:?}") };
    assert!(net.members[0].facts.iter().any(|fact| matches!(fact, Fact::PaymentSent { .. })));
    assert_eq!(net.times_said(1, "update_add_htlc"), 1);
    (net, channel, add)
}

/// The first offers the very same again: hash, expiry and onion.
fn replay(net: &mut Net, channel: ChannelKeysId, add: &UpdateAddHtlc) {
    offer(net, 0, channel, add);
    net.run();
}

/// A node offers what another has offered: hash, expiry and onion.
fn offer(net: &mut Net, who: usize, channel: ChannelKeysId, add: &UpdateAddHtlc) {
    let payment_hash = add.payment_hash;
    let new = NewHtlc {
        amount: add.amount_msat,
        payment_hash,
        cltv_expiry: add.cltv_expiry,
        onion: OnionSource::Packet(add.onion_routing_packet.clone()),
        origin: Origin::Payment { payment_hash, part: 9 },
    };
    net.misbehave(who, channel, Event::Command(Command::Add(new)));
    net.misbehave(who, channel, Event::Propose);
}

/// It was taken, as BOLT 2 wants, failed, and went no further.
fn is_failed(net: &Net, times: usize) {
    assert_eq!(net.times_said(0, "update_add_htlc"), 1 + times, "it was offered");
    assert_eq!(net.times_said(1, "update_add_htlc"), 1, "and not passed on");
    assert_eq!(net.times_said(1, "update_fail_htlc"), times);
    assert_eq!(net.times_said(1, "update_fulfill_htlc"), 1, "only the first was paid for");
}

// BOLT 4.onion-decryption.4
// attack 49
#[test]
fn an_onion_that_comes_again_is_failed_and_goes_no_further() {
    let (mut net, channel, add) = paid();
    replay(&mut net, channel, &add);
    is_failed(&net, 1);
}

// attack 49
#[test]
fn an_onion_that_comes_again_after_a_restart_is_failed_too() {
    let (mut net, channel, add) = paid();
    for times in 1..=3 {
        net.restart(1);
        net.connect(0, 1);
        net.connect(1, 2);
        net.run();
        replay(&mut net, channel, &add);
        is_failed(&net, times);
    }
}

// attack 49
#[test]
fn an_onion_that_comes_again_while_the_first_is_on_its_way_is_failed() {
    let mut net = Net::new(3);
    let channel = net.open(0, 1);
    net.open(1, 2);
    let invoice = net.invoice(2, Msat(5_000_000));
    net.pay(0, &invoice).expect("there is a way");
    let add = net.intercept_until(0, 1, "update_add_htlc");
    net.receive(1, 0, &add);
    let Message::UpdateAddHtlc(add) = add else { panic!("{add:?}") };
    // The last one does not answer: what was passed on stays where it is.
    while let Some((from, to, message)) = net.next_but(2) {
        net.receive(to, from, &message);
    }
    assert_eq!(net.times_said(1, "update_add_htlc"), 1);
    replay(&mut net, channel, &add);
    is_failed(&net, 1);
}

// BOLT 4.onion-decryption.4
// attack 49
#[test]
fn of_an_onion_that_two_bring_before_either_has_signed_one_goes_on() {
    for restarts in [false, true] {
        let mut net = Net::new(4);
        net.open(0, 1);
        net.open(1, 2);
        net.connect(3, 1);
        let other = net.open(3, 1);
        let invoice = net.invoice(2, Msat(5_000_000));
        net.pay(0, &invoice).expect("there is a way");
        let add = net.intercept_until(0, 1, "update_add_htlc");
        let signature = net.intercept_until(0, 1, "commitment_signed");
        net.receive(1, 0, &add);
        let Message::UpdateAddHtlc(add) = add else { panic!("{add:?}") };
        offer(&mut net, 3, other, &add);
        let again = net.intercept_until(3, 1, "update_add_htlc");
        net.receive(1, 3, &again);
        let its_signature = net.intercept_until(3, 1, "commitment_signed");
        net.receive(1, 0, &signature);
        net.receive(1, 3, &its_signature);
        if restarts {
            net.restart(1);
            for peer in [2, 0, 3] {
                net.connect(1, peer);
                net.run();
            }
        }
        net.run();
        assert_eq!(net.times_said(1, "update_add_htlc"), 1, "only one is passed on");
        assert!(net.members[0].facts.iter().any(|fact| matches!(fact, Fact::PaymentSent { .. })));
        assert_eq!(net.times_said(1, "update_fail_htlc"), 1, "it signed later");
    }
}
