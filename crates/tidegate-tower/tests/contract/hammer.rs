//! Real threads.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidegate_core::{ControlLaw, Decision, Evidence, PoolEvidence, Reason, Timestamp};
use tidegate_limiter::Limiter;
use tidegate_tower::LimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{Inside, NoPool, assert_idle};

/// Calls that end, calls that are dropped at any point, ready services that are dropped, and clones that stay idle: no
/// more than the limit inside, and nothing lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peak_stays_within_the_limit_and_nothing_is_lost() {
    const TASKS: u32 = 16;
    const CALLS: u32 = 500;
    const LIMIT: u32 = 3;
    let limiter = Limiter::builder().fixed(LIMIT).tick(Duration::from_millis(10)).build().unwrap();
    let inside = Inside::default();
    let service = LimitLayer::new(limiter.clone()).layer(service_fn({
        let inside = inside.clone();
        move |yields: u32| {
            let inside = inside.clone();
            async move {
                let _guard = inside.enter();
                for _ in 0..yields {
                    tokio::task::yield_now().await;
                }
                Ok::<_, ()>(())
            }
        }
    }));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let service = service.clone();
            tokio::spawn(async move {
                for i in 0..CALLS {
                    let mut service = service.clone();
                    let call = service.ready().await.unwrap().call((task + i) % 5);
                    match (task * 7 + i) % 4 {
                        0 => drop(call),
                        1 => {
                            let polled_once = tokio::time::timeout(Duration::ZERO, call).await;
                            drop(polled_once);
                        }
                        _ => call.await.unwrap(),
                    }
                    if i % 3 == 0 {
                        service.ready().await.unwrap();
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(inside.peak() <= LIMIT, "{} inside", inside.peak());
    drop(service);
    assert_idle(&limiter);
}

/// A law that changes its mind at every tick, and brakes now and then.
#[derive(Debug)]
struct Fickle {
    limit: u32,
    looks: AtomicU32,
}

const HIGHEST: u32 = 5;

impl ControlLaw for Fickle {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
        let from = self.limit;
        self.limit = 1 + (from * 3 + 1) % HIGHEST;
        Decision::new(from, self.limit, Reason::Configured)
    }

    fn brakes(&self, _pool: &PoolEvidence) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(3)
    }
}

/// A wake-up that is lost leaves a caller waiting for ever, which the time limit of the test shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_is_served_while_limit_and_brake_move() {
    const TASKS: u32 = 16;
    const CALLS: u32 = 100;
    let law = Fickle { limit: HIGHEST, looks: AtomicU32::new(0) };
    let limiter = Limiter::builder().law(law).pool(NoPool).tick(Duration::from_millis(10)).build().unwrap();
    let inside = Inside::default();
    let service = LimitLayer::new(limiter.clone()).layer(service_fn({
        let inside = inside.clone();
        move |()| {
            let inside = inside.clone();
            async move {
                let _guard = inside.enter();
                tokio::task::yield_now().await;
                Ok::<_, ()>(())
            }
        }
    }));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let mut service = service.clone();
            let limiter = limiter.clone();
            tokio::spawn(async move {
                for i in 0..CALLS {
                    if (task + i) % 3 == 0 {
                        drop(limiter.acquire().await.unwrap());
                    }
                    service.ready().await.unwrap().call(()).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        tokio::time::timeout(Duration::from_secs(30), task).await.unwrap().unwrap();
    }
    assert!(inside.peak() <= HIGHEST, "{} inside", inside.peak());
    drop(service);
    assert_idle(&limiter);
}
