//! Nodes on an embedded chain, with sockets on loopback and journals on disk.

use astrape_daemon::engine::{ChainBackend, EmbeddedChain, EngineConfig, Handle, Running, start};
use astrape_invoice::{Description, Invoice, InvoiceDraft, RouteHint};
use astrape_node::command::{OpenChannelCommand, PayCommand};
use astrape_node::{ChannelFact, Command, Config, Entry, Fact, Reply};
use astrape_payment::OpenInvoice;
use astrape_primitives::{
    ChannelKeysId, Msat, Network, NodeId, PaymentPreimage, PaymentSecret, Sat, Timestamp,
};
use astrape_signer::{InProcessSigner, Seed};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node and what it takes to start it again.
pub(crate) struct Member {
    seed: u8,
    dir: TempDir,
    pub(crate) chain: EmbeddedChain,
    pub(crate) handle: Handle,
    running: Running,
}

pub(crate) fn signer(seed: u8) -> Arc<InProcessSigner> {
    Arc::new(InProcessSigner::new(&Seed::from_entropy([seed; 32]), Network::Regtest))
}

pub(crate) fn config(seed: u8, dir: &Path, chain: &EmbeddedChain) -> EngineConfig {
    let signer = signer(seed);
    let node_id = astrape_transactions::Signer::node_id(&*signer);
    EngineConfig {
        network: Network::Regtest,
        data_dir: dir.to_owned(),
        signer,
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        chain: ChainBackend::Embedded(chain.clone()),
        node: Config::new(node_id, Network::Regtest),
        wallet_birthday: None,
        dns_seeds: None,
        name_server: None,
        estimate: None,
        dev_fast: true,
    }
}

/// What is in a directory, whose files come and go.
fn files_in(dir: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.filter_map(|entry| Some((entry.file_name(), std::fs::read(entry.path()).ok()?))).collect()
}

/// A node that is not running.
pub(crate) struct Down {
    seed: u8,
    dir: TempDir,
    chain: EmbeddedChain,
}

impl Down {
    pub(crate) fn id(&self) -> NodeId {
        Self::id_of(self.seed)
    }

    /// Who a node with this seed is.
    pub(crate) fn id_of(seed: u8) -> NodeId {
        astrape_transactions::Signer::node_id(&*signer(seed))
    }

    pub(crate) async fn start(self) -> Member {
        self.start_with(|_| {}).await
    }

    /// Starts it with other options; a further restart begins with the usual ones.
    pub(crate) async fn start_with(self, change: impl FnOnce(&mut EngineConfig)) -> Member {
        let Self { seed, dir, chain } = self;
        let mut config = config(seed, dir.path(), &chain);
        change(&mut config);
        let (handle, running) = start(config).await.unwrap();
        Member { seed, dir, chain, handle, running }
    }
}

impl Member {
    pub(crate) async fn start(seed: u8, chain: &EmbeddedChain) -> Self {
        let dir = TempDir::new().unwrap();
        Down { seed, dir, chain: chain.clone() }.start().await
    }

    /// One that begins with other options; a restart begins with the usual ones.
    pub(crate) async fn start_with(
        seed: u8,
        chain: &EmbeddedChain,
        change: impl FnOnce(&mut EngineConfig),
    ) -> Self {
        let dir = TempDir::new().unwrap();
        Down { seed, dir, chain: chain.clone() }.start_with(change).await
    }

    /// Stops it.
    pub(crate) async fn stopped(self) -> Down {
        let Self { seed, dir, chain, running, .. } = self;
        running.stop().await.unwrap();
        Down { seed, dir, chain }
    }

    /// Stops it and starts it from its directory, on another port.
    pub(crate) async fn restart(self) -> Self {
        self.stopped().await.start().await
    }

    /// What it would leave if it were killed now: a copy of its files, all as they were at one moment.
    pub(crate) fn as_if_killed(&self) -> Down {
        let dir = TempDir::new().unwrap();
        let mut files = files_in(self.dir.path());
        loop {
            let again = files_in(self.dir.path());
            if files == again {
                break;
            }
            files = again;
        }
        files.iter().for_each(|(name, bytes)| std::fs::write(dir.path().join(name), bytes).unwrap());
        Down { seed: self.seed, dir, chain: self.chain.clone() }
    }

