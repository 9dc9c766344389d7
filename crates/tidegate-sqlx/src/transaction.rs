use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::pin;

use futures_core::future::BoxFuture;
use futures_util::future::{Either, select};
use sqlx::{Acquire, Database, Error, SqlStr, Transaction};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::Instrument as _;

use crate::{MeteredConnection, raw};

/// A transaction begun by [`MeteredPool::begin`](crate::MeteredPool::begin); dropping it rolls it back.
///
/// It dereferences to the driver's connection: `sqlx::query(..).execute(&mut *tx)`.
/// Unlike `sqlx::Transaction` it keeps the guard of its connection, so its use time is measured, and it comes back as
/// [`MeteredConnection`] says.
pub struct MeteredTransaction<DB: Database> {
    conn: MeteredConnection<DB>,
    /// Whether to roll back on drop.
    open: bool,
}

impl<DB: Database> MeteredTransaction<DB> {
    /// Begins a transaction, in a task of its own.
    ///
    /// A begin that is cancelled halfway leaves a session in which sqlx does not know of the transaction, so nobody rolls
    /// it back. The task runs to its end, and if the caller has gone by then, the transaction is rolled back there.
    pub(crate) async fn begin(conn: MeteredConnection<DB>, statement: Option<SqlStr>) -> Result<Self, Error> {
        let runtime = conn.runtime();
        let (mut tell, told) = oneshot::channel();
        let task = async move {
            let mut tx = Self { conn, open: true };
            let begun = {
                let (conn, usage) = tx.conn.split();
                let begin = pin!(raw::begin::<DB>(conn, statement));
                let overdue = pin!(async {
                    tell.closed().await;
                    usage.out_of_hand();
                    // A server that has fallen silent must not keep the slot once the caller has gone.
                    sleep(raw::RETURN_TIMEOUT).await;
                });
                match select(begin, overdue).await {
                    Either::Left((begun, _)) => Some(begun),
                    Either::Right(((), _)) => None,
                }
            };
            match begun {
                // Telling a caller who has gone drops the transaction.
                Some(begun) => drop(tell.send(begun.map(|()| tx))),
                None => tx.conn.close_on_drop(),
            }
        };
        runtime.spawn(task.in_current_span());
        // The task sends nothing only if the driver panicked in it or the runtime is shutting down.
        told.await.unwrap_or(Err(Error::WorkerCrashed))
    }

    /// Makes the transaction's changes permanent.
    ///
    /// # Errors
    ///
    /// What the database says; the transaction is then rolled back.
    ///
    /// # Cancel safety
    ///
    /// A commit whose future is dropped may or may not have happened.
    /// The connection returns if the server answers within [`ABANDONED_GRACE`](crate::MeteredPool::ABANDONED_GRACE), and closes if not.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.conn.query_begins();
        let committed = raw::commit::<DB>(&mut self.conn).await;
        self.conn.query_ended();
        self.open = committed.is_err();
        committed
    }

    /// Undoes the transaction's changes, as dropping it does, and waits for it.
    ///
    /// # Errors
    ///
    /// What the database says; the rollback is then tried again as the connection returns.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is dropping the transaction: it is rolled back all the same.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let undone = raw::rollback::<DB>(&mut self.conn).await;
        self.open = undone.is_err();
        undone
    }

    /// Closes the connection, rather than returning it to the pool, when the transaction is dropped or has ended.
    ///
    /// For a transaction whose query was cancelled while it ran. The server rolls back what was not committed.
    pub fn close_on_drop(&mut self) {
        self.conn.close_on_drop();
    }
}

impl<DB: Database> Drop for MeteredTransaction<DB> {
    fn drop(&mut self) {
        if self.open {
            raw::queue_rollback::<DB>(self.conn.split().0);
        }
    }
}

impl<DB: Database> Deref for MeteredTransaction<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.conn
    }
}

impl<DB: Database> DerefMut for MeteredTransaction<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.conn
    }
}

impl<DB: Database> AsRef<DB::Connection> for MeteredTransaction<DB> {
    fn as_ref(&self) -> &DB::Connection {
        self
    }
}

impl<DB: Database> AsMut<DB::Connection> for MeteredTransaction<DB> {
    fn as_mut(&mut self) -> &mut DB::Connection {
        self
    }
}

impl<'c, DB: Database> Acquire<'c> for &'c mut MeteredTransaction<DB> {
    type Database = DB;

    type Connection = &'c mut DB::Connection;

    fn acquire(self) -> BoxFuture<'c, Result<Self::Connection, Error>> {
        Box::pin(async move { Ok(&mut **self) })
    }

    /// Begins a savepoint.
    fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, DB>, Error>> {
        Transaction::begin(&mut **self, None)
    }
}

impl<DB: Database> fmt::Debug for MeteredTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeteredTransaction").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

/// Begins a transaction of sqlx's own type, in a task of its own for the same reason.
///
/// Such a transaction has no room for our guard: the connection's return will not be seen.
pub(crate) async fn begin_untracked<DB: Database>(
    conn: MeteredConnection<DB>,
) -> Result<Transaction<'static, DB>, Error> {
    let (conn, usage, runtime) = conn.into_parts();
    let task = async move {
        let begun = raw::begin_owned(conn).await;
        usage.untracked();
        begun
    };
    runtime.spawn(task.in_current_span()).await.unwrap_or(Err(Error::WorkerCrashed))
}
