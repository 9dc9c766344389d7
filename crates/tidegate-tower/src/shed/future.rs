//! The future of a call that did not wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tidegate_limiter::{CallId, Overloaded, Permit, Work, poll_as_call};
use tower::BoxError;

use crate::Classify;

/// The future of a call through [`Shed`](crate::Shed).
///
/// # Cancel safety
///
/// Dropping it drops the call, then gives its permits back; they count as
/// [`Outcome::Ignored`](tidegate_core::Outcome::Ignored).
///
/// The permits go back when the call is complete, not when this future is dropped.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F, C> {
    #[pin]
    state: State<F, C>,
}

/// ```text
/// Running → Done   the call is complete
/// Refused → Done   the refusal was told
/// ```
#[pin_project(project = StateProjection)]
enum State<F, C> {
    Running {
        // Before `work`, so that what the call holds (a connection, say) is free before its permits are.
        #[pin]
        call: F,
        work: Option<Work>,
        classify: C,
        id: CallId,
    },
    Refused(Overloaded),
    Done,
}

impl<F, C> ResponseFuture<F, C> {
    pub(super) fn admitted(call: F, permit: Permit, classify: C) -> Self {
        Self { state: State::Running { call, work: Some(permit.begin()), classify, id: CallId::new() } }
    }

    pub(super) const fn refused(refusal: Overloaded) -> Self {
        Self { state: State::Refused(refusal) }
    }
}

impl<F, C, Res, Err> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<Res, Err>>,
    Err: Into<BoxError>,
    C: Classify<Res, Err>,
{
    type Output = Result<Res, BoxError>;

    /// # Panics
    ///
    /// If it is polled again after it was ready, as futures may.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        match state.as_mut().project() {
            StateProjection::Running { call, work, classify, id } => {
                let result = ready!(poll_as_call(id, || call.poll(cx)));
                let outcome = classify.classify(result.as_ref());
                let work = work.take();
                state.set(State::Done);
                if let Some(work) = work {
                    work.finish(outcome);
                }
                Poll::Ready(result.map_err(Into::into))
            }
            StateProjection::Refused(refusal) => {
                let refusal = *refusal;
                state.set(State::Done);
                Poll::Ready(Err(refusal.into()))
            }
            StateProjection::Done => unreachable!("`ResponseFuture` was polled after it was ready"),
        }
    }
}

impl<F, C> fmt::Debug for ResponseFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Running { .. } => "running",
            State::Refused(_) => "refused",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
