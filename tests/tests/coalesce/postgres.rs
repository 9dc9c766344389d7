//! `UPDATE … FROM UNNEST`: two parameters, whatever the number of rows.

use std::time::{Duration, Instant};

use sqlx::{Executor as _, Postgres};
use tidegate::{Coalesce, Limiter, MeteredPool, ServiceBuilderExt as _};
use tidegate_tests::PostgresDatabase;
use tokio::task::JoinSet;
use tower::{ServiceBuilder, service_fn};

use crate::{Row, assert_written, layer, write_all};

const SQL: &str = "UPDATE t SET v = u.v FROM UNNEST($1::bigint[], $2::bigint[]) u (id, v) WHERE t.id = u.id \
    RETURNING t.id";

async fn pool(db: &PostgresDatabase) -> MeteredPool<Postgres> {
    let pool = MeteredPool::new(db.pool(20, Duration::from_secs(20)).await);
    pool.execute("CREATE TABLE t (id bigint PRIMARY KEY, v bigint NOT NULL CHECK (v >= 0))").await.unwrap();
    pool.execute("INSERT INTO t SELECT i, 0 FROM generate_series(1, 1000) i").await.unwrap();
    pool
}

async fn update(pool: &MeteredPool<Postgres>, rows: Vec<Row>) -> Result<Vec<bool>, sqlx::Error> {
    let (ids, values): (Vec<i64>, Vec<i64>) = rows.iter().copied().unzip();
    let there: Vec<i64> = sqlx::query_scalar(SQL).bind(ids).bind(values).fetch_all(pool).await?;
    Ok(rows.iter().map(|row| there.contains(&row.0)).collect())
}

fn service(pool: &MeteredPool<Postgres>) -> Coalesce<Row, bool> {
    let limiter = Limiter::builder().name("writes").pool(pool.probe()).build().unwrap();
    let pool = pool.clone();
    let update = service_fn(move |rows| {
        let pool = pool.clone();
        async move { update(&pool, rows).await }
    });
    ServiceBuilder::new().layer(layer()).limit(limiter).service(update)
}

async fn values(pool: &MeteredPool<Postgres>, ids: &[i64]) -> Vec<i64> {
    let sql = "SELECT v FROM t WHERE id = ANY($1) ORDER BY id";
    sqlx::query_scalar(sql).bind(ids).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn each_caller_has_its_result_and_a_bad_row_fails_alone() {
    let db = PostgresDatabase::create().await;
    let pool = pool(&db).await;
    let rows = [(1, 10), (2, -1), (3, 30), (5_000, 1), (4, 40)];
    let results = write_all(&service(&pool), rows).await;
    assert_written(results, &[Some(true), None, Some(true), Some(false), Some(true)]);
    assert_eq!(values(&pool, &[1, 2, 3, 4]).await, [10, 0, 30, 40]);
}

#[tokio::test]
async fn later_row_of_one_id_is_written_later() {
    let db = PostgresDatabase::create().await;
    let pool = pool(&db).await;
    // What it would be without: one of the two, silently.
    let both = update(&pool, vec![(1, 10), (1, 20)]).await.unwrap();
    assert_eq!(both, [true, true]);
    let results = write_all(&service(&pool), [(2, 10), (2, 20), (2, 30)]).await;
    assert_written(results, &[Some(true); 3]);
    assert_eq!(values(&pool, &[2]).await, [30]);
}

/// Prints what `docs/coalescing.md` cites.
#[tokio::test]
async fn coalesced_writes_take_a_tenth_of_the_connections_at_most() {
    const WRITES: i64 = 1_000;
    let db = PostgresDatabase::create().await;
    let pool = pool(&db).await;
    // Opens the connections.
    one_by_one(&pool, WRITES).await;

    let before = pool.stats().activity;
    let began = Instant::now();
    one_by_one(&pool, WRITES).await;
    let alone = (pool.stats().activity.since(&before), began.elapsed());

    let service = service(&pool);
    let before = pool.stats().activity;
    let began = Instant::now();
    let results = write_all(&service, (1..=WRITES).map(|id| (id, 2))).await;
    let joined = (pool.stats().activity.since(&before), began.elapsed());

    assert!(results.into_iter().all(|result| result.unwrap()));
    assert_eq!(values(&pool, &[1, 500, 1000]).await, [2; 3]);
    for (name, (activity, time)) in [("one by one", &alone), ("coalesced", &joined)] {
        let (grants, held) = (activity.grants, activity.held_time);
        println!("{name}: {grants} connections taken, held for {held:?} together, {time:?} in all");
    }
    assert_eq!(alone.0.grants, 1_000);
    assert!(joined.0.grants <= 100, "{:?}", joined.0);
    assert!(joined.0.held_time < alone.0.held_time);
}

async fn one_by_one(pool: &MeteredPool<Postgres>, writes: i64) {
    let mut tasks = JoinSet::new();
    for id in 1..=writes {
        let pool = pool.clone();
        tasks.spawn(async move { update(&pool, vec![(id, 1)]).await.unwrap() });
    }
    tasks.join_all().await;
}
