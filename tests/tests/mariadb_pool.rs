//! The metered pool on a real MariaDB.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Error, Executor as _, MySql};
use tidegate::{MeteredPool, Outcome, classify_sqlx};
use tidegate_tests::MariaDbDatabase;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "waited in vain until {what}");
}

async fn all_returned(pool: &MeteredPool<MySql>) {
    until("all connections are back", async || pool.stats().held == 0).await;
}

/// How many sessions of the database run a statement that contains `SLEEP`.
async fn sleeping(db: &MariaDbDatabase) -> i64 {
    let mut conn = MySqlConnection::connect(&tidegate_tests::mariadb_url()).await.unwrap();
    let sql = "SELECT count(*) FROM information_schema.processlist WHERE db = ? AND info LIKE '%SLEEP%'";
    let sessions = sqlx::query_scalar(sql).bind(db.name()).fetch_one(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    sessions
}

#[tokio::test]
async fn queries_streams_and_transactions_run() {
    let db = MariaDbDatabase::create().await;
    let pool = MeteredPool::new(db.pool(4, PATIENCE).await);
    assert!(pool.name().starts_with("MySQL"), "{}", pool.name());
    pool.execute("CREATE TABLE t (x INT PRIMARY KEY)").await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    tx.execute("INSERT INTO t VALUES (1), (2), (3)").await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    tx.execute("DELETE FROM t").await.unwrap();
    drop(tx);
    let rows = sqlx::query_scalar::<_, i32>("SELECT x FROM t ORDER BY x").fetch(&pool);
    let rows: Vec<i32> = rows.try_collect().await.unwrap();
    assert_eq!(rows, [1, 2, 3]);
    all_returned(&pool).await;
    let activity = pool.stats().activity;
    assert_eq!((activity.requests, activity.grants, activity.returns), (4, 4, 4));
}

#[tokio::test]
async fn cancelled_begin_leaves_no_open_transaction() {
    let db = MariaDbDatabase::create().await;
    let pool = MeteredPool::new(db.pool(1, PATIENCE).await);
    for _ in 0..20 {
        let mut begin = Box::pin(pool.begin());
        while pool.stats().held == 0 {
            poll_fn(|cx| Poll::Ready(begin.as_mut().poll(cx).is_ready())).await;
            tokio::task::yield_now().await;
        }
        drop(begin);
        all_returned(&pool).await;
    }
    let open: u64 = sqlx::query_scalar("SELECT @@in_transaction").fetch_one(&pool).await.unwrap();
    assert_eq!(open, 0);
}

#[tokio::test]
async fn next_caller_does_not_wait_for_an_abandoned_query() {
    let db = MariaDbDatabase::create().await;
    let pool = MeteredPool::new(db.pool(1, PATIENCE).await);
    tokio::select! {
        _ = pool.execute("SELECT SLEEP(8)") => panic!("the query is not this fast"),
        () = until("it runs", async || sleeping(&db).await == 1) => {}
    }
    assert_eq!(pool.stats().held, 1);
    let start = Instant::now();
    pool.execute("SELECT 1").await.unwrap();
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(4), "{waited:?}");
    all_returned(&pool).await;
}

/// The number of a database error, and what we make of it.
fn number_and_outcome(error: &Error) -> (u16, Outcome) {
    let number = error.as_database_error().unwrap().downcast_ref::<MySqlDatabaseError>().number();
    (number, classify_sqlx(error))
}

#[tokio::test]
async fn errors_of_the_server_are_classified() {
    let db = MariaDbDatabase::create().await;
    let pool = MeteredPool::new(db.pool(2, PATIENCE).await);
    pool.execute("CREATE TABLE t (x INT PRIMARY KEY, y INT) ENGINE=InnoDB").await.unwrap();
    pool.execute("INSERT INTO t VALUES (1, 0), (2, 0)").await.unwrap();

    let duplicate = pool.execute("INSERT INTO t VALUES (1, 0)").await.unwrap_err();
    assert_eq!(number_and_outcome(&duplicate), (1062, Outcome::Ignored));
    let endless = "SET STATEMENT max_statement_time = 0.05 FOR \
        SELECT count(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE a.seq + b.seq = 0";
    let slow = pool.execute(endless).await.unwrap_err();
    assert_eq!(number_and_outcome(&slow), (1969, Outcome::Overload));

    let mut first = pool.begin().await.unwrap();
    let mut second = pool.begin().await.unwrap();
    first.execute("UPDATE t SET y = 1 WHERE x = 1").await.unwrap();
    second.execute("SET innodb_lock_wait_timeout = 1").await.unwrap();
    let locked = second.execute("UPDATE t SET y = 2 WHERE x = 1").await.unwrap_err();
    assert_eq!(number_and_outcome(&locked), (1205, Outcome::Overload));

    second.execute("UPDATE t SET y = 2 WHERE x = 2").await.unwrap();
    second.execute("SET innodb_lock_wait_timeout = 20").await.unwrap();
    let (one, other) = tokio::join!(
        first.execute("UPDATE t SET y = 1 WHERE x = 2"),
        second.execute("UPDATE t SET y = 2 WHERE x = 1"),
    );
    let deadlock = one.err().or(other.err()).unwrap();
    assert_eq!(number_and_outcome(&deadlock), (1213, Outcome::Overload));
}

/// On MySQL the pool does not retry, so the refusal is seen.
#[tokio::test]
async fn server_without_room_counts_as_refused() {
    let db = MariaDbDatabase::create().await;
    let mut admin = MySqlConnection::connect(&tidegate_tests::mariadb_url()).await.unwrap();
    let user = format!("crowd_{}", &db.name()[db.name().len() - 12..]);
    let create = format!("CREATE USER {user}@'%' IDENTIFIED BY 'crowd' WITH MAX_USER_CONNECTIONS 1");
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    let url = tidegate_tests::mariadb_url();
    let options = url.parse::<MySqlConnectOptions>().unwrap().username(&user).password("crowd");
    let options = options.database("information_schema");
    let pool = MeteredPool::new(MySqlPoolOptions::new().connect_lazy_with(options));

    let conn = pool.acquire().await.unwrap();
    let error = pool.acquire().await.unwrap_err();
    assert_eq!(number_and_outcome(&error), (1226, Outcome::Overload));
    let activity = pool.stats().activity;
    assert_eq!((activity.refused, activity.timeouts, activity.failures), (1, 0, 0));
    drop(conn);
    pool.inner().close().await;
    admin.execute(AssertSqlSafe(format!("DROP USER {user}@'%'"))).await.unwrap();
}
