//! Whole nodes in a row, wired to each other without a daemon: what one says is signed, decoded and handed to the next, one
//! message at a time, and a test may take it off the wire, change it, repeat it, or say something of its own.

mod invoices;

use super::{NOW, peer};
use crate::command::{Command, OpenChannelCommand, Reply};
use crate::config::{Config, default_features};
use crate::effect::{Announcement, Effect, Find, Speech};
use crate::input::{ChainInput, CommandId, Found, FreshKeys, Input, PeerEvent, PeerMessage, SignerAnswer};
use crate::journal::{Entry, Journal, JournalError, Key, RetiredHtlc, SeenOnion, Writes};
use crate::ledger::Fact;
use crate::node::Node;
use crate::release::{find, sign_broadcast, speak};
use crate::turn::Turn;
use crate::{Broadcast, Refusal};
use astrape_channel::{Event, Opening, Phase};
use astrape_onion::{Hop, peel};
use astrape_payment::{RouteQuery, Taught, Trip};
use astrape_primitives::{
    BlockId, ChainEvent, ChannelKeysId, CommitmentNumber, ConfirmedTx, Entropy, Features, Height, Msat,
    Network, NodeId, PaymentHash, PaymentPreimage, Sat, Timestamp,
};
use astrape_routing::graph::{Direction, NewChannel, Policy};
use astrape_routing::{Crossing, Finder, Graph, Scores};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::signing::{Keychain, Signer as _};
use astrape_wallet::{FoundCoin, WalletFinding};
use astrape_wire::{ChannelUpdate, Decoded, Message};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Longer than any test makes messages: beyond it two nodes answer each other for ever.
const MAX_MESSAGES: usize = 5_000;

/// What a node has written, and nothing else of it.
#[derive(Clone, Default)]
pub(super) struct Disk {
    rows: BTreeMap<Key, Vec<u8>>,
    onions: BTreeSet<SeenOnion>,
}

impl Disk {
    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How many onions it remembers.
    pub(super) fn onions(&self) -> usize {
        self.onions.len()
    }
}

impl Journal for Disk {
    fn commit(&mut self, writes: &Writes) -> Result<(), JournalError> {
        for (key, row) in writes.records() {
            match row {
                Some(row) => self.rows.insert(key.clone(), row.to_vec()),
                None => self.rows.remove(key),
            };
        }
        self.onions.extend(writes.onions().iter().copied());
        if let Some(height) = writes.forget_onions_before() {
            self.onions.retain(|onion| onion.expiry >= height);
        }
        Ok(())
    }

    fn load(&self) -> Result<BTreeMap<Key, Vec<u8>>, JournalError> {
        Ok(self.rows.clone())
    }

    fn onion_seen(&self, onion: &SeenOnion) -> Result<bool, JournalError> {
        Ok(self.onions.contains(onion))
    }

    fn last_payment_fact(&self, _: &PaymentHash) -> Result<Option<Entry>, JournalError> {
        Ok(None)
    }

    fn retired_htlcs(
        &self,
        _: &ChannelKeysId,
        _: CommitmentNumber,
    ) -> Result<Vec<RetiredHtlc>, JournalError> {
        Ok(Vec::new())
    }
}

/// One node with what is around it.
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) signer: InProcessSigner,
    pub(super) disk: Disk,
    pub(super) facts: Vec<Fact>,
    pub(super) replies: Vec<Result<Reply, Refusal>>,
    /// Names of what it said, with the one it said it to.
    pub(super) said: Vec<(NodeId, Message)>,
    /// What it wanted in a block.
    pub(super) broadcast: Vec<Transaction>,
}

impl Member {
    /// A point of the curve that is no per-commitment point.
    pub(super) fn signer_key(&self) -> PublicKey {
        self.signer.node_id().key()
    }
}

/// Nodes in a row.
pub(super) struct Net {
    pub(super) members: Vec<Member>,
    wires: BTreeMap<(usize, usize), VecDeque<Message>>,
    up: BTreeSet<(usize, usize)>,
    pub(super) now: Timestamp,
    pub(super) tip: BlockId,
    /// Those of the invoices that were made.
    pub(super) preimages: BTreeMap<PaymentHash, PaymentPreimage>,
    /// Makes what is random different each time.
    drawn: u64,
    /// What the network was told, by all.
    pub(super) graph: Graph,
    /// Whether channels are announced.
    pub(super) announces: bool,
    /// Whether path search answers.
    pub(super) searches: bool,
    /// What it was asked when it did not.
    pub(super) unanswered: Vec<(usize, RouteQuery)>,
    /// Whom it would be good to probe, and how often that was asked.
    pub(super) targets: Vec<NodeId>,
    pub(super) asked_for_targets: usize,
    /// Who waits for a sign of life, and of whom.
    probed: Vec<(usize, NodeId)>,
    /// What payments have taught, and what is known by that.
    pub(super) taught: Vec<Taught>,
    /// The parts that are over, of all payments.
    pub(super) trips: Vec<Trip>,
    scores: Scores,
    /// Whether after each step the disk is held against the node.
    pub(super) is_checked: bool,
    /// Whether what is handed to a node comes together with what follows.
    pub(super) more_follow: bool,
}

