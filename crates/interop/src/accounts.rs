//! Who owns what, and whether both sides of everything say the same.

use crate::cli::Cli;
use anyhow::{Context as _, Result, bail, ensure};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::hex::FromHex as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// One side's view of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// `ready`, and so on.
    pub state: String,
    /// What the channel holds.
    pub capacity_sat: u64,
    /// Ours, without what is in flight.
    pub local_msat: u64,
    /// The peer's, without what is in flight.
    pub remote_msat: u64,
    /// Towards the peer.
    pub outgoing_msat: u64,
    /// Towards us.
    pub incoming_msat: u64,
    /// HTLCs in flight.
    pub htlcs: u64,
    /// Whether the peer is connected.
    pub connected: bool,
}

impl Side {
    fn read(channel: &Value) -> Result<Self> {
        Ok(Self {
            state: text(channel, "state")?,
            capacity_sat: number(channel, "capacity_sat")?,
            local_msat: number(channel, "local_msat")?,
            remote_msat: number(channel, "remote_msat")?,
            outgoing_msat: number(channel, "outgoing_msat")?,
            incoming_msat: number(channel, "incoming_msat")?,
            htlcs: number(channel, "htlcs")?,
            connected: channel["connected"] == true,
        })
    }
}

/// All channels of a node, by their id.
///
/// # Errors
/// When the node does not answer.
pub fn sides(node: &Cli) -> Result<BTreeMap<String, Side>> {
    node.channels()?.iter().map(|channel| Ok((text(channel, "channel_id")?, Side::read(channel)?))).collect()
}

/// What a node owns in its channels, without what is in flight, in millisatoshi.
///
/// # Errors
/// When the node does not answer.
pub fn in_channels(node: &Cli) -> Result<u64> {
    Ok(sides(node)?.values().map(|side| side.local_msat).sum())
}

/// What a node owns on chain, in satoshi, confirmed or not.
///
/// # Errors
/// When the node does not answer.
pub fn on_chain(node: &Cli) -> Result<u64> {
    let balance = node.ask(&["balance"])?;
    Ok(number(&balance, "confirmed_sat")? + number(&balance, "unconfirmed_sat")?)
}

