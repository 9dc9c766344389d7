use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_core::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Acquire, Database, Error, Pool, SqlSafeStr, SqlStr, Transaction};
use tidegate_core::{ConfigError, Outcome, PoolEvidence};
use tidegate_limiter::{Nested, PoolMeter, PoolProbe, PoolWait};
use tokio::runtime::Handle;

use crate::name::Name;
use crate::transaction::begin_untracked;
use crate::{MeteredConnection, MeteredTransaction, classify, connects, raw};

/// A sqlx pool that keeps count of who waits for a connection and who holds one.
///
/// `&MeteredPool` is an `Executor` and an `Acquire`, as `&Pool` is.
/// A clone shares the pool and the counts.
///
/// # What it mends
///
/// What the plain pool of sqlx 0.9.0 does, as measured on PostgreSQL, and what this one does instead:
///
/// - *A cancelled `begin`* left the session idle in an open transaction, in the pool. Here it runs to its end and is
///   rolled back.
/// - *A query whose future is dropped while it runs* went on, and its connection came back only when it ended; the next
///   caller waited for it. Here its connection is closed after [`ABANDONED_GRACE`](Self::ABANDONED_GRACE) and the slot is
///   free. The server itself stops the statement only when it notices; on PostgreSQL set
///   `client_connection_check_interval` for that. (On SQLite nothing is closed: the statement stops at its next row.)
/// - *A connection whose server has fallen silent* never came back. Here its slot is free after
///   [`RETURN_TIMEOUT`](Self::RETURN_TIMEOUT).
///
/// # Nested acquires
///
/// A call that has a connection from [`acquire`](Self::acquire), [`begin`](Self::begin) or a stream, and asks for another one,
/// can wait for ever, once every connection is held by such calls. That is counted
/// (`tidegate_nested_acquires_total`), and each place in the code that does it is told of in a warning.
/// [`with_nested`](Self::with_nested) makes the pool refuse such acquires, or reserve connections for them.
/// A call is one of a tidegate layer, or else a task. Branches of one call that run beside each other (`join!`) and take a
/// connection each look the same, and are told of too. A `sqlx::Transaction` from [`Acquire::begin`] is not seen.
///
/// # Metrics
///
/// `db.client.connection.wait_time`, `.use_time` (seconds) and `.timeouts`, with the label
/// `db.client.connection.pool.name`; and `.create_time`, if the pool was made with [`time_connects`](crate::time_connects).
///
/// # Runtime
///
/// It needs tokio.
pub struct MeteredPool<DB: Database> {
    pool: Pool<DB>,
    name: Arc<Name>,
    nested: Nested,
    meter: OnceLock<PoolMeter>,
}

impl<DB: Database> MeteredPool<DB> {
    /// How long a query whose future was dropped may go on before its connection is closed: 50 milliseconds.
    ///
    /// Most dropped futures are nearly done (a stream that was read as far as needed, the loser of a `select!`), and then
    /// the connection is worth keeping: a new one costs several round trips and a login.
    /// It is also the longest that the next caller can be kept waiting by an abandoned query.
    pub const ABANDONED_GRACE: Duration = raw::ABANDONED_GRACE;

    /// How long a connection may take to get back into its pool, or to close: 5 seconds.
    ///
    /// On its way back the pool rolls back what was left open, runs its `after_release` hook, and pings the server.
    /// A server that does not answer would keep the connection's slot for ever; past this time the connection is dropped
    /// and its slot is free.
    /// It is as long as sqlx itself allows for a graceful close.
    pub const RETURN_TIMEOUT: Duration = raw::RETURN_TIMEOUT;

