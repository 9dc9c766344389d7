use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;
use tracing::Span;

use crate::gate::{Grant, Seat, Stamp, Ticket};
use crate::limiter::Shared;
use crate::{Claim, Limiter};

/// A permit kept for a service between "ready" and the call: what `poll_ready` of a tower service holds.
///
/// A reservation is revocable. It is given back when it is dropped, and it is taken back when it stands idle and others want
/// a permit: by the driver, within two of its looks (half a tick), when somebody waits; and at once, once a look has seen
/// it, by a caller that finds nobody else waiting. So a service that is ready and idle does not keep the limit from those who have work.
/// [`claim`](Self::claim) after that still succeeds; it waits, first in line.
///
/// A handle that has waited once keeps its node in the line's memory, 72 bytes, until it is dropped.
///
/// Use [`Limiter::acquire`] unless you implement a `poll_ready`.
pub struct Reservation {
    shared: Arc<Shared>,
    state: State,
    seat: Seat,
    /// Of a wait, where spans are wanted. Not in `state`, which every call changes twice and need not drop so;
    /// boxed, so that those who want none have eight bytes of it.
    span: Option<Box<Span>>,
}

/// ```text
/// Empty    → Reserved   a permit was free
/// Empty    → Waiting    none was
/// Waiting  → Reserved   one was handed over
/// Reserved → Empty      claimed
/// ```
enum State {
    Empty,
    Waiting { ticket: Ticket, since: Option<Instant> },
    Reserved(Stamp),
}

impl Reservation {
    /// A handle that holds no reservation yet.
    #[must_use]
    pub fn new(limiter: &Limiter) -> Self {
        Self { shared: Arc::clone(limiter.shared()), state: State::Empty, seat: Seat::new(), span: None }
    }

    /// Whether a permit is reserved; if not, the task is woken when one is.
    ///
    /// The place in line is kept between polls and given up when the handle is dropped.
    /// Once the limiter is closed no handle becomes ready any more.
    #[inline(always)]
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // One comparison in the commonest case, where a match makes three of it.
        if matches!(self.state, State::Empty) {
            let stamp = self.shared.gate.stamp();
            if self.shared.gate.try_reserve() {
                self.state = State::Reserved(stamp);
                return Poll::Ready(());
            }
            return self.enter(stamp, cx);
        }
        self.poll_waiting(cx)
    }

    fn enter(&mut self, stamp: Stamp, cx: &Context<'_>) -> Poll<()> {
        let Some(ticket) = self.shared.gate.line_up(&mut self.seat, cx.waker().clone()) else {
            self.state = State::Reserved(stamp);
            return Poll::Ready(());
        };
        let since = ticket.is_timed().then(Instant::now);
        self.state = State::Waiting { ticket, since };
        // The place in line is this handle's by now, whatever the subscriber does.
        self.span = self.shared.telemetry.queue_span().map(Box::new);
        Poll::Pending
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Waiting { ticket, since } = &self.state {
            let stamp = match self.shared.gate.take_reservation(ticket) {
                Some(stamp) => stamp,
                None => ready!(self.poll_ticket(ticket, cx)),
            };
            let since = *since;
            self.state = State::Reserved(stamp);
            self.span = None;
            self.shared.telemetry.queue_wait(since);
        }
        Poll::Ready(())
    }

    #[cold]
    fn poll_ticket(&self, ticket: &Ticket, cx: &mut Context<'_>) -> Poll<Stamp> {
        let granted = ready!(self.shared.gate.poll_ticket(ticket, cx));
        // Of a ticket that was granted something else there is no reservation: it is as if it had been revoked.
        Poll::Ready(if let Ok(Grant::Reservation(stamp)) = granted {
            stamp
        } else {
            self.shared.gate.stamp()
        })
    }

    /// Spends the reservation: its permit, or, if others took it meanwhile, the promise of one, first in line. `None` if
    /// [`poll_ready`](Self::poll_ready) has not been ready since the last claim.
    #[inline(always)]
    pub fn claim(&mut self) -> Option<Claim> {
        let State::Reserved(stamp) = self.state else {
            return None;
        };
        self.state = State::Empty;
        let held = self.shared.gate.claim(stamp);
        let shared = Arc::clone(&self.shared);
        Some(match held {
            Some(hold) => Claim::held(shared, hold),
            None => Claim::promised(shared),
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Empty);
        if let State::Waiting { ticket, since } = state {
            self.shared.gate.cancel(ticket);
            self.span = None;
            self.shared.telemetry.queue_wait(since);
            return;
        }
        self.shared.gate.free_seat(&self.seat);
        if let State::Reserved(stamp) = state {
            self.shared.gate.unreserve(stamp);
        }
    }
}

impl Clone for Reservation {
    /// A handle on the same limiter that holds no reservation: a reservation belongs to one holder.
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), state: State::Empty, seat: Seat::new(), span: None }
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

#[cfg(all(test, not(tidegate_loom)))]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Whether it waits, has a permit reserved, or has just been claimed.
    #[derive(Clone, Copy, Debug)]
    enum End {
        Waiting,
        Reserved,
        Claimed,
    }

    #[test]
    fn a_handle_that_goes_leaves_its_node_to_others() {
        let (limiter, _driver) = Limiter::builder().fixed(1).build_manual().unwrap();
        let gate = &limiter.shared().gate;
        let mut cx = Context::from_waker(Waker::noop());
        for end in [End::Waiting, End::Reserved, End::Claimed] {
            for _ in 0..100 {
                let permit = limiter.try_acquire().unwrap();
                let mut handle = Reservation::new(&limiter);
                assert!(handle.poll_ready(&mut cx).is_pending());
                if let End::Waiting = end {
                    drop(handle);
                    continue;
                }
                drop(permit);
                assert!(handle.poll_ready(&mut cx).is_ready());
                if let End::Claimed = end {
                    drop(handle.claim());
                }
            }
            assert_eq!(gate.nodes(), 1, "{end:?}");
            assert_eq!((gate.peek().in_flight, gate.peek().reserved), (0, 0), "{end:?}");
        }
    }
}
