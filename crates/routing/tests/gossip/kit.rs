//! A network of signed messages, and a [`Gossip`] that hears of it.

use astrape_primitives::{CltvDelta, Height, Msat, Network, NodeId, Sat, ShortChannelId};
use astrape_routing::gossip::sync::Standing;
use astrape_routing::gossip::{ChainAnswer, FundingOutput, Heard, Ignored, Job, Offered, Output, Points};
use astrape_routing::{Direction, Gossip};
use astrape_wire::{
    Address, Addresses, ChannelAnnouncement, ChannelUpdate, Decoded, Extension, Message, NodeAnnouncement,
};
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{All, Message as Digest, PublicKey, Secp256k1, SecretKey};
use bitcoin::{OutPoint, ScriptBuf, Txid};

/// Seconds of UNIX time.
pub(crate) const NOW: u32 = 1_790_000_000;
/// The newest block.
pub(crate) const TIP: Height = Height(1_000);
pub(crate) const CAPACITY: Sat = Sat(1_000_000);

pub(crate) fn secret(n: u16) -> SecretKey {
    let mut bytes = [9; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    SecretKey::from_slice(&bytes).expect("a key")
}

pub(crate) fn public(n: u16) -> PublicKey {
    secret(n).public_key(&Secp256k1::new())
}

pub(crate) fn node(n: u16) -> NodeId {
    NodeId::from_key(&public(n))
}

/// A peer that has no channel.
pub(crate) fn peer(n: u16) -> NodeId {
    node(40_000 + n)
}

pub(crate) fn scid(block: u32) -> ShortChannelId {
    ShortChannelId::new(block, 1, 0).expect("small")
}

fn zero() -> Signature {
    Signature::from_compact(&[0; 64]).expect("in range")
}

pub(crate) fn sign(hash: sha256d::Hash, key: &SecretKey) -> Signature {
    Secp256k1::new().sign_ecdsa(&Digest::from_digest(hash.to_byte_array()), key)
}

/// The two ends in the order of BOLT 7.
pub(crate) fn ordered(a: u16, b: u16) -> (u16, u16) {
    if node(a) < node(b) { (a, b) } else { (b, a) }
}

/// Keys of fundings: another for each end of each channel.
fn funding_key(n: u16) -> u16 {
    20_000 + n
}

/// An announcement that nothing is wrong with; unsigned until [`signed_channel`].
pub(crate) fn channel_message(a: u16, b: u16, id: ShortChannelId) -> ChannelAnnouncement {
    let (one, two) = ordered(a, b);
    ChannelAnnouncement {
        node_signature_1: zero(),
        node_signature_2: zero(),
        bitcoin_signature_1: zero(),
        bitcoin_signature_2: zero(),
        features: Default::default(),
        chain_hash: Network::Regtest.chain_hash(),
        short_channel_id: id,
        node_id_1: node(one).into(),
        node_id_2: node(two).into(),
        bitcoin_key_1: public(funding_key(one)),
        bitcoin_key_2: public(funding_key(two)),
        extension: Extension(Vec::new()),
    }
}

pub(crate) fn signed_channel(mut m: ChannelAnnouncement, a: u16, b: u16) -> ChannelAnnouncement {
    let (one, two) = ordered(a, b);
    let hash = m.signed_hash();
    m.node_signature_1 = sign(hash, &secret(one));
    m.node_signature_2 = sign(hash, &secret(two));
    m.bitcoin_signature_1 = sign(hash, &secret(funding_key(one)));
    m.bitcoin_signature_2 = sign(hash, &secret(funding_key(two)));
    m
}

pub(crate) fn channel(a: u16, b: u16, id: ShortChannelId) -> Heard {
    heard(signed_channel(channel_message(a, b, id), a, b))
}

/// An update of `from` for its channel with `to`.
pub(crate) fn update_message(from: u16, to: u16, id: ShortChannelId, timestamp: u32) -> ChannelUpdate {
    ChannelUpdate {
        signature: zero(),
        chain_hash: Network::Regtest.chain_hash(),
        short_channel_id: id,
        timestamp,
        message_flags: 1,
        channel_flags: u8::from(ordered(from, to).0 != from),
        cltv_expiry_delta: CltvDelta(40),
        htlc_minimum_msat: Msat(1_000),
        fee_base_msat: 1_000,
        fee_proportional_millionths: 10,
        htlc_maximum_msat: Msat(900_000_000),
        extension: Extension(Vec::new()),
    }
}

pub(crate) fn signed_update(mut m: ChannelUpdate, by: u16) -> Heard {
    m.signature = sign(m.signed_hash(), &secret(by));
    heard(m)
}

pub(crate) fn update(from: u16, to: u16, id: ShortChannelId, timestamp: u32) -> Heard {
    signed_update(update_message(from, to, id, timestamp), from)
}

pub(crate) fn node_message(n: u16, timestamp: u32) -> NodeAnnouncement {
    NodeAnnouncement {
        signature: zero(),
        features: Default::default(),
        timestamp,
        node_id: node(n),
        rgb_color: [1, 2, 3],
        alias: NodeAnnouncement::alias_from_text(&format!("node {n}")),
        addresses: Addresses::new(&[Address::Ipv4([192, 0, 2, 1].into(), 9735)]),
        extension: Extension(Vec::new()),
    }
}

pub(crate) fn signed_node(mut m: NodeAnnouncement, by: u16) -> Heard {
    m.signature = sign(m.signed_hash(), &secret(by));
    heard(m)
}

pub(crate) fn node_announcement(n: u16, timestamp: u32) -> Heard {
    signed_node(node_message(n, timestamp), n)
}

/// A message as it comes from the wire.
pub(crate) fn heard(message: impl Into<Message>) -> Heard {
    let bytes = message.into().encode().expect("short");
    let Ok(Decoded::Known(message)) = Message::decode(&bytes) else { panic!("it decodes") };
    Heard::new(message).expect("it is gossip")
}

/// The funding of a channel as the chain has it.
pub(crate) fn funding(a: u16, b: u16, id: ShortChannelId) -> FundingOutput {
    let mut txid = [5; 32];
    txid[..8].copy_from_slice(&id.0.to_be_bytes());
    FundingOutput {
        outpoint: OutPoint { txid: Txid::from_byte_array(txid), vout: id.output().into() },
        script: script(funding_key(a), funding_key(b)),
        amount: CAPACITY,
    }
}

fn script(a: u16, b: u16) -> ScriptBuf {
    let mut keys = [public(a).serialize(), public(b).serialize()];
    keys.sort_unstable();
    let mut bytes = vec![0x52, 33];
    bytes.extend(keys[0]);
    bytes.push(33);
    bytes.extend(keys[1]);
    bytes.extend([0x52, 0xae]);
    ScriptBuf::from_bytes(bytes).to_p2wsh()
}

/// A peer with gossip that we chose.
pub(crate) fn chosen(extended: bool) -> Standing {
    Standing { is_useful: true, extended, is_chosen: true }
}

/// The same of one that came to us.
pub(crate) fn stranger() -> Standing {
    Standing { is_useful: true, extended: true, is_chosen: false }
}

/// Gossip with what a shell would be around it.
pub(crate) struct Net {
    pub(crate) gossip: Gossip,
    pub(crate) secp: Secp256k1<All>,
    points: Points,
    pub(crate) now: u32,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Taken(Vec<Output>),
    Ignored(Ignored),
    Fault(String),
}

impl Net {
    pub(crate) fn new() -> Self {
        let mut gossip = Gossip::new(Network::Regtest.chain_hash(), node(0));
        gossip.block_connected(TIP, []);
        Self { gossip, secp: Secp256k1::new(), points: Points::default(), now: NOW }
    }

    /// Offers a message, checks its signatures.
    pub(crate) fn hear(&mut self, message: Heard) -> Outcome {
        self.hear_from(peer(1), message)
    }

    pub(crate) fn hear_from(&mut self, from: NodeId, message: Heard) -> Outcome {
        match self.gossip.offer(self.now, message) {
            Offered::Verify(job) => self.check(from, *job),
            Offered::Ignored(ignored) => Outcome::Ignored(ignored),
            Offered::Fault(fault) => Outcome::Fault(fault.to_string()),
        }
    }

    pub(crate) fn check(&mut self, from: NodeId, job: Job) -> Outcome {
        let holds = job.holds(&self.secp, &mut self.points);
        match self.gossip.checked(self.now, Some(from), job, holds) {
            Ok(Ok(outputs)) => Outcome::Taken(outputs),
            Ok(Err(ignored)) => Outcome::Ignored(ignored),
            Err(fault) => Outcome::Fault(fault.to_string()),
        }
    }

    /// The chain answers; what waited is checked. Whom that blames.
    pub(crate) fn answer(&mut self, id: ShortChannelId, answer: &ChainAnswer) -> Vec<NodeId> {
        let mut blamed = Vec::new();
        for output in self.gossip.chain_says(self.now, id, answer) {
            match output {
                Output::Verify(job) => drop(self.check(peer(1), *job)),
                Output::Blame(peer) => blamed.push(peer),
                Output::Stale(_) => {}
                Output::AskChain(_) => panic!("it has just been asked"),
            }
        }
        blamed
    }

    /// A channel that is all right.
    pub(crate) fn add_channel(&mut self, a: u16, b: u16, id: ShortChannelId) {
        assert_eq!(self.hear(channel(a, b, id)), Outcome::Taken(vec![Output::AskChain(id)]));
        self.answer(id, &ChainAnswer::Unspent(funding(a, b, id)));
        assert!(self.gossip.graph().channel(id).is_some());
    }

    /// The same with an update of each end.
    pub(crate) fn add_open_channel(&mut self, a: u16, b: u16, id: ShortChannelId) {
        self.add_channel(a, b, id);
        for (from, to) in [(a, b), (b, a)] {
            assert_eq!(self.hear(update(from, to, id, self.now - 100)), Outcome::Taken(vec![]));
        }
    }

    /// Timestamp of the policy that a node has for a channel.
    pub(crate) fn policy_at(&self, from: u16, to: u16, id: ShortChannelId) -> Option<u32> {
        let direction = if ordered(from, to).0 == from { Direction::FromNode1 } else { Direction::FromNode2 };
        self.gossip.graph().channel(id)?.policy(direction).map(|policy| policy.timestamp)
    }

    /// The messages behind places in the log.
    pub(crate) fn messages(
        &self,
        places: impl IntoIterator<Item = astrape_routing::StoredAt>,
    ) -> Vec<Message> {
        let message = |at| {
            let bytes = self.gossip.unsaved_message(at).expect("nothing is saved yet");
            match Message::decode(&bytes) {
                Ok(Decoded::Known(message)) => message,
                other => panic!("a message: {other:?}"),
            }
        };
        places.into_iter().map(message).collect()
    }
}
