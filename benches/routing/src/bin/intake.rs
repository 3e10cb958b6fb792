//! How fast gossip is taken: announcements with four signatures and two updates each, from their bytes to the graph and the
//! log, on all cores, beside the bare checks of the same signatures, and beside LDK, which checks them on one.
//!
//!     cargo run --release --bin intake -- [CHANNELS] [NODES]

use astrape_primitives::{CltvDelta, Height, Msat, Network, NodeId, Sat, ShortChannelId};
use astrape_routing::Gossip;
use astrape_routing::gossip::{ChainAnswer, FundingOutput, Heard, Job, Offered, Output, Points};
use astrape_wire::{ChannelAnnouncement, ChannelUpdate, Decoded, Message};
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{All, Message as Digest, PublicKey, Secp256k1, SecretKey};
use bitcoin::{OutPoint, ScriptBuf, Txid};
use lightning::ln::msgs;
use lightning::routing::gossip::NetworkGraph;
use lightning::util::logger::{Logger, Record as LogRecord};
use lightning::util::ser::LengthReadable;
use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const BATCH: usize = 32;

struct Made {
    /// Seconds of UNIX time: nobody takes what is two weeks old.
    now: u32,
    /// An announcement and its two updates, as bytes.
    messages: Vec<[Vec<u8>; 3]>,
    fundings: Vec<(ShortChannelId, FundingOutput)>,
    /// What is signed, by whom, and the signature.
    checks: Vec<(Digest, Signature, PublicKey)>,
}

fn key(kind: u8, n: usize) -> SecretKey {
    let mut bytes = [kind; 32];
    bytes[..8].copy_from_slice(&(n as u64 + 1).to_be_bytes());
    SecretKey::from_slice(&bytes).unwrap()
}

fn zero() -> Signature {
    Signature::from_compact(&[0; 64]).unwrap()
}

/// One channel of two nodes, signed.
fn make(secp: &Secp256k1<All>, n: usize, nodes: usize, made: &mut Made) {
    let (a, b) = (n % nodes, (n * 7 + 1 + n / nodes) % nodes);
    let (a, b) = if a == b { (a, (b + 1) % nodes) } else { (a, b) };
    let mut ends = [(key(1, a), key(2, 2 * n)), (key(1, b), key(2, 2 * n + 1))];
    ends.sort_by_key(|(node, _)| node.public_key(secp).serialize());
    let id = ShortChannelId::new(u32::try_from(1_000 + n / 4).unwrap(), u32::try_from(n % 4 + 1).unwrap(), 0)
        .unwrap();
    let [(node_1, funding_1), (node_2, funding_2)] = ends;
    let mut m = ChannelAnnouncement {
        node_signature_1: zero(),
        node_signature_2: zero(),
        bitcoin_signature_1: zero(),
        bitcoin_signature_2: zero(),
        features: Default::default(),
        chain_hash: Network::Regtest.chain_hash(),
        short_channel_id: id,
        node_id_1: NodeId::from_key(&node_1.public_key(secp)).into(),
        node_id_2: NodeId::from_key(&node_2.public_key(secp)).into(),
        bitcoin_key_1: funding_1.public_key(secp),
        bitcoin_key_2: funding_2.public_key(secp),
        extension: Default::default(),
    };
    let mut sign = |hash: sha256d::Hash, key: &SecretKey| {
        let digest = Digest::from_digest(hash.to_byte_array());
        let signature = secp.sign_ecdsa(&digest, key);
        made.checks.push((digest, signature, key.public_key(secp)));
        signature
    };
    let hash = m.signed_hash();
    m.node_signature_1 = sign(hash, &node_1);
    m.node_signature_2 = sign(hash, &node_2);
    m.bitcoin_signature_1 = sign(hash, &funding_1);
    m.bitcoin_signature_2 = sign(hash, &funding_2);
    let timestamp = made.now - 100;
    let mut update = |direction: u8, key: &SecretKey| {
        let mut m = ChannelUpdate {
            signature: zero(),
            chain_hash: Network::Regtest.chain_hash(),
            short_channel_id: id,
            timestamp,
            message_flags: 1,
            channel_flags: direction,
            cltv_expiry_delta: CltvDelta(40),
            htlc_minimum_msat: Msat(1_000),
            fee_base_msat: 1_000,
            fee_proportional_millionths: 10,
            htlc_maximum_msat: Msat(900_000_000),
            extension: Default::default(),
        };
        m.signature = sign(m.signed_hash(), key);
        Message::ChannelUpdate(m).encode().unwrap()
    };
    let updates = [update(0, &node_1), update(1, &node_2)];
    let script = funding_script(m.bitcoin_key_1, m.bitcoin_key_2);
    let mut txid = [3; 32];
    txid[..8].copy_from_slice(&id.0.to_be_bytes());
    let outpoint = OutPoint { txid: Txid::from_byte_array(txid), vout: 0 };
    made.fundings.push((id, FundingOutput { outpoint, script, amount: Sat(1_000_000) }));
    let [one, two] = updates;
    made.messages.push([Message::ChannelAnnouncement(m).encode().unwrap(), one, two]);
}

