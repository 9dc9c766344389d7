use serde::Deserialize;

use crate::{Figures, SimError};

/// An interval that a statistic must lie in, with every seed.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
#[non_exhaustive]
pub struct Expectation {
    /// What is measured.
    pub statistic: Statistic,
    /// The least allowed.
    pub min: f64,
    /// The most allowed.
    pub max: f64,
    /// The span it is measured over, from and to in seconds. Default: the whole run.
    pub during_s: Option<[f64; 2]>,
}

/// An expectation as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    statistic: Statistic,
    min: Option<f64>,
    max: Option<f64>,
    during_s: Option<[f64; 2]>,
}

impl TryFrom<Written> for Expectation {
    type Error = SimError;

    fn try_from(written: Written) -> Result<Self, SimError> {
        let Written { statistic, min, max, during_s } = written;
        if min.is_none() && max.is_none() {
            return Err(SimError::new("an expectation has neither `min` nor `max`"));
        }
        let (min, max) = (min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY));
        if min <= max {
            Ok(Self { statistic, min, max, during_s })
        } else {
            Err(SimError::new(format_args!("min is {min}, allowed is at most {max} (max)")))
        }
    }
}

/// What can be expected of a run. Means over time are weighted with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Statistic {
    /// Queries that failed in a deadlock.
    Deadlocks,
    /// 99th percentile of the time from asking for a permit to the end of the expert, in milliseconds.
    ExpertP99Ms,
    /// Jobs failed.
    FailedJobs,
    /// Experts whose caller lost patience.
    GivenUp,
    /// Experts done per second, of jobs that did not fail.
    Goodput,
    /// The same as a share of the oracle's.
    GoodputOfOracle,
    /// Mean permits out.
    InFlightMean,
    /// Most permits out at once.
    InFlightPeak,
    /// Jain's index of the processes' goodputs: 1 if all are equal, 1/n if one of n has everything.
    Jain,
    /// The mean of that index over stretches of five seconds.
    #[serde(rename = "jain_5s")]
    Jain5s,
    /// Coefficient of variation of the limit.
    LimitCv,
    /// Highest limit.
    LimitMax,
    /// Mean limit.
    LimitMean,
    /// Lowest limit.
    LimitMin,
    /// Acquires that the pool gave up on.
    PoolTimeouts,
    /// Mean pool wait, in milliseconds.
    PoolWaitMeanMs,
    /// 99th percentile of the pool wait, in milliseconds.
    PoolWaitP99Ms,
    /// Mean share of the pool's connections in use.
    Utilisation,
}

impl Statistic {
    pub(crate) const fn needs_oracle(self) -> bool {
        matches!(self, Self::GoodputOfOracle)
    }

    /// NaN where there is no oracle to compare with, which lies in no interval.
    fn of(self, figures: &Figures, oracle: Option<f64>) -> f64 {
        match self {
            Self::Deadlocks => f64::from(figures.deadlocks),
            Self::ExpertP99Ms => figures.expert_time.p99 * 1e3,
            Self::FailedJobs => f64::from(figures.failed_jobs),
            Self::GivenUp => f64::from(figures.given_up),
            Self::Goodput => figures.goodput,
            Self::GoodputOfOracle => oracle.map_or(f64::NAN, |oracle| figures.goodput / oracle),
            Self::InFlightMean => figures.in_flight_mean,
            Self::InFlightPeak => f64::from(figures.in_flight_peak),
            Self::Jain => figures.jain,
            Self::Jain5s => figures.jain_5s,
            Self::LimitCv => figures.limit.cv,
            Self::LimitMax => f64::from(figures.limit.max),
            Self::LimitMean => figures.limit.mean,
            Self::LimitMin => f64::from(figures.limit.min),
            Self::PoolTimeouts => f64::from(figures.pool_timeouts),
            Self::PoolWaitMeanMs => figures.pool_wait.mean * 1e3,
            Self::PoolWaitP99Ms => figures.pool_wait.p99 * 1e3,
            Self::Utilisation => figures.utilisation,
        }
    }
}

impl Expectation {
    /// One line that says what was expected and what came of it, unless it was met. `oracle` is its goodput in that span.
    pub(crate) fn fault(&self, figures: &Figures, oracle: Option<f64>) -> Option<String> {
        let Self { statistic, min, max, .. } = *self;
        let value = statistic.of(figures, oracle);
        if (min..=max).contains(&value) {
            return None;
        }
        let during = self.during_s.map_or_else(String::new, |[from, to]| format!(" from {from} s to {to} s"));
        Some(format!("{statistic:?}{during} is {value:.4}, expected is {min} to {max}"))
    }
}
