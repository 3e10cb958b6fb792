//! How long each hop holds a payment of ours: told by the hops, whether it arrives or not.

use super::net::Net;
use super::ways::net;
use crate::command::{Command, Reply};
use crate::input::{Input, PeerEvent};
use astrape_payment::TripEnd;
use astrape_primitives::Msat;

const AMOUNT: Msat = Msat(50_000_000);

/// A payer, two nodes in a row, and the recipient, who holds a payment.
fn held() -> (Net, astrape_invoice::Invoice) {
    let mut net = net(4, &[(0, 1), (1, 2), (2, 3)]);
    let invoice = net.hold_invoice(3, AMOUNT, true);
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    (net, invoice)
}

/// Time goes by in which everybody is there.
fn later(net: &mut Net, millis: u64) {
    net.now = net.now.plus(millis);
    for (who, other) in [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)] {
        let peer = net.id(other);
        net.input(who, Input::Peer { peer, event: PeerEvent::Heard });
    }
}

/// The recipient ends it after five seconds, and the first hop hears of it three seconds after the second has.
fn end(net: &mut Net, command: Command, message: &str) {
    later(net, 5_000);
    assert_eq!(net.command(3, command), Ok(Reply::Done));
    while !net.members[2].said.iter().any(|(_, said)| said.name() == message) {
        let (from, to, next) = net.next().expect("it is on its way");
        net.receive(to, from, &next);
    }
    let answer = net.intercept_until(2, 1, message);
    later(net, 3_000);
    net.receive(1, 2, &answer);
    net.run();
}

// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.11
#[test]
fn a_payer_learns_how_long_each_hop_held_what_arrived_and_which_channel_is_slow() {
    let (mut net, invoice) = held();
    let settle =
        Command::SettleInvoice { payment_hash: invoice.payment_hash(), preimage: None, earlier: None };
    end(&mut net, settle, "update_fulfill_htlc");
    let [trip] = &net.trips[..] else { panic!("{:?}", net.trips) };
    assert!(matches!(trip.end, TripEnd::Arrived { .. }));
    assert_eq!((trip.payment_hash, trip.took_ms), (invoice.payment_hash(), 8_000));
    assert_eq!(trip.hold_times(), [8_000, 5_000, 5_000]);
    let slow: Vec<u64> = trip.delays(&trip.hold_times()).into_iter().map(|(_, delay)| delay).collect();
    assert_eq!(slow, [3_000, 0], "the channel between the first and the second");
}

// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.11
#[test]
fn a_payer_learns_how_long_each_hop_held_what_came_back() {
    let (mut net, invoice) = held();
    let cancel = Command::CancelInvoice { payment_hash: invoice.payment_hash(), earlier: None };
    end(&mut net, cancel, "update_fail_htlc");
    let trip = net.trips.first().expect("it came back");
    assert!(matches!(trip.end, TripEnd::Failed { by: Some(2), .. }), "{trip:?}");
    assert_eq!(trip.hold_times(), [8_000, 5_000, 5_000]);
}
