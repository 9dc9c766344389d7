//! What the suites share: limiters without a task, and inner services that watch how they are used.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_core::PoolEvidence;
use tidegate_limiter::{Limiter, ManualDriver, PoolProbe};
use tidegate_tower::{Limit, LimitLayer};
use tower::Service;
use tower_test::mock::{self, Handle, Mock, Spawn};

/// A limiter whose driver acts only when it is told to.
pub(crate) fn limiter(permits: u32) -> (Limiter, ManualDriver) {
    Limiter::builder().fixed(permits).build_manual().unwrap()
}

pub(crate) type MockLimit = Spawn<Limit<Mock<&'static str, &'static str>>>;
pub(crate) type MockHandle = Handle<&'static str, &'static str>;

/// A mock behind a limit, on a mock task that says when it was woken.
pub(crate) fn mock_limit(limiter: &Limiter) -> (MockLimit, MockHandle) {
    mock::spawn_layer(LimitLayer::new(limiter.clone()))
}

/// Everything came back.
#[track_caller]
pub(crate) fn assert_idle(limiter: &Limiter) {
    let seen = limiter.snapshot();
    assert_eq!((seen.in_flight, seen.reserved, seen.queued), (0, 0, 0), "{seen:?}");
}

/// How many calls are inside an inner service, and how many were at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inside {
    counts: Arc<(AtomicU32, AtomicU32)>,
}

impl Inside {
    /// A call begins; it ends with the guard.
    pub(crate) fn enter(&self) -> InsideGuard {
        let now = self.counts.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.counts.1.fetch_max(now, Ordering::SeqCst);
        InsideGuard { inside: self.clone() }
    }

    pub(crate) fn now(&self) -> u32 {
        self.counts.0.load(Ordering::SeqCst)
    }

    pub(crate) fn peak(&self) -> u32 {
        self.counts.1.load(Ordering::SeqCst)
    }
}

pub(crate) struct InsideGuard {
    inside: Inside,
}

impl Drop for InsideGuard {
    fn drop(&mut self) {
        self.inside.counts.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An inner service that insists on tower's contract: a call needs a `poll_ready` of the same value, and a clone begins
/// unready. Each call takes 10 ms and answers its request.
#[derive(Debug, Default)]
pub(crate) struct Strict {
    is_ready: bool,
    pub(crate) inside: Inside,
    /// The first so many calls fail.
    failures: Arc<AtomicU32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl std::error::Error for Failed {}

impl Strict {
    pub(crate) fn failing_first(failures: u32) -> Self {
        Self { failures: Arc::new(AtomicU32::new(failures)), ..Self::default() }
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { is_ready: false, inside: self.inside.clone(), failures: Arc::clone(&self.failures) }
    }
}

impl Service<u32> for Strict {
    type Response = u32;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<u32, Failed>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        assert!(self.is_ready, "the inner service was called without being ready");
        self.is_ready = false;
        let inside = self.inside.clone();
        let fails =
            self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        Box::pin(async move {
            let _guard = inside.enter();
            tokio::time::sleep(Duration::from_millis(10)).await;
            if fails { Err(Failed) } else { Ok(request) }
        })
    }
}

/// A pool without news, for laws that only need to be asked whether they brake.
pub(crate) struct NoPool;

impl PoolProbe for NoPool {
    fn read(&self) -> PoolEvidence {
        PoolEvidence::default()
    }

    fn name(&self) -> &str {
        "none"
    }
}
