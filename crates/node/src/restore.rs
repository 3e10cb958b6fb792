//! From the journal back to the node. A restart is a disconnection of everybody and nothing else.

use crate::config::Config;
use crate::effect::{Announcement, Broadcast, Effect, Find, Watch};
use crate::index::Index;
use crate::journal::{Journal, JournalError};
use crate::node::{Node, Recent};
use crate::record::{self, RecordError};
use crate::table::Table;
use crate::turn::court::effect_of;
use crate::turn::{announcement_of, is_opening, public_update, seen_onion};
use astrape_channel::{Channel, Output, Phase};
use astrape_onchain::{ClaimParent, Output as CourtOutput, Resolution};
use astrape_primitives::{ChannelKeysId, Side};
use astrape_wallet::{Coins, Reservation};
use std::sync::Arc;

/// Why the node cannot be restored. It does not start.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record is not what this version writes.
    #[error("{0}. The node does not start; nothing was changed")]
    Record(#[from] RecordError),
}

impl Node {
    /// The node as the journal has it, and what it owes: to the chain, and to the signer. What it owes to peers is told when
    /// they come back.
    ///
    /// # Errors
    /// When the journal cannot be read, or holds what this version does not understand.
    pub fn restore<J: Journal + ?Sized>(
        config: Config,
        journal: &J,
    ) -> Result<(Node, Vec<Effect>), RestoreError> {
        let restored = record::restore(&journal.load()?)?;
        let mut node = Node::new(config);
        node.channels = Table::restored(restored.channels);
        node.payments = Table::restored(restored.payments);
        node.invoices = Table::restored(restored.invoices);
        node.receiving = Table::restored(restored.receiving);
        node.known_peers = Table::restored(restored.peers);
        node.peer_updates = Table::restored(restored.peer_updates);
        node.own_updates = Table::restored(restored.own_updates);
        node.own_node = Table::restored(restored.own_node);
        node.policies = Table::restored(restored.policies);
        node.failed_by_peer = Table::restored(restored.failed_by_peer);
        node.held = Table::restored(restored.held);
        node.owed = Table::restored(restored.owed);
        node.resolutions = Table::restored(restored.resolutions);
        node.coins = single(Arc::new(restored.coins));
        node.chain = single(restored.chain);
        node.counters = single(restored.counters);
        node.free_coins_of_no_channel();
        node.derive();
        let owed = node.owed_effects();
        Ok((node, owed))
    }

    /// This node as a restart would leave it: without connections, without what lives only as long as one.
    #[must_use]
    pub fn after_losing_all_connections(&self) -> Node {
        let mut node = Node::new((*self.config).clone());
        let keep = |(keys, channel): (&ChannelKeysId, &Arc<Channel>)| {
            Some((*keys, Arc::new(channel.after_losing_the_connection()?)))
        };
        node.channels = Table::restored(self.channels.iter().filter_map(keep));
        node.payments = self.payments.clone();
        node.invoices = self.invoices.clone();
        node.receiving = self.receiving.clone();
        node.known_peers = self.known_peers.clone();
        node.peer_updates = self.peer_updates.clone();
        node.own_updates = self.own_updates.clone();
        node.own_node = self.own_node.clone();
        node.policies = self.policies.clone();
        node.failed_by_peer = self.failed_by_peer.clone();
        node.held = self.held.clone();
        node.owed = self.owed.clone();
        node.resolutions = self.resolutions.clone();
        node.coins = single(self.coins.get(&()).cloned().unwrap_or_default());
        node.chain = single(self.chain.get(&()).cloned().unwrap_or_default());
        node.counters = single(self.counters.get(&()).copied().unwrap_or_default());
        node.free_coins_of_no_channel();
        node.derive();
        node
    }

    /// Coins that were set aside for an opening which the restart has ended are free.
    fn free_coins_of_no_channel(&mut self) {
        let mut coins: Coins = self.coins.get(&()).map(|c| (**c).clone()).unwrap_or_default();
        let gone: Vec<Reservation> = coins
            .iter()
            .filter_map(|coin| coin.reserved)
            .filter(|r| match r {
                Reservation::Opening(keys) => !self.channels.contains(keys),
                Reservation::Claim(keys) => !self.resolutions.contains(keys),
                Reservation::Withdrawal(_) => false,
            })
            .filter(|r| !coins.iter().any(|c| c.reserved == Some(*r) && self.is_owed(c)))
            .collect();
        for reservation in gone {
            coins.release(reservation);
        }
        self.coins = single(Arc::new(coins));
    }

    /// Whether a transaction that we owe to the network spends a coin.
    fn is_owed(&self, coin: &astrape_wallet::Coin) -> bool {
        self.owed.iter().any(|(_, owed)| owed.inputs.iter().any(|input| input.outpoint == coin.outpoint()))
    }

    /// What is derived from the channels: the index, the onions that they hold, and whose peers have yet to tell where they are.
    fn derive(&mut self) {
        self.index = Index::default();
        self.world.unmet = self.channels.keys().into_iter().collect();
        self.recent = Recent::default();
        for (keys, resolution) in self.resolutions.iter() {
            self.index.update_outputs(*keys, None, Some(resolution));
        }
        let tip = self.height();
        let watched = self.resolutions.iter().flat_map(|(_, resolution)| self.watches(resolution));
        let unseen = watched.filter_map(|output| match output {
            CourtOutput::Watch { outpoint, from, .. } if from <= tip => Some((outpoint, from)),
            _ => None,
        });
        self.world.unseen = unseen.collect();
        for (keys, channel) in self.channels.iter() {
            self.index.update(*keys, None, Some(channel));
            let incoming = channel.open().into_iter().flat_map(|o| o.htlcs.values());
            for htlc in incoming.filter(|h| h.offered_by == Side::Remote) {
                if let Some(onion) = seen_onion(htlc) {
                    self.recent.see(&onion, (*keys, htlc.id));
                }
            }
        }
    }