fn funding_script(a: PublicKey, b: PublicKey) -> ScriptBuf {
    let mut keys = [a.serialize(), b.serialize()];
    keys.sort_unstable();
    let mut bytes = vec![0x52, 33];
    bytes.extend(keys[0]);
    bytes.push(33);
    bytes.extend(keys[1]);
    bytes.extend([0x52, 0xae]);
    ScriptBuf::from_bytes(bytes).to_p2wsh()
}

/// CPU time of all threads: what others do on the machine counts less than by the clock on the wall.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("below a second"))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The same signatures, keys and digests at hand, and nothing else.
fn bare(made: &Made) -> Duration {
    let begun = cpu();
    std::thread::scope(|scope| {
        for part in made.checks.chunks(made.checks.len().div_ceil(cores())) {
            scope.spawn(move || {
                let secp = Secp256k1::verification_only();
                assert!(
                    part.iter()
                        .all(|(digest, signature, key)| secp.verify_ecdsa(digest, signature, key).is_ok())
                );
            });
        }
    });
    cpu() - begun
}

struct State {
    gossip: Gossip,
    freed: VecDeque<Job>,
}

/// From bytes to graph and log, as the engine's threads do it; the chain answers at once.
fn intake(made: &Made) -> (Duration, usize, u64) {
    let mut gossip = Gossip::new(
        Network::Regtest.chain_hash(),
        NodeId::from_key(&key(9, 1).public_key(&Secp256k1::new())),
    );
    gossip.block_connected(Height(1_000_000), []);
    let state = Mutex::new(State { gossip, freed: VecDeque::new() });
    let log = Mutex::new(tempfile::tempfile().unwrap());
    let next = AtomicUsize::new(0);
    let begun = cpu();
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                let secp = Secp256k1::verification_only();
                let mut points = Points::default();
                loop {
                    let at = next.fetch_add(BATCH, Ordering::Relaxed);
                    let batch =
                        made.messages.get(at..(at + BATCH).min(made.messages.len())).unwrap_or_default();
                    if batch.is_empty() {
                        return;
                    }
                    take(made.now, &state, (&secp, &mut points), batch, &made.fundings[at..at + batch.len()]);
                    save(&state, &log);
                }
            });
        }
    });
    save(&state, &log);
    let elapsed = cpu() - begun;
    let gossip = state.into_inner().unwrap().gossip;
    let updates = gossip.graph().channels(..).map(|c| c.policies.iter().flatten().count()).sum();
    assert_eq!(gossip.graph().channel_count(), made.messages.len());
    (elapsed, updates, gossip.end().bytes())
}

fn take<C: bitcoin::secp256k1::Verification>(
    now: u32,
    state: &Mutex<State>,
    (secp, points): (&Secp256k1<C>, &mut Points),
    batch: &[[Vec<u8>; 3]],
    fundings: &[(ShortChannelId, FundingOutput)],
) {
    let heard = |bytes: &Vec<u8>| match Message::decode(bytes) {
        Ok(Decoded::Known(message)) => Heard::new(message).unwrap(),
        _ => panic!("it is one of ours"),
    };
    let heard: Vec<Heard> = batch.iter().flatten().map(heard).collect();
    let offer = |state: &mut State, heard: Heard| match state.gossip.offer(now, heard) {
        Offered::Verify(job) => Some(*job),
        Offered::Ignored(_) | Offered::Fault(_) => None,
    };
    let jobs: Vec<Job> = {
        let mut state = state.lock().unwrap();
        heard.into_iter().filter_map(|heard| offer(&mut state, heard)).collect()
    };
    check(now, state, secp, points, jobs);
    {
        let mut state = state.lock().unwrap();
        for (id, output) in fundings {
            let outputs = state.gossip.chain_says(now, *id, &ChainAnswer::Unspent(output.clone()));
            state.freed.extend(outputs.into_iter().filter_map(|output| match output {
                Output::Verify(job) => Some(*job),
                Output::AskChain(_) | Output::Blame(_) => None,
            }));
        }
    }
    let freed: Vec<Job> = state.lock().unwrap().freed.drain(..).collect();
    check(now, state, secp, points, freed);
}

