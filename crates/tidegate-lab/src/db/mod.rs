//! The databases the workload can run on.
//!
//! Each makes its own schema, database or file under a name that begins with `tidegate_lab_`, and removes it at the end.
//! A query is three steps, so that queries can be nested: acquire a connection; read and hold it; write and give it back.

mod mysql;
mod postgres;
mod sqlite;
mod target;

use std::time::Duration;

use tidegate::{LimiterBuilder, Nested, PoolEvidence};
use tokio::time::{Instant, timeout};

pub(crate) use self::target::Target;
use crate::failure::Failure;
use crate::faults::Fault;
use crate::queue::{self, Queue, QueueKind};
use crate::recorder::Recorder;
use crate::updates::Update;
use crate::workload::{Statements, Workload};

/// Rows of the table that is read and updated.
pub(crate) const ROWS: i64 = 100_000;

/// The two rows that hot statements fight for.
const HOT_ROWS: [i64; 2] = [1, 2];

/// Rows that a hot statement sorts.
const SORTED_ROWS: i64 = 4_000;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A database that answers, in which a schema of our own may be made.
#[derive(Debug)]
pub(crate) enum Database {
    MySql(mysql::Server),
    Postgres(postgres::Server),
    Sqlite(sqlite::Store),
}

impl Database {
    /// Connects to see that the database answers; makes nothing on a server. What is made later has room for that queue.
    ///
    /// # Errors
    ///
    /// A fault of `database_url` with the reason.
    pub(crate) async fn connect(target: &Target, queue: QueueKind) -> Result<Self, Failure> {
        let name = format!("tidegate_lab_{:08x}", fastrand::u32(..));
        match target {
            Target::Embedded => Ok(Self::Sqlite(sqlite::Store::temporary().await?)),
            Target::SqliteIn(folder) => {
                let store = sqlite::Store::in_folder(folder, &name).await;
                store.map(Self::Sqlite).map_err(|reason| unreachable_at(&folder.display(), &reason))
            }
            Target::Postgres { options, shown } => {
                in_time(postgres::Server::connect(options, name, queue), shown).await.map(Self::Postgres)
            }
            Target::MySql { options, shown } => {
                in_time(mysql::Server::connect(options, name), shown).await.map(Self::MySql)
            }
        }
    }

    /// Makes the schema and fills its tables.
    ///
    /// # Errors
    ///
    /// A fault of `database_url` if the server does not let us; [`remove`](Self::remove) is due all the same.
    pub(crate) async fn create(&self, target: &Target) -> Result<(), Failure> {
        let created = match self {
            Self::MySql(server) => server.create().await,
            Self::Postgres(server) => server.create().await,
            Self::Sqlite(store) => store.create().await,
        };
        created.map_err(|err| match target {
            Target::MySql { shown, .. } | Target::Postgres { shown, .. } => unreachable_at(shown, &err),
            Target::Embedded | Target::SqliteIn(_) => err.into(),
        })
    }

    /// What is made, so that it can be found and removed by hand if the process is killed.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::MySql(server) => server.place(),
            Self::Postgres(server) => server.place(),
            Self::Sqlite(store) => store.place(),
        }
    }

    /// Removes all that [`create`](Self::create) made or had begun to make.
    ///
    /// # Errors
    ///
    /// What is left, and how to remove it by hand.
    pub(crate) async fn remove(self) -> Result<(), Failure> {
        match self {
            Self::MySql(server) => server.remove().await,
            Self::Postgres(server) => server.remove().await,
            Self::Sqlite(store) => store.remove().await,
        }
    }

    /// Opens the pool that a workload asks for; its connections are opened as they are needed.
    ///
    /// # Errors
    ///
    /// If the pool cannot reserve what `nested` says.
    pub(crate) async fn open(&self, workload: &Workload, nested: Nested) -> Result<Pools, Failure> {
        let (size, wait) = (workload.pool, workload.acquire_timeout);
        let opened = match self {
            Self::MySql(server) => server.open(size, wait).with_nested(nested).map(Pools::MySql),
            Self::Postgres(server) => server.open(size, wait).with_nested(nested).map(Pools::Postgres),
            Self::Sqlite(store) => store.open(size, wait, nested).map(Pools::Sqlite),
        };
        opened.map_err(Failure::work)
    }

    /// A queue of its own for one run, empty.
    ///
    /// # Errors
    ///
    /// If apalis cannot make its tables; on MySQL and MariaDB, for which it has no backend.
    pub(crate) async fn queue(&self) -> Result<Queue, Failure> {
        let name = format!("run_{:08x}", fastrand::u32(..));
        let opened = match self {
            Self::MySql(_) => Err("apalis has no backend for it".into()),
            Self::Postgres(server) => queue::Postgres::open(server.own(), name).await.map(Queue::Postgres),
            Self::Sqlite(store) => queue::Sqlite::open(store.queue_options(), name).await.map(Queue::Sqlite),
        };
        opened.map_err(|err| Failure::work(format_args!("no queue can be made: {err}")))
    }

    /// `mariadb`, `mysql`, `postgres` or `sqlite`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::MySql(server) => server.kind(),
            Self::Postgres(_) => "postgres",
            Self::Sqlite(_) => "sqlite",
        }
    }

    pub(crate) fn version(&self) -> &str {
        match self {
            Self::MySql(server) => server.version(),
            Self::Postgres(server) => server.version(),
            Self::Sqlite(store) => store.version(),
        }
    }
}

