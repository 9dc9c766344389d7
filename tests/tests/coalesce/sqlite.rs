//! `WITH … AS (VALUES …) UPDATE … FROM`.

use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Executor as _, QueryBuilder, Sqlite};
use tidegate::MeteredPool;
use tower::{ServiceBuilder, service_fn};

use crate::{Row, assert_written, layer, write_all};

async fn update(pool: &MeteredPool<Sqlite>, rows: Vec<Row>) -> Result<Vec<bool>, sqlx::Error> {
    let mut sql = QueryBuilder::<Sqlite>::new("WITH u (id, v) AS (");
    sql.push_values(&rows, |mut sql, row| {
        sql.push_bind(row.0).push_bind(row.1);
    });
    sql.push(") UPDATE t SET v = u.v FROM u WHERE t.id = u.id RETURNING t.id");
    let there: Vec<i64> = sql.build_query_scalar().fetch_all(pool).await?;
    Ok(rows.iter().map(|row| there.contains(&row.0)).collect())
}

#[tokio::test]
async fn each_caller_has_its_result_and_a_bad_row_fails_alone() {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let pool = MeteredPool::new(pool);
    pool.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER CHECK (v >= 0))").await.unwrap();
    pool.execute("INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)").await.unwrap();
    let inner = pool.clone();
    let service = ServiceBuilder::new().layer(layer()).service(service_fn(move |rows| {
        let pool = inner.clone();
        async move { update(&pool, rows).await }
    }));
    let results = write_all(&service, [(1, 10), (2, -1), (3, 30), (9, 1), (1, 11)]).await;
    assert_written(results, &[Some(true), None, Some(true), Some(false), Some(true)]);
    let values: Vec<i64> = sqlx::query_scalar("SELECT v FROM t ORDER BY id").fetch_all(&pool).await.unwrap();
    assert_eq!(values, [11, 0, 30]);
}
