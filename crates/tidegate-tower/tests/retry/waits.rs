//! How long a call waits for its next try.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_core::Timestamp;
use tidegate_limiter::Limiter;
use tidegate_tower::{RetryConfig, RetryPolicy, ShedLayer};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::retry::Retry;
use tower::timeout::error::Elapsed;
use tower::{BoxError, Layer, ServiceExt, service_fn};

use crate::policy::budget;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The waits between the tries of a call that always fails, in whole ms.
async fn waits(config: RetryConfig) -> Vec<u128> {
    let policy = RetryPolicy::new(budget(100)).idempotent(|_: &u32| true).config(config).unwrap();
    let at = Arc::new(Mutex::new(Vec::new()));
    let inner = service_fn(|_: u32| {
        at.lock().unwrap().push(Instant::now());
        async { Err::<(), BoxError>(Elapsed::new().into()) }
    });
    let _failure = Retry::new(policy, inner).oneshot(7).await;
    at.lock().unwrap().windows(2).map(|two| (two[1] - two[0]).as_millis()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_wait_doubles_with_each_try_and_ends_at_the_longest() {
    let config = RetryConfig::default().tries(5).backoff(ms(100), ms(500));
    for _ in 0..20 {
        let waits = waits(config).await;
        let ranges = [100..=201, 200..=401, 400..=501, 500..=501];
        assert_eq!(waits.len(), ranges.len());
        assert!(ranges.iter().zip(&waits).all(|(range, wait)| range.contains(wait)), "{waits:?}");
    }
}

/// tower's maker would give them all the same: it copies its generator.
#[tokio::test(start_paused = true)]
async fn calls_that_failed_together_do_not_come_back_together() {
    let policy = RetryPolicy::new(budget(100)).idempotent(|_: &u32| true);
    let policy = policy.config(RetryConfig::default().tries(2)).unwrap();
    let at = Arc::new(Mutex::new(Vec::new()));
    let calls = (0..20).map(|_| {
        let at = Arc::clone(&at);
        let inner = service_fn(move |_: u32| {
            at.lock().unwrap().push(Instant::now());
            async { Err::<(), BoxError>(Elapsed::new().into()) }
        });
        Retry::new(policy.clone(), inner).oneshot(7)
    });
    futures_util::future::join_all(calls).await;
    let mut times = at.lock().unwrap().split_off(20);
    times.sort();
    times.dedup();
    assert!(times.len() >= 10, "20 waits within 100 ms, {} different ones", times.len());
}

/// One permit came back in 100 ms, and two calls wait: there is a permit for another in 200 ms.
#[tokio::test(start_paused = true)]
async fn a_refusal_s_hint_is_the_least_wait() {
    let (limiter, mut driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let first = limiter.try_acquire().unwrap();
    let (mut second, mut third) = (task::spawn(limiter.acquire()), task::spawn(limiter.acquire()));
    assert_pending!(second.poll());
    assert_pending!(third.poll());
    driver.tick(Timestamp::from_millis(100));
    drop(first);
    let second = assert_ready_ok!(second.poll());
    driver.tick(Timestamp::from_millis(200));

    let policy = RetryPolicy::new(limiter.retry_budget()).idempotent(|_: &u32| true);
    let inner = service_fn(|request: u32| async move { Ok::<_, BoxError>(request) });
    let begun = Instant::now();
    let mut call = task::spawn(Retry::new(policy, ShedLayer::new(limiter.clone()).layer(inner)).oneshot(7));
    assert_pending!(call.poll());
    drop((second, third));
    assert_eq!(call.await.unwrap(), 7);
    let waited = begun.elapsed();
    assert!(waited >= ms(200) + ms(100) && waited <= ms(401), "the hint and the wait besides: {waited:?}");
}
