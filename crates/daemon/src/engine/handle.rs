//! The way to a running node: for the API, the playground, tests.

mod error;

pub use error::{AddressError, CommandError, RouteError};

use super::core::Stopped;
use super::gossip::view::{NodeView, Summary};
use super::peers::dial::{ConnectError, Dialled, dial};
use super::peers::places;
use super::peers::prepare::fresh_keys;
use super::recover::{RecoverError, Recovered, recover};
use super::wallet::Reading;
use super::{Shared, clock};
use astrape_chain::{SourceError, Status};
use astrape_node::command::PayCommand;
use astrape_node::{Command, Entry, FreshKeys, Input, JournalError, Node, Reply};
use astrape_primitives::{FeeratePerKw, Network, NodeId, PaymentHash, ShortChannelId};
use astrape_routing::Route;
use astrape_routing::gossip::sync::Progress;
use astrape_storage::SqliteReader;
use astrape_transactions::Keychain;
use astrape_transactions::signing::Signer;
use bitcoin::{Address, ScriptBuf};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::broadcast;

/// How often [`Handle::synced`] looks.
const SYNC_LOOK: Duration = Duration::from_millis(10);

/// How long an address may be waited for while a new node looks for its place in the chain.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A running node. Clones are the same node.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({})", self.shared.node_id)
    }
}

impl Handle {
    /// Has the core carry out a command; returns once it is durable. What the journal says of an earlier payment with the same hash,
    /// or of an earlier request with the same id, is looked up here.
    ///
    /// # Errors
    /// When the core refuses, the engine stops, or the ledger cannot be read.
    pub async fn command(&self, mut command: Command) -> Result<Reply, CommandError> {
        self.shared
            .lookups
            .look_back(&mut command)
            .map_err(|error| CommandError::Lookup(error.to_string()))?;
        let remembers = matches!(command, Command::RememberPeer { .. });
        let (id, answer) = self.shared.commands.ask();
        if self.shared.core.input(Input::Command { id, command }).await.is_err() {
            self.shared.commands.forget(id);
            return Err(CommandError::Stopped);
        }
        let reply = answer.await.map_err(|_| CommandError::Stopped)??;
        if remembers {
            self.shared.peers.changed.notify_one();
        }
        Ok(reply)
    }

    /// The way that a payment would take now. Nothing is sent.
    ///
    /// # Errors
    /// Says why there is none, and what would help.
    pub async fn find_route(&self, command: PayCommand) -> Result<Route, RouteError> {
        let node = self.snapshot();
        let recipient = command.payee.node();
        let query = node.route_query(command, clock::now())?;
        let found = super::router::find(&self.shared, query).await;
        found.map_err(|why| match node.is_peer_away(&recipient) {
            true => RouteError::RecipientAway(why),
            false => RouteError::NoRoute(why),
        })
    }

