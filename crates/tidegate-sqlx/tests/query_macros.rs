//! The `query!` macros, which check their SQL while they compile, take a `&MeteredPool` too.
//!
//! What the macros must know of the database stands in `.sqlx/`, and `.env` tells them to look there only, so this compiles
//! in a fresh clone with no database, whatever `DATABASE_URL` says.
//! After a change of a query or of `tests/query_macros.sql`, remake it in this crate's directory:
//!
//! ```sh
//! sqlite3 /tmp/macros.db <tests/query_macros.sql && rm -f .sqlx/* && touch tests/query_macros.rs
//! DATABASE_URL=sqlite:/tmp/macros.db SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$PWD/.sqlx cargo test --test query_macros
//! ```
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

use futures_util::TryStreamExt as _;
use sqlx::Sqlite;
use sqlx::sqlite::SqlitePoolOptions;
use tidegate_sqlx::MeteredPool;

async fn pool() -> MeteredPool<Sqlite> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql(include_str!("query_macros.sql")).execute(&pool).await.unwrap();
    MeteredPool::new(pool)
}

struct Expert {
    id: i64,
    name: String,
}

#[tokio::test]
async fn query_macros_run_on_a_metered_pool() {
    let pool = pool().await;
    let done = sqlx::query!("INSERT INTO expert (name) VALUES (?), (?)", "ada", "bob").execute(&pool).await;
    assert_eq!(done.unwrap().rows_affected(), 2);

    let row =
        sqlx::query!("SELECT id, name FROM expert WHERE name = ?", "bob").fetch_one(&pool).await.unwrap();
    assert_eq!((row.id, row.name.as_str()), (2, "bob"));

    let experts = sqlx::query_as!(Expert, "SELECT id, name FROM expert ORDER BY id").fetch_all(&pool).await;
    let experts: Vec<_> = experts.unwrap().into_iter().map(|expert| (expert.id, expert.name)).collect();
    assert_eq!(experts, [(1, "ada".to_owned()), (2, "bob".to_owned())]);

    let count = sqlx::query_scalar!("SELECT count(*) FROM expert").fetch_one(&pool).await.unwrap();
    assert_eq!(count, 2);
    assert_eq!(pool.stats().activity.grants, 4);
}

#[tokio::test]
async fn query_macros_stream_and_run_in_transactions() {
    let pool = pool().await;
    let mut tx = pool.begin().await.unwrap();
    sqlx::query!("INSERT INTO expert (name) VALUES (?), (?)", "ada", "bob").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let rows = sqlx::query!("SELECT id, name FROM expert WHERE name = ?", "ada").fetch(&pool);
    let names: Vec<String> = rows.map_ok(|row| row.name).try_collect().await.unwrap();
    assert_eq!(names, ["ada"]);
}
