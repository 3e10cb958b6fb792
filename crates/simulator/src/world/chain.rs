//! The chain goes on, and the nodes hear of it.

use crate::event::{Event, FeesKind};
use crate::violation::Violation;
use crate::world::World;
use astrape_node::{ChainInput, Freshness, Input};
use astrape_primitives::{BlockId, ChainEvent, FeeratePerKw, Feerates, Height, Timestamp};
use astrape_regtest::{BlockEvent, Offer, Policy, RegtestChain};
use bitcoin::Transaction;
use rand::Rng as _;

/// A transaction by its id, with what it spends.
fn spends(tx: Option<&Transaction>) -> String {
    let Some(tx) = tx else { return "nothing".to_owned() };
    let inputs: Vec<String> = tx.input.iter().map(|input| input.previous_output.to_string()).collect();
    format!("{} of [{}]", tx.compute_txid(), inputs.join(", "))
}

fn in_words(event: &ChainEvent) -> String {
    match event {
        ChainEvent::Connected { block, matched, .. } => {
            let txs: Vec<String> = matched.iter().map(|found| spends(Some(&found.tx))).collect();
            format!("block {} with [{}]", block.height, txs.join("; "))
        }
        ChainEvent::Disconnected { block } => format!("the end of block {}", block.height),
    }
}

/// What it costs to be in a block soon: what the next block asks, or what the world asks where that is more.
fn estimates(policy: Policy, feerate: FeeratePerKw) -> Feerates {
    Feerates::new(policy.floor(), [feerate.max(policy.block_min), feerate, feerate, feerate])
}

/// How long a chain source waits for the effects of the block before.
const PATIENCE_MILLIS: u64 = 5;

impl World {
    /// Mines blocks of what is in the mempool.
    pub fn mine(&mut self, blocks: u32) {
        self.chain.set_now(self.now);
        self.chain.mine(blocks, &RegtestChain::faucet_script());
        self.totals.blocks += u64::from(blocks);
        self.trace.say(|| format!("{} block {}", self.now.0, self.chain.tip().height.0));
        self.blocks_are_there();
    }

    /// The last blocks go, and one more than they were comes.
    pub fn reorganise(&mut self, depth: u32) {
        self.chain.reorg(depth);
        self.totals.reorgs += 1;
        self.trace.say(|| format!("{} the last {depth} blocks go", self.now.0));
        self.mine(depth + 1);
    }

    /// The estimate of the feerate changes for everybody, for each at another time.
    pub fn set_feerate(&mut self, feerate: FeeratePerKw) {
        self.feerate = feerate;
        self.trace.say(|| format!("{} feerate {feerate}", self.now.0));
        for node in 0..self.machines.len() {
            let after = self.rng.gen_range(1..=50);
            if let Some(process) = self.process(node).map(|p| p.id) {
                let later = self.now.plus(after);
                for kind in FeesKind::ALL {
                    self.queue.push(later, Event::Fees { node, process, kind });
                }
            }
        }
    }

    /// What a chain source says of fees now.
    pub(super) fn fees_told(&self, kind: FeesKind) -> ChainInput {
        match kind {
            FeesKind::Curve => ChainInput::Estimates(estimates(self.chain.policy(), self.feerate)),
            FeesKind::Estimate => ChainInput::Feerate(self.feerate),
        }
    }

    pub(crate) fn blocks_are_there(&mut self) {
        for node in 0..self.machines.len() {
            let after = self.rng.gen_range(1..=100);
            if let Some(process) = self.process(node).map(|p| p.id) {
                self.queue.push(self.now.plus(after), Event::Chain { node, process });
            }
        }
        self.mempool_is_another();
    }

    /// Chain sources look at the mempool, each at another time.
    pub(crate) fn mempool_is_another(&mut self) {
        for node in 0..self.machines.len() {
            let after = self.rng.gen_range(1..=100);
            if let Some(process) = self.process(node).map(|p| p.id) {
                self.queue.push(self.now.plus(after), Event::Mempool { node, process });
            }
        }
    }

    /// The chain source of a node tells of the mempool, if that has changed for it.
    pub(super) fn look_at_the_mempool(&mut self, node: usize, process: u64) -> Result<(), Violation> {
        if let Some(until) = self.is_blind(node) {
            self.queue.push(until, Event::Mempool { node, process });
            return Ok(());
        }
        let Some(running) = self.machines[node].process.as_mut().filter(|p| p.id == process) else {
            return Ok(());
        };
        let Some(told) = running.watch.mempool(self.chain.mempool()) else { return Ok(()) };
        self.totals.mempools_told += 1;
        self.step(node, Input::Chain(told), crate::machine::Taken::Other)
    }

