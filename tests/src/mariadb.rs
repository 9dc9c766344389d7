use std::time::Duration;

use sqlx::mysql::{MySqlConnection, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Connection, MySqlPool};
use url::Url;

use crate::servers::{clean_up, mariadb_url, unique_name};

/// A database of one test's own on the MariaDB server.
///
/// Dropping it ends every session that is still in it and removes it, also when the test failed.
#[derive(Debug)]
pub struct MariaDbDatabase {
    name: String,
    url: String,
}

impl MariaDbDatabase {
    /// Makes an empty database.
    ///
    /// # Panics
    ///
    /// When the server is not there.
    pub async fn create() -> Self {
        let name = unique_name();
        let mut connection = connect().await;
        execute(&mut connection, format!("CREATE DATABASE {name}")).await;
        connection.close().await.expect("the connection closes");
        let mut url = Url::parse(&mariadb_url()).expect("TIDEGATE_TEST_MARIADB is a URL");
        url.set_path(&name);
        Self { name, url: url.into() }
    }

    /// The database's name, as `information_schema.processlist.db` shows it.
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
    pub async fn pool(&self, max: u32, acquire_timeout: Duration) -> MySqlPool {
        MySqlPoolOptions::new()
            .max_connections(max)
            .acquire_timeout(acquire_timeout)
            .connect(&self.url)
            .await
            .expect("the MariaDB server of TIDEGATE_TEST_MARIADB answers")
    }
}

impl Drop for MariaDbDatabase {
    fn drop(&mut self) {
        clean_up(remove(self.name.clone()));
    }
}

/// A session left in the database would hold the locks that the removal needs, so the sessions end first.
async fn remove(name: String) {
    let mut connection = connect().await;
    let sessions: Vec<u64> =
        sqlx::query_scalar("SELECT CAST(id AS UNSIGNED) FROM information_schema.processlist WHERE db = ?")
            .bind(&name)
            .fetch_all(&mut connection)
            .await
            .expect("the sessions can be listed");
    for session in sessions {
        // A session that ended by itself meanwhile cannot be killed, which is what was wanted.
        let _gone = sqlx::query(AssertSqlSafe(format!("KILL {session}"))).execute(&mut connection).await;
    }
    execute(&mut connection, format!("DROP DATABASE {name}")).await;
    connection.close().await.expect("the connection closes");
}

async fn connect() -> MySqlConnection {
    MySqlConnection::connect(&mariadb_url())
        .await
        .expect("the MariaDB server of TIDEGATE_TEST_MARIADB answers")
}

async fn execute(connection: &mut MySqlConnection, statement: String) {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await.expect("the statement runs");
}
