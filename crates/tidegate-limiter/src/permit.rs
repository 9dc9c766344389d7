use std::fmt;
use std::sync::Arc;

use tidegate_core::Outcome;

use crate::gate::Hold;
use crate::limiter::Shared;

/// The right to run one unit of work. Dropping it gives it back, to the next caller in line if one waits.
///
/// A permit may be moved to another task or thread, and held across `.await`. It keeps the limiter alive.
#[must_use = "dropping a permit gives it back at once"]
pub struct Permit {
    shared: Arc<Shared>,
    hold: Hold,
}

impl Permit {
    /// Wraps permits that were taken from the gate; the caller's count becomes this value's.
    #[inline]
    pub(crate) fn new(shared: Arc<Shared>, hold: Hold) -> Self {
        let hold = shared.gate.given_now(hold);
        Self { shared, hold }
    }

    /// Gives the permit back and says how the work ended, as evidence for the control law.
    ///
    /// A permit that is just dropped counts as [`Outcome::Ignored`]: the work may have been cancelled or have panicked.
    /// How long it had been out is evidence all the same, since callers give up on a database that hangs.
    #[inline]
    pub fn finish(mut self, outcome: Outcome) {
        self.shared.outcomes.count(outcome, self.hold.permits());
        self.hold = self.hold.ended();
    }

    #[cold]
    fn abandon(&self) {
        self.shared.outcomes.abandon(self.hold.permits(), self.shared.gate.age(self.hold));
    }

    /// How many permits of the limit this is: the weight of its class, or the limit of that moment if that was less.
    #[must_use]
    pub const fn weight(&self) -> u32 {
        self.hold.permits()
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if !self.hold.is_ended() {
            self.abandon();
        }
        self.shared.gate.release(self.hold);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("limiter", &self.shared.name)
            .field("weight", &self.weight())
            .finish_non_exhaustive()
    }
}
