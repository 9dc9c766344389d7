use std::sync::Arc;

use tidegate_core::Outcome;

use crate::limiter::Shared;

/// The right to run one unit of work. Dropping it gives it back, to the next caller in line if one waits.
///
/// A permit may be moved to another task or thread, and held across `.await`.
#[must_use = "dropping a permit gives it back at once"]
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    outcome: Outcome,
}

impl Permit {
    /// Wraps a permit that was taken from the gate; the caller's count becomes this value's.
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, outcome: Outcome::Ignored }
    }

    /// Gives the permit back and says how the work ended, as evidence for the control law.
    ///
    /// A permit that is just dropped counts as [`Outcome::Ignored`]: the work may have been cancelled or have panicked.
    pub fn finish(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.outcomes.count(self.outcome);
        self.shared.gate.release();
    }
}
