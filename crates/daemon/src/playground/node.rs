//! One node of the playground: an engine with its disk, driven as a user would drive it.

use crate::config::values::HostPort;
use crate::engine::{
    self, ChainBackend, EmbeddedChain, EngineConfig, Handle, InvoiceRequest, InvoiceSecret, Running,
};
use crate::service::server::{self, Offered};
use anyhow::{Context as _, bail};
use astrape_channel::{Channel, Phase};
use astrape_invoice::{Description, Invoice};
use astrape_node::command::{OpenChannelCommand, PayCommand};
use astrape_node::{ChannelFact, Command, Config, Entry, Fact, Node, Reply};
use astrape_primitives::{ChannelKeysId, Msat, Network, NodeId, PaymentPreimage, Sat, Side};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::signing::Signer as _;
use bitcoin::{Transaction, Txid};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

/// How often a node is looked at while something is waited for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A node of the playground. Clones are the same node.
#[derive(Clone)]
pub(super) struct PlaygroundNode {
    pub(super) name: &'static str,
    dir: PathBuf,
    handle: Handle,
    /// Signs what it is asked to, and remembers nothing: a thief's.
    forgetful: Arc<InProcessSigner>,
    running: Arc<Mutex<Option<Running>>>,
    api: Arc<Mutex<Option<Offered>>>,
}

/// A channel that was opened.
pub(super) struct Opened {
    pub(super) txid: Txid,
}

/// A commitment that its owner should have forgotten.
pub(super) struct Loot {
    pub(super) transaction: Transaction,
    /// What the thief would win.
    pub(super) amount: Msat,
}

/// A payment that arrived.
pub(super) struct Paid {
    pub(super) fee: Msat,
    pub(super) preimage: PaymentPreimage,
}

impl PlaygroundNode {
    pub(super) async fn start(name: &'static str, dir: &Path, chain: &EmbeddedChain) -> anyhow::Result<Self> {
        let dir = dir.join(name.to_lowercase());
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let seed = Seed::from_entropy(engine::clock::fresh32());
        let signer = Arc::new(InProcessSigner::new(&seed, Network::Regtest));
        let forgetful = Arc::new(InProcessSigner::new(&seed, Network::Regtest));
        let node = Config::new(signer.node_id(), Network::Regtest);
        let config = EngineConfig {
            network: Network::Regtest,
            data_dir: dir.clone(),
            signer,
            listen: vec![([127, 0, 0, 1], 0).into()],
            chain: ChainBackend::Embedded(chain.clone()),
            node,
            wallet_birthday: None,
            dns_seeds: None,
            name_server: None,
            estimate: None,
            dev_fast: true,
        };
        let (handle, running) =
            engine::start(config).await.with_context(|| format!("{name} does not start"))?;
        let node = Self {
            name,
            dir,
            handle,
            forgetful,
            running: Arc::new(Mutex::new(Some(running))),
            api: Arc::default(),
        };
        node.until("the chain", super::PATIENCE, |n| n.chain().tip().is_some()).await?;
        Ok(node)
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn id(&self) -> NodeId {
        self.handle.node_id()
    }

    /// Where it listens, as `host:port`.
    pub(super) fn address(&self) -> String {
        self.handle.listening().first().map(ToString::to_string).unwrap_or_default()
    }

    /// Offers its API on a free port, for the command line.
    pub(super) async fn offer(&self) -> anyhow::Result<SocketAddr> {
        let at = HostPort::new("127.0.0.1", 0);
        let api = server::offer(self.handle.clone(), Some(self.name.to_owned()), &self.dir, &at).await?;
        let address = api.address();
        *self.api.lock().await = Some(api);
        Ok(address)
    }

    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        if let Some(api) = self.api.lock().await.take() {
            api.close().await;
        }
        self.handle.stop().await;
        match self.running.lock().await.take() {
            Some(running) => running.join().await.with_context(|| format!("{} did not stop well", self.name)),
            None => Ok(()),
        }
    }

