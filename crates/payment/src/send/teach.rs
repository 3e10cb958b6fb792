//! What the end of a part teaches of the channels that it crossed, for path search: what got through, what did not.

use super::{Payment, PaymentPart};
use astrape_onion::{Failure, OnionRecipe, forwarded_amount};
use astrape_primitives::{Msat, NodeId, ShortChannelId};
use astrape_routing::{Direction, Outcome};

/// What became of an HTLC of ours at a channel of others. It is told to whoever searches ways; lost, nothing is lost but time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taught {
    /// The channel.
    pub short_channel_id: ShortChannelId,
    /// Which way it was crossed.
    pub direction: Direction,
    /// The HTLC over it.
    pub amount: Msat,
    /// What became of it.
    pub outcome: Outcome,
}

/// A channel of others that a part crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    pub(super) short_channel_id: ShortChannelId,
    pub(super) direction: Direction,
    pub(super) amount: Msat,
}

impl Passage {
    /// Those of a part that brings `amount` to the last hop of its `recipe`.
    pub(super) fn all<'a>(
        channels: &'a [ShortChannelId],
        recipe: &'a OnionRecipe,
        amount: Msat,
    ) -> impl Iterator<Item = Self> + 'a {
        let ends = recipe.hops.iter().zip(recipe.hops.iter().skip(1));
        channels.iter().zip(ends).map(move |(channel, (from, to))| {
            let forth = NodeId::from_key(&from.node) < NodeId::from_key(&to.node);
            Self {
                short_channel_id: *channel,
                direction: if forth { Direction::FromNode1 } else { Direction::FromNode2 },
                amount: forwarded_amount(&from.payload).unwrap_or(amount),
            }
        })
    }

    /// Whether both cross one channel in one direction.
    pub(super) fn is_same_way(&self, other: &Passage) -> bool {
        (self.short_channel_id, self.direction) == (other.short_channel_id, other.direction)
    }

    const fn taught(self, amount: Msat, outcome: Outcome) -> Taught {
        Taught { short_channel_id: self.short_channel_id, direction: self.direction, amount, outcome }
    }
}

impl Payment {
    /// A part has ended that got as far as to hop `reached`, or nobody knows how far. What it had over channels that later parts cross,
    /// those may have met, though their answers come after its own.
    pub(super) fn was_beside_later_ones(&mut self, number: u64, part: &PaymentPart, reached: Option<usize>) {
        let passed: Vec<Passage> = part.crossings().take(reached.unwrap_or(usize::MAX)).collect();
        for (later, other) in self.parts.range(number.saturating_add(1)..) {
            for (index, crossing) in (0_u8..).zip(other.crossings()) {
                let met: Msat = passed.iter().filter(|p| p.is_same_way(&crossing)).map(|p| p.amount).sum();
                if met > Msat::ZERO {
                    let sum = self.beside.entry((*later, index)).or_default();
                    *sum = sum.saturating_add(met);
                }
            }
        }
    }

    /// A part is no more.
    pub(super) fn forget_beside(&mut self, number: u64) {
        self.beside.retain(|(part, _), _| *part != number);
    }
}

impl PaymentPart {
    /// It was settled.
    pub(super) fn paid(&self) -> Vec<Taught> {
        self.crossings().map(|passage| passage.taught(passage.amount, Outcome::Paid)).collect()
    }

    /// It got as far as to hop `index`, from 0 for our peer.
    pub(super) fn reached(&self, index: usize) -> Vec<Taught> {
        self.crossings().take(index).map(|passage| passage.taught(passage.amount, Outcome::Passed)).collect()
    }

    /// Hop `index` did not pass it on, over a channel where other parts have `there` in flight.
    pub(super) fn stuck(&self, there: Msat, index: usize, failure: &Failure) -> Vec<Taught> {
        let mut taught = self.reached(index);
        let lacks = match failure {
            Failure::TemporaryChannelFailure => {
                self.crossings().nth(index).map(|passage| passage.amount.saturating_add(there))
            }
            // Whatever is sent, it is not passed on, for a while at least.
            Failure::UnknownNextPeer
            | Failure::PermanentChannelFailure
            | Failure::ChannelDisabled { .. }
            | Failure::RequiredChannelFeatureMissing => Some(Msat(1)),
            _ => None,
        };
        let passage = self.crossings().nth(index);
        taught.extend(passage.zip(lacks).map(|(passage, amount)| passage.taught(amount, Outcome::Stuck)));
        taught
    }
}
