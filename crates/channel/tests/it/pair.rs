//! Two channels, two signers, a wire between them that can be cut, and what must hold after every step.
//!
//! | room | what is in it |
//! |---|---|
//! | `opening` | from the question for a channel until its funding is deep |
//! | `pay` | payments, and how they will end |
//! | `act` | what a node does with a step of its channel |
//! | `wire` | messages that arrive, are taken off, or are lost |
//! | `check` | what must hold |

mod act;
mod check;
mod opening;
mod pay;
mod wire;

pub(crate) use pay::failure;
pub(crate) use wire::event;

use astrape_channel::{Channel, How, Open, Output, Phase, Policy, Refusal, Resolution, View};
use astrape_primitives::{
    ChannelId, ChannelKeysId, Feature, Features, FeeratePerKw, Height, Msat, Network, PaymentHash,
    PaymentPreimage, Sat, Timestamp,
};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::Signer;
use astrape_wire::Message;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::transaction::Version;
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use std::collections::{BTreeMap, VecDeque};

/// The one who opens.
pub(crate) const A: usize = 0;
/// The other.
pub(crate) const B: usize = 1;

/// Where the funding is mined.
pub(crate) const FUNDED_AT: Height = Height(500);

/// One end of the channel, with what a node would be around it.
pub(crate) struct Node {
    pub(crate) channel: Option<Channel>,
    pub(crate) signer: InProcessSigner,
    pub(crate) keys: ChannelKeysId,
    pub(crate) policy: Policy,
    pub(crate) features: Features,
    pub(crate) feerate: FeeratePerKw,
    /// The lowest of the last day, where that is not the present one.
    pub(crate) lowest_feerate: Option<FeeratePerKw>,
    pub(crate) highest_feerate: Option<FeeratePerKw>,
    pub(crate) shutdown_script: ScriptBuf,
    /// What it has said and the other has not got yet.
    pub(crate) outbox: VecDeque<Message>,
    /// Names of all that it ever said.
    pub(crate) said: Vec<&'static str>,
    /// All outputs but `Send`.
    pub(crate) seen: Vec<Output>,
    /// How it will end what comes in; what is not here is held.
    pub(crate) plans: BTreeMap<PaymentHash, Resolution>,
    /// Payments of its own that ended.
    pub(crate) fulfilled: BTreeMap<PaymentHash, PaymentPreimage>,
    pub(crate) failed: BTreeMap<PaymentHash, Resolution>,
    pub(crate) not_offered: BTreeMap<PaymentHash, Refusal>,
}

/// How a pair starts.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) anchors: bool,
    pub(crate) announce: bool,
    pub(crate) funding: Sat,
    pub(crate) push: Msat,
    pub(crate) feerate: FeeratePerKw,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            anchors: true,
            announce: true,
            funding: Sat(1_000_000),
            push: Msat(400_000_000),
            feerate: FeeratePerKw(1000),
        }
    }
}

/// Both ends.
pub(crate) struct Pair {
    pub(crate) nodes: [Node; 2],
    pub(crate) secp: Secp256k1<All>,
    pub(crate) tip: Height,
    pub(crate) setup: Setup,
    /// Whether what a step made is proposed at once, or when the wire is empty: then both sides sign at the same time.
    pub(crate) eager: bool,
    /// Scripts that the ends bind themselves to when they open.
    pub(crate) upfront: [Option<ScriptBuf>; 2],
    payments: u8,
}

impl Node {
    fn new(name: u8, setup: &Setup) -> Self {
        let features = [
            Feature::StaticRemotekey,
            Feature::ChannelType,
            Feature::ScidAlias,
            Feature::UpfrontShutdownScript,
            Feature::ShutdownAnysegwit,
        ];
        let mut features = features.into_iter().fold(Features::empty(), Features::with_optional);
        if setup.anchors {
            features = features.with_optional(Feature::Anchors);
        }
        Self {
            channel: None,
            signer: InProcessSigner::new(&Seed::from_entropy([name; 32]), Network::Regtest),
            keys: ChannelKeysId([name; 32]),
            policy: Policy::default_for(Network::Regtest),
            features,
            feerate: setup.feerate,
            lowest_feerate: None,
            highest_feerate: None,
            shutdown_script: p2wpkh(name),
            outbox: VecDeque::new(),
            said: Vec::new(),
            seen: Vec::new(),
            plans: BTreeMap::new(),
            fulfilled: BTreeMap::new(),
            failed: BTreeMap::new(),
            not_offered: BTreeMap::new(),
        }
    }

