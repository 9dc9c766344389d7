use std::time::Duration;

use futures_util::FutureExt as _;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt};

use crate::support::{CALL, LINGER, answers, call_all, coalesce, config, layer, values};

#[tokio::test(start_paused = true)]
async fn calls_within_the_linger_are_one_call_and_each_gets_its_own_result() {
    let (service, store) = coalesce(&layer(config()));
    let began = Instant::now();
    assert_eq!(values(call_all(&service, &[1, 2, 3])).await, [10, 20, 30]);
    assert_eq!(store.sent(), [[1, 2, 3]]);
    assert_eq!(began.elapsed(), LINGER + CALL);
}

#[tokio::test(start_paused = true)]
async fn full_batch_does_not_linger_and_is_not_exceeded() {
    let (service, store) = coalesce(&layer(config().max_batch(2).concurrency(2)));
    let began = Instant::now();
    assert_eq!(values(call_all(&service, &[1, 2, 3, 4])).await, [10, 20, 30, 40]);
    assert_eq!(store.sent(), [[1, 2], [3, 4]]);
    assert_eq!(began.elapsed(), CALL);
}

#[tokio::test(start_paused = true)]
async fn without_linger_a_lone_call_is_not_delayed_and_others_gather_while_it_runs() {
    let (service, store) = coalesce(&layer(config().linger(Duration::ZERO)));
    let began = Instant::now();
    let mut calls = call_all(&service, &[1]);
    sleep(CALL / 2).await;
    calls.extend(call_all(&service, &[2, 3]));
    assert_eq!(values(calls).await, [10, 20, 30]);
    assert_eq!(store.sent(), [vec![1], vec![2, 3]]);
    assert_eq!(began.elapsed(), 2 * CALL);
}

#[tokio::test(start_paused = true)]
async fn no_more_batches_run_at_once_than_allowed() {
    let (service, store) = coalesce(&layer(config().max_batch(1).concurrency(3)));
    let began = Instant::now();
    values(call_all(&service, &[1, 2, 3, 4, 5, 6])).await;
    assert_eq!(began.elapsed(), 2 * CALL);
    assert_eq!(store.sent().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn full_queue_is_not_ready_until_a_batch_is_made() {
    let (mut service, _store) = coalesce(&layer(config().max_batch(1).linger(Duration::ZERO).queue(2)));
    let mut calls = Vec::new();
    // One runs, four are looked at for the next batch, two are in the queue.
    for row in 0..7 {
        calls.push(service.ready().await.unwrap().call(row));
        tokio::task::yield_now().await;
    }
    assert!(service.ready().now_or_never().is_none());
    service.ready().await.unwrap();
    assert_eq!(calls.remove(0).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn rows_of_one_key_are_in_batches_one_after_the_other() {
    let by_last_digit = |row: &u64| row % 10;
    let (service, store) = coalesce(&layer(config().concurrency(8)).distinct(by_last_digit));
    let began = Instant::now();
    let calls = call_all(&service, &[1, 11, 2, 21, 3]);
    assert_eq!(values(calls).await, [10, 110, 20, 210, 30]);
    assert_eq!(store.sent(), [vec![1, 2, 3], vec![11], vec![21]]);
    assert_eq!(began.elapsed(), LINGER + 3 * CALL);
}

#[tokio::test(start_paused = true)]
async fn other_keys_do_not_wait_for_a_key_in_use() {
    let by_last_digit = |row: &u64| row % 10;
    let (service, store) = coalesce(&layer(config().concurrency(8)).distinct(by_last_digit));
    let mut calls = call_all(&service, &[1]);
    sleep(CALL / 2).await;
    calls.extend(call_all(&service, &[11, 2]));
    values(calls).await;
    assert_eq!(store.sent(), [[1], [2], [11]]);
}

#[tokio::test(start_paused = true)]
async fn batches_are_counted() {
    let recorder = DebuggingRecorder::new();
    let seen = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let layer = layer(config()).name("writes").split_when(|_| true);
    let (service, _store) = coalesce(&layer);
    answers(call_all(&service, &[1, crate::support::BAD, 3])).await;
    let mut rows = Vec::new();
    let mut retries = 0;
    for (key, _, _, value) in seen.snapshot().into_vec() {
        let key = key.key();
        let label = key.labels().next().unwrap();
        assert_eq!((label.key(), label.value()), ("coalesce", "writes"));
        match (key.name(), value) {
            ("tidegate_coalesce_rows", DebugValue::Histogram(values)) => {
                rows.extend(values.into_iter().map(|rows| format!("{rows}")));
            }
            ("tidegate_coalesce_retries_total", DebugValue::Counter(count)) => retries = count,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rows, ["3", "2", "1", "1", "1"]);
    assert_eq!(retries, 4);
}