/// Whether nothing is in flight in any channel of these nodes, and all of them are connected and ready.
///
/// # Errors
/// When a node does not answer.
pub fn at_rest(nodes: &[&Cli]) -> Result<bool> {
    for node in nodes {
        let rests = |side: &Side| side.htlcs == 0 && side.connected && side.state == "ready";
        if !sides(node)?.values().all(rests) {
            return Ok(false);
        }
        let pending = node.payments()?.iter().any(|payment| payment["state"] == "pending");
        if pending {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Holds that each channel is told by exactly two of these nodes, that they tell the same, and that the channel holds what it
/// was given. Returns the ids of the channels.
///
/// # Errors
/// What does not agree.
pub fn both_sides_agree(nodes: &[&Cli]) -> Result<Vec<String>> {
    let mut views: BTreeMap<String, Vec<Side>> = BTreeMap::new();
    for node in nodes {
        for (id, side) in sides(node)? {
            views.entry(id).or_default().push(side);
        }
    }
    for (id, sides) in &views {
        let [one, other] = sides.as_slice() else {
            bail!("channel {id} is told by {} nodes: {sides:?}", sides.len());
        };
        let mirrored = (other.remote_msat, other.local_msat, other.incoming_msat, other.outgoing_msat);
        let told = (one.local_msat, one.remote_msat, one.outgoing_msat, one.incoming_msat);
        ensure!(told == mirrored, "channel {id}: one side says {one:?}, the other {other:?}");
        let sum = one.local_msat + one.remote_msat + one.outgoing_msat + one.incoming_msat;
        ensure!(sum == one.capacity_sat * 1_000, "channel {id} does not add up: {one:?}");
        ensure!(one.capacity_sat == other.capacity_sat, "channel {id}: {one:?}, {other:?}");
    }
    Ok(views.into_keys().collect())
}

/// An ended payment, as one side tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `succeeded`, `failed` or `pending`.
    pub state: String,
    /// What the recipient got.
    pub amount_msat: u64,
    /// What the way cost.
    pub fee_msat: u64,
}

/// What a node tells of the payments of one direction (`sent`, `received`), by hash. The proof of each that it sent is checked.
///
/// # Errors
/// When the node does not answer, tells a payment twice, or has a wrong proof.
pub fn payments(node: &Cli, direction: &str) -> Result<BTreeMap<String, Told>> {
    let mut told = BTreeMap::new();
    for payment in node.payments()?.iter().filter(|payment| payment["direction"] == direction) {
        let hash = text(payment, "payment_hash")?;
        let state = text(payment, "state")?;
        if state == "succeeded" {
            let proof = <[u8; 32]>::from_hex(&text(payment, "preimage")?)?;
            ensure!(sha256::Hash::hash(&proof).to_string() == hash, "{hash} has a wrong proof");
        }
        let one = Told {
            state,
            amount_msat: number(payment, "amount_msat")?,
            fee_msat: number(payment, "fee_msat")?,
        };
        ensure!(told.insert(hash.clone(), one).is_none(), "{} payment {hash} is told twice", direction);
    }
    Ok(told)
}

/// What flowed from one node to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Payments that the payer calls paid.
    pub settled: u64,
    /// Payments that the payer calls failed.
    pub failed: u64,
    /// What the recipient got.
    pub amount_msat: u64,
    /// What the ways cost.
    pub fee_msat: u64,
}

/// Compares what a payer tells of all that it sent with what its only recipient tells.
///
/// # Errors
/// What does not agree, or has not ended.
pub fn flow(payer: &Cli, recipient: &Cli) -> Result<Flow> {
    let (sent, received) = (payments(payer, "sent")?, payments(recipient, "received")?);
    let mut flow = Flow::default();
    for (hash, payment) in &sent {
        match (payment.state.as_str(), received.get(hash)) {
            ("succeeded", Some(got)) => {
                ensure!(got.state == "succeeded", "{hash}: sent {payment:?}, received {got:?}");
                ensure!(got.amount_msat == payment.amount_msat, "{hash}: {payment:?}, {got:?}");
                flow.settled += 1;
                flow.amount_msat += payment.amount_msat;
                flow.fee_msat += payment.fee_msat;
            }
            ("failed", None) => flow.failed += 1,
            (_, got) => bail!("{hash}: the payer says {payment:?}, the recipient {got:?}"),
        }
    }
    let paid = sent.values().filter(|payment| payment.state == "succeeded").count();
    ensure!(received.len() == paid, "{} payments were received, {paid} sent", received.len());
    Ok(flow)
}

/// What nodes own in channels, one by one, in millisatoshi.
///
/// # Errors
/// When a node does not answer.
pub fn shares(nodes: &[&Cli]) -> Result<Vec<u64>> {
    nodes.iter().map(|node| in_channels(node)).collect()
}

/// Holds that the shares of three nodes in a row have changed by what the ends paid each other and the middle earned, and by
/// nothing else, to the millisatoshi.
///
/// # Errors
/// What does not add up.
pub fn settles(nodes: &[&Cli; 3], before: &[u64], there: Flow, back: Flow) -> Result<()> {
    let after = shares(nodes)?;
    let sum = |shares: &[u64]| shares.iter().sum::<u64>();
    ensure!(sum(&after) == sum(before), "before {before:?}, after {after:?}");
    ensure!(
        after[0] + there.amount_msat + there.fee_msat == before[0] + back.amount_msat,
        "A: {before:?} {after:?}"
    );
    ensure!(
        after[2] + back.amount_msat + back.fee_msat == before[2] + there.amount_msat,
        "C: {before:?} {after:?}"
    );
    ensure!(after[1] == before[1] + there.fee_msat + back.fee_msat, "B: {before:?} {after:?}");
    let forwards = nodes[1].forwards()?;
    let passed: Vec<_> = forwards.iter().filter(|forward| forward["failure"].is_null()).collect();
    let earned: u64 = passed.iter().map(|forward| number(forward, "fee_msat")).sum::<Result<u64>>()?;
    ensure!(passed.len() as u64 == there.settled + back.settled, "B tells {} forwards", passed.len());
    ensure!(earned == there.fee_msat + back.fee_msat, "B tells that it earned {earned} msat");
    Ok(())
}

/// A text of a JSON object.
///
/// # Errors
/// When it is not there.
pub fn text(object: &Value, field: &str) -> Result<String> {
    let text = object[field].as_str().with_context(|| format!("no text `{field}` in {object}"))?;
    Ok(text.to_owned())
}

/// A number of a JSON object.
///
/// # Errors
/// When it is not there.
pub fn number(object: &Value, field: &str) -> Result<u64> {
    object[field].as_u64().with_context(|| format!("no number `{field}` in {object}"))
}