    /// Meters `pool`, under a name of its own until it is given [one](Self::with_name): the driver's (`PostgreSQL`, `MySQL`,
    /// `SQLite`), with a number if another pool has that (`PostgreSQL-2`).
    ///
    /// Only what goes through this handle and its clones is counted, so meter a pool once.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self { pool, name: Arc::new(Name::numbered(DB::NAME)), nested: Nested::Warn, meter: OnceLock::new() }
    }

    /// Names the pool, for its metrics: at most a few dozen different names in a process.
    ///
    /// Do it first: the counts start again at zero, and the clones there are keep the old name and counts.
    /// Give each pool a name of its own: pools of one name move the same gauges.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Arc::new(Name::given(name.into()));
        self.meter = OnceLock::new();
        self
    }

    /// What to do about nested acquires: [`Nested::Warn`] if nothing is said.
    ///
    /// With [`Nested::Reserve`] calls hold up to so many connections, a *connection set*, and only as many sets are open at
    /// once as can all get theirs: ⌊(max − 1) / (connections per call − 1)⌋ at most, and no more than the pool serves at the
    /// moment. A call opens its set with the first connection it takes in hand, and closes it when its last one is back.
    /// Who has to wait for that waits in front of the pool, in the order they came, up to the acquire timeout.
    /// A limiter of such a pool needs no `connections_per_call`. What is and is not promised is in `docs/nested.md`.
    ///
    /// Say it first, as the [name](Self::with_name): the counts start again at zero.
    ///
    /// ```
    /// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// # #[cfg(feature = "sqlite")] {
    /// use sqlx::sqlite::SqlitePoolOptions;
    /// use tidegate_sqlx::{MeteredPool, Nested};
    ///
    /// let pool = SqlitePoolOptions::new().max_connections(20).connect("sqlite::memory:").await?;
    /// let pool = MeteredPool::new(pool).with_nested(Nested::reserve(2))?;
    ///
    /// let outer = pool.begin().await?;
    /// let inner = pool.acquire().await?; // reserved: it cannot deadlock with other calls
    /// # drop((outer, inner));
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If sets of fewer than 2 connections are to be reserved, or of more than the pool has.
    pub fn with_nested(mut self, nested: Nested) -> Result<Self, ConfigError> {
        // The name comes with the meter, and may still be changed.
        let meter = PoolMeter::with_nested(self.name(), nested, self.pool.options().get_max_connections())?;
        self.nested = nested;
        self.meter = OnceLock::from(meter);
        Ok(self)
    }

    /// The pool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The pool itself, for code that can only take a `&Pool`, and to close it.
    ///
    /// What is acquired there is not counted, but is seen as connections in use.
    #[must_use]
    pub const fn inner(&self) -> &Pool<DB> {
        &self.pool
    }

    /// What a limiter watches this pool by. It keeps the pool open, as a clone does.
    #[must_use]
    pub fn probe(&self) -> impl PoolProbe + use<DB> {
        self.clone()
    }

    /// The pool's figures and all counts, now. `activity` holds totals.
    #[must_use]
    pub fn stats(&self) -> PoolEvidence {
        self.meter().evidence(raw::reading(&self.pool))
    }

    /// Waits for a connection, from the first poll of the future on.
    ///
    /// # Errors
    ///
    /// [`Error::PoolTimedOut`] after the pool's acquire timeout, [`Error::PoolClosed`] if it is closed, any error of
    /// opening a connection, and [`Error::Configuration`] outside of a tokio runtime, or with a [`NestedDenied`] in it if the
    /// pool [denies](Nested::Deny) nested acquires.
    ///
    /// [`NestedDenied`]: crate::NestedDenied
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the pool's queue and counts as cancelled.
    /// If the pool was just testing a connection for this caller, that connection is closed (as in the plain pool, unless
    /// `test_before_acquire` is off).
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<MeteredConnection<DB>, Error>> + Send + use<DB> {
        let acquire = self.acquire_at(Some(Location::caller()), true);
        async move {
            let mut conn = acquire.await?;
            conn.in_hand();
            Ok(conn)
        }
    }

    /// A connection for one statement, or for the hands of the caller's code.
    pub(crate) fn acquire_at(
        &self,
        site: Option<&'static Location<'static>>,
        in_hand: bool,
    ) -> impl Future<Output = Result<MeteredConnection<DB>, Error>> + Send + use<DB> {
        let (pool, meter) = (self.pool.clone(), self.meter().clone());
        async move {
            let runtime = Handle::try_current().map_err(|error| Error::Configuration(error.into()))?;
            let reading = raw::reading(&pool);
            let mut wait =
                if in_hand { meter.begin_in_hand(reading, site) } else { meter.begin_at(reading, site) };
            match acquire(&pool, &mut wait).await {
                Ok(conn) => Ok(MeteredConnection::new(conn, wait.granted(), runtime)),
                Err(error) => {
                    match error {
                        Error::PoolTimedOut => wait.timed_out(),
                        _ if classify(&error) == Outcome::Overload => wait.refused(),
                        _ => wait.failed(),
                    }
                    Err(error)
                }
            }
        }
    }

    /// Begins a transaction, whose use of the connection is measured.
    ///
    /// Code generic over `impl Acquire` calls [`Acquire::begin`] instead and gets a `sqlx::Transaction`, which has no room
    /// for a guard: its use is not measured, sqlx returns its connection by itself (with no timeout), and from then on the
    /// connections in use by anybody are taken for the connections held by our callers.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), what the database says to the `BEGIN`, and [`Error::WorkerCrashed`] if the driver
    /// panicked or the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is safe: while it waits, it leaves the pool's queue; once it has a connection, the transaction
    /// is begun, rolled back and the connection returned behind its back.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<MeteredTransaction<DB>, Error>> + Send + use<DB> {
        self.begin_sql(None)
    }

    /// As [`begin`](Self::begin), with a statement of your own in place of `BEGIN`, such as `BEGIN IMMEDIATE`.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin), and [`Error::BeginFailed`] if the statement began no transaction.
    ///
    /// # Cancel safety
    ///
    /// As [`begin`](Self::begin).
    #[track_caller]
    pub fn begin_with(
        &self,
        statement: impl SqlSafeStr,
    ) -> impl Future<Output = Result<MeteredTransaction<DB>, Error>> + Send {
        self.begin_sql(Some(statement.into_sql_str()))
    }

    #[track_caller]
    fn begin_sql(
        &self,
        statement: Option<SqlStr>,
    ) -> impl Future<Output = Result<MeteredTransaction<DB>, Error>> + Send + use<DB> {
        let acquire = self.acquire();
        async move { MeteredTransaction::begin(acquire.await?, statement).await }
    }

    fn meter(&self) -> &PoolMeter {
        self.meter.get_or_init(|| {
            let max = self.pool.options().get_max_connections();
            // It was checked when it was set, for a pool of the same size.
            PoolMeter::with_nested(self.name(), self.nested, max)
                .unwrap_or_else(|_| PoolMeter::new(self.name()))
        })
    }
}

