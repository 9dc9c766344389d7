use std::panic::{AssertUnwindSafe, catch_unwind};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::time::advance;

use super::handles::{CREATE_TIME, NESTED, TIMEOUTS, USE_TIME, WAIT_TIME};
use super::*;

mod reserve;

const SECOND: Duration = Duration::from_secs(1);

/// A pool of 20 with `used` connections in use.
fn reading(used: u32) -> PoolReading {
    PoolReading::new(20, used, 0, SECOND)
}

fn meter() -> PoolMeter {
    PoolMeter::new("test")
}

#[tokio::test(start_paused = true)]
async fn cancelled_wait_is_counted_and_timed() {
    let meter = meter();
    let wait = meter.begin(reading(0));
    advance(3 * SECOND).await;
    drop(wait);
    let evidence = meter.evidence(reading(0));
    assert_eq!(evidence.pending, 0);
    assert_eq!(evidence.activity.cancelled, 1);
    assert_eq!(evidence.activity.wait, 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn each_end_has_its_own_counter() {
    let meter = meter();
    drop(meter.begin(reading(0)).granted());
    for _ in 0..2 {
        meter.begin(reading(0)).timed_out();
    }
    for _ in 0..3 {
        meter.begin(reading(0)).refused();
    }
    for _ in 0..4 {
        meter.begin(reading(0)).failed();
    }
    for _ in 0..5 {
        drop(meter.begin(reading(0)));
    }
    let activity = meter.evidence(reading(0)).activity;
    let ends = [activity.grants, activity.timeouts, activity.refused, activity.failures, activity.cancelled];
    assert_eq!((ends, activity.requests), ([1, 2, 3, 4, 5], 15));
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_wait_adds_its_time() {
    let meter = meter();
    let ends: [fn(PoolWait); 5] = [
        |wait| drop(wait.granted()),
        |wait| wait.timed_out(),
        |wait| wait.refused(),
        |wait| wait.failed(),
        |wait| drop(wait),
    ];
    for (done, end) in (1..).zip(ends) {
        let wait = meter.begin(reading(0));
        advance(SECOND).await;
        end(wait);
        assert_eq!(meter.evidence(reading(0)).activity.wait, done * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn pending_and_held_are_integrated_over_time() {
    let meter = meter();
    let first = meter.begin(reading(0));
    advance(SECOND).await; // one pending
    let lent = first.granted();
    let second = meter.begin(reading(1));
    let third = meter.begin(reading(1));
    advance(2 * SECOND).await; // two pending, one held
    drop((lent, second));
    advance(4 * SECOND).await; // one pending
    let activity = meter.evidence(reading(1)).activity;
    assert_eq!((activity.pending_time, activity.held_time), (9 * SECOND, 2 * SECOND));
    drop(third);
    advance(SECOND).await; // nothing
    assert_eq!(meter.evidence(reading(0)).activity.pending_time, 9 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn oldest_pending_is_the_age_of_the_oldest_wait_alive() {
    let meter = meter();
    let oldest = || meter.evidence(reading(0)).oldest_pending;
    assert_eq!(oldest(), Duration::ZERO);
    let first = meter.begin(reading(0));
    advance(SECOND).await;
    let second = meter.begin(reading(0));
    advance(SECOND).await;
    assert_eq!(oldest(), 2 * SECOND);
    drop(first);
    assert_eq!(oldest(), SECOND);
    drop(second.granted());
    assert_eq!(oldest(), Duration::ZERO);
}

/// One connection that hangs while it is opened must not look like a pool that serves nobody.
#[tokio::test(start_paused = true)]
async fn who_was_passed_over_is_stuck_and_not_in_line() {
    let meter = meter();
    let oldest = || meter.evidence(reading(0)).oldest_pending;
    let stuck = meter.begin(reading(0));
    advance(SECOND).await;
    let served = meter.begin(reading(0));
    advance(SECOND).await;
    let in_line = meter.begin(reading(0));
    advance(SECOND).await;
    assert_eq!(oldest(), 3 * SECOND);
    let lent = served.granted();
    assert_eq!(oldest(), SECOND);
    drop(in_line);
    assert_eq!(oldest(), Duration::ZERO);
    // It is pending all the same, until it gives up.
    assert_eq!(meter.evidence(reading(0)).pending, 1);
    drop((stuck, lent));
}

#[tokio::test(start_paused = true)]
async fn use_lasts_until_the_guard_is_dropped() {
    let meter = meter();
    let lent = meter.begin(reading(0)).granted();
    advance(2 * SECOND).await;
    let evidence = meter.evidence(reading(1));
    assert_eq!((evidence.held, evidence.activity.returns), (1, 0));
    drop(lent);
    let evidence = meter.evidence(reading(0));
    assert_eq!((evidence.held, evidence.activity.returns), (0, 1));
    assert_eq!(evidence.activity.use_time, 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn untracked_use_makes_held_the_pools_own_count() {
    let meter = meter();
    let kept = meter.begin(reading(0)).granted();
    meter.begin(reading(1)).granted().untracked();
    let evidence = meter.evidence(reading(2));
    assert_eq!((evidence.held, evidence.activity.returns), (2, 0));
    assert_eq!(evidence.activity.use_time, Duration::ZERO);

    drop(kept);
    let before = meter.evidence(reading(5)).activity.held_time;
    advance(SECOND).await;
    let after = meter.evidence(reading(5));
    assert_eq!((after.held, after.activity.held_time - before), (5, 5 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn clone_shares_the_counts() {
    let meter = meter();
    let clone = meter.clone();
    let _wait = clone.begin(reading(0));
    assert_eq!(meter.evidence(reading(0)).pending, 1);
}

#[test]
fn panic_while_waiting_or_holding_leaves_counts_exact() {
    let meter = meter();
    let waiting = catch_unwind(AssertUnwindSafe(|| {
        let _wait = meter.begin(reading(0));
        panic!("while waiting");
    }));
    let holding = catch_unwind(AssertUnwindSafe(|| {
        let _lent = meter.begin(reading(0)).granted();
        panic!("while holding");
    }));
    assert!(waiting.is_err() && holding.is_err());
    let evidence = meter.evidence(reading(0));
    assert_eq!((evidence.pending, evidence.held), (0, 0));
    assert_eq!((evidence.activity.cancelled, evidence.activity.returns), (1, 1));
}

#[test]
fn a_panic_under_the_lock_leaves_the_counts_usable() {
    let meter = meter();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _counts = meter.shared.counts.lock();
        panic!("under the lock");
    }));
    assert!(panicked.is_err());
    drop(meter.begin(reading(0)));
    assert_eq!(meter.evidence(reading(0)).activity.cancelled, 1);
}

#[test]
fn counts_are_exact_under_threads() {
    let meter = meter();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..1000 {
                    let wait = meter.begin(reading(0));
                    if i % 2 == 0 {
                        drop(wait.granted());
                    }
                }
            });
        }
    });
    let evidence = meter.evidence(reading(0));
    let activity = evidence.activity;
    assert_eq!((evidence.pending, evidence.held), (0, 0));
    assert_eq!((activity.requests, activity.grants, activity.returns), (4000, 2000, 2000));
    assert_eq!(activity.cancelled, 2000);
}

/// The values of `metric` for the pool `test`.
fn values(snapshot: &Snapshotter, metric: &[&str]) -> Vec<(String, DebugValue)> {
    let mut found = Vec::new();
    for (key, unit, description, value) in snapshot.snapshot().into_vec() {
        let key = key.key();
        assert!(unit.is_some() && description.is_some(), "{} is described", key.name());
        let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
        assert_eq!(labels, [(POOL_NAME, "test")]);
        if metric.contains(&key.name()) {
            found.push((key.name().to_owned(), value));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn metrics_are_in_seconds_and_name_the_pool() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    metrics::with_local_recorder(&recorder, || {
        runtime.unwrap().block_on(async {
            let meter = meter();
            let wait = meter.begin(reading(0));
            advance(Duration::from_millis(1500)).await;
            let lent = wait.granted();
            advance(Duration::from_millis(250)).await;
            drop(lent);
            let late = meter.begin(reading(0));
            advance(SECOND).await;
            late.timed_out();
        });
    });
    let found = values(&snapshotter, &[TIMEOUTS, USE_TIME, WAIT_TIME]);
    let expected = [
        (TIMEOUTS, DebugValue::Counter(1)),
        (USE_TIME, DebugValue::Histogram(vec![0.25.into()])),
        (WAIT_TIME, DebugValue::Histogram(vec![1.5.into(), 1.0.into()])),
    ];
    assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
}

/// The metrics of that name, as the recorder has them.
fn recorded(snapshotter: &Snapshotter, name: &str) -> Vec<DebugValue> {
    let all = snapshotter.snapshot().into_vec();
    all.into_iter().filter(|(key, ..)| key.key().name() == name).map(|(.., value)| value).collect()
}

#[tokio::test(start_paused = true)]
async fn a_timeout_with_a_place_free_is_the_servers() {
    let meter = meter();
    let full = PoolReading::new(2, 2, 0, SECOND);
    let half_open = PoolReading::new(2, 1, 0, SECOND);
    let idle = PoolReading::new(2, 1, 1, SECOND);
    let count = || meter.evidence(full).activity.connect_timeouts;
    meter.begin(full).timed_out();
    meter.begin(idle).timed_out();
    assert_eq!(count(), 0);
    meter.begin(half_open).timed_out();
    assert_eq!(count(), 1);
    // The one that came first is opened the connection that there is a place for.
    let first = meter.begin(half_open);
    let second = meter.begin(half_open);
    second.timed_out();
    assert_eq!(count(), 1);
    first.timed_out();
    assert_eq!((count(), meter.evidence(full).activity.timeouts), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn create_time_is_of_connections_opened_without_a_wait_in_line() {
    let recorder = DebuggingRecorder::new();
    let meter = metrics::with_local_recorder(&recorder, meter);
    for reading in [PoolReading::new(2, 1, 0, SECOND), PoolReading::new(2, 2, 0, SECOND)] {
        let wait = meter.begin(reading);
        advance(SECOND).await;
        wait.opened(Instant::now());
        advance(SECOND).await;
        drop(wait.granted());
    }
    let created = recorded(&recorder.snapshotter(), CREATE_TIME);
    assert_eq!(created, [DebugValue::Histogram(vec![1.0.into()])]);
}

fn nested(snapshotter: &Snapshotter) -> u64 {
    match recorded(snapshotter, NESTED)[..] {
        [DebugValue::Counter(count)] => count,
        ref other => unreachable!("{other:?} is no counter"),
    }
}

#[tokio::test]
async fn an_acquire_by_who_has_a_connection_in_hand_is_nested() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let meter = metrics::with_local_recorder(&recorder, meter);
    let ask = || drop(meter.begin(reading(0)));
    crate::flow::within(&mut crate::CallId::numbered(1), || {
        let mut first = meter.begin(reading(0)).granted();
        ask();
        assert_eq!(nested(&snapshotter), 0, "it is held for one statement");
        first.in_hand();
        ask();
        crate::flow::within(&mut crate::CallId::numbered(2), ask);
        assert_eq!(nested(&snapshotter), 2, "by the call itself, and by one within it");
        first.out_of_hand();
        ask();
        first.in_hand();
        drop(first);
        ask();
        assert_eq!(nested(&snapshotter), 0, "given back");
    });
}

#[tokio::test]
async fn calls_beside_each_other_are_not_nested() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let meter = metrics::with_local_recorder(&recorder, meter);
    let hold = || {
        let mut lent = meter.begin(reading(0)).granted();
        lent.in_hand();
        lent
    };
    let held = [
        crate::flow::within(&mut crate::CallId::numbered(1), hold),
        crate::flow::within(&mut crate::CallId::numbered(2), hold),
    ];
    drop(meter.begin(reading(0)));
    assert_eq!(nested(&snapshotter), 0);
    let other = meter.clone();
    let in_task = async move {
        let mut lent = other.begin(reading(0)).granted();
        lent.in_hand();
        drop(other.begin(reading(0)));
        lent
    };
    let lent = tokio::spawn(in_task).await.unwrap();
    assert_eq!(nested(&snapshotter), 1, "a task without calls is a line of work of its own");
    drop(meter.begin(reading(0)));
    drop((held, lent));
    assert_eq!(nested(&snapshotter), 0);
}
