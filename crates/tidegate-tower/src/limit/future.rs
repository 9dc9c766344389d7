//! The future of a limited call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tidegate_limiter::{CallId, Claim, poll_as_call};

use crate::Classify;

/// The future of a call through [`Limit`](crate::Limit).
///
/// # Cancel safety
///
/// Dropping it drops the call. What it owns of the limiter goes back, in every state: a place in line, a permit not yet
/// seen, a permit in use. The last counts as [`Outcome::Ignored`](tidegate_core::Outcome::Ignored), as does a call whose future panicked.
///
/// The permit goes back when the call is complete, not when this future is dropped.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F, C> {
    // Before `claim`, so that what the call holds (a connection, say) is free before its permit is.
    #[pin]
    inner: F,
    /// Held or waited for, and finished once the call is complete.
    claim: Claim,
    classify: C,
    id: CallId,
}

impl<F, C> ResponseFuture<F, C> {
    #[inline]
    pub(super) fn new(inner: F, claim: Claim, classify: C) -> Self {
        Self { inner, claim, classify, id: CallId::new() }
    }
}

impl<F, C, Res, Err> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<Res, Err>>,
    C: Classify<Res, Err>,
{
    type Output = F::Output;

    /// # Panics
    ///
    /// If it is polled again after it was ready, as futures may.
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let call = self.project();
        ready!(call.claim.poll_held(cx));
        let result = ready!(poll_as_call(call.id, || call.inner.poll(cx)));
        let outcome = call.classify.classify(result.as_ref());
        call.claim.finish(outcome);
        Poll::Ready(result)
    }
}

impl<F, C> fmt::Debug for ResponseFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("claim", &self.claim).finish_non_exhaustive()
    }
}
