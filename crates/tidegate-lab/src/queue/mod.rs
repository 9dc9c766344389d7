//! Jobs as rows of a queue in the run's own database, which an apalis worker takes and runs.

mod backends;
mod ledger;

use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use apalis::prelude::{Task, TaskBuilder, WorkerContext, WorkerError};
use futures_util::future::BoxFuture;
use futures_util::{Stream, stream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{interval, sleep, timeout};
use tower::{BoxError, ServiceExt, service_fn};

pub(crate) use self::backends::{Postgres, Sqlite};
pub(crate) use self::ledger::Rows;
use self::ledger::{Ledger, Noting};
use crate::expert::Bench;
use crate::failure::Failure;
use crate::faults::Fault;
use crate::jobs::{JobService, NewJob};
use crate::recorder::JobEnd;

/// Where the jobs of a run come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum QueueKind {
    /// Rows that an apalis worker takes.
    Apalis,
    /// The run itself: a new job starts when one ends.
    #[default]
    None,
}

/// The queue of one run. A clone is the same queue.
#[derive(Clone, Debug)]
pub(crate) enum Queue {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

/// A worker on its queue, with who keeps the queue filled.
pub(crate) struct Working {
    queue: Queue,
    ledger: Arc<Ledger>,
    context: WorkerContext,
    worker: JoinSet<Result<(), WorkerError>>,
    supplier: JoinSet<Result<(), Failure>>,
}

/// The queue has a small pool of its own: apalis gives up its worker when a pool that it shares has no connection for it. One
/// connection is the worker's, which does one thing after another, the other fills the queue.
const CONNECTIONS: u32 = 2;

/// Longer than the database stands still in any workload here, since a worker that gets no connection ends.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a worker that found nothing to do looks again.
const LOOK: Duration = Duration::from_millis(50);

const HEARTBEAT: Duration = Duration::from_secs(1);

/// A worker is given up for dead after 60 s without one: no job of ours waits that long between two, and a row that is taken
/// from a living worker runs twice.
const MISSED_HEARTBEATS: usize = 60;

/// Rows that wait beside as many as the workload has jobs.
const MORE_ROWS: u64 = 16;

/// How often the rows are looked at that a worker has not noted as ended.
const SETTLE: Duration = Duration::from_millis(50);

/// A worker that has nothing to do stops at once; should it not, its rows are noted all the same.
const STOP_AT_MOST: Duration = Duration::from_secs(5);

/// How often the rows that wait are counted: often enough that short jobs do not use them up in between.
const REFILL: Duration = Duration::from_millis(5);

/// When to look for rows. apalis's own interval is not heard again if it ends while a slow fetch runs: the worker then sleeps
/// for good, and does not even note what has ended.
fn ticks(every: Duration) -> impl Stream<Item = ()> + Unpin + Send {
    let mut interval = interval(every);
    stream::poll_fn(move |cx| {
        while interval.poll_tick(cx).is_ready() {}
        Poll::Pending
    })
}

impl QueueKind {
    pub(crate) fn named(name: &str) -> Result<Self, Fault> {
        match name.trim() {
            "apalis" => Ok(Self::Apalis),
            "none" => Ok(Self::None),
            _ => Err(Fault::new("queue", name, "none or apalis")),
        }
    }
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apalis => "apalis",
            Self::None => "none",
        })
    }
}

impl Queue {
    /// Fills the queue and lets a worker run what it finds there through the service, until [`Working::end`].
    ///
    /// # Errors
    ///
    /// If the first rows cannot be written.
    pub(crate) async fn work(self, bench: &Arc<Bench>, service: JobService) -> Result<Working, Failure> {
        let ledger = Arc::new(Ledger::default());
        let mut supplier = Supplier { bench: Arc::clone(bench), ledger: Arc::clone(&ledger) };
        supplier.refill(&self).await?;
        let context = WorkerContext::new(self.name());
        let recorder = Arc::clone(&bench.recorder);
        let service = Noting { service, recorder, ledger: Arc::clone(&ledger), is_ready: false };
        let (mut worker, mut filling) = (JoinSet::new(), JoinSet::new());
        worker.spawn(self.run_worker(&context, service));
        let filled = self.clone();
        filling.spawn(async move { supplier.keep_filled(&filled).await });
        Ok(Working { queue: self, ledger, context, worker, supplier: filling })
    }

