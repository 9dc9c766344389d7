//! The metered pool on SQLite files that several connections write to.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Error, Executor as _, Sqlite};
use tempfile::TempDir;
use tidegate::{MeteredPool, Outcome, classify_sqlx};

/// A pool on a file in `dir`, whose connections do not wait for one another's locks.
async fn pool(dir: &TempDir, max: u32) -> MeteredPool<Sqlite> {
    let options = SqliteConnectOptions::new()
        .filename(dir.path().join("test.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::ZERO);
    let pool = SqlitePoolOptions::new().max_connections(max).connect_with(options).await.unwrap();
    let pool = MeteredPool::new(pool);
    pool.execute("CREATE TABLE t (x INTEGER)").await.unwrap();
    all_returned(&pool).await;
    pool
}

async fn all_returned(pool: &MeteredPool<Sqlite>) {
    while pool.stats().held > 0 {
        tokio::task::yield_now().await;
    }
}

fn code_and_outcome(error: &Error) -> (String, Outcome) {
    (error.as_database_error().unwrap().code().unwrap().into_owned(), classify_sqlx(error))
}

#[tokio::test]
async fn second_writer_is_busy_and_that_is_overload() {
    let dir = tempfile::tempdir().unwrap();
    let pool = pool(&dir, 2).await;
    let writer = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let busy = pool.begin_with("BEGIN IMMEDIATE").await.unwrap_err();
    assert_eq!(code_and_outcome(&busy), ("5".to_owned(), Outcome::Overload));
    writer.commit().await.unwrap();
    pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
}

#[tokio::test]
async fn write_from_a_stale_read_is_busy_and_that_is_overload() {
    let dir = tempfile::tempdir().unwrap();
    let pool = pool(&dir, 2).await;
    let mut reader = pool.begin().await.unwrap();
    reader.fetch_all("SELECT * FROM t").await.unwrap();
    pool.execute("INSERT INTO t VALUES (1)").await.unwrap();
    let stale = reader.execute("INSERT INTO t VALUES (2)").await.unwrap_err();
    assert_eq!(code_and_outcome(&stale), ("517".to_owned(), Outcome::Overload));
}

#[tokio::test]
async fn broken_constraint_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let pool = pool(&dir, 1).await;
    pool.execute("CREATE UNIQUE INDEX once ON t (x); INSERT INTO t VALUES (1)").await.unwrap();
    let duplicate = pool.execute("INSERT INTO t VALUES (1)").await.unwrap_err();
    assert_eq!(code_and_outcome(&duplicate), ("2067".to_owned(), Outcome::Ignored));
}

/// With one connection, the pool's wait is the writers' queue, so the limiter sees it.
#[tokio::test]
async fn writers_of_a_pool_of_one_queue_and_none_is_busy() {
    const WRITERS: u64 = 16;
    let dir = tempfile::tempdir().unwrap();
    let pool = pool(&dir, 1).await;
    let before = pool.stats().activity;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut tx = pool.begin().await?;
                let count: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut *tx).await?;
                sqlx::query("INSERT INTO t VALUES (?)").bind(count).execute(&mut *tx).await?;
                tx.commit().await
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    all_returned(&pool).await;
    let activity = pool.stats().activity.since(&before);
    assert_eq!((activity.requests, activity.returns, activity.cancelled), (WRITERS, WRITERS, 0));
    assert!(activity.pending_time > activity.held_time, "they waited for one another: {activity:?}");
}
