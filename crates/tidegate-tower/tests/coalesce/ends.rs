use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_tower::CoalesceError;
use tokio::time::sleep;
use tower::{BoxError, Layer, Service, ServiceExt};

use crate::support::{CALL, LINGER, PANIC, SHORT, answers, call_all, coalesce, config, layer, values};

fn kind(error: &BoxError) -> &CoalesceError {
    error.downcast_ref().unwrap()
}

#[tokio::test(start_paused = true)]
async fn caller_that_goes_before_the_batch_is_sent_is_left_out() {
    let (service, store) = coalesce(&layer(config()));
    let mut calls = call_all(&service, &[1, 2, 3]);
    sleep(LINGER / 2).await;
    calls.remove(1).abort();
    assert_eq!(values(calls).await, [10, 30]);
    assert_eq!(store.sent(), [[1, 3]]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_if_all_callers_have_gone() {
    let (service, store) = coalesce(&layer(config()));
    call_all(&service, &[1, 2]).into_iter().for_each(|call| call.abort());
    sleep(Duration::from_secs(1)).await;
    assert!(store.sent().is_empty());
    assert_eq!(service.oneshot(3).await.unwrap(), 30);
}

#[tokio::test(start_paused = true)]
async fn caller_that_goes_after_the_batch_was_sent_does_not_cancel_it() {
    let (service, store) = coalesce(&layer(config()));
    let mut calls = call_all(&service, &[1, 2]);
    sleep(LINGER + CALL / 2).await;
    calls.remove(0).abort();
    assert_eq!(values(calls).await, [20]);
    assert_eq!(store.sent(), [[1, 2]]);
}

#[tokio::test(start_paused = true)]
async fn panic_reaches_every_caller_and_the_next_batch_runs() {
    let (service, _store) = coalesce(&layer(config()).distinct(|row| *row));
    for answer in answers(call_all(&service, &[1, PANIC])).await {
        assert!(matches!(kind(&answer.unwrap_err()), CoalesceError::Lost));
    }
    // Row 1 again: the batch that panicked has given its keys back.
    assert_eq!(service.oneshot(1).await.unwrap(), 10);
}

/// Panics when it is asked whether it is ready.
#[derive(Clone)]
struct NeverReady;

impl Service<Vec<u64>> for NeverReady {
    type Response = Vec<u64>;
    type Error = BoxError;
    type Future = Ready<Result<Vec<u64>, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        unreachable!("a panic of readiness");
    }

    fn call(&mut self, rows: Vec<u64>) -> Self::Future {
        ready(Ok(rows))
    }
}

#[tokio::test(start_paused = true)]
async fn panic_of_readiness_reaches_the_callers_and_ends_nothing_else() {
    let service = tidegate_tower::CoalesceLayer::new(config()).unwrap().layer(NeverReady);
    for row in [1, 2] {
        let error = service.clone().oneshot(row).await.unwrap_err();
        assert!(matches!(kind(&error), CoalesceError::Lost));
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_number_of_results_is_an_error_for_all() {
    let (service, _store) = coalesce(&layer(config()));
    for answer in answers(call_all(&service, &[1, SHORT, 3])).await {
        let error = answer.unwrap_err().to_string();
        assert_eq!(error, "a batch of 3 rows was answered with 2 results; one per row is needed");
    }
}

#[tokio::test(start_paused = true)]
async fn last_handle_dropped_sends_what_waits_without_linger() {
    let (service, store) = coalesce(&layer(config().linger(Duration::from_secs(1))));
    let began = tokio::time::Instant::now();
    let calls = call_all(&service, &[1, 2]);
    drop(service);
    assert_eq!(values(calls).await, [10, 20]);
    assert_eq!(began.elapsed(), CALL);
    assert_eq!(store.sent(), [[1, 2]]);
}

#[test]
fn runtime_that_ends_is_an_error_for_those_who_wait_and_those_who_come() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (mut service, _store) = coalesce(&layer(config()));
    first.block_on(async { service.ready().await.map(drop).unwrap() });
    let waiting = service.call(1);
    drop(first);
    let error = second.block_on(waiting).unwrap_err();
    assert!(matches!(kind(&error), CoalesceError::Lost));
    let error = second.block_on(service.oneshot(2)).unwrap_err();
    assert!(matches!(kind(&error), CoalesceError::Closed));
}

#[test]
fn call_of_a_service_that_was_ready_before_its_runtime_ended_is_an_error() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (mut service, _store) = coalesce(&layer(config()));
    first.block_on(async { service.ready().await.map(drop).unwrap() });
    drop(first);
    let error = second.block_on(service.call(1)).unwrap_err();
    assert!(matches!(kind(&error), CoalesceError::Closed));
}

#[test]
fn without_a_runtime_it_is_an_error_and_with_one_later_it_works() {
    let (mut service, _store) = coalesce(&layer(config()));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(Err(error)) = service.poll_ready(&mut cx) else { panic!("no error") };
    assert!(matches!(kind(&error), CoalesceError::Closed));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert_eq!(runtime.block_on(service.oneshot(2)).unwrap(), 20);
}

#[tokio::test]
async fn call_before_ready_is_an_error() {
    let (mut service, _store) = coalesce(&layer(config()));
    let error = service.call(1).await.unwrap_err();
    assert!(matches!(kind(&error), CoalesceError::NotReady));
}
