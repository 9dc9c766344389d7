use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep, sleep_until};
use tracing::Span;

use crate::gate::{Entry, Grant, Hold, Kind, Line, Ticket, nanos};
use crate::limiter::Shared;
use crate::{Class, OverloadReason, Overloaded, Permit};

/// A future that resolves to a [`Permit`] or to a refusal; see [`Limiter::acquire`](crate::Limiter::acquire) and
/// [`Limiter::acquire_with`](crate::Limiter::acquire_with).
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    /// Handed on to the permit.
    shared: Option<Arc<Shared>>,
    state: State,
}

/// ```text
/// New      → Done      a permit was free, or the call was refused
/// New      → Waiting   neither
/// Waiting  → Done      the permit was handed over, the call refused, or its deadline passed
/// ```
/// `Waiting` owns its ticket, if it has not given up its place, and gives back what became of it when dropped.
enum State {
    /// And whether room in the bounded queue was promised to it.
    New(Option<Class>, bool),
    Waiting(Wait),
    Done,
}

struct Wait {
    /// Taken when the place in line is given up.
    ticket: Option<Ticket>,
    /// Only of waits that are timed.
    since: Option<Instant>,
    /// Apart, since next to no wait has any of it and each is dropped.
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    /// Only of a call with a deadline.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Only where spans are wanted.
    span: Option<Span>,
}

impl Acquire {
    pub(crate) const fn new(shared: Arc<Shared>, class: Option<Class>, has_room: bool) -> Self {
        Self { shared: Some(shared), state: State::New(class, has_room) }
    }

    #[inline]
    fn begin(
        &mut self,
        shared: &Arc<Shared>,
        class: Option<&Class>,
        has_room: bool,
        cx: &Context<'_>,
    ) -> Option<Result<Hold, Overloaded>> {
        let free = match class {
            None => shared.gate.try_take().then_some(Hold::PLAIN),
            Some(class) if class.deadline.is_none() => shared.gate.try_take_class(class),
            Some(_) => None,
        };
        if free.is_some() { free.map(Ok) } else { self.enter(shared, class, has_room, cx) }
    }

    fn enter(
        &mut self,
        shared: &Arc<Shared>,
        class: Option<&Class>,
        has_room: bool,
        cx: &Context<'_>,
    ) -> Option<Result<Hold, Overloaded>> {
        let waker = Some(cx.waker().clone());
        let (entry, read) = match class {
            None => (shared.gate.enter(Kind::Permit, Line::Ordinary, waker), None),
            Some(class) => enter_class(shared, class, has_room, waker),
        };
        match entry {
            Entry::Admitted(hold) => Some(Ok(hold)),
            Entry::Refused(refusal) => Some(Err(refusal)),
            Entry::Queued(ticket) => {
                let since = ticket.is_timed().then(|| read.unwrap_or_else(Instant::now));
                self.state = State::Waiting(Wait { ticket: Some(ticket), since, rare: None });
                None
            }
        }
    }

    #[inline]
    fn end(&mut self, result: Result<Hold, Overloaded>) -> Poll<Result<Permit, Overloaded>> {
        self.state = State::Done;
        let Some(shared) = self.shared.take() else { return Poll::Pending };
        match result {
            Ok(hold) => Poll::Ready(Ok(Permit::new(shared, hold))),
            Err(refusal) => {
                shared.telemetry.refused(refusal.reason());
                Poll::Ready(Err(refusal))
            }
        }
    }

