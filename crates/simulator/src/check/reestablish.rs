//! Counts what is said again after `channel_reestablish`: each case must have been seen.

use crate::machine::{Part, Taken};
use crate::world::World;
use astrape_channel::{Outgoing, Signing};
use astrape_node::{Effect, Speech};
use astrape_primitives::{ChannelId, Side};

/// A message that is said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Revocation,
    Commitment,
}

/// Looks at the effects of steps that took a `channel_reestablish`. What they sign for the first time is not said again.
pub(super) fn count(world: &mut World, node: usize, parts: &[Part], effects: &[Effect]) {
    let mut rest = effects;
    for part in parts {
        let (of_part, later) = rest.split_at(part.effects.min(rest.len()));
        rest = later;
        if let Taken::Reestablish(channel_id) = part.taken {
            let said: Vec<Again> = of_part.iter().filter_map(|e| again(world, node, channel_id, e)).collect();
            let case = match said[..] {
                [] => 0,
                [Again::Revocation] => 1,
                [Again::Commitment] => 2,
                [Again::Revocation, Again::Commitment] => 3,
                [Again::Commitment, Again::Revocation] => 4,
                _ => continue,
            };
            let Some(opener) = opener(world, node, channel_id) else { continue };
            world.totals.reestablish[usize::from(opener == Side::Remote)][case] += 1;
        }
    }
}

fn again(world: &World, node: usize, channel_id: ChannelId, effect: &Effect) -> Option<Again> {
    let Effect::Send { speech: Speech::Channel(outgoing), .. } = effect else {
        return None;
    };
    match outgoing {
        Outgoing::Revoke { channel_id: id, .. } if *id == channel_id => Some(Again::Revocation),
        Outgoing::Sign(Signing::CommitmentSigned { channel_id: id, request }) if *id == channel_id => {
            world.checks.signed.has(node, &request.keys, request.content.number).then_some(Again::Commitment)
        }
        _ => None,
    }
}

fn opener(world: &World, node: usize, channel_id: ChannelId) -> Option<Side> {
    let mut channels = world.process(node)?.node.channels();
    let (_, channel) = channels.find(|(_, channel)| channel.channel_id() == channel_id)?;
    Some(channel.open()?.params.opener)
}
