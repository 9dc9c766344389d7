//! The metered pool on a real PostgreSQL.
//!
//! Where it mends what cancellation breaks, the test first shows that the plain pool of sqlx is broken in that way.
//! When that part fails, sqlx has mended it: look whether our own way is still needed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::Pin;
use std::process::Command;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Acquire, AssertSqlSafe, Connection as _, Error, Executor as _, PgPool, Postgres};
use tidegate::{MeteredPool, Outcome, classify_sqlx};
use tidegate_tests::PostgresDatabase;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);
const RETURN_TIMEOUT: Duration = MeteredPool::<Postgres>::RETURN_TIMEOUT;

/// A pool of `max` connections, all of them open and idle, that hands them out without a ping.
async fn full_pool(db: &PostgresDatabase, max: u32, acquire_timeout: Duration) -> PgPool {
    let pool = PgPoolOptions::new()
        .max_connections(max)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .connect(db.url())
        .await
        .unwrap();
    let mut conns = Vec::new();
    for _ in 0..max {
        conns.push(pool.acquire().await.unwrap());
    }
    drop(conns);
    until("the connections are idle", async || pool.num_idle() == max as usize).await;
    pool
}

/// Waits until `condition` holds.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "waited in vain until {what}");
}

/// Polls `future` once. A fast server may answer within that.
async fn poll_once<T>(future: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
}

/// Sees the sessions of a database from outside its pools.
struct Observer {
    db: String,
    url: String,
}

impl Observer {
    fn new(db: &PostgresDatabase) -> Self {
        Self { db: db.name().to_owned(), url: tidegate_tests::postgres_url() }
    }

    /// How many sessions of the database satisfy `condition`.
    async fn sessions(&self, condition: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND {condition}");
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        let sessions =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(&self.db).fetch_one(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        sessions
    }

    async fn idle_in_transaction(&self) -> i64 {
        self.sessions("state LIKE 'idle in transaction%'").await
    }

    async fn sleeping(&self) -> i64 {
        self.sessions("state = 'active' AND wait_event = 'PgSleep'").await
    }
}

/// Server processes that are stopped, as a host that hangs; they go on when this is dropped.
struct Stopped(Vec<i32>);

impl Stopped {
    async fn stop<'c>(conns: impl IntoIterator<Item = &'c mut PgConnection>) -> Self {
        let mut pids = Vec::new();
        for conn in conns {
            pids.push(sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(conn).await.unwrap());
        }
        let stopped = Self(pids);
        assert!(stopped.signal("-STOP"), "the tests may signal the processes of their own server");
        stopped
    }

