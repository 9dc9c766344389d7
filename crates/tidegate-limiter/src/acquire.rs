use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep, sleep_until};
use tracing::Span;

use crate::gate::{Entry, Grant, Hold, Line, Ticket, nanos};
use crate::limiter::Shared;
use crate::{Class, OverloadReason, Overloaded, Permit};

/// A future that resolves to a [`Permit`] or to a refusal; see [`Limiter::acquire`](crate::Limiter::acquire) and
/// [`Limiter::acquire_with`](crate::Limiter::acquire_with).
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    /// Handed on to the permit.
    shared: Option<Arc<Shared>>,
    state: State,
    /// Of a wait. Apart, since next to none has any of it, so that nothing in `state` has to be dropped.
    rare: Option<Box<Rare>>,
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
        Self { shared: Some(shared), state: State::New(class, has_room), rare: None }
    }

    /// A permit that is free, where nobody has to be asked or told of it.
    #[inline]
    fn try_take(&self, class: Option<&Class>) -> Option<Hold> {
        let gate = &self.shared.as_ref()?.gate;
        match class {
            None => gate.try_take().then_some(Hold::PLAIN),
            Some(class) if class.deadline.is_none() => gate.try_take_class(class),
            Some(_) => None,
        }
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
            None => (shared.gate.enter(Line::Ordinary, waker), None),
            Some(class) => enter_class(shared, class, has_room, waker),
        };
        match entry {
            Entry::Admitted(hold) => Some(Ok(hold)),
            Entry::Refused(refusal) => Some(Err(refusal)),
            Entry::Queued(ticket) => {
                let since = ticket.is_timed().then(|| read.unwrap_or_else(Instant::now));
                self.state = State::Waiting(Wait { ticket: Some(ticket), since });
                None
            }
        }
    }

    fn poll_new(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, Overloaded>> {
        let (&State::New(class, has_room), Some(shared)) = (&self.state, self.shared.take()) else {
            unreachable!("`Acquire` was polled after a waker had panicked in it");
        };
        let begun = self.enter(&shared, class.as_ref(), has_room, cx);
        self.shared = Some(shared);
        if let Some(result) = begun {
            return self.end(result);
        }
        // Outside a runtime this panics; by now the place in line is this future's, and is given up with it.
        if let Some(at) = class.and_then(|class| class.deadline) {
            self.rare.get_or_insert_default().deadline = Some(Box::pin(sleep_until(at)));
        }
        self.tell_wait();
        self.poll_deadline(cx)
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
        if let Some(shared) = &self.shared
            && let Some(span) = shared.telemetry.queue_span()
        {
            self.rare.get_or_insert_default().span = Some(span);
        }
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, Overloaded>> {
        let (Some(shared), State::Waiting(Wait { ticket: Some(ticket), since })) =
            (&self.shared, &self.state)
        else {
            unreachable!("`Acquire` was polled after it was ready");
        };
        if let Poll::Ready(answer) = shared.gate.poll_ticket(ticket, cx) {
            let (shared, since, rare) = (Arc::clone(shared), *since, self.rare.take());
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
        let Some(deadline) = self.rare.as_mut().and_then(|rare| rare.deadline.as_mut()) else {
            return Poll::Pending;
        };
        if deadline.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.give_up();
        let rare = self.rare.take();
        let ended = self.end(Err(Overloaded::new(OverloadReason::Expired, None)));
        drop(rare);
        ended
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
        let State::New(class, _) = &self.state else {
            return self.poll_waiting(cx);
        };
        match self.try_take(class.as_ref()) {
            Some(hold) => self.end(Ok(hold)),
            None => self.poll_new(cx),
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
