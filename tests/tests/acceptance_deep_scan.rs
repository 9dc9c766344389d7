//! The user's own criterion: five concurrent deep-scan jobs on a pool of 20, sustained, end without a connection error,
//! while the pool's metrics are monitored.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use sqlx::{Error, Postgres};
use tidegate::{LimitLayer, Limiter, MeteredPool};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

const JOBS: usize = 5;
const EXPERTS: usize = 11;
const QUERIES: usize = 2;
const QUERY_SECONDS: f64 = 0.2;
const POOL: u32 = 20;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

type Expert = BoxCloneSyncService<(), (), Error>;

/// An expert's queries run at the same time: five jobs want 110 connections.
async fn expert(pool: MeteredPool<Postgres>) -> Result<(), Error> {
    let query = || sqlx::query("SELECT pg_sleep($1)").bind(QUERY_SECONDS).execute(&pool);
    try_join_all((0..QUERIES).map(|_| query())).await.map(drop)
}

/// Jobs, one after another in each of five slots, for this long: how many ended well and how many failed.
async fn run_jobs(expert: &Expert, duration: Duration) -> (u32, u32) {
    let (ok, failed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let end = Instant::now() + duration;
    let slot = || async {
        while Instant::now() < end {
            let experts = (0..EXPERTS).map(|_| tokio::spawn(expert.clone().oneshot(())));
            let results = join_all(experts).await;
            let is_ok = results.into_iter().all(|result| result.unwrap().is_ok());
            if is_ok { &ok } else { &failed }.fetch_add(1, Ordering::Relaxed);
        }
    };
    join_all((0..JOBS).map(|_| slot())).await;
    (ok.load(Ordering::Relaxed), failed.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_deep_scan_jobs_on_a_pool_of_20_end_without_a_connection_error() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let plain = tidegate_tests::postgres_pool(POOL, ACQUIRE_TIMEOUT).await;

    // First the failure: without a limit the same jobs run into the acquire timeout.
    let unlimited = MeteredPool::new(plain.clone());
    let service = ServiceBuilder::new().service_fn({
        let pool = unlimited.clone();
        move |()| expert(pool.clone())
    });
    let (_, failed) = run_jobs(&Expert::new(service), Duration::from_secs(4)).await;
    assert!(failed > 0, "the workload does not overload the pool, so this test shows nothing");

    let (pool, limiter) = metrics::with_local_recorder(&recorder, || {
        let pool = MeteredPool::new(plain).with_name("scans");
        let limiter = Limiter::builder().name("experts").pool(pool.probe()).build().unwrap();
        (pool, limiter)
    });
    let service = ServiceBuilder::new().layer(LimitLayer::new(limiter.clone())).service_fn({
        let pool = pool.clone();
        move |()| expert(pool.clone())
    });
    let (ok, failed) = run_jobs(&Expert::new(service), Duration::from_secs(10)).await;
    let stats = pool.stats();
    assert_eq!(
        (failed, stats.activity.timeouts, stats.activity.refused),
        (0, 0, 0),
        "{:?}",
        limiter.decisions()
    );
    // 50 experts a second fill a pool of 20 for 0.2 s twice each; half of that leaves room for a slow machine.
    assert!(ok >= 22, "only {ok} jobs in 10 s");

    let metrics = snapshotter.snapshot().into_vec();
    let find = |name: &str| {
        let found = metrics.iter().find(|(key, ..)| key.key().name() == name);
        &found.unwrap_or_else(|| unreachable!("{name} is not recorded")).3
    };
    assert!(matches!(find("tidegate_limit"), DebugValue::Gauge(limit) if limit.0 >= 1.0));
    assert_eq!(find("db.client.connection.max"), &DebugValue::Gauge(f64::from(POOL).into()));
    assert!(
        matches!(find("db.client.connection.wait_time"), DebugValue::Histogram(waits) if waits.len() > 200)
    );
    assert!(matches!(find("db.client.connection.timeouts"), DebugValue::Counter(0)));
}
