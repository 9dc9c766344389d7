//! The queue on each database that apalis has a backend for here.

use apalis::prelude::{BackendExt as _, Task, TaskSink, WorkerBuilder, WorkerContext, WorkerError};
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use futures_util::future::BoxFuture;
use futures_util::stream;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{PgPool, SqlitePool};
use tower::BoxError;

use super::ledger::Noting;
use super::{ACQUIRE_TIMEOUT, CONNECTIONS, HEARTBEAT, LOOK, MISSED_HEARTBEATS, ticks};
use crate::jobs::NewJob;

/// A queue of a name of its own, on one kind of database. A macro, since the backends have no common type.
macro_rules! backend {
    ($(#[$doc:meta])* $queue:ident: $storage:ident, $config:ty, $pool:ty, $pool_options:ty, $options:ty, $rows:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $queue {
            pool: $pool,
            name: String,
        }

        impl $queue {
            /// Makes apalis's tables if they are not there.
            pub(crate) async fn open(options: $options, name: String) -> Result<Self, BoxError> {
                let pool = <$pool_options>::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
                let pool = pool.connect_lazy_with(options);
                $storage::setup(&pool).await?;
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
                let rows = self.storage().poll_with_stream(ticks(LOOK));
                Box::pin(WorkerBuilder::new(worker).backend(rows).build(service).run())
            }

            pub(super) async fn push(
                &self,
                tasks: impl Iterator<Item = Task<NewJob>> + Send,
            ) -> Result<(), BoxError> {
                Ok(self.storage().push_all(stream::iter(tasks)).await?)
            }

            /// The id and the status of every row.
            pub(super) async fn rows(&self) -> sqlx::Result<Vec<(String, String)>> {
                sqlx::query_as($rows).bind(&self.name).fetch_all(&self.pool).await
            }

            pub(super) async fn close(&self) {
                self.pool.close().await;
            }

            /// One row at a time: of a batch, a worker that is held back keeps the rows that it may not run, and neither
            /// tells the queue what has ended nor sends heartbeats meanwhile.
            fn storage(&self) -> $storage<NewJob> {
                let config = <$config>::default()
                    .queue(&self.name)
                    .batch_size(1)
                    .heartbeat_interval(HEARTBEAT)
                    .missed_heartbeats(MISSED_HEARTBEATS);
                $storage::new(&self.pool).with_config(config)
            }
        }
    };
}

backend! {
    /// The queue in apalis's own schema, in a database that is the lab's.
    Postgres: PostgresStorage, apalis_postgres::Config, PgPool, PgPoolOptions, PgConnectOptions,
    "SELECT id, status FROM apalis.jobs WHERE job_type = $1"
}
backend! {
    /// The queue in a file beside the lab's.
    Sqlite: SqliteStorage, apalis_sqlite::Config, SqlitePool, SqlitePoolOptions, SqliteConnectOptions,
    "SELECT id, status FROM Jobs WHERE job_type = ?"
}
