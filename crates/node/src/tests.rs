//! What the node does with its own faults, with a state that may be old, and with floods: played on channels that stand in
//! memory only.

mod aliases;
mod background;
mod court;
mod errors;
mod gossip;
mod hold;
mod hold_times;
mod hostile;
mod intercepts;
mod jamming;
mod money;
mod net;
mod openings;
mod policies;
mod probes;
mod probing;
mod replays;
mod ways;
mod whole;

use crate::command::{Command, Refusal, Reply};
use crate::config::Config;
use crate::effect::{Effect, Speech};
use crate::input::{CommandId, FreshKeys, Input, PeerEvent, PeerMessage};
use crate::journal::Writes;
use crate::ledger::{ChannelFact, Fact};
use crate::node::{Node, Recent};
use crate::record::tests::examples::Gen;
use crate::step::Step;
use astrape_channel::funding::Confirmation;
use astrape_channel::{Balances, Channel, Link, Phase, Readiness, Shutdown, Up};
use astrape_primitives::{
    BlockId, ChannelId, ChannelKeysId, Entropy, Features, Height, Msat, Network, NodeId, Sat, Timestamp,
};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::signing::Signer as _;
use astrape_wire::{Message, OpenChannel, Warning};
use bitcoin::hashes::Hash as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn peer(number: u8) -> NodeId {
    InProcessSigner::new(&Seed::from_entropy([number; 32]), Network::Regtest).node_id()
}

fn config() -> Config {
    Config::new(peer(1), Network::Regtest)
}

/// An open channel with that peer, ready and empty, whose balances are its capacity.
fn channel(number: u64, with: NodeId) -> Channel {
    let keys = ChannelKeysId([u8::try_from(number).expect("small"); 32]);
    let mut open = Gen(number).open(keys);
    let mut params = (*open.params).clone();
    params.peer = with;
    open.params = Arc::new(params);
    open.htlcs.clear();
    open.waiting.clear();
    open.waiting_feerate = None;
    open.shutdown = Shutdown::default();
    open.readiness = Readiness { sent: true, received: true, remote_alias: None };
    open.funding.spent = None;
    open.announcement = Default::default();
    open.balances = Balances { local: open.funding.terms.capacity.to_msat(), remote: Msat::ZERO };
    Channel { link: Link::Up(Up::default()), phase: Phase::Open(Box::new(open)) }
}

fn node_with(config: Config, channels: Vec<Channel>) -> Node {
    let mut node = Node::new(config);
    let block = BlockId { height: Height(100), hash: bitcoin::BlockHash::all_zeros() };
    node.chain.set((), crate::state::ChainState { recent: vec![block], ..Default::default() });
    for channel in channels {
        let features = crate::config::default_features();
        let connected = crate::node::ConnectedPeer { features, heard_at: NOW, probed: false };
        node.peers.set(channel.peer(), connected);
        node.index.update(channel.keys(), None, Some(&channel));
        node.channels.set(channel.keys(), Arc::new(channel));
    }
    node.peers.install();
    node.channels.install();
    node.chain.install();
    node
}

fn step(node: &mut Node, now: Timestamp, input: Input) -> (Writes, Vec<Effect>) {
    let step: Step = node.step(now, Entropy::new([7; 32]), input);
    let writes = step.writes().clone();
    (writes, step.commit(&mut NoDisk).expect("there is no disk to fail"))
}

struct NoDisk;

impl crate::Journal for NoDisk {
    fn commit(&mut self, _: &Writes) -> Result<(), crate::JournalError> {
        Ok(())
    }
    fn load(&self) -> Result<std::collections::BTreeMap<crate::Key, Vec<u8>>, crate::JournalError> {
        Ok(std::collections::BTreeMap::new())
    }
    fn onion_seen(&self, _: &crate::SeenOnion) -> Result<bool, crate::JournalError> {
        Ok(false)
    }
    fn last_payment_fact(
        &self,
        _: &astrape_primitives::PaymentHash,
    ) -> Result<Option<crate::Entry>, crate::JournalError> {
        Ok(None)
    }
    fn retired_htlcs(
        &self,
        _: &ChannelKeysId,
        _: astrape_primitives::CommitmentNumber,
    ) -> Result<Vec<crate::RetiredHtlc>, crate::JournalError> {
        Ok(Vec::new())
    }
}

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
    assert_eq!(node.channel(&bad.keys()), Some(&bad), "nothing of the step happened");
    assert_eq!(node.quarantined().map(|(keys, _)| keys).collect::<Vec<_>>(), [bad.keys()]);

    let (_, effects) = step(&mut node, NOW, said(peer(3), &good));
    assert!(effects.is_empty(), "the others are as before: {effects:?}");
    let features = Features::empty();
    let (_, effects) = step(&mut node, NOW, Input::Peer { peer: peer(2), event: PeerEvent::Up { features } });
    assert!(effects.is_empty(), "nothing is said for the quarantined channel: {effects:?}");
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

