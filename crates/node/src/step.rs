//! The door. A step's effects are sealed; committing the step to a journal is the only way to them.

use crate::effect::Effect;
use crate::journal::{Journal, JournalError, Writes};

/// What one or more inputs led to: writes, and effects that only a commit lets out.
///
/// There is no way to the effects of a step that was not committed:
///
/// ```compile_fail
/// fn leak(step: astrape_node::Step) -> Vec<astrape_node::Effect> {
///     step.sealed
/// }
/// ```
///
/// nor to make one from effects of one's own choice:
///
/// ```compile_fail
/// let step = astrape_node::Step { writes: Default::default(), sealed: vec![] };
/// ```
///
/// The way through the door is [`Step::commit`]:
///
/// ```
/// fn through<J: astrape_node::Journal>(step: astrape_node::Step, journal: &mut J) -> Vec<astrape_node::Effect> {
///     step.commit(journal).expect("or the process stops")
/// }
/// ```
#[derive(Debug, Default)]
#[must_use = "a step that is not committed is lost, and memory then differs from the disk"]
pub struct Step {
    writes: Writes,
    sealed: Vec<Effect>,
}

impl Step {
    pub(crate) fn new(writes: Writes, sealed: Vec<Effect>) -> Self {
        Self { writes, sealed }
    }

    /// This step and a later one as one commit.
    pub fn then(mut self, later: Step) -> Step {
        self.writes.then(later.writes);
        self.sealed.extend(later.sealed);
        self
    }

    /// What will be written.
    #[must_use]
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// How many effects wait behind the door: for bounds, and for simulations that crash between them.
    #[must_use]
    pub fn sealed_len(&self) -> usize {
        self.sealed.len()
    }

    /// Makes the step durable and lets its effects out.
    ///
    /// # Errors
    /// When the journal does not take it. The effects are lost then, as they must be: the process stops.
    pub fn commit<J: Journal + ?Sized>(self, journal: &mut J) -> Result<Vec<Effect>, JournalError> {
        if !self.writes.is_empty() {
            journal.commit(&self.writes)?;
        }
        Ok(self.sealed)
    }
}
