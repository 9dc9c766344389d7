//! The queue on PostgreSQL.

use apalis::prelude::{Task, TaskSink, WorkerBuilder, WorkerContext, WorkerError};
use apalis_postgres::{Config, PostgresStorage};
use futures_util::future::BoxFuture;
use futures_util::stream;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tower::BoxError;

use super::ledger::Noting;
use super::{ACQUIRE_TIMEOUT, CONNECTIONS, HEARTBEAT, MISSED_HEARTBEATS};
use crate::jobs::NewJob;

/// A queue of that name in apalis's own schema, in a database that is the lab's.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    pool: PgPool,
    name: String,
}

impl Postgres {
    /// Makes apalis's schema if it is not there.
    pub(crate) async fn open(options: PgConnectOptions, name: String) -> Result<Self, BoxError> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
        let pool = pool.connect_lazy_with(options);
        PostgresStorage::setup(&pool).await?;
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
        let rows = sqlx::query_as("SELECT id, status FROM apalis.jobs WHERE job_type = $1");
        rows.bind(&self.name).fetch_all(&self.pool).await
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// One row at a time: of a batch, a worker that is held back keeps the rows that it may not run, and neither tells the queue
    /// what has ended nor sends heartbeats meanwhile.
    fn storage(&self) -> PostgresStorage<NewJob> {
        let config = Config::default()
            .queue(&self.name)
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED_HEARTBEATS);
        PostgresStorage::new(&self.pool).with_config(config)
    }
}
