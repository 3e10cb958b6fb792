//! Others who find out by failures what a channel has, and how often they can.

use super::net::Net;
use crate::ledger::Fact;
use astrape_payment::probing::{MAX_ACCOUNTS, MAX_UNPAID, REGAIN_MILLIS, REGAINED_BY_PAID, Unpaid};
use astrape_primitives::{ChannelKeysId, Msat, PaymentHash};
use astrape_wire::Message;

const AMOUNT: Msat = Msat(1_000_000);

const PROBER: usize = 0;
const MIDDLE: usize = 1;
const HONEST: usize = 2;
/// The node behind the channel that is probed.
const LAST: usize = 3;

/// Two who pay, a node in the middle, and a node behind it.
fn star() -> Net {
    let mut net = Net::new(4);
    net.open(PROBER, MIDDLE);
    net.open(HONEST, MIDDLE);
    net.connect(MIDDLE, LAST);
    net.open(MIDDLE, LAST);
    net
}

/// A payment of a hash that its recipient does not know: whether the middle has passed it on, and what its sender is told.
fn probe(net: &mut Net, amount: Msat) -> (bool, String) {
    let hash = PaymentHash(net.fresh32());
    let invoice = net.invoice_for_hash(LAST, amount, hash);
    net.members[MIDDLE].said.clear();
    net.members[PROBER].facts.clear();
    net.pay(PROBER, &invoice).expect("our own channel carries it");
    net.run();
    let said = &net.members[MIDDLE].said;
    let passed = said.iter().any(|(_, message)| matches!(message, Message::UpdateAddHtlc(_)));
    match &net.members[PROBER].facts[..] {
        [Fact::PaymentFailed { reason, .. }] => (passed, reason.clone()),
        other => panic!("{other:?}"),
    }
}

/// Whether an honest payment arrives.
fn pays(net: &mut Net, from: usize) -> bool {
    let invoice = net.invoice(LAST, AMOUNT);
    net.members[from].facts.clear();
    net.pay(from, &invoice).expect("our own channel carries it");
    net.run();
    matches!(net.members[from].facts[..], [Fact::PaymentSent { .. }])
}

// attack 51
#[test]
fn who_probes_again_and_again_gets_so_many_answers_and_takes_nothing_from_others() {
    let mut net = star();
    assert!(pays(&mut net, HONEST) && pays(&mut net, PROBER));
    for number in 0..MAX_UNPAID {
        let (passed, told) = probe(&mut net, AMOUNT);
        assert!(passed, "probe {number}: {told}");
    }
    let (passed, told) = probe(&mut net, AMOUNT);
    assert!(!passed && told.contains("did not pass it on"), "{told}");
    assert!(!pays(&mut net, PROBER), "what would arrive tells no more than what would not");
    assert!(pays(&mut net, HONEST), "who comes over another channel pays as before");
    // Time gives back, and so does what is paid.
    net.now = net.now.plus(REGAIN_MILLIS);
    assert!(pays(&mut net, PROBER));
    for _ in 0..=REGAINED_BY_PAID {
        assert!(probe(&mut net, AMOUNT).0);
    }
    assert!(!probe(&mut net, AMOUNT).0);
}

// attack 51
#[test]
fn what_an_empty_channel_does_not_take_is_counted_too() {
    let mut net = star();
    let invoice = net.invoice(LAST, Msat(200_000_000));
    net.pay(MIDDLE, &invoice).expect("it has that much");
    net.run();
    let hash = PaymentHash(net.fresh32());
    let invoice = net.invoice_for_hash(LAST, Msat(500_000_000), hash);
    net.members[MIDDLE].said.clear();
    net.pay(PROBER, &invoice).expect("our own channel carries it");
    while net.times_said(MIDDLE, "update_fail_htlc") == 0 {
        let (from, to, message) = net.next().expect("the middle answers");
        net.receive(to, from, &message);
    }
    assert_eq!(net.times_said(MIDDLE, "update_add_htlc"), 0, "it has less than that");
    let accounts: Vec<Unpaid> = net.members[MIDDLE].node.unpaid.values().copied().collect();
    assert!(matches!(accounts[..], [account] if !account.is_clear(net.now)), "{accounts:?}");
}

#[test]
fn accounts_of_what_came_back_are_kept_up_to_a_bound_and_the_oldest_go_first() {
    let mut net = star();
    let account = Unpaid::default().after_unpaid(net.now);
    for number in 0..MAX_ACCOUNTS {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&number.to_be_bytes());
        net.members[MIDDLE].node.unpaid.insert((ChannelKeysId(name), ChannelKeysId(name)), account);
    }
    net.now = net.now.plus(1);
    assert!(probe(&mut net, AMOUNT).0);
    let kept = &net.members[MIDDLE].node.unpaid;
    assert!(kept.len() <= MAX_ACCOUNTS && kept.len() > MAX_ACCOUNTS / 2);
    assert!(kept.values().any(|other| *other > account), "the newest is there");
}
