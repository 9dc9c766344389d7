use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgPool};
use url::Url;

use crate::servers::{clean_up, postgres_url, unique_name};

/// A pool of at most `max` connections to the server's shared database, for tests that keep no tables.
///
/// It is the test's own: no other test takes its connections. `acquire_timeout` is the longest that one acquire waits.
///
/// # Panics
///
/// When the server is not there.
pub async fn postgres_pool(max: u32, acquire_timeout: Duration) -> PgPool {
    pool_of(&postgres_url(), max, acquire_timeout).await
}

/// A database of one test's own on the PostgreSQL server.
///
/// Dropping it ends every session that is still in it and removes it, also when the test failed.
#[derive(Debug)]
pub struct PostgresDatabase {
    name: String,
    url: String,
}

impl PostgresDatabase {
    /// Makes an empty database.
    ///
    /// # Panics
    ///
    /// When the server is not there.
    pub async fn create() -> Self {
        let name = unique_name();
        run(&format!("CREATE DATABASE {name}")).await;
        let mut url = Url::parse(&postgres_url()).expect("TIDEGATE_TEST_POSTGRES is a URL");
        url.set_path(&name);
        Self { name, url: url.into() }
    }

    /// The database's name, as `pg_stat_activity.datname` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL that leads to this database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A pool of at most `max` connections to this database, each acquire waiting at most `acquire_timeout`.
    ///
    /// # Panics
    ///
    /// When the server is not there.
    pub async fn pool(&self, max: u32, acquire_timeout: Duration) -> PgPool {
        pool_of(&self.url, max, acquire_timeout).await
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        clean_up(async move { run(&statement).await });
    }
}

/// One connection is opened before the pool is handed out, so that a missing server is said at once.
async fn pool_of(url: &str, max: u32, acquire_timeout: Duration) -> PgPool {
    let options: PgConnectOptions = url.parse().expect("TIDEGATE_TEST_POSTGRES is a PostgreSQL URL");
    PgPoolOptions::new()
        .max_connections(max)
        .acquire_timeout(acquire_timeout)
        .connect_with(options)
        .await
        .expect("the PostgreSQL server of TIDEGATE_TEST_POSTGRES answers")
}

/// Runs one statement on a connection to the shared database.
async fn run(statement: &str) {
    let mut connection = PgConnection::connect(&postgres_url())
        .await
        .expect("the PostgreSQL server of TIDEGATE_TEST_POSTGRES answers");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("the statement runs");
    connection.close().await.expect("the connection closes");
}
