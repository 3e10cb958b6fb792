//! The state of the node, and the step.

mod recent;

#[cfg(test)]
pub(crate) use recent::MAX_RECENT_ONIONS;
pub(crate) use recent::Recent;

use crate::config::Config;
use crate::index::Index;
use crate::input::{CommandId, Input};
use crate::journal::Writes;
use crate::owed::SpentBy;
use crate::state::{
    ChainState, Counters, FailedByPeer, KnownPeer, OwedTransaction, OwnNode, OwnUpdate, PeerUpdate,
};
use crate::step::Step;
use crate::table::Table;
use crate::turn::intercept::HeldId;
use crate::turn::told::Failures;
use crate::turn::unsent::Unsent;
use crate::turn::{Negotiating, Proposals, Turn, Unanswered};
use astrape_channel::Channel;
use astrape_onchain::Resolution;
use astrape_payment::intercept::Held;
use astrape_payment::jam::Reputation;
use astrape_payment::probing::Unpaid;
use astrape_payment::{ChannelPolicy, OpenInvoice, Payment, Receiving};
use astrape_primitives::{
    ChannelKeysId, Entropy, Features, FeeratePerKw, Feerates, Height, NodeId, PaymentHash, Sat, SharedMap,
    ShortChannelId, Timestamp,
};
use astrape_wallet::Coins;
use astrape_wire::ChannelUpdate;
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A panic of two channels within this time is a fault of the whole node: the process stops.
const PANIC_WINDOW_MILLIS: u64 = 60_000;

