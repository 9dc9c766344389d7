//! Retries that read when to try again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_core::Timestamp;
use tidegate_limiter::{Limiter, Overloaded};
use tokio::time::{Instant, Sleep, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::retry::{Policy, Retry};
use tower::{BoxError, ServiceExt};

use super::{BOTH, Queue, Shed};
use crate::stacks::{LIMIT, check};
use crate::support::Strict;

/// Tries a refused call again when the refusal says so, or a little later if it does not, and writes down the waits.
#[derive(Clone, Default)]
struct WhenTold {
    waits: Arc<Mutex<Vec<Option<Duration>>>>,
}

impl Policy<u32, u32, BoxError> for WhenTold {
    type Future = Sleep;

    fn retry(&mut self, _request: &mut u32, result: &mut Result<u32, BoxError>) -> Option<Sleep> {
        let refusal = result.as_ref().err()?.downcast_ref::<Overloaded>()?;
        self.waits.lock().unwrap().push(refusal.retry_after());
        Some(sleep(refusal.retry_after().unwrap_or(Duration::from_millis(7))))
    }

    fn clone_request(&mut self, request: &u32) -> Option<u32> {
        Some(*request)
    }
}

#[tokio::test(start_paused = true)]
async fn retry_above_serves_refused_calls_in_the_end() {
    for layer in BOTH {
        let limiter = Limiter::builder().fixed(LIMIT).queue_limit(1).build().unwrap();
        let inner = Strict::default();
        let inside = inner.inside.clone();
        let policy = WhenTold::default();
        let service = Retry::new(policy.clone(), layer.layer(&limiter, inner));
        check(service, limiter, inside).await;
        assert!(layer == Queue || !policy.waits.lock().unwrap().is_empty(), "some were refused before");
    }
}

/// One permit came back in 100 ms, and one call waits: there is a permit for another in 200 ms.
#[tokio::test(start_paused = true)]
async fn retry_reads_when_to_try_again() {
    let (limiter, mut driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let first = limiter.try_acquire().unwrap();
    let (mut second, mut third) = (task::spawn(limiter.acquire()), task::spawn(limiter.acquire()));
    assert_pending!(second.poll());
    assert_pending!(third.poll());
    driver.tick(Timestamp::from_millis(100));
    drop(first);
    let second = assert_ready_ok!(second.poll());
    driver.tick(Timestamp::from_millis(200));

    let policy = WhenTold::default();
    let begun = Instant::now();
    let mut call =
        task::spawn(Retry::new(policy.clone(), Shed.layer(&limiter, Strict::default())).oneshot(7));
    assert_pending!(call.poll());
    let told = Duration::from_millis(200);
    assert_eq!(*policy.waits.lock().unwrap(), [Some(told)]);
    drop((second, third));
    assert_eq!(call.await.unwrap(), 7);
    assert_eq!(begun.elapsed(), told + Duration::from_millis(10), "it waited, then worked");
}
