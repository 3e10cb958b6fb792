//! Every message that there is, in every state that a node goes through: early, late, twice, out of nowhere, and of features
//! that this node does not have.

use super::net::Net;
use crate::effect::{Effect, Speech};
use crate::input::{Input, PeerEvent, PeerMessage};
use crate::node::Node;
use astrape_channel::{Channel, Outgoing, Phase};
use astrape_onion::PeelFailure;
use astrape_primitives::{ChannelId, Entropy, NodeId};
use astrape_wire::{Decoded, Message};
use std::sync::Arc;

#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with the tests of another crate, which use more of it"
)]
#[path = "../../../wire/tests/it/generate.rs"]
mod generate;

/// A node as it was at some time, and the peer that the hostile messages come from.
struct Moment {
    node: Node,
    from: NodeId,
}

/// A life: opened, used, cut, closed; the states of both ends, and all that they said.
fn life() -> (Net, Vec<Moment>, Vec<Message>) {
    let mut net = Net::new(2);
    let (mut moments, mut messages) = (Vec::new(), Vec::new());
    let mut note = |net: &Net, every: usize, count: &mut usize| {
        *count += 1;
        if count.is_multiple_of(every) {
            for (who, other) in [(0, 1), (1, 0)] {
                moments.push(Moment { node: net.members[who].node.clone(), from: net.id(other) });
            }
        }
    };
    let mut count = 0;
    let mut run = |net: &mut Net, every: usize, count: &mut usize| {
        note(net, 1, count);
        while let Some((from, to, message)) = net.next() {
            net.receive(to, from, &message);
            note(net, every, count);
        }
    };
    let channel = net.propose(0, 1);
    run(&mut net, 1, &mut count);
    let tx = net.members[0].broadcast.last().cloned().expect("the funding");
    net.mine(vec![tx]);
    for _ in 0..6 {
        net.mine(Vec::new());
        run(&mut net, 1, &mut count);
    }
    let invoice = net.invoice(1, astrape_primitives::Msat(5_000_000));
    net.pay(0, &invoice).expect("there is a way");
    run(&mut net, 1, &mut count);
    net.cut(0, 1);
    net.connect(0, 1);
    run(&mut net, 1, &mut count);
    let script = super::net::script(8);
    let close = crate::Command::CloseChannel { channel, script };
    net.command(0, close).expect("it may be closed");
    run(&mut net, 1, &mut count);
    for member in &net.members {
        messages.extend(member.said.iter().map(|(_, message)| message.clone()));
    }
    (net, moments, messages)
}

/// One message of each kind that exists, from a seed, about a channel.
fn of_every_kind(seed: u64, about: ChannelId) -> Vec<Message> {
    let of = |number: &u16| {
        let mut generator =
            if seed == 0 { generate::Gen::minimal(0) } else { generate::Gen::new(seed + u64::from(*number)) };
        let message = generate::message(*number, &mut generator);
        let place = match message {
            Message::OpenChannel(_) | Message::OpenChannel2(_) => 34,
            ref message if message.channel_id().is_some() => 2,
            _ => return message,
        };
        let mut bytes = message.encode().expect("short enough");
        bytes[place..place + 32].copy_from_slice(&about.0);
        match Message::decode(&bytes) {
            Ok(Decoded::Known(message)) => message,
            other => panic!("{other:?}"),
        }
    };
    Message::TYPES.iter().map(of).collect()
}

/// The input that a message becomes, with an onion that nobody could read.
fn input(net: &mut Net, from: NodeId, message: Message) -> Input {
    let message = match message {
        Message::OpenChannel(message) => {
            PeerMessage::OpenChannel { message: Box::new(message), keys: net.fresh_keys(0) }
        }
        Message::UpdateAddHtlc(message) => {
            let failure = PeelFailure::blinded(&message.onion_routing_packet);
            PeerMessage::UpdateAddHtlc { message, onion: Arc::new(Err(failure)), seen: false }
        }
        message => PeerMessage::Other(message),
    };
    Input::Peer { peer: from, event: PeerEvent::Message(message) }
}

