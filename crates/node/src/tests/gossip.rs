//! What we say of our own channels and of ourselves, and when.

use super::{NOW, channel, config, node_with, peer, step};
use crate::command::Command;
use crate::config::Config;
use crate::effect::{Announcement, Effect, Speech};
use crate::input::{CommandId, Input, PeerEvent};
use crate::node::Node;
use astrape_channel::funding::Confirmation;
use astrape_channel::{AnnouncementHalf, Channel, Link, Open, Phase};
use astrape_primitives::{Feature, Features, Height, Msat, Network, NodeId, Sat, ShortChannelId, Timestamp};
use astrape_signer::{InProcessSigner, Seed};
use astrape_wire::{ChannelUpdate, NodeAnnouncement};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::ecdsa::Signature;
use std::sync::Arc;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

fn edit(channel: &mut Channel, change: impl FnOnce(&mut Open)) {
    let Phase::Open(open) = &mut channel.phase else { unreachable!("it was made open") };
    change(open);
}

/// A channel of a million satoshi in block 90, that is not announced.
fn known(number: u64, with: NodeId) -> Channel {
    let mut made = channel(number, with);
    edit(&mut made, |open| {
        let mut params = (*open.params).clone();
        (params.scid_alias, params.announce) = (false, true);
        params.remote.htlc_minimum = Msat(5_000);
        params.remote.max_htlc_value_in_flight = Msat(700_000_000);
        open.params = Arc::new(params);
        let mut terms = *open.funding.terms;
        terms.capacity = Sat(1_000_000);
        terms.outpoint.vout = 1;
        open.funding.terms = Arc::new(terms);
        open.funding.confirmed = Some(Confirmation { height: Height(90), index: 3 });
        open.balances.local = Msat(1_000_000_000);
        open.readiness.remote_alias = Some(ShortChannelId(4_242));
    });
    made
}

/// The same, announced to the network.
fn announced(number: u64, with: NodeId) -> Channel {
    let mut made = known(number, with);
    edit(&mut made, |open| {
        let signature = Signature::from_compact(&[1; 64]).expect("in range");
        open.announcement.sent = true;
        open.announcement.received =
            Some(AnnouncementHalf { node_signature: signature, bitcoin_signature: signature });
    });
    made
}

fn tick(node: &mut Node, now: Timestamp) -> Vec<Effect> {
    step(node, now, Input::Tick).1
}

fn later(millis: u64) -> Timestamp {
    NOW.plus(millis)
}

/// The updates that the network is told.
fn public(effects: &[Effect]) -> Vec<ChannelUpdate> {
    let update = |effect: &Effect| match effect {
        Effect::Announce(Announcement::Update(update)) => Some((**update).clone()),
        _ => None,
    };
    effects.iter().filter_map(update).collect()
}

/// The updates that peers are told.
fn to_peers(effects: &[Effect]) -> Vec<(NodeId, ChannelUpdate)> {
    let update = |effect: &Effect| match effect {
        Effect::Send { peer, speech: Speech::SignChannelUpdate(update) } => Some((*peer, (**update).clone())),
        _ => None,
    };
    effects.iter().filter_map(update).collect()
}

fn of_node(effects: &[Effect]) -> Vec<NodeAnnouncement> {
    let announcement = |effect: &Effect| match effect {
        Effect::Announce(Announcement::Node(node)) => Some((**node).clone()),
        _ => None,
    };
    effects.iter().filter_map(announcement).collect()
}

fn is_disabled(update: &ChannelUpdate) -> bool {
    update.channel_flags & ChannelUpdate::DISABLE != 0
}

fn only<T>(all: Vec<T>) -> T {
    assert_eq!(all.len(), 1);
    all.into_iter().next().expect("one")
}

/// LND takes one that differs in its message flags alone for a repetition.
#[test]
fn the_first_public_update_asks_for_something_else_than_the_private_one_before_it() {
    let said = |announced: bool| {
        let made = if announced { super::gossip::announced(1, peer(2)) } else { known(1, peer(2)) };
        let mut node = node_with(config(), vec![made]);
        let effects = tick(&mut node, later(0));
        let told = to_peers(&effects).into_iter().map(|(_, update)| update).chain(public(&effects)).next();
        told.expect("it is told").htlc_maximum_msat
    };
    assert_eq!((said(false), said(true)), (Msat(699_999_999), Msat(700_000_000)));
}

