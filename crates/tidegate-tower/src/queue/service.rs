use std::fmt;
use std::task::{Context, Poll, ready};

use tidegate_limiter::{Limiter, Room};
use tower::BoxError;
use tower_service::Service;

use super::future::ResponseFuture;
use crate::{ClassOf, Classify, DefaultClassify, OneClass};

/// A service whose calls wait for a limiter's permits in its bounded queue; made by [`QueueLayer`](crate::QueueLayer).
///
/// # Readiness
///
/// `poll_ready` is ready while the queue has room; it says nothing of the inner service, which a clone is asked for once
/// the call has its permits. So a call that waits holds nothing of the inner service.
///
/// Once it was ready it stays so until it is called, as tower's contract asks. A service that had to wait for room has it
/// then. Otherwise room is not reserved: a call that comes when the queue has filled meanwhile is refused, or takes the place
/// of a call of lower priority.
/// A call comes when its future is first polled, not when it is made: one that nobody polls keeps nothing from others.
/// So whoever makes calls faster than they are polled (a `Buffer` above, say) is not held back by a full queue.
///
/// A layer that turns "not ready" into a refusal, as tower's load shed does, works above it.
///
/// # What a clone shares
///
/// A clone shares the limiter (limit, queue, outcomes), and whatever clones of the inner service share.
/// It asks for room itself: readiness is not shared.
///
/// # Errors
///
/// [`Overloaded`](tidegate_limiter::Overloaded) if the call was refused, otherwise the inner service's error, both as a
/// `BoxError`. `error.downcast_ref::<Overloaded>()` tells them apart.
pub struct Queue<S, K = OneClass, C = DefaultClassify> {
    inner: S,
    room: Room,
    /// Whether it has said "ready" and has not been called since; it may not take that back.
    is_ready: bool,
    class_of: K,
    classify: C,
}

impl<S, K, C> Queue<S, K, C> {
    pub(super) fn new(inner: S, limiter: &Limiter, class_of: K, classify: C) -> Self {
        Self { inner, room: Room::new(limiter), is_ready: false, class_of, classify }
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

impl<S, K, C, Request> Service<Request> for Queue<S, K, C>
where
    S: Service<Request> + Clone,
    S::Error: Into<BoxError>,
    K: ClassOf<Request>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Request, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !self.is_ready {
            ready!(self.room.poll_ready(cx));
            self.is_ready = true;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.is_ready = false;
        let permit = self.room.acquire_with(self.class_of.class_of(&request));
        ResponseFuture::new(permit, self.inner.clone(), request, self.classify.clone())
    }
}

impl<S: Clone, K: Clone, C: Clone> Clone for Queue<S, K, C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            room: self.room.clone(),
            is_ready: false,
            class_of: self.class_of.clone(),
            classify: self.classify.clone(),
        }
    }
}

impl<S: fmt::Debug, K, C> fmt::Debug for Queue<S, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("inner", &self.inner).field("room", &self.room).finish_non_exhaustive()
    }
}
