//! The queue on SQLite.

use apalis::prelude::{Task, TaskSink, WorkerBuilder, WorkerContext, WorkerError};
use apalis_sqlite::{Config, SqliteStorage};
use futures_util::future::BoxFuture;
use futures_util::stream;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tower::BoxError;

use super::ledger::Noting;
use super::{ACQUIRE_TIMEOUT, CONNECTIONS, HEARTBEAT, MISSED_HEARTBEATS};
use crate::jobs::NewJob;

/// A queue of that name, in the lab's file.
#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    pool: SqlitePool,
    name: String,
}

impl Sqlite {
    /// Makes apalis's tables if they are not there.
    pub(crate) async fn open(options: SqliteConnectOptions, name: String) -> Result<Self, BoxError> {
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
        let pool = pool.connect_lazy_with(options);
        SqliteStorage::setup(&pool).await?;
        Ok(Self { pool, name })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn run_worker(
        &self,
        worker: &WorkerContext,
        service: Noting,
    ) -> BoxFuture<'static, Result<(), WorkerError>> {
        let worker = WorkerBuilder::new(worker).backend(self.storage()).build(service);
        Box::pin(worker.run())
    }

    pub(super) async fn push(
        &self,
        tasks: impl Iterator<Item = Task<NewJob>> + Send,
    ) -> Result<(), BoxError> {
        Ok(self.storage().push_all(stream::iter(tasks)).await?)
    }

    pub(super) async fn rows(&self) -> sqlx::Result<Vec<(String, String)>> {
        let rows = sqlx::query_as("SELECT id, status FROM Jobs WHERE job_type = ?");
        rows.bind(&self.name).fetch_all(&self.pool).await
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// One row at a time, as on PostgreSQL.
    fn storage(&self) -> SqliteStorage<NewJob> {
        let config = Config::default()
            .queue(&self.name)
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED_HEARTBEATS);
        SqliteStorage::new(&self.pool).with_config(config)
    }
}
