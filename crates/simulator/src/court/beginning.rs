//! How the end begins: payments are cut in their middle by a wish, by silence, nonsense or theft.

use super::lie::{self, Lie};
use super::{pay, pay_twice, theft};
use crate::network::Packet;
use crate::still;
use crate::swarm;
use crate::totals::Seen;
use crate::violation::Violation;
use crate::world::World;
use astrape_primitives::Side;
use rand::Rng as _;

/// How the end begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// A user closes by force.
    Wish,
    /// A node dies with HTLCs in flight and does not come back.
    Silence,
    /// A node says what no node says.
    Nonsense,
    /// A node dies and its owner broadcasts a revoked commitment.
    Theft,
    /// A node takes signatures and reveals nothing any more; then it dies, and one of its two valid commitments goes out.
    Withholding,
    /// A node is there and answers pings, and gives no secret for what it is signed.
    Stalling,
    /// Both sides close; what they signed may leave the chain again, and a revoked commitment take its place.
    Together,
}

/// Longest quiet before the end, in blocks: more than HTLCs last, so that thieves find some in old states that are theirs again.
const MAX_QUIET_BLOCKS: u32 = 160;

/// Payments are begun, and cut in their middle by the end.
pub(super) fn begin(world: &mut World) -> Result<(), Violation> {
    let beginning = match world.rng.gen_range(0..13) {
        0..=1 => Beginning::Wish,
        2..=4 => Beginning::Silence,
        5 => Beginning::Nonsense,
        6 => Beginning::Together,
        7 => Beginning::Withholding,
        8 => Beginning::Stalling,
        _ => Beginning::Theft,
    };
    let in_flight = world.rng.gen_range(0..4);
    for _ in 0..in_flight {
        if world.rng.gen_bool(0.3) {
            pay_twice(world);
        } else {
            pay(world);
        }
    }
    if beginning == Beginning::Withholding {
        world.court.lie = world.court.keeper.map(|keeper| (keeper, Lie::Withholds));
    }
    if world.rng.gen_bool(0.3) {
        let blocks = world.rng.gen_range(1..=MAX_QUIET_BLOCKS);
        quiet_blocks(world, blocks)?;
    }
    let held = if in_flight == 0 { None } else { into_the_middle(world)? };
    match world.rng.gen_range(0..6) {
        0 => still::doubt(world),
        1 => still::quarantine(world)?,
        _ => {}
    }
    world.court.begins = world.chain.tip().height;
    world.trace.say(|| format!("{} the end begins: {beginning:?}", world.now.0));
    match beginning {
        Beginning::Wish => by_wish(world),
        Beginning::Silence => {
            let node = match held {
                Some(node) => node,
                None => world.rng.gen_range(0..world.machines.len()),
            };
            world.totals.court.saw(Seen::Silence);
            let last = theft::last_words(world, node);
            world.leave(node);
            if world.rng.gen_bool(0.5) {
                theft::say_last_words(world, last);
            }
            Ok(())
        }
        Beginning::Stalling => {
            let any = world.rng.gen_range(0..world.machines.len());
            world.totals.court.saw(Seen::Stalled);
            world.court.lie = Some((held.unwrap_or(any), Lie::Withholds));
            Ok(())
        }
        Beginning::Nonsense => {
            nonsense(world);
            Ok(())
        }
        Beginning::Theft => {
            let has_guise = world.rng.gen_bool(0.25) && lie::steal_in_guise(world)?;
            if has_guise { Ok(()) } else { theft::steal(world) }
        }
        Beginning::Withholding => {
            theft::steal(world)?;
            if let Some(node) = world.court.keeper.filter(|_| world.court.thief.is_none()) {
                world.leave(node);
            }
            Ok(())
        }
        Beginning::Together => {
            together(world);
            Ok(())
        }
    }
}

/// Most events until payments are in their middle.
const MAX_EVENTS_TO_THE_MIDDLE: u32 = 400;

