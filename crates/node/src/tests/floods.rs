//! Peers that ask for more than they are worth: places for openings, and memory of onions.

use super::{NOW, config, node_with, peer, step};
use crate::effect::{Effect, Speech};
use crate::input::{FreshKeys, Input, PeerEvent, PeerMessage};
use crate::node::{Node, Recent};
use crate::turn::Turn;
use crate::turn::told::{FAILURES_MILLIS, MAX_FAILURES_TOLD};
use astrape_primitives::{ChannelId, ChannelKeysId, Entropy, Msat, Network, NodeId, Sat, Timestamp};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::signing::Signer as _;
use astrape_wire::{Message, OpenChannel};
use bitcoin::hashes::Hash as _;

pub(super) fn fresh_keys(number: u8) -> FreshKeys {
    let signer = InProcessSigner::new(&Seed::from_entropy([200; 32]), Network::Regtest);
    let id = ChannelKeysId([number; 32]);
    FreshKeys { id, keys: signer.channel_keys(&id) }
}

pub(super) fn open_channel(number: u8) -> OpenChannel {
    let keys = fresh_keys(100 + number).keys;
    OpenChannel {
        chain_hash: Network::Regtest.chain_hash(),
        temporary_channel_id: ChannelId([number; 32]),
        funding_satoshis: Sat(1_000_000),
        push_msat: Msat::ZERO,
        dust_limit_satoshis: Sat(354),
        max_htlc_value_in_flight_msat: Msat(1_000_000_000),
        channel_reserve_satoshis: Sat(10_000),
        htlc_minimum_msat: Msat(1),
        feerate_per_kw: astrape_primitives::FeeratePerKw(1_000),
        to_self_delay: 144,
        max_accepted_htlcs: 30,
        funding_pubkey: keys.basepoints.funding,
        revocation_basepoint: keys.basepoints.revocation,
        payment_basepoint: keys.basepoints.payment,
        delayed_payment_basepoint: keys.basepoints.delayed_payment,
        htlc_basepoint: keys.basepoints.htlc,
        first_per_commitment_point: keys.points[0],
        channel_flags: 0,
        upfront_shutdown_script: None,
        channel_type: Some(astrape_transactions::CommitmentFormat::Anchors.channel_type()),
    }
}

/// What a peer's `open_channel` is answered with.
fn answer(node: &mut Node, from: NodeId, number: u8) -> &'static str {
    let message =
        PeerMessage::OpenChannel { message: Box::new(open_channel(number)), keys: fresh_keys(number) };
    let input = Input::Peer { peer: from, event: PeerEvent::Message(message) };
    let (_, effects) = step(node, NOW, input);
    let names: Vec<&'static str> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send { speech: Speech::Plain(message), .. } => Some(message.name()),
            Effect::Send { speech: Speech::Channel(astrape_channel::Outgoing::Plain(message)), .. } => {
                Some(message.name())
            }
            _ => None,
        })
        .collect();
    assert_eq!(names.len(), 1, "{effects:?}");
    names[0]
}

// attack 55
// attack 56
#[test]
fn a_peer_that_opens_and_never_funds_gets_a_few_places_and_all_peers_together_some_more() {
    let mut node = node_with(config(), Vec::new());
    let come = |node: &mut Node, from: NodeId| {
        let features = crate::config::default_features();
        step(node, NOW, Input::Peer { peer: from, event: PeerEvent::Up { features } });
    };
    come(&mut node, peer(2));
    let answers: Vec<_> = (1..=10).map(|number| answer(&mut node, peer(2), number)).collect();
    let accepted = crate::turn::MAX_UNCONFIRMED_PER_PEER;
    assert!(answers[..accepted].iter().all(|name| *name == "accept_channel"), "{answers:?}");
    assert!(answers[accepted..].iter().all(|name| *name == "error"), "{answers:?}");
    assert_eq!(node.channels().count(), accepted);

    step(&mut node, NOW, Input::Peer { peer: peer(2), event: PeerEvent::Down });
    assert_eq!(node.channels().count(), 0, "what never was funded leaves nothing");
    assert_eq!(node.after_losing_all_connections().channels().count(), 0);
}

