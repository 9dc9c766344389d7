//! What is tried again, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidegate_core::Outcome;
use tidegate_limiter::{Limiter, RetryBudget, RetrySettings};
use tidegate_tower::{RetryConfig, RetryPolicy};
use tower::retry::Retry;
use tower::timeout::error::Elapsed;
use tower::{BoxError, ServiceExt, service_fn};

/// A budget of so many retries.
pub(crate) fn budget(retries: u32) -> RetryBudget {
    let settings = RetrySettings::new(0.0, retries, Duration::from_mins(1));
    Limiter::builder().fixed(5).retry(settings).build_manual().unwrap().0.retry_budget()
}

/// The retries of a call that is a request of 7.
const fn seven(request: &u32) -> bool {
    *request == 7
}

/// How often a service is called that always fails so.
async fn tries<E, P>(policy: P, request: u32, error: fn() -> E) -> u32
where
    P: tower::retry::Policy<u32, (), E> + Clone,
    E: 'static,
{
    let calls = Arc::new(AtomicU32::new(0));
    let inner = service_fn(|_: u32| {
        calls.fetch_add(1, Ordering::SeqCst);
        async move { Err::<(), E>(error()) }
    });
    let result = Retry::new(policy, inner).oneshot(request).await;
    assert!(result.is_err());
    calls.load(Ordering::SeqCst)
}

fn elapsed() -> BoxError {
    Elapsed::new().into()
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_tried_three_times_and_comes_back_as_it_is() {
    let policy = RetryPolicy::new(budget(100)).idempotent(seven);
    assert_eq!(tries(policy.clone(), 7, elapsed).await, 3);
    let service = Retry::new(policy, service_fn(|_: u32| async { Err::<(), _>(elapsed()) }));
    assert!(service.oneshot(7).await.unwrap_err().is::<Elapsed>());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_not_be_made_twice_is_not() {
    let idempotent = RetryPolicy::new(budget(100)).idempotent(seven);
    assert_eq!(tries(idempotent, 8, elapsed).await, 1);
    assert_eq!(tries(RetryPolicy::new(budget(100)), 7, elapsed).await, 1, "nothing was said of it");
}

#[tokio::test(start_paused = true)]
async fn a_business_error_is_the_caller_s_own() {
    let policy = RetryPolicy::new(budget(100)).idempotent(seven);
    assert_eq!(tries::<BoxError, _>(policy, 7, || "no such page".into()).await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_classifier_says_what_is_overload() {
    let of_error = |error: &&str| if *error == "busy" { Outcome::Overload } else { Outcome::Ignored };
    let policy = RetryPolicy::new(budget(100)).idempotent(seven).classify_errors(of_error);
    assert_eq!(tries(policy.clone(), 7, || "busy").await, 3);
    assert_eq!(tries(policy, 7, || "wrong").await, 1);
}

/// A response can say that there was no room, too.
#[tokio::test(start_paused = true)]
async fn a_response_that_is_overload_is_tried_again() {
    let judge = |result: Result<&u16, &BoxError>| match result {
        Ok(503) => Outcome::Overload,
        _ => Outcome::Success,
    };
    let policy = RetryPolicy::new(budget(100)).idempotent(seven).classify(judge);
    let calls = AtomicU32::new(0);
    let inner = service_fn(|_: u32| {
        let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        async move { Ok::<_, BoxError>(if is_first { 503 } else { 200 }) }
    });
    assert_eq!(Retry::new(policy, inner).oneshot(7).await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn without_a_loan_the_failure_is_the_answer() {
    let budget = budget(3);
    let policy = RetryPolicy::new(budget.clone()).idempotent(seven);
    assert_eq!(tries(policy.clone(), 7, elapsed).await, 3);
    assert_eq!(tries(policy.clone(), 7, elapsed).await, 2, "one was left");
    assert_eq!(tries(policy, 7, elapsed).await, 1);
    assert_eq!(budget.balance(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_call_counts_its_own_tries() {
    let config = RetryConfig::default().tries(2);
    let policy = RetryPolicy::new(budget(100)).idempotent(seven).config(config).unwrap();
    for _ in 0..3 {
        assert_eq!(tries(policy.clone(), 7, elapsed).await, 2);
    }
    let once = policy.config(RetryConfig::default().tries(1)).unwrap();
    assert_eq!(tries(once, 7, elapsed).await, 1);
}

#[test]
fn settings_that_cannot_be_used_are_all_named() {
    let config = RetryConfig::default().tries(11).backoff(Duration::ZERO, Duration::from_hours(2));
    assert_eq!(
        RetryPolicy::new(budget(1)).config(config).unwrap_err().to_string(),
        "tries is 11, allowed is 1 to 10; backoff_min is 0ns, allowed is 1ms to 3600s; \
         backoff_max is 7200s, allowed is 0ns (backoff_min) to 3600s"
    );
}
