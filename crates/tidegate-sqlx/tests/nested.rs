//! Who holds a connection and asks for another one, and what opening one took. On SQLite, where no server is needed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Acquire, Executor as _, Sqlite};
use tidegate_limiter::{CallId, poll_as_call};
use tidegate_sqlx::{MeteredPool, note_connect, time_connects};

/// A pool of ten that nothing was asked of, and what its recorder has.
fn pool_with(options: SqlitePoolOptions) -> (MeteredPool<Sqlite>, Snapshotter) {
    let recorder = DebuggingRecorder::new();
    let pool = MeteredPool::new(options.max_connections(10).connect_lazy("sqlite::memory:").unwrap());
    // The handles are made at the first reading.
    metrics::with_local_recorder(&recorder, || pool.stats());
    (pool, recorder.snapshotter())
}

fn value(snapshotter: &Snapshotter, name: &str) -> DebugValue {
    let all = snapshotter.snapshot().into_vec();
    all.into_iter().find(|(key, ..)| key.key().name() == name).unwrap().3
}

#[track_caller]
fn check_nested(snapshotter: &Snapshotter, expected: u64) {
    assert_eq!(value(snapshotter, "tidegate_nested_acquires_total"), DebugValue::Counter(expected));
}

/// Runs `work` as a call of a layer does.
async fn as_call<F: Future>(work: F) -> F::Output {
    let (mut call, mut work) = (CallId::new(), pin!(work));
    poll_fn(|cx| poll_as_call(&mut call, || work.as_mut().poll(cx))).await
}

#[tokio::test]
async fn a_call_that_has_a_connection_in_hand_nests() {
    let (pool, seen) = pool_with(SqlitePoolOptions::new());
    as_call(async {
        let conn = pool.acquire().await.unwrap();
        pool.execute("SELECT 1").await.unwrap();
        check_nested(&seen, 1);
        drop(conn);
        pool.execute("SELECT 1").await.unwrap();
        check_nested(&seen, 0);
        let tx = pool.begin().await.unwrap();
        let second = pool.begin_with("BEGIN DEFERRED").await.unwrap();
        check_nested(&seen, 1);
        second.rollback().await.unwrap();
        tx.commit().await.unwrap();
        let conn = Acquire::acquire(&pool).await.unwrap();
        drop(Acquire::acquire(&pool).await.unwrap());
        check_nested(&seen, 1);
        drop(conn);
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_in_hand_between_its_rows() {
    let (pool, seen) = pool_with(SqlitePoolOptions::new());
    as_call(async {
        let mut rows = pool.fetch("SELECT 1 UNION SELECT 2");
        rows.try_next().await.unwrap();
        pool.execute("SELECT 1").await.unwrap();
        check_nested(&seen, 1);
        drop(rows);
        pool.execute("SELECT 1").await.unwrap();
        check_nested(&seen, 0);
    })
    .await;
}

#[tokio::test]
async fn statements_and_calls_beside_each_other_do_not_nest() {
    let (pool, seen) = pool_with(SqlitePoolOptions::new());
    as_call(join_all((0..5).map(|_| pool.execute("SELECT 1")))).await;
    let hold = async || {
        let mut conn = pool.acquire().await.unwrap();
        conn.execute("SELECT 1").await.unwrap();
    };
    join_all((1..=5).map(|_| as_call(hold()))).await;
    check_nested(&seen, 0);
}

#[tokio::test]
async fn a_cancelled_acquire_leaves_nothing_in_hand() {
    let (pool, seen) = pool_with(SqlitePoolOptions::new());
    as_call(async {
        let mut acquire = Box::pin(pool.acquire());
        poll_fn(|cx| Poll::Ready(acquire.as_mut().poll(cx).is_ready())).await;
        drop(acquire);
        pool.execute("SELECT 1").await.unwrap();
    })
    .await;
    check_nested(&seen, 0);
}

/// How many connections were seen to be opened, and that opening takes time.
#[track_caller]
fn check_created(snapshotter: &Snapshotter, expected: usize) {
    let DebugValue::Histogram(times) = value(snapshotter, "db.client.connection.create_time") else {
        unreachable!("a histogram")
    };
    assert_eq!(times.len(), expected);
    assert!(times.iter().all(|time| (1e-6..60.0).contains(&time.0)), "{times:?}");
}

#[tokio::test]
async fn opening_a_connection_is_timed_if_the_pool_says_so() {
    let (pool, seen) = pool_with(time_connects(SqlitePoolOptions::new()));
    let conn = pool.acquire().await.unwrap();
    check_created(&seen, 1);
    drop(conn);
    while pool.stats().held > 0 {
        tokio::task::yield_now().await;
    }
    let _conns = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    check_created(&seen, 1);
    let (pool, seen) = pool_with(SqlitePoolOptions::new());
    drop(pool.acquire().await.unwrap());
    check_created(&seen, 0);
}

#[tokio::test]
async fn a_hook_of_the_users_own_can_say_so_too() {
    let options = SqlitePoolOptions::new().after_connect(|conn, _| {
        Box::pin(async move {
            note_connect();
            conn.execute("PRAGMA case_sensitive_like = 1").await.map(drop)
        })
    });
    let (pool, seen) = pool_with(options);
    drop(pool.acquire().await.unwrap());
    check_created(&seen, 1);
}
