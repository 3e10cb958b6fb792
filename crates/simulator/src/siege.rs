//! A hostile peer at any moment of a channel's life. A node lives among honest neighbours up to that moment; then one of them
//! says what it likes: any message, what is under way changed, dropped or said twice, with valid signatures where it is lucky.
//!
//! What must hold is what the node owes itself: it does not stumble, its disk is what it is, it signs one commitment a number,
//! and claims upstream what it knows the preimage of. That the world stays whole is for honest worlds.

mod bounds;
mod sign;

pub use bounds::{AtBounds, run_bounds_seed};

use crate::network::Loss;
use crate::scenario::{line, sat};
use crate::user::Flaw;
use crate::violation::Violation;
use crate::world::{Advance, World};
use astrape_channel::{Channel, Link, Opening, Phase};
use astrape_node::{Input, PeerEvent};
use astrape_primitives::{FeeratePerKw, HtlcId, Msat, Network, Side};
use astrape_wire::{Decoded, Message};
use std::sync::OnceLock;

/// The node that is besieged, in the middle of a line.
pub(crate) const VICTIM: usize = 1;

/// Most events that one deed lets happen.
const MAX_EVENTS: u8 = 40;

/// Most blocks that one deed mines.
const MAX_BLOCKS: u8 = 12;

/// Messages that are remembered, to be said again.
const MAX_SAID: usize = 64;

/// Where a message names its channel: after the type, in all that speak of a channel that has an id.
const CHANNEL_ID: core::ops::Range<usize> = 2..34;

/// Where `update_add_htlc` and the ends of HTLCs name the HTLC.
const HTLC_ID: core::ops::Range<usize> = 34..42;

/// What the liar, its friends and fate do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Says this, of a channel that exists if `addressed`.
    Say {
        /// The message in its bytes.
        bytes: Vec<u8>,
        /// Whether channel, HTLC and chain are made to be right.
        addressed: bool,
    },
    /// Changes a byte of the next message under way from the liar.
    Change {
        /// Which.
        at: u16,
        /// By what.
        by: u8,
    },
    /// Holds back the next message under way.
    Drop,
    /// Says again what was said before.
    Repeat(u8),
    /// Signs all that it has said.
    Sign,
    /// Revokes what it was signed.
    Revoke,
    /// Lets the world go on by so many events.
    GoOn(u8),
    /// Time goes by, in milliseconds.
    Wait(u32),
    /// The connection is cut.
    Cut,
    /// Blocks are mined.
    Mine(u8),
    /// Somebody pays through the victim, or to it.
    Pay {
        /// From which node of the three.
        payer: u8,
        /// To which.
        payee: u8,
        /// How much.
        amount: Msat,
    },
    /// The victim's user closes its channel with the liar.
    Close,
    /// The victim's user asks for a channel with the liar.
    Open,
    /// The estimate of the feerate changes.
    Feerate(u16),
    /// The victim dies and starts again.
    Die,
}

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its name.
    pub message: &'static str,
    /// How far the channel with the liar was.
    pub state: &'static str,
    /// Whether the victim goes on talking to the liar.
    pub tolerated: bool,
}

/// A world with a liar in it.
pub struct Siege {
    world: World,
    liar: usize,
    said: Vec<Vec<u8>>,
}

/// The worlds before each step of the victim, from the first connection to the last close.
fn moments() -> &'static [World] {
    static MOMENTS: OnceLock<Vec<World>> = OnceLock::new();
    MOMENTS.get_or_init(|| {
        line(3)
            .open(0, 1, sat(1_000_000))
            .open_balanced(1, 2, sat(1_000_000))
            .pay(0, 2, sat(20_000))
            .pay(2, 0, sat(3_000))
            .pay_flawed(0, 2, sat(1_000), Flaw::Unknown)
            .pay(1, 2, sat(2_000))
            .feerate(FeeratePerKw(1_500))
            .cut(0, 1)
            .cut(1, 2)
            .pay(0, 1, sat(500))
            .close(0, 1)
            .close(1, 2)
            .moments(VICTIM)
            .expect("a life without liars breaks no rule")
    })
}

impl Siege {
    /// How many moments there are.
    #[must_use]
    pub fn moments() -> usize {
        moments().len()
    }

