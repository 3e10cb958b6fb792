//! The node on channels that stand in memory only, one input at a time: what it keeps, refuses, and lets go out. Whole nodes that
//! talk are in `net`.

mod aliases;
mod anew;
mod background;
mod bump;
mod circles;
mod court;
mod deadlines;
mod errors;
mod faults;
mod feerates;
mod floods;
mod given_up;
mod gossip;
mod hold;
mod hold_times;
mod hostile;
mod intercepts;
mod jamming;
mod last_word;
mod late;
mod lost;
mod money;
mod net;
mod openings;
mod policies;
mod prices;
mod probes;
mod probing;
mod replays;
mod requests;
mod stale;
mod stuck;
mod ways;
mod whole;

use crate::command::{Command, Refusal, Reply};
use crate::config::Config;
use crate::effect::Effect;
use crate::input::{CommandId, Input, PeerEvent, PeerMessage};
use crate::journal::Writes;
use crate::ledger::Fact;
use crate::node::Node;
use crate::record::tests::examples::Gen;
use crate::step::Step;
use astrape_channel::funding::Confirmation;
use astrape_channel::{Balances, Channel, Link, Phase, Readiness, Shutdown, Up};
use astrape_primitives::{BlockId, ChannelKeysId, Entropy, Height, Msat, Network, NodeId, Timestamp};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::signing::Signer as _;
use astrape_wire::Message;
use bitcoin::hashes::Hash as _;
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
    fn past_request(&self, _: &crate::RequestId) -> Result<Option<crate::PastRequest>, crate::JournalError> {
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
    let failed =
        Fact::PaymentFailed { payment_hash, amount: Msat(1), destination: peer(9), reason, rebalance: false };
    let preimage = astrape_primitives::PaymentPreimage([1; 32]);
    let (amount, fee) = (Msat(1), Msat::ZERO);
    let sent = entry(
        2,
        Fact::PaymentSent { payment_hash, preimage, amount, fee, destination: peer(9), rebalance: false },
    );
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
    assert!(node.route_hints(None).is_empty(), "it is another's channel");
    step(&mut node, NOW, said(peer(2), update.clone()));
    let hints = node.route_hints(None);
    assert_eq!(hints.len(), 1);
    assert_eq!((hints[0][0].node_id, hints[0][0].fee_base_msat), (peer(2), update.fee_base_msat));
}
