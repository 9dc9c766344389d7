use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_core::Outcome;
use tokio::time::Instant;

use crate::Permit;
use crate::gate::{Entry, Kind, Line, Stamp, Ticket};
use crate::limiter::Shared;

/// A future that resolves to a [`Permit`]; see [`Limiter::acquire`](crate::Limiter::acquire).
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    shared: Arc<Shared>,
    state: State,
}

/// ```text
/// New      → Done      a permit was free
/// New      → Waiting   none was
/// Waiting  → Done      the permit was handed over
/// Claimed  → Done      a reservation had become the permit already
/// ```
/// `Claimed` owns a permit of the gate, `Waiting` owns its ticket; both give it back when dropped.
enum State {
    New,
    Claimed,
    Waiting { ticket: Ticket, since: Instant },
    Done,
}

impl Acquire {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, state: State::New }
    }

    /// Spends a reservation: what is left of it, or the first place in line.
    pub(crate) fn claim(shared: Arc<Shared>, stamp: Stamp) -> Self {
        let state = if shared.gate.claim(stamp) || shared.gate.try_take(Kind::Permit) {
            State::Claimed
        } else {
            Self::enter(&shared, Line::First, None)
        };
        Self { shared, state }
    }

    fn enter(shared: &Shared, line: Line, cx: Option<&Context<'_>>) -> State {
        match shared.gate.enter(Kind::Permit, line, cx.map(|cx| cx.waker().clone())) {
            Entry::Admitted => State::Claimed,
            Entry::Queued(ticket) => State::Waiting { ticket, since: Instant::now() },
        }
    }

    fn permit(&mut self) -> Poll<Permit> {
        self.state = State::Done;
        Poll::Ready(Permit::new(Arc::clone(&self.shared)))
    }
}

impl Future for Acquire {
    type Output = Permit;

    /// # Panics
    ///
    /// If it is polled again after it was ready, as futures may.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        if matches!(self.state, State::New) {
            if self.shared.gate.try_take(Kind::Permit) {
                return self.permit();
            }
            self.state = Self::enter(&self.shared, Line::Ordinary, Some(cx));
        }
        match &self.state {
            State::Claimed => self.permit(),
            State::Waiting { ticket, since } => {
                let granted = self.shared.gate.poll_ticket(ticket, cx);
                if granted.is_pending() {
                    return Poll::Pending;
                }
                let waited = since.elapsed();
                // The permit is owned before foreign code, the recorder, runs.
                let permit = self.permit();
                self.shared.telemetry.queue_wait(waited);
                permit
            }
            State::New | State::Done => unreachable!("`Acquire` was polled after it was ready"),
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::New | State::Done => {}
            State::Claimed => drop(Permit::new(Arc::clone(&self.shared))),
            State::Waiting { ticket, since } => {
                if self.shared.gate.cancel(ticket) {
                    self.shared.outcomes.count(Outcome::Ignored);
                }
                self.shared.telemetry.queue_wait(since.elapsed());
            }
        }
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::New => "new",
            State::Claimed => "granted",
            State::Waiting { .. } => "waiting",
            State::Done => "done",
        };
        f.debug_struct("Acquire").field("state", &state).finish_non_exhaustive()
    }
}
