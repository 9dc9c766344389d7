//! Queries per completed job over the ideal, under more load than the database can take.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidegate_limiter::Limiter;
use tidegate_tower::{QueueLayer, ServiceBuilderExt};
use tokio::time::{Instant, sleep, sleep_until};
use tower::retry::{Policy, Retry};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::database::Database;

/// Jobs at a time, and in all; each asks for the answers of 11 experts at once, and fails if one of them fails.
const WORKERS: u32 = 80;
const JOBS: u32 = 1_500;
const EXPERTS: u32 = 11;

/// Two further tries, at once.
#[derive(Clone)]
struct AtOnce(u32);

impl Policy<u32, (), BoxError> for AtOnce {
    type Future = Ready<()>;

    fn retry(&mut self, _request: &mut u32, result: &mut Result<(), BoxError>) -> Option<Ready<()>> {
        result.as_ref().err()?;
        self.0 = self.0.checked_sub(1)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &u32) -> Option<u32> {
        Some(*request)
    }
}

#[expect(clippy::print_stdout, reason = "docs/retries.md shows these figures")]
/// Runs all the jobs: the queries that the database was asked for, over those that the completed jobs are made of.
async fn amplification<S>(service: S, database: &Database) -> f64
where
    S: Service<u32, Response = (), Error = BoxError, Future: Send> + Clone + Send + 'static,
{
    let (begun, completed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let workers = (0..WORKERS).map(|_| {
        let (service, begun, completed) = (service.clone(), Arc::clone(&begun), Arc::clone(&completed));
        tokio::spawn(async move {
            while begun.fetch_add(1, Ordering::Relaxed) < JOBS {
                let experts = (0..EXPERTS).map(|expert| service.clone().oneshot(expert));
                let answers = futures_util::future::join_all(experts).await;
                completed.fetch_add(u32::from(answers.iter().all(Result::is_ok)), Ordering::Relaxed);
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let completed = completed.load(Ordering::Relaxed);
    let factor = f64::from(database.queries()) / f64::from(completed * EXPERTS);
    println!("{completed} of {JOBS} jobs, {} queries, {factor:.2} of the ideal", database.queries());
    factor
}

fn frozen_for_5_s() -> Option<(Instant, Instant)> {
    let from = Instant::now() + Duration::from_secs(4);
    Some((from, from + Duration::from_secs(5)))
}

async fn immediate(frozen: Option<(Instant, Instant)>) -> f64 {
    let database = Database::new(frozen);
    let asked = database.clone();
    let service = Retry::new(AtOnce(2), service_fn(move |_: u32| asked.clone().query()));
    amplification(service, &database).await
}

/// What came of it, and how many retries were to be had at looks from a tenth of the freeze on.
async fn lent(frozen: Option<(Instant, Instant)>) -> (f64, u32) {
    let database = Database::new(frozen);
    let asked = database.clone();
    let limiter = Limiter::builder().name("experts").pool(database.clone()).build().unwrap();
    let budget = limiter.retry_budget();
    let watched = tokio::spawn(async move {
        let Some((from, to)) = frozen else { return 0 };
        sleep_until(from + (to - from) / 10).await;
        let mut balance = 0;
        while Instant::now() < to {
            balance += budget.balance();
            sleep(Duration::from_millis(10)).await;
        }
        balance
    });
    let service = ServiceBuilder::new()
        .retry_within(limiter.retry_budget(), |_: &u32| true)
        .layer(QueueLayer::new(limiter))
        .service(service_fn(move |_: u32| asked.clone().query()));
    (amplification(service, &database).await, watched.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn under_overload_immediate_retries_multiply_the_queries_and_lent_ones_do_not() {
    let (immediate, (lent, _)) = (immediate(None).await, lent(None).await);
    assert!(immediate >= 2.0, "{immediate}");
    assert!(lent <= 1.1, "{lent}");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_freezes_gets_no_more_either() {
    let immediate = immediate(frozen_for_5_s()).await;
    let (lent, balance) = lent(frozen_for_5_s()).await;
    assert!(immediate >= 2.0, "{immediate}");
    assert!(lent <= 1.1, "{lent}");
    assert_eq!(balance, 0, "a frozen database gets no retry at all");
}