    fn owed_effects(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (txid, owed) in self.owed.iter() {
            effects.push(Effect::Watch(Watch::Transaction(*txid)));
            if owed.confirmed.is_none() {
                effects.push(Effect::Broadcast(self.offer(owed)));
            }
        }
        for (keys, channel) in self.channels.iter().filter(|(_, c)| !is_opening(c)) {
            let from = channel.open().map_or_else(Default::default, |o| o.params.funded_at);
            let outputs =
                channel.watches().into_iter().chain(channel.owed_to_chain()).chain(channel.owed_to_signer());
            let suspect = self.suspect.contains(keys);
            let allowed = outputs.filter(|o| !suspect || !matches!(o, Output::BroadcastCommitment(_)));
            effects.extend(allowed.filter_map(|output| owed_effect(*keys, from, output)));
            if let Some(resolution) = self.resolutions.get(keys) {
                let is_ours = |o: &CourtOutput| {
                    matches!(o, CourtOutput::Broadcast { parent: Some(ClaimParent::Ours), .. })
                };
                let watches = self.watches(resolution);
                let owed = watches.chain(resolution.owed()).filter(|o| !suspect || !is_ours(o));
                effects.extend(owed.filter_map(|output| effect_of(*keys, channel, output)));
            }
        }
        effects.extend(self.owed_to_network().map(Effect::Announce));
        effects
    }

    /// What a resolution has watched, without the blocks that were looked through for it before.
    fn watches<'a>(&'a self, resolution: &'a Resolution) -> impl Iterator<Item = CourtOutput> + 'a {
        let chain = self.chain.get(&());
        resolution.watches().map(move |output| match output {
            CourtOutput::Watch { outpoint, script, from } => {
                let from = chain.map_or(from, |chain| chain.unseen_from(from));
                CourtOutput::Watch { outpoint, script, from }
            }
            other => other,
        })
    }

    /// What the network should know of us, as it was said last: the gossip beside the core may have lost it.
    pub(crate) fn owed_to_network(&self) -> impl Iterator<Item = Announcement> + '_ {
        let channels = self.channels.iter().filter_map(|(keys, channel)| match &channel.phase {
            Phase::Open(open) => announcement_of(*keys, open, &self.config),
            _ => None,
        });
        let updates = self.own_updates.iter().map(|(_, said)| said).filter(|said| !said.is_private());
        let updates = updates.map(|said| Announcement::Update(Box::new(said.0.clone())));
        let of_peers = self.channels.iter().filter_map(|(keys, channel)| match &channel.phase {
            Phase::Open(open) => public_update(open, self.peer_updates.get(keys)?),
            _ => None,
        });
        let node = self.own_node.get(&()).map(|said| Announcement::Node(Box::new(said.0.clone())));
        channels.chain(updates).chain(of_peers).chain(node)
    }
}

fn owed_effect(channel: ChannelKeysId, from: astrape_primitives::Height, output: Output) -> Option<Effect> {
    match output {
        Output::WatchFunding { outpoint, script } => {
            Some(Effect::Watch(Watch::Funding { outpoint, script, from }))
        }
        Output::BroadcastCommitment(request) => {
            Some(Effect::Broadcast(Broadcast::Commitment(Box::new(request))))
        }
        Output::BroadcastClosing { request, remote_signature, .. } => {
            Some(Effect::Broadcast(Broadcast::Closing { request: Box::new(request), remote_signature }))
        }
        Output::PointNeeded(number) => Some(Effect::Find(Find::Point { channel, number })),
        // Fundings are among the transactions of our coins.
        _ => None,
    }
}

fn single<V: Clone + PartialEq>(value: V) -> Table<(), V> {
    Table::restored([((), value)])
}

/// Two nodes are the same when all that is durable is, and all that is derived from it.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
            && self.channels == other.channels
            && self.payments == other.payments
            && self.invoices == other.invoices
            && self.receiving == other.receiving
            && self.coins == other.coins
            && self.known_peers == other.known_peers
            && self.peer_updates == other.peer_updates
            && self.own_updates == other.own_updates
            && self.own_node == other.own_node
            && self.policies == other.policies
            && self.failed_by_peer == other.failed_by_peer
            && self.held == other.held
            && self.owed == other.owed
            && self.resolutions == other.resolutions
            && self.chain == other.chain
            && self.counters == other.counters
            && self.index == other.index
            && self.peers == other.peers
            && self.openings == other.openings
            && self.probes == other.probes
            && self.world == other.world
            && self.suspect == other.suspect
            && self.quarantined == other.quarantined
            && self.recent == other.recent
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("channels", &self.channels)
            .field("payments", &self.payments)
            .field("invoices", &self.invoices)
            .field("receiving", &self.receiving)
            .field("coins", &self.coins)
            .field("known_peers", &self.known_peers)
            .field("peer_updates", &self.peer_updates)
            .field("policies", &self.policies)
            .field("failed_by_peer", &self.failed_by_peer)
            .field("held", &self.held)
            .field("owed", &self.owed)
            .field("resolutions", &self.resolutions)
            .field("chain", &self.chain)
            .field("counters", &self.counters)
            .field("index", &self.index)
            .field("recent", &self.recent)
            .finish_non_exhaustive()
    }
}
