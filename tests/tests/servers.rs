//! The helpers keep their word on real servers: a test's database is its own and is gone afterwards.

use std::time::Duration;

use tidegate_tests::{MariaDbDatabase, PostgresDatabase, mariadb_url, postgres_pool};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_postgres_database_is_removed_even_with_a_session_in_a_transaction() {
    let database = PostgresDatabase::create().await;
    let name = database.name().to_owned();
    let pool = database.pool(2, PATIENCE).await;
    sqlx::query("CREATE TABLE t (x BIGINT)").execute(&pool).await.unwrap();
    let mut open = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO t VALUES (1)").execute(&mut *open).await.unwrap();
    drop(database);
    let outside = postgres_pool(1, PATIENCE).await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1")
        .bind(&name)
        .fetch_one(&outside)
        .await
        .unwrap();
    assert_eq!(left, 0, "{name} is still there");
}

#[tokio::test]
async fn a_mariadb_database_is_removed_even_with_a_session_in_a_transaction() {
    let database = MariaDbDatabase::create().await;
    let name = database.name().to_owned();
    let pool = database.pool(2, PATIENCE).await;
    sqlx::query("CREATE TABLE t (x BIGINT)").execute(&pool).await.unwrap();
    let mut open = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO t VALUES (1)").execute(&mut *open).await.unwrap();
    drop(database);
    let outside = sqlx::MySqlPool::connect(&mariadb_url()).await.unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM information_schema.schemata WHERE schema_name = ?")
            .bind(&name)
            .fetch_one(&outside)
            .await
            .unwrap();
    assert_eq!(left, 0, "{name} is still there");
}
