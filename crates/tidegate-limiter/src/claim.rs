use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_core::Outcome;

use crate::gate::{Entry, Hold, Line};
use crate::limiter::Shared;

/// The permit of a reservation, or, if others took that meanwhile, a promise of one; see
/// [`Reservation::claim`](crate::Reservation::claim).
///
/// The promise is never refused: the call was told "ready", and gets its permit also when the limiter is closed meanwhile.
/// Dropping it gives back what it is: a permit, a permit that was handed over and not seen, or the place in line.
#[must_use = "dropping a claim gives its permit back at once"]
pub struct Claim {
    shared: Arc<Shared>,
    /// A permit without a class, the promise of one, or, once ended, nothing.
    hold: Hold,
}

impl Claim {
    /// Wraps a permit that was taken from the gate; the caller's count becomes this value's.
    #[inline]
    pub(crate) const fn held(shared: Arc<Shared>, hold: Hold) -> Self {
        Self { shared, hold }
    }

    fn held_now(shared: Arc<Shared>) -> Self {
        let hold = shared.gate.given_now(Hold::PLAIN);
        Self::held(shared, hold)
    }

    /// A permit, or the first place in line.
    #[cold]
    pub(crate) fn promised(shared: Arc<Shared>) -> Self {
        if shared.gate.try_take() {
            return Self::held_now(shared);
        }
        match shared.gate.enter(Line::First, None) {
            Entry::Queued(ticket) => Self { shared, hold: Hold::promised(ticket) },
            // The first line is never refused.
            Entry::Admitted(_) | Entry::Refused(_) => Self::held_now(shared),
        }
    }

    /// Whether the permit is there; if not, the task is woken when it is. It waits first in line.
    ///
    /// Once ready it stays ready, at no cost.
    ///
    /// # Panics
    ///
    /// If the claim was finished: a future that asks was polled again after it was ready.
    #[inline]
    pub fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.hold.is_held() { Poll::Ready(()) } else { self.poll_promise(cx) }
    }

    #[cold]
    fn poll_promise(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(ticket) = self.hold.ticket() else {
            unreachable!("a claim was polled after it was finished");
        };
        // Of the first line nobody is refused, so an answer is a permit.
        if self.shared.gate.poll_ticket(&ticket, cx).is_pending() {
            return Poll::Pending;
        }
        self.hold = self.shared.gate.given_now(Hold::PLAIN);
        Poll::Ready(())
    }

    /// Gives back what it is and, if it was held, says how the work ended; see [`Permit::finish`](crate::Permit::finish).
    ///
    /// A second time it does nothing. Of the limiter a finished claim keeps only a handle.
    #[inline]
    pub fn finish(&mut self, outcome: Outcome) {
        if self.hold.is_held() {
            self.shared.outcomes.count(outcome, 1);
            // A waker that panics must not give it back twice.
            self.hold = Hold::PLAIN.ended();
            self.shared.gate.release_plain();
        } else {
            self.give_up();
        }
    }

    /// The end without a word.
    #[cold]
    fn give_up(&mut self) {
        let hold = std::mem::replace(&mut self.hold, Hold::PLAIN.ended());
        if let Some(ticket) = hold.ticket() {
            let unseen = self.shared.gate.cancel(ticket);
            self.shared.outcomes.unseen(unseen);
        } else if hold.is_held() {
            self.shared.outcomes.abandon(1, self.shared.gate.age(hold));
            self.shared.gate.release_plain();
        }
    }
}

impl Drop for Claim {
    #[inline]
    fn drop(&mut self) {
        if !self.hold.is_ended() {
            self.give_up();
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("is_held", &self.hold.is_held()).finish_non_exhaustive()
    }
}
