//! What was seen of hostile nodes in a whole network.

/// Counts of what hostile nodes did, and of nodes that were away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebTotals {
    /// Onions that said something else to a hostile node than what was in them.
    pub twisted: u64,
    /// Onions that a hostile node would not read.
    pub refused: u64,
    /// Payments that were held on their way.
    pub held: u64,
    /// Failures that were changed on their way back.
    pub spoilt: u64,
    /// Nodes that were away for long.
    pub slept: u64,
}

impl WebTotals {
    pub(super) fn add(&mut self, other: &Self) {
        self.twisted += other.twisted;
        self.refused += other.refused;
        self.held += other.held;
        self.spoilt += other.spoilt;
        self.slept += other.slept;
    }

    /// Each count with its name.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 5] {
        [
            ("onions twisted", self.twisted),
            ("onions refused", self.refused),
            ("payments stuck on their way", self.held),
            ("failures spoilt", self.spoilt),
            ("nodes asleep", self.slept),
        ]
    }
}
