//! A liar that opens a channel as small as is taken, fills it with HTLCs that are worth no output, and asks for a feerate near
//! all that it can pay: what then is left of the commitment of the other side, whose dust limit is another.

use super::{Siege, VICTIM};
use crate::swarm;
use crate::violation::Violation;
use crate::world::World;
use astrape_channel::{Link, Open};
use astrape_primitives::{CltvExpiry, FeeratePerKw, HtlcId, Msat, PaymentHash, Sat, Side};
use astrape_transactions::{CommitmentFormat, commitment_fee};
use astrape_wire::{Message, OnionPacket, UpdateAddHtlc, UpdateFee};
use rand::Rng as _;

/// The smallest channel that is taken, and what may be more.
const LEAST_FUNDING_SAT: u64 = 20_000;
const MORE_FUNDING_SAT: u64 = 20_000;

/// The most that an HTLC may have which is below every dust limit.
const DUST_MSAT: u64 = 353_000;

/// Most HTLCs of one round.
const MAX_HTLCS: u64 = 120;

/// Feerates that are asked for in one world.
const ROUNDS: u32 = 4;

/// What came of a liar at the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtBounds {
    /// HTLCs that were taken.
    pub htlcs: u64,
    /// Feerates that were taken.
    pub taken: u64,
    /// Feerates that were refused.
    pub refused: u64,
    /// Commitments with a new feerate that the victim has bound itself to.
    pub signed: u64,
}

/// Runs one seed.
///
/// # Errors
/// The first rule that is broken.
pub fn run_bounds_seed(seed: u64) -> Result<AtBounds, Violation> {
    let mut seen = AtBounds::default();
    let Some(mut siege) = at_the_bounds(seed)? else { return Ok(seen) };
    for _ in 0..ROUNDS {
        siege.fill(&mut seen)?;
        let before = siege.commitments();
        if siege.ask_for_a_feerate(&mut seen)? {
            if let Some(message) = siege.commitment_signed() {
                siege.hear(message)?;
            }
            siege.go_on(1)?;
            seen.signed += u64::from(siege.commitments() > before);
            if let Some(message) = siege.revoke_and_ack() {
                siege.hear(message)?;
            }
        }
        if siege.connection().is_none() {
            break;
        }
    }
    siege.end()?;
    Ok(seen)
}

/// A world in which the liar has opened such a channel.
fn at_the_bounds(seed: u64) -> Result<Option<Siege>, Violation> {
    let format =
        if seed.is_multiple_of(2) { CommitmentFormat::Anchors } else { CommitmentFormat::StaticRemotekey };
    let mut world = World::line(2, format, seed);
    world.feerate = FeeratePerKw::FLOOR;
    swarm::make_uneven(&mut world);
    world.machines[VICTIM].config.channel.reserve_permille = 0;
    swarm::to_rest(&mut world)?;
    let funding = Sat(LEAST_FUNDING_SAT + world.rng.gen_range(0..MORE_FUNDING_SAT));
    let push = Msat(world.rng.gen_range(0..2 * DUST_MSAT));
    world.open(1 - VICTIM, VICTIM, funding, push);
    for _ in 0..5 {
        swarm::to_rest(&mut world)?;
        world.mine(1);
    }
    swarm::to_rest(&mut world)?;
    world.besieged = true;
    let siege = Siege { world, liar: 1 - VICTIM, said: Vec::new() };
    let is_ready = siege.channel().is_some_and(|channel| channel.is_usable());
    Ok(is_ready.then_some(siege))
}

impl Siege {
    fn open(&self) -> Option<&Open> {
        self.channel()?.open()
    }

    /// The number of the newest commitment that the victim has signed for the liar.
    fn commitments(&self) -> u64 {
        self.open().map_or(0, |open| open.remote.number.0)
    }

    /// What the liar has left of the channel.
    fn left(&self) -> Option<Msat> {
        let channel = self.channel()?;
        let open = channel.open()?;
        let Link::Up(up) = &channel.link else { return None };
        let signed =
            open.htlcs.values().filter(|htlc| htlc.offered_by == Side::Remote).map(|htlc| htlc.amount);
        let offered: Msat = signed.chain(up.adds.values().map(|htlc| htlc.amount)).sum();
        Some(open.balances.remote.saturating_sub(offered))
    }

    /// What a commitment without HTLCs costs.
    fn cost(open: &Open, feerate: FeeratePerKw) -> Sat {
        let format = open.params.format;
        commitment_fee(format, feerate, 0).saturating_add(format.anchors_cost())
    }

    /// HTLCs without an output, for some or all of what the liar may spend.
    fn fill(&mut self, seen: &mut AtBounds) -> Result<(), Violation> {
        let (Some(left), Some(open)) = (self.left(), self.open()) else { return Ok(()) };
        let kept = Self::cost(open, open.fees.newest()).saturating_add(open.params.reserve_of(Side::Remote));
        let most = (left.saturating_sub(kept.to_msat()).0 / DUST_MSAT).min(MAX_HTLCS);
        let some = if self.world.rng.gen_bool(0.6) { most } else { self.world.rng.gen_range(0..=most) };
        let expiry = CltvExpiry(self.world.chain.tip().height.0 + 200);
        for _ in 0..some {
            let Some(channel_id) = self.open().map(|open| open.params.channel_id) else { return Ok(()) };
            let add = UpdateAddHtlc {
                channel_id,
                id: HtlcId(0),
                amount_msat: Msat(DUST_MSAT),
                payment_hash: PaymentHash(self.world.draw()),
                cltv_expiry: expiry,
                onion_routing_packet: OnionPacket::from_bytes(&[7; 1366]),
                path_key: None,
            };
            let Ok(bytes) = Message::UpdateAddHtlc(add).encode() else { return Ok(()) };
            let heard = self.say(bytes, true)?;
            seen.htlcs += u64::from(heard.is_some_and(|heard| heard.tolerated));
        }
        Ok(())
    }

    /// A feerate for which the liar keeps nothing, next to nothing, or a reserve. Whether it was taken.
    fn ask_for_a_feerate(&mut self, seen: &mut AtBounds) -> Result<bool, Violation> {
        let (Some(left), Some(open)) = (self.left(), self.open()) else { return Ok(false) };
        let channel_id = open.params.channel_id;
        let keeps = [Sat::ZERO, open.params.remote.dust_limit, open.params.reserve_of(Side::Remote)];
        let per_kw =
            Self::cost(open, FeeratePerKw(1_000)).0.saturating_sub(Self::cost(open, FeeratePerKw(0)).0);
        let anchors = Self::cost(open, FeeratePerKw(0));
        let kept = keeps[self.world.rng.gen_range(0..keeps.len())];
        let payable = left.to_sat_floor().saturating_sub(kept).saturating_sub(anchors).0;
        let about = payable.saturating_mul(1_000) / per_kw.max(1) + self.world.rng.gen_range(0..4);
        let feerate = FeeratePerKw(u32::try_from(about.saturating_sub(2)).unwrap_or(u32::MAX));
        let heard = self.hear(Message::UpdateFee(UpdateFee { channel_id, feerate_per_kw: feerate }))?;
        let is_taken = heard.is_some_and(|heard| heard.tolerated);
        if is_taken {
            seen.taken += 1;
        } else {
            seen.refused += 1;
        }
        Ok(is_taken)
    }
}
