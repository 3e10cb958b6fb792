//! What one input does to the node. Messages between its parts run to quiet within the turn; then what waits is signed,
//! and the writes are derived.

mod anew;
mod background;
mod bump;
mod carrier;
mod chain;
mod channel;
mod coins;
mod command;
pub(crate) mod court;
mod gossip;
mod hour;
mod jam;
mod money;
pub(crate) use gossip::{announcement_of, public_update, scid_towards_peer};
pub(crate) mod intercept;
mod lost;
mod negotiating;
#[cfg(test)]
pub(crate) use negotiating::CLOSING_FEE_MILLIS;
pub(crate) use negotiating::Negotiating;
mod once;
mod open;
#[cfg(test)]
pub(crate) use open::{MAX_UNCONFIRMED, MAX_UNCONFIRMED_PER_PEER, MAX_UNFUNDED_PER_PEER};
pub(crate) mod pay;
pub(crate) mod peer;
mod policy;
pub(crate) mod probe;
mod propose;
pub use propose::Proposals;
mod receive;
mod relay;
mod replay;
pub(crate) use replay::seen_onion;
mod signed;
mod still;
pub(crate) mod told;
mod unanswered;
pub(crate) mod unsent;
pub(crate) use unanswered::Unanswered;

use crate::effect::{Effect, Speech};
use crate::input::{Found, Input, SignerAnswer};
use crate::journal::{Entry, RetiredHtlc, Writes};
use crate::ledger::{ChannelFact, Fact};
use crate::node::Node;
use astrape_channel::{Channel, Command, Event, Htlc, Link, Origin, Output, Phase};
use astrape_primitives::{
    ChannelKeysId, CommitmentNumber, Entropy, HtlcId, NodeId, SharedMap, Side, Timestamp,
};
use bitcoin::OutPoint;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Most messages between parts in one turn: a block can settle as many HTLCs as a channel holds, on both sides, for many
/// channels. Beyond it something goes round in circles.
const MAX_CASCADE: usize = 1_000_000;

