//! The records of a graph's file. All numbers are big-endian.

use crate::graph::slots::ChannelSlot;
use crate::graph::{MAX_ADDRESSES, NodeInfo, Policy, StoredAt};
use astrape_primitives::{CltvDelta, Features, Msat, Sat, ShortChannelId};
use astrape_wire::address::Address;
use core::num::NonZeroU64;

/// A capacity that the chain source could not say.
const UNKNOWN_CAPACITY: u64 = u64::MAX;

const NODE: u8 = 1;
const NO_NODE: u8 = 2;
const INFO: u8 = 3;
const CHANNEL: u8 = 4;
const NO_CHANNEL: u8 = 5;

/// One change.
pub(super) enum Record {
    Node(u32, [u8; 33]),
    NoNode(u32),
    Info(u32, NodeInfo),
    Channel(u32, ChannelSlot),
    NoChannel(u32),
}

/// Appends records to a block.
pub(super) fn write_node(out: &mut Vec<u8>, number: u32, id: &[u8; 33]) {
    out.push(NODE);
    out.extend(number.to_be_bytes());
    out.extend(id);
}

pub(super) fn write_no_node(out: &mut Vec<u8>, number: u32) {
    out.push(NO_NODE);
    out.extend(number.to_be_bytes());
}

pub(super) fn write_no_channel(out: &mut Vec<u8>, number: u32) {
    out.push(NO_CHANNEL);
    out.extend(number.to_be_bytes());
}

pub(super) fn write_info(out: &mut Vec<u8>, number: u32, info: &NodeInfo) {
    out.push(INFO);
    out.extend(number.to_be_bytes());
    out.extend(info.timestamp.to_be_bytes());
    out.extend(info.color);
    out.extend(info.alias);
    write_stored(out, info.stored);
    write_bytes(out, &info.features.to_be_bytes());
    out.push(u8::try_from(info.addresses.len()).expect("a graph keeps few addresses of a node"));
    info.addresses.iter().for_each(|address| write_bytes(out, &address.to_descriptor()));
}

pub(super) fn write_channel(out: &mut Vec<u8>, number: u32, slot: &ChannelSlot) {
    out.push(CHANNEL);
    out.extend(number.to_be_bytes());
    out.extend(slot.id.0.to_be_bytes());
    slot.ends.iter().for_each(|end| out.extend(end.to_be_bytes()));
    out.extend(slot.capacity.map_or(UNKNOWN_CAPACITY, |capacity| capacity.0).to_be_bytes());
    out.extend(slot.received.to_be_bytes());
    write_stored(out, slot.stored);
    write_bytes(out, &slot.features.as_deref().map(Features::to_be_bytes).unwrap_or_default());
    for policy in &slot.policies {
        out.push(policy.is_some().into());
        policy.iter().for_each(|policy| write_policy(out, policy));
    }
}

fn write_policy(out: &mut Vec<u8>, policy: &Policy) {
    out.extend(policy.timestamp.to_be_bytes());
    out.extend(policy.fee_base_msat.to_be_bytes());
    out.extend(policy.fee_proportional_millionths.to_be_bytes());
    out.extend(policy.cltv_expiry_delta.0.to_be_bytes());
    out.extend(policy.htlc_minimum.0.to_be_bytes());
    out.extend(policy.htlc_maximum.0.to_be_bytes());
    out.push(policy.disabled.into());
    out.extend(policy.checksum.to_be_bytes());
    write_stored(out, policy.stored);
}

fn write_stored(out: &mut Vec<u8>, stored: Option<StoredAt>) {
    out.extend(stored.map_or(0, |stored| stored.0.get()).to_be_bytes());
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u16::try_from(bytes.len()).expect("a part of a message of the wire").to_be_bytes());
    out.extend(bytes);
}

/// Reads records from a block.
pub(super) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(super) const fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next record; `None` when there is none of that form.
    pub(super) fn next(&mut self) -> Option<Record> {
        let [kind] = self.array()?;
        let number = self.u32()?;
        Some(match kind {
            NODE => Record::Node(number, self.array()?),
            NO_NODE => Record::NoNode(number),
            INFO => Record::Info(number, self.info()?),
            CHANNEL => Record::Channel(number, self.channel()?),
            NO_CHANNEL => Record::NoChannel(number),
            _ => return None,
        })
    }

    fn info(&mut self) -> Option<NodeInfo> {
        let (timestamp, color, alias) = (self.u32()?, self.array()?, self.array()?);
        let stored = self.stored()?;
        let features = Features::from_be_bytes(self.bytes()?);
        let [count] = self.array()?;
        if usize::from(count) > MAX_ADDRESSES {
            return None;
        }
        let mut addresses = Vec::with_capacity(count.into());
        for _ in 0..count {
            addresses.push(Address::from_descriptor(self.bytes()?)?);
        }
        Some(NodeInfo { timestamp, features, color, alias, addresses, stored })
    }

    fn channel(&mut self) -> Option<ChannelSlot> {
        let id = ShortChannelId(self.u64()?);
        let ends = [self.u32()?, self.u32()?];
        let capacity = Some(self.u64()?).filter(|capacity| *capacity != UNKNOWN_CAPACITY).map(Sat);
        let (received, stored) = (self.u32()?, self.stored()?);
        let features = match self.bytes()? {
            [] => None,
            bytes => Some(Box::new(Features::from_be_bytes(bytes))),
        };
        let policies = [self.policy()?, self.policy()?];
        Some(ChannelSlot { id, ends, capacity, features, received, stored, policies })
    }

    fn policy(&mut self) -> Option<Option<Policy>> {
        if !self.flag()? {
            return Some(None);
        }
        Some(Some(Policy {
            timestamp: self.u32()?,
            fee_base_msat: self.u32()?,
            fee_proportional_millionths: self.u32()?,
            cltv_expiry_delta: CltvDelta(u16::from_be_bytes(self.array()?)),
            htlc_minimum: Msat(self.u64()?),
            htlc_maximum: Msat(self.u64()?),
            disabled: self.flag()?,
            checksum: self.u32()?,
            stored: self.stored()?,
        }))
    }

    fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn stored(&mut self) -> Option<Option<StoredAt>> {
        Some(NonZeroU64::new(self.u64()?).map(StoredAt))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        let (bytes, rest) = self.rest.split_at_checked(length.into())?;
        self.rest = rest;
        Some(bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }
}
