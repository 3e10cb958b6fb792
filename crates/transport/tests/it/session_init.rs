//! `init` (BOLT 1 and 9): what we say, what we accept, and what ends the connection.

use crate::support::{START, disconnected, init, local, offered, say, up, waiting};
use astrape_primitives::{Feature, Features, Network};
use astrape_transport::session::{INIT_TIMEOUT_MS, InitRefusal, MAX_KEPT_FEATURE_BYTES};
use astrape_transport::{Action, DisconnectReason, LocalInit, PeerInit, Session};
use astrape_wire::{Address, Error, Init, Message, Ping, Pong};

/// The first message of a session, which must be an `init`.
fn our_init(accepted_from: Option<&str>) -> Init {
    let address = accepted_from.map(|text| text.parse().expect("an address"));
    match Session::start(local(), address, [7; 32], START).1 {
        Message::Init(init) => init,
        other => panic!("the first message is {other:?}"),
    }
}

/// What a fresh session makes of a peer's `init`.
fn hears(theirs: Init) -> Option<Action> {
    say(&mut waiting(), &Message::Init(theirs), START)
}

/// What is known of a peer that was accepted.
fn accepted(action: Option<Action>) -> PeerInit {
    match action {
        Some(Action::Up(peer)) => peer,
        other => panic!("not accepted: {other:?}"),
    }
}

// BOLT 1.the-init-message.1
// BOLT 1.the-init-message.4
// BOLT 1.the-init-message.6
// BOLT 9.bolt-9-assigned-feature-flags.1
// BOLT 9.bolt-9-assigned-feature-flags.2
#[test]
fn the_first_message_is_our_init() {
    let ours = our_init(None);
    assert_eq!(ours.features, offered());
    assert!(ours.features.bit(12) && ours.features.bit(17), "required is even, optional is odd");
    assert_eq!(ours.globalfeatures, Features::empty());
    assert_eq!(ours.networks, Some(vec![Network::Regtest.chain_hash()]));
    assert_eq!(ours.remote_addr, None, "we dialled");
}

// BOLT 1.the-init-message.5
#[test]
fn our_features_take_no_more_bytes_than_they_need() {
    let bytes = Message::Init(our_init(None)).encode().expect("it fits");
    // Type 16, no global features, four bytes of features whose highest bit is 27.
    assert_eq!(hex::encode(&bytes[..10]), "00100000000408029000");
}

// BOLT 1.the-init-message.7
// BOLT 1.the-init-message.8
// BOLT 1.the-init-message.9
#[test]
fn who_dials_us_is_told_its_address_if_it_is_one_of_the_internet() {
    let told = our_init(Some("8.8.4.4:1234")).remote_addr.expect("a public address");
    assert_eq!(hex::encode(told), "010808040404d2", "type 1, address, port");
    assert_eq!(our_init(Some("192.168.0.1:1234")).remote_addr, None);
}

// BOLT 1.the-init-message.2
// BOLT 1.the-init-message.3
// BOLT 9.bolt-9-assigned-feature-flags.4
// BOLT 9.bolt-9-assigned-feature-flags.5
// BOLT 9.bolt-9-assigned-feature-flags.6
#[test]
fn features_that_bolt_9_forbids_are_never_sent() {
    let refusal = |features| LocalInit::new(features, Network::Regtest).expect_err("forbidden");
    assert_eq!(refusal(Features::empty().with_bit(3)), InitRefusal::Undefined(3));
    assert_eq!(
        refusal(Features::empty().with_optional(Feature::PaymentMetadata)),
        InitRefusal::NotInInit(Feature::PaymentMetadata)
    );
    let both = Features::empty().with_optional(Feature::Anchors).with_required(Feature::Anchors);
    assert_eq!(refusal(both), InitRefusal::BothBits(Feature::Anchors));
    assert_eq!(
        refusal(Features::empty().with_optional(Feature::SimpleClose)),
        InitRefusal::MissingDependency {
            feature: Feature::SimpleClose,
            dependency: Feature::ShutdownAnysegwit
        }
    );
}

// BOLT 1.the-init-message.10
#[test]
fn nothing_else_is_said_before_the_peers_init() {
    let mut session = waiting();
    assert!(!session.is_up());
    assert_eq!(session.probe(START), None);
    assert_eq!(session.tick(START.plus(INIT_TIMEOUT_MS - 1)), None);
    assert_eq!(session.receive(&[0x80, 0x01], START), None, "an odd type that is unknown");

    let ping = Message::Ping(Ping { num_pong_bytes: 1, ignored: Vec::new() });
    let (reason, words) = disconnected(say(&mut session, &ping, START));
    assert_eq!(reason, DisconnectReason::NotInit("ping"));
    assert_eq!(words, None, "no warning either");

    let (reason, words) = disconnected(waiting().receive(&[0, 16, 0], START));
    assert!(matches!(reason, DisconnectReason::Malformed(_)));
    assert_eq!(words, None);
}

// attack 63
#[test]
fn a_peer_without_init_is_given_up() {
    let mut session = waiting();
    assert_eq!(session.wake_at(), Some(START.plus(INIT_TIMEOUT_MS)));
    let late = session.tick(START.plus(INIT_TIMEOUT_MS));
    assert_eq!(disconnected(late), (DisconnectReason::InitTimeout, None));
    assert_eq!(session.wake_at(), None);
}

