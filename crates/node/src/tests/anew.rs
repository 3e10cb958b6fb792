//! Connections that must begin anew before a channel gets on.

use super::net::Net;
use crate::command::{Command, Reply};
use crate::input::Input;
use astrape_channel::{Link, Phase};
use astrape_primitives::{ChannelId, ChannelKeysId, Msat, Timestamp};
use astrape_wire::{Error, Message};

/// A few seconds later, second by second, as the daemon has it.
fn wait(net: &mut Net, who: usize, seconds: u64) {
    for _ in 0..seconds {
        net.now = Timestamp(net.now.0 + 1_000);
        net.input(who, Input::Tick);
    }
}

fn link<'n>(net: &'n Net, who: usize, channel: &ChannelKeysId) -> &'n Link {
    &net.members[who].node.channel(channel).expect("it is kept").link
}

/// The opener waits for its peer, which came back before the funding was in a block and has not told where it is: the opener's name
/// for the channel, and what the peer should have told.
fn comes_back_unconfirmed() -> (Net, ChannelKeysId, Message) {
    let mut net = Net::new(2);
    net.is_checked = true;
    let channel = net.propose(0, 1);
    net.run();
    net.cut(0, 1);
    net.connect(0, 1);
    // LND has it lie until it has made a link of the channel.
    let told = net.intercept(1, 0).expect("it tells");
    assert_eq!(told.name(), "channel_reestablish");
    net.clear(0, 1);
    let funding = net.members[0].broadcast.last().cloned().expect("it is broadcast");
    net.mine(vec![funding]);
    for _ in 0..6 {
        net.mine(Vec::new());
    }
    net.clear(1, 0);
    (net, channel, told)
}

/// What the peer says of its readiness, out of its turn.
fn channel_ready(net: &Net, channel: &ChannelKeysId) -> Message {
    let theirs = net.channels(1)[0];
    let open = net.members[1].node.channel(&theirs).and_then(|c| c.open()).expect("funded");
    let channel_id = net.members[0].node.channel(channel).expect("funded").channel_id();
    Message::ChannelReady(astrape_wire::ChannelReady {
        channel_id,
        second_per_commitment_point: open.local.points[1],
        short_channel_id: None,
    })
}

/// LND tells where it is only once it has our `channel_ready`, which we do not say before it has told.
#[test]
fn a_peer_that_is_ready_and_does_not_tell_where_it_is_is_hung_up_on_once() {
    let (mut net, channel, _) = comes_back_unconfirmed();
    let ready = channel_ready(&net, &channel);
    net.receive(0, 1, &ready);
    wait(&mut net, 0, 4);
    assert!(net.is_up(0, 1), "it has a few seconds");
    wait(&mut net, 0, 3);
    assert!(!net.is_up(0, 1));
    assert_eq!(link(&net, 0, &channel), &Link::Down);
    // On the next connection it is as silent as before: that is no news.
    net.connect(0, 1);
    net.clear(1, 0);
    net.receive(0, 1, &ready);
    wait(&mut net, 0, 120);
    assert!(net.is_up(0, 1), "once for each readiness");
    net.cut(0, 1);
    net.connect(0, 1);
    net.run();
    assert!(net.members[0].node.channel(&channel).is_some_and(astrape_channel::Channel::is_usable));
}

#[test]
fn a_peer_that_does_not_tell_where_it_is_is_left_in_peace_while_it_is_not_ready() {
    let (mut net, channel, _) = comes_back_unconfirmed();
    wait(&mut net, 0, 120);
    assert!(net.is_up(0, 1));
    assert!(matches!(link(&net, 0, &channel), Link::Reestablishing(_)));
}

#[test]
fn a_peer_that_tells_where_it_is_just_after_it_is_ready_is_not_hung_up_on() {
    let (mut net, channel, told) = comes_back_unconfirmed();
    let ready = channel_ready(&net, &channel);
    net.receive(0, 1, &ready);
    wait(&mut net, 0, 2);
    net.receive(0, 1, &told);
    wait(&mut net, 0, 120);
    assert!(net.is_up(0, 1));
    assert!(matches!(link(&net, 0, &channel), Link::Up(_)));
}

/// LND before 0.18 does not take `shutdown` while there are HTLCs, and forgets it.
#[test]
fn a_shutdown_that_was_refused_is_said_again_on_a_new_connection_when_its_htlcs_are_gone() {
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    let invoice = net.hold_invoice(1, Msat(5_000_000), true);
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    let script = super::net::script(9);
    let channel_id = net.members[0].node.channel(&channel).expect("open").channel_id();
    assert_eq!(net.command(0, Command::CloseChannel { channel, script }), Ok(Reply::Done));
    assert!(matches!(net.intercept(0, 1), Some(Message::Shutdown(_))));
    net.receive(0, 1, &Message::Error(Error { channel_id, data: b"link failed to shutdown".to_vec() }));
    wait(&mut net, 0, 30);
    assert!(net.is_up(0, 1), "its HTLC needs the connection");
    let settle =
        Command::SettleInvoice { payment_hash: invoice.payment_hash(), preimage: None, earlier: None };
    assert_eq!(net.command(1, settle), Ok(Reply::Done));
    net.run();
    assert!(net.is_up(0, 1));
    wait(&mut net, 0, 1);
    assert!(!net.is_up(0, 1));
    net.connect(0, 1);
    net.run();
    let phase = net.members[0].node.channel(&channel).map(|c| &c.phase);
    assert!(matches!(phase, Some(Phase::Closing(_))), "{phase:?}");
    assert_eq!(net.times_said(0, "error") + net.times_said(1, "error"), 0);
}

/// LND's, where something went wrong within it. It keeps the channel.
#[test]
fn an_error_of_the_peers_own_ends_the_connection_and_no_channel() {
    for of_all in [false, true] {
        let mut net = Net::new(2);
        let channels = [net.open(0, 1), net.open(0, 1)];
        let broadcast = net.members[0].broadcast.len();
        let named = net.members[0].node.channel(&channels[0]).expect("open").channel_id();
        let channel_id = if of_all { ChannelId::ALL } else { named };
        net.receive(0, 1, &Message::Error(Error { channel_id, data: b"internal error".to_vec() }));
        assert!(!net.is_up(0, 1));
        assert_eq!(net.members[0].broadcast.len(), broadcast);
        net.connect(0, 1);
        net.run();
        for channel in channels {
            let channel = net.members[0].node.channel(&channel);
            assert!(channel.is_some_and(astrape_channel::Channel::is_usable));
        }
    }
}