fn check<C: bitcoin::secp256k1::Verification>(
    now: u32,
    state: &Mutex<State>,
    secp: &Secp256k1<C>,
    points: &mut Points,
    jobs: Vec<Job>,
) {
    let checked: Vec<(Job, bool)> = jobs
        .into_iter()
        .map(|job| {
            let holds = job.holds(secp, points);
            (job, holds)
        })
        .collect();
    let mut state = state.lock().unwrap();
    for (job, holds) in checked {
        state.gossip.checked(now, None, job, holds).unwrap().unwrap();
    }
}

fn save(state: &Mutex<State>, log: &Mutex<std::fs::File>) {
    let mut log = log.lock().unwrap();
    let unsaved = state.lock().unwrap().gossip.unsaved();
    log.write_all(&unsaved).unwrap();
    state.lock().unwrap().gossip.saved(unsaved.len());
}

/// LDK's graph takes the same messages, without a chain to ask, and writes nothing.
fn ldk(made: &Made) -> Duration {
    let graph = NetworkGraph::new(bitcoin::Network::Regtest, &Silent);
    let begun = cpu();
    for [announcement, updates @ ..] in &made.messages {
        let announcement: msgs::ChannelAnnouncement = read(announcement);
        graph.update_channel_from_announcement_no_lookup(&announcement).expect("it holds");
        for update in updates {
            graph.update_channel(&read::<msgs::ChannelUpdate>(update)).expect("it holds");
        }
    }
    let elapsed = cpu() - begun;
    assert_eq!(graph.read_only().channels().len(), made.messages.len());
    elapsed
}

/// A message without its type.
fn read<T: LengthReadable>(bytes: &[u8]) -> T {
    T::read_from_fixed_length_buffer(&mut &bytes[2..]).expect("it is whole")
}

struct Silent;

impl Logger for Silent {
    fn log(&self, _record: LogRecord) {}
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<usize>().expect("a number"));
    let channels = arguments.next().unwrap_or(50_000);
    let nodes = arguments.next().unwrap_or(15_000);
    let secp = Secp256k1::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later");
    let now = u32::try_from(now.as_secs()).expect("it is before 2106");
    let mut made = Made { now, messages: Vec::new(), fundings: Vec::new(), checks: Vec::new() };
    for n in 0..channels {
        make(&secp, n, nodes, &mut made);
    }
    // Twice, in turns: the second of each counts.
    bare(&made);
    intake(&made);
    let bare = bare(&made);
    let (taken, updates, log) = intake(&made);
    let each = |total: Duration| total.as_secs_f64() * 1e6 / channels as f64;
    println!(
        "{channels} channels of {nodes} nodes, {updates} updates, {} signatures, {} cores",
        made.checks.len(),
        cores()
    );
    println!(
        "bare signature checks  {:8.0} ms of CPU  {:6.1} µs a channel",
        bare.as_secs_f64() * 1e3,
        each(bare)
    );
    println!(
        "intake and log         {:8.0} ms of CPU  {:6.1} µs a channel",
        taken.as_secs_f64() * 1e3,
        each(taken)
    );
    let theirs = ldk(&made);
    println!(
        "LDK, one core          {:8.0} ms of CPU  {:6.1} µs a channel",
        theirs.as_secs_f64() * 1e3,
        theirs.as_secs_f64() * 1e6 / channels as f64
    );
    println!(
        "ratio                  {:8.3}     log {:.1} MB",
        taken.as_secs_f64() / bare.as_secs_f64(),
        log as f64 / 1e6
    );
}
