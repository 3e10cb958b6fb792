//! How far a wallet is that reads old blocks: what is in those above is neither counted nor known to be spent.

use astrape_chain::Status;
use astrape_primitives::Height;
use std::fmt;

/// Blocks that the wallet may lack and count as complete all the same: those that come while it works, or came during a short stop.
pub(super) const MAX_UNREAD: u32 = 6;

/// A wallet that has blocks to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The newest block that it has read.
    pub read: Height,
    /// The newest one that there is.
    pub tip: Height,
}

impl Reading {
    /// Where a wallet stands that has read up to a block, when the core has taken in `core` and the source says how it stands; `None`
    /// when it is complete.
    pub(super) fn of(read: Height, core: Height, source: &Status) -> Option<Self> {
        let told = match source {
            Status::Following { tip } | Status::Stale { tip, .. } => tip.height,
            Status::CatchingUp { target, .. } => *target,
            Status::SourceBehind { headers, .. } => *headers,
            Status::Starting | Status::Unreachable { .. } => core,
        };
        let tip = told.max(core);
        (tip.0 > read.0.saturating_add(MAX_UNREAD)).then_some(Self { read, tip })
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the on-chain wallet has read block {} of {}", self.read, self.tip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_is_complete_when_it_lacks_few_blocks_of_those_that_the_core_or_the_source_has() {
        let catching_up = |target| Status::CatchingUp { at: Height(100), target: Height(target) };
        let at = |read, source: &Status| Reading::of(Height(read), Height(100), source);
        assert_eq!(at(100, &Status::Starting), None);
        assert_eq!(at(100 - MAX_UNREAD, &Status::Starting), None);
        let reading = at(99 - MAX_UNREAD, &Status::Starting).expect("it reads");
        assert_eq!(reading.to_string(), "the on-chain wallet has read block 93 of 100");
        assert_eq!(at(100, &catching_up(100 + MAX_UNREAD)), None);
        assert_eq!(at(100, &catching_up(900)), Some(Reading { read: Height(100), tip: Height(900) }));
        let behind = Status::SourceBehind { blocks: Height(100), headers: Height(900) };
        assert_eq!(at(100, &behind), Some(Reading { read: Height(100), tip: Height(900) }));
    }
}