    fn signal(&self, signal: &str) -> bool {
        Command::new("kill").arg(signal).args(self.0.iter().map(i32::to_string)).status().unwrap().success()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

/// Begins a transaction on each of the pool's connections and drops the futures after their first poll.
async fn cancel_begins<T>(max: u32, begin: impl Fn() -> BoxFuture<'static, Result<T, Error>>) {
    let mut begins: Vec<_> = (0..max).map(|_| begin()).collect();
    for begin in &mut begins {
        poll_once(begin).await;
    }
}

#[tokio::test]
async fn cancelled_begin_leaves_no_session_in_a_transaction() {
    const MAX: u32 = 8;
    let db = PostgresDatabase::create().await;
    let observer = Observer::new(&db);

    let plain = full_pool(&db, MAX, PATIENCE).await;
    // A server that answers within the first poll is not poisoned, so the failure may take more than one attempt.
    until("the plain pool is poisoned", async || {
        cancel_begins(MAX, || {
            let plain = plain.clone();
            Box::pin(async move { plain.begin().await })
        })
        .await;
        until("the connections are back", async || plain.num_idle() == MAX as usize).await;
        observer.idle_in_transaction().await > 0
    })
    .await;
    plain.close().await;

    let pool = MeteredPool::new(full_pool(&db, MAX, PATIENCE).await);
    cancel_begins(MAX, || Box::pin(pool.begin())).await;
    assert_eq!(pool.stats().held, MAX, "held until rolled back and returned");
    until("the connections are back", async || pool.stats().held == 0).await;
    let stats = pool.stats();
    assert_eq!((stats.reading.idle, stats.activity.returns), (MAX, u64::from(MAX)));
    assert_eq!(observer.idle_in_transaction().await, 0);

    cancel_begins(MAX, || {
        let pool = pool.clone();
        Box::pin(async move { Acquire::begin(&pool).await }) // sqlx's own transaction
    })
    .await;
    until("the connections are back", async || pool.stats().reading.idle == MAX).await;
    assert_eq!(observer.idle_in_transaction().await, 0);
}

#[tokio::test]
async fn cancelled_commit_or_rollback_leaves_no_session_in_a_transaction() {
    let db = PostgresDatabase::create().await;
    let observer = Observer::new(&db);
    let pool = MeteredPool::new(full_pool(&db, 2, PATIENCE).await);
    pool.execute("CREATE TABLE t (x int)").await.unwrap();
    for commits in [true, false] {
        let mut tx = pool.begin().await.unwrap();
        tx.execute("INSERT INTO t VALUES (1)").await.unwrap();
        let mut end: BoxFuture<'_, _> = if commits { Box::pin(tx.commit()) } else { Box::pin(tx.rollback()) };
        poll_once(&mut end).await;
        drop(end);
        until("the connection is back", async || pool.stats().held == 0).await;
        until("no transaction is open", async || observer.idle_in_transaction().await == 0).await;
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&pool).await.unwrap();
    assert!(rows <= 1, "a rollback that is dropped still rolls back");
}

/// Starts `query` twice, drops both while they run, and says how long the next caller waits for its answer.
async fn wait_after_abandoned(
    pool: &PgPool,
    observer: &Observer,
    query: impl Fn() -> BoxFuture<'static, ()>,
    dropped: impl FnOnce(),
) -> Duration {
    let mut queries = [query(), query()];
    let until_they_run = until("both queries run", async || observer.sleeping().await == 2);
    let both = futures_util::future::join_all(&mut queries);
    tokio::select! {
        _ = both => panic!("the queries are not this fast"),
        () = until_they_run => {}
    }
    drop(queries);
    dropped();
    let start = Instant::now();
    pool.execute("SELECT 1").await.unwrap();
    start.elapsed()
}

#[tokio::test]
async fn next_caller_does_not_wait_for_an_abandoned_query() {
    let db = PostgresDatabase::create().await;
    let observer = Observer::new(&db);

    let plain = full_pool(&db, 2, PATIENCE).await;
    let query = || -> BoxFuture<'static, ()> {
        let plain = plain.clone();
        Box::pin(async move { drop(plain.execute("SELECT pg_sleep(4)").await) })
    };
    let waited = wait_after_abandoned(&plain, &observer, query, || {}).await;
    assert!(waited > Duration::from_secs(2), "the plain pool waits for both queries: {waited:?}");

    let pool = MeteredPool::new(full_pool(&db, 2, PATIENCE).await);
    let query = || -> BoxFuture<'static, ()> {
        let pool = pool.clone();
        Box::pin(async move { drop(pool.execute("SELECT pg_sleep(4)").await) })
    };
    let held = || assert_eq!(pool.stats().held, 2, "held until closed");
    let waited = wait_after_abandoned(pool.inner(), &observer, query, held).await;
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    until("the connections are closed", async || pool.stats().held == 0).await;
    assert_eq!(pool.stats().activity.returns, 2);
}

#[tokio::test]
async fn every_kind_of_query_is_given_up_when_dropped() {
    const SLEEP: &str = "SELECT pg_sleep(30)";
    let db = PostgresDatabase::create().await;
    let observer = Observer::new(&db);
    let pool = MeteredPool::new(full_pool(&db, 5, PATIENCE).await);
    let mut tx = pool.begin().await.unwrap();
    tx.execute("CREATE TABLE t (x int)").await.unwrap();
    tx.commit().await.unwrap();
    until("the connection is back", async || pool.stats().held == 0).await;

    let mut stream = sqlx::query(SLEEP).fetch(&pool);
    let running = async {
        tokio::join!(
            async { drop(sqlx::query(SLEEP).execute(&pool).await) },
            async { drop(sqlx::query(SLEEP).fetch_all(&pool).await) },
            async { drop(sqlx::query(SLEEP).fetch_one(&pool).await) },
            async { drop(sqlx::query(SLEEP).fetch_optional(&pool).await) },
            async { drop(stream.try_next().await) },
        )
    };
    tokio::select! {
        _ = running => panic!("the queries are not this fast"),
        () = until("all run", async || observer.sleeping().await == 5) => {}
    }
    drop(stream);
    let start = Instant::now();
    assert_eq!(pool.stats().held, 5);
    until("all are closed", async || pool.stats().held == 0).await;
    let took = start.elapsed();
    assert!(took < RETURN_TIMEOUT / 2, "{took:?}");
    assert_eq!(pool.stats().reading.open, 0);
    assert_eq!(observer.sleeping().await, 5, "the server does not notice by itself");
}

