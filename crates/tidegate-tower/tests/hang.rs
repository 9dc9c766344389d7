//! A database that hangs below the limit, under callers who give up: the limit must shrink, though nothing waits for the
//! pool and no call ends.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tidegate_core::{PoolEvidence, PoolReading, Reason};
use tidegate_limiter::{Limiter, PoolMeter, PoolProbe};
use tidegate_tower::{LimitLayer, QueueLayer};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};

const POOL: u32 = 20;
const CALLERS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(1);

/// A pool of 20 connections and a database behind it that takes 20 ms, or for ever.
#[derive(Clone)]
struct Database {
    meter: PoolMeter,
    connections: Arc<Semaphore>,
    used: Arc<AtomicU32>,
    hangs: Arc<AtomicBool>,
}

impl Database {
    fn new() -> Self {
        Self {
            meter: PoolMeter::new("hanging"),
            connections: Arc::new(Semaphore::new(POOL as usize)),
            used: Arc::default(),
            hangs: Arc::default(),
        }
    }

    fn reading(&self) -> PoolReading {
        PoolReading::new(POOL, POOL, POOL - self.used.load(Ordering::SeqCst), Duration::from_secs(30))
    }

    async fn query(&self) {
        let wait = self.meter.begin(self.reading());
        let _connection = self.connections.acquire().await.unwrap();
        let _held = wait.granted();
        let _used = Used::new(&self.used);
        sleep(Duration::from_millis(20)).await;
        while self.hangs.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Database {
    fn calls(self) -> BoxCloneService<(), (), BoxError> {
        BoxCloneService::new(service_fn(move |()| {
            let database = self.clone();
            async move {
                database.query().await;
                Ok(())
            }
        }))
    }
}

struct Used<'a>(&'a AtomicU32);

impl<'a> Used<'a> {
    fn new(used: &'a AtomicU32) -> Self {
        used.fetch_add(1, Ordering::SeqCst);
        Self(used)
    }
}

impl Drop for Used<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl PoolProbe for Database {
    fn read(&self) -> PoolEvidence {
        self.meter.evidence(self.reading())
    }

    fn name(&self) -> &'static str {
        "hanging"
    }
}

type Calls = BoxCloneService<(), (), BoxError>;

async fn check_hang(stack: impl FnOnce(Limiter, Database) -> Calls) {
    let database = Database::new();
    let limiter = Limiter::builder().pool(database.clone()).build().unwrap();
    let calls = stack(limiter.clone(), database.clone());
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let calls = calls.clone();
            tokio::spawn(async move {
                loop {
                    let _ = calls.clone().oneshot(()).await;
                }
            })
        })
        .collect();

    sleep(Duration::from_secs(10)).await;
    let healthy = limiter.snapshot().limit;
    assert!(healthy >= POOL * 3 / 4, "{healthy}");
    let begun = limiter.decisions().len();

    database.hangs.store(true, Ordering::SeqCst);
    sleep(15 * PATIENCE).await;
    let hung = limiter.snapshot().limit;
    let decisions = limiter.decisions().split_off(begun);
    assert!(hung <= 2, "{hung} of {healthy}: {decisions:#?}");
    assert!(decisions.iter().any(|record| record.decision.reason == Reason::Abandoned), "{decisions:#?}");

    database.hangs.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(10)).await;
    let healed = limiter.snapshot().limit;
    assert!(healed >= POOL * 3 / 4, "{healed} of {healthy}: {:#?}", limiter.decisions());
    callers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_hung_database_shrinks_the_limit_of_a_limit_layer() {
    check_hang(|limiter, database| {
        ServiceBuilder::new()
            .boxed_clone()
            .layer(TimeoutLayer::new(PATIENCE))
            .layer(LimitLayer::new(limiter))
            .service(database.calls())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hung_database_shrinks_the_limit_of_a_queue_layer() {
    check_hang(|limiter, database| {
        ServiceBuilder::new()
            .boxed_clone()
            .layer(TimeoutLayer::new(PATIENCE))
            .layer(QueueLayer::new(limiter))
            .service(database.calls())
    })
    .await;
}
