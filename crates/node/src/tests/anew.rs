//! Connections that must begin anew before a channel gets on.

use super::net::Net;
use crate::input::Input;
use astrape_channel::Link;
use astrape_primitives::{ChannelKeysId, Timestamp};
use astrape_wire::Message;

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
