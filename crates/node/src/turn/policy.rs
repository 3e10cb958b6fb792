//! What we ask for forwarding, channel by channel; and what we asked before, which payers may still pay.

use super::Turn;
use crate::command::{PolicyChange, Refusal, Reply};
use crate::node::Node;
use astrape_channel::Phase;
use astrape_payment::policy::INBOUND_FEE_TLV;
use astrape_payment::{ChannelPolicy, ForwardPolicy, InboundFee};
use astrape_primitives::{ChannelKeysId, Timestamp};
use astrape_wire::tlv::{TlvStream, write_record};
use astrape_wire::{ChannelUpdate, Extension};
use std::sync::Arc;

impl Turn<'_> {
    /// The operator asks something else. For several channels all of it is judged before any of it is done.
    pub(super) fn set_policy(
        &mut self,
        channel: Option<ChannelKeysId>,
        change: &PolicyChange,
    ) -> Result<Reply, Refusal> {
        let chosen = match channel {
            Some(keys) if !self.node.channels.contains(&keys) => return Err(Refusal::NoSuchChannel),
            Some(keys) if self.capacity(keys).is_none() => return Err(Refusal::ForwardsNothing),
            Some(keys) => vec![keys],
            None => self.node.channels.keys(),
        };
        let mut next = Vec::new();
        for keys in chosen {
            let Some(capacity) = self.capacity(keys) else { continue };
            let node = &self.node.config.payment.forward;
            let policy = change.applied_to(if change.reset { node } else { self.node.policy(&keys) });
            policy.check(capacity)?;
            next.push((keys, Some(policy).filter(|policy| policy != node)));
        }
        for (keys, own) in next {
            let before = self.node.policies.get(&keys).map(|p| p.before.clone()).unwrap_or_default();
            self.keep_policy(keys, ChannelPolicy { own, before });
            self.refresh_update(keys);
        }
        Ok(Reply::Done)
    }

    /// What a channel holds over which something may be forwarded.
    fn capacity(&self, keys: ChannelKeysId) -> Option<astrape_primitives::Msat> {
        match &self.node.channels.get(&keys)?.phase {
            Phase::Open(open) => Some(open.funding.terms.capacity.to_msat()),
            _ => None,
        }
    }

    fn keep_policy(&mut self, keys: ChannelKeysId, policy: ChannelPolicy) {
        if policy.is_empty() {
            self.node.policies.remove(&keys);
        } else if self.node.policies.get(&keys).is_none_or(|old| **old != policy) {
            self.node.policies.set(keys, Arc::new(policy));
        }
    }

    /// What `said` asked is over, but payers may not know of it yet.
    pub(super) fn take_for_a_while(&mut self, keys: ChannelKeysId, said: &ChannelUpdate) {
        let policy = self.node.policies.get(&keys).map(|p| (**p).clone()).unwrap_or_default();
        self.keep_policy(keys, policy.without(policy_of(said), self.now));
    }

    /// What was asked long ago is not taken any more.
    pub(super) fn forget_old_policies(&mut self, keys: ChannelKeysId) {
        if let Some(policy) = self.node.policies.get(&keys).cloned() {
            self.keep_policy(keys, policy.after(self.now));
        }
    }
}

impl Node {
    /// What we ask for forwarding over a channel.
    #[must_use]
    pub fn policy(&self, keys: &ChannelKeysId) -> &ForwardPolicy {
        self.policies.get(keys).and_then(|p| p.own.as_ref()).unwrap_or(&self.config.payment.forward)
    }

    /// What is enough for forwarding over a channel: what we ask, and what we asked a moment ago.
    pub(crate) fn policies_taken(&self, keys: &ChannelKeysId, now: Timestamp) -> Vec<ForwardPolicy> {
        let before = self.policies.get(keys).into_iter().flat_map(|p| &p.before);
        let before = before.filter(|(_, until)| *until > now).map(|(policy, _)| policy.clone());
        std::iter::once(self.policy(keys).clone())
            .chain(before)
            .map(|policy| self.as_told(keys, policy))
            .collect()
    }

    /// A policy with what the peer takes at the least, as the network is told it too.
    fn as_told(&self, keys: &ChannelKeysId, policy: ForwardPolicy) -> ForwardPolicy {
        let open = self.channels.get(keys).and_then(|channel| channel.open());
        let least = open.map_or(policy.htlc_minimum, |open| open.params.remote.htlc_minimum);
        ForwardPolicy { htlc_minimum: policy.htlc_minimum.max(least), ..policy }
    }
}

/// Whether two updates ask the same.
pub(super) fn asks_the_same(a: &ChannelUpdate, b: &ChannelUpdate) -> bool {
    let most = |update: &ChannelUpdate| update.htlc_maximum_msat;
    // What was private is public now: see where updates are made.
    let is_made_public = a.message_flags != b.message_flags && most(a).0.abs_diff(most(b).0) == 1;
    let asked = |update| ForwardPolicy { htlc_maximum: None, ..policy_of(update) };
    policy_of(a) == policy_of(b) || (is_made_public && asked(a) == asked(b))
}

/// The policy that an update of ours tells.
fn policy_of(said: &ChannelUpdate) -> ForwardPolicy {
    ForwardPolicy {
        fee_base: astrape_primitives::Msat(said.fee_base_msat.into()),
        fee_proportional_millionths: said.fee_proportional_millionths,
        cltv_expiry_delta: said.cltv_expiry_delta,
        htlc_minimum: said.htlc_minimum_msat,
        htlc_maximum: Some(said.htlc_maximum_msat),
        inbound: inbound_of(&said.extension).unwrap_or_default(),
    }
}

/// The extension of an update that asks for `inbound` (bLIP 18).
pub(super) fn with_inbound(inbound: &InboundFee) -> Extension {
    let mut bytes = Vec::new();
    if !inbound.is_none() {
        let value = [inbound.base_msat.to_be_bytes(), inbound.proportional_millionths.to_be_bytes()].concat();
        write_record(&mut bytes, INBOUND_FEE_TLV, &value);
    }
    Extension(bytes)
}

fn inbound_of(extension: &Extension) -> Option<InboundFee> {
    let mut records = TlvStream::new(&extension.0, |_| true).flatten();
    let value = records.find(|record| record.number == INBOUND_FEE_TLV)?.value;
    let (base, rest) = value.split_first_chunk::<4>()?;
    let share: [u8; 4] = rest.try_into().ok()?;
    Some(InboundFee {
        base_msat: i32::from_be_bytes(*base),
        proportional_millionths: i32::from_be_bytes(share),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by hand from bLIP 18: type 55555 as BigSize, 8 bytes, the base, the rate.
    #[test]
    fn the_fee_for_what_comes_in_is_told_as_blip_18_has_it() {
        let inbound = InboundFee { base_msat: -1, proportional_millionths: -50 };
        let extension = with_inbound(&inbound);
        assert_eq!(hex_of(&extension.0), "fdd90308ffffffffffffffce");
        assert_eq!(inbound_of(&extension), Some(inbound));
        assert!(with_inbound(&InboundFee::default()).0.is_empty(), "nothing is not told");
        for bytes in [&b""[..], &[0xfd, 0xd9, 0x03, 0], &[0xfd, 0xd9, 0x03, 2, 0, 0], &[0xff]] {
            assert_eq!(inbound_of(&Extension(bytes.to_vec())), None);
        }
    }

    fn hex_of(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
