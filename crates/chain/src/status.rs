//! Whether the chain can be relied on now.

use crate::source::SourceState;
use astrape_primitives::{BlockId, Height, Timestamp};
use std::fmt;
use std::time::Duration;

/// Blocks that the best header may be above the best block before the source counts as behind: new blocks arrive header
/// first.
const MAX_HEADERS_AHEAD: u32 = 3;

/// Blocks that we may be below the source's tip and still count as being there, once we were: those that come are read in a moment.
const MAX_BEHIND: u32 = 2;

/// How the follower stands to its source. Only [`Status::Following`] lets the node take on new risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing was heard yet.
    Starting,
    /// We are at the source's tip, and it is fresh.
    Following {
        /// The source's best block.
        tip: BlockId,
    },
    /// We are reading blocks that the source has.
    CatchingUp {
        /// Where we are.
        at: Height,
        /// The source's tip.
        target: Height,
    },
    /// The source itself lacks blocks: it is downloading the chain, it has lost some that it gave us (a power cut, `-reindex`,
    /// `invalidateblock`), or somebody keeps blocks from it (attack 44).
    SourceBehind {
        /// Its best block's height.
        blocks: Height,
        /// The height up to which there are blocks: of its best header, or of ours.
        headers: Height,
    },
    /// The source's best block is too old: no luck of the miners explains it, an eclipse does (attack 43).
    Stale {
        /// The source's best block.
        tip: BlockId,
        /// How old it is by its header and our clock.
        age: Duration,
    },
    /// The source gives no answers.
    Unreachable {
        /// Since when.
        since: Timestamp,
        /// What the last failure was.
        reason: String,
    },
}

/// Where a follower stands when its source says how it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The newest block that was told.
    pub at: BlockId,
    /// Whether a block came on top of the source's tip while we stood there and no header was without its block. A source that begins to
    /// download knows no headers yet, and looks as if its old tip were the end of the chain; before a block comes on top of that, it
    /// has learnt of all of them.
    pub is_growing: bool,
    /// Our clock.
    pub now: Timestamp,
}

impl SourceState {
    /// Whether there are blocks that it has not: those of its best headers, or ours up to `at`.
    #[must_use]
    pub fn lacks_blocks(&self, at: Height) -> bool {
        let has = self.tip.height;
        self.headers.0 > has.0.saturating_add(MAX_HEADERS_AHEAD) || at > has
    }
}

impl Status {
    /// How things stand after this, by a source's own word.
    ///
    /// Bitcoin Core says after a start that it downloads the chain until it has a block of the last day by its clock. Where that clock is
    /// ahead, or blocks are late, it says so for days, and blocks keep coming: its tip is an old one, and still the tip.
    #[must_use]
    pub fn then(&self, state: &SourceState, standing: &Standing, limits: &FreshnessLimits) -> Self {
        let (tip, at) = (state.tip, standing.at);
        let is_downloading = state.initial_download && limits.heed_initial_download;
        if state.lacks_blocks(at.height) || (is_downloading && !standing.is_growing) {
            return Status::SourceBehind { blocks: tip.height, headers: state.headers.max(at.height) };
        }
        let is_behind = match self.is_at_tip() {
            true => tip.height.0 > at.height.0.saturating_add(MAX_BEHIND),
            false => tip != at,
        };
        if is_behind {
            return Status::CatchingUp { at: at.height, target: tip.height };
        }
        let age = Duration::from_millis(standing.now.since(state.tip_time));
        if is_downloading || limits.stale_after.is_some_and(|limit| age > limit) {
            return Status::Stale { tip, age };
        }
        Status::Following { tip }
    }

    /// Whether the node may accept new HTLCs to forward and open channels.
    #[must_use]
    pub fn is_reliable(&self) -> bool {
        matches!(self, Status::Following { .. })
    }

    /// Whether we are at the source's tip, fresh or not.
    #[must_use]
    pub fn is_at_tip(&self) -> bool {
        matches!(self, Status::Following { .. } | Status::Stale { .. })
    }

    /// Whether two say the same, details aside.
    #[must_use]
    pub fn same_kind(&self, other: &Status) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Starting => write!(f, "starting"),
            Status::Following { tip } => write!(f, "following, at block {}", tip.height),
            Status::CatchingUp { at, target } => write!(f, "catching up, at block {at} of {target}"),
            Status::SourceBehind { blocks, headers } => {
                write!(f, "waiting for the chain source, which has {blocks} of {headers} blocks")
            }
            Status::Stale { tip, age } => {
                let minutes = age.as_secs() / 60;
                write!(
                    f,
                    "block {}, the newest that the chain source has, is {} h {} min old: either it is cut off from the network, or \
                     the clock of this machine is ahead",
                    tip.height,
                    minutes / 60,
                    minutes % 60
                )
            }
            Status::Unreachable { reason, .. } => write!(f, "{reason}"),
        }
    }
}

/// When a source's own word is doubted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshnessLimits {
    /// Age of the best block from which on it is stale; `None` where blocks come only on demand.
    pub stale_after: Option<Duration>,
    /// Whether the source's "initial download" counts. A regtest node says so whenever nobody mined for a day.
    pub heed_initial_download: bool,
}