    pub(crate) fn open(&self) -> &Open {
        self.channel.as_ref().and_then(Channel::open).expect("funded")
    }

    /// The phase as a word.
    pub(crate) fn phase(&self) -> &'static str {
        match self.channel.as_ref().map(|c| &c.phase) {
            None => "none",
            Some(Phase::Opening(_)) => "opening",
            Some(Phase::Open(_)) => "open",
            Some(Phase::Closing(_)) => "closing",
            Some(Phase::Closed(_)) => "closed",
        }
    }

    pub(crate) fn saw(&self, what: impl Fn(&Output) -> bool) -> bool {
        self.seen.iter().any(what)
    }

    pub(crate) fn times_said(&self, name: &str) -> usize {
        self.said.iter().filter(|said| **said == name).count()
    }
}

/// A P2WPKH that is nobody's.
pub(crate) fn p2wpkh(byte: u8) -> ScriptBuf {
    let mut bytes = vec![0, 20];
    bytes.resize(22, byte);
    ScriptBuf::from(bytes)
}

/// A transaction with these outputs, different for each `salt`.
pub(crate) fn transaction(salt: u8, output: Vec<TxOut>) -> Transaction {
    let previous_output = OutPoint { txid: Txid::from_byte_array([salt; 32]), vout: 0 };
    let sequence = Sequence::MAX;
    let input = TxIn { previous_output, script_sig: ScriptBuf::new(), sequence, witness: Witness::new() };
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output }
}

impl Pair {
    /// Two nodes without a channel.
    pub(crate) fn new(setup: Setup) -> Self {
        let nodes = [Node::new(1, &setup), Node::new(2, &setup)];
        Self {
            nodes,
            secp: Secp256k1::new(),
            tip: Height(499),
            setup,
            eager: false,
            upfront: [None, None],
            payments: 0,
        }
    }

    /// A channel that is ready for payments.
    pub(crate) fn ready(setup: Setup) -> Self {
        Self::ready_with(setup, |_| {})
    }

    /// The same, with other policies.
    pub(crate) fn ready_with(setup: Setup, change: impl FnOnce(&mut Self)) -> Self {
        let mut pair = Self::new(setup);
        change(&mut pair);
        pair.propose_channel();
        pair.run();
        pair.confirm_funding();
        pair.run();
        assert!(pair.nodes.iter().all(|n| n.channel.as_ref().expect("open").is_usable()));
        pair
    }

    pub(crate) fn default_ready() -> Self {
        Self::ready(Setup::default())
    }

    pub(crate) fn view(&self, who: usize) -> View<'_> {
        View {
            now: Timestamp(0),
            tip: self.tip,
            feerate: self.nodes[who].feerate,
            lowest_feerate: self.nodes[who].lowest_feerate.unwrap_or(self.nodes[who].feerate),
            highest_feerate: self.nodes[who].highest_feerate.unwrap_or(self.nodes[who].feerate),
            peer_features: &self.nodes[1 - who].features,
            our_id: self.nodes[who].signer.node_id(),
            our_features: &self.nodes[who].features,
            policy: &self.nodes[who].policy,
            secp: &self.secp,
        }
    }

    pub(crate) fn channel_id(&self) -> ChannelId {
        self.nodes[A].open().params.channel_id
    }

    pub(crate) fn balance(&self, who: usize) -> Msat {
        self.nodes[who].open().balances.local
    }

    /// The transaction of a cooperative close, if it is agreed on.
    pub(crate) fn closing_txid(&self, who: usize) -> Option<Txid> {
        match self.nodes[who].channel.as_ref().map(|c| &c.phase) {
            Some(Phase::Closing(closing)) => match &closing.how {
                How::Cooperative { request, .. } => Some(request.tx.compute_txid()),
                _ => None,
            },
            _ => None,
        }
    }
}
