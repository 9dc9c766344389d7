//! What the pool counts, in every way a wait or a use can end. On SQLite, where no server is needed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::{FutureExt as _, TryStreamExt as _};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Acquire, Error, Pool, Sqlite};
use tidegate_limiter::PoolProbe as _;
use tidegate_sqlx::MeteredPool;

/// A database in memory with a pool of one connection, which is opened already.
async fn pool() -> MeteredPool<Sqlite> {
    pool_with(SqlitePoolOptions::new()).await
}

async fn pool_with(options: SqlitePoolOptions) -> MeteredPool<Sqlite> {
    let pool = options.max_connections(1).connect("sqlite::memory:").await.unwrap();
    MeteredPool::new(pool)
}

/// Waits until no connection is held, as connections return in a task.
async fn all_returned(pool: &MeteredPool<Sqlite>) {
    while pool.stats().held > 0 {
        tokio::task::yield_now().await;
    }
}

/// Polls `future` once; it must not be done.
async fn poll_once(future: &mut (impl Future + Unpin)) {
    poll_fn(|cx| {
        assert!(future.poll_unpin(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn held_until_back_in_the_pool() {
    let pool = pool().await;
    let conn = pool.acquire().await.unwrap();
    let stats = pool.stats();
    assert_eq!((stats.held, stats.pending, stats.reading.used(), stats.reading.free()), (1, 0, 1, 0));

    drop(conn); // the task that returns it has not run yet
    assert_eq!(pool.stats().held, 1);
    all_returned(&pool).await;
    let stats = pool.stats();
    assert_eq!((stats.activity.returns, stats.reading.used(), stats.reading.free()), (1, 0, 1));
    assert!(stats.activity.use_time > Duration::ZERO);
}

#[tokio::test]
async fn waits_begin_with_the_first_poll() {
    let pool = pool().await;
    let mut acquire = Box::pin(pool.acquire());
    assert_eq!(pool.stats().activity.requests, 0);
    let _conn = acquire.as_mut().await.unwrap();
    assert_eq!(pool.stats().activity.requests, 1);
}

#[tokio::test]
async fn acquire_cancelled_while_waiting_is_counted() {
    let pool = pool().await;
    let conn = pool.acquire().await.unwrap();
    let mut waiting = Box::pin(pool.acquire());
    poll_once(&mut waiting).await;
    assert_eq!(pool.stats().pending, 1);
    assert!(pool.stats().oldest_pending > Duration::ZERO);
    drop(waiting);
    let stats = pool.stats();
    assert_eq!((stats.pending, stats.activity.cancelled), (0, 1));
    assert_eq!(stats.oldest_pending, Duration::ZERO);
    drop(conn);
    pool.acquire().await.unwrap(); // the cancelled one does not stand in the pool's queue
}

#[tokio::test]
async fn begin_cancelled_while_waiting_is_counted() {
    let pool = pool().await;
    let conn = pool.acquire().await.unwrap();
    let mut waiting = Box::pin(pool.begin());
    poll_once(&mut waiting).await;
    drop(waiting);
    let mut waiting = Box::pin(Acquire::begin(&pool)); // sqlx's own transaction, by the trait
    poll_once(&mut waiting).await;
    drop(waiting);
    let stats = pool.stats();
    assert_eq!((stats.pending, stats.activity.cancelled), (0, 2));
    drop(conn);
    pool.begin().await.unwrap();
}

#[tokio::test]
async fn queries_cancelled_while_waiting_are_counted() {
    let pool = pool().await;
    let conn = pool.acquire().await.unwrap();
    let mut waiting = Box::pin(sqlx::query("SELECT 1").execute(&pool));
    poll_once(&mut waiting).await;
    drop(waiting);
    let mut stream = sqlx::query("SELECT 1").fetch(&pool);
    poll_once(&mut stream.try_next()).await;
    assert_eq!(pool.stats().pending, 1);
    drop(stream);
    let stats = pool.stats();
    assert_eq!((stats.pending, stats.activity.cancelled), (0, 2));
    drop(conn);
    sqlx::query("SELECT 1").execute(&pool).await.unwrap();
}

#[tokio::test]
async fn timed_out_acquire_is_counted() {
    let patience = Duration::from_secs(7);
    let pool = pool_with(SqlitePoolOptions::new().acquire_timeout(patience)).await;
    let _conn = pool.acquire().await.unwrap();
    let before = pool.stats().activity;
    tokio::time::pause(); // from here on, waiting is the only thing left to do
    assert!(matches!(pool.acquire().await, Err(Error::PoolTimedOut)));
    let stats = pool.stats();
    let activity = stats.activity.since(&before);
    assert_eq!((stats.pending, activity.timeouts, activity.grants), (0, 1, 0));
    assert!(activity.wait >= patience);
    assert_eq!(stats.reading.acquire_timeout, patience);
}

#[tokio::test]
async fn failed_acquire_is_counted() {
    let lazy = SqlitePoolOptions::new().connect_lazy("sqlite:///no/such/directory/file.db").unwrap();
    let pool = MeteredPool::new(lazy);
    assert!(matches!(pool.acquire().await, Err(Error::Database(_))));
    pool.inner().close().await;
    assert!(matches!(pool.acquire().await, Err(Error::PoolClosed)));
    let stats = pool.stats();
    assert_eq!((stats.activity.failures, stats.activity.refused, stats.pending), (2, 0, 0));
}

#[tokio::test]
async fn transaction_is_held_until_back_in_the_pool() {
    let pool = pool().await;
    let tx = pool.begin().await.unwrap();
    assert_eq!(pool.stats().held, 1);
    tx.commit().await.unwrap();
    all_returned(&pool).await;
    drop(pool.begin().await.unwrap());
    all_returned(&pool).await;
    assert_eq!(pool.stats().activity.returns, 2);
}

#[tokio::test]
async fn begin_cancelled_while_it_runs_returns_its_connection() {
    let pool = pool().await;
    let mut begin = Box::pin(pool.begin());
    while pool.stats().activity.grants == 0 {
        poll_once(&mut begin).await;
        tokio::task::yield_now().await;
    }
    drop(begin);
    assert_eq!(pool.stats().held, 1);
    all_returned(&pool).await;
    pool.begin().await.unwrap().commit().await.unwrap(); // a transaction left open would refuse this
}

#[tokio::test]
async fn transaction_of_sqlxs_own_makes_held_the_pools_count() {
    let pool = pool().await;
    let tx = Acquire::begin(&pool).await.unwrap();
    assert_eq!(pool.stats().held, 1);
    tx.commit().await.unwrap();
    all_returned(&pool).await;
    assert_eq!(pool.stats().activity.returns, 0);
    let _elsewhere = pool.inner().acquire().await.unwrap(); // by somebody we do not see
    assert_eq!(pool.stats().held, 1);
}

/// Closing the only connection of a database in memory would lose the database.
#[tokio::test]
async fn abandoned_query_on_sqlite_keeps_its_connection() {
    let pool = pool().await;
    sqlx::raw_sql("CREATE TABLE t (x)").execute(&pool).await.unwrap();
    all_returned(&pool).await;
    // One step of a second or so, without a row at which it could stop.
    let long = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2000000) SELECT count(*) FROM n";
    let mut query = sqlx::query(long).fetch(&pool);
    let mut row = query.try_next();
    while pool.stats().held == 0 {
        poll_once(&mut row).await;
        tokio::task::yield_now().await;
    }
    drop(query);
    assert_eq!(pool.stats().held, 1);
    sqlx::query("INSERT INTO t VALUES (1)").execute(&pool).await.unwrap();
    all_returned(&pool).await;
}

#[tokio::test]
async fn stream_dropped_midway_stops_its_query() {
    let pool = pool().await;
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n";
    let mut rows = sqlx::query(endless).fetch(&pool);
    rows.try_next().await.unwrap();
    drop(rows);
    sqlx::query("SELECT 1").execute(&pool).await.unwrap();
}

#[tokio::test]
async fn close_on_drop_closes() {
    let pool = pool().await;
    sqlx::raw_sql("CREATE TABLE t (x)").execute(&pool).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    conn.close_on_drop();
    drop(conn);
    all_returned(&pool).await;
    assert_eq!(pool.stats().reading.open, 0);
    let gone = sqlx::query("SELECT * FROM t").execute(&pool).await;
    assert!(gone.is_err(), "the database in memory went with its connection");

    let mut tx = pool.begin().await.unwrap();
    tx.close_on_drop();
    tx.commit().await.unwrap();
    all_returned(&pool).await;
    assert_eq!(pool.stats().reading.open, 0);
}

#[tokio::test]
async fn panic_while_holding_returns_the_connection() {
    let pool = pool().await;
    let task = tokio::spawn({
        let pool = pool.clone();
        async move {
            let _tx = pool.begin().await.unwrap();
            panic!("while holding");
        }
    });
    assert!(task.await.unwrap_err().is_panic());
    all_returned(&pool).await;
    pool.begin().await.unwrap();
}

#[tokio::test]
async fn clones_and_probe_share_the_counts() {
    let pool = pool().await.with_name("reads");
    let (clone, probe) = (pool.clone(), pool.probe());
    let _conn = clone.acquire().await.unwrap();
    assert_eq!((pool.stats().held, probe.read().held), (1, 1));
    assert_eq!((pool.name(), probe.name()), ("reads", "reads"));
}

#[tokio::test]
async fn naming_starts_the_counts_again_but_not_those_of_clones() {
    let pool = pool().await;
    drop(pool.acquire().await.unwrap());
    let clone = pool.clone();
    let pool = pool.with_name("reads");
    assert_eq!((pool.stats().activity.requests, clone.stats().activity.requests), (0, 1));
    assert_eq!(pool.name(), "reads");
    assert!(clone.name().starts_with("SQLite"), "{}", clone.name());
}

#[tokio::test]
async fn pools_without_a_name_have_their_drivers_and_one_each() {
    let (first, second) = (pool().await, pool().await);
    assert!(first.name().starts_with("SQLite") && second.name().starts_with("SQLite"));
    assert_ne!(first.name(), second.name());
}

#[tokio::test]
async fn debug_shows_name_and_sizes() {
    let pool = pool().await.with_name("reads");
    let text = format!("{pool:?}");
    assert!(text.starts_with("MeteredPool { name: \"reads\", pool: Pool { size: 1,"), "{text}");
    let conn = pool.acquire().await.unwrap();
    assert_eq!(format!("{conn:?}"), "MeteredConnection { database: \"SQLite\", .. }");
    drop(conn);
    let tx = pool.begin().await.unwrap();
    assert_eq!(format!("{tx:?}"), "MeteredTransaction { database: \"SQLite\", .. }");
}

/// Pools are often made before the recorder is.
#[test]
fn metric_handles_are_made_at_first_use_and_under_one_name() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pool: MeteredPool<Sqlite> = runtime.block_on(pool());
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let pool = pool.with_name("reads");
            drop(pool.acquire().await.unwrap());
            all_returned(&pool).await;
        });
    });
    let mut found = Vec::new();
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
        assert_eq!(labels, ["reads"]);
        let samples = match value {
            DebugValue::Histogram(samples) => samples.len(),
            DebugValue::Counter(_) | DebugValue::Gauge(_) => 0,
        };
        found.push((key.key().name().to_owned(), samples));
    }
    found.sort();
    let expected = [
        ("db.client.connection.create_time", 0),
        ("db.client.connection.timeouts", 0),
        ("db.client.connection.use_time", 1),
        ("db.client.connection.wait_time", 1),
        ("tidegate_nested_acquires_total", 0),
    ];
    assert_eq!(found, expected.map(|(name, samples)| (name.to_owned(), samples)));
}

/// The bounds that services and drivers ask for, also of a pool of any database.
#[test]
fn types_are_send_sync_and_static() {
    fn check<T: Send + Sync + 'static>() {}
    fn check_send<T: Send + 'static>(_: &T) {}
    fn check_pool<DB: sqlx::Database>(pool: &MeteredPool<DB>) {
        check::<MeteredPool<DB>>();
        check_send(&pool.acquire());
        check_send(&pool.begin());
    }
    let _: fn(&MeteredPool<Sqlite>) = check_pool;
    let _: fn(Pool<Sqlite>) -> MeteredPool<Sqlite> = MeteredPool::new;
}
