use std::fmt;
use std::ops::{Deref, DerefMut};

use futures_core::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Acquire, Database, Error, Transaction};
use tidegate_limiter::PoolUse;
use tokio::runtime::Handle;

use crate::raw::{self, GiveBack};

/// A connection lent by a [`MeteredPool`](crate::MeteredPool); dropping it gives it back.
///
/// It dereferences to the driver's connection: `sqlx::query(..).execute(&mut *conn)`.
///
/// # Drop
///
/// The connection goes back in a task of the runtime that it was acquired on, so it may be dropped outside of any runtime.
/// It is back, or closed and its slot free, within [`RETURN_TIMEOUT`](crate::MeteredPool::RETURN_TIMEOUT), even if the server has
/// fallen silent; until then it counts as held. (On SQLite, which is no server, it is back when its running statement
/// ends.)
///
/// Whether a query on it was cancelled cannot be seen here: then the connection comes back when that query has ended, or
/// closes after that timeout. Call [`close_on_drop`](Self::close_on_drop) to close it at once instead.
pub struct MeteredConnection<DB: Database> {
    /// `None` once the connection was given away.
    lent: Option<Lent<DB>>,
}

struct Lent<DB: Database> {
    conn: PoolConnection<DB>,
    usage: PoolUse,
    runtime: Handle,
    on_drop: GiveBack,
}

const LENT: &str = "a connection is given away by value only";

#[expect(
    clippy::expect_used,
    reason = "`lent` is emptied by `drop` and by methods that consume the connection"
)]
impl<DB: Database> MeteredConnection<DB> {
    pub(crate) fn new(conn: PoolConnection<DB>, usage: PoolUse, runtime: Handle) -> Self {
        Self { lent: Some(Lent { conn, usage, runtime, on_drop: GiveBack::Return }) }
    }

    /// Closes the connection when it is dropped, rather than returning it to the pool.
    ///
    /// For a connection whose query was cancelled, or whose session was changed in a way that must not reach the next
    /// caller.
    pub fn close_on_drop(&mut self) {
        self.lent_mut().on_drop = GiveBack::Close;
    }

    /// It is lent for longer than one statement, to the caller that is being polled.
    pub(crate) fn in_hand(&mut self) {
        self.lent_mut().usage.in_hand();
    }

    /// The connection, and what counts its use, for what is not the caller's code.
    pub(crate) fn split(&mut self) -> (&mut DB::Connection, &mut PoolUse) {
        let lent = self.lent_mut();
        (&mut lent.conn, &mut lent.usage)
    }

    /// A query begins. If the connection is dropped before [`query_ended`](Self::query_ended), it was abandoned.
    pub(crate) fn query_begins(&mut self) {
        let lent = self.lent_mut();
        if lent.on_drop == GiveBack::Return {
            lent.on_drop = GiveBack::Abandoned;
        }
    }

    pub(crate) fn query_ended(&mut self) {
        let lent = self.lent_mut();
        if lent.on_drop == GiveBack::Abandoned {
            lent.on_drop = GiveBack::Return;
        }
    }

    pub(crate) fn runtime(&self) -> Handle {
        self.lent.as_ref().expect(LENT).runtime.clone()
    }

    /// Takes the connection out of our care.
    pub(crate) fn into_parts(mut self) -> (PoolConnection<DB>, PoolUse, Handle) {
        let Lent { conn, usage, runtime, .. } = self.lent.take().expect(LENT);
        (conn, usage, runtime)
    }

    fn lent_mut(&mut self) -> &mut Lent<DB> {
        self.lent.as_mut().expect(LENT)
    }
}

impl<DB: Database> Drop for MeteredConnection<DB> {
    fn drop(&mut self) {
        let Some(Lent { conn, mut usage, runtime, on_drop }) = self.lent.take() else { return };
        // The caller may ask for the next one while this is on its way back.
        usage.out_of_hand();
        // sqlx spawns too while it drops a connection, and panics where there is no runtime.
        let _entered = runtime.enter();
        runtime.spawn(async move {
            raw::give_back(conn, on_drop).await;
            drop(usage);
        });
    }
}

#[expect(
    clippy::expect_used,
    reason = "`lent` is emptied by `drop` and by methods that consume the connection"
)]
impl<DB: Database> Deref for MeteredConnection<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.lent.as_ref().expect(LENT).conn
    }
}

impl<DB: Database> DerefMut for MeteredConnection<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        let lent = self.lent_mut();
        lent.usage.used();
        &mut lent.conn
    }
}

impl<DB: Database> AsRef<DB::Connection> for MeteredConnection<DB> {
    fn as_ref(&self) -> &DB::Connection {
        self
    }
}

impl<DB: Database> AsMut<DB::Connection> for MeteredConnection<DB> {
    fn as_mut(&mut self) -> &mut DB::Connection {
        self
    }
}

impl<'c, DB: Database> Acquire<'c> for &'c mut MeteredConnection<DB> {
    type Database = DB;

    type Connection = &'c mut DB::Connection;

    fn acquire(self) -> BoxFuture<'c, Result<Self::Connection, Error>> {
        Box::pin(async move { Ok(&mut **self) })
    }

    fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, DB>, Error>> {
        Transaction::begin(&mut **self, None)
    }
}

impl<DB: Database> fmt::Debug for MeteredConnection<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeteredConnection").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Sqlite;
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;
    use crate::MeteredPool;

    fn on_drop(conn: &MeteredConnection<Sqlite>) -> GiveBack {
        conn.lent.as_ref().unwrap().on_drop
    }

    #[tokio::test]
    async fn only_a_running_query_is_abandoned_and_close_stays_close() {
        let pool = MeteredPool::new(SqlitePoolOptions::new().connect("sqlite::memory:").await.unwrap());
        let mut conn = pool.acquire().await.unwrap();
        assert_eq!(on_drop(&conn), GiveBack::Return);
        conn.query_begins();
        assert_eq!(on_drop(&conn), GiveBack::Abandoned);
        conn.query_ended();
        assert_eq!(on_drop(&conn), GiveBack::Return);
        conn.close_on_drop();
        conn.query_begins();
        assert_eq!(on_drop(&conn), GiveBack::Close);
        conn.query_ended();
        assert_eq!(on_drop(&conn), GiveBack::Close);
    }
}