// BOLT 1.the-init-message.11
#[test]
fn both_feature_vectors_count_as_one() {
    let theirs = Init {
        globalfeatures: Features::empty().with_optional(Feature::ScidAlias),
        ..init(Features::empty().with_optional(Feature::Zeroconf))
    };
    let peer = accepted(hears(theirs));
    assert!(peer.features.supports(Feature::ScidAlias) && peer.features.supports(Feature::Zeroconf));

    let hidden = Init { globalfeatures: Features::empty().with_bit(100), ..init(Features::empty()) };
    assert_eq!(disconnected(hears(hidden)).0, DisconnectReason::UnknownFeature { bit: 100 });
}

// BOLT 1.the-init-message.12
// BOLT 9.bolt-9-assigned-feature-flags.7
#[test]
fn required_features_that_we_offer_or_everybody_has_are_accepted() {
    for feature in [Feature::VarOnionOptin, Feature::DataLossProtect, Feature::ShutdownAnysegwit] {
        let peer = accepted(hears(init(Features::empty().with_required(feature))));
        assert!(peer.features.requires(feature));
    }
    // BOLT 9: with both bits set, the feature is required.
    let both = |feature| init(Features::empty().with_optional(feature).with_required(feature));
    accepted(hears(both(Feature::ShutdownAnysegwit)));
    let refused = disconnected(hears(both(Feature::Splice))).0;
    assert_eq!(refused, DisconnectReason::UnknownFeature { bit: Feature::Splice.required_bit() });
}

// BOLT 1.the-init-message.13
#[test]
fn odd_bits_that_are_unknown_are_ignored() {
    let peer = accepted(hears(init(Features::empty().with_bit(101).with_bit(27))));
    assert!(peer.features.supports(Feature::ShutdownAnysegwit));
}

// BOLT 1.the-init-message.14
#[test]
fn an_even_bit_that_is_unknown_ends_the_connection_without_a_word() {
    let (reason, words) = disconnected(hears(init(Features::empty().with_bit(100))));
    assert_eq!(reason, DisconnectReason::UnknownFeature { bit: 100 });
    assert_eq!(words, None);
    assert_eq!(reason.to_string(), "you require feature bit 100, which this node does not support");
}

// BOLT 1.the-init-message.15
#[test]
fn a_peer_of_another_chain_is_told_and_left() {
    let on = |networks| Init { networks, ..init(Features::empty()) };
    let (reason, words) = disconnected(hears(on(Some(vec![Network::Bitcoin.chain_hash()]))));
    assert_eq!(reason, DisconnectReason::NoCommonChain);
    assert!(words.is_some());
    let several = vec![Network::Bitcoin.chain_hash(), Network::Regtest.chain_hash()];
    accepted(hears(on(Some(several))));
    accepted(hears(on(None)));
}

// BOLT 1.the-init-message.16
#[test]
fn a_feature_without_its_dependency_ends_the_connection() {
    let (reason, words) = disconnected(hears(init(Features::empty().with_optional(Feature::Zeroconf))));
    let missing =
        DisconnectReason::MissingDependency { feature: Feature::Zeroconf, dependency: Feature::ScidAlias };
    assert_eq!(reason, missing);
    assert_eq!(
        words.as_deref(),
        Some("you offer option_zeroconf without option_scid_alias, on which it depends")
    );
}

// BOLT 1.the-init-message.17
#[test]
fn where_the_peer_sees_us_is_handed_up_when_it_is_an_address() {
    let seen = |bytes: &[u8]| Init { remote_addr: Some(bytes.to_vec()), ..init(Features::empty()) };
    let peer = accepted(hears(seen(&[1, 8, 8, 4, 4, 0x26, 0x07])));
    assert_eq!(peer.remote_addr, Some(Address::Ipv4([8, 8, 4, 4].into(), 9735)));
    assert_eq!(accepted(hears(seen(&[1, 8, 8]))).remote_addr, None);
    assert_eq!(accepted(hears(seen(&[99, 1, 2, 3]))).remote_addr, None);
}

// attack 63
#[test]
fn a_huge_feature_vector_is_not_remembered() {
    let odd_bits = Features::from_be_bytes(&[0b1010_1010; 60_000]);
    let low = Features::empty().with_optional(Feature::PaymentSecret);
    let theirs = Init { features: odd_bits.union(&low), ..init(Features::empty()) };
    let peer = accepted(hears(theirs));
    assert_eq!(peer.features.to_be_bytes().len(), MAX_KEPT_FEATURE_BYTES);
    assert!(peer.features.supports(Feature::PaymentSecret));
}

#[test]
fn a_second_init_ends_the_connection() {
    let mut session = up();
    let again = say(&mut session, &Message::Init(init(Features::empty())), START);
    assert_eq!(disconnected(again).0, DisconnectReason::SecondInit);
    assert_eq!(say(&mut session, &Message::Pong(Pong { ignored: Vec::new() }), START), None, "it is over");
}

// BOLT 1.the-error-and-warning-messages.17
#[test]
fn a_peer_that_refuses_us_is_quoted_without_what_could_harm_a_terminal() {
    let refusal = Message::Error(Error {
        channel_id: astrape_primitives::ChannelId::ALL,
        data: b"too many peers \x1b[2J".to_vec(),
    });
    let (reason, words) = disconnected(say(&mut waiting(), &refusal, START));
    let DisconnectReason::RefusedByPeer(text) = reason else { panic!("{reason:?}") };
    assert!(text.starts_with("too many peers ") && !text.contains('\x1b'), "{text}");
    assert_eq!(words, None);
}