#[tokio::test]
async fn next_caller_does_not_wait_for_an_abandoned_commit() {
    let db = PostgresDatabase::create().await;
    let observer = Observer::new(&db);
    let pool = MeteredPool::new(full_pool(&db, 1, PATIENCE).await);
    let slow_commit = "CREATE TABLE t (x int);
        CREATE FUNCTION slow() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(4); RETURN NULL; END' LANGUAGE plpgsql;
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION slow()";
    pool.execute(slow_commit).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    tx.execute("INSERT INTO t VALUES (1)").await.unwrap();
    tokio::select! {
        _ = tx.commit() => panic!("the commit is not this fast"),
        () = until("it commits", async || observer.sleeping().await == 1) => {}
    }
    let start = Instant::now();
    pool.execute("SELECT 1").await.unwrap();
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

/// What the documentation advises: the server looks whether its client is still there.
#[tokio::test]
async fn server_that_checks_its_clients_stops_an_abandoned_query() {
    let db = PostgresDatabase::create().await;
    let observer = Observer::new(&db);
    let options: PgConnectOptions = db.url().parse().unwrap();
    let options = options.options([("client_connection_check_interval", "100ms")]);
    let pool = MeteredPool::new(PgPoolOptions::new().connect_with(options).await.unwrap());
    tokio::select! {
        _ = pool.execute("SELECT pg_sleep(300)") => panic!("the query is not this fast"),
        () = until("it runs", async || observer.sleeping().await == 1) => {}
    }
    until("it has stopped", async || observer.sleeping().await == 0).await;
}

/// A machine under load may be slower than the grace, so this asks for one success only; closing always has none.
#[tokio::test]
async fn stream_dropped_with_little_left_keeps_its_connection() {
    const TRIES: usize = 100;
    let db = PostgresDatabase::create().await;
    let pool = MeteredPool::new(full_pool(&db, 1, PATIENCE).await);
    let pid =
        async || -> i32 { sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&pool).await.unwrap() };
    for _ in 0..TRIES {
        let before = pid().await;
        let mut rows = sqlx::query("SELECT generate_series(1, 10)").fetch(&pool);
        rows.try_next().await.unwrap();
        drop(rows);
        if pid().await == before {
            return;
        }
    }
    panic!("closed {TRIES} of {TRIES} times");
}

/// A way to the server at `port` on which every answer takes `delay` longer.
fn slow_network(port: u16, delay: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own_port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap());
            forward(client.try_clone().unwrap(), server.try_clone().unwrap(), Duration::ZERO);
            forward(server, client, delay);
        }
    });
    own_port
}

fn forward(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            thread::sleep(delay);
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
    });
}

/// A query that has ended was not abandoned, however long its connection then takes to come back.
#[tokio::test]
async fn slow_network_costs_no_connection() {
    let db = PostgresDatabase::create().await;
    let options: PgConnectOptions = db.url().parse().unwrap();
    let port = slow_network(options.get_port(), 3 * MeteredPool::<Postgres>::ABANDONED_GRACE);
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options.port(port)).await.unwrap();
    let pool = MeteredPool::new(pool);
    let pid = || sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()");
    let before = pid().fetch_one(&pool).await.unwrap();
    let streamed: Vec<_> = pid().fetch(&pool).try_collect().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let in_transaction = pid().fetch_one(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let after = pid().fetch_one(&pool).await.unwrap();
    assert_eq!([streamed[0], in_transaction, after], [before; 3]);
}

#[tokio::test]
async fn silent_server_does_not_keep_a_dropped_connection() {
    let db = PostgresDatabase::create().await;

    let plain = full_pool(&db, 2, RETURN_TIMEOUT + Duration::from_secs(1)).await;
    let mut conns = [plain.acquire().await.unwrap(), plain.acquire().await.unwrap()];
    let stopped = Stopped::stop(conns.iter_mut().map(|conn| &mut **conn)).await;
    drop(conns);
    assert!(matches!(plain.acquire().await, Err(Error::PoolTimedOut)), "the plain pool never gets them back");
    drop(stopped);
    plain.close().await;

    let pool = MeteredPool::new(full_pool(&db, 2, PATIENCE).await);
    let mut conn = pool.acquire().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let stopped = Stopped::stop([&mut *conn, &mut *tx]).await;
    drop((conn, tx));
    sleep(RETURN_TIMEOUT / 2).await;
    assert_eq!(pool.stats().held, 2, "held until their slots are free");
    assert_two_slots_come_free(&pool).await;
    assert_eq!(pool.stats().activity.returns, 2);
    drop(stopped);
}