// BOLT 7.the-channel_update-message.8
// BOLT 7.the-channel_update-message.9
// BOLT 7.the-channel_update-message.10
// BOLT 7.the-channel_update-message.11
// BOLT 7.the-channel_update-message.19
// BOLT 7.the-channel_update-message.13
// BOLT 7.the-channel_update-message.14
// BOLT 7.the-channel_update-message.15
// BOLT 7.the-channel_update-message.16
// BOLT 7.the-channel_update-message.21
// BOLT 7.the-channel_update-message.22
// BOLT 7.the-channel_update-message.23
// BOLT 7.the-channel_update-message.24
// BOLT 7.the-channel_update-message.25
#[test]
fn an_update_says_what_the_channel_and_the_policy_allow() {
    for with in [peer(2), peer(3), peer(4), peer(5)] {
        let mut config = config();
        config.payment.forward.htlc_minimum = Msat(1);
        config.payment.forward.htlc_maximum = None;
        let mut node = node_with(config, vec![announced(1, with)]);
        let update = only(public(&tick(&mut node, later(MINUTE))));
        assert_eq!(update.short_channel_id, ShortChannelId::new(90, 3, 1).expect("small"));
        assert_eq!(update.chain_hash, Network::Regtest.chain_hash());
        let we_are_second = peer(1).as_bytes() > with.as_bytes();
        assert_eq!(update.channel_flags, u8::from(we_are_second), "the direction and nothing else");
        assert_eq!(update.message_flags, 1, "must_be_one and nothing else");
        assert_eq!(update.htlc_maximum_msat, Msat(700_000_000), "what the peer lets be in flight");
        assert_eq!(update.htlc_minimum_msat, Msat(5_000), "what the peer takes");
        let policy = &node.config().payment.forward;
        assert_eq!(update.cltv_expiry_delta, policy.cltv_expiry_delta);
        assert_eq!(u64::from(update.fee_base_msat), policy.fee_base.0);
        assert_eq!(update.fee_proportional_millionths, policy.fee_proportional_millionths);
        assert!(update.timestamp > 0);
    }
}

// BOLT 7.the-channel_update-message.13
// BOLT 7.the-channel_update-message.15
// BOLT 7.the-channel_update-message.23
#[test]
fn the_largest_htlc_is_never_over_the_capacity_nor_below_the_smallest() {
    let mut large = announced(1, peer(2));
    edit(&mut large, |open| {
        let mut params = (*open.params).clone();
        params.remote.max_htlc_value_in_flight = Msat(u64::MAX);
        params.remote.htlc_minimum = Msat(3_000_000_000);
        open.params = Arc::new(params);
    });
    let mut node = node_with(config(), vec![large]);
    let update = only(public(&tick(&mut node, later(MINUTE))));
    assert_eq!(update.htlc_maximum_msat, Msat(1_000_000_000));
    assert!(update.htlc_minimum_msat <= update.htlc_maximum_msat);
}

// BOLT 7.the-channel_update-message.3
// BOLT 7.the-channel_update-message.4
// BOLT 7.the-channel_update-message.5
#[test]
fn a_channel_that_is_not_announced_is_told_to_its_peer_alone_by_an_id_that_it_knows() {
    let mut node = node_with(config(), vec![known(1, peer(2))]);
    let effects = tick(&mut node, later(MINUTE));
    assert!(public(&effects).is_empty() && of_node(&effects).is_empty());
    let (to, update) = only(to_peers(&effects));
    assert_eq!(to, peer(2));
    assert_eq!(update.message_flags, 3, "must_be_one and dont_forward");
    assert_eq!(update.short_channel_id, ShortChannelId::new(90, 3, 1).expect("small"));

    let mut hidden = known(1, peer(2));
    edit(&mut hidden, |open| Arc::make_mut(&mut open.params).announce = false);
    let mut node = node_with(config(), vec![hidden]);
    let (_, update) = only(to_peers(&tick(&mut node, later(MINUTE))));
    assert_eq!((update.message_flags, update.short_channel_id), (3, ShortChannelId(4_242)));
}