    /// A subscriber is foreign code: by now the place in line is this future's.
    fn tell_wait(&mut self) {
        if let (Some(shared), State::Waiting(wait)) = (&self.shared, &mut self.state)
            && let Some(span) = shared.telemetry.queue_span()
        {
            wait.rare.get_or_insert_default().span = Some(span);
        }
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, Overloaded>> {
        let (Some(shared), State::Waiting(Wait { ticket: Some(ticket), since, rare })) =
            (&self.shared, &mut self.state)
        else {
            unreachable!("`Acquire` was polled after it was ready");
        };
        if let Poll::Ready(answer) = shared.gate.poll_ticket(ticket, cx) {
            let (shared, since, rare) = (Arc::clone(shared), *since, rare.take());
            // The permit is owned before foreign code, the recorder and the subscriber, runs.
            let ended = self.end(answer.map(hold_of));
            drop(rare);
            shared.telemetry.queue_wait(since);
            return ended;
        }
        self.poll_deadline(cx)
    }

    /// Whether the deadline has come while the call waits.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, Overloaded>> {
        let State::Waiting(Wait { rare: Some(rare), .. }) = &mut self.state else {
            return Poll::Pending;
        };
        let Some(deadline) = &mut rare.deadline else { return Poll::Pending };
        if deadline.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.give_up();
        self.end(Err(Overloaded::new(OverloadReason::Expired, None)))
    }

    /// Gives up the place in line, and a permit that was handed over and not seen.
    #[inline]
    fn give_up(&mut self) {
        if matches!(self.state, State::Waiting(_)) {
            self.leave();
        }
    }

    #[cold]
    fn leave(&mut self) {
        // The wait stays where it is but for its ticket, to be dropped with the future: moving it out would cost more than the
        // rest of this.
        if let (Some(shared), State::Waiting(wait)) = (&self.shared, &mut self.state)
            && let Some(ticket) = wait.ticket.take()
        {
            let since = wait.since;
            let unseen = shared.gate.cancel(ticket);
            shared.outcomes.unseen(unseen);
            shared.telemetry.queue_wait(since);
        }
    }
}

/// Reads the clock only if the call has a deadline, or must wait where somebody minds for how long.
fn enter_class(
    shared: &Shared,
    class: &Class,
    has_room: bool,
    waker: Option<Waker>,
) -> (Entry, Option<Instant>) {
    let mut read = None;
    let mut left = None;
    if let Some(deadline) = class.deadline {
        let now = *read.insert(Instant::now());
        let Some(time) = deadline.checked_duration_since(now).filter(|time| !time.is_zero()) else {
            return (Entry::Refused(Overloaded::new(OverloadReason::Expired, None)), read);
        };
        left = Some(nanos(time));
    }
    let now = || nanos(read.get_or_insert_with(Instant::now).duration_since(shared.start));
    (shared.gate.enter_class(class, has_room, now, left, waker), read)
}

impl Future for Acquire {
    type Output = Result<Permit, Overloaded>;

    /// # Panics
    ///
    /// If it is polled again after it was ready, as futures may; and, for a class with a deadline that has to wait, outside a
    /// tokio runtime with timers.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let State::New(class, has_room) = &self.state else {
            return self.poll_waiting(cx);
        };
        let (class, has_room) = (*class, *has_room);
        let Some(shared) = self.shared.take() else {
            unreachable!("`Acquire` was polled after a waker had panicked in it");
        };
        let begun = self.begin(&shared, class.as_ref(), has_room, cx);
        self.shared = Some(shared);
        match begun {
            Some(result) => self.end(result),
            None => {
                // Outside a runtime this panics; by now the place in line is this future's, and is given up with it.
                if let (State::Waiting(wait), Some(at)) =
                    (&mut self.state, class.and_then(|class| class.deadline))
                {
                    wait.rare.get_or_insert_default().deadline = Some(Box::pin(sleep_until(at)));
                }
                self.tell_wait();
                self.poll_deadline(cx)
            }
        }
    }
}

/// A ticket for permits is granted nothing else.
fn hold_of(grant: Grant) -> Hold {
    match grant {
        Grant::Permits(hold) => hold,
        Grant::Reservation(_) | Grant::News => {
            unreachable!("a ticket for permits was granted something else")
        }
    }
}

impl Drop for Acquire {
    #[inline]
    fn drop(&mut self) {
        self.give_up();
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::New(..) => "new",
            State::Waiting(_) => "waiting",
            State::Done => "done",
        };
        f.debug_struct("Acquire").field("state", &state).finish_non_exhaustive()
    }
}
