//! What happened, as one hash that grows, and as lines for people when asked for.

use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};

/// The running hash of everything that was picked and said. The same seed twice gives the same hash.
#[derive(Clone)]
pub(crate) struct Trace {
    engine: sha256::HashEngine,
    /// Print each line as it comes.
    pub(crate) aloud: bool,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { engine: sha256::Hash::engine(), aloud: false }
    }

    /// Takes in what happened.
    pub(crate) fn note(&mut self, bytes: &[u8]) {
        self.engine.input(&(bytes.len() as u64).to_be_bytes());
        self.engine.input(bytes);
    }

    /// For people only; made only when somebody listens.
    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        if self.aloud {
            println!("{}", line());
        }
    }

    /// The hash so far.
    pub(crate) fn hash(&self) -> [u8; 32] {
        sha256::Hash::from_engine(self.engine.clone()).to_byte_array()
    }
}
