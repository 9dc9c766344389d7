use std::fmt;
use std::task::{Context, Poll};

use tidegate_limiter::Limiter;
use tower::BoxError;
use tower_service::Service;

use super::future::ResponseFuture;
use crate::{ClassOf, Classify, DefaultClassify, OneClass};

/// A service whose calls get a limiter's permits at once or are refused; made by [`ShedLayer`](crate::ShedLayer).
///
/// # Readiness
///
/// `poll_ready` is the inner service's: a call is refused when it is made, not before.
///
/// # What a clone shares
///
/// A clone shares the limiter (limit, queue, outcomes), and whatever clones of the inner service share.
///
/// # Errors
///
/// [`Overloaded`](tidegate_limiter::Overloaded) if the call was refused, otherwise the inner service's error, both as a
/// `BoxError`. `error.downcast_ref::<Overloaded>()` tells them apart.
#[derive(Clone)]
pub struct Shed<S, K = OneClass, C = DefaultClassify> {
    inner: S,
    limiter: Limiter,
    class_of: K,
    classify: C,
}

impl<S, K, C> Shed<S, K, C> {
    pub(super) fn new(inner: S, limiter: &Limiter, class_of: K, classify: C) -> Self {
        Self { inner, limiter: limiter.clone(), class_of, classify }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service. A call made through it is not limited.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, K, C, Request> Service<Request> for Shed<S, K, C>
where
    S: Service<Request>,
    S::Error: Into<BoxError>,
    K: ClassOf<Request>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    /// Calls the inner service only if there is a permit; a refused call leaves it ready for the next one.
    fn call(&mut self, request: Request) -> Self::Future {
        match self.limiter.try_acquire_with(self.class_of.class_of(&request)) {
            Ok(permit) => ResponseFuture::admitted(self.inner.call(request), permit, self.classify.clone()),
            Err(refusal) => ResponseFuture::refused(refusal),
        }
    }
}

impl<S: fmt::Debug, K, C> fmt::Debug for Shed<S, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shed")
            .field("inner", &self.inner)
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}
