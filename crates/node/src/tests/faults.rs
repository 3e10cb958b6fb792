//! Faults of our own, and a state that may be old: what they concern stands still, and the rest of the node goes on.

use super::{NOW, channel, config, node_with, peer, step};
use crate::command::{Command, Refusal};
use crate::effect::{Effect, Speech};
use crate::input::{CommandId, Input, PeerEvent, PeerMessage, SignerAnswer};
use crate::ledger::{ChannelFact, Fact};
use crate::node::Node;
use crate::release::ReleaseError;
use astrape_channel::{Channel, Early, Link, Phase};
use astrape_primitives::{ChannelId, CommitmentNumber, Features, Msat, Network, NodeId};
use astrape_signer::{InProcessSigner, Seed};
use astrape_wire::{Message, Warning};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn said(from: NodeId, channel: &Channel) -> Input {
    let message = Message::Warning(Warning { channel_id: channel.channel_id(), data: b"hello".to_vec() });
    Input::Peer { peer: from, event: PeerEvent::Message(PeerMessage::Other(message)) }
}

/// A channel whose money does not add up: whatever touches it is stopped before the door.
fn broken(number: u64, with: NodeId) -> Channel {
    let mut channel = channel(number, with);
    if let Phase::Open(open) = &mut channel.phase {
        open.balances.remote = Msat(1);
    }
    channel
}

#[test]
fn a_panic_quarantines_its_channel_and_the_node_goes_on() {
    let (bad, good) = (broken(1, peer(2)), channel(2, peer(3)));
    let mut node = node_with(config(), vec![bad.clone(), good.clone()]);
    let (writes, effects) = step(&mut node, NOW, said(peer(2), &bad));
    let is_told = writes.ledger().iter().any(|entry| {
        matches!(&entry.fact, Fact::Channel { keys, event: ChannelFact::Quarantined { .. }, .. } if *keys == bad.keys())
    });
    assert!(is_told, "the user is told");
    assert!(effects.iter().any(|e| matches!(e, Effect::Disconnect { peer: p, .. } if *p == peer(2))));
    let cut = bad.after_losing_the_connection();
    assert_eq!(node.channel(&bad.keys()), cut.as_ref(), "nothing of the step happened");
    assert_eq!(node.quarantined().map(|(keys, _)| keys).collect::<Vec<_>>(), [bad.keys()]);

    let (_, effects) = step(&mut node, NOW, said(peer(3), &good));
    assert!(effects.is_empty(), "the others are as before: {effects:?}");
    let features = Features::empty();
    let (_, effects) = step(&mut node, NOW, Input::Peer { peer: peer(2), event: PeerEvent::Up { features } });
    assert!(effects.is_empty(), "nothing is said for the quarantined channel: {effects:?}");
}

#[test]
fn what_the_signer_refuses_makes_one_channel_stand_still_and_stops_nothing_else() {
    let (bad, good) = (channel(1, peer(2)), channel(2, peer(3)));
    let signer = InProcessSigner::new(&Seed::from_entropy([1; 32]), Network::Regtest);
    let mut request = bad.open().expect("it is open").remote_request();
    request.content.htlcs.clear();
    (request.content.local_balance, request.content.remote_balance) = (Msat::ZERO, Msat::ZERO);
    let (request, channel_id) = (Box::new(request), bad.channel_id());
    let signing = astrape_channel::Signing::CommitmentSigned { request, channel_id };
    let refused = crate::release::speak(Speech::Channel(astrape_channel::Outgoing::Sign(signing)), &signer);
    let Err(ReleaseError::Channel { channel, .. }) = refused else {
        panic!("there is nothing in it: {refused:?}")
    };
    assert_eq!(channel, bad.keys());

    let mut node = node_with(config(), vec![bad.clone(), good.clone()]);
    let (writes, effects) = step(&mut node, NOW, Input::Signer(SignerAnswer::Refused { channel }));
    assert!(matches!(
        &writes.ledger()[0].fact,
        Fact::Channel { keys, event: ChannelFact::Quarantined { .. }, .. } if *keys == bad.keys()
    ));
    assert!(effects.iter().any(|e| matches!(e, Effect::Disconnect { peer: p, .. } if *p == peer(2))));
    assert_eq!(node.quarantined().map(|(keys, _)| keys).collect::<Vec<_>>(), [bad.keys()]);
    assert!(node.channel(&good.keys()).is_some_and(Channel::is_usable));
}

