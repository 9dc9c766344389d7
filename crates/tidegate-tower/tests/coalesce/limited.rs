//! Above a limit.

use std::time::Duration;

use tidegate_limiter::Limiter;
use tidegate_tower::{Coalesce, CoalesceLayer, ServiceBuilderExt};
use tokio::time::sleep;
use tower::{ServiceBuilder, service_fn};

use crate::support::{BAD, LINGER, Refused, Store, answers, call_all, config, layer, values};

fn above(limiter: &Limiter, layer: CoalesceLayer<u64, Refused>) -> (Coalesce<u64, u64>, Store) {
    let store = Store::default();
    let inner = store.clone();
    (ServiceBuilder::new().layer(layer).limit(limiter.clone()).service(inner), store)
}

#[tokio::test(start_paused = true)]
async fn batch_takes_one_permit_and_gives_it_back() {
    let (limiter, _driver) = Limiter::builder().fixed(2).build_manual().unwrap();
    let (service, _store) = above(&limiter, layer(config()));
    let calls = call_all(&service, &[1, 2, 3]);
    sleep(LINGER + Duration::from_millis(1)).await;
    assert_eq!(limiter.snapshot().in_flight, 1);
    values(calls).await;
    assert_eq!((limiter.snapshot().in_flight, limiter.snapshot().reserved), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn rows_that_come_while_there_is_no_permit_join_the_batch() {
    let (limiter, _driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let (service, store) = above(&limiter, layer(config()));
    let permit = limiter.acquire().await.unwrap();
    let mut calls = call_all(&service, &[1]);
    sleep(10 * LINGER).await;
    calls.extend(call_all(&service, &[2, 3]));
    sleep(LINGER).await;
    drop(permit);
    assert_eq!(values(calls).await, [10, 20, 30]);
    assert_eq!(store.sent(), [[1, 2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn permit_for_callers_that_have_gone_is_given_back() {
    let (limiter, _driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let (service, store) = above(&limiter, layer(config()));
    let permit = limiter.acquire().await.unwrap();
    let calls = call_all(&service, &[1]);
    sleep(10 * LINGER).await;
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    drop(permit);
    sleep(LINGER).await;
    assert!(store.sent().is_empty());
    assert!(limiter.try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn halves_need_no_second_permit() {
    let (limiter, _driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let (service, store) = above(&limiter, layer(config()).split_when(|_| true));
    let answers = answers(call_all(&service, &[1, BAD])).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(store.sent().len(), 3);
    assert_eq!(limiter.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn readiness_that_fails_fails_the_batch() {
    let limiter = Limiter::builder().fixed(1).build().unwrap();
    limiter.close();
    let inner = service_fn(|rows: Vec<u64>| async move { Ok::<_, tower::BoxError>(rows) });
    let layer = CoalesceLayer::new(config()).unwrap();
    let service = ServiceBuilder::new().layer(layer).queue(limiter).service(inner);
    assert!(answers(call_all(&service, &[1, 2])).await.iter().all(Result::is_err));
}
