//! Three Lightning nodes in one command: an embedded chain, real sockets, real disks. They open channels, pay each other,
//! close in good order and by force, one of them cheats and is punished, and the story is told as it happens.

mod court;
mod node;
mod story;

use crate::engine::EmbeddedChain;
use crate::render::words::{msat, sat, short};
use anyhow::Context as _;
use astrape_node::{ChannelFact, Fact};
use astrape_primitives::{Msat, Sat};
use node::PlaygroundNode;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use story::Story;

/// What Alice and Bob get from the faucet.
const FAUCET: Sat = Sat(3_000_000);

/// Capacity of each channel.
const CAPACITY: Sat = Sat(1_000_000);

/// Payments from Alice to Carol, one after the other.
const PAYMENTS: [Msat; 3] = [Msat(50_000_000), Msat(1_000_000), Msat(123_456)];

/// What Carol pays back.
const BACK: Msat = Msat(20_000_000);

/// Payments that go at the same time.
const BURST: u32 = 20;

/// What each of them carries.
const BURST_AMOUNT: Msat = Msat(1_000_000);

/// Longer than any step takes on a slow machine; a step that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a block is mined while the nodes keep running.
const BLOCK_INTERVAL: Duration = Duration::from_secs(10);

/// Confirmations that all wait for.
const CONFIRMATIONS: u32 = 6;

/// The three nodes and their chain.
struct Playground {
    chain: EmbeddedChain,
    alice: PlaygroundNode,
    bob: PlaygroundNode,
    carol: PlaygroundNode,
    story: Story,
}

/// Tells the story; with `keep`, leaves the nodes running until it is asked to stop. Asked to stop, or without a reader, it ends early
/// and leaves nothing behind.
///
/// # Errors
/// When a step of the story does not come out as it should: the disks are left then, and it is told where.
pub async fn run(keep: bool, asked_to_stop: impl Future<Output = &'static str>) -> anyhow::Result<()> {
    let began = Instant::now();
    let dir = directory()?;
    let left = || format!("the disks of the nodes are left in {}", dir.display());
    let story = Story::new();
    story.title("Three Lightning nodes on a private Bitcoin chain");
    let playground = Playground::start(&dir, story).await.with_context(left)?;
    let told = tokio::select! {
        told = playground.tell(keep, began) => told,
        signal = asked_to_stop => {
            playground.story.line(&format!("{signal}: the nodes stop, and their disks are removed."));
            Ok(())
        }
        closed = playground.story.closed() => closed.context("cannot write to standard output"),
    };
    if let Err(error) = &told {
        playground.story.failed(error, &left());
    }
    for node in [playground.alice, playground.bob, playground.carol] {
        node.stop().await?;
    }
    if told.is_ok() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    told
}

