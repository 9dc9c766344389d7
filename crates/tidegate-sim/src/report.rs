use std::time::Duration;

use tidegate_core::Reason;

/// What came of one run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The name of the policy.
    pub policy: String,
    /// The seed that replays the run bit for bit.
    pub seed: u64,
    /// The figures of the whole run.
    pub whole: Figures,
    /// The figures of the scenario's phases, in order.
    pub phases: Vec<Figures>,
    /// The figures of the spans that the scenario's expectations name, in their order.
    pub windows: Vec<Figures>,
    /// Experts done in each tenth of a second, of jobs that did not fail.
    pub goodput_bins: Vec<u32>,
    /// What is measured of each process.
    pub processes: Vec<ProcessReport>,
    /// Events of the simulated world, a measure of the work done.
    pub events: u64,
}

/// What was measured of one process.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProcessReport {
    /// Experts done per second, of jobs that did not fail.
    pub goodput: f64,
    /// Its limit: the first one, at the beginning and with the reason [`Reason::Configured`], and every change.
    pub limits: Vec<LimitChange>,
}

/// A limit and since when.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LimitChange {
    /// The moment, since the beginning of the run.
    pub at: Duration,
    /// The limit from then on.
    pub limit: u32,
    /// Why it is so.
    pub reason: Reason,
}

/// What was measured over a span of a run, of all processes together. Means are weighted with time; times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// The beginning of the span.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
    /// Experts done per second, of jobs that did not fail.
    pub goodput: f64,
    /// Jobs done.
    pub ok_jobs: u32,
    /// Jobs failed.
    pub failed_jobs: u32,
    /// Acquires that the pool gave up on.
    pub pool_timeouts: u32,
    /// Queries that failed in a deadlock.
    pub deadlocks: u32,
    /// Experts whose caller lost patience.
    pub given_up: u32,
    /// The limit of one process.
    pub limit: Spread,
    /// Mean permits out.
    pub in_flight_mean: f64,
    /// Most permits out at once.
    pub in_flight_peak: u32,
    /// Mean callers waiting for a permit.
    pub queued_mean: f64,
    /// Mean acquires waiting in the pool.
    pub pending_mean: f64,
    /// Mean share of the connections of all pools in use, by anybody.
    pub utilisation: f64,
    /// Jain's index of the processes' goodputs, over whole seconds: 1 if all are equal, 1/n if one of n has everything.
    pub jain: f64,
    /// The mean of that index over stretches of five seconds.
    pub jain_5s: f64,
    /// From asking the pool to holding a connection, or to giving up.
    pub pool_wait: Times,
    /// From asking for a permit to the end of the expert, failed ones left out.
    pub expert_time: Times,
}

/// How a whole number went over time, in one process or in several.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spread {
    /// Mean over time, and over the processes.
    pub mean: f64,
    /// Lowest.
    pub min: u32,
    /// Highest.
    pub max: u32,
    /// Coefficient of variation over time, standard deviation over mean; the mean of the processes' ones.
    pub cv: f64,
}

/// Spans of time, in seconds; all 0 where there were none.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Times {
    /// Mean.
    pub mean: f64,
    /// Median, within 1.6%.
    pub p50: f64,
    /// 99th percentile, within 1.6%.
    pub p99: f64,
    /// Longest.
    pub max: f64,
}
