//! The services behind the limiters.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_service::Service;

/// What may stand behind a subject.
pub(crate) trait Inner:
    Service<(), Response = (), Error = Infallible, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

impl<S> Inner for S where
    S: Service<(), Response = (), Error = Infallible, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

/// Does nothing, at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoOp;

impl Service<()> for NoOp {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

/// Does nothing, and lets others run once before it is done, so that calls overlap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yielding;

impl Service<()> for Yielding {
    type Response = ();
    type Error = Infallible;
    type Future = YieldOnce;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> YieldOnce {
        YieldOnce { has_yielded: false }
    }
}

/// The call of [`Yielding`].
#[derive(Debug)]
pub(crate) struct YieldOnce {
    has_yielded: bool,
}

impl Future for YieldOnce {
    type Output = Result<(), Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.has_yielded {
            return Poll::Ready(Ok(()));
        }
        self.has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
