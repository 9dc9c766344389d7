//! Above the limit: every try takes a permit anew, and a call that waits for its next try holds none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidegate_core::Outcome;
use tidegate_limiter::{Limiter, Snapshot};
use tidegate_tower::{LimitLayer, QueueLayer, ServiceBuilderExt};
use tokio::time::{advance, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::timeout::error::Elapsed;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

/// A service of 10 ms whose first call fails, and how often it was called.
fn fails_once() -> (impl Service<u32, Response = u32, Error = BoxError, Future: Send> + Clone, Arc<AtomicU32>)
{
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let inner = service_fn(move |request: u32| {
        let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            sleep(Duration::from_millis(10)).await;
            if is_first { Err(BoxError::from(Elapsed::new())) } else { Ok(request) }
        }
    });
    (inner, calls)
}

fn counts(limiter: &Limiter) -> (u32, u32, u32) {
    let Snapshot { in_flight, reserved, queued, .. } = limiter.snapshot();
    (in_flight, reserved, queued)
}

/// A call through this stack is polled to its wait between two tries and on, or dropped at one of the points on the way.
async fn check<S>(limiter: Limiter, service: S, calls: Arc<AtomicU32>, dropped_at: Option<u32>)
where
    S: Service<u32, Response = u32, Error = BoxError>,
{
    let mut call = task::spawn(service.oneshot(7));
    assert_pending!(call.poll());
    assert_eq!(counts(&limiter), (1, 0, 0), "the first try");
    advance(Duration::from_millis(10)).await;
    assert_pending!(call.poll());
    assert_eq!(counts(&limiter), (0, 0, 0), "it waits, and holds nothing");
    // Somebody else takes the only permit meanwhile.
    let other = limiter.try_acquire().unwrap();
    if dropped_at == Some(0) {
        drop(call);
        drop(other);
        assert_eq!(counts(&limiter), (0, 0, 0));
        return;
    }
    advance(Duration::from_millis(201)).await;
    assert_pending!(call.poll());
    assert_eq!(counts(&limiter), (1, 0, 1), "the second try stands in line");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    if dropped_at == Some(1) {
        drop(call);
        drop(other);
        assert_eq!(counts(&limiter), (0, 0, 0));
        return;
    }
    other.finish(Outcome::Success);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert_eq!(counts(&limiter), (1, 0, 0), "with a permit of its own");
    if dropped_at == Some(2) {
        drop(call);
        assert_eq!(counts(&limiter), (0, 0, 0));
        return;
    }
    advance(Duration::from_millis(10)).await;
    assert_eq!(assert_ready_ok!(call.poll()), 7);
    assert_eq!(counts(&limiter), (0, 0, 0));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

const DROPS: [Option<u32>; 4] = [None, Some(0), Some(1), Some(2)];

#[tokio::test(start_paused = true)]
async fn above_limit_every_try_takes_a_permit_anew_and_a_wait_holds_none() {
    for dropped_at in DROPS {
        let (limiter, _driver) = Limiter::builder().fixed(1).build_manual().unwrap();
        let (inner, calls) = fails_once();
        let stack = ServiceBuilder::new()
            .retry_within(limiter.retry_budget(), |_: &u32| true)
            .layer(LimitLayer::new(limiter.clone()));
        check(limiter, stack.service(inner), calls, dropped_at).await;
    }
}

#[tokio::test(start_paused = true)]
async fn above_queue_every_try_takes_a_permit_anew_and_a_wait_holds_none() {
    for dropped_at in DROPS {
        let (limiter, _driver) = Limiter::builder().fixed(1).build_manual().unwrap();
        let (inner, calls) = fails_once();
        let stack = ServiceBuilder::new()
            .retry_within(limiter.retry_budget(), |_: &u32| true)
            .layer(QueueLayer::new(limiter.clone()));
        check(limiter, stack.service(inner), calls, dropped_at).await;
    }
}