// BOLT 7.the-channel_update-message.1
#[test]
fn nothing_is_said_of_a_channel_before_the_peer_is_ready() {
    let mut early = known(1, peer(2));
    edit(&mut early, |open| open.readiness.received = false);
    let mut node = node_with(config(), vec![early]);
    let effects = tick(&mut node, later(MINUTE));
    assert!(public(&effects).is_empty() && to_peers(&effects).is_empty());
}

// BOLT 7.the-channel_update-message.26
#[test]
fn what_is_the_same_is_not_said_twice_and_is_said_anew_before_others_forget_it() {
    let mut node = node_with(config(), vec![announced(1, peer(2))]);
    let first = only(public(&tick(&mut node, later(MINUTE))));
    for hour in 1..240 {
        assert!(public(&tick(&mut node, later(hour * 60 * MINUTE))).is_empty(), "hour {hour}");
    }
    let effects = tick(&mut node, later(10 * DAY + 2 * MINUTE));
    let second = only(public(&effects));
    assert!(second.timestamp > first.timestamp);
    assert_eq!(ChannelUpdate { timestamp: first.timestamp, ..second }, first);
    assert_eq!(of_node(&effects).len(), 1, "who we are is said anew too");
}

// BOLT 7.the-channel_update-message.19
// BOLT 7.the-node_announcement-message.1
#[test]
fn timestamps_only_go_up_even_when_the_clock_goes_back() {
    let mut node = node_with(config(), vec![announced(1, peer(2))]);
    let effects = tick(&mut node, later(DAY));
    let (before, node_before) = (only(public(&effects)), only(of_node(&effects)));
    let mut changed = node.config().clone();
    changed.payment.forward.fee_base = Msat(7);
    changed.appearance.alias = "another".to_owned();
    node.config = Arc::new(changed);
    // The clock was a day ahead, and the process starts anew.
    node.gossip_looked_at = Timestamp(0);
    let effects = tick(&mut node, later(MINUTE));
    assert!(only(public(&effects)).timestamp > before.timestamp);
    assert!(only(of_node(&effects)).timestamp > node_before.timestamp);
}

fn away(number: u64, with: NodeId) -> Channel {
    Channel { link: Link::Down, ..announced(number, with) }
}

// BOLT 7.the-channel_update-message.17
// BOLT 7.the-channel_update-message.18
#[test]
fn a_channel_is_disabled_when_its_peer_stays_away_and_enabled_when_it_is_back() {
    let mut node = node_with(config(), vec![away(1, peer(2))]);
    let first = only(public(&tick(&mut node, later(MINUTE))));
    assert!(!is_disabled(&first), "a restart of the peer is no news");
    for minute in 2..21 {
        assert!(public(&tick(&mut node, later(minute * MINUTE))).is_empty(), "minute {minute}");
    }
    let second = only(public(&tick(&mut node, later(21 * MINUTE))));
    assert!(is_disabled(&second));
    assert!(public(&tick(&mut node, later(22 * MINUTE))).is_empty(), "once");
    let mut back = node.channel(&announced(1, peer(2)).keys()).expect("there").clone();
    back.link = Link::Up(Default::default());
    node.channels.set(back.keys(), Arc::new(back));
    node.channels.install();
    let third = only(public(&tick(&mut node, later(23 * MINUTE))));
    assert!(!is_disabled(&third));
}

#[test]
fn a_restart_says_the_same_again_and_does_not_enable_what_is_away() {
    let mut node = node_with(config(), vec![away(1, peer(2))]);
    tick(&mut node, later(MINUTE));
    let disabled = only(public(&tick(&mut node, later(30 * MINUTE))));
    assert!(is_disabled(&disabled));
    let mut restarted = node.after_losing_all_connections();
    let owed: Vec<Announcement> = restarted.owed_to_network().collect();
    assert_eq!(owed.len(), 3, "the channel, its update, and ourselves");
    assert!(matches!(owed[0], Announcement::Channel { .. }), "the channel first: the rest needs it");
    assert!(owed.contains(&Announcement::Update(Box::new(disabled))));
    assert!(public(&tick(&mut restarted, later(31 * MINUTE))).is_empty(), "nothing has changed");
}

