//! Code written for `&sqlx::Pool` compiles and runs with `&MeteredPool`, here on SQLite.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{
    Acquire, AssertSqlSafe, Connection as _, Executor, FromRow, Row as _, SqlSafeStr as _, Sqlite,
    Statement as _,
};
use tempfile::TempDir;
use tidegate_sqlx::MeteredPool;

/// A pool of 4 on a file with the table `expert` of 3 rows; the file goes with the handle.
async fn pool() -> (MeteredPool<Sqlite>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(dir.path().join("test.db")).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap();
    let pool = MeteredPool::new(pool);
    sqlx::raw_sql(
        "CREATE TABLE expert (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO expert (name) VALUES ('ada'), ('bob'), ('cyd');",
    )
    .execute(&pool)
    .await
    .unwrap();
    (pool, dir)
}

/// Every acquire was granted, and every connection came or comes back.
async fn assert_all_returned(pool: &MeteredPool<Sqlite>) {
    while pool.stats().held > 0 {
        tokio::task::yield_now().await;
    }
    let activity = pool.stats().activity;
    assert!(activity.requests > 0);
    assert_eq!((activity.grants, activity.returns), (activity.requests, activity.requests));
}

const COUNT: &str = "SELECT count(*) FROM expert";

async fn count(pool: &MeteredPool<Sqlite>) -> i64 {
    sqlx::query_scalar(COUNT).fetch_one(pool).await.unwrap()
}

#[derive(Debug, FromRow, PartialEq)]
struct Expert {
    id: i64,
    name: String,
}