    /// The chain source of a node looks for the next change.
    pub(super) fn look_at_the_chain(&mut self, node: usize, process: u64) -> Result<bool, Violation> {
        let look = Event::Chain { node, process };
        if let Some(until) = self.is_blind(node) {
            self.queue.push(until, look);
            return Ok(false);
        }
        let Some(running) = self.process(node).filter(|p| p.id == process) else {
            return Ok(false);
        };
        if !running.pending.parts.is_empty() || !running.outbox.is_empty() {
            // What the block before made the node wait for must be watched before the next.
            self.queue.push(self.now.plus(PATIENCE_MILLIS), look);
            return Ok(false);
        }
        if let Some(late) = self.look_back(node) {
            self.queue.push(self.now.plus(1), look);
            self.step(node, Input::Chain(late), crate::machine::Taken::Other)?;
            return Ok(true);
        }
        let Some(running) = self.process(node) else { return Ok(false) };
        let first = running.node.chain().tip().is_none();
        let events =
            self.chain.events_since(running.cursor.hash).expect("a cursor is a block that was there");
        let change = match events.into_iter().next() {
            Some(change) => change,
            None if first => self.tip_again(),
            None => {
                if self.court.blind_until.remove(&node).is_some() {
                    crate::court::freshness(self, node, Freshness::Fresh);
                }
                return Ok(false);
            }
        };
        self.queue.push(self.now.plus(1), look);
        self.tell_of(node, process, &change)
    }

    /// Spends of what is watched since a moment ago, in a block that was told before: the oldest such block. What was looked
    /// for up to it is not looked for there again. At the end that is said.
    fn look_back(&mut self, node: usize) -> Option<ChainInput> {
        let running = self.machines[node].process.as_mut()?;
        let cursor = running.cursor.height;
        running.watch.unscanned.retain(|_, from| *from <= cursor);
        let Some(lowest) = running.watch.unscanned.values().min().copied() else {
            return running.watch.looked_back();
        };
        for height in (lowest.0..=cursor.0).map(Height) {
            let hash = self.chain.hash_at(height)?;
            let block = self.chain.block(&hash)?;
            let late = running.watch.late(BlockId { height, hash }, &block);
            for from in running.watch.unscanned.values_mut() {
                *from = (*from).max(height.plus(1));
            }
            if late.is_some() {
                return late;
            }
        }
        running.watch.unscanned.clear();
        running.watch.looked_back()
    }

    /// Until when the chain source of a node is silent, if it is.
    fn is_blind(&self, node: usize) -> Option<Timestamp> {
        self.court.blind_until.get(&node).copied().filter(|until| *until > self.now)
    }

    fn tip_again(&self) -> BlockEvent {
        let id = self.chain.tip();
        let block = self.chain.block(&id.hash).expect("the tip is there");
        BlockEvent::Connected { id, block }
    }

    fn tell_of(&mut self, node: usize, process: u64, change: &BlockEvent) -> Result<bool, Violation> {
        let machine = &mut self.machines[node];
        let Some(running) = &mut machine.process else {
            return Ok(false);
        };
        let findings = match change {
            BlockEvent::Connected { id, block } => {
                running.cursor = *id;
                machine.wallet.scan(&running.node, block, id.height)
            }
            BlockEvent::Disconnected { id } => {
                let below = Height(id.height.0.saturating_sub(1));
                let header = self.chain.block(&id.hash).expect("a block that was there is kept");
                running.cursor = BlockId { height: below, hash: header.header.prev_blockhash };
                vec![astrape_wallet::WalletFinding::Reorged { from: id.height }]
            }
        };
        let event = running.watch.event(change);
        self.trace.say(|| format!("{} node {node} hears of {}", self.now.0, in_words(&event)));
        if !findings.is_empty() {
            let input = Box::new(Input::Coins(findings));
            self.queue.push(self.now, Event::Local { node, process, input });
        }
        self.step(node, Input::Chain(ChainInput::Event(event)), crate::machine::Taken::Other)?;
        Ok(true)
    }

    /// A transaction goes to the mempool; wallets see it.
    pub(super) fn broadcast(&mut self, node: usize, package: &[Transaction]) {
        let outcome = self.chain.offer(package);
        let Some(txid) = package.last().map(Transaction::compute_txid) else { return };
        self.trace.say(|| {
            let result = outcome.as_ref().map_or_else(Clone::clone, |offer| format!("{offer:?}"));
            format!("{} node {node} broadcasts {}: {result}", self.now.0, spends(package.last()))
        });
        if let Some(process) = self.process(node).map(|p| p.id) {
            let result = ChainInput::BroadcastResult { txid, refused: outcome.as_ref().err().cloned() };
            let input = Box::new(Input::Chain(result));
            self.queue.push(self.now.plus(1), Event::Local { node, process, input });
        }
        if outcome == Ok(Offer::Taken) {
            self.mempool_is_another();
            package.iter().for_each(|tx| self.wallets_see(tx));
        }
    }

    fn wallets_see(&mut self, tx: &Transaction) {
        for seer in 0..self.machines.len() {
            let machine = &self.machines[seer];
            let Some(process) = &machine.process else { continue };
            let findings = machine.wallet.unconfirmed(&process.node, tx);
            if !findings.is_empty() {
                let (process, input) = (process.id, Box::new(Input::Coins(findings)));
                self.queue.push(self.now.plus(1), Event::Local { node: seer, process, input });
            }
        }
    }
}
