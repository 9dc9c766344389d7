use serde::Serialize;

use super::{Score, median};

/// How a law did in a scenario, over its seeds: a row of the board. Its fields are those of the JSON.
///
/// A figure without a worst value is the median of the seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The law's name.
    pub law: String,
    /// Goodput as a share of the oracle's; `None` without an oracle.
    pub goodput_of_oracle: Option<MedianWorst>,
    /// Acquires that the pool gave up on.
    pub timeouts: MedianWorst,
    /// Jobs failed.
    pub failed_jobs: MedianWorst,
    /// 99th percentile of the time from asking for a permit to the end of the expert, in milliseconds.
    pub expert_p99_ms: f64,
    /// 99th percentile of the pool wait, in milliseconds.
    pub pool_wait_p99_ms: f64,
    /// Seconds to come near the oracle to stay, from the start and from each change; `None` where half of the seeds or more
    /// did not.
    pub converge_s: Vec<Option<f64>>,
    /// Decisions in that time, see [`Converged`](super::Converged).
    pub converge_decisions: Vec<Option<f64>>,
    /// The highest limit of the first phase as a multiple of the best one; `None` of a law without a limit.
    pub overshoot: Option<f64>,
    /// Mean limit; `None` of a law without one.
    pub limit_mean: Option<f64>,
    /// Coefficient of variation of the limit; likewise.
    pub limit_cv: Option<f64>,
    /// Jain's index of the processes' goodputs: 1 if all have the same; `None` where there is one process.
    pub jain: Option<f64>,
}

/// The middle of the seeds, and the worst of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MedianWorst {
    /// The median.
    pub median: f64,
    /// The lowest of what should be high, the highest of what should be low.
    pub worst: f64,
}

impl Row {
    /// The row of a law with these scores, one for each seed; `None` without any.
    #[must_use]
    pub fn of(law: impl Into<String>, scores: &[Score]) -> Option<Self> {
        let phases = scores.first()?.converged.len();
        let middle = |of: &dyn Fn(&Score) -> Option<f64>| median(scores.iter().filter_map(of));
        let most = |of: &dyn Fn(&Score) -> u32| {
            let median = median(scores.iter().map(|score| f64::from(of(score))))?;
            let worst = scores.iter().map(of).max().map(f64::from)?;
            Some(MedianWorst { median, worst })
        };
        let shares = || scores.iter().filter_map(|score| score.goodput_of_oracle);
        let converged = |phase: usize, of: &dyn Fn(&super::Converged) -> f64| {
            // Those that never came near are beyond all that did.
            let seeds = scores.iter().map(|score| score.converged[phase].as_ref().map_or(f64::INFINITY, of));
            median(seeds).filter(|median| median.is_finite())
        };
        Some(Self {
            law: law.into(),
            goodput_of_oracle: median(shares())
                .map(|median| MedianWorst { median, worst: shares().fold(f64::INFINITY, f64::min) }),
            timeouts: most(&|score| score.timeouts)?,
            failed_jobs: most(&|score| score.failed_jobs)?,
            expert_p99_ms: middle(&|score| Some(score.expert_p99_ms))?,
            pool_wait_p99_ms: middle(&|score| Some(score.pool_wait_p99_ms))?,
            converge_s: (0..phases).map(|phase| converged(phase, &|found| found.seconds)).collect(),
            converge_decisions: (0..phases)
                .map(|phase| converged(phase, &|found| crate::num::float(found.decisions as u128)))
                .collect(),
            overshoot: middle(&|score| score.overshoot),
            limit_mean: middle(&|score| score.limit_mean),
            limit_cv: middle(&|score| score.limit_cv),
            jain: middle(&|score| score.jain),
        })
    }
}