    /// Waits until the node is as it should be.
    pub(super) async fn until(
        &self,
        what: &str,
        patience: Duration,
        is_so: impl Fn(&Node) -> bool,
    ) -> anyhow::Result<()> {
        let waiting = async {
            loop {
                if is_so(&self.handle.snapshot()) {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let waited = timeout(patience, waiting).await;
        waited.with_context(|| format!("{} waited for {what} for {} s", self.name, patience.as_secs()))?
    }

    /// Opens a channel and waits until it is funded.
    pub(super) async fn open(&self, to: &PlaygroundNode, funding: Sat) -> anyhow::Result<Opened> {
        let mut facts = self.handle.facts();
        let command = OpenChannelCommand {
            peer: to.id(),
            funding,
            push: Msat::ZERO,
            announce: false,
            format: None,
            feerate: None,
            keys: self.handle.fresh_keys(),
            change_script: self.handle.change_script().await?,
            upfront_shutdown_script: None,
            spend_reserve: false,
            accept_high_fee: false,
        };
        let Reply::Opening { channel } = self.handle.command(Command::OpenChannel(Box::new(command))).await?
        else {
            bail!("the node answered something else than that it opens a channel");
        };
        let opened = wait_for(&mut facts, super::PATIENCE, |fact| match fact {
            Fact::Channel { keys, event, .. } if *keys == channel => match event {
                ChannelFact::Opened { outpoint, .. } => Some(Ok(outpoint.txid)),
                ChannelFact::NotOpened { reason } => Some(Err(reason.clone())),
                _ => None,
            },
            _ => None,
        });
        match opened.await? {
            Ok(txid) => Ok(Opened { txid }),
            Err(reason) => bail!("the channel was not opened: {reason}"),
        }
    }

    pub(super) async fn invoice(&self, amount: Msat, description: &str) -> anyhow::Result<Invoice> {
        let request = InvoiceRequest {
            amount: Some(amount),
            description: Description::Text(description.to_owned()),
            secret: InvoiceSecret::Preimage(PaymentPreimage(self.handle.random())),
            hold_blocks: None,
            expiry_secs: None,
            earlier: None,
            named: None,
        };
        Ok(self.handle.make_invoice(request).await?)
    }

    /// Pays, and waits for the end.
    pub(super) async fn pay(&self, invoice: &Invoice, patience: Duration) -> anyhow::Result<Paid> {
        let hash = invoice.payment_hash();
        let mut facts = self.handle.facts();
        let command = PayCommand::new(invoice.clone());
        self.handle.command(Command::Pay(Box::new(command))).await?;
        let end = wait_for(&mut facts, patience, |fact| match fact {
            Fact::PaymentSent { payment_hash, preimage, fee, .. } if *payment_hash == hash => {
                Some(Ok(Paid { fee: *fee, preimage: *preimage }))
            }
            Fact::PaymentFailed { payment_hash, reason, .. } if *payment_hash == hash => {
                Some(Err(reason.clone()))
            }
            _ => None,
        });
        end.await?.map_err(|reason| anyhow::anyhow!("the payment failed: {reason}"))
    }

    /// A channel with a peer that is open.
    pub(super) fn channel_with(&self, peer: &PlaygroundNode) -> anyhow::Result<ChannelKeysId> {
        let node = self.handle.snapshot();
        let open = |channel: &Channel| matches!(channel.phase, Phase::Open(_));
        let found = node.channels().find(|(_, channel)| channel.peer() == peer.id() && open(channel));
        found
            .map(|(keys, _)| keys)
            .with_context(|| format!("{} has no channel with {}", self.name, peer.name))
    }

    /// What a thief keeps: the newest commitment of a channel, signed, and what is its own in it.
    pub(super) fn keep_commitment(&self, with: &PlaygroundNode) -> anyhow::Result<Loot> {
        let channel = self.channel_with(with)?;
        let node = self.handle.snapshot();
        let open = node.channel(&channel).and_then(Channel::open).context("the channel is open")?;
        let transaction = self.forgetful.sign_local_commitment(&open.local_request())?;
        Ok(Loot { transaction, amount: open.balances.local })
    }

    /// Goes on chain with a channel.
    pub(super) async fn force_close(&self, with: &PlaygroundNode) -> anyhow::Result<ChannelKeysId> {
        let channel = self.channel_with(with)?;
        self.handle.command(Command::ForceCloseChannel { channel }).await?;
        Ok(channel)
    }

    /// Begins to close the channel with a peer.
    pub(super) async fn close(&self, with: &PlaygroundNode) -> anyhow::Result<ChannelKeysId> {
        let channel = self.channel_with(with)?;
        let script = self.handle.new_address().await?.script_pubkey();
        self.handle.command(Command::CloseChannel { channel, script }).await?;
        Ok(channel)
    }

    /// What it has in channels, and on chain.
    pub(super) async fn balances(&self) -> anyhow::Result<(Msat, Sat)> {
        let node = self.handle.snapshot();
        let open = node.channels().filter_map(|(_, channel)| channel.open());
        let in_channels = open.filter(|o| o.funding.spent.is_none()).map(|o| {
            let offered = o.htlcs.values().filter(|htlc| htlc.offered_by == Side::Local);
            o.balances.local.saturating_sub(offered.map(|htlc| htlc.amount).sum())
        });
        let in_channels = in_channels.sum();
        Ok((in_channels, node.coin_balance().total()))
    }
}

/// Waits for a fact.
pub(super) async fn wait_for<T>(
    facts: &mut Receiver<Entry>,
    patience: Duration,
    is_it: impl Fn(&Fact) -> Option<T>,
) -> anyhow::Result<T> {
    let waiting = async {
        loop {
            match facts.recv().await {
                Ok(entry) => {
                    if let Some(found) = is_it(&entry.fact) {
                        return Ok(found);
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => bail!("the node stopped"),
            }
        }
    };
    timeout(patience, waiting).await.with_context(|| format!("waited for {} s", patience.as_secs()))?
}