/// A fresh directory for the nodes' disks.
fn directory() -> anyhow::Result<PathBuf> {
    let name = format!("astrape-playground-{}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

impl Playground {
    async fn start(dir: &Path, story: Story) -> anyhow::Result<Self> {
        let chain = EmbeddedChain::new();
        let alice = PlaygroundNode::start("Alice", dir, &chain).await?;
        let bob = PlaygroundNode::start("Bob", dir, &chain).await?;
        let carol = PlaygroundNode::start("Carol", dir, &chain).await?;
        Ok(Self { chain, alice, bob, carol, story })
    }

    fn nodes(&self) -> [&PlaygroundNode; 3] {
        [&self.alice, &self.bob, &self.carol]
    }

    /// The whole story. Nodes that keep running keep their channels.
    async fn tell(&self, keep: bool, began: Instant) -> anyhow::Result<()> {
        self.introduce();
        self.fund().await?;
        self.open(&self.alice, &self.bob).await?;
        self.open(&self.alice, &self.bob).await?;
        self.open(&self.bob, &self.carol).await?;
        self.confirm().await?;
        self.balances().await?;
        for amount in PAYMENTS {
            self.pay(&self.alice, &self.carol, amount).await?;
        }
        self.burst().await?;
        let loot = self.keeps_what_she_should_forget().await?;
        self.pay(&self.carol, &self.alice, BACK).await?;
        self.balances().await?;
        if keep {
            return self.keep_running().await;
        }
        self.close(&self.alice, &self.bob).await?;
        self.force_close(&self.alice, &self.bob).await?;
        self.theft(&self.carol, &self.bob, loot).await?;
        self.summary(began).await
    }

    fn introduce(&self) {
        self.story.chapter("Three nodes start");
        for node in self.nodes() {
            self.story.line(&format!(
                "{:<6}{} listens on {}, keeps its channels in {}",
                node.name,
                short(&node.id().to_string()),
                node.address(),
                node.dir().display()
            ));
        }
    }

    async fn fund(&self) -> anyhow::Result<()> {
        self.story.chapter("Alice and Bob get coins");
        for node in [&self.alice, &self.bob] {
            let address = node.handle().new_address().await?;
            let outpoint = self.chain.change(|chain| chain.fund(&address.script_pubkey(), FAUCET))?;
            self.story.line(&format!("{:<6}{FAUCET} to {address} in {}", node.name, outpoint.txid));
        }
        self.chain.mine(1);
        for node in [&self.alice, &self.bob] {
            node.until("its coins", PATIENCE, |n| n.coin_balance().confirmed == FAUCET).await?;
        }
        Ok(())
    }

    async fn open(&self, from: &PlaygroundNode, to: &PlaygroundNode) -> anyhow::Result<()> {
        self.story.chapter(&format!("{} opens a channel with {}", from.name, to.name));
        from.handle().connect(to.id(), &to.address()).await?;
        let opened = from.open(to, CAPACITY).await?;
        let arrived = || self.chain.look(|chain| chain.in_mempool(&opened.txid));
        from.until("its funding transaction to reach the mempool", PATIENCE, |_| arrived()).await?;
        self.story.line(&format!("funding transaction {} puts {CAPACITY} into a 2-of-2 output", opened.txid));
        Ok(())
    }

    async fn confirm(&self) -> anyhow::Result<()> {
        self.story.chapter("Blocks are mined until the channels are ready");
        for _ in 0..CONFIRMATIONS {
            self.chain.mine(1);
        }
        for (node, channels) in [(&self.alice, 2), (&self.bob, 3), (&self.carol, 1)] {
            node.until("its channels to be ready", PATIENCE, |n| {
                n.channels().filter(|(_, channel)| channel.is_usable()).count() == channels
            })
            .await?;
        }
        // Those at the ends are paid over hints, and a hint needs what Bob asks for.
        for node in [&self.alice, &self.carol] {
            node.until("Bob's channel_update", PATIENCE, |n| !n.route_hints(None).is_empty()).await?;
        }
        self.story.line(&format!("height {}", self.chain.look(|chain| chain.tip().height)));
        Ok(())
    }

    async fn pay(&self, from: &PlaygroundNode, to: &PlaygroundNode, amount: Msat) -> anyhow::Result<()> {
        self.story.chapter(&format!("{} pays {} {} through Bob", from.name, to.name, msat(amount.0)));
        let invoice = to.invoice(amount, "playground").await?;
        self.story.line(&format!("invoice {}", short(&invoice.to_string())));
        let began = Instant::now();
        let paid = from.pay(&invoice, PATIENCE).await?;
        self.story.line(&format!(
            "paid in {:.1} ms, fee {}, proof {}",
            began.elapsed().as_secs_f64() * 1000.0,
            msat(paid.fee.0),
            short(&paid.preimage.reveal_hex())
        ));
        Ok(())
    }

    async fn burst(&self) -> anyhow::Result<()> {
        self.story.chapter(&format!("Alice pays Carol {BURST} times at once"));
        let mut invoices = Vec::new();
        for number in 0..BURST {
            invoices.push(self.carol.invoice(BURST_AMOUNT, &format!("burst {number}")).await?);
        }
        let began = Instant::now();
        let progress = self.story.progress(u64::from(BURST));
        let mut paying = tokio::task::JoinSet::new();
        for invoice in invoices {
            let alice = self.alice.clone();
            paying.spawn(async move { alice.pay(&invoice, PATIENCE).await });
        }
        while let Some(paid) = paying.join_next().await {
            paid.context("a payment panicked")??;
            progress.inc(1);
        }
        progress.finish_and_clear();
        let secs = began.elapsed().as_secs_f64();
        self.story.line(&format!("{BURST} payments of {} in {secs:.2} s", msat(BURST_AMOUNT.0)));
        Ok(())
    }

    async fn close(&self, from: &PlaygroundNode, with: &PlaygroundNode) -> anyhow::Result<()> {
        self.story.chapter(&format!("{} closes the channel with {}", from.name, with.name));
        let mut facts = from.handle().facts();
        let keys = from.close(with).await?;
        let agreed = node::wait_for(&mut facts, PATIENCE, |fact| match fact {
            Fact::Channel { keys: k, event: ChannelFact::ClosingAgreed { txid, fee }, .. } if *k == keys => {
                Some((*txid, *fee))
            }
            _ => None,
        });
        let (txid, fee) = agreed.await.context("no closing transaction was agreed on")?;
        self.story.line(&format!("closing transaction {txid} pays both sides out, fee {fee}"));
        for node in [from, with] {
            let gone =
                |chain: &EmbeddedChain| chain.look(|c| c.in_mempool(&txid) || c.confirmations(&txid) > 0);
            node.until("the closing transaction", PATIENCE, |_| gone(&self.chain)).await?;
        }
        self.chain.mine(CONFIRMATIONS);
        for node in [from, with] {
            node.until("the channel to be over", PATIENCE, |n| n.channel(&keys).is_none_or(is_over)).await?;
        }
        Ok(())
    }

    /// What each has, in channels and on chain.
    async fn balances(&self) -> anyhow::Result<()> {
        let mut rows = Vec::new();
        for node in self.nodes() {
            let (in_channels, on_chain) = node.balances().await?;
            rows.push([node.name.to_owned(), msat(in_channels.0), sat(on_chain.0)]);
        }
        self.story.table(["", "in channels", "on chain"], rows);
        Ok(())
    }

    async fn summary(&self, began: Instant) -> anyhow::Result<()> {
        self.story.chapter("Everything is on chain again");
        for node in self.nodes() {
            let tip = self.chain.look(|chain| chain.tip().height);
            node.until("the newest block", PATIENCE, |n| n.height() == tip).await?;
        }
        self.balances().await?;
        let payments = PAYMENTS.len() + 1 + BURST as usize;
        let secs = began.elapsed().as_secs_f64();
        self.story.end(&format!(
            "{payments} payments, 3 channels opened and closed, one theft punished, 3 nodes, {secs:.1} s"
        ));
        Ok(())
    }

    async fn keep_running(&self) -> anyhow::Result<()> {
        self.story.chapter("The nodes keep running");
        self.story.line("In another terminal, for example:");
        for node in self.nodes() {
            let (dir, api) = (node.dir().display(), node.offer().await?);
            self.story.line(&format!("astrape --network regtest --data-dir {dir} --rpc-addr {api} channels"));
        }
        self.story.line("A block is mined every 10 seconds. Ctrl-C ends it and removes the disks.");
        let mut block = tokio::time::interval(BLOCK_INTERVAL);
        loop {
            block.tick().await;
            self.chain.mine(1);
        }
    }
}

fn is_over(channel: &astrape_channel::Channel) -> bool {
    matches!(channel.phase, astrape_channel::Phase::Closed(_))
        || channel.open().is_some_and(|open| open.funding.spent.is_some())
}
