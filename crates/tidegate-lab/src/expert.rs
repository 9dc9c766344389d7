//! One expert: it thinks, then asks the database.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use tidegate::{Outcome, classify_sqlx};
use tokio::time::{Instant, sleep, sleep_until};

use crate::ask::{Ask, JobTag};
use crate::calls::{Calls, Held};
use crate::db::{Conn, Pools, Query};
use crate::error_kind::ErrorKind;
use crate::joined::Joined;
use crate::recorder::Recorder;
use crate::updates::{Rows, Update};
use crate::workload::{QueryMode, Workload};

/// What every expert of a run works with.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) pools: Pools,
    pub(crate) workload: Workload,
    pub(crate) recorder: Arc<Recorder>,
    /// What every expert did, if somebody wants to know.
    pub(crate) calls: Option<Calls>,
    pub(crate) rows: Rows,
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
    /// What experts of that workload work with.
    pub(crate) fn new(pools: Pools, workload: &Workload, recorder: &Arc<Recorder>) -> Self {
        let (workload, recorder) = (workload.clone(), Arc::clone(recorder));
        Self { pools, workload, recorder, calls: None, rows: Rows::default() }
    }

    /// Waits until the workload starts jobs, at most until the run is over.
    pub(crate) async fn idle(&self) {
        let idle = self.workload.idle_at(self.recorder.elapsed());
        if !idle.is_zero() {
            sleep_until((Instant::now() + idle).min(self.recorder.deadline())).await;
        }
    }

    /// Does the work of an expert, its updates joined with those of others if `joined` is there.
    ///
    /// # Errors
    ///
    /// If one of its queries failed. Parallel queries all end first, so each failure is counted.
    pub(crate) async fn expert(&self, ask: &Ask, joined: Option<&Joined>) -> Result<(), ExpertError> {
        let task = Task { bench: self, job: &ask.job, joined, held: Held::default() };
        // Its futures are large where nothing is optimized.
        let ended = Box::pin(task.work()).await;
        if let Some(calls) = &self.calls {
            calls.note(&self.workload, ask.asked(), task.held.mean(), ended.is_ok());
        }
        ended
    }

    /// Writes the updates in one statement, a query of that job.
    ///
    /// # Errors
    ///
    /// If the query failed.
    pub(crate) async fn update_all(&self, job: &JobTag, updates: &[Update]) -> Result<(), ExpertError> {
        self.recorder.query_began(job);
        self.pools.update(updates, &self.recorder).await.map_err(|err| self.failed(&err))
    }

    /// Counts what went wrong in a query.
    fn failed(&self, err: &sqlx::Error) -> ExpertError {
        self.recorder.query_failed(ErrorKind::of(err));
        ExpertError { outcome: classify_sqlx(err) }
    }
}

/// One try of an expert.
struct Task<'a> {
    bench: &'a Bench,
    job: &'a Arc<JobTag>,
    joined: Option<&'a Joined>,
    held: Held,
}

impl Task<'_> {
    async fn work(&self) -> Result<(), ExpertError> {
        let workload = &self.bench.workload;
        if !workload.think_time.is_zero() {
            sleep(workload.think_time).await;
        }
        let queries = workload.queries;
        match workload.query_mode {
            QueryMode::Parallel => {
                let ends = join_all((0..queries).map(|_| self.query())).await;
                ends.into_iter().collect::<Result<(), _>>()?;
            }
            QueryMode::Sequential => {
                for _ in 0..queries {
                    self.query().await?;
                }
            }
            QueryMode::Nested => self.nested(queries).await?,
        }
        let updates = self.bench.rows.take(workload.updates);
        if let Some(joined) = self.joined {
            return try_join_all(updates.map(|update| joined.update(self.job, update))).await.map(drop);
        }
        for update in updates {
            self.bench.update_all(self.job, &[update]).await?;
        }
        Ok(())
    }

    async fn query(&self) -> Result<(), ExpertError> {
        let (conn, query) = self.begin().await?;
        self.end(conn, query).await
    }

    /// The first query holds its connection while the others, one after another, need a second one.
    async fn nested(&self, queries: u32) -> Result<(), ExpertError> {
        let (conn, query) = self.begin().await?;
        for _ in 1..queries {
            self.query().await?;
        }
        self.end(conn, query).await
    }

    async fn begin(&self) -> Result<(Conn, Query), ExpertError> {
        let Bench { pools, recorder, workload, .. } = self.bench;
        recorder.query_began(self.job);
        let query = Query::random(workload, recorder.elapsed());
        let asked = Instant::now();
        let acquired = pools.acquire().await;
        recorder.pool_waited(asked.elapsed());
        let mut conn = acquired.map_err(|err| self.bench.failed(&err))?;
        let began = Instant::now();
        pools.hold(&mut conn, &query).await.map_err(|err| self.bench.failed(&err))?;
        self.held.begun(began.elapsed());
        Ok((conn, query))
    }

    async fn end(&self, conn: Conn, query: Query) -> Result<(), ExpertError> {
        let Bench { pools, recorder, .. } = self.bench;
        let began = Instant::now();
        pools.finish(conn, &query, recorder).await.map_err(|err| self.bench.failed(&err))?;
        self.held.ended(began.elapsed());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::db::{Database, Target};
    use crate::queue::QueueKind;

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
        let database = Database::connect(&Target::Embedded, QueueKind::None).await.unwrap();
        database.create(&Target::Embedded).await.unwrap();
        let pools = database.open(&workload, tidegate::Nested::Warn).await.unwrap();
        let recorder = Arc::new(Recorder::new(Instant::now(), MS(10_000)));
        let bench = Bench::new(pools, &workload, &recorder);
        let ended = bench.expert(&Ask::now(&recorder, &JobTag::new(0, 1, false)), None).await;
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