/// The node. Everything that is not marked volatile is durable.
#[derive(Clone)]
pub struct Node {
    pub(crate) config: Arc<Config>,
    pub(crate) secp: Arc<Secp256k1<All>>,
    pub(crate) channels: Table<ChannelKeysId, Arc<Channel>>,
    pub(crate) payments: Table<PaymentHash, Arc<Payment>>,
    pub(crate) invoices: Table<PaymentHash, Arc<OpenInvoice>>,
    pub(crate) receiving: Table<PaymentHash, Arc<Receiving>>,
    pub(crate) coins: Table<(), Arc<Coins>>,
    pub(crate) known_peers: Table<NodeId, KnownPeer>,
    pub(crate) peer_updates: Table<ChannelKeysId, PeerUpdate>,
    pub(crate) own_updates: Table<ChannelKeysId, OwnUpdate>,
    /// Volatile: what we said last of channels under other names of theirs that payers may use, for failures.
    pub(crate) named_updates: SharedMap<(ChannelKeysId, ShortChannelId), ChannelUpdate>,
    pub(crate) own_node: Table<(), OwnNode>,
    /// What channels ask that differs from the node's policy, and what they asked before.
    pub(crate) policies: Table<ChannelKeysId, Arc<ChannelPolicy>>,
    /// Channels that their peer has failed before it told where it is.
    pub(crate) failed_by_peer: Table<ChannelKeysId, FailedByPeer>,
    /// Forwards that wait for an application, by the channel that they came in over and their id there.
    pub(crate) held: Table<HeldId, Held>,
    pub(crate) owed: Table<Txid, OwedTransaction>,
    /// Volatile: change of withdrawals, until the wallet has found it.
    pub(crate) change: BTreeMap<OutPoint, Sat>,
    /// Volatile: what has spent coins that are set aside or owed, as the wallet has told since the start.
    pub(crate) spenders: BTreeMap<OutPoint, SpentBy>,
    /// Volatile: why the network did not take what is owed to it, of what it did not take last.
    pub(crate) refused: BTreeMap<Txid, String>,
    pub(crate) chain: Table<(), ChainState>,
    pub(crate) counters: Table<(), Counters>,
    /// Channels that go or went on chain.
    pub(crate) resolutions: Table<ChannelKeysId, Arc<Resolution>>,
    /// Derived from the channels.
    pub(crate) index: Index,
    /// Volatile: who is connected.
    pub(crate) peers: Table<NodeId, ConnectedPeer>,
    /// Volatile: openings that wait for `accept_channel`.
    pub(crate) openings: Table<ChannelKeysId, PendingOpening>,
    /// Volatile: probes under way. They have no records.
    pub(crate) probes: Table<PaymentHash, Probing>,
    /// Volatile: what the world is like.
    pub(crate) world: World,
    /// Volatile: what lookups in prepare may have missed.
    pub(crate) recent: Recent,
    /// Volatile: channels whose state may be old, until their peer has told where it is.
    pub(crate) suspect: BTreeSet<ChannelKeysId>,
    /// Volatile: since when the peers of channels are away, as far as it was noticed.
    pub(crate) away: SharedMap<ChannelKeysId, Timestamp>,
    /// Volatile: commitments that peers have not answered.
    pub(crate) unanswered: BTreeMap<ChannelKeysId, Unanswered>,
    /// Volatile: since when channels are ready for peers that have not told where they are.
    pub(crate) early: BTreeMap<ChannelKeysId, Timestamp>,
    /// Volatile: channels in which HTLCs wait to be signed.
    pub(crate) unsent: BTreeMap<ChannelKeysId, Unsent>,
    /// Volatile: closing fees that are not agreed on.
    pub(crate) negotiating: BTreeMap<ChannelKeysId, Negotiating>,
    /// Volatile: forwards from each channel that failed lately.
    pub(crate) failures: SharedMap<ChannelKeysId, Failures>,
    /// Volatile: what the forwards over each channel have paid and cost.
    pub(crate) reputations: SharedMap<ChannelKeysId, Reputation>,
    /// Volatile: what came back unpaid of the forwards from one channel over another.
    pub(crate) unpaid: SharedMap<(ChannelKeysId, ChannelKeysId), Unpaid>,
    /// Volatile: when the next probe that nobody asks for may begin; 0 after a start.
    pub(crate) next_background_probe: Timestamp,
    /// Volatile: when what we say of our channels was last compared with what should be said.
    pub(crate) gossip_looked_at: Timestamp,
    /// Volatile: channels in which our own program failed.
    pub(crate) quarantined: BTreeMap<ChannelKeysId, Timestamp>,
    /// Volatile: when a step panicked last.
    pub(crate) panicked_at: Option<Timestamp>,
    /// Channels in which something may be signed, once the inputs that came together are all taken, and since when.
    pub(crate) unproposed: BTreeMap<ChannelKeysId, Timestamp>,
    /// When the first of those that wait longer shall be signed.
    pub(crate) proposals_due: Option<Timestamp>,
    /// The channel that is being asked to sign: to blame if that panics.
    pub(crate) proposing: Option<ChannelKeysId>,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedPeer {
    /// What its `init` says.
    pub features: Features,
    /// When it was last heard from.
    pub heard_at: Timestamp,
    /// Whether a sign of life was asked for and did not come yet.
    pub probed: bool,
}

/// An opening of ours before the wallet is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingOpening {
    pub(crate) change_script: ScriptBuf,
    /// What its own close will need in the wallet; None where it may take what others need too.
    pub(crate) reserve: Option<Sat>,
}

/// A probe, and who waits for its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probing {
    pub(crate) payment: Arc<Payment>,
    /// None: nobody has asked for it.
    pub(crate) command: Option<CommandId>,
}

/// What the world is like, as far as it can change without us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) feerate: FeeratePerKw,
    /// Whether that is an estimate, or what stands in for one until the first is told.
    pub(crate) is_feerate_told: bool,
    /// What it costs to be in a block soon, once that was told.
    pub(crate) estimates: Option<Feerates>,
    /// Why what we see of the chain is not fresh.
    pub(crate) stale: Option<String>,
    /// The tip when we were at the tip of the chain last.
    pub(crate) behind_since: Height,
    /// Our tip when we came to that of the chain, but for moments in which we missed nothing.
    pub(crate) fresh_since: Option<Height>,
    /// Our tip when we came to that of the chain for the first time since the start.
    pub(crate) first_fresh: Option<Height>,
    /// Whether blocks that are there already have not been read.
    pub(crate) is_behind: bool,
    /// Channels that are older than this start, and whose peers have not told where they are since.
    pub(crate) unmet: BTreeSet<ChannelKeysId>,
    /// Whether the newest block was read while that was so.
    pub(crate) is_catching_up: bool,
    /// Outputs that are watched, and the first block that may spend them and was not looked through for them yet.
    pub(crate) unseen: BTreeMap<OutPoint, Height>,
    /// What spends a funding of ours in the mempool, as it was told last.
    pub(crate) unconfirmed: BTreeMap<OutPoint, Arc<Transaction>>,
}