fn fresh_keys(number: u8) -> FreshKeys {
    let signer = InProcessSigner::new(&Seed::from_entropy([200; 32]), Network::Regtest);
    let id = ChannelKeysId([number; 32]);
    FreshKeys { id, keys: signer.channel_keys(&id) }
}

fn open_channel(number: u8) -> OpenChannel {
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
        let mut replay_id = [0; 32];
        replay_id[..8].copy_from_slice(&n.to_be_bytes());
        crate::SeenOnion { expiry: astrape_primitives::CltvExpiry(500), replay_id }
    };
    let (first, second) = (ChannelKeysId([1; 32]), ChannelKeysId([2; 32]));
    recent.see(&onion(0), (first, astrape_primitives::HtlcId(0)));
    recent.see(&onion(0), (second, astrape_primitives::HtlcId(5)));
    assert_eq!(recent.holder(&onion(0).replay_id), Some((first, astrape_primitives::HtlcId(0))));
    for n in 1..=crate::node::MAX_RECENT_ONIONS as u64 {
        recent.see(&onion(n), (second, astrape_primitives::HtlcId(n)));
    }
    assert_eq!(recent.holder(&onion(0).replay_id), None, "the oldest goes");
    assert!(recent.holder(&onion(1).replay_id).is_some());
}

#[test]
fn a_peer_is_remembered_and_forgotten_by_command() {
    let mut node = node_with(config(), vec![channel(1, peer(2))]);
    let remember = Command::RememberPeer { peer: peer(3), addresses: vec!["127.0.0.1:9735".into()] };
    let (_, effects) = step(&mut node, NOW, Input::Command { id: CommandId(1), command: remember });
    assert!(matches!(&effects[..], [Effect::Reply { reply: Ok(Reply::Done), .. }]));
    assert_eq!(node.known_peers().count(), 1);
    let forget = Command::ForgetPeer { peer: peer(2) };
    let (_, effects) = step(&mut node, NOW, Input::Command { id: CommandId(2), command: forget });
    assert!(matches!(&effects[..], [Effect::Reply { reply: Err(Refusal::HasChannels(_)), .. }]));
}

/// A payment that failed, was tried again and arrived while the lookup of the third try was under way.
#[test]
fn a_payment_is_not_made_twice_when_an_older_failure_was_looked_up() {
    let mut node = node_with(config(), Vec::new());
    let invoice = invoice_of(peer(9));
    let payment_hash = invoice.payment_hash();
    let entry = |number, fact| crate::Entry { number, at: NOW, fact };
    let reason = "no way".to_owned();
    let failed = Fact::PaymentFailed { payment_hash, amount: Msat(1), destination: peer(9), reason };
    let preimage = astrape_primitives::PaymentPreimage([1; 32]);
    let (amount, fee) = (Msat(1), Msat::ZERO);
    let sent = entry(2, Fact::PaymentSent { payment_hash, preimage, amount, fee, destination: peer(9) });
    node.recent.end(crate::state::Ended { payment_hash, fact: sent.clone() });
    let command = crate::command::PayCommand {
        earlier: Some(entry(1, failed)),
        ..crate::command::PayCommand::new(invoice)
    };
    let input = Input::Command { id: CommandId(1), command: Command::Pay(Box::new(command)) };
    let (writes, effects) = step(&mut node, NOW, input);
    assert!(
        matches!(&effects[..], [Effect::Reply { reply: Ok(Reply::AlreadyPaid(found)), .. }] if **found == sent),
        "{effects:?}"
    );
    assert!(writes.is_empty());
}

fn invoice_of(payee: NodeId) -> astrape_invoice::Invoice {
    let signer = InProcessSigner::new(&Seed::from_entropy([9; 32]), Network::Regtest);
    assert_eq!(signer.node_id(), payee);
    let description = astrape_invoice::Description::Text("tea".into());
    let hash = astrape_primitives::PaymentHash([3; 32]);
    let secret = astrape_primitives::PaymentSecret([4; 32]);
    let mut draft =
        astrape_invoice::InvoiceDraft::new(Network::Regtest, payee, NOW.secs(), hash, secret, description);
    draft.amount = Some(Msat(1));
    let unsigned = draft.to_unsigned().expect("a draft that BOLT 11 can say");
    unsigned.finish(&signer.sign_message(unsigned.signing_digest())).expect("signed by its payee")
}