impl FreshnessLimits {
    /// Two hours and a half without a block happen once in 60 years by chance, also when a header's time is an hour off;
    /// regtest has no limits.
    #[must_use]
    pub fn for_network(network: astrape_primitives::Network) -> Self {
        let real = network != astrape_primitives::Network::Regtest;
        Self { stale_after: real.then_some(Duration::from_secs(9_000)), heed_initial_download: real }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_primitives::Network;
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash as _;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn block(height: u32) -> BlockId {
        BlockId { height: Height(height), hash: BlockHash::all_zeros() }
    }

    fn state(height: u32) -> SourceState {
        SourceState { tip: block(height), tip_time: NOW, headers: Height(height), initial_download: false }
    }

    /// Of a source that does not grow, after a status.
    fn after(before: &Status, state: &SourceState, at: u32, network: Network) -> Status {
        let standing = Standing { at: block(at), is_growing: false, now: NOW };
        before.then(state, &standing, &FreshnessLimits::for_network(network))
    }

    /// The same where we were at the tip before.
    fn status(state: &SourceState, at: u32, network: Network) -> Status {
        after(&Status::Following { tip: block(at) }, state, at, network)
    }

    #[test]
    fn at_a_fresh_tip_we_follow_and_a_few_new_blocks_change_nothing() {
        assert!(status(&state(100), 100, Network::Bitcoin).is_reliable());
        assert!(status(&state(100), 98, Network::Bitcoin).is_reliable());
        let behind = status(&state(100), 97, Network::Bitcoin);
        assert_eq!(behind, Status::CatchingUp { at: Height(97), target: Height(100) });
        assert!(!behind.is_reliable());
    }

    #[test]
    fn we_follow_only_once_the_last_block_is_read() {
        let since = Timestamp(0);
        let others = [
            Status::Starting,
            Status::CatchingUp { at: Height(90), target: Height(100) },
            Status::Unreachable { since, reason: "nobody is there".into() },
            Status::SourceBehind { blocks: Height(90), headers: Height(100) },
        ];
        for before in others {
            for network in [Network::Bitcoin, Network::Regtest] {
                let behind = after(&before, &state(100), 99, network);
                assert_eq!(behind, Status::CatchingUp { at: Height(99), target: Height(100) }, "{before}");
                assert!(after(&before, &state(100), 100, network).is_reliable(), "{before}");
            }
        }
        // One of the same height that has taken the place of ours is yet to be read.
        let other = SourceState {
            tip: BlockId { hash: BlockHash::from_byte_array([1; 32]), ..block(100) },
            ..state(100)
        };
        assert!(!after(&Status::Starting, &other, 100, Network::Bitcoin).is_at_tip());
    }

    #[test]
    fn an_old_tip_is_stale_but_not_on_regtest() {
        let old = SourceState { tip_time: Timestamp::from_secs(NOW.secs() - 9_001), ..state(100) };
        assert!(matches!(status(&old, 100, Network::Bitcoin), Status::Stale { .. }));
        assert!(status(&old, 100, Network::Regtest).is_reliable());
        let words = status(&old, 100, Network::Bitcoin).to_string();
        assert!(words.starts_with("block 100") && words.contains("2 h 30 min old"), "{words}");
        // While there are blocks to be read, their age says nothing.
        assert!(matches!(status(&old, 97, Network::Bitcoin), Status::CatchingUp { .. }));
        let young = SourceState { tip_time: Timestamp::from_secs(NOW.secs() - 8_999), ..state(100) };
        assert!(status(&young, 100, Network::Bitcoin).is_reliable());
    }

    #[test]
    fn headers_without_their_blocks_are_a_source_that_lags() {
        let lacking = SourceState { headers: Height(104), ..state(100) };
        assert!(matches!(status(&lacking, 100, Network::Regtest), Status::SourceBehind { .. }));
        let usual = SourceState { headers: Height(101), ..state(100) };
        assert!(status(&usual, 100, Network::Bitcoin).is_reliable());
    }

    #[test]
    fn a_source_without_a_block_that_it_gave_us_lags() {
        let behind = status(&state(100), 101, Network::Regtest);
        assert_eq!(behind, Status::SourceBehind { blocks: Height(100), headers: Height(101) });
        assert!(!behind.is_reliable());
    }

    #[test]
    fn the_initial_download_counts_only_where_blocks_come_by_themselves() {
        let downloading = SourceState { initial_download: true, ..state(100) };
        assert!(matches!(status(&downloading, 100, Network::Signet), Status::SourceBehind { .. }));
        assert!(status(&downloading, 100, Network::Regtest).is_reliable());
    }
    /// The clock is ahead by more than a day, and bitcoind was restarted: it believes that it has the chain to download.
    #[test]
    fn blocks_that_come_one_by_one_are_the_tip_whatever_the_clock_says_of_their_age() {
        let old = Timestamp::from_secs(NOW.secs() - 100_000);
        let late = SourceState { initial_download: true, tip_time: old, ..state(100) };
        let limits = FreshnessLimits::for_network(Network::Bitcoin);
        let standing = |at, is_growing| Standing { at: block(at), is_growing, now: NOW };
        let behind = Status::SourceBehind { blocks: Height(100), headers: Height(100) };
        assert_eq!(behind.then(&late, &standing(100, false), &limits), behind, "it may know no headers yet");
        let stale = behind.then(&late, &standing(100, true), &limits);
        assert!(matches!(stale, Status::Stale { .. }), "{stale}");
        assert!(stale.is_at_tip() && !stale.is_reliable());
        assert!(!behind.then(&late, &standing(99, true), &limits).is_at_tip());
        // Young or not: what it believes to be old is not relied on.
        let young = SourceState { tip_time: NOW, ..late };
        assert!(matches!(behind.then(&young, &standing(100, true), &limits), Status::Stale { .. }));
        let lacking = SourceState { headers: Height(104), ..late };
        let lags = behind.then(&lacking, &standing(100, true), &limits);
        assert!(matches!(lags, Status::SourceBehind { .. }), "{lags}");
    }
}
