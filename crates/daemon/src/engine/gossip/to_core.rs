//! Which updates of a peer the core is to see too: those of its channels with us. A peer may pass on all that it has heard, and
//! what is of other channels must not keep out what is of ours.

use astrape_primitives::ChannelKeysId;
use std::collections::BTreeMap;

/// Updates of channels that are not known, each minute: a channel with the peer may be among them before we know all its names.
pub(super) const MAX_UNKNOWN_TO_CORE: u32 = 30;

/// Updates of one channel with the peer, each minute: more than a peer can have reasons for.
pub(super) const MAX_OWN_TO_CORE: u32 = 30;

/// What a peer has told the core in this minute.
#[derive(Debug, Default)]
pub(super) struct ToCore {
    unknown: u32,
    /// By those of its channels of which it has told something.
    own: BTreeMap<ChannelKeysId, u32>,
}

impl ToCore {
    /// Whether an update passes. `own` is the channel with the peer that it names, if it names one; `is_known` whether it is a
    /// channel that the network knows.
    pub(super) fn passes(&mut self, own: Option<ChannelKeysId>, is_known: bool) -> bool {
        let (count, most) = match own {
            Some(keys) => (self.own.entry(keys).or_default(), MAX_OWN_TO_CORE),
            None if is_known => return false,
            None => (&mut self.unknown, MAX_UNKNOWN_TO_CORE),
        };
        *count = count.saturating_add(1);
        *count <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(to_core: &mut ToCore, own: Option<ChannelKeysId>, is_known: bool) -> usize {
        (0..1_000).filter(|_| to_core.passes(own, is_known)).count()
    }

    #[test]
    fn a_flood_of_unknown_channels_keeps_out_no_channel_of_ours() {
        let mut to_core = ToCore::default();
        assert_eq!(passed(&mut to_core, None, false), MAX_UNKNOWN_TO_CORE as usize);
        assert_eq!(passed(&mut to_core, None, true), 0, "of others, whom the network knows");
        for n in 1..4 {
            let own = Some(ChannelKeysId([n; 32]));
            assert_eq!(passed(&mut to_core, own, n == 1), MAX_OWN_TO_CORE as usize, "each by its own bound");
        }
        assert!(!to_core.passes(None, false));
    }
}
