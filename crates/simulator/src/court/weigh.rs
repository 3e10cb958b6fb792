//! What revoked states weigh: a node whose channel has had very many of them, on a real disk, starts and punishes the oldest that
//! has HTLCs. Measured, not judged.

use super::theft::Kept;
use crate::prototype::prototype;
use crate::swarm;
use crate::user::Flaw;
use crate::violation::{Checker, Violation};
use crate::world::World;
use astrape_node::release::sign_broadcast;
use astrape_node::{
    Broadcast, ChainInput, Effect, Find, Found, Input, Journal, Node, RetiredHtlc, SignerAnswer, Writes,
};
use astrape_primitives::{
    BlockId, ChainEvent, ChannelKeysId, CltvExpiry, CommitmentNumber, ConfirmedTx, Entropy, HtlcId, Msat,
    Network, PaymentHash, Sat, Side,
};
use astrape_storage::SqliteJournal;
use astrape_transactions::CommitmentFormat;
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Transaction};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows of one commit while the archive is filled.
const ROWS_OF_A_COMMIT: u64 = 5_000;

/// The first state that the archive is filled with: those before are the channel's own, and one of them is broadcast.
const FIRST_STATE: u64 = 10_000;

/// Each payment is worth so much: above dust, and 400 of them fit the channel.
const AMOUNT: Sat = Sat(700);

/// Most events until all payments are through.
const MAX_EVENTS: u32 = 400_000;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Weight {
    /// HTLCs in the state that was broadcast.
    pub htlcs: usize,
    /// Live HTLCs when the node starts.
    pub pending: usize,
    /// Size of the database without the archive, and with it.
    pub bytes: [u64; 2],
    /// Time to open the database and to restore the node, without the archive, and with it.
    pub start: [Duration; 2],
    /// Time from the block with the revoked commitment to the last signed penalty, without the archive, and with it.
    pub punish: [Duration; 2],
    /// Penalty transactions, and the outputs that they take.
    pub penalties: (usize, usize),
}

/// Measures a channel of so many states, of which the one that is broadcast has up to so many HTLCs. The directory is the
/// measurement's own.
///
/// # Errors
/// When the world breaks a rule before it begins, or the disk fails.
pub fn weigh_revoked_states(states: u64, htlcs: usize, directory: &Path) -> Result<Weight, Violation> {
    let (world, full, kept) = play(htlcs)?;
    let theft = kept.sign().ok_or_else(|| failed("the old commitment cannot be signed"))?;
    let mut weight = Weight {
        htlcs: kept.htlcs(),
        pending: full.htlcs,
        bytes: [0; 2],
        start: [Duration::ZERO; 2],
        punish: [Duration::ZERO; 2],
        penalties: (0, 0),
    };
    for (place, states) in [0, states].into_iter().enumerate() {
        // Start-up is that of the moment with the most HTLCs pending, the theft comes when all are settled.
        for (name, world) in [("start", &full.world), ("theft", &world)] {
            let at = directory.join(format!("{name}-{states}"));
            fill(world, &at, states)?;
            let began = Instant::now();
            let (journal, _) =
                SqliteJournal::open(&at, Network::Regtest, world.machines[0].node_id).map_err(failed)?;
            let config = world.machines[0].config.clone();
            let (node, _) = Node::restore(config, &journal).map_err(failed)?;
            if name == "start" {
                weight.start[place] = began.elapsed();
                weight.bytes[place] = size(&at)?;
            } else {
                let began = Instant::now();
                weight.penalties = punish(node, journal, &theft)?;
                weight.punish[place] = began.elapsed();
            }
        }
    }
    Ok(weight)
}

fn failed(error: impl core::fmt::Display) -> Violation {
    Violation::new(Checker::Release, error.to_string())
}

/// The world when most HTLCs were pending.
struct Full {
    world: World,
    htlcs: usize,
}

/// Payments that are all under way at a time: the world at its fullest, the world after, and the commitment of node 1 with the
/// most HTLCs, which is revoked by then.
fn play(htlcs: usize) -> Result<(World, Full, Kept), Violation> {
    let mut world = World::line(2, CommitmentFormat::Anchors, 1);
    world.disk_check_every = u64::MAX;
    world.court.sits = true;
    world.court.keeper = Some(1);
    swarm::begin(&mut world)?;
    for _ in 0..htlcs {
        world.pay(0, 1, AMOUNT.to_msat(), Flaw::None);
    }
    let mut full = Full { world: world.clone(), htlcs: 0 };
    for _ in 0..MAX_EVENTS {
        if world.advance()? == crate::world::Advance::Quiet {
            break;
        }
        let open = world.process(0).into_iter().flat_map(|p| p.node.channels()).find_map(|(_, c)| c.open());
        let pending = open.map_or(0, |open| open.htlcs.len());
        if pending > full.htlcs {
            full = Full { world: world.clone(), htlcs: pending };
        }
    }
    swarm::to_rest(&mut world)?;
    let most = world.court.kept.iter().max_by_key(|kept| kept.htlcs()).cloned();
    let kept = most.ok_or_else(|| failed("there is no old commitment"))?;
    Ok((world, full, kept))
}

