//! The randomness of one step: 32 fresh bytes from the shell, spread over purposes by a tagged hash.

use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};

/// Randomness for one step. What is random inside the step is drawn here and lies in the state from then on, so that the
/// step is a function of its arguments.
#[derive(Clone)]
pub struct Entropy {
    seed: [u8; 32],
    counter: u32,
}

impl Entropy {
    /// From 32 bytes that the shell has just drawn. They must be fresh for each step.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// 32 bytes for one purpose. Two draws never give the same bytes, even for one purpose.
    pub fn draw(&mut self, purpose: &'static str) -> [u8; 32] {
        let mut engine = sha256::Hash::engine();
        let tag = sha256::Hash::hash(b"astrape/entropy");
        engine.input(tag.as_byte_array());
        engine.input(tag.as_byte_array());
        engine.input(&self.seed);
        engine.input(&self.counter.to_be_bytes());
        engine.input(purpose.as_bytes());
        self.counter += 1;
        sha256::Hash::from_engine(engine).to_byte_array()
    }
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entropy(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ_by_purpose_counter_and_seed() {
        let mut a = Entropy::new([1; 32]);
        let mut b = Entropy::new([1; 32]);
        let first = a.draw("one");
        assert_eq!(first, b.draw("one"), "the same step draws the same");
        assert_ne!(first, a.draw("one"));
        assert_ne!(a.draw("two"), b.draw("three"));
        assert_ne!(first, Entropy::new([2; 32]).draw("one"));
    }
}