fn signer_of(number: u8) -> InProcessSigner {
    InProcessSigner::new(&Seed::from_entropy([number; 32]), Network::Regtest)
}

fn number_of(who: usize) -> u8 {
    u8::try_from(who).expect("few nodes") + 1
}

/// A script that is nobody's.
pub(super) fn script(byte: u8) -> ScriptBuf {
    let mut bytes = vec![0, 20];
    bytes.resize(22, byte);
    ScriptBuf::from(bytes)
}

impl Net {
    /// Nodes with a tip, coins and no channels, each connected with the next.
    pub(super) fn new(nodes: usize) -> Self {
        let tip = BlockId { height: Height(99), hash: BlockHash::all_zeros() };
        let members = (0..nodes).map(|who| member(Config::new(peer(number_of(who)), Network::Regtest), who));
        let (wires, up) = (BTreeMap::new(), BTreeSet::new());
        let mut net = Self {
            members: members.collect(),
            wires,
            up,
            now: NOW,
            tip,
            preimages: BTreeMap::new(),
            drawn: 0,
            graph: Graph::new(),
            announces: false,
            searches: true,
            unanswered: Vec::new(),
            targets: Vec::new(),
            asked_for_targets: 0,
            probed: Vec::new(),
            taught: Vec::new(),
            trips: Vec::new(),
            scores: Scores::new(),
            is_checked: false,
            more_follow: false,
        };
        net.mine(Vec::new());
        for who in 0..nodes {
            net.fund(who);
        }
        for who in 1..nodes {
            net.connect(who - 1, who);
        }
        net
    }

    pub(super) fn id(&self, who: usize) -> NodeId {
        self.members[who].node.config.node_id
    }

    pub(super) fn fresh32(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let mut bytes = [0x5a; 32];
        bytes[..8].copy_from_slice(&self.drawn.to_be_bytes());
        bytes
    }

    /// Hands an input to a node and does what follows.
    pub(super) fn input(&mut self, who: usize, input: Input) {
        let (now, entropy) = (self.now, Entropy::new(self.fresh32()));
        let member = &mut self.members[who];
        let step = member.node.step_among_others(now, entropy, input, self.more_follow);
        let effects = step.commit(&mut member.disk).expect("this disk never fails");
        if self.is_checked {
            let (restored, _) = Node::restore((*member.node.config).clone(), &member.disk).expect("whole");
            assert!(restored == member.node.after_losing_all_connections(), "the disk is not node {who}");
        }
        for effect in effects {
            self.release(who, effect);
        }
    }

    /// An event of one of its channels that no input of an honest node leads to.
    pub(super) fn misbehave(&mut self, who: usize, channel: ChannelKeysId, event: Event) {
        let (now, entropy) = (self.now, Entropy::new(self.fresh32()));
        let member = &mut self.members[who];
        let mut turn = Turn::new(&mut member.node, now, entropy);
        turn.drive(channel, event);
        let (writes, effects) = turn.finish();
        member.node.install();
        member.disk.commit(&writes).expect("this disk never fails");
        for effect in effects {
            self.release(who, effect);
        }
    }

