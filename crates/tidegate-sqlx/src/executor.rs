use async_stream::stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use sqlx::{Database, Describe, Either, Error, Execute, Executor, SqlStr};

use crate::MeteredPool;

/// Runs one query on a connection of the pool.
///
/// If the future is dropped while it runs, so is the connection, which then knows that its query was abandoned.
macro_rules! on_connection {
    ($pool:expr, $conn:ident => $query:expr) => {{
        let acquire = $pool.acquire_at(None, false);
        Box::pin(async move {
            let mut $conn = acquire.await?;
            $conn.query_begins();
            let result = $query.await;
            $conn.query_ended();
            result
        })
    }};
}

/// Queries run as on `&Pool`, and what is dropped while it runs is [mended](MeteredPool#what-it-mends).
///
/// `execute`, `fetch_all` and `fetch_one` go to the connection directly, which saves the boxes and streams that their
/// default forms go through.
impl<'p, DB: Database> Executor<'p> for &'_ MeteredPool<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    type Database = DB;

    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<DB::QueryResult, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        on_connection!(self, conn => conn.execute(query))
    }

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let acquire = self.acquire_at(None, true);
        Box::pin(stream! {
            let mut conn = match acquire.await {
                Ok(conn) => conn,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            // Between two rows the caller's code runs.
            conn.in_hand();
            conn.query_begins();
            let mut results = conn.fetch_many(query);
            while let Some(result) = results.next().await {
                let failed = result.is_err();
                yield result;
                if failed {
                    break;
                }
            }
            drop(results);
            conn.query_ended();
        })
    }

    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        on_connection!(self, conn => conn.fetch_all(query))
    }

    fn fetch_one<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<DB::Row, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        on_connection!(self, conn => conn.fetch_one(query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        on_connection!(self, conn => conn.fetch_optional(query))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'p: 'e,
    {
        on_connection!(self, conn => conn.prepare_with(sql, parameters))
    }

    #[doc(hidden)]
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'p: 'e,
    {
        on_connection!(self, conn => conn.describe(sql))
    }
}
