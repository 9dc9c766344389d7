//! Calls that nest, on a real PostgreSQL: they lock each other out of a plain pool, and do not where it reserves sets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Error, Executor as _, Postgres};
use tidegate::{MeteredPool, Nested};
use tidegate_tests::PostgresDatabase;
use tokio::task::JoinSet;

const CALLS: usize = 60;

async fn pool(db: &PostgresDatabase, nested: Nested, acquire_timeout: Duration) -> MeteredPool<Postgres> {
    let options = PgPoolOptions::new().max_connections(20).acquire_timeout(acquire_timeout);
    MeteredPool::new(options.connect(db.url()).await.unwrap()).with_nested(nested).unwrap()
}

/// Queries of 20 ms: one on a connection, and one on another while the first is held.
async fn nest(pool: &MeteredPool<Postgres>, way: usize) -> Result<(), Error> {
    const QUERY: &str = "SELECT pg_sleep(0.02)";
    match way % 3 {
        0 => {
            let mut outer = pool.acquire().await?;
            outer.execute(QUERY).await?;
            pool.acquire().await?.execute(QUERY).await?;
        }
        1 => {
            let mut outer = pool.begin().await?;
            outer.execute(QUERY).await?;
            let mut inner = pool.begin().await?;
            inner.execute(QUERY).await?;
            inner.commit().await?;
            outer.commit().await?;
        }
        _ => {
            let mut rows = pool.fetch("SELECT n, pg_sleep(0.01)::text FROM generate_series(1, 2) n");
            rows.try_next().await?;
            pool.execute(QUERY).await?;
        }
    }
    Ok(())
}

/// How many of three rounds of each call fail.
async fn failures(pool: &MeteredPool<Postgres>) -> usize {
    let mut calls = JoinSet::new();
    for call in 0..CALLS {
        let pool = pool.clone();
        calls.spawn(async move {
            let mut failed = 0;
            for _ in 0..3 {
                failed += usize::from(nest(&pool, call).await.is_err());
            }
            failed
        });
    }
    calls.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_nest_do_not_lock_each_other_out_where_the_pool_reserves_sets() {
    let db = PostgresDatabase::create().await;
    let plain = pool(&db, Nested::Warn, Duration::from_secs(1)).await;
    assert!(failures(&plain).await > 0, "without sets they do");
    plain.inner().close().await;

    let reserving = pool(&db, Nested::reserve(2), Duration::from_secs(20)).await;
    let begun = Instant::now();
    assert_eq!(failures(&reserving).await, 0);
    let activity = reserving.stats().activity;
    assert_eq!((activity.timeouts, activity.failures), (0, 0));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
