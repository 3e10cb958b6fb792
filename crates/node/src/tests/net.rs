//! Whole nodes in a row, wired to each other without a daemon: what one says is signed, decoded and handed to the next, one
//! message at a time, and a test may take it off the wire, change it, repeat it, or say something of its own.
//!
//! | room | what is in it |
//! |---|---|
//! | `disk` | what a node has written |
//! | `release` | what follows from its effects |
//! | `wires` | connections, and what is on its way |
//! | `channels` | blocks, coins, and channels until they are deep |
//! | `invoices` | invoices of the nodes, and who pays them |

mod channels;
mod disk;
mod invoices;
mod release;
mod wires;

use super::{NOW, peer};
use crate::Refusal;
use crate::command::{Command, Reply};
use crate::config::Config;
use crate::input::{CommandId, Input};
use crate::journal::Journal as _;
use crate::ledger::Fact;
use crate::node::Node;
use crate::turn::{Proposals, Turn};
use astrape_channel::Event;
use astrape_payment::{RouteQuery, Taught, Trip};
use astrape_primitives::{
    BlockId, ChannelKeysId, Entropy, Height, Network, NodeId, PaymentHash, PaymentPreimage, Timestamp,
};
use astrape_routing::{Graph, Scores};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::signing::Signer as _;
use astrape_wire::Message;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::PublicKey;
use bitcoin::{BlockHash, ScriptBuf, Transaction};
use disk::Disk;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Longer than any test makes messages: beyond it two nodes answer each other for ever.
const MAX_MESSAGES: usize = 5_000;

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
    /// What is done with what waits to be signed.
    pub(super) proposals: Proposals,
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
            proposals: Proposals::Now,
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
        let step = member.node.step_and_propose(now, entropy, input, self.proposals);
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
        let (writes, effects) = turn.finish(Proposals::Now);
        member.node.install();
        member.disk.commit(&writes).expect("this disk never fails");
        for effect in effects {
            self.release(who, effect);
        }
    }

    pub(super) fn command(&mut self, who: usize, command: Command) -> Result<Reply, Refusal> {
        self.members[who].replies.clear();
        self.input(who, Input::Command { id: CommandId(1), command });
        self.members[who].replies.pop().expect("a command is answered in its step")
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
