//! The future of a call at a rate.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tower_service::Service;

/// The future of a call through [`Rate`](crate::Rate).
///
/// # Cancel safety
///
/// Dropping it drops the call. One that waits for its start gives up its place in line and takes no start.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S: Service<Request>, Request> {
    #[pin]
    state: State<S, S::Future, Request>,
}

/// ```text
/// Waiting → Started   its start came
/// ```
#[pin_project(project = Projected)]
enum State<S, F, Request> {
    Waiting { start: Pin<Box<dyn Future<Output = ()> + Send>>, call: Option<(S, Request)> },
    Started(#[pin] F),
}

impl<S: Service<Request>, Request> ResponseFuture<S, Request> {
    pub(super) const fn started(future: S::Future) -> Self {
        Self { state: State::Started(future) }
    }

    /// A call of `ready` once `start` has come.
    pub(super) fn waiting(
        start: impl Future<Output = ()> + Send + 'static,
        ready: S,
        request: Request,
    ) -> Self {
        Self { state: State::Waiting { start: Box::pin(start), call: Some((ready, request)) } }
    }
}

impl<S: Service<Request>, Request> Future for ResponseFuture<S, Request> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let started = match state.as_mut().project() {
                Projected::Started(future) => return future.poll(cx),
                Projected::Waiting { start, call } => {
                    ready!(start.as_mut().poll(cx));
                    // It is taken once: what follows is another state.
                    let Some((mut service, request)) = call.take() else { return Poll::Pending };
                    service.call(request)
                }
            };
            state.set(State::Started(started));
        }
    }
}

impl<S: Service<Request>, Request> fmt::Debug for ResponseFuture<S, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Waiting { .. } => "waiting",
            State::Started(_) => "started",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