impl Node {
    /// A node as it begins, before anything was restored.
    pub(crate) fn new(config: Config) -> Self {
        let world = World {
            feerate: config.fixed_feerate.unwrap_or(FeeratePerKw::FLOOR),
            is_feerate_told: config.fixed_feerate.is_some(),
            estimates: None,
            stale: None,
            behind_since: Height(0),
            fresh_since: None,
            first_fresh: None,
            is_behind: false,
            unmet: BTreeSet::new(),
            is_catching_up: false,
            unseen: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
        };
        Self {
            suspect: config.suspect.clone(),
            config: Arc::new(config),
            secp: Arc::new(Secp256k1::new()),
            channels: Table::default(),
            payments: Table::default(),
            invoices: Table::default(),
            receiving: Table::default(),
            coins: Table::default(),
            known_peers: Table::default(),
            peer_updates: Table::default(),
            own_updates: Table::default(),
            named_updates: SharedMap::new(),
            own_node: Table::default(),
            policies: Table::default(),
            failed_by_peer: Table::default(),
            held: Table::default(),
            owed: Table::default(),
            change: BTreeMap::new(),
            spenders: BTreeMap::new(),
            refused: BTreeMap::new(),
            chain: Table::default(),
            counters: Table::default(),
            resolutions: Table::default(),
            index: Index::default(),
            peers: Table::default(),
            openings: Table::default(),
            probes: Table::default(),
            world,
            recent: Recent::default(),
            away: SharedMap::new(),
            unanswered: BTreeMap::new(),
            early: BTreeMap::new(),
            unsent: BTreeMap::new(),
            negotiating: BTreeMap::new(),
            failures: SharedMap::new(),
            reputations: SharedMap::new(),
            unpaid: SharedMap::new(),
            next_background_probe: Timestamp(0),
            gossip_looked_at: Timestamp(0),
            quarantined: BTreeMap::new(),
            panicked_at: None,
            unproposed: BTreeMap::new(),
            proposals_due: None,
            proposing: None,
        }
    }

    /// Takes one input. The state changes at the end or not at all.
    ///
    /// A panic inside is a fault of this program: nothing of the step happens, the channel that it was about is limited to
    /// work on the chain, its peer is disconnected, and the node goes on.
    ///
    /// # Panics
    /// Again, when the panic was about the chain or is the second within a minute: the process must stop then.
    pub fn step(&mut self, now: Timestamp, entropy: Entropy, input: Input) -> Step {
        self.step_and_propose(now, entropy, input, Proposals::Now)
    }

