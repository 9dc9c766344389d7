use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_core::Outcome;

use crate::gate::{Entry, Hold, Kind, Line, Stamp, Ticket};
use crate::limiter::Shared;

/// The permit of a reservation, or, if others took that meanwhile, a promise of one; see
/// [`Reservation::claim`](crate::Reservation::claim).
///
/// The promise is never refused: the call was told "ready", and gets its permit also when the limiter is closed meanwhile.
/// Dropping it gives back what it is: a permit, a permit that was handed over and not seen, or the place in line.
#[must_use = "dropping a claim gives its permit back at once"]
pub struct Claim {
    shared: Arc<Shared>,
    /// A permit without a class, or the promise of one.
    hold: Hold,
}

impl Claim {
    #[inline]
    pub(crate) fn held(shared: Arc<Shared>, given: Stamp) -> Self {
        Self { shared, hold: Hold::PLAIN.given(given) }
    }

    pub(crate) fn held_now(shared: Arc<Shared>) -> Self {
        let given = shared.gate.stamp();
        Self::held(shared, given)
    }

    /// A permit, or the first place in line.
    #[cold]
    pub(crate) fn promised(shared: Arc<Shared>) -> Self {
        if shared.gate.try_take() {
            return Self::held_now(shared);
        }
        match shared.gate.enter(Kind::Permit, Line::First, None) {
            Entry::Queued(ticket) => Self { shared, hold: Hold::promised(ticket) },
            // The first line is never refused.
            Entry::Admitted(_) | Entry::Refused(_) => Self::held_now(shared),
        }
    }

    /// Whether the permit is there; if not, the task is woken when it is. It waits first in line.
    ///
    /// Once ready it stays ready, at no cost.
    #[inline]
    pub fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.hold.ticket() {
            None => Poll::Ready(()),
            Some(ticket) => self.poll_promise(&ticket, cx),
        }
    }

    #[cold]
    fn poll_promise(&mut self, ticket: &Ticket, cx: &mut Context<'_>) -> Poll<()> {
        // Of the first line nobody is refused, so an answer is a permit.
        if self.shared.gate.poll_ticket(ticket, cx).is_pending() {
            return Poll::Pending;
        }
        self.hold = self.shared.gate.given_now(Hold::PLAIN);
        Poll::Ready(())
    }

    /// Gives back what it is and, if it was held, says how the work ended; see [`Permit::finish`](crate::Permit::finish).
    #[inline]
    pub fn finish(mut self, outcome: Outcome) {
        if !self.hold.is_promised() {
            self.shared.outcomes.count(outcome, 1);
            self.hold = self.hold.ended();
        }
    }

    /// The end without a word; whether there is a permit to give back.
    #[cold]
    fn abandon(&self) -> bool {
        if let Some(ticket) = self.hold.ticket() {
            let unseen = self.shared.gate.cancel(ticket);
            self.shared.outcomes.count(Outcome::Ignored, unseen);
            return false;
        }
        self.shared.outcomes.abandon(1, self.shared.gate.age(self.hold));
        true
    }
}

impl Drop for Claim {
    #[inline]
    fn drop(&mut self) {
        if self.hold.is_ended() || self.abandon() {
            self.shared.gate.release_plain();
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("is_held", &!self.hold.is_promised()).finish_non_exhaustive()
    }
}
