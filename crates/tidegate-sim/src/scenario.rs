mod check;
mod database;
mod load;
mod pool;

use serde::Deserialize;

pub(crate) use self::check::{Checks, MS_MAX};
pub use self::database::{Database, HotRows, Knee, SpeedChange, Usl};
pub use self::load::{Bursts, Kind, Load, LoadChange, QueryMode};
pub(crate) use self::load::{Plan, Recorded};
pub use self::pool::{Pool, Resize, Tenant};
use crate::expect::Expectation;
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
    /// The moments, in seconds, at which a new phase begins. Default: the run is one phase.
    #[serde(default)]
    pub phases_s: Vec<f64>,
    /// Independent processes, each with a limiter of its own and nothing in common but the pool or the database. Default 1.
    #[serde(default = "one")]
    pub processes: u32,
    /// Who asks, in each process.
    pub load: Load,
    /// The connection pool.
    pub pool: Pool,
    /// The database behind it.
    pub database: Database,
    /// Settings of the limiter under test.
    #[serde(default)]
    pub limiter: LimiterSettings,
    /// The best fixed limit of each phase, found by [`sweep`](crate::sweep); none where there is nothing to compare with.
    #[serde(default)]
    pub oracle: Vec<Oracle>,
    /// What must come of it, with every seed.
    #[serde(default, rename = "expect")]
    pub expectations: Vec<Expectation>,
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

/// The best that a fixed limit, the same in every process, can do in one phase.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Oracle {
    /// The limit.
    pub limit: u32,
    /// Its goodput, in experts per second of all processes: the mean over the seeds of the sweep.
    pub goodput: f64,
}

const fn one() -> u32 {
    1
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

    /// The spans of the phases, from and to in seconds.
    #[must_use]
    pub fn phases(&self) -> Vec<[f64; 2]> {
        let starts = std::iter::once(&0.0).chain(&self.phases_s);
        let ends = self.phases_s.iter().chain([&self.duration_s]);
        starts.zip(ends).map(|(&from, &to)| [from, to]).collect()
    }

    /// What the oracle does in a span, in experts per second: that of the phases in it, weighted with time.
    #[must_use]
    pub fn oracle_goodput(&self, [from, to]: [f64; 2]) -> Option<f64> {
        if self.oracle.is_empty() || from >= to {
            return None;
        }
        let share = |phase: [f64; 2]| (phase[1].min(to) - phase[0].max(from)).max(0.0) / (to - from);
        let phases = self.phases().into_iter().zip(&self.oracle);
        Some(phases.map(|(phase, oracle)| share(phase) * oracle.goodput).sum())
    }

    /// The expectations that a report does not meet, one line each.
    #[must_use]
    pub fn faults(&self, report: &Report) -> Vec<String> {
        let mut windows = report.windows.iter();
        let mut found = Vec::new();
        for expectation in &self.expectations {
            let figures = expectation.during_s.and_then(|_| windows.next()).unwrap_or(&report.whole);
            found.extend(expectation.fault(figures, self.oracle_goodput(span(figures))));
        }
        found
    }
}

fn span(figures: &Figures) -> [f64; 2] {
    [figures.from.as_secs_f64(), figures.to.as_secs_f64()]
}