    /// The node as it was after the newest commit. Nothing in it can be lost any more, and whatever was answered is in it.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Node> {
        self.shared.published.get()
    }

    /// Facts from now on, as they become durable. Who reads too slowly misses some and finds them in the ledger.
    #[must_use]
    pub fn facts(&self) -> broadcast::Receiver<Entry> {
        self.shared.facts.subscribe()
    }

    /// Connects with a peer at `host:port`; returns once it is up. The peer and its address are remembered if it was reached there:
    /// whoever is connected already stays so, and nobody knows whether the address is right.
    ///
    /// # Errors
    /// When there is no connection, with what to do about it.
    pub async fn connect(&self, peer: NodeId, address: &str) -> Result<(), ConnectError> {
        if dial(&self.shared, peer, address).await? == Dialled::NotTried {
            return Ok(());
        }
        let remember = Command::RememberPeer { peer, addresses: vec![address.to_owned()] };
        match self.command(remember).await {
            Ok(_) => Ok(()),
            Err(CommandError::Stopped) => Err(ConnectError::Stopped),
            Err(error) => {
                // It is connected, which is what was asked.
                tracing::warn!(%peer, %error, "the peer will not be remembered");
                Ok(())
            }
        }
    }

    /// Connects with a peer where it was reached before or says to the network that it is; returns once it is up. Whoever is
    /// connected already stays so.
    ///
    /// # Errors
    /// When nobody has said where it is, or it is not reached at any of these places: then with the last of them.
    pub async fn connect_known(&self, peer: NodeId) -> Result<(), ConnectError> {
        if self.shared.peers.get(&peer).is_some_and(|link| link.is_up()) {
            return Ok(());
        }
        let mut refused = ConnectError::NoAddress(peer);
        let remembered = places::remembered(&self.shared, &peer);
        for address in &remembered {
            match self.connect(peer, address).await {
                Ok(()) => return Ok(()),
                Err(error) => refused = error,
            }
        }
        for address in places::announced(&self.shared, &peer, &remembered).await {
            match self.connect(peer, &address).await {
                Ok(()) => return Ok(()),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Disconnects from a peer and, unless there are channels with it, forgets it. With channels it is tried again, but not
    /// soon. Whether it was connected.
    ///
    /// # Errors
    /// When the engine stops.
    pub async fn disconnect(&self, peer: NodeId) -> Result<bool, Stopped> {
        // A refusal means that there are channels.
        if self.command(Command::ForgetPeer { peer }).await == Err(CommandError::Stopped) {
            return Err(Stopped);
        }
        self.shared.backoffs.put_off(peer);
        let Some(link) = self.shared.peers.get(&peer) else { return Ok(false) };
        link.close();
        if tokio::time::timeout(Duration::from_secs(5), link.over.raised()).await.is_err() {
            link.gone.raise();
            link.over.raised().await;
        }
        Ok(true)
    }

    /// Where a connected peer is, as `host:port`, and whether it opened the connection.
    #[must_use]
    pub fn peer_address(&self, peer: &NodeId) -> Option<(String, bool)> {
        let link = self.shared.peers.get(peer)?;
        Some((link.address.clone(), link.inbound))
    }

    /// Who we are.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.shared.node_id
    }

    /// The chain that we live on.
    #[must_use]
    pub fn network(&self) -> Network {
        self.shared.network
    }

    /// Where we listen, with the ports that were taken.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        &self.shared.listening
    }

    /// A fresh address of the on-chain wallet.
    ///
    /// # Errors
    /// When it cannot be written down, or a new node does not reach the chain for some seconds.
    pub async fn new_address(&self) -> Result<Address, AddressError> {
        self.address(Keychain::External).await
    }

    /// A fresh script of the on-chain wallet for change.
    ///
    /// # Errors
    /// As [`Handle::new_address`].
    pub async fn change_script(&self) -> Result<ScriptBuf, AddressError> {
        Ok(self.address(Keychain::Internal).await?.script_pubkey())
    }

    async fn address(&self, keychain: Keychain) -> Result<Address, AddressError> {
        let begun = tokio::time::timeout(BEGIN_TIMEOUT, self.shared.wallet.begun()).await;
        begun.map_err(|_| AddressError::NotBegun)?;
        Ok(self.shared.wallet.new_address(keychain).await?)
    }

    /// Searches the chain for what peers have paid out of channels that this node does not know, and sweeps it where a feerate is
    /// given. May take minutes.
    ///
    /// # Errors
    /// When the chain source cannot be searched, or the node does not see the tip.
    pub async fn recover(&self, feerate: Option<FeeratePerKw>) -> Result<Recovered, RecoverError> {
        recover(&self.shared, feerate).await
    }

    /// What is wrong with what the chain source tells of fees and of its mempool, in words.
    #[must_use]
    pub fn source_alarms(&self) -> Vec<String> {
        self.shared.hearing().alarms(clock::now(), self.shared.network)
    }

    /// What to know of coins where the database seemed to be an old copy at the start, in words.
    #[must_use]
    pub fn old_copy_alarm(&self) -> Option<String> {
        self.shared.stale.as_deref().map(super::alarms::old_copy)
    }

    /// For how many minutes no feerate was told, where that is too long to pay by the last one.
    #[must_use]
    pub fn fees_too_old(&self) -> Option<u64> {
        self.shared.hearing().fees_too_old(clock::now())
    }

    /// How far the on-chain wallet is, while it reads old blocks: coins above are missing in all sums.
    #[must_use]
    pub fn wallet_reading(&self) -> Option<Reading> {
        self.shared.wallet.reading(self.snapshot().height(), &self.chain_status())
    }

    /// Keys for a channel that does not exist yet.
    #[must_use]
    pub fn fresh_keys(&self) -> FreshKeys {
        fresh_keys(&*self.shared.signer)
    }

    /// 32 fresh random bytes, fit for keys.
    #[must_use]
    pub fn random(&self) -> [u8; 32] {
        clock::fresh32()
    }

    /// Who signs.
    #[must_use]
    pub fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.shared.signer)
    }

    /// The last fact about a payment that this node sent or received. One row by its key, some microseconds: it is looked up
    /// where it is asked for, since another thread would cost more than that.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn last_payment_fact(&self, payment_hash: &PaymentHash) -> Result<Option<Entry>, JournalError> {
        self.shared.lookups.read(|reader| reader.last_payment_fact(payment_hash))
    }

    /// Looks something up in the journal, on a thread that may block, once few others do.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&SqliteReader) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let shared = Arc::clone(&self.shared);
        let turn = self.shared.lookups.turn().await;
        let reading = tokio::task::spawn_blocking(move || {
            // Kept by who reads: who asked may have gone.
            let _turn = turn;
            shared.lookups.read(ask)
        });
        reading.await.unwrap_or_else(|error| Err(JournalError::Io(format!("reading panicked: {error}"))))
    }

    /// Signatures sent for commitments of peers since the start: one a commitment, and one for each HTLC in it.
    #[must_use]
    pub fn commitment_signatures(&self) -> u64 {
        self.shared.commitment_signatures.load(Ordering::Relaxed)
    }

    /// The network in numbers.
    #[must_use]
    pub fn graph_summary(&self) -> Summary {
        self.shared.gossip.summary()
    }

    /// Where the sync of the network stands, and how many channels and nodes are known.
    #[must_use]
    pub fn graph_progress(&self) -> (Progress, usize, usize) {
        self.shared.gossip.progress()
    }

    /// A node of the network.
    #[must_use]
    pub fn graph_node(&self, id: &NodeId) -> Option<NodeView> {
        self.shared.gossip.node(id)
    }

    /// A channel of the network, and whether its funding is spent.
    #[must_use]
    pub fn graph_channel(&self, id: ShortChannelId) -> Option<(astrape_routing::Channel, bool)> {
        self.shared.gossip.channel(id)
    }

    /// The network as path search reads it.
    #[must_use]
    pub fn graph(&self) -> Arc<astrape_routing::Snapshot> {
        self.shared.gossip.snapshot()
    }

    /// How we see the chain.
    #[must_use]
    pub fn chain_status(&self) -> Status {
        self.shared.chain_status.borrow().clone()
    }

    /// Returns once the core has seen the block that is the source's best one now, and counts on what it sees: for those who
    /// mine blocks and want them noticed.
    ///
    /// # Errors
    /// When the source cannot be asked.
    pub async fn synced(&self) -> Result<(), SourceError> {
        let target = self.shared.source.state().await?.tip.height;
        while !self.chain_status().is_reliable() || self.snapshot().height() < target {
            if self.shared.ended.is_raised() {
                return Err(SourceError::Unreachable(Stopped.to_string()));
            }
            tokio::time::sleep(SYNC_LOOK).await;
        }
        Ok(())
    }

    /// Asks the engine to stop. [`super::Running::join`] returns when it has.
    pub fn begin_stop(&self) {
        self.shared.shutdown.begin();
    }

    /// Stops the engine and returns when it has stopped.
    pub async fn stop(&self) {
        self.begin_stop();
        self.shared.ended.raised().await;
    }
}
