//! `INSERT … ON DUPLICATE KEY UPDATE` of many rows.

use std::time::Duration;

use sqlx::{Executor as _, MySql, QueryBuilder};
use tidegate::MeteredPool;
use tidegate_tests::MariaDbDatabase;
use tower::{ServiceBuilder, service_fn};

use crate::{Row, assert_written, layer, write_all};

/// All rows are there afterwards.
async fn upsert(pool: &MeteredPool<MySql>, rows: Vec<Row>) -> Result<Vec<bool>, sqlx::Error> {
    let mut sql = QueryBuilder::<MySql>::new("INSERT INTO t (id, v) ");
    sql.push_values(&rows, |mut sql, row| {
        sql.push_bind(row.0).push_bind(row.1);
    });
    sql.push(" ON DUPLICATE KEY UPDATE v = VALUES(v)");
    sql.build().execute(pool).await?;
    Ok(vec![true; rows.len()])
}

#[tokio::test]
async fn each_caller_has_its_result_and_a_bad_row_fails_alone() {
    let db = MariaDbDatabase::create().await;
    let pool = MeteredPool::new(db.pool(5, Duration::from_secs(20)).await);
    pool.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT CHECK (v >= 0))").await.unwrap();
    pool.execute("INSERT INTO t VALUES (1, 0), (2, 0)").await.unwrap();
    let inner = pool.clone();
    let service = ServiceBuilder::new().layer(layer()).service(service_fn(move |rows| {
        let pool = inner.clone();
        async move { upsert(&pool, rows).await }
    }));
    let results = write_all(&service, [(1, 10), (2, -1), (3, 30), (1, 11)]).await;
    assert_written(results, &[Some(true), None, Some(true), Some(true)]);
    let values: Vec<i64> = sqlx::query_scalar("SELECT v FROM t ORDER BY id").fetch_all(&pool).await.unwrap();
    assert_eq!(values, [11, 0, 30]);
}