/// All zeroes stand for every channel in `error` and `warning` alone.
#[test]
fn a_temporary_channel_id_of_zeroes_is_like_any_other_to_a_peer_without_channels() {
    let mut node = node_with(config(), Vec::new());
    let features = crate::config::default_features();
    step(&mut node, NOW, Input::Peer { peer: peer(2), event: PeerEvent::Up { features } });
    assert_eq!(answer(&mut node, peer(2), 0), "accept_channel");
    assert_eq!(open_channel(0).temporary_channel_id, ChannelId::ALL);
    let created = Message::FundingCreated(astrape_wire::FundingCreated {
        temporary_channel_id: ChannelId::ALL,
        funding_txid: bitcoin::Txid::from_byte_array([1; 32]),
        funding_output_index: 0,
        signature: bitcoin::secp256k1::ecdsa::Signature::from_compact(&[1; 64]).expect("in range"),
    });
    let input = Input::Peer { peer: peer(2), event: PeerEvent::Message(PeerMessage::Other(created)) };
    let (_, effects) = step(&mut node, NOW, input);
    let refused = |e: &Effect| {
        matches!(e, Effect::Send { speech: Speech::Plain(Message::Error(m)), .. }
            if String::from_utf8_lossy(&m.data).contains("signature"))
    };
    assert!(effects.iter().any(refused), "the signature was looked at: {effects:?}");
    assert_eq!(node.channels().count(), 0);
    assert_eq!(answer(&mut node, peer(2), 1), "accept_channel");
    assert_eq!(answer(&mut node, peer(2), 0), "warning", "an error would fail the other channel too");
}

#[test]
fn recent_onions_are_bounded_and_the_first_holder_stays() {
    let mut recent = Recent::default();
    let onion = |n: u64| {
        let mut replay_id = astrape_primitives::ReplayId([0; 32]);
        replay_id.0[..8].copy_from_slice(&n.to_be_bytes());
        crate::SeenOnion { expiry: astrape_primitives::CltvExpiry(500), replay_id }
    };
    let (first, second) = (ChannelKeysId([1; 32]), ChannelKeysId([2; 32]));
    recent.see(&onion(0), (first, astrape_primitives::HtlcId(0)));
    recent.see(&onion(0), (second, astrape_primitives::HtlcId(5)));
    assert_eq!(recent.holder(&onion(0).replay_id), Some((first, astrape_primitives::HtlcId(0))));
    let most = crate::node::MAX_RECENT_ONIONS as u64;
    let least = most / 2;
    for n in 1..3 * most {
        recent.see(&onion(n), (second, astrape_primitives::HtlcId(n)));
        let oldest = n.saturating_sub(least - 1);
        assert!(recent.holder(&onion(oldest).replay_id).is_some(), "{oldest} is among the newest of {n}");
        if let Some(gone) = n.checked_sub(most) {
            assert_eq!(recent.holder(&onion(gone).replay_id), None, "{gone} is too old at {n}");
        }
    }
}

/// Each is a row of the ledger for good, and its peer pays nothing for it.
#[test]
fn of_forwards_that_fail_one_channel_fills_the_ledger_with_so_many_an_hour() {
    let mut node = node_with(config(), vec![]);
    let [busy, other] = [1, 2].map(|byte| ChannelKeysId([byte; 32]));
    let mut told = |now: Timestamp, channel: ChannelKeysId, failures: u32| -> u32 {
        let mut turn = Turn::new(&mut node, now, Entropy::new([7; 32]));
        (0..failures).map(|_| u32::from(turn.is_failure_told(channel))).sum()
    };
    assert_eq!(told(NOW, busy, MAX_FAILURES_TOLD + 500), MAX_FAILURES_TOLD);
    assert_eq!(told(NOW.plus(FAILURES_MILLIS - 1), busy, 1), 0);
    assert_eq!(told(NOW, other, 10), 10, "another channel has its own");
    assert_eq!(told(NOW.plus(FAILURES_MILLIS), busy, 10), 10);
}
