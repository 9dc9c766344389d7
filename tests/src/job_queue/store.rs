use std::str::FromStr as _;
use std::time::Duration;

use apalis::prelude::TaskSink as _;
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tempfile::TempDir;

use crate::PostgresDatabase;

/// The longest that a test waits for what must come, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One run of a job: which job, by which worker, and whether it came to its end.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
#[non_exhaustive]
pub struct Run {
    /// The job.
    pub job: i32,
    /// The worker's name.
    pub worker: String,
    /// Whether the run came to its end.
    pub ended: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// What is removed when the test ends.
#[derive(Debug)]
enum Home {
    Postgres(#[expect(dead_code, reason = "its drop removes the database")] PostgresDatabase),
    Sqlite(#[expect(dead_code, reason = "its drop removes the file")] TempDir),
    Elsewhere,
}

/// A job queue of apalis, with the pool that its workers share.
///
/// Its methods panic where they cannot help.
#[derive(Debug)]
pub struct JobQueue {
    pub(super) queue: Pool,
    /// For what the tests ask, so that they take no connection from the queue.
    log: Pool,
    diary: Diary,
    url: String,
    home: Home,
}

impl JobQueue {
    /// An empty queue in a PostgreSQL database of its own.
    ///
    /// # Panics
    ///
    /// When the server is not there.
    pub async fn postgres() -> Self {
        let database = PostgresDatabase::create().await;
        let mut queue = Self::open(database.url()).await;
        queue.home = Home::Postgres(database);
        queue.set_up().await;
        queue
    }

    /// An empty queue in an SQLite file of its own.
    ///
    /// # Panics
    ///
    /// When the file cannot be made.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut queue = Self::open(&format!("sqlite://{}", folder.path().join("jobs.db").display())).await;
        queue.home = Home::Sqlite(folder);
        queue.set_up().await;
        queue
    }

    /// The queue that another process has made.
    ///
    /// # Panics
    ///
    /// When it cannot be opened.
    pub async fn open(url: &str) -> Self {
        // A worker that stops leaves a transaction open until its jobs have ended, so that what they write in the
        // same file of SQLite fails.
        let diary = Diary(pool(&url.replace("jobs.db", "diary.db")).await);
        Self {
            queue: pool(url).await,
            log: pool(url).await,
            diary,
            url: url.to_owned(),
            home: Home::Elsewhere,
        }
    }

    /// The same queue, whose workers take their connections from `pool`.
    #[must_use]
    pub fn on_pool(&self, pool: &PgPool) -> Self {
        let queue = Pool::Postgres(pool.clone());
        let (log, diary, url) = (self.log.clone(), self.diary.clone(), self.url.clone());
        Self { queue, log, diary, url, home: Home::Elsewhere }
    }

    /// Where it is, for [`open`](Self::open).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    async fn set_up(&self) {
        match &self.queue {
            Pool::Postgres(pool) => PostgresStorage::setup(pool).await.expect("the queue's tables"),
            Pool::Sqlite(pool) => SqliteStorage::setup(pool).await.expect("the queue's tables"),
        }
        let table = "CREATE TABLE runs (job INTEGER NOT NULL, worker TEXT NOT NULL, ended BOOLEAN NOT NULL)";
        self.diary.execute(table.to_owned()).await;
    }

    /// Puts jobs into the queue.
    ///
    /// # Panics
    ///
    /// When the database refuses.
    pub async fn push(&self, jobs: std::ops::Range<u32>) {
        let jobs: Vec<u32> = jobs.collect();
        match &self.queue {
            Pool::Postgres(pool) => {
                PostgresStorage::new(pool).push_bulk(jobs).await.expect("the jobs are pushed");
            }
            Pool::Sqlite(pool) => {
                SqliteStorage::new(pool).push_bulk(jobs).await.expect("the jobs are pushed");
            }
        }
    }

    /// The jobs of that status: `Pending`, `Queued`, `Running`, `Done`, `Failed` or `Killed`.
    pub async fn count(&self, status: &str) -> i64 {
        let table = match &self.log {
            Pool::Postgres(_) => "apalis.jobs",
            Pool::Sqlite(_) => "Jobs",
        };
        self.number(format!("SELECT COUNT(*) FROM {table} WHERE status = '{status}'")).await
    }

    /// Whether a worker of that name has registered itself.
    pub async fn worker_is_known(&self, name: &str) -> bool {
        let table = match &self.log {
            Pool::Postgres(_) => "apalis.workers",
            Pool::Sqlite(_) => "Workers",
        };
        self.number(format!("SELECT COUNT(*) FROM {table} WHERE id = '{name}'")).await > 0
    }

    /// Waits until that many jobs have that status.
    ///
    /// # Panics
    ///
    /// When they do not come to it.
    pub async fn until(&self, status: &str, jobs: i64) {
        let come = async {
            while self.count(status).await != jobs {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, come).await.is_err() {
            let (found, runs) = (self.count(status).await, self.runs().await);
            panic!("{found} jobs are {status}, not {jobs}: {runs:?}");
        }
    }

    /// Every run there was.
    ///
    /// # Panics
    ///
    /// When the database does not answer.
    pub async fn runs(&self) -> Vec<Run> {
        let all = "SELECT job, worker, ended FROM runs ORDER BY job";
        match &self.diary.0 {
            Pool::Postgres(pool) => sqlx::query_as(all).fetch_all(pool).await.expect("the runs"),
            Pool::Sqlite(pool) => sqlx::query_as(all).fetch_all(pool).await.expect("the runs"),
        }
    }

    pub(super) fn diary(&self) -> Diary {
        self.diary.clone()
    }

    async fn number(&self, query: String) -> i64 {
        let query = AssertSqlSafe(query);
        match &self.log {
            Pool::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await.expect("the count"),
            Pool::Sqlite(pool) => sqlx::query_scalar(query).fetch_one(pool).await.expect("the count"),
        }
    }
}

/// Where runs are written down.
#[derive(Clone, Debug)]
pub(super) struct Diary(Pool);

impl Diary {
    pub(super) async fn begins(&self, job: u32, worker: &str) {
        self.execute(format!("INSERT INTO runs VALUES ({job}, '{worker}', FALSE)")).await;
    }

    pub(super) async fn ends(&self, job: u32, worker: &str) {
        self.execute(format!("UPDATE runs SET ended = TRUE WHERE job = {job} AND worker = '{worker}'")).await;
    }

    async fn execute(&self, statement: String) {
        let statement = AssertSqlSafe(statement);
        let ran = match &self.0 {
            Pool::Postgres(pool) => sqlx::query(statement).execute(pool).await.map(drop),
            Pool::Sqlite(pool) => sqlx::query(statement).execute(pool).await.map(drop),
        };
        ran.expect("the statement runs");
    }
}

async fn pool(url: &str) -> Pool {
    if url.starts_with("postgres") {
        let pool = PgPoolOptions::new().max_connections(3).connect(url).await;
        return Pool::Postgres(pool.expect("the PostgreSQL server answers"));
    }
    let options = SqliteConnectOptions::from_str(url)
        .expect("a URL of SQLite")
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePoolOptions::new().max_connections(3).connect_with(options).await;
    Pool::Sqlite(pool.expect("the file opens"))
}