/// Ids that an error of ours names, with those it goes to.
fn errors(effects: &[Effect]) -> Vec<(NodeId, ChannelId)> {
    let of = |effect: &Effect| match effect {
        Effect::Send { peer, speech: Speech::Plain(Message::Error(error)) }
        | Effect::Send { peer, speech: Speech::Channel(Outgoing::Plain(Message::Error(error))) } => {
            Some((*peer, error.channel_id))
        }
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

fn goes_on(channel: &Channel) -> bool {
    matches!(channel.phase, Phase::Opening(_) | Phase::Open(_))
}

/// Hands a message to a node as it was then. Nothing breaks, and what an error of ours names has failed.
fn play(net: &mut Net, moment: &Moment, message: &Message) -> usize {
    let mut node = moment.node.clone();
    let input = input(net, moment.from, message.clone());
    let (now, entropy) = (net.now, Entropy::new(net.fresh32()));
    let step = node.step(now, entropy, input);
    assert_eq!(node.quarantined().count(), 0, "{message:?} made it panic");
    let effects = step.commit(&mut super::NoDisk).expect("there is no disk to fail");
    for (peer, id) in errors(&effects) {
        let still = node.channels().any(|(_, c)| c.peer() == peer && c.channel_id() == id && goes_on(c));
        assert!(!still, "an error names a channel that goes on, after {message:?}");
        let any = node.channels().any(|(_, c)| c.peer() == peer && goes_on(c));
        assert!(id != ChannelId::ALL || !any, "an error that fails all channels, after {message:?}");
    }
    effects.len()
}

// attack 72
// BOLT 1.the-error-and-warning-messages.7
#[test]
fn messages_of_a_whole_life_come_early_late_and_twice_in_every_state() {
    let (mut net, moments, messages) = life();
    assert!(moments.len() > 60 && messages.len() > 20, "{} {}", moments.len(), messages.len());
    let mut answered = 0;
    for moment in &moments {
        for message in &messages {
            answered += play(&mut net, moment, message);
        }
    }
    assert!(answered > moments.len(), "most of it has no place, and that is said");
}

// attack 72
// BOLT 1.the-error-and-warning-messages.7
#[test]
fn every_message_that_exists_comes_in_every_state() {
    let (mut net, moments, _) = life();
    for (number, moment) in moments.iter().enumerate() {
        let known = moment.node.channels().next().map(|(_, channel)| channel.channel_id());
        // Real, unknown, and all of them; each with other contents.
        for about in known.into_iter().chain([ChannelId([7; 32]), ChannelId::ALL]) {
            for seed in [0, number as u64 + 1] {
                for message in of_every_kind(seed, about) {
                    play(&mut net, moment, &message);
                }
            }
        }
    }
}

/// Even types that need no feature but those that every peer of ours has.
const OF_EVERY_NODE: [u16; 13] = [16, 18, 32, 34, 36, 38, 128, 130, 132, 134, 136, 256, 258];

// BOLT 1.lightning-message-format.1
// BOLT 1.lightning-message-format.3
#[test]
fn nothing_is_said_that_was_not_agreed_on_and_no_field_that_was_is_left_out() {
    let (_, _, messages) = life();
    let mut openings = 0;
    for message in &messages {
        let number = message.message_type();
        assert!(number % 2 == 1 || OF_EVERY_NODE.contains(&number), "{}", message.name());
        // option_upfront_shutdown_script and option_channel_type were offered by both sides.
        let fields = match message {
            Message::OpenChannel(m) => (m.upfront_shutdown_script.is_some(), m.channel_type.is_some()),
            Message::AcceptChannel(m) => (m.upfront_shutdown_script.is_some(), m.channel_type.is_some()),
            _ => continue,
        };
        openings += 1;
        assert_eq!(fields, (true, true), "{}", message.name());
    }
    assert_eq!(openings, 2);
}