#[tokio::test]
async fn query_fetches_all_one_and_optional() {
    let (pool, _dir) = pool().await;
    let rows = sqlx::query("SELECT name FROM expert ORDER BY id").fetch_all(&pool).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["ada", "bob", "cyd"]);

    let one = sqlx::query("SELECT name FROM expert WHERE id = ?").bind(2).fetch_one(&pool).await.unwrap();
    assert_eq!(one.get::<String, _>("name"), "bob");
    let none = sqlx::query("SELECT 1 FROM expert WHERE id = ?").bind(9).fetch_optional(&pool).await.unwrap();
    assert!(none.is_none());
    let missing = sqlx::query("SELECT 1 FROM expert WHERE id = 9").fetch_one(&pool).await;
    assert!(matches!(missing, Err(sqlx::Error::RowNotFound)));
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn query_as_and_query_scalar() {
    let (pool, _dir) = pool().await;
    let expert: Expert =
        sqlx::query_as("SELECT id, name FROM expert WHERE id = 3").fetch_one(&pool).await.unwrap();
    assert_eq!(expert, Expert { id: 3, name: "cyd".to_owned() });
    assert_eq!(count(&pool).await, 3);
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn execute_and_execute_many() {
    let (pool, _dir) = pool().await;
    let done = sqlx::query("UPDATE expert SET name = upper(name) WHERE id > 1").execute(&pool).await.unwrap();
    assert_eq!(done.rows_affected(), 2);
    let done = pool.execute("DELETE FROM expert WHERE id = 1").await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    let each: Vec<_> = pool
        .execute_many("DELETE FROM expert WHERE id = 2; DELETE FROM expert WHERE id = 3;")
        .try_collect()
        .await
        .unwrap();
    assert_eq!(each.iter().map(|done| done.rows_affected()).sum::<u64>(), 2);
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn raw_sql_runs_several_statements() {
    let (pool, _dir) = pool().await;
    let rows = sqlx::raw_sql("SELECT 1; SELECT 2; SELECT 3").fetch_all(&pool).await.unwrap();
    assert_eq!(rows.len(), 3);
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn fetch_streams_rows() {
    let (pool, _dir) = pool().await;
    let mut experts = sqlx::query_as::<_, Expert>("SELECT id, name FROM expert ORDER BY id").fetch(&pool);
    let mut ids = Vec::new();
    while let Some(expert) = experts.try_next().await.unwrap() {
        ids.push(expert.id);
    }
    assert_eq!(ids, [1, 2, 3]);
    drop(experts);
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn failed_stream_ends_and_returns_its_connection() {
    let (pool, _dir) = pool().await;
    let mut rows = sqlx::query("SELECT * FROM nothing").fetch(&pool);
    assert!(rows.try_next().await.is_err());
    assert!(rows.try_next().await.unwrap().is_none());
    drop(rows);
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn prepare_and_describe() {
    let (pool, _dir) = pool().await;
    let statement = pool.prepare("SELECT name FROM expert WHERE id = ?".into_sql_str()).await.unwrap();
    let row = statement.query().bind(1).fetch_one(&pool).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "ada");
    let described = (&pool).describe("SELECT name FROM expert".into_sql_str()).await.unwrap();
    assert_eq!(described.columns().len(), 1);
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn begin_commits_rolls_back_and_rolls_back_on_drop() {
    let (pool, _dir) = pool().await;
    let insert = "INSERT INTO expert (name) VALUES ('dan')";

    let mut tx = pool.begin().await.unwrap();
    sqlx::query(insert).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(count(&pool).await, 4);

    let mut tx = pool.begin().await.unwrap();
    sqlx::query(insert).execute(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(count(&pool).await, 4);

    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query(insert).execute(&mut *tx).await.unwrap();
    drop(tx);
    assert_eq!(count(&pool).await, 4);
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn begin_with_a_statement_that_begins_nothing_fails() {
    let (pool, _dir) = pool().await;
    assert!(matches!(pool.begin_with("SELECT 1").await, Err(sqlx::Error::BeginFailed)));
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn savepoint_in_a_transaction() {
    let (pool, _dir) = pool().await;
    let mut tx = pool.begin().await.unwrap();
    let mut savepoint = tx.begin().await.unwrap();
    savepoint.execute("DELETE FROM expert").await.unwrap();
    savepoint.rollback().await.unwrap();
    let mut savepoint = Acquire::begin(&mut tx).await.unwrap();
    savepoint.execute("DELETE FROM expert WHERE id = 1").await.unwrap();
    savepoint.commit().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(count(&pool).await, 2);
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn acquired_connection_runs_queries_and_transactions() {
    let (pool, _dir) = pool().await;
    let mut conn = pool.acquire().await.unwrap();
    conn.ping().await.unwrap();
    let experts: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *conn).await.unwrap();
    assert_eq!(experts, 3);
    let mut tx = Acquire::begin(&mut conn).await.unwrap();
    sqlx::query("DELETE FROM expert").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let experts: i64 = sqlx::query_scalar(COUNT).fetch_one(AsMut::as_mut(&mut conn)).await.unwrap();
    assert_eq!(experts, 0);
    drop(conn);
    assert_all_returned(&pool).await;
}

async fn count_by_executor<'e>(executor: impl Executor<'e, Database = Sqlite>) -> i64 {
    sqlx::query_scalar(COUNT).fetch_one(executor).await.unwrap()
}

#[tokio::test]
async fn code_generic_over_executor() {
    let (pool, _dir) = pool().await;
    assert_eq!(count_by_executor(&pool).await, 3);
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(count_by_executor(&mut *conn).await, 3);
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(count_by_executor(&mut *tx).await, 3);
    drop((conn, tx));
    assert_all_returned(&pool).await;
}

/// Acquires a connection, and then begins, all by the trait.
async fn delete_by_acquire<'a, A>(acquire: A, id: i64) -> u64
where
    A: Acquire<'a, Database = Sqlite>,
{
    let mut tx = acquire.begin().await.unwrap();
    let done = sqlx::query("DELETE FROM expert WHERE id = ?").bind(id).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    done.rows_affected()
}

async fn count_by_acquire<'a>(acquire: impl Acquire<'a, Database = Sqlite>) -> i64 {
    let mut conn = acquire.acquire().await.unwrap();
    sqlx::query_scalar(COUNT).fetch_one(&mut *conn).await.unwrap()
}

#[tokio::test]
async fn code_generic_over_acquire() {
    let (pool, _dir) = pool().await;
    assert_eq!(count_by_acquire(&pool).await, 3);
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(count_by_acquire(&mut conn).await, 3);
    assert_eq!(delete_by_acquire(&mut conn, 1).await, 1);
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(delete_by_acquire(&mut tx, 2).await, 1);
    assert_eq!(count_by_acquire(&mut tx).await, 1);
    tx.commit().await.unwrap();
    drop(conn);
    assert_all_returned(&pool).await;
    assert_eq!(delete_by_acquire(&pool, 3).await, 1);
}

#[tokio::test]
async fn futures_and_streams_can_be_spawned() {
    let (pool, _dir) = pool().await;
    let tasks: Vec<_> = (1..=8)
        .map(|i| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut tx = pool.begin().await?;
                sqlx::query("SELECT name FROM expert").fetch_all(&mut *tx).await?;
                tx.commit().await?;
                let mut rows = sqlx::query("SELECT id FROM expert").fetch(&pool);
                while rows.try_next().await?.is_some() {}
                sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("SELECT {i}"))).fetch_one(&pool).await
            })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap().unwrap();
    }
    assert_eq!(sum, 36);
    assert_all_returned(&pool).await;
}

#[tokio::test]
async fn acquire_future_does_not_borrow_the_pool() {
    let (pool, _dir) = pool().await;
    let task = tokio::spawn(pool.acquire());
    assert_eq!(count_by_executor(&mut *task.await.unwrap().unwrap()).await, 3);
    assert_all_returned(&pool).await;
}
