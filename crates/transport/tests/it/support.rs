//! What the tests share: the keys of BOLT 8's vectors, a finished handshake, a small generator.

use astrape_primitives::{Feature, Features, Network, NodeId, Timestamp};
use astrape_transport::{
    Action, DisconnectReason, Handshake, LocalInit, PeerInit, Progress, Secured, Session,
};
use astrape_wire::{Init, Message};
use bitcoin::secp256k1::ecdh::SharedSecret;
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};

/// The time when every test begins.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// One end with its keys.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) secret: SecretKey,
    pub(crate) ephemeral: [u8; 32],
}

impl End {
    pub(crate) fn new(secret: u8, ephemeral: u8) -> Self {
        Self {
            secret: SecretKey::from_slice(&[secret; 32]).expect("a small number"),
            ephemeral: [ephemeral; 32],
        }
    }

    pub(crate) fn node_id(&self) -> NodeId {
        NodeId::from_key(&PublicKey::from_secret_key(&Secp256k1::signing_only(), &self.secret))
    }

    pub(crate) fn ecdh(&self, point: &PublicKey) -> [u8; 32] {
        SharedSecret::new(point, &self.secret).secret_bytes()
    }
}

/// `ls` and `e` of the initiator in BOLT 8's vectors.
pub(crate) fn initiator() -> End {
    End::new(0x11, 0x12)
}

/// `ls` and `e` of the responder in BOLT 8's vectors.
pub(crate) fn responder() -> End {
    End::new(0x21, 0x22)
}

/// A finished handshake between the two ends of the vectors.
pub(crate) fn connected() -> (Secured, Secured) {
    let (i, r) = (initiator(), responder());
    let (mut dialling, act_one) =
        Handshake::initiate(i.node_id(), r.node_id(), i.ephemeral, START).expect("a private key");
    let mut listening = Handshake::respond(r.node_id(), r.ephemeral, START);
    let (_, Progress::Reply(act_two)) =
        listening.receive(&act_one, START, &|p| r.ecdh(p)).expect("act one is right")
    else {
        panic!("act one is answered");
    };
    let (_, Progress::Initiated(act_three, ours)) =
        dialling.receive(&act_two, START, &|p| i.ecdh(p)).expect("act two is right")
    else {
        panic!("act two is answered");
    };
    let (_, Progress::Responded(theirs)) =
        listening.receive(&act_three, START, &|p| r.ecdh(p)).expect("act three is right")
    else {
        panic!("act three ends it");
    };
    (ours, theirs)
}

/// What the node of these tests offers.
pub(crate) fn offered() -> Features {
    Features::empty()
        .with_required(Feature::StaticRemotekey)
        .with_optional(Feature::PaymentSecret)
        .with_optional(Feature::BasicMpp)
        .with_optional(Feature::ShutdownAnysegwit)
}

/// The node of these tests, on regtest.
pub(crate) fn local() -> LocalInit {
    LocalInit::new(offered(), Network::Regtest).expect("BOLT 9 allows it")
}

/// An `init` with these features, that names no network.
pub(crate) fn init(features: Features) -> Init {
    Init { globalfeatures: Features::empty(), features, networks: None, remote_addr: None }
}

/// A session that has sent its `init` and awaits the peer's.
pub(crate) fn waiting() -> Session {
    Session::start(local(), None, [7; 32], START).0
}

/// A session after both `init`.
pub(crate) fn up() -> Session {
    let mut session = waiting();
    let action = say(&mut session, &Message::Init(init(Features::empty())), START);
    assert!(matches!(action, Some(Action::Up(PeerInit { .. }))), "{action:?}");
    session
}

/// The peer says a message.
pub(crate) fn say(session: &mut Session, message: &Message, now: Timestamp) -> Option<Action> {
    session.receive(&message.encode().expect("it fits"), now)
}

/// Why the connection is ended and what the peer is told.
pub(crate) fn disconnected(action: Option<Action>) -> (DisconnectReason, Option<String>) {
    let Some(Action::Disconnect { reason, warning }) = action else {
        panic!("not disconnected: {action:?}");
    };
    let words = warning.map(|message| match message {
        Message::Warning(warning) => String::from_utf8(warning.data).expect("our words are text"),
        other => panic!("a connection ends with a warning, not with {other:?}"),
    });
    (reason, words)
}

/// Bytes of a vector.
pub(crate) fn bytes(hex_digits: &str) -> Vec<u8> {
    hex::decode(hex_digits).expect("vectors are hexadecimal")
}

/// A small generator (splitmix64): the same numbers in every run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound as u64)).expect("below a usize")
    }

    /// Changes some bytes, the length, or both; the result always differs from what came.
    pub(crate) fn mutate(&mut self, original: &[u8]) -> Vec<u8> {
        loop {
            let mut changed = original.to_vec();
            for _ in 0..=self.below(3) {
                match self.below(5) {
                    0 if !changed.is_empty() => changed.truncate(self.below(changed.len())),
                    1 => changed.insert(self.below(changed.len() + 1), self.next().to_le_bytes()[0]),
                    2 if !changed.is_empty() => drop(changed.remove(self.below(changed.len()))),
                    _ if !changed.is_empty() => {
                        let at = self.below(changed.len());
                        changed[at] ^= 1 << self.below(8);
                    }
                    _ => {}
                }
            }
            if changed != original {
                return changed;
            }
        }
    }
}
