//! The figures of all runs, and the forms they are shown in. The structure is the JSON schema, version 1.

mod chart;
pub(crate) mod html;
mod sentence;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

pub(crate) use self::chart::{LINES_MAX, Piece, plot};
pub(crate) use self::html::html;
pub(crate) use self::sentence::sentence;
pub(crate) use self::table::table;
use crate::gate::Shadow;
use crate::machine::Machine;
use crate::num::{ratio, round3, to_f64, to_ms};
use crate::oracle::Trial;
use crate::policy::Policy;
use crate::queue::Rows;
use crate::recorder::Times;
use crate::run::Measured;
use crate::scan::Scan;
use crate::series::{Change, Point};

/// Everything `--json` writes.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) workload: WorkloadReport,
    pub(crate) machine: Machine,
    pub(crate) runs: Vec<RunReport>,
}

/// The options in force.
#[derive(Debug, Serialize)]
pub(crate) struct WorkloadReport {
    pub(crate) name: &'static str,
    pub(crate) jobs: u32,
    pub(crate) experts: u32,
    pub(crate) big_job_experts: u32,
    pub(crate) queries: u32,
    pub(crate) updates: u32,
    pub(crate) tries: u32,
    pub(crate) query_mode: &'static str,
    pub(crate) query_ms: f64,
    pub(crate) think_ms: f64,
    pub(crate) pool: u32,
    pub(crate) acquire_timeout_ms: f64,
    pub(crate) duration_s: f64,
    pub(crate) shape: &'static str,
    pub(crate) statements: &'static str,
    pub(crate) queue: String,
    pub(crate) policy: Vec<String>,
    pub(crate) min_limit: Option<u32>,
    pub(crate) max_limit: Option<u32>,
}

/// The figures of one run.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    pub(crate) policy: String,
    /// Connections of the pool.
    pub(crate) pool: u32,
    pub(crate) jobs_ok: u64,
    pub(crate) jobs_failed: u64,
    /// Jobs that the end of the run cut short.
    pub(crate) jobs_unfinished: u64,
    pub(crate) experts_ok: u64,
    /// Of those, the ones whose job failed.
    pub(crate) experts_wasted: u64,
    pub(crate) experts_per_s: f64,
    pub(crate) errors: BTreeMap<&'static str, u64>,
    /// Of the errors, those of acquiring or keeping a connection.
    pub(crate) connection_errors: u64,
    pub(crate) expert_ms: Quantiles,
    pub(crate) job_ms: Quantiles,
    pub(crate) queue_wait_ms: Waits,
    pub(crate) pool_wait_ms: Waits,
    /// Only on SQLite, whose writes go through a pool of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) writer_wait_ms: Option<Waits>,
    pub(crate) queries_per_ok_job: Option<f64>,
    /// Queries begun for the jobs that ended, over what the done ones need if every expert succeeds at once.
    pub(crate) amplification: Option<f64>,
    /// Only where a big job runs beside others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) small_jobs: Option<SmallJobs>,
    pub(crate) limit: LimitReport,
    pub(crate) series: Vec<Point>,
    pub(crate) decisions: Vec<Change>,
    /// Only of a limiter in shadow mode; `limit` and `series` then have the limit that it suggested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shadow: Option<Shadow>,
    /// Of jobs, where the policy finds one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job_limit: Option<JobLimit>,
    /// What became of the queue's rows, if there was a queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queue: Option<Rows>,
    /// What every expert did, for a file of its own.
    #[serde(skip)]
    pub(crate) trace: Option<String>,
    /// The limit the oracle chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oracle_limit: Option<u32>,
    /// What the oracle tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oracle_sweep: Option<Vec<Trial>>,
}

/// Null where nothing was timed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Waits {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) max: Option<f64>,
}

/// How long the jobs take that are not the big one.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SmallJobs {
    /// While the big job runs.
    pub(crate) beside_ms: Quantiles,
    /// With one more of them in its place, which leaves each the same fair share.
    pub(crate) alone_ms: Quantiles,
    pub(crate) p99_ratio: Option<f64>,
}

/// Jobs that might run at a time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct JobLimit {
    min: u32,
    max: u32,
    last: u32,
}

/// All null where the policy has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct LimitReport {
    pub(crate) mean: Option<f64>,
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
    pub(crate) last: Option<u32>,
}

impl Report {
    /// A report without runs yet.
    pub(crate) fn of(scan: &Scan, machine: Machine) -> Self {
        let Scan { workload, policies, bounds, queue, .. } = scan;
        let workload = WorkloadReport {
            name: workload.name,
            jobs: workload.jobs,
            experts: workload.experts,
            big_job_experts: workload.big_job_experts,
            queries: workload.queries,
            updates: workload.updates,
            tries: workload.tries,
            query_mode: workload.query_mode.as_str(),
            query_ms: to_ms(workload.query_time),
            think_ms: to_ms(workload.think_time),
            pool: workload.pool,
            acquire_timeout_ms: to_ms(workload.acquire_timeout),
            duration_s: round3(workload.duration.as_secs_f64()),
            shape: workload.shape.as_str(),
            statements: workload.statements.as_str(),
            queue: queue.to_string(),
            policy: policies.iter().map(ToString::to_string).collect(),
            min_limit: bounds.min,
            max_limit: bounds.max,
        };
        Self { schema: 1, workload, machine, runs: Vec::new() }
    }

