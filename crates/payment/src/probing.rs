//! Probing: forwards that are sent to come back, and tell by that what a channel of ours has (attack 51).
//!
//! Every refusal of ours looks alike, so that one of them tells a single bit: there was enough, or not. Some twenty bits are a
//! balance, and twenty more an hour later are a payment that somebody made. What is limited here is how many can be asked for: so
//! many forwards that came in over one channel may come back unpaid from another. After that they are answered as if the
//! balance was missing, and are not passed on.
//!
//! Honest payers fail too, many times for each payment that arrives. So there is room for all parts and retries of some
//! payments at once, time gives back what was used, and each forward that is paid gives back much. What an empty channel does
//! not take counts for little: all payers meet it there, and must not be sent away when it is filled again. Each pair of channels has its
//! own account: who probes over one peer takes nothing from those who come over another, nor from those who go elsewhere.
//!
//! What ends at us is not limited: BOLT 4 lays down its answer, and an answer of any kind says that it arrived.
//!
//! Nothing of this is durable: a restart begins all accounts anew.

use astrape_primitives::Timestamp;

/// Forwards from one channel over another that may come back unpaid at once: five times twenty parts.
pub const MAX_UNPAID: u64 = 100;

/// Time that gives one of them back: then nine balances of twenty bits can be asked for in an hour, instead of one each second.
pub const REGAIN_MILLIS: u64 = 20_000;

/// So many forwards that the outgoing channel itself did not take count as one that came back.
pub const REFUSED_AS_ONE: u64 = 5;

/// As many of them a forward gives back that is paid: who pays once in so many attempts is never limited.
pub const REGAINED_BY_PAID: u64 = 10;

/// Accounts that are kept: one for each pair of channels whose forwards came back of late. Some 80 bytes each.
pub const MAX_ACCOUNTS: usize = 20_000;

/// The longest time that can be missing.
const MAX_DEBT_MILLIS: u64 = MAX_UNPAID * REGAIN_MILLIS;

/// What came back unpaid of the forwards from one channel over another: the time at which all of it is given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unpaid {
    clear_at: Timestamp,
}

impl Unpaid {
    /// Milliseconds until all is given back. What could not have been entered is of a clock that has gone back since, and counts
    /// for nothing.
    fn debt(&self, now: Timestamp) -> u64 {
        let debt = self.clear_at.since(now);
        if debt > 2 * MAX_DEBT_MILLIS { 0 } else { debt }
    }

    /// A forward came back unpaid. What was under way together is counted up to [`MAX_UNPAID`].
    #[must_use]
    pub fn after_unpaid(&self, now: Timestamp) -> Self {
        self.with(REGAIN_MILLIS, now)
    }

    /// The outgoing channel did not take a forward.
    #[must_use]
    pub fn after_refused(&self, now: Timestamp) -> Self {
        self.with(REGAIN_MILLIS / REFUSED_AS_ONE, now)
    }

    fn with(&self, more_millis: u64, now: Timestamp) -> Self {
        let debt = self.debt(now).saturating_add(more_millis).min(MAX_DEBT_MILLIS);
        Self { clear_at: now.plus(debt) }
    }

    /// A forward was paid.
    #[must_use]
    pub fn after_paid(&self, now: Timestamp) -> Self {
        Self { clear_at: now.plus(self.debt(now).saturating_sub(REGAINED_BY_PAID * REGAIN_MILLIS)) }
    }

    /// Whether no more is passed on for now.
    #[must_use]
    pub fn is_used_up(&self, now: Timestamp) -> bool {
        self.debt(now) > MAX_DEBT_MILLIS - REGAIN_MILLIS
    }

    /// Whether all was given back: there is nothing to remember.
    #[must_use]
    pub fn is_clear(&self, now: Timestamp) -> bool {
        self.debt(now) == 0
    }
}
