//! What must never happen, and did.

/// Which checker found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checker {
    /// The disk is the node.
    Disk,
    /// Money is conserved.
    Money,
    /// Both sides' commitments mirror at rest.
    Mirror,
    /// A preimage given downstream is claimed upstream.
    Preimage,
    /// Every payment ends, once, and both ends agree how.
    Payments,
    /// No channel closes unless somebody asked for it.
    Closes,
    /// Fees are within their bounds.
    Fees,
    /// Justice is possible for every state that was ever signed.
    Justice,
    /// Whose channel is funded can go on chain alone.
    Exit,
    /// An honest node is never punished.
    Punished,
    /// Every output that is ours ends in our wallet.
    Unclaimed,
    /// Nobody loses on chain but to miners and dust.
    Wealth,
    /// Fees on chain stay within their budgets.
    Budget,
    /// No coin pays for two things.
    Coins,
    /// When faults stop, all that is on chain is resolved within a number of blocks.
    Resolved,
    /// When faults stop, the world comes to rest.
    Rest,
    /// What is to be said can be said: signed, built, encoded, decoded.
    Release,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Who found it.
    pub checker: Checker,
    /// What it found.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(checker: Checker, what: impl Into<String>) -> Self {
        Self { checker, what: what.into() }
    }
}

impl core::fmt::Display for Violation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}: {}", self.checker, self.what)
    }
}

impl std::error::Error for Violation {}

/// `Err` with a violation unless `holds`.
pub(crate) fn ensure(holds: bool, checker: Checker, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::new(checker, what())) }
}
