//! One expert: it thinks, then asks the database.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use tidegate::{Outcome, classify_sqlx};
use tokio::time::{Instant, sleep};

use crate::calls::{Calls, Held};
use crate::db::{Conn, Pools, Query};
use crate::error_kind::ErrorKind;
use crate::recorder::Recorder;
use crate::workload::{QueryMode, Workload};

/// What every expert of a run works with.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) pools: Pools,
    pub(crate) workload: Workload,
    pub(crate) recorder: Arc<Recorder>,
    /// What every expert did, if somebody wants to know.
    pub(crate) calls: Option<Calls>,
}

/// An expert that failed, and what that says about load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpertError {
    pub(crate) outcome: Outcome,
}

impl fmt::Display for ExpertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a query of the expert failed")
    }
}

impl Error for ExpertError {}

impl Bench {
    /// Does the work of an expert that was asked for at that moment.
    ///
    /// # Errors
    ///
    /// If one of its queries failed. Parallel queries all end first, so each failure is counted.
    pub(crate) async fn expert(&self, asked: Instant) -> Result<(), ExpertError> {
        let held = Held::default();
        let ended = self.work(&held).await;
        if let Some(calls) = &self.calls {
            calls.note(&self.workload, asked, held.mean(), ended.is_ok());
        }
        ended
    }

    async fn work(&self, held: &Held) -> Result<(), ExpertError> {
        if !self.workload.think_time.is_zero() {
            sleep(self.workload.think_time).await;
        }
        let queries = self.workload.queries;
        match self.workload.query_mode {
            QueryMode::Parallel => {
                let ends = join_all((0..queries).map(|_| self.query(held))).await;
                ends.into_iter().collect()
            }
            QueryMode::Sequential => {
                for _ in 0..queries {
                    self.query(held).await?;
                }
                Ok(())
            }
            QueryMode::Nested => self.nested(queries, held).await,
        }
    }

    async fn query(&self, held: &Held) -> Result<(), ExpertError> {
        let (conn, query) = self.begin(held).await?;
        self.end(conn, query, held).await
    }

    /// The first query holds its connection while the others, one after another, need a second one.
    async fn nested(&self, queries: u32, held: &Held) -> Result<(), ExpertError> {
        let (conn, query) = self.begin(held).await?;
        for _ in 1..queries {
            self.query(held).await?;
        }
        self.end(conn, query, held).await
    }

    async fn begin(&self, held: &Held) -> Result<(Conn, Query), ExpertError> {
        let recorder = &self.recorder;
        recorder.query_began();
        let query = Query::random(&self.workload, recorder.elapsed());
        let asked = Instant::now();
        let acquired = self.pools.acquire().await;
        recorder.pool_waited(asked.elapsed());
        let mut conn = acquired.map_err(|err| self.failed(&err))?;
        let began = Instant::now();
        self.pools.hold(&mut conn, &query).await.map_err(|err| self.failed(&err))?;
        held.begun(began.elapsed());
        Ok((conn, query))
    }

    async fn end(&self, conn: Conn, query: Query, held: &Held) -> Result<(), ExpertError> {
        let began = Instant::now();
        self.pools.finish(conn, &query, &self.recorder).await.map_err(|err| self.failed(&err))?;
        held.ended(began.elapsed());
        Ok(())
    }

    fn failed(&self, err: &sqlx::Error) -> ExpertError {
        self.recorder.query_failed(ErrorKind::of(err));
        ExpertError { outcome: classify_sqlx(err) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::db::{Database, Target};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// One expert with two queries of a second on a pool of one connection that may be waited for half a second.
    async fn pool_timeouts(query_mode: QueryMode) -> u64 {
        let workload = Workload {
            pool: 1,
            query_mode,
            query_time: MS(1000),
            acquire_timeout: MS(500),
            ..Workload::named("ticket").unwrap()
        };
        let database = Database::connect(&Target::Embedded).await.unwrap();
        database.create(&Target::Embedded).await.unwrap();
        let pools = database.open(&workload).await.unwrap();
        let recorder = Arc::new(Recorder::new(Instant::now(), MS(10_000)));
        let bench = Bench { pools, workload, recorder, calls: Some(Calls::begin()) };
        let ended = bench.expert(Instant::now()).await;
        bench.pools.close().await;
        let tally = bench.recorder.totals();
        assert_eq!(tally.queries, 2);
        assert_eq!(ended.is_ok(), tally.errors.is_empty());
        database.remove().await.unwrap();
        tally.connection_errors()
    }

    #[tokio::test]
    async fn parallel_queries_need_a_connection_each() {
        assert_eq!(pool_timeouts(QueryMode::Parallel).await, 1);
    }

    #[tokio::test]
    async fn sequential_queries_share_one() {
        assert_eq!(pool_timeouts(QueryMode::Sequential).await, 0);
    }

    #[tokio::test]
    async fn nested_queries_hold_one_and_wait_for_another() {
        assert_eq!(pool_timeouts(QueryMode::Nested).await, 1);
    }
}
