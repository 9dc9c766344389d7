//! Jobs of a real queue in three tiers: jobs, experts, queries. SQLite in a file of its own, or `DATABASE_URL`
//! (PostgreSQL). It runs as many jobs as it is told to and ends: see `docs/job-queue.md`.
//!
//! `cargo run --release -p tidegate-examples --example apalis_worker -- 12`

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use apalis::prelude::*;
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use futures_util::{Stream, stream};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use tidegate::{
    ByJob, FollowConfig, Job, LimitLayer, Limiter, MeteredPool, Outcome, QueueLayer, RateLayer, RetryPolicy,
    classify_box_error,
};
use tokio::task::JoinHandle;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};

const QUERY: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT COUNT(*) FROM n";

type Expert = BoxCloneSyncService<u32, i64, BoxError>;
type Running = JoinHandle<Result<(), WorkerError>>;

/// When to look for jobs. apalis's own interval is not heard again if it ends while a slow fetch runs.
fn ticks(every: Duration) -> impl Stream<Item = ()> + Unpin + Send {
    let mut interval = tokio::time::interval(every);
    stream::poll_fn(move |cx| {
        while interval.poll_tick(cx).is_ready() {}
        Poll::Pending
    })
}

/// Puts `count` jobs into a queue and works until they are done. A macro, because backends have no common type.
macro_rules! queue {
    ($work:ident, $storage:ident, $config:ty, $pool:ty) => {
        async fn $work(url: &str, jobs: Limiter, expert: Expert, count: u32) -> Result<(), BoxError> {
            // The queue has a small pool of its own: a worker dies when its pool has nothing for it.
            let pool = <$pool>::new().max_connections(2).connect(url).await?;
            $storage::setup(&pool).await?;
            // One job at a time: with more, apalis does not say that it lives while it waits for a permit.
            let config = <$config>::default().queue("scans").batch_size(1);
            let mut storage = $storage::new(&pool).with_config(config);
            storage.push_bulk((0..i64::from(count)).collect()).await?;

            fn start(
                storage: $storage<i64>,
                jobs: Limiter,
                expert: Expert,
                count: u32,
            ) -> Result<Running, BoxError> {
                let ended = Arc::new(AtomicU32::new(0));
                let deep_scan = move |job: i64, worker: WorkerContext| {
                    let (scan, ended) = (scan(job, expert.clone()), Arc::clone(&ended));
                    async move {
                        scan.await?;
                        if ended.fetch_add(1, Ordering::Relaxed) + 1 == count {
                            worker.stop()?;
                        }
                        Ok::<_, BoxDynError>(())
                    }
                };
                let worker = WorkerBuilder::new("scans-1")
                    .backend(storage.poll_with_stream(ticks(Duration::from_millis(50))))
                    .layer(RateLayer::new(10, Duration::from_secs(1))?)
                    .layer(LimitLayer::new(jobs).classify_errors(classify_box_error))
                    .build(deep_scan);
                Ok(tokio::spawn(worker.run()))
            }
            Ok(start(storage, jobs, expert, count)?.await??)
        }
    };
}
queue!(work_on_postgres, PostgresStorage, apalis_postgres::Config, PgPoolOptions);
queue!(work_on_sqlite, SqliteStorage, apalis_sqlite::Config, SqlitePoolOptions);

/// A job asks its 11 experts at once.
async fn scan(job: i64, expert: Expert) -> Result<(), BoxDynError> {
    let answers = Job::new(job).fan_out(expert, 0..11).all().await;
    // What failed for want of room goes back to the queue; what would fail again does not.
    let answers = answers.map_err(|error| match classify_box_error(&error) {
        Outcome::Overload => error,
        _ => AbortError::new(error).into(),
    })?;
    println!("job {job}: {} experts answered", answers.len());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let count: u32 = std::env::args().nth(1).map_or(Ok(12), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let file = format!("sqlite://{}?mode=rwc", folder.path().join("scans.db").display());
    let url = std::env::var("DATABASE_URL").unwrap_or(file);

    // The application's pool, which tells the experts' limiter how it is.
    install_default_drivers();
    let options = AnyPoolOptions::new().max_connections(10).acquire_timeout(Duration::from_secs(5));
    let pool = MeteredPool::new(options.connect(&url).await?).with_name("scans");
    let experts = Limiter::builder().name("experts").pool(pool.probe()).build()?;
    // No more jobs than the experts have room for.
    let jobs =
        Limiter::builder().name("jobs").follow(&experts, FollowConfig::default().max_limit(5)).build()?;

    // Experts only read, so each may be tried again, as far as the limiter lends retries.
    let retries = RetryPolicy::new(experts.retry_budget()).idempotent(|_: &u32| true);
    let expert = BoxCloneSyncService::new(
        ServiceBuilder::new()
            .layer(RetryLayer::new(retries.classify_errors(classify_box_error)))
            .layer(QueueLayer::new(experts.clone()).class(ByJob).classify_errors(classify_box_error))
            .service_fn(move |_question: u32| {
                let pool = pool.clone();
                async move { Ok::<_, BoxError>(sqlx::query_scalar::<_, i64>(QUERY).fetch_one(&pool).await?) }
            }),
    );

    if url.starts_with("postgres") {
        work_on_postgres(&url, jobs.clone(), expert, count).await?;
    } else {
        work_on_sqlite(&url, jobs.clone(), expert, count).await?;
    }
    println!("{}\n{}", jobs.explain(), experts.explain());
    Ok(())
}
