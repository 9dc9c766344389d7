mod check;
mod database;

use serde::Deserialize;

pub use self::database::{Database, HotRows, Knee, SpeedChange, Usl};

use crate::expect::Expectation;
use crate::random::Span;
use crate::{Figures, Report, SimError};

/// A described experiment: who asks for what, of which pool and database, and what must come of it.
///
/// ```
/// use tidegate_sim::{Policy, Scenario, run};
///
/// let scenario = Scenario::parse(
///     r#"
///     name = "small"
///     about = "two jobs in front of a pool of four"
///     seeds = [1]
///     duration_s = 10
///     [load]
///     jobs = 2
///     experts = 3
///     queries = 1
///     think = { mean_ms = 50 }
///     [pool]
///     max = 4
///     acquire_timeout_ms = 1000
///     [database]
///     query = { mean_ms = 20, distribution = "deterministic" }
///     [[expect]]
///     statistic = "pool_timeouts"
///     max = 0
///     "#,
/// )?;
/// let report = run(&scenario, &Policy::adaptive(), 1)?;
/// assert_eq!(scenario.faults(&report), Vec::<String>::new());
/// # Ok::<(), tidegate_sim::SimError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Scenario {
    /// A short name, also the name of its file.
    pub name: String,
    /// What it is about, in one sentence.
    pub about: String,
    /// Whether a law that ignores congestion must fail here.
    #[serde(default)]
    pub tests_laws: bool,
    /// The seeds it is checked with.
    pub seeds: Vec<u64>,
    /// How long it runs, in seconds of virtual time.
    pub duration_s: f64,
    /// Who asks.
    pub load: Load,
    /// The connection pool.
    pub pool: Pool,
    /// The database behind it.
    pub database: Database,
    /// Settings of the limiter under test.
    #[serde(default)]
    pub limiter: LimiterSettings,
    /// The best fixed limit, found by [`sweep`](crate::sweep).
    pub oracle: Option<Oracle>,
    /// What must come of it, with every seed.
    #[serde(default, rename = "expect")]
    pub expectations: Vec<Expectation>,
}

/// Jobs, one after the other in each of a number of slots.
///
/// A job asks for all its experts at once and ends with the last of them. An expert waits for its permit, thinks, makes its
/// queries and gives the permit back. An expert whose acquire times out, or whose query fails in a deadlock, fails its job: those of its experts that still wait
/// for a permit are dropped, those that have one run to their end in vain. After the last of them, and after a pause since
/// the failure, the slot starts a new job.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Load {
    /// Jobs at once.
    pub jobs: u32,
    /// Experts per job.
    pub experts: u32,
    /// What an expert does before its first query, holding its permit.
    pub think: Span,
    /// Queries per expert.
    pub queries: u32,
    /// How an expert's queries follow each other.
    #[serde(default)]
    pub mode: QueryMode,
    /// The pause after a failed job, in milliseconds. Default 500.
    #[serde(default = "half_a_second")]
    pub retry_pause_ms: f64,
    /// Demand that comes and goes; without it jobs follow each other at once.
    pub bursts: Option<Bursts>,
}

/// How an expert's queries follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QueryMode {
    /// Each query asks for a connection while those of the earlier ones are still held.
    Nested,
    /// All at the same time, each on its own connection.
    Parallel,
    /// One after the other, each on its own connection.
    #[default]
    Sequential,
}

/// Demand that comes and goes: no job starts in the pauses.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Bursts {
    /// The length of a burst, in milliseconds; the first begins at once.
    pub on_ms: f64,
    /// The length of a pause, in milliseconds.
    pub off_ms: f64,
}

/// A pool that serves its callers in order and opens connections when it needs them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Pool {
    /// The most connections.
    pub max: u32,
    /// How long a caller may wait, in milliseconds.
    pub acquire_timeout_ms: f64,
    /// The time to open a connection, in milliseconds. Default 20.
    #[serde(default = "connect_ms")]
    pub connect_ms: f64,
    /// The time to test an idle connection before it is lent, in milliseconds. Default 0.5.
    #[serde(default = "ping_ms")]
    pub ping_ms: f64,
}

/// Settings of the limiter under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LimiterSettings {
    /// The most connections an expert holds while it waits for another one. Default 1.
    pub connections_per_call: u32,
}

impl Default for LimiterSettings {
    fn default() -> Self {
        Self { connections_per_call: 1 }
    }
}

/// The best that a fixed limit can do.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Oracle {
    /// The limit.
    pub limit: u32,
    /// Its goodput, in experts per second: the mean over the seeds of the sweep.
    pub goodput: f64,
}

const fn half_a_second() -> f64 {
    500.0
}

const fn connect_ms() -> f64 {
    20.0
}

const fn ping_ms() -> f64 {
    0.5
}

impl Scenario {
    /// Reads a scenario from TOML and checks every figure of it.
    ///
    /// # Errors
    ///
    /// If the text is no scenario, or a figure is outside its range; all such figures are named.
    pub fn parse(toml: &str) -> Result<Self, SimError> {
        let scenario: Self =
            toml::from_str(toml).map_err(|error| SimError::new(error.to_string().trim_end()))?;
        scenario
            .check()
            .map_err(|error| SimError::new(format_args!("scenario {}: {error}", scenario.name)))?;
        Ok(scenario)
    }

    /// The expectations that a report does not meet, one line each.
    #[must_use]
    pub fn faults(&self, report: &Report) -> Vec<String> {
        let figures = |index: usize| self.figures_for(report, index);
        let found = self.expectations.iter().enumerate();
        found.filter_map(|(index, expectation)| expectation.fault(figures(index), self.oracle)).collect()
    }

    /// The figures of the span that the expectation of this index speaks of.
    fn figures_for<'a>(&self, report: &'a Report, index: usize) -> &'a Figures {
        let windows = self.expectations[..=index].iter().filter(|expectation| expectation.during_s.is_some());
        match (self.expectations[index].during_s, windows.count().checked_sub(1)) {
            (Some(_), Some(window)) => &report.windows[window],
            _ => &report.whole,
        }
    }
}
