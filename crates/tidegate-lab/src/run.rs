//! One run: a workload under a policy, on a fresh pool, for its duration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate::{DecisionRecord, PoolReading};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::calls::Calls;
use crate::db::Database;
use crate::error_kind::ErrorKind;
use crate::expert::Bench;
use crate::failure::Failure;
use crate::gate::{Gate, Shadow};
use crate::jobs::{job_after_job, runner};
use crate::policy::Policy;
use crate::queue::{QueueKind, Rows, Working, in_tasks};
use crate::recorder::{self, Recorder, Tally};
use crate::scan::Bounds;
use crate::series::{Change, INTERVAL, Point, Sampler};
use crate::workload::{QueryMode, Workload};

/// Under what a workload runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) policy: Policy,
    pub(crate) bounds: Bounds,
    pub(crate) queue: QueueKind,
}

impl Order {
    /// That policy, free in its limits.
    pub(crate) fn of(policy: Policy, queue: QueueKind) -> Self {
        Self { policy, bounds: Bounds::default(), queue }
    }
}

/// What a run showed.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) duration: Duration,
    /// Connections of the pool.
    pub(crate) pool: u32,
    /// Queries that the jobs which were done need if every expert succeeds at once.
    pub(crate) ideal_queries: u64,
    pub(crate) tally: Tally,
    pub(crate) series: Vec<Point>,
    pub(crate) changes: Vec<Change>,
    pub(crate) shadow: Option<Shadow>,
    /// The least, the most and the last jobs that might run at a time, if the policy finds that out.
    pub(crate) job_limit: Option<[u32; 3]>,
    /// What became of the queue's rows, if there was a queue.
    pub(crate) rows: Option<Rows>,
    /// What every expert did, if that was asked for.
    pub(crate) trace: Option<String>,
    /// Mean and coefficient of variation of how long a query held its connection, in milliseconds; likewise.
    pub(crate) use_ms: Option<(f64, f64)>,
}

/// How a run goes, for those who watch.
#[derive(Clone, Debug)]
pub(crate) struct Glimpse<'a> {
    pub(crate) elapsed: Duration,
    pub(crate) point: Point,
    pub(crate) pool: PoolReading,
    pub(crate) jobs: recorder::Jobs,
    pub(crate) errors: BTreeMap<ErrorKind, u64>,
    /// Every change of the limit until now.
    pub(crate) changes: &'a [DecisionRecord],
    pub(crate) shadow: Option<Shadow>,
}

/// Beyond what the longest expert can need, a job that still runs is hanging.
const DRAIN_MARGIN: Duration = Duration::from_secs(10);

/// Runs the workload under the policy, notes what every expert did in `calls`, and shows each point to `watch`.
///
/// # Errors
///
/// If the pool or the limiter cannot be set up. Errors of queries are counted, not returned.
pub(crate) async fn run(
    database: &Database,
    workload: &Workload,
    order: Order,
    calls: Option<Calls>,
    mut watch: impl FnMut(Glimpse<'_>),
) -> Result<Measured, Failure> {
    let workload = &Workload { pool: order.policy.pool(workload.pool), ..workload.clone() };
    let pools = database.open(workload, order.policy.nested(workload)).await?;
    let recorder = Arc::new(Recorder::new(Instant::now(), workload.duration));
    let bench = Arc::new(Bench { calls, ..Bench::new(pools, workload, &recorder) });
    let gate = Arc::new(Gate::new(&bench, order)?);
    let mut sampler = Sampler::new(&bench);
    let jobs = Jobs::start(database, &bench, &gate, order.queue).await?;
    let mut ticks = interval_at(Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if recorder.is_over() {
            break;
        }
        let point = sampler.take(&bench, &gate);
        watch(Glimpse {
            elapsed: recorder.elapsed(),
            point,
            pool: sampler.pool(),
            jobs: recorder.jobs(),
            errors: recorder.errors(),
            changes: sampler.changes(),
            shadow: gate.shadow(),
        });
    }
    // What is asked for from now on is no part of the run.
    let shadow = gate.shadow();
    let rows = jobs.end(&recorder, longest_expert(workload) + DRAIN_MARGIN).await?;
    bench.pools.close().await;
    let job_limit = sampler.job_limit();
    let (series, changes) = sampler.into_parts();
    let use_ms = bench.calls.as_ref().and_then(Calls::use_ms);
    let trace = bench.calls.as_ref().map(|calls| calls.text(workload)).transpose()?;
    let (duration, tally) = (workload.duration, recorder.totals());
    let ideal_queries = tally.experts_of_done * u64::from(workload.queries_per_expert());
    let pool = workload.pool;
    Ok(Measured {
        duration,
        pool,
        ideal_queries,
        tally,
        series,
        changes,
        shadow,
        job_limit,
        rows,
        trace,
        use_ms,
    })
}

/// The jobs of a run, wherever they come from.
enum Jobs {
    /// A task for each job that runs at a time.
    Slots(JoinSet<()>),
    Queued(Working),
}

impl Jobs {
    async fn start(
        database: &Database,
        bench: &Arc<Bench>,
        gate: &Arc<Gate>,
        queue: QueueKind,
    ) -> Result<Self, Failure> {
        let runner = runner(bench, gate);
        if queue == QueueKind::Apalis {
            let service = gate.jobs(in_tasks(runner));
            return Ok(Self::Queued(database.queue().await?.work(bench, service).await?));
        }
        let mut slots = JoinSet::new();
        let service = gate.jobs(runner);
        for slot in 0..bench.workload.jobs_at_once() {
            let is_big = bench.workload.big_job_experts > 0 && slot == 0;
            slots.spawn(job_after_job(Arc::clone(bench), service.clone(), is_big));
        }
        Ok(Self::Slots(slots))
    }

    /// Follows the jobs that still run to their end, at most for that long; they begin no more experts.
    async fn end(self, recorder: &Recorder, at_most: Duration) -> Result<Option<Rows>, Failure> {
        let mut slots = match self {
            Self::Slots(slots) => slots,
            Self::Queued(working) => return working.end(at_most).await.map(Some),
        };
        let ending = async {
            while let Some(ended) = slots.join_next().await {
                ended.map_err(|err| Failure::work(format_args!("a job broke down: {err}")))?;
            }
            Ok::<_, Failure>(())
        };
        match timeout(at_most, ending).await {
            Ok(ended) => ended?,
            Err(_) => {
                recorder.jobs_dropped(slots.len() as u64);
                slots.shutdown().await;
            }
        }
        Ok(None)
    }
}

fn longest_expert(workload: &Workload) -> Duration {
    let in_turn = if workload.query_mode == QueryMode::Parallel { 1 } else { workload.queries };
    // The slowest query of the workload, and a wait for the pool and for SQLite's writer.
    let slowest = workload.query_time_at(workload.duration / 2).max(workload.query_time);
    let update = workload.acquire_timeout * workload.updates;
    (workload.think_time + (slowest + workload.acquire_timeout * 2) * in_turn + update) * workload.tries
}