    fn release(&mut self, who: usize, effect: Effect) {
        match effect {
            Effect::Send { peer, speech: Speech::Probe } => self.probed.push((who, peer)),
            Effect::Send { peer, speech } => {
                let spoken = speak(speech, &self.members[who].signer).expect("the signer signs");
                if let Some(answer) = spoken.answer {
                    self.input(who, Input::Signer(answer));
                }
                if let Some(message) = spoken.message {
                    self.members[who].said.push((peer, message.clone()));
                    if let Some(to) = self.index_of(peer).filter(|to| self.is_up(who, *to)) {
                        self.wires.entry((who, to)).or_default().push_back(message);
                    }
                }
            }
            Effect::Disconnect { peer, .. } => {
                if let Some(to) = self.index_of(peer) {
                    self.cut(who, to);
                }
            }
            Effect::Broadcast(Broadcast::Wallet(request)) => self.members[who].broadcast.push(request.tx),
            Effect::Broadcast(broadcast) => {
                let package =
                    sign_broadcast(&broadcast, &self.members[who].signer).expect("the signer signs");
                self.members[who].broadcast.extend(package);
            }
            Effect::Watch(_) => {}
            Effect::Announce(announcement) => self.tell_all(announcement),
            Effect::Teach(trip) => self.learn(*trip),
            Effect::Find(Find::ProbeTargets) => {
                self.asked_for_targets += 1;
                let nodes = self.targets.clone();
                self.input(who, Input::Found(Found::ProbeTargets { nodes }));
            }
            Effect::Find(Find::Route(query)) => {
                if self.searches {
                    let found = self.ways(&query);
                    self.input(who, Input::Found(found));
                } else {
                    self.unanswered.push((who, *query));
                }
            }
            Effect::Reply { reply, .. } => self.members[who].replies.push(reply),
            Effect::Publish(entry) => self.members[who].facts.push(entry.fact),
            Effect::Find(question) => {
                let member = &self.members[who];
                let answer = match question {
                    Find::ShutdownScript { channel } => {
                        Some(SignerAnswer::ShutdownScript { channel, script: script(number_of(who)) })
                    }
                    question => find(&question, &member.signer, &member.node.secp),
                };
                if let Some(answer) = answer {
                    self.input(who, Input::Signer(answer));
                }
            }
        }
    }

    /// What the network is told of a channel goes into the one graph that all search.
    fn tell_all(&mut self, announcement: Announcement) {
        match announcement {
            Announcement::Channel { announcement: m, funding: (_, capacity), .. } => {
                let channel = NewChannel {
                    short_channel_id: m.short_channel_id,
                    node_1: m.node_id_1,
                    node_2: m.node_id_2,
                    capacity: Some(capacity),
                    features: Features::empty(),
                    received: 1,
                    stored: None,
                };
                // Both ends tell of it.
                let _ = self.graph.add_channel(channel);
            }
            Announcement::Update(m) => {
                let direction = Direction::from_flags(m.channel_flags);
                let _ = self.graph.set_policy(m.short_channel_id, direction, policy(&m));
            }
            // Its sender tells it too.
            Announcement::PeerUpdate(_) | Announcement::Node(_) => {}
        }
    }

    fn learn(&mut self, trip: Trip) {
        for taught in trip.taught() {
            self.taught.push(taught);
            // Of the channels of hints nothing is known.
            let Some(channel) = self.graph.channel(taught.short_channel_id) else { continue };
            let crossing = Crossing {
                short_channel_id: taught.short_channel_id,
                direction: taught.direction,
                capacity: channel.capacity.expect("it was told").to_msat(),
                amount: taught.amount,
            };
            self.scores.learn(&crossing, taught.outcome, self.now);
        }
        for (channel, delay_ms) in trip.delays(&trip.hold_times()) {
            self.scores.learn_delay(channel, delay_ms);
        }
        self.trips.push(trip);
    }

    /// What path search says.
    pub(super) fn ways(&mut self, query: &RouteQuery) -> Found {
        let mut finder = Finder::new(self.graph.snapshot(), &self.scores);
        let route = Box::new(finder.find(&query.request(self.now)));
        Found::Route { payment_hash: query.payment_hash, number: query.number, route }
    }

    fn index_of(&self, id: NodeId) -> Option<usize> {
        (0..self.members.len()).find(|who| self.id(*who) == id)
    }

    fn is_up(&self, a: usize, b: usize) -> bool {
        self.up.contains(&(a.min(b), a.max(b)))
    }

    pub(super) fn connect(&mut self, a: usize, b: usize) {
        self.connect_with(a, b, &default_features());
    }

    /// Both say that they know these features.
    pub(super) fn connect_with(&mut self, a: usize, b: usize, features: &Features) {
        self.up.insert((a.min(b), a.max(b)));
        for (who, other) in [(a, b), (b, a)] {
            let (peer, features) = (self.id(other), features.clone());
            self.input(who, Input::Peer { peer, event: PeerEvent::Up { features } });
        }
    }

    /// The connection is lost, with all that is on its way.
    pub(super) fn cut(&mut self, a: usize, b: usize) {
        if !self.up.remove(&(a.min(b), a.max(b))) {
            return;
        }
        for (who, other) in [(a, b), (b, a)] {
            self.wires.remove(&(who, other));
            let peer = self.id(other);
            self.input(who, Input::Peer { peer, event: PeerEvent::Down });
        }
    }