    pub(crate) fn run_of(&self, policy: Policy) -> Option<&RunReport> {
        let name = policy.to_string();
        self.runs.iter().find(|run| run.policy == name)
    }

    /// The run in shadow mode, if there was one.
    fn shadow(&self) -> Option<(&RunReport, Shadow)> {
        self.runs.iter().find_map(|run| Some((run, run.shadow?)))
    }

    /// Whether a run needed more or fewer queries than its jobs do if nothing fails, to the two digits that are shown.
    fn has_amplification(&self) -> bool {
        self.runs.iter().filter_map(|run| run.amplification).any(|times| (times - 1.0).abs() >= 0.005)
    }

    fn has_small_jobs(&self) -> bool {
        self.runs.iter().any(|run| run.small_jobs.is_some())
    }

    pub(crate) fn adaptive_connection_errors(&self) -> u64 {
        let runs =
            [Policy::Adaptive, Policy::AdaptiveTiers].into_iter().filter_map(|policy| self.run_of(policy));
        runs.map(|run| run.connection_errors).sum()
    }
}

impl RunReport {
    pub(crate) fn new(policy: Policy, measured: &Measured) -> Self {
        let tally = &measured.tally;
        let experts_per_s = ratio(to_f64(tally.experts_ok), measured.duration.as_secs_f64());
        Self {
            policy: policy.to_string(),
            pool: measured.pool,
            jobs_ok: tally.jobs_ok,
            jobs_failed: tally.jobs_failed,
            jobs_unfinished: tally.jobs_unfinished,
            experts_ok: tally.experts_ok,
            experts_wasted: tally.experts_wasted,
            experts_per_s: round3(experts_per_s.unwrap_or(0.0)),
            errors: tally.errors.iter().map(|(kind, count)| (kind.as_str(), *count)).collect(),
            connection_errors: tally.connection_errors(),
            expert_ms: Quantiles::of(&tally.expert_time),
            job_ms: Quantiles::of(&tally.job_time),
            queue_wait_ms: Waits::of(&tally.queue_wait),
            pool_wait_ms: Waits::of(&tally.pool_wait),
            writer_wait_ms: (!tally.writer_wait.is_empty()).then(|| Waits::of(&tally.writer_wait)),
            queries_per_ok_job: ratio(to_f64(tally.queries), to_f64(tally.jobs_ok)).map(round3),
            amplification: ratio(to_f64(tally.queries_of_ended), to_f64(measured.ideal_queries)).map(round3),
            small_jobs: None,
            limit: LimitReport::of(&measured.series, &measured.changes),
            series: measured.series.clone(),
            decisions: measured.changes.clone(),
            shadow: measured.shadow,
            job_limit: measured.job_limit.map(|[min, max, last]| JobLimit { min, max, last }),
            queue: measured.rows,
            trace: measured.trace.clone(),
            oracle_limit: None,
            oracle_sweep: None,
        }
    }

    pub(crate) fn with_sweep(mut self, limit: u32, sweep: Vec<Trial>) -> Self {
        self.oracle_limit = Some(limit);
        self.oracle_sweep = Some(sweep);
        self
    }

    /// Beside `beside`, which this reports, the same policy ran without the big job.
    pub(crate) fn with_small_jobs(mut self, beside: &Measured, alone: &Measured) -> Self {
        let [beside, alone] = [beside, alone].map(|measured| Quantiles::of(&measured.tally.small_job_time));
        let p99_ratio =
            beside.p99.zip(alone.p99).and_then(|(beside, alone)| ratio(beside, alone)).map(round3);
        self.small_jobs = Some(SmallJobs { beside_ms: beside, alone_ms: alone, p99_ratio });
        self
    }

    /// The run in a few words.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} jobs ok, {} failed, {} connection errors, {:.1} experts/s",
            self.jobs_ok, self.jobs_failed, self.connection_errors, self.experts_per_s
        )
    }

    /// `pool_timeout 9, deadlock 2`, or a dash.
    pub(crate) fn errors_text(&self) -> String {
        if self.errors.is_empty() {
            return crate::table::dash();
        }
        let parts: Vec<_> = self.errors.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        parts.join(", ")
    }
}

impl Quantiles {
    fn of(times: &Times) -> Self {
        Self { p50: ms(times.quantile(0.5)), p99: ms(times.quantile(0.99)) }
    }
}

impl Waits {
    fn of(times: &Times) -> Self {
        Self { p50: ms(times.quantile(0.5)), p99: ms(times.quantile(0.99)), max: ms(times.max()) }
    }
}

fn ms(time: Option<Duration>) -> Option<f64> {
    time.map(to_ms)
}

impl LimitReport {
    /// The mean is over time; the extremes also see what a decision changed between two points.
    pub(crate) fn of(series: &[Point], changes: &[Change]) -> Self {
        let seen: Vec<u32> = series.iter().filter_map(|point| point.limit).collect();
        let sum: f64 = seen.iter().map(|limit| f64::from(*limit)).sum();
        let all = || seen.iter().copied().chain(changes.iter().flat_map(|change| [change.from, change.to]));
        Self {
            mean: ratio(sum, to_f64(seen.len() as u64)).map(round3),
            min: all().min(),
            max: all().max(),
            last: seen.last().copied(),
        }
    }
}

#[cfg(test)]
mod tests;
