//! Blocks in a world where nobody goes on chain: they do not come while a payment that its payee has settled is still on its way
//! off a channel and its deadline is near. Chance cuts connections for as long as it likes, and a node whose peer does not take
//! an HTLC off in time is right to close (BOLT 2 "`cltv_expiry_delta` Selection").

use crate::world::World;
use astrape_channel::Htlc;
use astrape_payment::policy::FULFIL_DEADLINE_BLOCKS;
use astrape_primitives::{Height, Side};

/// Whether so many blocks bring no node to the deadline of a claim.
pub(crate) fn has_time(world: &World, blocks: u32) -> bool {
    // Where both ends of a channel are away, nobody here knows its HTLCs.
    let is_away = |node: usize| world.process(node).is_none();
    if world.network.links.iter().any(|(one, other)| is_away(*one) && is_away(*other)) {
        return false;
    }
    let tip = world.chain.tip().height.plus(blocks);
    let is_far = |htlc: &Htlc| tip.plus(FULFIL_DEADLINE_BLOCKS.into()) < Height(htlc.cltv_expiry.0);
    // What a node that is away has settled only its disk knows: any HTLC may be one.
    let all_here = !(0..world.machines.len()).any(is_away);
    let counts = |htlc: &Htlc| !all_here || (htlc.key().0 == Side::Remote && htlc.preimage().is_some());
    let here = (0..world.machines.len()).filter_map(|node| world.process(node));
    let channels = here.flat_map(|process| process.node.channels()).filter_map(|(_, channel)| channel.open());
    channels.flat_map(|open| open.htlcs.values()).filter(|htlc| counts(htlc)).all(|htlc| is_far(htlc))
}
