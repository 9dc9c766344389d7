//! SQLite: a file of our own, a pool of readers and one writer.
//!
//! A read transaction held for the query's time exhausts the pool just as a slow server does.
//! Writes go through a pool of one connection: SQLite has one writer at a time, and read-then-write transactions on many
//! connections fail with BUSY instead of waiting their turn.
//! The wait for the writer is timed apart from the pool wait: `--pool` is about the readers, and half of all waits being
//! the writer's, which is nearly always free, would halve the median. A timeout there is a connection error all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, QueryBuilder};
use tempfile::TempDir;
use tidegate::{
    ConfigError, MeteredConnection, MeteredPool, MeteredTransaction, Nested, PoolEvidence, PoolProbe,
};
use tokio::time::Instant;

use super::Query;
use crate::failure::Failure;
use crate::recorder::Recorder;
use crate::updates::Update;

/// A read transaction.
pub(super) type Conn = MeteredTransaction<Sqlite>;

/// The database file, removed when this drops, whatever happened.
#[derive(Debug)]
pub(crate) struct Store {
    file: PathBuf,
    /// The directory, if it is ours too.
    folder: Option<TempDir>,
    version: String,
}

const CREATE_TABLES: &str = "
    CREATE TABLE item (id INTEGER PRIMARY KEY, payload TEXT NOT NULL, scans INTEGER NOT NULL);
    CREATE TABLE note (id INTEGER PRIMARY KEY, item_id INTEGER NOT NULL,
        made_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
    BEGIN;
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100000)
        INSERT INTO item SELECT n, hex(n * 2654435761), 0 FROM number;
    COMMIT;
    ANALYZE;
";

/// How long a statement waits for a lock. Only a checkpoint of the write-ahead log holds one against the others.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const REMOVE_ATTEMPTS: u32 = 20;

impl Store {
    pub(super) async fn temporary() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("tidegate-lab-").tempdir()?;
        let file = folder.path().join("lab.sqlite");
        Ok(Self { file, folder: Some(folder), version: String::new() }.answering().await?)
    }

    pub(super) async fn in_folder(folder: &Path, name: &str) -> sqlx::Result<Self> {
        let file = folder.join(name).with_extension("sqlite");
        Self { file, folder: None, version: String::new() }.answering().await
    }

    /// Makes the file, which proves that the directory can be written.
    async fn answering(mut self) -> sqlx::Result<Self> {
        let mut conn = self.options().create_if_missing(true).connect().await?;
        self.version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut conn).await?;
        conn.close().await?;
        Ok(self)
    }

    pub(super) async fn create(&self) -> sqlx::Result<()> {
        let mut conn = self.options().connect().await?;
        sqlx::raw_sql(CREATE_TABLES).execute(&mut conn).await?;
        conn.close().await
    }

    pub(super) fn open(
        &self,
        size: u32,
        acquire_timeout: Duration,
        nested: Nested,
    ) -> Result<Pools, ConfigError> {
        let pool = |size, name: &str| {
            let options = SqlitePoolOptions::new().max_connections(size).acquire_timeout(acquire_timeout);
            MeteredPool::new(options.connect_lazy_with(self.options())).with_name(name)
        };
        Ok(Pools { readers: pool(size, "readers").with_nested(nested)?, writer: pool(1, "writer") })
    }

    pub(super) fn place(&self) -> String {
        format!("the file {}", self.file.display())
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// A connection whose task was dropped may be writing still, and make a file while its directory is removed.
    pub(super) async fn remove(self) -> Result<(), Failure> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.path();
        for _ in 1..REMOVE_ATTEMPTS {
            if fs::remove_dir_all(path).is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        fs::remove_dir_all(path)
            .map_err(|err| Failure::work(format_args!("{} is left behind ({err})", path.display())))
    }

    /// For a job queue, in a file of its own: a worker of apalis that stops holds the write lock of its file until its
    /// jobs have ended, for which they would wait in vain.
    pub(super) fn queue_options(&self) -> SqliteConnectOptions {
        Self::options_of(&self.queue_file()).create_if_missing(true)
    }

    fn queue_file(&self) -> PathBuf {
        self.file.with_extension("queue.sqlite")
    }

    fn options(&self) -> SqliteConnectOptions {
        Self::options_of(&self.file)
    }

    fn options_of(file: &Path) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        for file in [self.file.clone(), self.queue_file()] {
            for suffix in ["", "-wal", "-shm"] {
                let mut file = file.clone().into_os_string();
                file.push(suffix);
                // What was never made cannot be removed.
                let _ = fs::remove_file(file);
            }
        }
    }
}

/// The pool under test and the writer's.
#[derive(Debug)]
pub(crate) struct Pools {
    readers: MeteredPool<Sqlite>,
    writer: MeteredPool<Sqlite>,
}

impl Pools {
    pub(super) async fn acquire(&self) -> sqlx::Result<Conn> {
        self.readers.begin().await
    }

    pub(super) async fn finish(&self, read: Conn, query: &Query, recorder: &Recorder) -> sqlx::Result<()> {
        read.rollback().await?;
        let mut conn = self.write(recorder).await?;
        let mut tx = Connection::begin_with(&mut *conn, "BEGIN IMMEDIATE").await?;
        sqlx::query("UPDATE item SET scans = scans + 1 WHERE id = ?")
            .bind(query.write)
            .execute(&mut *tx)
            .await?;
        sqlx::query("INSERT INTO note (item_id) VALUES (?)").bind(query.write).execute(&mut *tx).await?;
        tx.commit().await
    }

    pub(super) async fn update(&self, updates: &[Update], recorder: &Recorder) -> sqlx::Result<()> {
        let mut conn = self.write(recorder).await?;
        let mut query = QueryBuilder::new("UPDATE item SET scans = new.column2 FROM (");
        query.push_values(updates, |mut row, update| {
            row.push_bind(update.id).push_bind(update.scans);
        });
        query.push(") AS new WHERE item.id = new.column1").build().execute(&mut *conn).await?;
        Ok(())
    }

    async fn write(&self, recorder: &Recorder) -> sqlx::Result<MeteredConnection<Sqlite>> {
        let asked = Instant::now();
        let acquired = self.writer.acquire().await;
        recorder.writer_waited(asked.elapsed());
        acquired
    }

    pub(super) fn probe(&self) -> impl PoolProbe + use<> {
        self.readers.probe()
    }

    pub(super) fn stats(&self) -> PoolEvidence {
        self.readers.stats()
    }

    pub(super) async fn close(&self) {
        self.readers.inner().close().await;
        self.writer.inner().close().await;
    }
}

pub(super) async fn hold(conn: &mut SqliteConnection, query: &Query) -> sqlx::Result<()> {
    sqlx::query("SELECT payload FROM item WHERE id = ?").bind(query.read).fetch_one(conn).await?;
    if !query.hold.is_zero() {
        tokio::time::sleep(query.hold).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue;

    #[tokio::test]
    async fn a_queue_has_a_file_of_its_own_that_is_removed_with_the_lab_s() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path(), "lab").await.unwrap();
        let queue = queue::Sqlite::open(store.queue_options(), "jobs".to_owned()).await.unwrap();
        let file = folder.path().join("lab.queue.sqlite");
        assert!(file.exists() && store.file.exists() && store.file != file);
        drop(queue);
        drop(store);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
