//! MySQL and MariaDB: a database of our own.

use std::time::Duration;

use sqlx::mysql::{MySql, MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, QueryBuilder};
use tidegate::{MeteredConnection, MeteredPool};

use super::Query;
use crate::failure::Failure;
use crate::updates::Update;

pub(super) type Pool = MeteredPool<MySql>;
pub(super) type Conn = MeteredConnection<MySql>;

/// A server that answered, and the name of the database we make there.
#[derive(Debug)]
pub(crate) struct Server {
    plain: MySqlConnectOptions,
    database: String,
    version: String,
}

const CREATE_TABLES: [&str; 6] = [
    "CREATE TABLE item (id bigint PRIMARY KEY, payload varchar(64) NOT NULL, scans bigint NOT NULL) ENGINE = InnoDB",
    "CREATE TABLE note (id bigint PRIMARY KEY AUTO_INCREMENT, item_id bigint NOT NULL,
        made_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE = InnoDB",
    "CREATE TABLE digit (d bigint NOT NULL)",
    "INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
    // MySQL has no series of numbers, and its recursive queries end at 1,000 rows.
    "INSERT INTO item SELECT n, md5(n), 0 FROM (
        SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n
        FROM digit AS a, digit AS b, digit AS c, digit AS e, digit AS f) AS number",
    "DROP TABLE digit",
];

impl Server {
    pub(super) async fn connect(options: &MySqlConnectOptions, database: String) -> sqlx::Result<Self> {
        let plain = options.clone().disable_statement_logging();
        let mut conn = plain.connect().await?;
        let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(&mut conn).await?;
        conn.close().await?;
        Ok(Self { plain, database, version })
    }

    pub(super) async fn create(&self) -> sqlx::Result<()> {
        let mut conn = self.plain.connect().await?;
        conn.execute(AssertSqlSafe(format!("CREATE DATABASE {}", self.database))).await?;
        conn.close().await?;
        let mut conn = self.in_database().connect().await?;
        for statement in CREATE_TABLES {
            conn.execute(statement).await?;
        }
        conn.close().await
    }

    pub(super) async fn remove(self) -> Result<(), Failure> {
        let statement = format!("DROP DATABASE IF EXISTS {}", self.database);
        let removed = async {
            let mut conn = self.plain.connect().await?;
            conn.execute(AssertSqlSafe(statement.clone())).await?;
            conn.close().await
        };
        removed.await.map_err(|err: sqlx::Error| {
            let database = &self.database;
            Failure::work(format_args!(
                "the database {database} is left behind ({err}); {statement} removes it"
            ))
        })
    }

    pub(super) fn open(&self, size: u32, acquire_timeout: Duration) -> Pool {
        let options = MySqlPoolOptions::new().max_connections(size).acquire_timeout(acquire_timeout);
        MeteredPool::new(options.connect_lazy_with(self.in_database()))
    }

    pub(super) fn kind(&self) -> &'static str {
        if self.version.contains("MariaDB") { "mariadb" } else { "mysql" }
    }

    pub(super) fn place(&self) -> String {
        format!("the database {}", self.database)
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    fn in_database(&self) -> MySqlConnectOptions {
        self.plain.clone().database(&self.database)
    }
}

pub(super) async fn hold(conn: &mut MySqlConnection, query: &Query) -> sqlx::Result<()> {
    sqlx::query("SELECT payload FROM item WHERE id = ?").bind(query.read).fetch_one(&mut *conn).await?;
    if !query.hold.is_zero() {
        sqlx::query("SELECT SLEEP(?)").bind(query.hold.as_secs_f64()).execute(&mut *conn).await?;
    }
    Ok(())
}

pub(super) async fn finish(mut conn: Conn, query: &Query) -> sqlx::Result<()> {
    let mut tx = Connection::begin(&mut *conn).await?;
    if let Some([first, second]) = query.hot {
        update(&mut tx, first).await?;
        sqlx::query("SELECT id FROM item WHERE id BETWEEN ? AND ? ORDER BY md5(payload) LIMIT 1 OFFSET 2000")
            .bind(query.sort_from)
            .bind(query.sort_to())
            .execute(&mut *tx)
            .await?;
        update(&mut tx, second).await?;
    } else {
        update(&mut tx, query.write).await?;
    }
    sqlx::query("INSERT INTO note (item_id) VALUES (?)").bind(query.write).execute(&mut *tx).await?;
    tx.commit().await
}

/// The rows are there, so that nothing is inserted: MySQL and MariaDB have no other list of rows in common.
pub(super) async fn update_all(conn: &mut MySqlConnection, updates: &[Update]) -> sqlx::Result<()> {
    let mut query = QueryBuilder::new("INSERT INTO item (id, payload, scans) ");
    query.push_values(updates, |mut row, update| {
        row.push_bind(update.id).push("''").push_bind(update.scans);
    });
    query.push(" ON DUPLICATE KEY UPDATE scans = VALUES(scans)").build().execute(conn).await?;
    Ok(())
}

async fn update(conn: &mut MySqlConnection, row: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE item SET scans = scans + 1 WHERE id = ?").bind(row).execute(conn).await?;
    Ok(())
}
