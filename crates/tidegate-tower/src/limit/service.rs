use std::fmt;
use std::task::{Context, Poll, ready};

use tidegate_limiter::{Limiter, Reservation};
use tower_service::Service;

use super::future::ResponseFuture;
use crate::{Classify, DefaultClassify};

/// A service whose calls each hold a permit of a limiter; made by [`LimitLayer`](crate::LimitLayer).
///
/// # Readiness
///
/// `poll_ready` is ready with a permit reserved and the inner service ready, so callers that respect it feel the limit
/// before they have a request at hand.
/// The reservation is kept until the call, the drop of the service, or an error of the inner `poll_ready`.
/// It is taken back earlier if it stands uncalled while others wait for a permit: a service that is ready and idle never
/// keeps the limit from those who have work.
/// The call that comes later is still accepted, and waits for its permit inside its future, first in line.
///
/// # What a clone shares
///
/// A clone shares the limiter (limit, queue, outcomes), and whatever clones of the inner service share.
/// It starts without a reservation and must be made ready before it is called.
///
/// # Errors
///
/// The layer only makes calls wait, so the error type is the inner service's.
#[derive(Clone)]
pub struct Limit<S, C = DefaultClassify> {
    inner: S,
    reservation: Reservation,
    classify: C,
}

impl<S, C> Limit<S, C> {
    pub(super) fn new(inner: S, limiter: &Limiter, classify: C) -> Self {
        Self { inner, reservation: Reservation::new(limiter), classify }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service. A call made through it is not limited.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service; a reservation goes back.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn give_up_readiness(&mut self) {
        // A clone holds no reservation, and the old handle gives its own back as it is dropped.
        self.reservation = self.reservation.clone();
    }
}

impl<S, C, Request> Service<Request> for Limit<S, C>
where
    S: Service<Request>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.reservation.poll_ready(cx));
        let ready = self.inner.poll_ready(cx);
        if let Poll::Ready(Err(_)) = &ready {
            self.give_up_readiness();
        }
        ready
    }

    /// Calls the inner service at once; its future is polled only while the call holds its permit.
    ///
    /// An inner service that begins its work in `call` itself, and not in its future, therefore begins it before the
    /// permit is there in the one case where the reservation was taken back.
    ///
    /// # Panics
    ///
    /// If the service is not ready: each call needs a `poll_ready` (or `ready().await`) on this very clone before it.
    #[expect(clippy::expect_used, reason = "tower's contract: a call without readiness is the caller's bug")]
    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let claim = self.reservation.claim().expect(
            "`Limit` was called without being ready: await `ready()` on this clone of the service before each call",
        );
        ResponseFuture::new(self.inner.call(request), claim, self.classify.clone())
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Limit<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("inner", &self.inner)
            .field("reservation", &self.reservation)
            .finish_non_exhaustive()
    }
}