#[test]
fn a_peer_may_name_a_channel_by_its_real_short_channel_id_where_others_may_not() {
    let peers_key = InProcessSigner::new(&Seed::from_entropy([2; 32]), Network::Regtest);
    let mut theirs = channel(1, peer(2));
    let Phase::Open(open) = &mut theirs.phase else { unreachable!("it was made open") };
    let mut params = (*open.params).clone();
    (params.scid_alias, params.announce) = (true, false);
    open.params = Arc::new(params);
    let mut terms = *open.funding.terms;
    terms.outpoint.vout = 1;
    open.funding.terms = Arc::new(terms);
    open.funding.confirmed = Some(Confirmation { height: Height(90), index: 3 });
    let real = crate::index::real_scid(open).expect("it is in a block");
    let mut node = node_with(config(), vec![theirs]);
    assert_eq!(node.index.by_scid(real), None, "others cannot ask for it by that id");

    let mut update = Gen(5).channel_update();
    update.chain_hash = node.config.channel.network.chain_hash();
    update.short_channel_id = real;
    update.channel_flags = u8::from(peer(2) > peer(1));
    update.signature = peers_key.sign_message(update.signed_hash().to_byte_array()).to_standard();
    let said = |by: NodeId, update| {
        let message = PeerMessage::Other(Message::ChannelUpdate(update));
        Input::Peer { peer: by, event: PeerEvent::Message(message) }
    };
    step(&mut node, NOW, said(peer(3), update.clone()));
    assert!(node.route_hints().is_empty(), "it is another's channel");
    step(&mut node, NOW, said(peer(2), update.clone()));
    let hints = node.route_hints();
    assert_eq!(hints.len(), 1);
    assert_eq!((hints[0][0].node_id, hints[0][0].fee_base_msat), (peer(2), update.fee_base_msat));
}

fn nothing(lock_time: u32) -> bitcoin::Transaction {
    let lock_time = bitcoin::absolute::LockTime::from_consensus(lock_time);
    bitcoin::Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time,
        input: vec![],
        output: vec![],
    }
}

#[test]
fn a_claim_goes_out_behind_its_parent() {
    let signer = InProcessSigner::new(&Seed::from_entropy([1; 32]), Network::Regtest);
    let request = astrape_transactions::signing::ClaimRequest { tx: nothing(2), inputs: vec![] };
    let claim = |parent| {
        let request = Box::new(request.clone());
        crate::Broadcast::Claim { request, parent, deadline: Some(Height(500)) }
    };
    assert_eq!(claim(None).txid(), Some(nothing(2).compute_txid()));
    assert_eq!(claim(None).deadline(), Some(Height(500)));
    let alone = crate::release::sign_broadcast(&claim(None), &signer).expect("it has no inputs");
    assert_eq!(alone, [nothing(2)]);
    let parent = crate::Parent::Signed(Arc::new(nothing(1)));
    let package = crate::release::sign_broadcast(&claim(Some(parent)), &signer).expect("it has no inputs");
    assert_eq!(package, [nothing(1), nothing(2)], "the child last");
}

#[test]
fn a_spend_that_a_late_watch_finds_in_a_block_of_ours_is_taken_and_one_of_another_chain_is_not() {
    let theirs = channel(1, peer(2));
    let outpoint = theirs.open().expect("it is open").funding.terms.outpoint;
    let mut tx = nothing(0);
    tx.input.push(bitcoin::TxIn { previous_output: outpoint, ..bitcoin::TxIn::default() });
    let matched = vec![astrape_primitives::ConfirmedTx { tx: Arc::new(tx), index: 3 }];
    let mut node = node_with(config(), vec![theirs.clone()]);
    let tip = node.chain().tip().expect("it has one");
    let late = |block| Input::Chain(crate::ChainInput::Late { block, matched: matched.clone() });
    let spent_at = |node: &Node| {
        let channel = node.channel(&theirs.keys()).expect("it is there");
        channel.open().and_then(|open| open.funding.spent.as_ref()).map(|spent| spent.height)
    };
    step(&mut node, NOW, late(BlockId { hash: bitcoin::BlockHash::from_byte_array([9; 32]), ..tip }));
    assert_eq!(spent_at(&node), None, "that block is of another chain");
    step(&mut node, NOW, late(tip));
    assert_eq!(spent_at(&node), Some(tip.height));
}