#[tokio::test]
async fn silent_server_does_not_keep_an_abandoned_begin_or_query() {
    let db = PostgresDatabase::create().await;
    let pool = MeteredPool::new(full_pool(&db, 2, PATIENCE).await);
    let mut conns = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let stopped = Stopped::stop(conns.iter_mut().map(|conn| &mut **conn)).await;
    stopped.signal("-CONT");
    drop(conns);
    until("the connections are back", async || pool.stats().held == 0).await;
    stopped.signal("-STOP");
    let mut begin = Box::pin(pool.begin());
    let mut query = pool.execute("SELECT 1");
    poll_once(&mut begin).await;
    poll_once(&mut query).await;
    drop((begin, query));
    assert_eq!(pool.stats().held, 2);
    assert_two_slots_come_free(&pool).await;
    drop(stopped);
}

/// Both of the pool's slots can be had again, in bounded time.
async fn assert_two_slots_come_free(pool: &MeteredPool<Postgres>) {
    let start = Instant::now();
    let fresh = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let waited = start.elapsed();
    assert!(waited < 2 * RETURN_TIMEOUT, "{waited:?}");
    until("the old ones are given up", async || pool.stats().held == 2).await;
    drop(fresh);
}

/// The code of a database error, and what we make of it.
async fn outcome_of(conn: &mut PgConnection, sql: &'static str) -> (String, Outcome) {
    let error = conn.execute(sql).await.unwrap_err();
    (error.as_database_error().unwrap().code().unwrap().into_owned(), classify_sqlx(&error))
}

#[tokio::test]
async fn errors_of_the_server_are_classified() {
    let db = PostgresDatabase::create().await;
    let pool = MeteredPool::new(db.pool(2, PATIENCE).await);
    pool.execute("CREATE TABLE t (x int PRIMARY KEY); INSERT INTO t VALUES (1)").await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    conn.execute("SET statement_timeout = '50ms'").await.unwrap();
    let slow = outcome_of(&mut conn, "SELECT pg_sleep(30)").await;
    assert_eq!(slow, ("57014".to_owned(), Outcome::Overload));

    let mut tx = pool.begin().await.unwrap();
    tx.execute("UPDATE t SET x = 2").await.unwrap();
    conn.execute("SET statement_timeout = 0; SET lock_timeout = '50ms'").await.unwrap();
    let locked = outcome_of(&mut conn, "UPDATE t SET x = 3").await;
    assert_eq!(locked, ("55P03".to_owned(), Outcome::Overload));
    tx.rollback().await.unwrap();

    let duplicate = outcome_of(&mut conn, "INSERT INTO t VALUES (1)").await;
    assert_eq!(duplicate, ("23505".to_owned(), Outcome::Ignored));

    conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t").await.unwrap();
    pool.execute("UPDATE t SET x = 4").await.unwrap();
    let collided = outcome_of(&mut conn, "UPDATE t SET x = 5").await;
    assert_eq!(collided, ("40001".to_owned(), Outcome::Overload));
}

/// The pool of sqlx retries in silence, so "too many connections" becomes a pool timeout; a bare connection shows it.
#[tokio::test]
async fn server_without_room_is_overload() {
    let db = PostgresDatabase::create().await;
    let mut admin = PgConnection::connect(&tidegate_tests::postgres_url()).await.unwrap();
    let role = format!("{}_crowd", db.name());
    let create = format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 1");
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    let options = db.url().parse::<PgConnectOptions>().unwrap().username(&role);

    let pool =
        PgPoolOptions::new().acquire_timeout(Duration::from_secs(1)).connect_lazy_with(options.clone());
    let pool = MeteredPool::new(pool);
    let conn = pool.acquire().await.unwrap();
    let bare = PgConnection::connect_with(&options).await.unwrap_err();
    assert_eq!(bare.as_database_error().unwrap().code().unwrap(), "53300");
    assert_eq!(classify_sqlx(&bare), Outcome::Overload);

    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, Error::PoolTimedOut));
    assert_eq!(classify_sqlx(&error), Outcome::Overload);
    let activity = pool.stats().activity;
    assert_eq!((activity.timeouts, activity.refused), (1, 0));
    drop(conn);
    pool.inner().close().await;
    admin.execute(AssertSqlSafe(format!("DROP ROLE {role}"))).await.unwrap();
}