/// Lets payments come to their middle, and perhaps a little beyond: there an HTLC is open, or its preimage is known on one side
/// and not on the other. Gives the other side of it.
fn into_the_middle(world: &mut World) -> Result<Option<usize>, Violation> {
    let (with_preimage, several) = (world.rng.gen_bool(0.4), world.rng.gen_bool(0.3));
    let mut found = None;
    for _ in 0..MAX_EVENTS_TO_THE_MIDDLE {
        world.advance()?;
        found = held_by(world, with_preimage, if several { 2 } else { 1 });
        if found.is_some() {
            break;
        }
    }
    for _ in 0..world.rng.gen_range(0..8) {
        world.advance()?;
    }
    Ok(found)
}

/// Whose peer has so many open HTLCs with it, or knows the preimage of one that it has not settled yet.
fn held_by(world: &World, with_preimage: bool, least: usize) -> Option<usize> {
    (0..world.machines.len()).find_map(|node| {
        let channels = world.process(node)?.node.channels();
        let mut open = channels.filter_map(|(_, channel)| channel.open());
        open.find_map(|open| {
            let known = open.htlcs.values().any(|h| h.offered_by == Side::Remote && h.preimage().is_some());
            let fits = if with_preimage { known } else { open.htlcs.len() >= least };
            world.index_of(&open.params.peer).filter(|_| fits)
        })
    })
}

/// All channels of a node are closed by both sides.
fn together(world: &mut World) {
    let node = world.rng.gen_range(0..world.machines.len());
    world.court.together = true;
    world.totals.court.saw(Seen::Together);
    for keys in swarm::channels_of(world, node) {
        world.close(node, keys);
    }
}

fn quiet_blocks(world: &mut World, blocks: u32) -> Result<(), Violation> {
    for _ in 0..blocks {
        world.mine(1);
        swarm::to_rest(world)?;
    }
    Ok(())
}

fn by_wish(world: &mut World) -> Result<(), Violation> {
    let node = world.rng.gen_range(0..world.machines.len());
    let channels = swarm::channels_of(world, node);
    if channels.is_empty() {
        return Ok(());
    }
    let which = world.rng.gen_range(0..channels.len());
    world.totals.court.saw(Seen::Wish);
    world.close_by_force(node, channels[which])
}

/// A warning of another protocol, an error, a message for a channel in a state that does not take it, or a claim without proof.
fn nonsense(world: &mut World) {
    let links = world.network.links.clone();
    let pair = links[world.rng.gen_range(0..links.len())];
    let Some(connection) = world.network.live(pair) else { return };
    let (from, to) = if world.rng.gen_bool(0.5) { pair } else { (pair.1, pair.0) };
    let channel = world.channels_between(from, to).first().copied();
    let id = channel.and_then(|keys| Some(world.process(from)?.node.channel(&keys)?.channel_id()));
    let Some(channel_id) = id else { return };
    let message = match world.rng.gen_range(0..5) {
        0 => astrape_wire::Message::Error(astrape_wire::Error { channel_id, data: b"go away".to_vec() }),
        1 => astrape_wire::Message::UpdateFulfillHtlc(astrape_wire::UpdateFulfillHtlc {
            channel_id,
            id: astrape_primitives::HtlcId(77_777),
            payment_preimage: astrape_primitives::PaymentPreimage([7; 32]),
            attribution_data: None,
        }),
        2 => astrape_wire::Message::RevokeAndAck(astrape_wire::RevokeAndAck {
            channel_id,
            per_commitment_secret: [9; 32],
            next_per_commitment_point: world.machines[from].node_id.key(),
        }),
        _ => {
            world.totals.court.saw(Seen::Nonsense);
            return lie::claim_to_be_ahead(world, from, connection);
        }
    };
    world.totals.court.saw(Seen::Nonsense);
    if let Ok(bytes) = message.encode() {
        world.send(connection, to, Packet::Message(bytes));
    }
}