    /// The same, and says what of that which waits is signed now. Each HTLC is signed anew in every commitment, so what comes
    /// together or soon shall be in one. After [`Proposals::Later`] another input must follow, after [`Proposals::WhenDue`]
    /// one at [`Node::proposals_due`].
    ///
    /// # Panics
    /// As [`Node::step`].
    pub fn step_and_propose(
        &mut self,
        now: Timestamp,
        entropy: Entropy,
        input: Input,
        proposals: Proposals,
    ) -> Step {
        let source = self.source_of(&input);
        let unproposed = self.unproposed.clone();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut turn = Turn::new(self, now, entropy);
            turn.take(input);
            turn.finish(proposals)
        }));
        match outcome {
            Ok((writes, effects)) => {
                self.install();
                Step::new(writes, effects)
            }
            Err(panic) => {
                self.discard();
                let source = self.proposing.take().or(source);
                self.unproposed = unproposed;
                let recent = self.panicked_at.is_some_and(|at| now.since(at) < PANIC_WINDOW_MILLIS);
                let Some(channel) = source.filter(|_| !recent) else {
                    std::panic::resume_unwind(panic);
                };
                self.panicked_at = Some(now);
                self.quarantine(now, channel)
            }
        }
    }

    /// When what was held back to be signed waits no longer: [`Input::Moment`] must come then, if nothing else does.
    #[must_use]
    pub fn proposals_due(&self) -> Option<Timestamp> {
        self.proposals_due
    }

    /// The channel that an input is about, if it is about one of a peer.
    fn source_of(&self, input: &Input) -> Option<ChannelKeysId> {
        match input {
            Input::Peer { peer, event: crate::PeerEvent::Message(message) } => {
                self.index.by_id(*peer, message.channel_id()?)
            }
            _ => None,
        }
    }

    fn quarantine(&mut self, now: Timestamp, channel: ChannelKeysId) -> Step {
        let mut turn = Turn::new(self, now, Entropy::new([0; 32]));
        turn.quarantine(channel);
        let (writes, effects) = turn.finish(Proposals::Now);
        self.install();
        Step::new(writes, effects)
    }

    /// Makes the step's changes the state. The writes were derived before.
    pub(crate) fn install(&mut self) {
        for change in self.channels.install() {
            self.index.update(change.key, change.old.as_deref(), change.new.as_deref());
        }
        for change in self.resolutions.install() {
            self.index.update_outputs(change.key, change.old.as_deref(), change.new.as_deref());
        }
        self.payments.install();
        self.invoices.install();
        self.receiving.install();
        self.coins.install();
        self.known_peers.install();
        self.peer_updates.install();
        self.own_updates.install();
        self.own_node.install();
        self.policies.install();
        self.failed_by_peer.install();
        self.held.install();
        self.owed.install();
        self.chain.install();
        self.counters.install();
        self.peers.install();
        self.openings.install();
        self.probes.install();
    }

    fn discard(&mut self) {
        self.channels.discard();
        self.resolutions.discard();
        self.payments.discard();
        self.invoices.discard();
        self.receiving.discard();
        self.coins.discard();
        self.known_peers.discard();
        self.peer_updates.discard();
        self.own_updates.discard();
        self.own_node.discard();
        self.policies.discard();
        self.failed_by_peer.discard();
        self.held.discard();
        self.owed.discard();
        self.chain.discard();
        self.counters.discard();
        self.peers.discard();
        self.openings.discard();
        self.probes.discard();
    }

    /// The rows that the step's changes lead to, from what it touched alone.
    pub(crate) fn derive_records(&self, writes: &mut Writes) {
        let out = &mut writes.records;
        for keys in self.channels.touched() {
            let (old, new) = (self.channels.before(keys), self.channels.get(keys));
            crate::record::diff_channel(old.map(|c| &**c), new.map(|c| &**c), out);
        }
        for keys in self.resolutions.touched() {
            let (old, new) = (self.resolutions.before(keys), self.resolutions.get(keys));
            crate::record::diff_resolution(keys, old.map(|r| &**r), new.map(|r| &**r), out);
        }
        crate::record::diff_table(&self.payments, out);
        crate::record::diff_table(&self.invoices, out);
        crate::record::diff_table(&self.receiving, out);
        crate::record::diff_coins(&self.coins, out);
        crate::record::diff_table(&self.known_peers, out);
        crate::record::diff_table(&self.peer_updates, out);
        crate::record::diff_table(&self.own_updates, out);
        crate::record::diff_table(&self.own_node, out);
        crate::record::diff_table(&self.policies, out);
        crate::record::diff_table(&self.failed_by_peer, out);
        crate::record::diff_table(&self.held, out);
        crate::record::diff_table(&self.owed, out);
        crate::record::diff_table(&self.chain, out);
        crate::record::diff_table(&self.counters, out);
    }
}
