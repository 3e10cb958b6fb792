//! A preimage that came from downstream is claimed upstream, in the same step; and what is known to be paid is never failed.
//!
//! What was failed upstream in its last moment, while nobody knew a preimage and the end downstream was open, cannot be claimed there any
//! more (attack 52): that it was the last moment is looked at when it is failed.

use crate::machine::{Part, Taken};
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_channel::htlc::Direction;
use astrape_channel::{Origin, Resolution};
use astrape_primitives::{ChannelId, ChannelKeysId, HtlcId, PaymentHash, Side};
use astrape_wire::Message;
use std::collections::{BTreeMap, BTreeSet};

/// Who was given which preimage, as the wire has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preimages {
    /// The hash of every HTLC, by its channel, who offered it, and its id.
    adds: BTreeMap<(ChannelId, usize, HtlcId), PaymentHash>,
    known: BTreeSet<(usize, PaymentHash)>,
    /// Hashes that several pay: one may be given the preimage and another not. The state of nodes shows which (`check`).
    pub(crate) shared: BTreeSet<PaymentHash>,
    /// Forwards that were failed upstream while their end downstream was open, by node and by where they came from; and whether that
    /// was their last moment.
    given_back: BTreeMap<(usize, ChannelKeysId, HtlcId), bool>,
}

impl Preimages {
    /// A node has committed steps.
    pub(super) fn learnt(&mut self, node: usize, parts: &[Part]) {
        for part in parts {
            if let Taken::Preimage(hash) = &part.taken {
                self.known.insert((node, *hash));
            }
        }
    }

    /// A node says something.
    pub(crate) fn said(&mut self, node: usize, to: usize, message: &Message) -> Result<(), Violation> {
        let (channel_id, id) = match message {
            Message::UpdateAddHtlc(m) => {
                self.adds.insert((m.channel_id, node, m.id), m.payment_hash);
                return Ok(());
            }
            Message::UpdateFailHtlc(m) => (m.channel_id, m.id),
            Message::UpdateFailMalformedHtlc(m) => (m.channel_id, m.id),
            _ => return Ok(()),
        };
        let hash = self.adds.get(&(channel_id, to, id));
        let of_one = hash.filter(|hash| !self.shared.contains(*hash));
        let paid = of_one.is_some_and(|hash| self.known.contains(&(node, *hash)));
        ensure(!paid, Checker::Preimage, || {
            format!("node {node} fails HTLC {id} to {to} although it was given the preimage downstream")
        })
    }
}

/// Every HTLC that was passed on and whose preimage is known is fulfilled where it came from.
pub(super) fn check(world: &mut World, node: usize) -> Result<(), Violation> {
    let mut given_back = std::mem::take(&mut world.checks.preimages.given_back);
    let result = look(world, node, &mut given_back);
    world.checks.preimages.given_back = given_back;
    result
}

fn look(
    world: &World,
    node: usize,
    given_back: &mut BTreeMap<(usize, ChannelKeysId, HtlcId), bool>,
) -> Result<(), Violation> {
    let Some(process) = world.process(node) else { return Ok(()) };
    let tip = process.node.chain().height();
    for (_, channel) in process.node.channels() {
        let Some(open) = channel.open() else { continue };
        for htlc in open.htlcs.values() {
            let Direction::Outgoing { origin: Origin::Relay { channel, id }, preimage, .. } = &htlc.direction
            else {
                continue;
            };
            let upstream =
                process.node.channel(channel).and_then(|c| c.open()?.htlcs.get(&(Side::Remote, *id)));
            let Some(upstream) = upstream else { continue };
            let key = (node, *channel, *id);
            let end = upstream.removal.as_ref().map(|removal| &removal.resolution);
            if preimage.is_none() {
                if end.is_some() {
                    let is_late = || astrape_onchain::deadline::must_fail_back(upstream.cltv_expiry, tip);
                    given_back.entry(key).or_insert_with(is_late);
                }
                continue;
            }
            let claimed = matches!(end, Some(Resolution::Fulfilled { .. }));
            let too_late = given_back.get(&key) == Some(&true);
            ensure(claimed || too_late, Checker::Preimage, || {
                format!(
                    "node {node} knows the preimage of {} and does not claim HTLC {id} upstream",
                    htlc.payment_hash
                )
            })?;
        }
    }
    Ok(())
}
