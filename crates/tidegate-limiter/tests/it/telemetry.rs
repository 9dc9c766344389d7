//! What a recorder sees, with the limiter's metrics read through a real one.

use std::time::Duration;

use super::util::{Told, ToldPool};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tidegate_core::{Outcome, PoolReading};
use tidegate_limiter::{Limiter, Reservation};
use tokio::time::sleep;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};

/// The values of the metric with these labels.
fn value(snapshotter: &Snapshotter, name: &str, labels: &[(&str, &str)]) -> DebugValue {
    let found = snapshotter.snapshot().into_vec().into_iter().find(|(key, ..)| {
        let key = key.key();
        let has =
            |(label, value): &(&str, &str)| key.labels().any(|l| l.key() == *label && l.value() == *value);
        key.name() == name && labels.iter().all(has)
    });
    found.unwrap_or_else(|| unreachable!("{name} {labels:?} is not recorded")).3
}

fn limiter(recorder: &DebuggingRecorder, law: &Told, pool: ToldPool) -> Limiter {
    metrics::with_local_recorder(recorder, || {
        Limiter::builder().name("experts").pool(pool).law(law.clone()).build().unwrap()
    })
}

#[tokio::test(start_paused = true)]
async fn gauges_and_counters_tell_what_happened() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let (law, pool) = (Told::new(3), ToldPool::default());
    pool.0.lock().unwrap().reading = PoolReading::new(20, 8, 3, Duration::from_secs(1)).idle_bounds(2, 12);
    pool.0.lock().unwrap().pending = 4;
    let limiter = limiter(&recorder, &law, pool);
    limiter.acquire().await.unwrap().finish(Outcome::Overload);
    limiter.acquire().await.unwrap().finish(Outcome::Ignored);
    limiter.acquire().await.unwrap().finish(Outcome::Success);
    let _held = [limiter.acquire().await.unwrap(), limiter.acquire().await.unwrap()];
    law.set_limit(1);
    sleep(Duration::from_millis(350)).await;
    // A snapshot resets counters, so one is taken and searched.
    let all = snapshotter.snapshot().into_vec();
    let find = |name: &str, label: &str| {
        let found = all.iter().find(|(key, ..)| {
            key.key().name() == name && (label.is_empty() || key.key().labels().any(|l| l.value() == label))
        });
        match &found.unwrap_or_else(|| unreachable!("{name} {label} is not recorded")).3 {
            DebugValue::Gauge(value) => value.0,
            DebugValue::Counter(value) => f64::from(u32::try_from(*value).unwrap()),
            DebugValue::Histogram(_) => f64::NAN,
        }
    };
    let expected = [
        ("tidegate_limit", "experts", 1.0),
        ("tidegate_suggested_limit", "experts", 1.0),
        ("tidegate_in_flight", "experts", 2.0),
        ("tidegate_overhang", "experts", 1.0),
        ("tidegate_queued", "experts", 0.0),
        ("tidegate_admitted_total", "experts", 5.0),
        ("tidegate_outcomes_total", "overload", 1.0),
        ("tidegate_outcomes_total", "ignored", 1.0),
        ("tidegate_outcomes_total", "success", 1.0),
        ("tidegate_decisions_total", "configured", 1.0),
        ("db.client.connection.count", "idle", 3.0),
        ("db.client.connection.count", "used", 5.0),
        ("db.client.connection.max", "told", 20.0),
        ("db.client.connection.idle.max", "told", 12.0),
        ("db.client.connection.idle.min", "told", 2.0),
        ("db.client.connection.pending_requests", "told", 4.0),
    ];
    for (name, label, value) in expected {
        assert!((find(name, label) - value).abs() < 1e-9, "{name} {label} is {}", find(name, label));
    }
}

#[tokio::test(start_paused = true)]
async fn the_brake_is_a_gauge() {
    let recorder = DebuggingRecorder::new();
    let law = Told::new(3);
    let limiter = limiter(&recorder, &law, ToldPool::default());
    let _work = limiter.acquire().await.unwrap();
    law.set_brake(true);
    sleep(Duration::from_millis(50)).await;
    assert_eq!(value(&recorder.snapshotter(), "tidegate_braked", &[]), DebugValue::Gauge(1.0.into()));
}

