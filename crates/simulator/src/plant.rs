//! Bugs that are planted to prove that each checker finds what it is there for. They are lies of the world around the node
//! (its disk, its door, its wire, its user), so that the node itself has no hook for them.

use crate::disk::DiskBug;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// The disk drops a record of each commit.
    DropsRecord {
        /// Whose disk.
        node: usize,
    },
    /// The disk does not archive HTLCs that are gone.
    ForgetsRetired {
        /// Whose disk.
        node: usize,
    },
    /// The disk drops the fact that a payment was received.
    HidesReceived {
        /// Whose disk.
        node: usize,
    },
    /// The disk tells of each payment that was sent that it failed, too.
    TellsFailedToo {
        /// Whose disk.
        node: usize,
    },
    /// The disk tells of each payment twice that it was sent.
    TellsTwice {
        /// Whose disk.
        node: usize,
    },
    /// The disk loses the last commit at a crash: effects got out of what is not durable.
    DoesNotSync {
        /// Whose disk.
        node: usize,
    },
    /// The first and the last effect of a commit change places.
    SwapsEffects {
        /// Whose door.
        node: usize,
    },
    /// `revoke_and_ack` goes out twice.
    RepeatsRevocation {
        /// Whose wire.
        node: usize,
    },
    /// `revoke_and_ack` never goes out.
    SwallowsRevocations {
        /// Whose wire.
        node: usize,
    },
    /// What was fulfilled downstream is failed upstream.
    FailsUpstream {
        /// Whose wire.
        node: usize,
    },
    /// Forwards for nothing, against the policy.
    ChargesNothing {
        /// Who.
        node: usize,
    },
    /// A channel of this node shows a millisatoshi less to the one checker of mirrors.
    BlursMirror {
        /// Whose.
        node: usize,
    },
    /// A channel of this node shows a satoshi more to the one checker of money.
    InventsMoney {
        /// Whose.
        node: usize,
    },
    /// A channel is closed by nobody's wish.
    ClosesUnasked {
        /// By whom.
        node: usize,
    },
    /// A revoked commitment goes out where the newest should.
    BroadcastsOld {
        /// Whose.
        node: usize,
    },
    /// Claims never go out.
    LosesClaims {
        /// Whose.
        node: usize,
    },
    /// Claims pay to a stranger.
    ClaimsElsewhere {
        /// Whose.
        node: usize,
    },
    /// A node shows less than it has to the one checker of wealth.
    LosesCoins {
        /// Whose.
        node: usize,
    },
    /// A coin of this node shows as somebody else's too to the one checker of coins.
    SharesCoins {
        /// Whose.
        node: usize,
    },
    /// Claims leave most to the miner.
    PaysTooMuch {
        /// Whose.
        node: usize,
    },
    /// The commitment of this node shows another feerate than was signed to the one checker of exits.
    BlursSignature {
        /// Whose.
        node: usize,
    },
    /// Chance that does not come from the seed.
    DrawsElsewhere,
}

impl Plant {
    pub(crate) fn disk_bug(self) -> Option<(usize, DiskBug)> {
        match self {
            Plant::DropsRecord { node } => Some((node, DiskBug::DropsRecord)),
            Plant::ForgetsRetired { node } => Some((node, DiskBug::ForgetsRetired)),
            Plant::HidesReceived { node } => Some((node, DiskBug::HidesReceived)),
            Plant::TellsFailedToo { node } => Some((node, DiskBug::TellsFailedToo)),
            Plant::TellsTwice { node } => Some((node, DiskBug::TellsTwice)),
            Plant::DoesNotSync { node } => Some((node, DiskBug::DoesNotSync)),
            _ => None,
        }
    }
}

/// A number that no seed gives.
pub(crate) fn elsewhere() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    DRAWN.fetch_add(1, Ordering::Relaxed)
}