#[test]
fn a_second_panic_within_a_minute_stops_the_process_and_a_later_one_does_not() {
    for (later, stops) in [(59_000, true), (61_000, false)] {
        let (one, two) = (broken(1, peer(2)), broken(2, peer(3)));
        let mut node = node_with(config(), vec![one.clone(), two.clone()]);
        step(&mut node, NOW, said(peer(2), &one));
        let second = catch_unwind(AssertUnwindSafe(|| step(&mut node, NOW.plus(later), said(peer(3), &two))));
        assert_eq!(second.is_err(), stops, "{later} ms later");
    }
}

// attack 48
#[test]
fn a_channel_whose_state_may_be_old_signs_and_broadcasts_nothing() {
    let suspect = channel(1, peer(2));
    let mut config = config();
    config.suspect.insert(suspect.keys());
    let mut node = node_with(config, vec![suspect.clone()]);
    let command = Command::ForceCloseChannel { channel: suspect.keys() };
    let (_, effects) = step(&mut node, NOW, Input::Command { id: CommandId(1), command });
    assert!(
        matches!(&effects[..], [Effect::Reply { reply: Err(Refusal::Suspect), .. }]),
        "our commitment may be revoked: {effects:?}"
    );
    let error = Message::Error(astrape_wire::Error { channel_id: suspect.channel_id(), data: Vec::new() });
    let input = Input::Peer { peer: peer(2), event: PeerEvent::Message(PeerMessage::Other(error)) };
    let (_, effects) = step(&mut node, NOW, input);
    assert!(effects.is_empty(), "not even when the peer asks for it: {effects:?}");
    let all = Message::Error(astrape_wire::Error { channel_id: ChannelId::ALL, data: Vec::new() });
    let input = Input::Peer { peer: peer(2), event: PeerEvent::Message(PeerMessage::Other(all)) };
    let (_, effects) = step(&mut node, NOW, input);
    assert!(effects.is_empty(), "nor for all channels: {effects:?}");
    assert_eq!(node.channel(&suspect.keys()), Some(&suspect));
}

/// What a node with one channel, whose state may be old, does on an input; whatever it is, nothing is broadcast and the channel waits.
fn suspects_do(link: Link, input: impl FnOnce(&Channel) -> Input) -> Vec<Effect> {
    let mut suspect = channel(1, peer(2));
    suspect.link = link;
    let mut config = config();
    config.suspect.insert(suspect.keys());
    let mut node = node_with(config, vec![suspect.clone()]);
    let (_, effects) = step(&mut node, NOW, input(&suspect));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Broadcast(_))), "{effects:?}");
    assert_eq!(node.suspect().collect::<Vec<_>>(), [suspect.keys()], "nobody has told where it is");
    assert!(matches!(node.channel(&suspect.keys()).map(|c| &c.phase), Some(Phase::Open(_))));
    effects
}

/// The errors that are said among effects.
fn errors(effects: &[Effect]) -> Vec<String> {
    let error = |effect: &Effect| match effect {
        Effect::Send { speech: Speech::Plain(Message::Error(error)), .. } => {
            Some(String::from_utf8_lossy(&error.data).into_owned())
        }
        _ => None,
    };
    effects.iter().filter_map(error).collect()
}

// attack 47
// attack 48
#[test]
fn a_peer_that_claims_more_than_it_proves_gets_no_old_commitment_but_is_asked_to_close() {
    let lie = |channel: &Channel| {
        Input::Signer(SignerAnswer::SecretChecked { channel: channel.keys(), genuine: false })
    };
    let effects = suspects_do(Link::CheckingClaim, lie);
    assert!(matches!(&errors(&effects)[..], [error] if error.contains("please close")), "{effects:?}");
    let effects = suspects_do(Link::Reestablishing(Early::default()), lie);
    assert!(effects.is_empty(), "it tells of a connection that is gone: {effects:?}");
    let nonsense = |channel: &Channel| {
        let message = astrape_wire::ChannelReestablish {
            next_commitment_number: CommitmentNumber(0),
            next_revocation_number: CommitmentNumber(0),
            channel_id: channel.channel_id(),
            your_last_per_commitment_secret: [0; 32],
            my_current_per_commitment_point: peer(2).key(),
            next_funding: None,
            my_current_funding_locked: None,
        };
        let event = PeerEvent::Message(PeerMessage::Other(Message::ChannelReestablish(message)));
        Input::Peer { peer: peer(2), event }
    };
    let effects = suspects_do(Link::Reestablishing(Early::default()), nonsense);
    assert!(
        matches!(&errors(&effects)[..], [error] if error.contains("next_commitment_number")),
        "{effects:?}"
    );
}

