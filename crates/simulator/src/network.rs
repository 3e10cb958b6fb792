//! The network: connections between neighbours, on which packets keep their order and may be cut off at any place.

use crate::event::Event;
use crate::world::World;
use astrape_primitives::{Features, Timestamp};
use rand::Rng as _;
use std::collections::BTreeMap;

/// What travels on a connection.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// `init`: the connection is up.
    Init(Features),
    /// A message in its bytes.
    Message(Vec<u8>),
    /// Asks for a sign of life.
    Ping,
    /// Gives it.
    Pong,
    /// The end of the stream.
    Closed,
}

/// What becomes of packets under way when a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All arrive.
    None,
    /// Some of the first arrive, by chance.
    Tail,
    /// None arrives.
    All,
}

/// A connection that is up.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Both ends, the smaller first.
    pub(crate) pair: (usize, usize),
    /// When the last packet to each end arrives: none overtakes another.
    last: [Timestamp; 2],
}

/// All connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    /// Who shall be connected with whom, the smaller first.
    pub(crate) links: Vec<(usize, usize)>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    next: u64,
    /// Longest time that a packet takes, in milliseconds.
    pub(crate) latency: u64,
}

impl Network {
    pub(crate) fn new(links: Vec<(usize, usize)>) -> Self {
        Self { links, connections: BTreeMap::new(), next: 0, latency: 20 }
    }

    /// The connection between two neighbours.
    pub(crate) fn live(&self, pair: (usize, usize)) -> Option<u64> {
        self.connections.iter().find(|(_, c)| c.pair == pair).map(|(id, _)| *id)
    }

    /// The connections of a node.
    pub(crate) fn of(&self, node: usize) -> Vec<(u64, usize)> {
        let peer = |c: &Connection| match c.pair {
            (a, b) if a == node => Some(b),
            (a, b) if b == node => Some(a),
            _ => None,
        };
        self.connections.iter().filter_map(|(id, c)| Some((*id, peer(c)?))).collect()
    }
}

impl World {
    /// Connects two neighbours that run and are not connected.
    pub(crate) fn connect(&mut self, pair: (usize, usize)) {
        let (a, b) = pair;
        let running = self.machines[a].process.is_some() && self.machines[b].process.is_some();
        if !running || self.network.live(pair).is_some() {
            return;
        }
        let id = self.network.next;
        self.network.next += 1;
        self.network.connections.insert(id, Connection { pair, last: [self.now; 2] });
        for (from, to) in [(a, b), (b, a)] {
            let features = self.machines[from].config.features.clone();
            self.send(id, to, Packet::Init(features));
        }
    }

    /// Puts a packet on its way; lost when the connection is gone.
    pub(crate) fn send(&mut self, connection: u64, to: usize, packet: Packet) {
        let mut took = self.rng.gen_range(1..=self.network.latency);
        if self.plant == Some(crate::Plant::DrawsElsewhere) {
            took += crate::plant::elsewhere();
        }
        let Some(open) = self.network.connections.get_mut(&connection) else {
            return;
        };
        let last = &mut open.last[usize::from(open.pair.1 == to)];
        *last = (*last).max(self.now.plus(took));
        let at = *last;
        self.queue.push(at, Event::Deliver { connection, to, packet });
    }

    /// Ends a connection, with what is under way to each end lost or not. Both ends learn of it, after what still arrives.
    pub(crate) fn cut(&mut self, connection: u64, to_first: Loss, to_second: Loss) {
        let Some(open) = self.network.connections.get(&connection) else {
            return;
        };
        let pair = open.pair;
        for (to, loss) in [(pair.0, to_first), (pair.1, to_second)] {
            self.lose(connection, to, loss);
            self.send(connection, to, Packet::Closed);
        }
        self.network.connections.remove(&connection);
        let after = self.rng.gen_range(20..=200);
        self.queue.push(self.now.plus(after), Event::Connect { pair });
    }

    fn lose(&mut self, connection: u64, end: usize, loss: Loss) {
        let under_way = self.queue.packets(connection, end);
        let mut arrive = match loss {
            Loss::None => under_way,
            Loss::Tail => self.rng.gen_range(0..=under_way),
            Loss::All => 0,
        };
        self.queue.retain_packets(|c, to| {
            if (c, to) != (connection, end) {
                return true;
            }
            let arrives = arrive > 0;
            arrive = arrive.saturating_sub(1);
            arrives
        });
    }

    /// The process at one end is gone: nothing reaches it; the other end gets what was sent, or some of it.
    pub(crate) fn cut_off(&mut self, node: usize, loss: Loss) {
        for (connection, _) in self.network.of(node) {
            let first = self.network.connections[&connection].pair.0 == node;
            let (to_first, to_second) = if first { (Loss::All, loss) } else { (loss, Loss::All) };
            self.cut(connection, to_first, to_second);
        }
    }
}
