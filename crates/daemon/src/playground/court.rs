//! The chapters before the court: a close by force, and a theft.

use super::node::{Loot, PlaygroundNode, wait_for};
use super::{CONFIRMATIONS, PATIENCE, Playground};
use crate::render::words::msat;
use anyhow::{Context as _, ensure};
use astrape_node::{ChannelFact, Fact};
use astrape_primitives::{ChannelKeysId, Sat};
use bitcoin::Txid;
use tokio::sync::broadcast::Receiver;

/// Blocks that lock the money of who goes on chain.
const DELAY: u32 = 144;

/// Facts of a node as they come.
type Facts = Receiver<astrape_node::Entry>;

impl Playground {
    /// Carol signs her commitment of now for later: a state that she will have revoked then.
    pub(super) async fn keeps_what_she_should_forget(&self) -> anyhow::Result<Loot> {
        // A payment is told as paid before it has left both commitments.
        self.carol
            .until("her channel to be at rest", PATIENCE, |n| {
                n.channels().filter_map(|(_, channel)| channel.open()).all(|open| open.htlcs.is_empty())
            })
            .await?;
        self.carol.keep_commitment(&self.bob)
    }

    /// One side goes on chain alone, and waits.
    pub(super) async fn force_close(
        &self,
        from: &PlaygroundNode,
        with: &PlaygroundNode,
    ) -> anyhow::Result<()> {
        self.story.chapter(&format!("{} closes another channel with {} by force", from.name, with.name));
        let mut facts = from.handle().facts();
        let channel = from.force_close(with).await?;
        from.until("its commitment to reach the mempool", PATIENCE, |_| {
            !self.chain.look(|c| c.mempool().is_empty())
        })
        .await?;
        self.chain.mine(1);
        let (txid, how) = self.spent(&mut facts, channel).await?;
        self.story.line(&format!("{how} {txid} locks {}'s money for {DELAY} blocks", from.name));
        self.chain.mine(DELAY);
        let (returned, fees) = self.over(&mut facts, channel).await?;
        self.story.line(&format!("{returned} came back after {DELAY} blocks; {fees} of it went to fees"));
        Ok(())
    }

    /// One side broadcasts a state that it has revoked, and loses all.
    pub(super) async fn theft(
        &self,
        thief: &PlaygroundNode,
        victim: &PlaygroundNode,
        loot: Loot,
    ) -> anyhow::Result<()> {
        self.story.chapter(&format!("{} cheats {}", thief.name, victim.name));
        let mut facts = victim.handle().facts();
        let channel = victim.channel_with(thief)?;
        let old = loot.transaction.compute_txid();
        self.chain.change(|chain| chain.submit(loot.transaction)).context("the old commitment is valid")?;
        self.story.line(&format!(
            "{old} is a state that {} has revoked: {} were hers in it",
            thief.name,
            msat(loot.amount.0)
        ));
        self.chain.mine(1);
        let (txid, how) = self.spent(&mut facts, channel).await?;
        ensure!(txid == old, "{txid} has closed the channel, and not {old}");
        self.story.line(&format!("{} sees {how}", victim.name));
        let (returned, fees) = self.over(&mut facts, channel).await?;
        self.story.line(&format!("{} has taken all of it: {returned}, for {fees} of fees", victim.name));
        Ok(())
    }

    /// What has spent the funding of a channel.
    async fn spent(&self, facts: &mut Facts, channel: ChannelKeysId) -> anyhow::Result<(Txid, String)> {
        let spent = wait_for(facts, PATIENCE, |fact| match of_channel(fact, channel)? {
            ChannelFact::Spent { txid, how } => Some((*txid, how.clone())),
            _ => None,
        });
        spent.await.context("the funding was not spent")
    }

    /// Mines until a channel is over. Returns what came back, and the fees of it.
    async fn over(&self, facts: &mut Facts, channel: ChannelKeysId) -> anyhow::Result<(Sat, Sat)> {
        let waiting = async {
            let mut tick = tokio::time::interval(super::node::LOOK_EVERY);
            loop {
                tick.tick().await;
                self.chain.mine(1);
            }
        };
        let over = wait_for(facts, PATIENCE, |fact| match of_channel(fact, channel)? {
            ChannelFact::Over { returned, fees } => Some((*returned, *fees)),
            _ => None,
        });
        let (returned, fees) = tokio::select! {
            over = over => over.context("the close does not end")?,
            () = waiting => anyhow::bail!("mining ended"),
        };
        self.chain.mine(CONFIRMATIONS);
        Ok((returned.context("what came back is known")?, fees.context("the fees are known")?))
    }
}

fn of_channel(fact: &Fact, channel: ChannelKeysId) -> Option<&ChannelFact> {
    match fact {
        Fact::Channel { keys, event, .. } if *keys == channel => Some(event),
        _ => None,
    }
}
