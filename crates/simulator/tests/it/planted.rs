//! Planted bugs, each found by the checker that is there for it.
