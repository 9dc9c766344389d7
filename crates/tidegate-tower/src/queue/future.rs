//! The future of a queued call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tidegate_limiter::{Acquire, CallId, Work, poll_as_call};
use tower::BoxError;
use tower::util::Oneshot;
use tower_service::Service;

use crate::Classify;

/// The future of a call through [`Queue`](crate::Queue).
///
/// # Cancel safety
///
/// Dropping it drops the call. What it owns of the limiter goes back, in every state: a place in the queue, permits not
/// yet seen, permits in use. The last count as [`Outcome::Ignored`](tidegate_core::Outcome::Ignored).
///
/// The permits go back when the call is complete, not when this future is dropped.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S: Service<Request>, Request, C> {
    #[pin]
    state: State<S, Request>,
    classify: C,
}

/// ```text
/// Waiting → Running   the permits are there
/// Waiting → Done      the call was refused
/// Running → Done      the call is complete
/// ```
#[pin_project(project = StateProjection)]
enum State<S: Service<Request>, Request> {
    Waiting {
        permit: Acquire,
        call: Option<(S, Request)>,
    },
    Running {
        // Before `work`, so that what the call holds (a connection, say) is free before its permits are.
        #[pin]
        call: Oneshot<S, Request>,
        work: Option<Work>,
        id: CallId,
    },
    Done,
}

impl<S: Service<Request>, Request, C> ResponseFuture<S, Request, C> {
    pub(super) const fn new(permit: Acquire, service: S, request: Request, classify: C) -> Self {
        Self { state: State::Waiting { permit, call: Some((service, request)) }, classify }
    }
}

impl<S, Request, C> Future for ResponseFuture<S, Request, C>
where
    S: Service<Request>,
    S::Error: Into<BoxError>,
    C: Classify<S::Response, S::Error>,
{
    type Output = Result<S::Response, BoxError>;

    /// # Panics
    ///
    /// If it is polled again after it was ready, as futures may.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Waiting { permit, call } => {
                    let permit = match ready!(Pin::new(permit).poll(cx)) {
                        Ok(permit) => permit,
                        Err(refusal) => {
                            this.state.set(State::Done);
                            return Poll::Ready(Err(refusal.into()));
                        }
                    };
                    if let Some((service, request)) = call.take() {
                        let call = Oneshot::new(service, request);
                        this.state.set(State::Running {
                            call,
                            work: Some(permit.begin()),
                            id: CallId::new(),
                        });
                    }
                }
                StateProjection::Running { call, work, id } => {
                    let result = ready!(poll_as_call(id, || call.poll(cx)));
                    let outcome = this.classify.classify(result.as_ref());
                    let work = work.take();
                    this.state.set(State::Done);
                    if let Some(work) = work {
                        work.finish(outcome);
                    }
                    return Poll::Ready(result.map_err(Into::into));
                }
                StateProjection::Done => unreachable!("`ResponseFuture` was polled after it was ready"),
            }
        }
    }
}

impl<S: Service<Request>, Request, C> fmt::Debug for ResponseFuture<S, Request, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Waiting { .. } => "waiting",
            State::Running { .. } => "running",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
