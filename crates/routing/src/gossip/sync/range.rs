//! What a peer lists of the channels that it knows: whether a part fits, and what of it is worth asking for.

use super::SyncFault;
use crate::gossip::Gossip;
use crate::gossip::check::{MAX_AGE_SECS, MAX_AHEAD_SECS};
use astrape_primitives::ShortChannelId;
use astrape_wire::{ChannelUpdateChecksums, ChannelUpdateTimestamps, QueryFlags, ReplyChannelRange};

/// Checks one part and notes what is wanted of it.
pub(super) fn take_part(
    now: u64,
    reply: &ReplyChannelRange,
    next_block: &mut u64,
    gossip: &Gossip,
    wanted: &mut Vec<(ShortChannelId, u64)>,
) -> Result<(), SyncFault> {
    let ids = &reply.encoded_short_ids;
    let first = u64::from(reply.first_blocknum.0);
    let end = first + u64::from(reply.number_of_blocks);
    let is_in_order = reply.chain_hash == gossip.chain_hash() && end >= *next_block && first <= *next_block;
    // LDK counts the block after a part among the blocks of that part, and Core Lightning tells a part in the order in which it heard
    // of the channels.
    let is_within = ids.iter().all(|id| (first..=end).contains(&u64::from(id.block())));
    let fits = |len: Option<usize>| len.is_none_or(|len| len == ids.len());
    let is_whole =
        fits(reply.timestamps_tlv.as_ref().map(Vec::len)) && fits(reply.checksums_tlv.as_ref().map(Vec::len));
    if !(is_in_order && is_within && is_whole) {
        return Err(SyncFault::Range);
    }
    *next_block = end;
    for (n, id) in ids.iter().enumerate() {
        let timestamps = reply.timestamps_tlv.as_ref().map(|all| all[n]);
        let checksums = reply.checksums_tlv.as_ref().map(|all| all[n]);
        let flags = wanted_of(now, gossip, *id, timestamps, checksums);
        if flags != 0 {
            wanted.push((*id, flags));
        }
    }
    Ok(())
}

/// What is to be asked of a channel: all of it when it is not known; an update that is newer and says something else.
fn wanted_of(
    now: u64,
    gossip: &Gossip,
    id: ShortChannelId,
    timestamps: Option<ChannelUpdateTimestamps>,
    checksums: Option<ChannelUpdateChecksums>,
) -> u64 {
    const ALL: u64 = QueryFlags::CHANNEL_ANNOUNCEMENT
        | QueryFlags::CHANNEL_UPDATE_1
        | QueryFlags::CHANNEL_UPDATE_2
        | QueryFlags::NODE_ANNOUNCEMENT_1
        | QueryFlags::NODE_ANNOUNCEMENT_2;
    let told = timestamps.map(|told| [told.timestamp_node_id_1, told.timestamp_node_id_2]);
    // What is older is pruned; zero says that there is none.
    let oldest = (now / 1_000).saturating_sub(u64::from(MAX_AGE_SECS));
    let is_old = |told: u32| u64::from(told) < oldest;
    let Some(known) = gossip.graph().channel(id) else {
        let is_over = told.is_some_and(|told| told.iter().any(|told| *told != 0 && is_old(*told)));
        return if is_over || gossip.is_known_gone(id) { 0 } else { ALL };
    };
    let Some(told) = told else {
        return 0;
    };
    let sums = checksums.map(|sums| [sums.checksum_node_id_1, sums.checksum_node_id_2]);
    let mut flags = 0;
    for (n, bit) in [QueryFlags::CHANNEL_UPDATE_1, QueryFlags::CHANNEL_UPDATE_2].into_iter().enumerate() {
        let ours = known.policies[n].as_ref().map_or((0, 0), |policy| (policy.timestamp, policy.checksum));
        // The same said anew matters only before the old is forgotten: a week.
        let differs = sums.is_none_or(|sums| sums[n] != ours.1);
        let is_much_newer = told[n].saturating_sub(ours.0) > 7 * 24 * 60 * 60;
        // LND says of an update that it does not have a time that is far ahead.
        let is_possible = u64::from(told[n]) <= now / 1_000 + u64::from(MAX_AHEAD_SECS);
        if is_possible && !is_old(told[n]) && told[n] > ours.0 && (differs || is_much_newer) {
            flags |= bit;
        }
    }
    flags
}
