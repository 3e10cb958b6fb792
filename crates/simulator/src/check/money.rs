//! Money is conserved: in the whole world to the millisatoshi, and for each node up to the fees of its own transactions.

use crate::machine::Machine;
use crate::plant::Plant;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_node::{ChannelFact, Fact};
use astrape_primitives::{Height, Msat, Sat};
use astrape_regtest::RegtestChain;
use bitcoin::{OutPoint, Transaction};
use std::collections::BTreeMap;

/// Most that the side which does not pay the closing fee may lose by a close: an output that would be dust, and what is left
/// over of a satoshi.
const MAX_CLOSING_LOSS: Msat = Msat(547_000);

/// What each node began with.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    pub(crate) coins: Vec<Sat>,
}

impl Beginning {
    pub(super) fn new(machines: &[Machine], chain: &RegtestChain, from: Height) -> Self {
        Self { coins: machines.iter().map(|m| m.wallet.total(chain, from)).collect() }
    }
}

/// What a node has, and what it should have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    pub(super) has: i128,
    /// By its payments and forwards alone.
    pub(super) should: i128,
    /// What it paid to miners for its own transactions.
    pub(super) fees: i128,
    /// What it may have lost to closes.
    pub(super) allowance: i128,
}

/// All accounts, and their sum.
pub(super) fn check(world: &World) -> Result<(), Violation> {
    let spends = spends(world);
    let (mut all, mut began, mut fees) = (0, 0, 0);
    for node in 0..world.machines.len() {
        let account = account(world, node, &spends);
        let missing = account.should - account.fees - account.has;
        ensure((0..=account.allowance).contains(&missing), Checker::Money, || {
            format!("node {node}: {missing} msat are missing ({account:?})")
        })?;
        all += account.has;
        began += msat(world.checks.beginning.coins[node].to_msat());
        fees += account.fees;
    }
    let closing: i128 = spends.values().map(|(_, fee)| msat(fee.to_msat())).sum();
    ensure(all + fees + closing == began, Checker::Money, || {
        format!(
            "the world began with {began} msat, and has {all} with {fees} paid for openings, {closing} for closes"
        )
    })
}

pub(super) fn msat(amount: Msat) -> i128 {
    i128::from(amount.0)
}

/// Fundings of the nodes' channels that are spent: by what, and for which fee.
pub(super) fn spends(world: &World) -> BTreeMap<OutPoint, (Transaction, Sat)> {
    let mut fundings: BTreeMap<OutPoint, Sat> = BTreeMap::new();
    for machine in &world.machines {
        for entry in machine.disk.journal.ledger() {
            if let Fact::Channel { event: ChannelFact::Opened { outpoint, capacity, .. }, .. } = &entry.fact {
                fundings.insert(*outpoint, *capacity);
            }
        }
    }
    let mut spends = BTreeMap::new();
    for tx in transactions(world) {
        let [input] = &tx.input[..] else { continue };
        if let Some(capacity) = fundings.get(&input.previous_output) {
            let paid: Sat = tx.output.iter().map(|o| Sat::from(o.value)).sum();
            spends.insert(input.previous_output, (tx.clone(), capacity.saturating_sub(paid)));
        }
    }
    spends
}

/// Everything since the beginning, unconfirmed too.
pub(super) fn transactions(world: &World) -> Vec<Transaction> {
    let heights = world.from.0..=world.chain.tip().height.0;
    let blocks = heights.filter_map(|h| world.chain.block_at(Height(h)));
    let mut all: Vec<Transaction> = blocks.flat_map(|block| block.txdata.clone()).collect();
    all.extend(world.chain.mempool().iter().map(|tx| (**tx).clone()));
    all
}

pub(super) fn account(
    world: &World,
    node: usize,
    spends: &BTreeMap<OutPoint, (Transaction, Sat)>,
) -> Account {
    let machine = &world.machines[node];
    let coins = machine.wallet.total(&world.chain, world.from);
    let invented = if world.plant == (Some(Plant::InventsMoney { node })) { 1_000 } else { 0 };
    let mut account = Account {
        has: msat(coins.to_msat()) + in_channels(world, node) + invented,
        should: msat(world.checks.beginning.coins[node].to_msat()) + pushes(world, node),
        fees: own_fees(world, node),
        allowance: 0,
    };
    for entry in machine.disk.journal.ledger() {
        match &entry.fact {
            Fact::PaymentSent { amount, fee, .. } => account.should -= msat(*amount) + msat(*fee),
            Fact::PaymentReceived { amount, .. } => account.should += msat(*amount),
            Fact::Forwarded { amount_in, amount_out, .. } => {
                account.should += msat(*amount_in) - msat(*amount_out)
            }
            Fact::Channel { event: ChannelFact::Opened { outpoint, by_us, .. }, .. } => {
                if let Some((_, fee)) = spends.get(outpoint) {
                    account.allowance += if *by_us { msat(fee.to_msat()) } else { msat(MAX_CLOSING_LOSS) };
                }
            }
            _ => {}
        }
    }
    account
}

/// Balances of channels whose funding stands.
fn in_channels(world: &World, node: usize) -> i128 {
    let Some(process) = world.process(node) else { return 0 };
    let open = process.node.channels().filter_map(|(_, channel)| channel.open());
    open.filter(|open| world.chain.is_unspent(&open.funding.terms.outpoint))
        .map(|open| msat(open.balances.local))
        .sum()
}

/// What channels began with on the side that did not fund them.
fn pushes(world: &World, node: usize) -> i128 {
    let funded = |keys: &_, from: usize| super::closes::was_opened(&world.machines[from], keys);
    let mut sum = 0;
    for wanted in &world.users.wanted {
        let Some(keys) = wanted.keys.filter(|keys| funded(keys, wanted.from)) else { continue };
        let _ = keys;
        if wanted.from == node {
            sum -= msat(wanted.push);
        } else if wanted.to == node {
            sum += msat(wanted.push);
        }
    }
    sum
}

/// What the node's own transactions paid to miners.
fn own_fees(world: &World, node: usize) -> i128 {
    let wallet = &world.machines[node].wallet;
    let mut outputs: BTreeMap<OutPoint, Sat> = BTreeMap::new();
    let mut fees = 0;
    for tx in transactions(world) {
        let spent: Vec<Sat> =
            tx.input.iter().filter_map(|i| outputs.get(&i.previous_output).copied()).collect();
        if !spent.is_empty() && spent.len() == tx.input.len() {
            let paid: Sat = tx.output.iter().map(|o| Sat::from(o.value)).sum();
            let brought: Sat = spent.into_iter().sum();
            fees += msat(brought.to_msat()) - msat(paid.to_msat());
        }
        let txid = tx.compute_txid();
        for (vout, output) in (0_u32..).zip(&tx.output).filter(|(_, o)| wallet.owns(&o.script_pubkey)) {
            outputs.insert(OutPoint { txid, vout }, output.value.into());
        }
    }
    fees
}