#[tokio::test(start_paused = true)]
async fn an_episode_is_a_gauge_while_it_lasts() {
    let recorder = DebuggingRecorder::new();
    let pool = ToldPool::default();
    let limiter = limiter(&recorder, &Told::new(3), pool.clone());
    let _work = limiter.acquire().await.unwrap();
    let gauge =
        || value(&recorder.snapshotter(), "tidegate_episode", &[("episode", "server_out_of_connections")]);
    sleep(Duration::from_millis(150)).await;
    assert_eq!(gauge(), DebugValue::Gauge(0.0.into()));
    pool.0.lock().unwrap().activity.refused += 1;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(gauge(), DebugValue::Gauge(1.0.into()));
    sleep(Duration::from_secs(61)).await;
    assert_eq!(gauge(), DebugValue::Gauge(0.0.into()));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_last_change_is_a_date() {
    let recorder = DebuggingRecorder::new();
    let law = Told::new(3);
    let limiter = limiter(&recorder, &law, ToldPool::default());
    let _work = limiter.acquire().await.unwrap();
    let changed = || match value(&recorder.snapshotter(), "tidegate_limit_changed_timestamp_seconds", &[]) {
        DebugValue::Gauge(date) => date.0,
        other => unreachable!("{other:?} is no gauge"),
    };
    sleep(Duration::from_millis(150)).await;
    let built = changed();
    assert!(built > 1.7e9, "{built} is not of this century");
    sleep(Duration::from_millis(200)).await;
    assert!((changed() - built).abs() < 1e-9, "nothing changed");
    law.set_limit(2);
    sleep(Duration::from_millis(150)).await;
    assert!(changed() > built);
}

#[tokio::test(start_paused = true)]
async fn queue_wait_counts_those_who_waited_cancelled_ones_included() {
    let recorder = DebuggingRecorder::new();
    let law = Told::new(1);
    let limiter = limiter(&recorder, &law, ToldPool::default());
    let held = limiter.acquire().await.unwrap();
    let waiter = tokio::spawn(limiter.acquire());
    let impatient = tokio::time::timeout(Duration::from_millis(20), limiter.acquire());
    assert!(impatient.await.is_err());
    sleep(Duration::from_millis(10)).await;
    drop(held);
    drop(waiter.await.unwrap());
    let DebugValue::Histogram(mut waits) = value(&recorder.snapshotter(), "tidegate_queue_wait_seconds", &[])
    else {
        unreachable!("a histogram");
    };
    waits.sort();
    let waits: Vec<f64> = waits.into_iter().map(Into::into).collect();
    assert_eq!(waits.len(), 2, "the first caller did not wait");
    assert!((waits[0] - 0.02).abs() < 0.002 && (waits[1] - 0.03).abs() < 0.002, "{waits:?}");
}

/// A call whose caller left between the hand-over and its next poll is no success.
#[tokio::test(start_paused = true)]
async fn a_permit_handed_over_and_never_seen_is_ignored() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let limiter = limiter(&recorder, &Told::new(1), ToldPool::default());
    let mut service = task::spawn(Reservation::new(&limiter));
    assert_ready!(service.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    let mut call = task::spawn(limiter.acquire());
    assert_pending!(call.poll());
    // The reservation stands idle while somebody waits: it is taken for the call.
    sleep(Duration::from_millis(100)).await;
    let permit = assert_ready_ok!(call.poll());
    let mut promised = task::spawn(service.enter(|_, mut reservation| reservation.claim()).unwrap());
    assert_pending!(promised.enter(|cx, mut claim| claim.poll_held(cx)));
    let mut next = task::spawn(limiter.acquire());
    assert_pending!(next.poll());
    permit.finish(Outcome::Success);
    drop(promised);
    drop(next);
    sleep(Duration::from_millis(150)).await;
    let all = snapshotter.snapshot().into_vec();
    let count = |outcome: &str| {
        let of = |label: &metrics::Label| label.key() == "outcome" && label.value() == outcome;
        let found = all
            .iter()
            .find(|(key, ..)| key.key().name() == "tidegate_outcomes_total" && key.key().labels().any(of));
        found.map(|found| format!("{:?}", found.3))
    };
    assert_eq!(count("success").as_deref(), Some("Counter(1)"));
    assert_eq!(count("ignored").as_deref(), Some("Counter(2)"), "the promise's and the call's");
}

fn count_of_waits(snapshotter: &Snapshotter) -> usize {
    match value(snapshotter, "tidegate_queue_wait_seconds", &[]) {
        DebugValue::Histogram(waits) => waits.len(),
        other => unreachable!("{other:?} is no histogram"),
    }
}

/// A clock read costs as much as the rest of a short wait, so where waits are many only a sample is timed.
#[tokio::test(start_paused = true)]
async fn sixteen_waits_are_timed_between_two_looks() {
    let recorder = DebuggingRecorder::new();
    let law = Told::new(1);
    let limiter = limiter(&recorder, &law, ToldPool::default());
    let _held = limiter.acquire().await.unwrap();
    let give_up = || {
        for _ in 0..40 {
            drop(task::spawn(limiter.acquire()).poll());
        }
    };
    give_up();
    assert_eq!(count_of_waits(&recorder.snapshotter()), 16);
    sleep(Duration::from_millis(60)).await;
    give_up();
    assert_eq!(count_of_waits(&recorder.snapshotter()), 16, "after a look it is sixteen again");
}