    /// Begins at a moment, counted round. The liar is the neighbour to the right or to the left.
    #[must_use]
    pub fn begin(moment: usize, right: bool) -> Self {
        let moments = moments();
        let mut world = moments[moment % moments.len()].clone();
        world.besieged = true;
        Self { world, liar: if right { 2 } else { 0 }, said: Vec::new() }
    }

    /// How far the victim's channel with the liar is.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.channel() {
            Some(channel) => state_of(channel),
            None if self.connection().is_some() => "connected, no channel",
            None => "not connected",
        }
    }

    /// Something happens.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn deed(&mut self, deed: Deed) -> Result<Option<Heard>, Violation> {
        match deed {
            Deed::Say { bytes, addressed } => return self.say(bytes, addressed),
            Deed::Change { at, by } => self.change(at, by),
            Deed::Drop => self.drop_next(),
            Deed::Repeat(which) => {
                let said = self.said.len();
                let again = (said > 0).then(|| self.said[usize::from(which) % said].clone());
                return again.map_or(Ok(None), |bytes| self.say(bytes, false));
            }
            Deed::Sign => {
                let message = self.commitment_signed();
                return message.map_or(Ok(None), |message| self.hear(message));
            }
            Deed::Revoke => {
                let message = self.revoke_and_ack();
                return message.map_or(Ok(None), |message| self.hear(message));
            }
            Deed::GoOn(events) => self.go_on(events)?,
            Deed::Wait(millis) => self.world.wait(millis.into())?,
            Deed::Cut => self.world.cut_between(VICTIM, self.liar),
            Deed::Mine(blocks) => self.world.mine(u32::from(blocks % MAX_BLOCKS) + 1),
            Deed::Pay { payer, payee, amount } => {
                let (payer, payee) = (usize::from(payer % 3), usize::from(payee % 3));
                if payer != payee {
                    self.world.pay(payer, payee, amount, Flaw::None);
                }
            }
            Deed::Close => {
                if let Some(keys) = self.channel().map(Channel::keys) {
                    self.world.close_by_nobody(VICTIM, keys);
                }
            }
            Deed::Open => {
                self.world.open(VICTIM, self.liar, sat(300_000), Msat(1_000_000));
            }
            Deed::Feerate(feerate) => self.world.set_feerate(FeeratePerKw(u32::from(feerate) + 253)),
            Deed::Die => self.world.crash(VICTIM, Loss::None),
        }
        Ok(None)
    }

    /// The world goes on for a while, and the victim dies once more.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn end(mut self) -> Result<(), Violation> {
        self.go_on(MAX_EVENTS)?;
        self.world.crash(VICTIM, Loss::None);
        self.go_on(MAX_EVENTS)
    }

    fn go_on(&mut self, events: u8) -> Result<(), Violation> {
        for _ in 0..events.min(MAX_EVENTS) {
            if self.world.advance()? == Advance::Quiet {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The victim's channel with the liar; of several the last.
    fn channel(&self) -> Option<&Channel> {
        let peer = self.world.machines[self.liar].node_id;
        let channels = self.world.process(VICTIM)?.node.channels().map(|(_, channel)| channel);
        channels.filter(|channel| channel.peer() == peer).last()
    }

    /// The connection with the liar, as far as the victim knows.
    fn connection(&self) -> Option<u64> {
        self.world.process(VICTIM)?.connections.get(&self.liar).copied()
    }

    fn say(&mut self, mut bytes: Vec<u8>, addressed: bool) -> Result<Option<Heard>, Violation> {
        if addressed {
            self.address(&mut bytes);
        }
        match Message::decode(&bytes) {
            Ok(Decoded::Known(message)) => self.hear(message),
            Ok(Decoded::IgnoredOdd(_)) => Ok(None),
            Err(_) => {
                // What is no message ends the connection before it reaches the node.
                self.world.cut_between(VICTIM, self.liar);
                Ok(None)
            }
        }
    }

    /// The victim hears a message of the liar now, before all that is under way.
    fn hear(&mut self, message: Message) -> Result<Option<Heard>, Violation> {
        let is_of_the_session = matches!(message, Message::Init(_) | Message::Ping(_) | Message::Pong(_));
        let (Some(_), false) = (self.connection(), is_of_the_session) else {
            return Ok(None);
        };
        let (name, state) = (message.name(), self.state());
        let Ok(bytes) = message.encode() else { return Ok(None) };
        let fresh = self.world.draw();
        if let Some((message, taken)) = self.world.machines[VICTIM].prepare(&bytes, fresh)? {
            let peer = self.world.machines[self.liar].node_id;
            let event = PeerEvent::Message(message);
            self.world.step(VICTIM, Input::Peer { peer, event }, taken)?;
        }
        if self.said.len() < MAX_SAID {
            self.said.push(bytes);
        }
        Ok(Some(Heard { message: name, state, tolerated: self.connection().is_some() }))
    }

    /// Makes a message speak of what exists.
    fn address(&self, bytes: &mut [u8]) {
        let Ok(Decoded::Known(message)) = Message::decode(bytes) else { return };
        if matches!(message, Message::OpenChannel(_) | Message::OpenChannel2(_)) {
            bytes[CHANNEL_ID].copy_from_slice(&Network::Regtest.chain_hash());
            return;
        }
        let (Some(_), Some(channel)) = (message.channel_id(), self.channel()) else { return };
        bytes[CHANNEL_ID].copy_from_slice(&channel.channel_id().0);
        if let Some(id) = named_htlc(channel, &message) {
            bytes[HTLC_ID].copy_from_slice(&id.0.to_be_bytes());
        }
    }

    fn change(&mut self, at: u16, by: u8) {
        let Some(connection) = self.connection() else { return };
        let Some(bytes) = self.world.queue.next_message(connection, VICTIM) else { return };
        let at = usize::from(at) % bytes.len().max(1);
        bytes[at] ^= by;
        let of_the_node = match Message::decode(bytes) {
            Ok(Decoded::Known(m)) => !matches!(m, Message::Init(_) | Message::Ping(_) | Message::Pong(_)),
            Ok(Decoded::IgnoredOdd(_)) => true,
            Err(_) => false,
        };
        if !of_the_node {
            self.world.cut_between(VICTIM, self.liar);
        }
    }

    fn drop_next(&mut self) {
        let Some(connection) = self.connection() else { return };
        let dropped = self.world.queue.take_message(connection, VICTIM);
        if let (Some(bytes), true) = (dropped, self.said.len() < MAX_SAID) {
            self.said.push(bytes);
        }
    }
}

/// The HTLC that an addressed message names: the next that the peer may add, or one of ours that it may end.
fn named_htlc(channel: &Channel, message: &Message) -> Option<HtlcId> {
    let open = channel.open()?;
    match message {
        Message::UpdateAddHtlc(_) => {
            let unsigned = match &channel.link {
                Link::Up(up) => up.adds.len() as u64,
                _ => 0,
            };
            Some(HtlcId(open.next_remote_id.0 + unsigned))
        }
        Message::UpdateFulfillHtlc(_) | Message::UpdateFailHtlc(_) | Message::UpdateFailMalformedHtlc(_) => {
            open.htlcs.keys().find(|(side, _)| *side == Side::Local).map(|(_, id)| *id)
        }
        _ => None,
    }
}

fn state_of(channel: &Channel) -> &'static str {
    match (&channel.phase, &channel.link) {
        (Phase::Opening(Opening::AwaitingAcceptChannel(_)), _) => "awaiting accept_channel",
        (Phase::Opening(Opening::AwaitingFunding(_)), _) => "awaiting our funding",
        (Phase::Opening(Opening::AwaitingFundingSigned(_)), _) => "awaiting funding_signed",
        (Phase::Opening(Opening::AwaitingFundingCreated(_)), _) => "awaiting funding_created",
        (Phase::Open(_), Link::Down) => "open, not connected",
        (Phase::Open(_), Link::Reestablishing(_)) => "awaiting channel_reestablish",
        (Phase::Open(_), Link::CheckingClaim) => "checking a claim",
        (Phase::Open(open), Link::Up(up)) => match (&open.shutdown, open.is_ready()) {
            _ if up.negotiation.is_some() => "negotiating the close",
            (shutdown, _) if *shutdown != Default::default() => "shutting down",
            (_, false) => "awaiting depth or channel_ready",
            _ if open.remote.unrevoked.is_some() => "normal, awaiting revoke_and_ack",
            _ if open.htlcs.is_empty() => "normal, at rest",
            _ => "normal, with HTLCs",
        },
        (Phase::Closing(_), _) => "closing",
        (Phase::Closed(_), _) => "closed",
    }
}