    pub(crate) fn config(&self) -> EngineConfig {
        config(self.seed, self.dir.path(), &self.chain)
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.running.stop().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn joined(self) -> anyhow::Result<()> {
        tokio::time::timeout(PATIENCE, self.running.join()).await.expect("it ends")
    }

    pub(crate) fn id(&self) -> NodeId {
        self.handle.node_id()
    }

    pub(crate) fn address(&self) -> String {
        self.handle.listening()[0].to_string()
    }

    pub(crate) async fn connect(&self, other: &Member) {
        self.handle.connect(other.id(), &other.address()).await.unwrap();
    }

    /// Gives it a coin, and waits until it sees it.
    pub(crate) async fn fund(&self, amount: Sat) {
        let script = self.handle.new_address().await.unwrap().script_pubkey();
        self.chain.change(|chain| chain.fund(&script, amount)).unwrap();
        self.chain.mine(1);
        until("the coin is confirmed", async || self.handle.snapshot().coin_balance().confirmed >= amount)
            .await;
    }

    /// Opens a private channel and mines until it is ready on both sides.
    pub(crate) async fn open(&self, other: &Member, funding: Sat, push: Msat) -> ChannelKeysId {
        self.open_channel(other, funding, push, false).await
    }

    /// Opens a channel that the network is told of.
    pub(crate) async fn open_announced(&self, other: &Member, funding: Sat, push: Msat) -> ChannelKeysId {
        self.open_channel(other, funding, push, true).await
    }

    async fn open_channel(&self, other: &Member, funding: Sat, push: Msat, announce: bool) -> ChannelKeysId {
        let command = OpenChannelCommand {
            peer: other.id(),
            funding,
            push,
            announce,
            format: None,
            feerate: None,
            keys: self.handle.fresh_keys(),
            change_script: self.handle.change_script().await.unwrap(),
            upfront_shutdown_script: None,
            spend_reserve: false,
            accept_high_fee: false,
        };
        self.handle.synced().await.unwrap();
        other.handle.synced().await.unwrap();
        let mut facts = self.handle.facts();
        let reply = self.handle.command(Command::OpenChannel(Box::new(command))).await.unwrap();
        let Reply::Opening { channel } = reply else { panic!("{reply:?}") };
        let opened = wait_for(&mut facts, |fact| of_channel(fact, channel).cloned()).await;
        let ChannelFact::Opened { outpoint, .. } = opened else { panic!("{opened:?}") };
        until("the funding is in the mempool", async || self.chain.look(|c| c.in_mempool(&outpoint.txid)))
            .await;
        self.chain.mine(6);
        for member in [self, other] {
            let peer = if member.id() == self.id() { other.id() } else { self.id() };
            until("the channel is ready", async || member.is_usable_with(peer).await).await;
        }
        channel
    }

    pub(crate) async fn is_usable_with(&self, peer: NodeId) -> bool {
        let node = self.handle.snapshot();
        let usable = node.channels().any(|(_, channel)| channel.peer() == peer && channel.is_usable());
        // What the peer asks for payments towards us is part of it: hints need it, where the network does not know us.
        let is_known =
            node.channels().any(|(_, c)| c.open().is_some_and(astrape_channel::Open::is_announced));
        usable && (is_known || !node.route_hints(None).is_empty())
    }

    /// An invoice of ours.
    pub(crate) async fn invoice(&self, amount: Msat) -> Invoice {
        self.invoice_by(amount, |_| {}).await
    }

    /// An invoice of ours with other hints than the node's.
    pub(crate) async fn invoice_by(&self, amount: Msat, change: impl Fn(&mut RouteHint)) -> Invoice {
        let preimage = PaymentPreimage(self.handle.random());
        let payment_secret = PaymentSecret(self.handle.random());
        let now = astrape_daemon::engine::clock::now();
        let description = "a test".to_owned();
        let node = self.handle.snapshot();
        let mut draft = InvoiceDraft::new(
            Network::Regtest,
            self.id(),
            now.secs(),
            preimage.payment_hash(),
            payment_secret,
            Description::Text(description.clone()),
        );
        draft.amount = Some(amount);
        draft.min_final_cltv_expiry_delta = node.config().payment.min_final_cltv_expiry_delta;
        draft.route_hints = node.route_hints(Some(amount));
        draft.route_hints.iter_mut().flatten().for_each(change);
        let unsigned = draft.to_unsigned().unwrap();
        let signature = self.handle.signer().sign_message(unsigned.signing_digest());
        let invoice = unsigned.finish(&signature).unwrap();
        let open = OpenInvoice {
            payment_hash: preimage.payment_hash(),
            preimage: Some(preimage),
            hold: false,
            canceled: false,
            payment_secret,
            amount: Some(amount),
            metadata: None,
            expires_at: Timestamp::from_secs(now.secs() + draft.expiry),
            min_final_cltv_expiry_delta: draft.min_final_cltv_expiry_delta,
            created_at: now,
            description,
            bolt11: invoice.to_string(),
        };
        assert_eq!(
            self.handle.command(Command::AddInvoice { invoice: Box::new(open), earlier: None }).await,
            Ok(Reply::Done)
        );
        invoice
    }

    /// Pays an invoice, and tells how it ended.
    pub(crate) async fn pay(&self, invoice: &Invoice) -> Fact {
        let hash = invoice.payment_hash();
        let mut facts = self.handle.facts();
        let command = PayCommand::new(invoice.clone());
        let reply = self.handle.command(Command::Pay(Box::new(command))).await.unwrap();
        if let Reply::AlreadyPaid(entry) = reply {
            return entry.fact;
        }
        wait_for(&mut facts, |fact| match fact {
            Fact::PaymentSent { payment_hash, .. } | Fact::PaymentFailed { payment_hash, .. } => {
                (*payment_hash == hash).then(|| fact.clone())
            }
            _ => None,
        })
        .await
    }
}

/// What happened to a channel, if a fact tells of it.
pub(crate) fn of_channel(fact: &Fact, channel: ChannelKeysId) -> Option<&ChannelFact> {
    match fact {
        Fact::Channel { keys, event, .. } if *keys == channel => Some(event),
        _ => None,
    }
}

/// The first fact that fits.
pub(crate) async fn wait_for<T>(
    facts: &mut tokio::sync::broadcast::Receiver<Entry>,
    mut fits: impl FnMut(&Fact) -> Option<T>,
) -> T {
    let waiting = async {
        loop {
            let entry = facts.recv().await.unwrap();
            if let Some(found) = fits(&entry.fact) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the fact comes")
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}
