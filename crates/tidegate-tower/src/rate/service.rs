use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

use super::future::ResponseFuture;
use super::starts::Starts;

/// A service whose calls start at a rate; made by [`RateLayer`](crate::RateLayer).
///
/// # Readiness
///
/// `poll_ready` waits for the rate, and then for the inner service, so nothing of that is kept by who waits for the rate.
/// At most one service becomes ready per interval.
///
/// It is the call that counts as a start, not the readiness: a service that is ready and idle, or dropped, takes nothing from
/// others for longer than an interval. So a call that comes long after "ready", when others start too, waits for its start
/// inside its future, in line and with the inner service still uncalled. A permit that a limit below has reserved for it is
/// revocable meanwhile.
///
/// # What a clone shares
///
/// A clone shares the rate and whatever clones of the inner service share. It must be made ready before it is called.
///
/// # Errors
///
/// The layer only makes calls wait, so the error type is the inner service's.
pub struct Rate<S> {
    inner: S,
    starts: Arc<Starts>,
    /// Whether it was this service's turn to be ready, and it has not been called since.
    is_open: bool,
    /// While it waits for that turn.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<S> Rate<S> {
    pub(super) const fn new(inner: S, starts: Arc<Starts>) -> Self {
        Self { inner, starts, is_open: false, sleep: None }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service. A call made through it does not count.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Err(at) = self.starts.open() {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            ready!(sleep.as_mut().poll(cx));
        }
        self.sleep = None;
        Poll::Ready(())
    }
}

impl<S, Request> Service<Request> for Rate<S>
where
    S: Service<Request> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if !self.is_open {
            ready!(self.poll_open(cx));
            self.is_open = true;
        }
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.is_open = false;
        if self.starts.try_start() {
            return ResponseFuture::started(self.inner.call(request));
        }
        // The one that is ready waits with the call; the clone has to become ready itself.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        ResponseFuture::waiting(Arc::clone(&self.starts).start(), ready, request)
    }
}

impl<S: Clone> Clone for Rate<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.starts))
    }
}

impl<S: fmt::Debug> fmt::Debug for Rate<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate")
            .field("inner", &self.inner)
            .field("is_open", &self.is_open)
            .finish_non_exhaustive()
    }
}