/// Waits for a connection: in front of the pool if it reserves connection sets, and then in it. One acquire timeout holds
/// for both.
async fn acquire<DB: Database>(pool: &Pool<DB>, wait: &mut PoolWait) -> Result<PoolConnection<DB>, Error> {
    if wait.is_admitted() {
        return acquire_inside(pool, wait).await;
    }
    raw::in_time(pool, async {
        wait.admitted().await.map_err(|denied| Error::Configuration(denied.into()))?;
        acquire_inside(pool, wait).await
    })
    .await
}

async fn acquire_inside<DB: Database>(pool: &Pool<DB>, wait: &PoolWait) -> Result<PoolConnection<DB>, Error> {
    let (acquired, connected) = connects::watched(raw::acquire(pool)).await;
    if let Some(at) = connected {
        wait.opened(at);
    }
    acquired
}

impl<DB: Database> Clone for MeteredPool<DB> {
    fn clone(&self) -> Self {
        let meter = OnceLock::from(self.meter().clone());
        Self { pool: self.pool.clone(), name: Arc::clone(&self.name), nested: self.nested, meter }
    }
}

impl<DB: Database> fmt::Debug for MeteredPool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeteredPool")
            .field("name", &self.name())
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl<DB: Database> PoolProbe for MeteredPool<DB> {
    fn read(&self) -> PoolEvidence {
        self.stats()
    }

    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl<'a, DB: Database> Acquire<'a> for &'_ MeteredPool<DB> {
    type Database = DB;

    type Connection = MeteredConnection<DB>;

    #[track_caller]
    fn acquire(self) -> BoxFuture<'a, Result<Self::Connection, Error>> {
        Box::pin(MeteredPool::acquire(self))
    }

    #[track_caller]
    fn begin(self) -> BoxFuture<'a, Result<Transaction<'a, DB>, Error>> {
        let acquire = MeteredPool::acquire(self);
        Box::pin(async move { begin_untracked(acquire.await?).await })
    }
}
