//! Every call into sqlx's pool and its transactions, in one file: the pool of sqlx is about to be rewritten.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Database, Error, Pool, SqlStr, Transaction};
use sqlx_core::transaction::TransactionManager;
use tidegate_core::PoolReading;
use tokio::time::timeout;

/// See [`MeteredPool::RETURN_TIMEOUT`](crate::MeteredPool::RETURN_TIMEOUT).
pub(crate) const RETURN_TIMEOUT: Duration = Duration::from_secs(5);

/// See [`MeteredPool::ABANDONED_GRACE`](crate::MeteredPool::ABANDONED_GRACE).
pub(crate) const ABANDONED_GRACE: Duration = Duration::from_millis(50);

/// How a connection goes back to its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveBack {
    /// It may still be running a query that nobody waits for: return it if that ends soon, else close it.
    Abandoned,
    /// The caller wants it closed.
    Close,
    /// As usual.
    Return,
}

/// The pool's figures now.
pub(crate) fn reading<DB: Database>(pool: &Pool<DB>) -> PoolReading {
    let options = pool.options();
    let idle = idle(pool.num_idle());
    let max = options.get_max_connections();
    PoolReading::new(max, pool.size(), idle, options.get_acquire_timeout())
        .idle_bounds(options.get_min_connections().min(max), max)
}

/// The pool's idle count may be briefly below zero, which a `usize` shows as a number near 2⁶⁴.
///
/// A reading with more idle than open takes it for none idle.
fn idle(num_idle: usize) -> u32 {
    u32::try_from(num_idle).unwrap_or(u32::MAX)
}

/// Waits for a connection. Dropping the future leaves the pool's queue.
pub(crate) async fn acquire<DB: Database>(pool: &Pool<DB>) -> Result<PoolConnection<DB>, Error> {
    pool.acquire().await
}

/// Runs what leads to a connection; ends as the pool's acquire does when that takes too long or the pool is closed.
pub(crate) async fn in_time<DB: Database, T>(
    pool: &Pool<DB>,
    acquire: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let acquire = timeout(pool.options().get_acquire_timeout(), acquire);
    let acquired = pool.close_event().do_until(acquire).await?;
    acquired.unwrap_or(Err(Error::PoolTimedOut))
}

/// Begins a transaction on a connection, by `statement` or else by `BEGIN`.
pub(crate) async fn begin<DB: Database>(
    conn: &mut DB::Connection,
    statement: Option<SqlStr>,
) -> Result<(), Error> {
    DB::TransactionManager::begin(conn, statement).await
}

pub(crate) async fn commit<DB: Database>(conn: &mut DB::Connection) -> Result<(), Error> {
    DB::TransactionManager::commit(conn).await
}

pub(crate) async fn rollback<DB: Database>(conn: &mut DB::Connection) -> Result<(), Error> {
    DB::TransactionManager::rollback(conn).await
}

/// Queues a rollback, which runs when the connection is next used, or on its way back to the pool.
pub(crate) fn queue_rollback<DB: Database>(conn: &mut DB::Connection) {
    DB::TransactionManager::start_rollback(conn);
}

/// Begins a transaction of sqlx's own type, which returns the connection by sqlx's own means.
pub(crate) async fn begin_owned<DB: Database>(
    conn: PoolConnection<DB>,
) -> Result<Transaction<'static, DB>, Error> {
    Transaction::begin(conn, None).await
}

/// Gives a connection back; ends once it is back in the pool, or closed and its slot free.
///
/// A task that owns this future may be dropped with its runtime: then the connection closes.
pub(crate) async fn give_back<DB: Database>(mut conn: PoolConnection<DB>, how: GiveBack) {
    if is_in_process::<DB>() {
        // There is no peer that could fall silent, and to close the last connection of a database in memory is to lose
        // the database. A query that nobody reads any more stops at its next row.
        match how {
            GiveBack::Close => drop(conn.close().await),
            GiveBack::Abandoned | GiveBack::Return => conn.return_to_pool().await,
        }
        return;
    }
    match how {
        GiveBack::Close => close(conn).await,
        GiveBack::Return => return_in_time(conn).await,
        // A ping is answered after the query is.
        GiveBack::Abandoned => match timeout(ABANDONED_GRACE, conn.ping()).await {
            Ok(Ok(())) => return_in_time(conn).await,
            Ok(Err(_)) | Err(_) => close(conn).await,
        },
    }
}

async fn return_in_time<DB: Database>(mut conn: PoolConnection<DB>) {
    if timeout(RETURN_TIMEOUT, conn.return_to_pool()).await.is_err() {
        tracing::warn!(
            database = DB::NAME,
            timeout_secs = RETURN_TIMEOUT.as_secs(),
            "a returned connection did not answer in time and was dropped"
        );
    }
    // The guard outlives the attempt: its own drop opens a replacement if the pool keeps a minimum.
    drop(conn);
}

async fn close<DB: Database>(conn: PoolConnection<DB>) {
    // Of the two ways this can fail, an error means the connection was broken already, and a timeout drops the
    // connection, which closes it without a farewell.
    drop(timeout(RETURN_TIMEOUT, conn.close()).await);
}

/// Whether the database runs inside this process.
fn is_in_process<DB: Database>() -> bool {
    DB::NAME == "SQLite"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(num_idle: usize, used: u32, free: u32) {
        let reading = PoolReading::new(20, 12, idle(num_idle), Duration::ZERO);
        assert_eq!((reading.used(), reading.free()), (used, free));
    }

    #[test]
    fn idle_count_below_zero_reads_as_none_idle() {
        check(4, 8, 12);
        check(usize::MAX, 12, 8);
        check(usize::MAX - 3, 12, 8);
        check(1 << 32, 12, 8); // its lower half is a plausible 0
        check((1 << 32) + 5, 12, 8);
    }
}