/// What the peer of a channel says of it, signed with its key.
fn of_peer(number: u8, id: ShortChannelId, message_flags: u8) -> ChannelUpdate {
    let with = peer(number);
    let mut update = ChannelUpdate {
        signature: Signature::from_compact(&[0; 64]).expect("in range"),
        chain_hash: Network::Regtest.chain_hash(),
        short_channel_id: id,
        timestamp: 1_700_000_000,
        message_flags,
        channel_flags: u8::from(with > peer(1)),
        cltv_expiry_delta: astrape_primitives::CltvDelta(40),
        htlc_minimum_msat: Msat(1_000),
        fee_base_msat: 7,
        fee_proportional_millionths: 8,
        htlc_maximum_msat: Msat(700_000_000),
        extension: Default::default(),
    };
    let signer = InProcessSigner::new(&Seed::from_entropy([number; 32]), Network::Regtest);
    let digest = update.signed_hash().to_byte_array();
    update.signature = astrape_transactions::Signer::sign_message(&signer, digest).to_standard();
    update
}

/// The updates of peers that the network is told.
fn of_peers(effects: &[Effect]) -> Vec<ChannelUpdate> {
    let update = |effect: &Effect| match effect {
        Effect::Announce(Announcement::PeerUpdate(update)) => Some((**update).clone()),
        _ => None,
    };
    effects.iter().filter_map(update).collect()
}

fn hear(node: &mut Node, update: ChannelUpdate) {
    let message = crate::input::PeerMessage::Other(astrape_wire::Message::ChannelUpdate(update));
    step(node, later(1), Input::Peer { peer: peer(2), event: PeerEvent::Message(message) });
}

/// What is announced when both ends of a channel have signed.
fn announce(node: &mut Node) -> Vec<Effect> {
    node.channels.set(announced(1, peer(2)).keys(), Arc::new(announced(1, peer(2))));
    let mut turn = crate::turn::Turn::new(node, later(2), astrape_primitives::Entropy::new([1; 32]));
    turn.announced(announced(1, peer(2)).keys());
    turn.finish(crate::Proposals::Now).1
}

#[test]
fn what_a_peer_said_of_a_channel_before_it_was_announced_is_told_once_it_is() {
    let real = ShortChannelId::new(90, 3, 1).expect("small");
    let mut node = node_with(config(), vec![known(1, peer(2))]);
    let said = of_peer(2, real, 1);
    hear(&mut node, said.clone());
    assert_eq!(node.owed_to_network().count(), 0, "nobody would know the channel");
    let effects = announce(&mut node);
    let is_channel = |effect: &Effect| matches!(effect, Effect::Announce(Announcement::Channel { .. }));
    let is_peers = |effect: &Effect| matches!(effect, Effect::Announce(Announcement::PeerUpdate(_)));
    assert_eq!(of_peers(&effects), std::slice::from_ref(&said));
    assert!(effects.iter().position(is_channel) < effects.iter().position(is_peers), "the channel first");
    let signer = InProcessSigner::new(&Seed::from_entropy([1; 32]), Network::Regtest);
    let told = crate::release::announce(Announcement::PeerUpdate(Arc::new(said.clone())), &signer);
    assert_eq!(told.expect("nothing to sign"), astrape_wire::Message::ChannelUpdate(said.clone()));
    // The gossip beside the core may lose it, as anything that it holds.
    node.channels.install();
    let restarted = node.after_losing_all_connections();
    assert!(restarted.owed_to_network().any(|owed| owed == Announcement::PeerUpdate(Arc::new(said.clone()))));
}

