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
    /// A permit that is just dropped counts as [`Outcome::Ignored`].
    #[inline]
    pub fn finish(mut self, outcome: Outcome) {
        self.shared.outcomes.count(outcome, self.hold.permits());
        self.hold = self.hold.ended();
    }

    /// The permit as the guard of a piece of work, which can tell work that ended from work that was cut short.
    ///
    /// Use it where a future holds the permit and may be dropped by a caller who gives up.
    pub const fn begin(self) -> Work {
        Work { permit: Some(self) }
    }

    #[cold]
    fn give_up(mut self) {
        self.shared.outcomes.abandon(self.hold.permits(), self.shared.gate.age(self.hold));
        self.hold = self.hold.ended();
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
            self.shared.outcomes.count(Outcome::Ignored, self.hold.permits());
        }
        self.shared.gate.release(self.hold);
    }
}

/// A permit in use by work that may be cut short; made by [`Permit::begin`].
///
/// Dropped without [`finish`](Self::finish) it says that the work was cut short: that counts as [`Outcome::Ignored`], and how
/// long the permit had been out is evidence, since callers lose patience with a database that hangs.
#[must_use = "dropping it says that the work was cut short"]
#[derive(Debug)]
pub struct Work {
    /// `None` once it was given back.
    permit: Option<Permit>,
}

impl Work {
    /// Gives the permit back and says how the work ended; see [`Permit::finish`].
    pub fn finish(mut self, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            permit.finish(outcome);
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.give_up();
        }
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