    /// A message arrives, as its bytes, prepared as a daemon does.
    pub(super) fn receive(&mut self, to: usize, from: usize, message: &Message) {
        let bytes = message.encode().expect("it can be said");
        let Ok(Decoded::Known(message)) = Message::decode(&bytes) else {
            panic!("what is said is read");
        };
        let message = match message {
            Message::OpenChannel(message) => {
                PeerMessage::OpenChannel { message: Box::new(message), keys: self.fresh_keys(to) }
            }
            Message::UpdateAddHtlc(message) => {
                let member = &self.members[to];
                let packet = &message.onion_routing_packet;
                let onion = peel(packet, &message.payment_hash, |point| member.signer.ecdh(point));
                let seen = onion.as_ref().is_ok_and(|peeled| {
                    let expiry = match &peeled.hop {
                        Hop::Forward { payload, .. } => payload.outgoing_cltv_value,
                        Hop::Final { payload } => payload.outgoing_cltv_value,
                    };
                    let name = SeenOnion { expiry, replay_id: peeled.shared_secret.replay_id() };
                    member.disk.onion_seen(&name).expect("it can be read")
                });
                PeerMessage::UpdateAddHtlc { message, onion: Arc::new(onion), seen }
            }
            message => PeerMessage::Other(message),
        };
        let peer = self.id(from);
        self.input(to, Input::Peer { peer, event: PeerEvent::Message(message) });
    }

    pub(super) fn fresh_keys(&mut self, who: usize) -> FreshKeys {
        let id = ChannelKeysId(self.fresh32());
        FreshKeys { id, keys: self.members[who].signer.channel_keys(&id) }
    }

    /// The next message on a wire, taken off it.
    pub(super) fn intercept(&mut self, from: usize, to: usize) -> Option<Message> {
        self.wires.get_mut(&(from, to))?.pop_front()
    }

    /// What is on a wire is lost.
    pub(super) fn clear(&mut self, from: usize, to: usize) {
        self.wires.remove(&(from, to));
    }

    /// Takes off a wire all that stands there, and the first message of that name with it, which is handed back.
    pub(super) fn intercept_until(&mut self, from: usize, to: usize, name: &str) -> Message {
        loop {
            let message = self.intercept(from, to).unwrap_or_else(|| panic!("{from} says no {name} to {to}"));
            if message.name() == name {
                return message;
            }
            self.receive(to, from, &message);
        }
    }

    /// Who was asked for a sign of life gives one.
    fn answer_probes(&mut self, silent: Option<usize>) {
        for (who, peer) in std::mem::take(&mut self.probed) {
            let up = self.index_of(peer).filter(|to| self.is_up(who, *to));
            if up.is_some_and(|to| Some(to) == silent) {
                self.probed.push((who, peer));
            } else if up.is_some() {
                self.input(who, Input::Peer { peer, event: PeerEvent::Heard });
            }
        }
    }

    /// The next message on any wire, taken off it: from whom, to whom, and what.
    pub(super) fn next(&mut self) -> Option<(usize, usize, Message)> {
        self.answer_probes(None);
        let (from, to) = self.wires.iter().find(|(_, wire)| !wire.is_empty()).map(|(ends, _)| *ends)?;
        self.intercept(from, to).map(|message| (from, to, message))
    }

    /// The same, but nothing of this node's, which is silent.
    pub(super) fn next_but(&mut self, silent: usize) -> Option<(usize, usize, Message)> {
        self.answer_probes(Some(silent));
        let speaks =
            |((from, _), wire): &(&(usize, usize), &VecDeque<Message>)| *from != silent && !wire.is_empty();
        let (from, to) = self.wires.iter().find(speaks).map(|(ends, _)| *ends)?;
        self.intercept(from, to).map(|message| (from, to, message))
    }

    /// Until all is quiet.
    pub(super) fn run(&mut self) {
        for _ in 0..MAX_MESSAGES {
            let Some((from, to, message)) = self.next() else {
                return;
            };
            self.receive(to, from, &message);
        }
        panic!("no end");
    }