// BOLT 7.the-channel_update-message.6
#[test]
fn what_a_peer_said_to_us_alone_is_not_told_to_the_network() {
    let real = ShortChannelId::new(90, 3, 1).expect("small");
    for said in [of_peer(2, real, 3), of_peer(2, ShortChannelId(4_242), 1)] {
        let mut node = node_with(config(), vec![known(1, peer(2))]);
        hear(&mut node, said);
        assert_eq!(of_peers(&announce(&mut node)), []);
    }
}

#[test]
fn a_channel_that_closes_is_disabled_at_once() {
    let mut node = node_with(config(), vec![announced(1, peer(2))]);
    tick(&mut node, later(MINUTE));
    let command = Command::ForceCloseChannel { channel: announced(1, peer(2)).keys() };
    let mut effects = step(&mut node, later(2 * MINUTE), Input::Command { id: CommandId(1), command }).1;
    effects.extend(tick(&mut node, later(3 * MINUTE)));
    assert!(is_disabled(&only(public(&effects))));
}

// BOLT 7.the-node_announcement-message.3
// BOLT 7.the-node_announcement-message.5
// BOLT 7.the-node_announcement-message.8
// BOLT 7.the-node_announcement-message.11
#[test]
fn who_we_are_is_said_once_a_channel_is_announced_and_again_when_it_changes() {
    let named = |alias: &str| {
        let mut config: Config = config();
        config.appearance.alias = alias.to_owned();
        config.appearance.rgb_color = [1, 2, 3];
        let place = |text: &str| {
            astrape_wire::Address::from(text.parse::<std::net::SocketAddr>().expect("an address"))
        };
        config.appearance.addresses = astrape_wire::Addresses::new(&[
            place("[2001:db8::1]:9735"),
            place("192.0.2.1:9735"),
            place("192.0.2.2:0"),
        ]);
        config
    };
    let mut node = node_with(named("zwölf Bögen, zu lang für 32 Bytes"), vec![known(1, peer(2))]);
    assert!(of_node(&tick(&mut node, later(MINUTE))).is_empty(), "nobody would take it");
    let mut node = node_with(named("zwölf Bögen, zu lang für 32 Bytes"), vec![announced(1, peer(2))]);
    let said = only(of_node(&tick(&mut node, later(MINUTE))));
    assert_eq!(said.node_id, peer(1));
    assert_eq!(said.rgb_color, [1, 2, 3]);
    let end = said.alias.iter().position(|byte| *byte == 0).unwrap_or(32);
    let text = std::str::from_utf8(&said.alias[..end]).expect("cut between two characters");
    assert!("zwölf Bögen, zu lang für 32 Bytes".starts_with(text) && text.len() > 27);
    assert!(said.alias[end..].iter().all(|byte| *byte == 0), "padded with zeroes");
    let places: Vec<String> = said.addresses.iter().map(|address| address.to_string()).collect();
    assert_eq!(places, ["192.0.2.1:9735", "[2001:db8::1]:9735"], "by type, and no port of 0");
    let features = node.config().features.clone().with_optional(Feature::Keysend);
    assert_eq!(said.features.features(), features, "those of init, and what is for announcements only");
    assert!(of_node(&tick(&mut node, later(2 * MINUTE))).is_empty());
    node.config = Arc::new(named("short"));
    let second = only(of_node(&tick(&mut node, later(3 * MINUTE))));
    assert_eq!(second.alias_text(), "short");
}

// BOLT 7.the-channel_update-message.7
// BOLT 7.the-node_announcement-message.2
#[test]
fn what_we_say_is_signed_with_the_key_of_our_node() {
    let signer = InProcessSigner::new(&Seed::from_entropy([1; 32]), Network::Regtest);
    let mut node = node_with(config(), vec![announced(1, peer(2))]);
    let mut signed = 0;
    for effect in tick(&mut node, later(MINUTE)) {
        let Effect::Announce(announcement) = effect else { continue };
        let message = crate::release::announce(announcement, &signer).expect("nothing to refuse");
        let bytes = message.encode().expect("short");
        // All that follows the type and the signature.
        let hash = bitcoin::hashes::sha256d::Hash::hash(&bytes[2 + 64..]);
        let signature = Signature::from_compact(&bytes[2..2 + 64]).expect("in range");
        let digest = bitcoin::secp256k1::Message::from_digest(hash.to_byte_array());
        node.secp.verify_ecdsa(&digest, &signature, &peer(1).key()).expect("valid");
        signed += 1;
    }
    assert_eq!(signed, 2);
}