/// An HTLC of a channel from its beginning on.
fn pending(side: astrape_primitives::Side, expiry: u32) -> astrape_channel::Htlc {
    let mut htlc = Gen(3).htlc(side, astrape_primitives::HtlcId(0));
    htlc.amount = Sat(100_000).to_msat();
    htlc.payment_hash = astrape_primitives::PaymentPreimage([7; 32]).payment_hash();
    htlc.cltv_expiry = astrape_primitives::CltvExpiry(expiry);
    htlc.added = astrape_channel::commitments::Numbers::FROM_THE_START;
    htlc.removal = None;
    htlc
}

/// A payment on its way: it came in on the first channel, expiring at block 120, and went out on the second, expiring at 103.
fn relayed(format: astrape_transactions::CommitmentFormat) -> (Node, ChannelKeysId, ChannelKeysId) {
    let (mut first, mut second) = (channel(1, peer(2)), channel(2, peer(3)));
    let (incoming, mut outgoing) =
        (pending(astrape_primitives::Side::Remote, 120), pending(astrape_primitives::Side::Local, 103));
    let origin = astrape_channel::Origin::Relay { channel: first.keys(), id: incoming.id };
    if let astrape_channel::htlc::Direction::Outgoing { onion, .. } = outgoing.direction.clone() {
        outgoing.direction = astrape_channel::htlc::Direction::Outgoing { origin, onion, preimage: None };
    }
    for (channel, htlc) in [(&mut first, incoming), (&mut second, outgoing)] {
        if let Phase::Open(open) = &mut channel.phase {
            let terms = Arc::make_mut(&mut open.funding.terms);
            terms.format = format;
            terms.local.dust_limit = Sat(354);
            let mut params = (*open.params).clone();
            params.format = format;
            open.params = Arc::new(params);
            open.fees = astrape_channel::fee::Fees::new(astrape_primitives::FeeratePerKw(1_000));
            open.htlcs.insert(htlc.key(), Arc::new(htlc));
        }
    }
    let keys = (first.keys(), second.keys());
    (node_with(config(), vec![first, second]), keys.0, keys.1)
}

fn block(node: &mut Node) -> Vec<Effect> {
    let tip = node.chain().tip().expect("it has one");
    let height = Height(tip.height.0 + 1);
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&height.0.to_be_bytes());
    let next = BlockId { height, hash: bitcoin::BlockHash::from_byte_array(hash) };
    let event = astrape_primitives::ChainEvent::Connected {
        block: next,
        previous: tip.hash,
        time: 0,
        matched: Vec::new(),
    };
    step(node, NOW, Input::Chain(crate::ChainInput::Event(event))).1
}

fn goes_on_chain(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Broadcast(crate::Broadcast::Commitment(_))))
}

// attack 32
// attack 52
#[test]
fn a_stuck_payment_closes_its_channel_and_is_failed_back_before_the_one_it_came_from_must_close() {
    for format in [
        astrape_transactions::CommitmentFormat::Anchors,
        astrape_transactions::CommitmentFormat::StaticRemotekey,
    ] {
        let (mut node, first, second) = relayed(format);
        let is_failed = |node: &Node| {
            let open = node.channel(&first).and_then(|c| c.open()).expect("it is open");
            open.htlcs.values().next().expect("still there").removal.is_some()
        };
        let phase = |node: &Node, keys| matches!(node.channel(keys).expect("there").phase, Phase::Open(_));
        while node.chain().height() < Height(105) {
            assert!(!goes_on_chain(&block(&mut node)), "the peer has its grace");
        }
        assert!(goes_on_chain(&block(&mut node)));
        assert!(phase(&node, &first) && !phase(&node, &second));
        while node.chain().height() < Height(113) {
            block(&mut node);
            assert!(!is_failed(&node), "the preimage may still come");
        }
        block(&mut node);
        assert!(is_failed(&node));
        assert!(phase(&node, &first), "and its channel lives on");
    }
}

// attack 43
#[test]
fn no_channel_is_closed_from_a_stale_view_of_the_chain_nor_at_once_when_it_is_back() {
    let (mut node, _, second) = relayed(astrape_transactions::CommitmentFormat::Anchors);
    let told = |freshness| Input::Chain(crate::ChainInput::Freshness(freshness));
    step(&mut node, NOW, told(crate::Freshness::Behind("syncing".to_owned())));
    while node.chain().height() < Height(111) {
        assert!(!goes_on_chain(&block(&mut node)));
    }
    let (_, effects) = step(&mut node, NOW, told(crate::Freshness::Fresh));
    assert!(!goes_on_chain(&effects), "the peer may not have had a chance to fail it");
    block(&mut node);
    assert!(!goes_on_chain(&block(&mut node)));
    assert!(goes_on_chain(&block(&mut node)), "three blocks later it had");
    assert!(matches!(node.channel(&second).expect("there").phase, Phase::Closing(_)));
}
