//! Which acquires opened a connection. The pool tells nobody, but it calls a hook where it has just opened one, within the
//! future of the acquire.

use std::cell::Cell;
use std::future::ready;

use sqlx::Database;
use sqlx::pool::PoolOptions;
use tokio::task_local;
use tokio::time::Instant;

task_local! {
    /// When a connection was opened for the acquire that is being polled.
    static CONNECTED: Cell<Option<Instant>>;
}

/// Makes a pool say when it opens a connection, so that its [`MeteredPool`](crate::MeteredPool) can record
/// `db.client.connection.create_time`.
///
/// It takes the place of the options' `after_connect` hook. If you have one of your own, let it call [`note_connect`] first
/// instead.
///
/// ```
/// # async fn f() -> Result<(), sqlx::Error> {
/// # #[cfg(feature = "sqlite")] {
/// use sqlx::sqlite::SqlitePoolOptions;
/// use tidegate_sqlx::{MeteredPool, time_connects};
///
/// let options = time_connects(SqlitePoolOptions::new().max_connections(20));
/// let pool = MeteredPool::new(options.connect("sqlite::memory:").await?);
/// # }
/// # Ok(()) }
/// ```
#[must_use]
pub fn time_connects<DB: Database>(options: PoolOptions<DB>) -> PoolOptions<DB> {
    options.after_connect(|_, _| {
        note_connect();
        Box::pin(ready(Ok(())))
    })
}

/// Says, from an `after_connect` hook of your own, that a connection is open.
///
/// Where no acquire of a metered pool runs, as for the connections that a pool opens of its own accord, it does nothing.
pub fn note_connect() {
    // An error means just that.
    let _ = CONNECTED.try_with(|at| at.set(Some(Instant::now())));
}

/// Runs an acquire; beside what came of it, when a connection was opened for it, if one was and the pool says so.
pub(crate) async fn watched<F: Future>(acquire: F) -> (F::Output, Option<Instant>) {
    let acquire = async {
        let acquired = acquire.await;
        (acquired, CONNECTED.with(Cell::get))
    };
    CONNECTED.scope(Cell::new(None), acquire).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connect_is_seen_by_the_acquire_that_it_is_within() {
        note_connect();
        assert_eq!(watched(async { 1 }).await, (1, None));
        let (inner, outer) = watched(async {
            let inner = watched(async { note_connect() }).await;
            inner.1
        })
        .await;
        assert!(inner.is_some() && outer.is_none());
    }
}