    fn run_worker(
        &self,
        worker: &WorkerContext,
        service: Noting,
    ) -> BoxFuture<'static, Result<(), WorkerError>> {
        match self {
            Self::Postgres(queue) => queue.run_worker(worker, service),
            Self::Sqlite(queue) => queue.run_worker(worker, service),
        }
    }

    /// Also the worker's, since a name can be used once in a database.
    fn name(&self) -> &str {
        match self {
            Self::Postgres(queue) => queue.name(),
            Self::Sqlite(queue) => queue.name(),
        }
    }

    async fn push(&self, jobs: Vec<NewJob>) -> Result<(), BoxError> {
        match self {
            Self::Postgres(queue) => queue.push(tasks(jobs)).await,
            Self::Sqlite(queue) => queue.push(tasks(jobs)).await,
        }
    }

    /// The id and the status of every row.
    async fn rows(&self) -> sqlx::Result<Vec<(String, String)>> {
        match self {
            Self::Postgres(queue) => queue.rows().await,
            Self::Sqlite(queue) => queue.rows().await,
        }
    }

    async fn close(&self) {
        match self {
            Self::Postgres(queue) => queue.close().await,
            Self::Sqlite(queue) => queue.close().await,
        }
    }
}

/// Each row may run once: what fails here is counted, and would count twice. The big job goes first.
fn tasks(jobs: Vec<NewJob>) -> impl Iterator<Item = Task<NewJob>> {
    jobs.into_iter()
        .map(|job| TaskBuilder::new(job).max_attempts(1).priority(usize::from(job.is_big)).build())
}

impl Working {
    /// Lets the worker finish the jobs that run, at most for that long, and counts the rows.
    ///
    /// The worker is stopped when it has nothing left to do: one that is stopping no longer tells the queue what has ended, and
    /// when more jobs end than it can keep in mind (4), it never ends.
    ///
    /// # Errors
    ///
    /// A worker that ended before, rows that could not be written or counted.
    pub(crate) async fn end(mut self, at_most: Duration) -> Result<Rows, Failure> {
        while let Some(filled) = self.supplier.join_next().await {
            filled.map_err(broke_down)??;
        }
        let worker_ended = tokio::select! {
            settled = timeout(at_most, settled(&self.queue, &self.ledger)) => settled.unwrap_or(Ok(())).map(|()| None)?,
            ended = self.worker.join_next() => ended,
        };
        // One that has ended by itself cannot be stopped.
        let _ = self.context.stop();
        let worker_ended = match worker_ended {
            Some(ended) => Some(ended),
            None => timeout(STOP_AT_MOST, self.worker.join_next()).await.ok().flatten(),
        };
        if let Some(ended) = worker_ended {
            let ended = ended.map_err(broke_down)?;
            ended.map_err(|err| Failure::work(format_args!("the queue's worker ended: {err}")))?;
        }
        self.worker.shutdown().await;
        let rows = self.queue.rows().await?;
        self.queue.close().await;
        Ok(self.ledger.settle(&rows))
    }
}

/// Waits until every row that has begun is noted as ended.
async fn settled(queue: &Queue, ledger: &Ledger) -> Result<(), Failure> {
    while ledger.settle(&queue.rows().await?).lost > 0 {
        sleep(SETTLE).await;
    }
    Ok(())
}

fn broke_down(err: JoinError) -> Failure {
    Failure::work(format_args!("the queue broke down: {err}"))
}

/// Keeps rows waiting.
struct Supplier {
    bench: Arc<Bench>,
    ledger: Arc<Ledger>,
}

impl Supplier {
    async fn keep_filled(mut self, queue: &Queue) -> Result<(), Failure> {
        while !self.bench.recorder.is_over() {
            self.refill(queue).await?;
            sleep(REFILL).await;
        }
        Ok(())
    }

    /// As many rows as the workload has jobs, and some more; among them a big job if none is on its way.
    async fn refill(&mut self, queue: &Queue) -> Result<(), Failure> {
        let Bench { workload, recorder, .. } = &*self.bench;
        let wanted = u64::from(workload.jobs) + MORE_ROWS;
        let missing = wanted.saturating_sub(self.ledger.waiting());
        let is_big = workload.big_job_experts > 0 && self.ledger.wants_big();
        // By halves, so that rows come in batches.
        if !is_big && missing < wanted.div_ceil(2) {
            return Ok(());
        }
        let big = is_big.then_some(true);
        let jobs: Vec<_> = (big.into_iter())
            .chain((0..missing).map(|_| false))
            .map(|is_big| NewJob { number: recorder.next_job(), is_big, asked: None })
            .collect();
        self.ledger.pushed(jobs.len() as u64);
        queue.push(jobs).await.map_err(|err| Failure::work(format_args!("the queue cannot be filled: {err}")))
    }
}

/// The same jobs, each in a task of its own: a worker polls all that it runs from one task.
pub(crate) fn in_tasks(service: JobService) -> JobService {
    JobService::new(service_fn(move |job: NewJob| {
        let running = service.clone().oneshot(job);
        async move {
            // Ends the job if nobody waits for it any more.
            let mut task = JoinSet::new();
            task.spawn(running);
            task.join_next().await.unwrap_or(Ok(Ok(JobEnd::Unfinished)))?
        }
    }))
}
