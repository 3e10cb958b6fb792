//! What others would have of our money: a preimage that is not theirs, a feerate that nobody relays.

use super::net::Net;
use crate::input::{ChainInput, Input};
use crate::ledger::Fact;
use astrape_primitives::{FeeratePerKw, Msat};
use astrape_wire::{Error, Message, UpdateFee};

// attack 3
#[test]
fn the_preimage_of_an_invoice_of_ours_pays_for_nothing_that_is_passed_on() {
    let mut net = Net::new(3);
    net.open(0, 1);
    net.open(1, 2);
    let own = net.invoice(1, Msat(5_000_000));
    let preimage = net.preimages[&own.payment_hash()];
    // The last in the row asks for a small payment with the hash of the middle's invoice.
    let colluding = net.invoice_for_hash(2, Msat(1_000_000), own.payment_hash());
    net.pay(0, &colluding).expect("there is a way");
    let add = net.intercept_until(0, 1, "update_add_htlc");
    net.receive(1, 0, &add);
    while let Some((from, to, message)) = net.next_but(2) {
        net.receive(to, from, &message);
    }
    assert_eq!(net.times_said(1, "update_add_htlc"), 1, "it is passed on");
    assert_eq!(net.times_said(1, "update_fulfill_htlc"), 0);
    // Then the payer goes on chain, with the HTLC in both commitments.
    let payer = net.id(0);
    let (_, channel) = net.members[1].node.channels().find(|(_, c)| c.peer() == payer).expect("open");
    let error = Error { channel_id: channel.channel_id(), data: b"to the chain".to_vec() };
    net.receive(1, 0, &Message::Error(error));
    net.run();
    let knows = |bytes: &[u8]| bytes.windows(32).any(|window| window == preimage.0);
    assert_eq!(net.times_said(1, "update_fulfill_htlc"), 0);
    for tx in &net.members[1].broadcast {
        assert!(!knows(&bitcoin::consensus::serialize(tx)), "the preimage is in no transaction");
    }
    for (_, message) in &net.members[1].said {
        assert!(!knows(&message.encode().expect("it was said")), "nor in {}", message.name());
    }
    // The invoice is still good for who pays it.
    assert!(net.members[1].node.invoice(&own.payment_hash()).is_some());
}

// attack 42
#[test]
fn a_feerate_that_nobody_relays_is_warned_of_and_changes_nothing() {
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    net.input(1, Input::Chain(ChainInput::Feerate(FeeratePerKw(5_000))));
    let before = net.members[1].node.channel(&channel).map(|c| c.channel_id());
    let id = net.members[1].node.channels().next().expect("open").1.channel_id();
    assert_eq!(before, None, "each has a name of its own for it");
    let low = Message::UpdateFee(UpdateFee { channel_id: id, feerate_per_kw: FeeratePerKw(252) });
    net.receive(1, 0, &low);
    assert_eq!((net.times_said(1, "warning"), net.times_said(1, "error")), (1, 0));
    let open = net.members[1].node.channels().next().and_then(|(_, c)| c.open().cloned()).expect("open");
    assert!(open.fees.newest() >= FeeratePerKw::FLOOR, "the commitment that we could broadcast is as it was");
    assert!(net.members[1].broadcast.is_empty(), "and nobody has to go on chain for it");
    // It hung up; the peer comes back and pays.
    net.connect(0, 1);
    net.run();
    let invoice = net.invoice(1, Msat(1_000_000));
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    assert!(net.members[0].facts.iter().any(|fact| matches!(fact, Fact::PaymentSent { .. })));
}