#[test]
fn a_peer_that_comes_back_is_told_again_what_is_for_it_alone() {
    let mut node = node_with(config(), vec![known(1, peer(2))]);
    let (_, first) = only(to_peers(&tick(&mut node, later(MINUTE))));
    step(&mut node, later(2 * MINUTE), Input::Peer { peer: peer(2), event: PeerEvent::Down });
    step(
        &mut node,
        later(2 * MINUTE),
        Input::Peer { peer: peer(2), event: PeerEvent::Up { features: Features::empty() } },
    );
    let keys = known(1, peer(2)).keys();
    let mut turn =
        crate::turn::Turn::new(&mut node, later(3 * MINUTE), astrape_primitives::Entropy::new([1; 32]));
    turn.say_update_again(keys);
    let (_, effects) = turn.finish(crate::Proposals::Now);
    assert_eq!(only(to_peers(&effects)).1, first);
}

/// LND's answer to signatures of a channel that it has announced already.
#[test]
fn the_whole_announcement_of_a_channel_of_ours_by_its_peer_announces_it() {
    use astrape_transactions::signing::Signer as _;
    let mut net = super::net::Net::new(2);
    net.announces = true;
    let ours = net.propose(0, 1);
    net.run();
    let funding = net.members[0].broadcast.last().cloned().expect("it is broadcast");
    net.mine(vec![funding]);
    (0..6).for_each(|_| net.mine(Vec::new()));
    while let Some((from, to, message)) = net.next() {
        if (from, message.name()) != (1, "announcement_signatures") {
            net.receive(to, from, &message);
        }
    }
    let is_announced = |net: &super::net::Net| {
        net.members[0].node.channel(&ours).and_then(Channel::open).is_some_and(Open::is_announced)
    };
    assert!(!is_announced(&net));
    let theirs = net.channels(1)[0];
    let member = &net.members[1];
    let open = member.node.channel(&theirs).and_then(Channel::open).expect("open");
    let chain_hash = Network::Regtest.chain_hash();
    let mut whole = open.channel_announcement(net.id(1), chain_hash).expect("it is in a block");
    let part = astrape_channel::announcement::signed_part(&whole);
    let (by_node, by_funding) = member.signer.sign_channel_announcement(&theirs, &part).expect("its own");
    if whole.node_id_1 == net.id(1) {
        (whole.node_signature_1, whole.bitcoin_signature_1) = (by_node, by_funding);
    } else {
        (whole.node_signature_2, whole.bitcoin_signature_2) = (by_node, by_funding);
    }
    net.receive(0, 1, &astrape_wire::Message::ChannelAnnouncement(whole));
    assert!(is_announced(&net));
}

/// A block whose header says this hour.
fn block_of(node: &mut Node, time: Timestamp) {
    let tip = node.chain().tip().expect("it has one");
    let height = Height(tip.height.0 + 1);
    let block = astrape_primitives::BlockId {
        height,
        hash: bitcoin::BlockHash::from_byte_array([u8::try_from(height.0).expect("few"); 32]),
    };
    let time = u32::try_from(time.secs()).expect("before 2106");
    let event =
        astrape_primitives::ChainEvent::Connected { block, previous: tip.hash, time, matched: Vec::new() };
    step(node, NOW, Input::Chain(crate::ChainInput::Event(event)));
}

fn said_at(effects: &[Effect]) -> Option<u64> {
    public(effects).first().map(|update| u64::from(update.timestamp))
}