/// Writes the records of node 0 to a real disk, and an archive of so many states: each HTLC lived for ten of them.
fn fill(world: &World, at: &Path, states: u64) -> Result<(), Violation> {
    let machine = &world.machines[0];
    let (mut journal, _) = SqliteJournal::open(at, Network::Regtest, machine.node_id).map_err(failed)?;
    let records = machine.disk.load().map_err(failed)?;
    let records = records.into_iter().map(|(key, value)| (key, Some(value))).collect();
    let own: Vec<RetiredHtlc> = machine.disk.journal.retired().cloned().collect();
    let by_hand =
        |records, rows| Writes::by_hand(records, Vec::new(), rows, Vec::new(), None, BTreeMap::new());
    journal.commit(&by_hand(records, own)).map_err(failed)?;
    let keys = world.process(0).and_then(|p| p.node.channels().next().map(|(keys, _)| keys));
    let channel: ChannelKeysId = keys.ok_or_else(|| failed("there is no channel"))?;
    let mut state = 0;
    while state < states {
        let rows = (state..states.min(state + ROWS_OF_A_COMMIT)).map(|n| RetiredHtlc {
            channel,
            offered_by: if n % 2 == 0 { Side::Local } else { Side::Remote },
            id: HtlcId(FIRST_STATE + n),
            amount: Msat(1_000_000 + n),
            payment_hash: PaymentHash(bitcoin::hashes::sha256::Hash::hash(&n.to_be_bytes()).to_byte_array()),
            cltv_expiry: CltvExpiry(800_000),
            first_remote: CommitmentNumber(FIRST_STATE + n),
            end_remote: CommitmentNumber(FIRST_STATE + n + 10),
        });
        journal.commit(&by_hand(BTreeMap::new(), rows.collect())).map_err(failed)?;
        state += ROWS_OF_A_COMMIT;
    }
    Ok(())
}

/// Bytes of all files of a directory.
fn size(directory: &Path) -> Result<u64, Violation> {
    let mut sum = 0;
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        sum += entry.and_then(|entry| entry.metadata()).map_err(failed)?.len();
    }
    Ok(sum)
}

/// A block with a revoked commitment, and all that the node does of it until its penalties are signed.
fn punish(
    mut node: Node,
    mut journal: SqliteJournal,
    theft: &Transaction,
) -> Result<(usize, usize), Violation> {
    let signer = prototype().signers[0].clone();
    let tip = node.chain().tip().ok_or_else(|| failed("no tip"))?;
    let block = BlockId { height: tip.height.plus(1), hash: BlockHash::from_byte_array([7; 32]) };
    let matched = vec![ConfirmedTx { tx: Arc::new(theft.clone()), index: 1 }];
    let event = ChainEvent::Connected { block, previous: tip.hash, time: 0, matched };
    let mut inputs = VecDeque::from([Input::Chain(ChainInput::Event(event))]);
    let (mut penalties, mut outputs) = (0, 0);
    while let Some(input) = inputs.pop_front() {
        let step = node.step(crate::prototype::GENESIS, Entropy::new([9; 32]), input);
        for effect in step.commit(&mut journal).map_err(failed)? {
            match effect {
                Effect::Find(Find::RetiredHtlcs { channel, number }) => {
                    let rows = journal.retired_htlcs(&channel, number).map_err(failed)?;
                    inputs.push_back(Input::Found(Found::RetiredHtlcs { channel, number, rows }));
                }
                Effect::Find(Find::ShutdownScript { channel }) => {
                    let script = prototype().wallets[0].external(40);
                    inputs.push_back(Input::Signer(SignerAnswer::ShutdownScript { channel, script }));
                }
                Effect::Broadcast(broadcast @ Broadcast::Claim { .. }) => {
                    let signed = sign_broadcast(&broadcast, &signer).map_err(failed)?;
                    penalties += 1;
                    outputs += signed.last().map_or(0, |tx| tx.input.len());
                }
                _ => {}
            }
        }
    }
    Ok((penalties, outputs))
}
