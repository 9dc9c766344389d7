//! No retry that could not begin in time, and none where trying is of no use.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidegate_limiter::{Class, Limiter, OverloadReason, Overloaded};
use tidegate_tower::{QueueLayer, RetryPolicy, ShedLayer};
use tokio::time::{Instant, sleep};
use tower::retry::Retry;
use tower::timeout::error::Elapsed;
use tower::{BoxError, Layer, ServiceExt, service_fn};

use crate::policy::budget;

/// Tries of 50 ms that fail, and when the call came back.
async fn tries(class: fn(&u32) -> Class) -> (u32, Duration) {
    let policy = RetryPolicy::new(budget(100)).idempotent(|_: &u32| true).class(class);
    let calls = AtomicU32::new(0);
    let inner = service_fn(|_: u32| {
        calls.fetch_add(1, Ordering::SeqCst);
        async {
            sleep(Duration::from_millis(50)).await;
            Err::<(), BoxError>(Elapsed::new().into())
        }
    });
    let begun = Instant::now();
    let _failure = Retry::new(policy, inner).oneshot(7).await;
    (calls.load(Ordering::SeqCst), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn no_retry_is_made_that_could_not_begin_in_time() {
    // The second try begins after 50 ms of the first and a wait of 100 to 200 ms.
    let (count, took) = tries(|_| Class::default().within(Duration::from_millis(150))).await;
    assert_eq!((count, took), (1, Duration::from_millis(50)), "it does not wait for the deadline either");
    // The third one after 50 ms more and a wait of 200 to 400 ms.
    let (count, took) = tries(|_| Class::default().within(Duration::from_millis(390))).await;
    assert_eq!(count, 2);
    assert!(took < Duration::from_millis(390));
    assert_eq!(tries(|_| Class::default()).await.0, 3);
}

/// The time a class gives is for all the tries, not for each anew.
#[tokio::test(start_paused = true)]
async fn a_retry_that_is_not_made_costs_the_budget_nothing() {
    let budget = budget(1);
    let late = |_: &u32| Class::default().within(Duration::from_millis(1));
    let policy = RetryPolicy::new(budget.clone()).idempotent(|_: &u32| true).class(late);
    let inner = service_fn(|_: u32| async { Err::<(), BoxError>(Elapsed::new().into()) });
    assert!(Retry::new(policy, inner).oneshot(7).await.is_err());
    assert_eq!(budget.balance(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_limiter_and_a_deadline_that_passed_are_final() {
    let (limiter, _driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let inner = service_fn(|request: u32| async move { Ok::<_, BoxError>(request) });
    let reason = async |class: fn(&u32) -> Class| {
        let policy = RetryPolicy::new(limiter.retry_budget()).idempotent(|_: &u32| true);
        let service = Retry::new(policy, QueueLayer::new(limiter.clone()).class(class).layer(inner));
        let begun = Instant::now();
        let error = service.oneshot(7).await.unwrap_err();
        (error.downcast_ref::<Overloaded>().unwrap().reason(), begun.elapsed())
    };
    let held = limiter.try_acquire().unwrap();
    let expired = reason(|_| Class::default().deadline(Instant::now())).await;
    assert_eq!(expired, (OverloadReason::Expired, Duration::ZERO));
    drop(held);
    limiter.close();
    assert_eq!(reason(|_| Class::default()).await, (OverloadReason::Closed, Duration::ZERO));
    assert_eq!(limiter.retry_budget().balance(), 3);

    // Any other refusal may be tried again.
    let (limiter, _driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let _held = limiter.try_acquire().unwrap();
    let policy = RetryPolicy::new(limiter.retry_budget()).idempotent(|_: &u32| true);
    let service = Retry::new(policy, ShedLayer::new(limiter.clone()).layer(inner));
    assert!(service.oneshot(7).await.is_err());
    assert_eq!(limiter.retry_budget().balance(), 1);
}