/// A clock that was wrong once costs no more than the time in which it was.
#[test]
fn a_clock_that_is_years_ahead_for_an_hour_leaves_nothing_behind_in_gossip() {
    let config = Config::new(peer(1), Network::Bitcoin);
    let mut node = node_with(config, vec![announced(1, peer(2))]);
    block_of(&mut node, NOW);
    let first = said_at(&tick(&mut node, later(2 * MINUTE))).expect("nothing was said before");
    assert_eq!(first, later(2 * MINUTE).secs());
    let years = 4 * 365 * DAY;
    assert_eq!(said_at(&tick(&mut node, later(years))), None, "it is not old by the chain");
    let mut changed = node.config().clone();
    changed.payment.forward.fee_base = Msat(7);
    node.config = Arc::new(changed);
    let ahead = said_at(&tick(&mut node, later(years + 2 * MINUTE))).expect("it is news");
    assert_eq!(ahead, later(DAY).secs(), "a day after the newest block, which others take");
    // The clock is right again, and in ten days the network would forget us.
    node.gossip_looked_at = NOW;
    assert_eq!(said_at(&tick(&mut node, later(3 * MINUTE))), None, "others still take what was said");
    for day in 1..12 {
        block_of(&mut node, later(day * DAY));
    }
    let next = said_at(&tick(&mut node, later(11 * DAY + MINUTE))).expect("it is old");
    assert_eq!(next, later(11 * DAY + MINUTE).secs());
}

// BOLT 7.the-channel_update-message.19
/// The chain tells the hour: what is said meanwhile is taken, and so is what is said later.
#[test]
fn a_clock_that_is_days_behind_says_nothing_that_the_network_does_not_take() {
    let mut node = node_with(Config::new(peer(1), Network::Bitcoin), vec![announced(1, peer(2))]);
    let days = later(5 * DAY);
    block_of(&mut node, days);
    let first = said_at(&tick(&mut node, days.plus(2 * MINUTE))).expect("nothing was said before");
    // The clock goes back to the day on which the node was made.
    node.gossip_looked_at = NOW;
    let mut changed = node.config().clone();
    changed.payment.forward.fee_base = Msat(7);
    node.config = Arc::new(changed);
    let behind = said_at(&tick(&mut node, later(2 * MINUTE))).expect("it is news");
    assert!(behind > first, "{behind} after {first}");
}

/// As an older version may have left it.
#[test]
fn a_timestamp_that_is_years_ahead_is_not_followed() {
    let config = Config::new(peer(1), Network::Bitcoin);
    let mut node = node_with(config, vec![announced(1, peer(2))]);
    let years = u32::try_from(later(4 * 365 * DAY).secs()).expect("before 2106");
    node.counters.set((), crate::state::Counters { last_gossip_timestamp: years, ..Default::default() });
    block_of(&mut node, NOW);
    assert_eq!(said_at(&tick(&mut node, later(2 * MINUTE))), Some(later(2 * MINUTE).secs()));
    // Also where it was said already.
    let mut said = (*node.own_updates.get(&node.channels.keys()[0]).expect("said")).clone();
    said.0.timestamp = years;
    node.own_updates.set(node.channels.keys()[0], said);
    assert_eq!(said_at(&tick(&mut node, later(4 * MINUTE))), Some(later(4 * MINUTE).secs()));
}

/// Who pays it later is not refused because the clock was wrong for an hour.
#[test]
fn a_clock_that_is_years_ahead_ends_no_invoice_for_good() {
    let mut node = node_with(Config::new(peer(1), Network::Bitcoin), Vec::new());
    block_of(&mut node, NOW);
    let mut invoice = crate::record::tests::examples::Gen(1).invoice();
    invoice.expires_at = later(7 * DAY);
    let hash = invoice.payment_hash;
    node.invoices.set(hash, Arc::new(invoice));
    tick(&mut node, later(4 * 365 * DAY));
    assert!(node.invoices.contains(&hash));
    for day in 1..=6 {
        block_of(&mut node, later(day * DAY));
    }
    tick(&mut node, later(7 * DAY - MINUTE));
    assert!(node.invoices.contains(&hash), "it has a minute left");
    block_of(&mut node, later(7 * DAY));
    tick(&mut node, later(7 * DAY + MINUTE));
    assert!(!node.invoices.contains(&hash));
}