#[test]
fn a_channel_in_which_the_program_failed_goes_on_chain_by_command() {
    let theirs = channel(1, peer(2));
    let mut node = node_with(config(), vec![theirs.clone()]);
    node.quarantined.insert(theirs.keys(), NOW);
    let command = Command::ForceCloseChannel { channel: theirs.keys() };
    let (_, effects) = step(&mut node, NOW, Input::Command { id: CommandId(1), command });
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Broadcast(crate::Broadcast::Commitment(_)))),
        "{effects:?}"
    );
}

/// A channel in which the peer owes the answer to a `commitment_signed`.
fn unanswered(number: u64, with: NodeId) -> Channel {
    let mut silent = channel(number, with);
    if let Phase::Open(open) = &mut silent.phase {
        let signed_after_local = open.local.number;
        open.remote.unrevoked = Some(astrape_channel::commitments::Unrevoked { signed_after_local });
        open.remote.next_point = Some(peer(9).key());
    }
    silent
}

/// Who is hung up on when the clock ticks.
fn hung_up_on(node: &mut Node, after: u64) -> Vec<NodeId> {
    let (_, effects) = step(node, NOW.plus(after), Input::Tick);
    let disconnected = effects.into_iter().filter_map(|effect| match effect {
        Effect::Disconnect { peer, .. } => Some(peer),
        _ => None,
    });
    disconnected.collect()
}

fn comes(from: NodeId) -> Input {
    let features = crate::config::default_features();
    Input::Peer { peer: from, event: PeerEvent::Up { features } }
}

#[test]
fn a_peer_that_never_revokes_is_hung_up_on_after_a_minute() {
    let mut node = node_with(config(), vec![unanswered(1, peer(2)), channel(2, peer(3))]);
    for after in [0, 30_000, 59_999] {
        assert_eq!(hung_up_on(&mut node, after), [], "it may be slow");
    }
    assert_eq!(hung_up_on(&mut node, 60_000), [peer(2)]);
    assert_eq!(hung_up_on(&mut node, 61_000), [], "once");
}

/// To what was signed before a close began the peer cannot answer any more: its other channels would go up and down for weeks.
#[test]
fn a_peer_is_not_hung_up_on_for_a_channel_that_is_on_its_way_to_the_chain() {
    let closing = unanswered(1, peer(2));
    let mut node = node_with(config(), vec![closing.clone(), channel(2, peer(2))]);
    assert_eq!(hung_up_on(&mut node, 0), []);
    let command = Command::ForceCloseChannel { channel: closing.keys() };
    step(&mut node, NOW, Input::Command { id: CommandId(1), command });
    assert!(node.channel(&closing.keys()).is_some_and(|c| matches!(c.link, Link::Up(_))));
    for after in [1_000, 60_000, 120_000] {
        assert_eq!(hung_up_on(&mut node, after), []);
    }
    step(&mut node, NOW.plus(120_000), Input::Peer { peer: peer(2), event: PeerEvent::Down });
    step(&mut node, NOW.plus(120_000), comes(peer(2)));
    for after in [121_000, 181_000] {
        assert_eq!(hung_up_on(&mut node, after), [], "it was told so again");
    }
}

#[test]
fn a_peer_is_hung_up_on_once_for_what_the_signer_refuses() {
    let refused = unanswered(1, peer(2));
    let mut node = node_with(config(), vec![refused.clone(), channel(2, peer(2))]);
    let (_, effects) = step(&mut node, NOW, Input::Signer(SignerAnswer::Refused { channel: refused.keys() }));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Disconnect { .. })));
    assert_eq!(
        node.channel(&refused.keys()).map(|c| &c.link),
        Some(&Link::Down),
        "it is gone for this one too"
    );
    step(&mut node, NOW, comes(peer(2)));
    for after in [0, 60_000, 120_000] {
        assert_eq!(hung_up_on(&mut node, after), []);
    }
}

/// It says nothing of our state, but what the peer has proved of it counts: our commitment would lose all.
#[test]
fn a_proof_that_our_state_is_old_is_taken_by_a_channel_in_which_the_program_failed() {
    let mut late = channel(1, peer(2));
    late.link = Link::CheckingClaim;
    let keys = late.keys();
    for genuine in [true, false] {
        let mut node = node_with(config(), vec![late.clone()]);
        step(&mut node, NOW, Input::Signer(SignerAnswer::Refused { channel: keys }));
        step(&mut node, NOW, Input::Signer(SignerAnswer::SecretChecked { channel: keys, genuine }));
        let command = Command::ForceCloseChannel { channel: keys };
        let (_, effects) = step(&mut node, NOW, Input::Command { id: CommandId(1), command });
        let is_commitment =
            |effect: &Effect| matches!(effect, Effect::Broadcast(crate::Broadcast::Commitment(_)));
        assert_eq!(effects.iter().any(is_commitment), !genuine, "{effects:?}");
    }
}
