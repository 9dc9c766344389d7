//! PostgreSQL: a schema of our own, found through the search path; with a queue, a database of our own.
//!
//! apalis keeps its rows in a schema that is called `apalis` in every database. In a database of our own there is no other, and
//! it is removed with the rest.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions, Postgres};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tidegate::{MeteredConnection, MeteredPool};

use super::Query;
use crate::failure::Failure;
use crate::queue::QueueKind;
use crate::updates::Update;

pub(super) type Pool = MeteredPool<Postgres>;
pub(super) type Conn = MeteredConnection<Postgres>;

/// A server that answered, and the name of the schema or the database we make there.
#[derive(Debug)]
pub(crate) struct Server {
    plain: PgConnectOptions,
    name: String,
    is_database: bool,
    version: String,
}

const CREATE_TABLES: &str = "
    CREATE TABLE item (id bigint PRIMARY KEY, payload text NOT NULL, scans bigint NOT NULL);
    CREATE TABLE note (id bigserial PRIMARY KEY, item_id bigint NOT NULL, made_at timestamptz NOT NULL DEFAULT now());
    INSERT INTO item SELECT n, md5(n::text), 0 FROM generate_series(1, 100000) AS n;
    ANALYZE item;
";

impl Server {
    pub(super) async fn connect(
        options: &PgConnectOptions,
        name: String,
        queue: QueueKind,
    ) -> sqlx::Result<Self> {
        let plain = options.clone().application_name("tidegate-lab").disable_statement_logging();
        let mut conn = plain.connect().await?;
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut conn).await?;
        conn.close().await?;
        Ok(Self { plain, name, is_database: queue == QueueKind::Apalis, version })
    }

    pub(super) async fn create(&self) -> sqlx::Result<()> {
        let mut conn = self.plain.connect().await?;
        // The other template may be in use, which would keep it from being copied.
        let template = if self.is_database { "TEMPLATE template0" } else { "" };
        let statement = format!("CREATE {} {} {template}", self.what(), self.name);
        conn.execute(AssertSqlSafe(statement)).await?;
        conn.close().await?;
        let mut conn = self.own().connect().await?;
        sqlx::raw_sql(CREATE_TABLES).execute(&mut conn).await?;
        conn.close().await
    }

    pub(super) async fn remove(self) -> Result<(), Failure> {
        // Also from under a connection that is being closed.
        let how = if self.is_database { "WITH (FORCE)" } else { "CASCADE" };
        let (what, name) = (self.what(), &self.name);
        let statement = format!("DROP {what} IF EXISTS {name} {how}");
        let removed = async {
            let mut conn = self.plain.connect().await?;
            conn.execute(AssertSqlSafe(statement.clone())).await?;
            conn.close().await
        };
        removed.await.map_err(|err: sqlx::Error| {
            let what = what.to_lowercase();
            Failure::work(format_args!("the {what} {name} is left behind ({err}); {statement} removes it"))
        })
    }

    pub(super) fn open(&self, size: u32, acquire_timeout: Duration) -> Pool {
        let options = PgPoolOptions::new().max_connections(size).acquire_timeout(acquire_timeout);
        MeteredPool::new(options.connect_lazy_with(self.own()))
    }

    pub(super) fn place(&self) -> String {
        format!("the {} {}", self.what().to_lowercase(), self.name)
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The way to what is ours.
    pub(super) fn own(&self) -> PgConnectOptions {
        let plain = self.plain.clone();
        if self.is_database {
            plain.database(&self.name)
        } else {
            plain.options([("search_path", &self.name)])
        }
    }

    fn what(&self) -> &'static str {
        if self.is_database { "DATABASE" } else { "SCHEMA" }
    }
}

pub(super) async fn hold(conn: &mut PgConnection, query: &Query) -> sqlx::Result<()> {
    sqlx::query("SELECT payload FROM item WHERE id = $1").bind(query.read).fetch_one(&mut *conn).await?;
    if !query.hold.is_zero() {
        sqlx::query("SELECT pg_sleep($1)").bind(query.hold.as_secs_f64()).execute(&mut *conn).await?;
    }
    Ok(())
}

pub(super) async fn finish(mut conn: Conn, query: &Query) -> sqlx::Result<()> {
    let mut tx = Connection::begin(&mut *conn).await?;
    if let Some([first, second]) = query.hot {
        update(&mut tx, first).await?;
        sqlx::query(
            "SELECT id FROM item WHERE id BETWEEN $1 AND $2 ORDER BY md5(payload) LIMIT 1 OFFSET 2000",
        )
        .bind(query.sort_from)
        .bind(query.sort_to())
        .execute(&mut *tx)
        .await?;
        update(&mut tx, second).await?;
    } else {
        update(&mut tx, query.write).await?;
    }
    sqlx::query("INSERT INTO note (item_id) VALUES ($1)").bind(query.write).execute(&mut *tx).await?;
    tx.commit().await
}

pub(super) async fn update_all(conn: &mut PgConnection, updates: &[Update]) -> sqlx::Result<()> {
    let (ids, scans): (Vec<i64>, Vec<i64>) = updates.iter().map(|update| (update.id, update.scans)).unzip();
    sqlx::query(
        "UPDATE item SET scans = new.scans FROM UNNEST($1::bigint[], $2::bigint[]) AS new (id, scans)
         WHERE item.id = new.id",
    )
    .bind(ids)
    .bind(scans)
    .execute(conn)
    .await?;
    Ok(())
}

async fn update(conn: &mut PgConnection, row: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE item SET scans = scans + 1 WHERE id = $1").bind(row).execute(conn).await?;
    Ok(())
}