    /// A block with these transactions, for everybody.
    pub(super) fn mine(&mut self, transactions: Vec<Transaction>) {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&(self.tip.height.0 + 1).to_be_bytes());
        let block = BlockId { height: self.tip.height.plus(1), hash: BlockHash::from_byte_array(hash) };
        let previous = std::mem::replace(&mut self.tip, block).hash;
        let confirmed = (1..).zip(transactions).map(|(index, tx)| ConfirmedTx { tx: Arc::new(tx), index });
        let matched: Vec<_> = confirmed.collect();
        for who in 0..self.members.len() {
            let event = ChainEvent::Connected { block, previous, time: 0, matched: matched.clone() };
            self.input(who, Input::Chain(ChainInput::Event(event)));
        }
    }

    /// Coins of ten million satoshi, one for each channel that a test may open.
    fn fund(&mut self, who: usize) {
        let coins = (0..16).map(|_| FoundCoin {
            outpoint: OutPoint { txid: Txid::from_byte_array(self.fresh32()), vout: 0 },
            keychain: Keychain::External,
            index: 0,
            amount: Sat(10_000_000),
            script_pubkey: ScriptBuf::from([vec![0x51, 32], vec![number_of(who); 32]].concat()),
            is_coinbase: false,
            ours_change: false,
        });
        let found = coins.map(|coin| WalletFinding::Confirmed { coin, height: Height(50) }).collect();
        self.input(who, Input::Coins(found));
    }

    pub(super) fn command(&mut self, who: usize, command: Command) -> Result<Reply, Refusal> {
        self.members[who].replies.clear();
        self.input(who, Input::Command { id: CommandId(1), command });
        self.members[who].replies.pop().expect("a command is answered in its step")
    }

    /// Asks for a channel.
    pub(super) fn propose(&mut self, from: usize, to: usize) -> ChannelKeysId {
        let keys = self.fresh_keys(from);
        let channel = keys.id;
        let command = OpenChannelCommand {
            peer: self.id(to),
            funding: Sat(1_000_000),
            push: Msat(400_000_000),
            announce: self.announces,
            feerate: None,
            keys,
            change_script: script(77),
            upfront_shutdown_script: None,
        };
        let reply = self.command(from, Command::OpenChannel(Box::new(command)));
        assert_eq!(reply, Ok(Reply::Opening { channel }));
        channel
    }

    /// A channel that is ready for payments; the opener's name for it.
    pub(super) fn open(&mut self, from: usize, to: usize) -> ChannelKeysId {
        let channel = self.propose(from, to);
        self.run();
        self.confirm(from);
        assert!(self.members[from].node.channel(&channel).is_some_and(astrape_channel::Channel::is_usable));
        channel
    }

    /// What a node broadcast last gets into a block, and is deep.
    pub(super) fn confirm(&mut self, who: usize) {
        let tx = self.members[who].broadcast.last().cloned().expect("it is broadcast");
        self.mine(vec![tx]);
        for _ in 0..6 {
            self.mine(Vec::new());
        }
        self.run();
    }

    /// The first commitment of the other side, signed for a funding output that the channel does not have.
    pub(super) fn sign_funding(&self, who: usize, outpoint: OutPoint) -> Option<Signature> {
        let member = &self.members[who];
        let agreed = member.node.channels().find_map(|(_, channel)| match &channel.phase {
            Phase::Opening(Opening::AwaitingFundingSigned(state)) => Some(state.agreed.clone()),
            _ => None,
        })?;
        let request = agreed.remote_request(outpoint);
        member.signer.sign_remote_commitment(&request).ok().map(|(signature, _)| signature)
    }

    /// The names of all channels of a node.
    pub(super) fn channels(&self, who: usize) -> Vec<ChannelKeysId> {
        self.members[who].node.channels().map(|(keys, _)| keys).collect()
    }

    /// The process ends and starts again from its disk. Everybody has lost it meanwhile.
    pub(super) fn restart(&mut self, who: usize) {
        for other in 0..self.members.len() {
            if other != who {
                self.cut(who, other);
            }
        }
        let config = (*self.members[who].node.config).clone();
        let (node, owed) = Node::restore(config, &self.members[who].disk).expect("the disk is whole");
        self.members[who].node = node;
        for effect in owed {
            self.release(who, effect);
        }
    }

    /// How often a node said that to anybody.
    pub(super) fn times_said(&self, who: usize, name: &str) -> usize {
        self.members[who].said.iter().filter(|(_, message)| message.name() == name).count()
    }
}

fn policy(m: &ChannelUpdate) -> Policy {
    Policy {
        timestamp: m.timestamp,
        fee_base_msat: m.fee_base_msat,
        fee_proportional_millionths: m.fee_proportional_millionths,
        cltv_expiry_delta: m.cltv_expiry_delta,
        htlc_minimum: m.htlc_minimum_msat,
        htlc_maximum: m.htlc_maximum_msat,
        disabled: m.channel_flags & ChannelUpdate::DISABLE != 0,
        checksum: 0,
        stored: None,
    }
}

fn member(config: Config, who: usize) -> Member {
    Member {
        node: Node::new(config),
        signer: signer_of(number_of(who)),
        disk: Disk::default(),
        facts: Vec::new(),
        replies: Vec::new(),
        said: Vec::new(),
        broadcast: Vec::new(),
    }
}
