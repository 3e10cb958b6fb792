//! What will happen next in the world, in order of time.

use crate::network::Packet;
use crate::user::Errand;
use astrape_node::Input;
use astrape_primitives::Timestamp;
use std::collections::BTreeMap;

/// What a chain source says of fees.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FeesKind {
    /// The least that mempools take, and estimates by how soon.
    Curve,
    /// The estimate that channels go by.
    Estimate,
}

impl FeesKind {
    pub(crate) const ALL: [FeesKind; 2] = [FeesKind::Curve, FeesKind::Estimate];
}

/// One thing that will happen. Each leads to at most one step of one node.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A packet of a connection reaches its end.
    Deliver { connection: u64, to: usize, packet: Packet },
    /// Something of the node's own shell: an answer of the signer, a finding of the wallet.
    Local { node: usize, process: u64, input: Box<Input> },
    /// The chain source tells what blocks cost by then: what was told before never comes after it.
    Fees { node: usize, process: u64, kind: FeesKind },
    /// Time goes by.
    Tick { node: usize, process: u64 },
    /// What was held back to be signed is looked at again.
    Moment { node: usize, process: u64 },
    /// The chain source looks for a block.
    Chain { node: usize, process: u64 },
    /// The chain source looks at the mempool.
    Mempool { node: usize, process: u64 },
    /// What waits is committed.
    Commit { node: usize, process: u64 },
    /// What is durable gets out, late.
    Release { node: usize, process: u64 },
    /// A process starts.
    Start { node: usize },
    /// Two neighbours connect.
    Connect { pair: (usize, usize) },
    /// A user does something.
    User(Errand),
}

impl Event {
    /// Whether the world is at rest although this will happen.
    fn is_background(&self) -> bool {
        matches!(self, Event::Tick { .. })
    }
}

/// Everything that will happen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<(Timestamp, u64), Event>,
    next: u64,
    background: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Timestamp, event: Event) {
        self.background += usize::from(event.is_background());
        self.events.insert((at, self.next), event);
        self.next += 1;
    }

    /// The next thing to happen, and when.
    pub(crate) fn pop(&mut self) -> Option<(Timestamp, Event)> {
        let ((at, _), event) = self.events.pop_first()?;
        self.background -= usize::from(event.is_background());
        Some((at, event))
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    /// Whether nothing is left but the passing of time.
    pub(crate) fn is_quiet(&self) -> bool {
        self.events.len() == self.background
    }

    /// Keeps what `keep` says of packets under way; all else stays.
    pub(crate) fn retain_packets(&mut self, mut keep: impl FnMut(u64, usize) -> bool) {
        self.events.retain(|_, event| match event {
            Event::Deliver { connection, to, .. } => keep(*connection, *to),
            _ => true,
        });
    }

    /// The connections with messages under way, and whom to.
    pub(crate) fn talk(&self) -> Vec<(u64, usize)> {
        let message = |event: &Event| match event {
            Event::Deliver { connection, to, packet: Packet::Message(_) } => Some((*connection, *to)),
            _ => None,
        };
        self.events.values().filter_map(message).collect()
    }

    #[cfg(test)]
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.values()
    }

    /// The next message under way to `end`.
    pub(crate) fn next_message(&mut self, connection: u64, end: usize) -> Option<&mut Vec<u8>> {
        self.events.values_mut().find_map(|event| message_to(event, connection, end))
    }

    /// Takes the next message under way to `end` out.
    pub(crate) fn take_message(&mut self, connection: u64, end: usize) -> Option<Vec<u8>> {
        let place = |(at, event): (&_, &mut Event)| message_to(event, connection, end).map(|_| *at);
        let at = self.events.iter_mut().find_map(place)?;
        message_to(&mut self.events.remove(&at)?, connection, end).map(std::mem::take)
    }

    /// Packets of a connection on their way to `end`.
    pub(crate) fn packets(&self, connection: u64, end: usize) -> usize {
        let of_it = |event: &&Event| matches!(event, Event::Deliver { connection: c, to, .. } if *c == connection && *to == end);
        self.events.values().filter(of_it).count()
    }
}

/// The message that an event delivers to one end of a connection.
fn message_to(event: &mut Event, connection: u64, end: usize) -> Option<&mut Vec<u8>> {
    match event {
        Event::Deliver { connection: c, to, packet: Packet::Message(bytes) }
            if *c == connection && *to == end =>
        {
            Some(bytes)
        }
        _ => None,
    }
}
