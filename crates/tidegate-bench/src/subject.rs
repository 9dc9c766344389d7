//! Who is measured.

use std::future::{Future, poll_fn};

use tower_service::Service;

use crate::failure::Failure;
use crate::inner::Inner;
use crate::sample::Sample;
use crate::scale::Scale;

/// What a subject does with a call that finds no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// It knows no limit.
    Admits,
    /// It refuses.
    Refuses,
    /// It chooses a limit and a queue of its own, and refuses beyond.
    Chooses,
    /// It waits, up to any number.
    Waits,
}

/// A limiter to be measured, and how it is put in front of a service.
pub(crate) trait Subject: 'static {
    /// As in the table and the JSON.
    const NAME: &'static str;
    const EXCESS: Excess;
    type Gate<I: Inner>: Gate;

    /// `inner` behind a limit of `limit`; called on a runtime with timers.
    fn gate<I: Inner>(limit: u32, inner: I) -> Result<Self::Gate<I>, Failure>;

    /// How dear it is to change the limit by one, with `waiting` callers in the queue; `None` if it cannot be told.
    fn resize(waiting: u32, scale: &Scale) -> Option<Result<Sample, Failure>> {
        let _ = (waiting, scale);
        None
    }
}

/// A service behind a limit. Clones share the limit.
pub(crate) trait Gate: Clone + Send + 'static {
    /// One call, from asking for a permit to its return; whether it was admitted.
    fn pass(&mut self) -> impl Future<Output = bool> + Send;
}

/// One call by a caller of its own, whose future owns the gate.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its argument twice")]
pub(crate) fn pass<G: Gate>(mut gate: G) -> impl Future<Output = bool> + Send {
    async move { gate.pass().await }
}

/// Any tower service as a gate: `poll_ready`, `call`, and the response awaited.
#[derive(Clone, Debug)]
pub(crate) struct Through<S>(pub(crate) S);

impl<S> Gate for Through<S>
where
    S: Service<(), Response: Answer, Future: Send, Error: Send> + Clone + Send + 'static,
{
    async fn pass(&mut self) -> bool {
        if poll_fn(|cx| self.0.poll_ready(cx)).await.is_err() {
            return false;
        }
        self.0.call(()).await.is_ok_and(|answer| answer.is_served())
    }
}

/// A response that may stand for a refusal.
pub(crate) trait Answer {
    /// Whether the call reached the service.
    fn is_served(&self) -> bool;
}

impl Answer for () {
    fn is_served(&self) -> bool {
        true
    }
}