/// One input being taken.
pub(crate) struct Turn<'a> {
    pub(crate) node: &'a mut Node,
    pub(crate) now: Timestamp,
    pub(crate) entropy: Entropy,
    pub(crate) effects: Vec<Effect>,
    pub(crate) writes: Writes,
    /// Outputs of channels that were not looked at yet.
    queue: VecDeque<(ChannelKeysId, Output)>,
    /// Channels in which something may wait to be signed, and since when.
    to_propose: BTreeMap<ChannelKeysId, Timestamp>,
    /// Outputs that this step began to follow, and which the index does not know yet.
    tracked: BTreeMap<OutPoint, ChannelKeysId>,
    /// Channels on chain whose claims are to be planned again.
    to_plan: BTreeSet<ChannelKeysId>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(node: &'a mut Node, now: Timestamp, entropy: Entropy) -> Self {
        let to_propose = std::mem::take(&mut node.unproposed);
        node.proposals_due = None;
        Self {
            node,
            now,
            entropy,
            effects: Vec::new(),
            writes: Writes { steps: 1, ..Writes::default() },
            queue: VecDeque::new(),
            to_propose,
            tracked: BTreeMap::new(),
            to_plan: BTreeSet::new(),
        }
    }

    /// Dispatches the input.
    pub(crate) fn take(&mut self, input: Input) {
        match input {
            Input::Peer { peer, event } => self.peer(peer, event),
            Input::Chain(input) => self.chain(input),
            Input::Coins(findings) => self.coins(findings),
            Input::Signer(SignerAnswer::Point { channel, number, point }) => {
                self.drive(channel, Event::Point { number, point });
            }
            Input::Signer(SignerAnswer::SecretChecked { channel, genuine }) => {
                self.drive(channel, Event::SecretChecked { genuine });
            }
            Input::Signer(SignerAnswer::Refused { channel }) => self.quarantine(channel),
            Input::Signer(SignerAnswer::Update(update)) => self.update_signed(&update),
            Input::Signer(SignerAnswer::ShutdownScript { channel, script }) => {
                self.fresh_script(channel, script);
            }
            Input::Found(Found::RetiredHtlcs { channel, rows, .. }) => self.rows_found(channel, &rows),
            Input::Found(Found::Route { payment_hash, number, route }) => {
                self.route_found(payment_hash, number, &route);
            }
            Input::Found(Found::ProbeTargets { nodes }) => self.probe_targets(&nodes),
            Input::Command { id, command } => self.command(id, command),
            Input::Tick => self.tick(),
            Input::Moment => {}
        }
    }

    /// A fresh script of our wallet: for the claims of a channel on chain, or for its `shutdown`.
    fn fresh_script(&mut self, channel: ChannelKeysId, script: bitcoin::ScriptBuf) {
        if self.node.resolutions.contains(&channel) {
            self.court(channel, astrape_onchain::Event::Script(script));
        } else {
            self.drive(channel, Event::Command(Command::Shutdown { script }));
        }
    }

    /// Runs to quiet, signs what waits, checks the money, and derives what is to be written.
    pub(crate) fn finish(mut self, proposals: Proposals) -> (Writes, Vec<Effect>) {
        self.run_to_quiet();
        self.plan_again();
        self.propose(proposals);
        self.plan_again();
        self.record_channels();
        self.check_money();
        self.node.derive_records(&mut self.writes);
        self.remember_requests();
        (self.writes, self.effects)
    }

    fn run_to_quiet(&mut self) {
        for _ in 0..MAX_CASCADE {
            let Some((channel, output)) = self.queue.pop_front() else {
                return;
            };
            self.output(channel, output);
        }
        panic!("more than {MAX_CASCADE} messages between the parts of the node in one step");
    }

    /// Gives an event to a channel and queues what follows from it.
    pub(crate) fn drive(&mut self, keys: ChannelKeysId, event: Event) {
        let Some(channel) = self.node.channels.get(&keys).cloned() else {
            return;
        };
        if self.stands_still(keys, &channel, &event) || self.is_failed_unheard(keys, &channel, &event) {
            return;
        }
        let reestablishes = matches!(event, Event::Message(astrape_wire::Message::ChannelReestablish(_)));
        let features = self.node.peers.get(&channel.peer()).map(|p| p.features.clone()).unwrap_or_default();
        let config = Arc::clone(&self.node.config);
        let secp = Arc::clone(&self.node.secp);
        let view = self.view(&config, &secp, &features);
        match channel.handle(event, &view) {
            Ok(transition) => {
                // The peer has told where it is, and it is where we are; or it has proved us late, and the channel waits.
                let is_back = reestablishes && matches!(transition.next.link, Link::Up(_));
                if is_back && self.is_proved_old(keys) {
                    // Who mirrors our numbers has an old commitment of ours to gain, and proves nothing.
                    return self.drive(keys, Event::StateIsOld);
                }
                if is_back {
                    self.node.suspect.remove(&keys);
                    self.node.world.unmet.remove(&keys);
                    self.is_heard_after_all(keys);
                }
                self.take_transition(keys, transition);
                if is_back {
                    self.follow_feerate(keys);
                    self.say_update_again(keys);
                }
            }
            Err(fault) => self.react(keys, &channel, &fault),
        }
    }

    /// Whether the mark beside the journal has a newer state of a channel. No word of its peer is better than that.
    fn is_proved_old(&self, keys: ChannelKeysId) -> bool {
        self.node.suspect.contains(&keys) && self.node.config.led.contains(&keys)
    }

    pub(crate) fn take_transition(&mut self, keys: ChannelKeysId, transition: astrape_channel::Transition) {
        self.node.channels.set(keys, Arc::new(transition.next));
        self.may_propose(keys);
        self.queue.extend(transition.outputs.into_iter().map(|output| (keys, output)));
    }

    pub(crate) fn view<'v>(
        &self,
        config: &'v crate::Config,
        secp: &'v bitcoin::secp256k1::Secp256k1<bitcoin::secp256k1::All>,
        peer_features: &'v astrape_primitives::Features,
    ) -> astrape_channel::View<'v> {
        let [lowest_feerate, highest_feerate] = self.feerates_of_the_day();
        astrape_channel::View {
            now: self.now,
            tip: self.height(),
            feerate: self.node.world.feerate,
            lowest_feerate,
            highest_feerate,
            peer_features,
            our_id: config.node_id,
            our_features: &config.features,
            policy: &config.channel,
            secp,
        }
    }

    pub(crate) fn height(&self) -> astrape_primitives::Height {
        self.node.chain.get(&()).map_or(astrape_primitives::Height(0), crate::state::ChainState::height)
    }

    /// Says something to a peer, if it is connected.
    pub(crate) fn say(&mut self, peer: NodeId, speech: Speech) {
        if self.node.peers.contains(&peer) {
            self.effects.push(Effect::Send { peer, speech });
        }
    }

    /// Adds a fact to the ledger; it is published once durable.
    pub(crate) fn record(&mut self, fact: Fact) -> Entry {
        let mut counters = self.node.counters.get(&()).copied().unwrap_or_default();
        let entry = Entry { number: counters.next_fact, at: self.now, fact };
        counters.next_fact += 1;
        self.node.counters.set((), counters);
        self.writes.ledger.push(entry.clone());
        self.effects.push(Effect::Publish(entry.clone()));
        entry
    }

    /// Adds a turning point of a channel to the ledger.
    pub(crate) fn tell(&mut self, keys: ChannelKeysId, event: ChannelFact) {
        if let Some(channel) = self.node.channels.get(&keys) {
            let (channel_id, peer) = (channel.channel_id(), channel.peer());
            self.record(Fact::Channel { keys, channel_id, peer, event });
        }
    }

    /// What the changes of channels leave beside their records: HTLCs that retire, onions that are seen, marks.
    fn record_channels(&mut self) {
        let touched: Vec<ChannelKeysId> = self.node.channels.touched().copied().collect();
        for keys in touched {
            let old = self.node.channels.before(&keys).cloned();
            let new = self.node.channels.get(&keys).cloned();
            let (Some(new), old) = (new, old) else {
                continue;
            };
            let Some(open) = new.open() else {
                continue;
            };
            let before = old.as_ref().and_then(|c| c.open());
            let moved = |o: &astrape_channel::Open| o.local.number.0 + o.remote.number.0;
            if before.map(moved) != Some(moved(open)) {
                self.writes.marks.insert(keys, CommitmentNumber(moved(open)));
            }
            if before.is_some_and(|b| b.local.number == open.local.number) {
                continue;
            }
            let none = SharedMap::new();
            let changed = before.map_or(&none, |b| &b.htlcs).differences(&open.htlcs);
            let new = changed.filter_map(|(_, before, htlc)| htlc.filter(|_| before.is_none()));
            for htlc in new.filter(|h| h.offered_by == Side::Remote) {
                self.see_onion(keys, htlc);
            }
        }
    }

    /// Keeps what justice needs of an HTLC that is gone.
    pub(crate) fn retire(&mut self, keys: ChannelKeysId, htlc: &Htlc) {
        let (Some(first_remote), Some(end_remote)) =
            (htlc.added.remote, htlc.removal.as_ref().and_then(|r| r.from.remote))
        else {
            return;
        };
        self.writes.retired.push(RetiredHtlc {
            channel: keys,
            offered_by: htlc.offered_by,
            id: htlc.id,
            amount: htlc.amount,
            payment_hash: htlc.payment_hash,
            cltv_expiry: htlc.cltv_expiry,
            first_remote,
            end_remote,
        });
    }
}

fn origin_of(htlc: &Htlc) -> Option<Origin> {
    match &htlc.direction {
        astrape_channel::htlc::Direction::Outgoing { origin, .. } => Some(*origin),
        astrape_channel::htlc::Direction::Incoming(_) => None,
    }
}

/// An HTLC of a channel, wherever it is.
pub(crate) fn incoming_htlc(channel: &Channel, id: HtlcId) -> Option<Arc<Htlc>> {
    channel.open()?.htlcs.get(&(Side::Remote, id)).cloned()
}

/// Whether a channel still negotiates.
pub(crate) fn is_opening(channel: &Channel) -> bool {
    matches!(channel.phase, Phase::Opening(_))
}