async fn in_time<T>(connecting: impl Future<Output = sqlx::Result<T>>, shown: &str) -> Result<T, Failure> {
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(server)) => Ok(server),
        Ok(Err(err)) => Err(unreachable_at(&shown, &err)),
        Err(_) => {
            Err(unreachable_at(&shown, &format_args!("no answer within {} s", CONNECT_TIMEOUT.as_secs())))
        }
    }
}

fn unreachable_at(shown: &dyn std::fmt::Display, reason: &dyn std::fmt::Display) -> Failure {
    Fault::new(
        "database_url",
        shown,
        format_args!("a database that answers and lets us make a schema ({reason})"),
    )
    .into()
}

/// The metered pool of one run; on SQLite also the writer's.
#[derive(Debug)]
pub(crate) enum Pools {
    MySql(mysql::Pool),
    Postgres(postgres::Pool),
    Sqlite(sqlite::Pools),
}

/// A connection of the pool under test.
#[derive(Debug)]
pub(crate) enum Conn {
    MySql(mysql::Conn),
    Postgres(postgres::Conn),
    Sqlite(sqlite::Conn),
}

/// One query: what it touches and how long it holds its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    read: i64,
    write: i64,
    hold: Duration,
    /// The rows to lock, in this order.
    hot: Option<[i64; 2]>,
    sort_from: i64,
}

impl Query {
    /// A query of the workload at that moment of its run, on random rows.
    pub(crate) fn random(workload: &Workload, elapsed: Duration) -> Self {
        let [a, b] = HOT_ROWS;
        let hot = (workload.statements == Statements::HotRows)
            .then(|| if fastrand::bool() { [a, b] } else { [b, a] });
        Self {
            read: fastrand::i64(1..=ROWS),
            write: fastrand::i64(1..=ROWS),
            hold: workload.query_time_at(elapsed),
            hot,
            sort_from: fastrand::i64(1..=ROWS - SORTED_ROWS),
        }
    }

    fn sort_to(&self) -> i64 {
        self.sort_from + SORTED_ROWS
    }
}

impl Pools {
    pub(crate) async fn acquire(&self) -> sqlx::Result<Conn> {
        Ok(match self {
            Self::MySql(pool) => Conn::MySql(pool.acquire().await?),
            Self::Postgres(pool) => Conn::Postgres(pool.acquire().await?),
            Self::Sqlite(pools) => Conn::Sqlite(pools.acquire().await?),
        })
    }

    /// Reads a row and holds the connection for the query's time.
    pub(crate) async fn hold(&self, conn: &mut Conn, query: &Query) -> sqlx::Result<()> {
        match conn {
            Conn::MySql(conn) => mysql::hold(conn, query).await,
            Conn::Postgres(conn) => postgres::hold(conn, query).await,
            Conn::Sqlite(conn) => sqlite::hold(conn, query).await,
        }
    }

    /// Updates a row and inserts one, in a transaction, and gives the connection back.
    pub(crate) async fn finish(&self, conn: Conn, query: &Query, recorder: &Recorder) -> sqlx::Result<()> {
        match (self, conn) {
            (_, Conn::MySql(conn)) => mysql::finish(conn, query).await,
            (_, Conn::Postgres(conn)) => postgres::finish(conn, query).await,
            (Self::Sqlite(pools), Conn::Sqlite(conn)) => pools.finish(conn, query, recorder).await,
            // A connection comes from the pools it is given back to.
            (Self::MySql(_) | Self::Postgres(_), Conn::Sqlite(_)) => Err(sqlx::Error::PoolClosed),
        }
    }

    /// Gives rows new values, in one statement on a connection of its own.
    pub(crate) async fn update(&self, updates: &[Update], recorder: &Recorder) -> sqlx::Result<()> {
        if let Self::Sqlite(pools) = self {
            return pools.update(updates, recorder).await;
        }
        let asked = Instant::now();
        let acquired = self.acquire().await;
        recorder.pool_waited(asked.elapsed());
        match acquired? {
            Conn::MySql(mut conn) => mysql::update_all(&mut conn, updates).await,
            Conn::Postgres(mut conn) => postgres::update_all(&mut conn, updates).await,
            Conn::Sqlite(_) => Err(sqlx::Error::PoolClosed),
        }
    }

    /// Lets the limiter see the pool under test.
    pub(crate) fn probed_by(&self, builder: LimiterBuilder) -> LimiterBuilder {
        match self {
            Self::MySql(pool) => builder.pool(pool.probe()),
            Self::Postgres(pool) => builder.pool(pool.probe()),
            Self::Sqlite(pools) => builder.pool(pools.probe()),
        }
    }

    pub(crate) fn evidence(&self) -> PoolEvidence {
        match self {
            Self::MySql(pool) => pool.stats(),
            Self::Postgres(pool) => pool.stats(),
            Self::Sqlite(pools) => pools.stats(),
        }
    }

    /// Closes every connection, waiting for those in use at most `CONNECT_TIMEOUT`.
    pub(crate) async fn close(&self) {
        let closing = async {
            match self {
                Self::MySql(pool) => pool.inner().close().await,
                Self::Postgres(pool) => pool.inner().close().await,
                Self::Sqlite(pools) => pools.close().await,
            }
        };
        // What is still in use then closes when its task ends; a new pool is independent of it.
        let _ = timeout(CONNECT_TIMEOUT, closing).await;
    }
}
