use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use crate::gate::{Entry, Kind, Line, Stamp, Ticket};
use crate::limiter::Shared;
use crate::{Acquire, Limiter};

/// A permit kept for a service between "ready" and the call: what `poll_ready` of a tower service holds.
///
/// A reservation is revocable. It is given back when it is dropped, and it is taken back when others wait and it has not
/// been claimed: at once by a caller that finds nobody else waiting, otherwise by the driver, within two of its looks
/// (half a tick). So a service that is ready and idle does not keep the limit from those who have work.
/// [`claim`](Self::claim) after that still succeeds; it waits, first in line.
///
/// Use [`Limiter::acquire`] unless you implement a `poll_ready`.
pub struct Reservation {
    shared: Arc<Shared>,
    state: State,
}

/// ```text
/// Empty    → Reserved   a permit was free
/// Empty    → Waiting    none was
/// Waiting  → Reserved   one was handed over
/// Reserved → Empty      claimed
/// ```
enum State {
    Empty,
    Waiting { ticket: Ticket, since: Instant },
    Reserved(Stamp),
}

impl Reservation {
    /// A handle that holds no reservation yet.
    #[must_use]
    pub fn new(limiter: &Limiter) -> Self {
        Self { shared: Arc::clone(limiter.shared()), state: State::Empty }
    }

    /// Whether a permit is reserved; if not, the task is woken when one is.
    ///
    /// The place in line is kept between polls and given up when the handle is dropped.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.state, State::Empty) {
            let gate = &self.shared.gate;
            let stamp = gate.stamp();
            self.state = if gate.try_take(Kind::Reservation) {
                State::Reserved(stamp)
            } else {
                match gate.enter(Kind::Reservation, Line::Ordinary, Some(cx.waker().clone())) {
                    Entry::Admitted => State::Reserved(stamp),
                    Entry::Queued(ticket) => State::Waiting { ticket, since: Instant::now() },
                }
            };
        }
        if let State::Waiting { ticket, since } = &self.state {
            let stamp = ready!(self.shared.gate.poll_ticket(ticket, cx));
            let waited = since.elapsed();
            self.state = State::Reserved(stamp);
            self.shared.telemetry.queue_wait(waited);
        }
        Poll::Ready(())
    }

    /// Spends the reservation. `None` if [`poll_ready`](Self::poll_ready) has not been ready since the last claim.
    ///
    /// The future is ready at once, or, if the reservation was revoked meanwhile, waits for a permit, first in line.
    pub fn claim(&mut self) -> Option<Acquire> {
        let State::Reserved(stamp) = self.state else {
            return None;
        };
        self.state = State::Empty;
        Some(Acquire::claim(Arc::clone(&self.shared), stamp))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Empty) {
            State::Empty => {}
            State::Waiting { ticket, since } => {
                self.shared.gate.cancel(ticket);
                self.shared.telemetry.queue_wait(since.elapsed());
            }
            State::Reserved(stamp) => self.shared.gate.unreserve(stamp),
        }
    }
}

impl Clone for Reservation {
    /// A handle on the same limiter that holds no reservation: a reservation belongs to one holder.
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), state: State::Empty }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Empty => "empty",
            State::Waiting { .. } => "waiting",
            State::Reserved(_) => "reserved",
        };
        f.debug_struct("Reservation").field("state", &state).finish_non_exhaustive()
    }
}
