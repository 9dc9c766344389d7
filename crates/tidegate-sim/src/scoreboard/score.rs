use std::collections::BTreeSet;

use tidegate_core::MAX_LIMIT;

use super::converge::{converge, steps};
use super::curve::Curve;
use crate::oracle::{ladder, most};
use crate::{Oracle, Policy, ProcessReport, Report, Scenario, SimError, run};

/// A span of a scenario in which nothing changes, and the best fixed limit in it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Phase {
    /// Its beginning, in seconds.
    pub from_s: f64,
    /// Its end, in seconds.
    pub to_s: f64,
    /// The best fixed limit.
    pub limit: u32,
    /// What other limits are worth beside it.
    pub(super) curve: Curve,
    /// When the database hangs, in seconds.
    pub(super) hangs: Vec<[f64; 2]>,
}

/// How one law did in one scenario with one seed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Score {
    /// Goodput as a share of what the best fixed limit of each phase gives; `None` without an oracle.
    pub goodput_of_oracle: Option<f64>,
    /// Acquires that the pool gave up on.
    pub timeouts: u32,
    /// Jobs failed.
    pub failed_jobs: u32,
    /// 99th percentile of the time from asking for a permit to the end of the expert, in milliseconds.
    pub expert_p99_ms: f64,
    /// 99th percentile of the pool wait, in milliseconds.
    pub pool_wait_p99_ms: f64,
    /// For each phase, when the mean limit of the processes that have work came near the best to stay; `None` if it did not.
    pub converged: Vec<Option<Converged>>,
    /// The highest limit of the first phase as a multiple of the best one; `None` without an oracle, or if the law has no
    /// limit.
    pub overshoot: Option<f64>,
    /// Mean limit, weighted with time; `None` if the law has no limit.
    pub limit_mean: Option<f64>,
    /// Coefficient of variation of the limit; likewise.
    pub limit_cv: Option<f64>,
    /// Jain's index of the goodputs of the processes; `None` where there is one.
    pub jain: Option<f64>,
}

/// The limit came to where a fixed limit's goodput is within 10% of the best, and from then on to the end of the phase never
/// fell back behind 90% of it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Converged {
    /// Since the phase began.
    pub seconds: f64,
    /// Decisions since then, the one that came near included: changes of the limit while there is work, where the changes to
    /// and fro of a trial are one; of several processes, those of the one that made most.
    pub decisions: usize,
}

impl Score {
    /// The score of a run of the scenario, against its phases; without phases it is only counted.
    #[must_use]
    pub fn of(scenario: &Scenario, phases: &[Phase], report: &Report) -> Self {
        let figures = &report.whole;
        let best = scenario.oracle_goodput([0.0, scenario.duration_s]).filter(|best| *best > 0.0);
        let limit_mean = limited(figures.limit.mean);
        let first = phases.first().filter(|_| limit_mean.is_some());
        Self {
            goodput_of_oracle: best.map(|best| figures.goodput / best),
            timeouts: figures.pool_timeouts,
            failed_jobs: figures.failed_jobs,
            expert_p99_ms: figures.expert_time.p99 * 1e3,
            pool_wait_p99_ms: figures.pool_wait.p99 * 1e3,
            converged: phases.iter().map(|phase| converged(scenario, phase, report)).collect(),
            overshoot: first.map(|phase| highest(phase, &report.processes) / f64::from(phase.limit)),
            limit_mean,
            limit_cv: limit_mean.map(|_| figures.limit.cv),
            jain: (scenario.processes > 1).then_some(figures.jain),
        }
    }
}

/// The mean limit of a law that has one: no limit is played as the highest there is, which is nobody's mean.
#[must_use]
pub fn limited(mean: f64) -> Option<f64> {
    (mean.round() < f64::from(MAX_LIMIT)).then_some(mean)
}

fn converged(scenario: &Scenario, phase: &Phase, report: &Report) -> Option<Converged> {
    let has_work = |process, from_s, to_s| scenario.load.has_work(process, from_s, to_s);
    converge(phase, &steps(phase, &report.processes, has_work))
}

/// The limit of a process over time: the moments in seconds from which each held.
#[must_use]
pub fn limits(process: &ProcessReport) -> Vec<(f64, u32)> {
    process.limits.iter().map(|change| (change.at.as_secs_f64(), change.limit)).collect()
}

/// The highest limit of any process in the phase.
fn highest(phase: &Phase, processes: &[ProcessReport]) -> f64 {
    let changes = processes.iter().flat_map(|process| &process.limits);
    let within = changes.filter(|change| change.at.as_secs_f64() < phase.to_s);
    within.map(|change| f64::from(change.limit)).fold(0.0, f64::max)
}

impl Phase {
    /// The phases of a scenario with an oracle, none of one without. What other limits are worth is found by trying them
    /// with the scenario's first seed.
    ///
    /// # Errors
    ///
    /// If a run fails.
    pub fn of(scenario: &Scenario) -> Result<Vec<Self>, SimError> {
        let Some(&seed) = scenario.seeds.first().filter(|_| !scenario.oracle.is_empty()) else {
            return Ok(Vec::new());
        };
        let ladder = ladder(most(scenario), 5);
        let limits: BTreeSet<u32> = ladder.chain(scenario.oracle.iter().map(|oracle| oracle.limit)).collect();
        let mut goodputs: Vec<(u32, Vec<f64>)> = Vec::new();
        for limit in limits {
            let report = run(scenario, &Policy::fixed(limit), seed)?;
            goodputs.push((limit, report.phases.iter().map(|figures| figures.goodput).collect()));
        }
        let phases = scenario.phases().into_iter().zip(&scenario.oracle).enumerate();
        let phase = |(number, ([from_s, to_s], oracle)): (usize, ([f64; 2], &Oracle))| {
            let in_phase = goodputs.iter().map(|(limit, goodputs)| (*limit, goodputs[number]));
            let curve = Curve::new(in_phase, oracle.limit);
            let hangs = scenario.database.hangs(scenario.duration_s);
            Self { from_s, to_s, limit: oracle.limit, curve, hangs }
        };
        Ok(phases.map(phase).collect())
    }

    /// The seconds of a span in which the database does not hang.
    pub(super) fn working_seconds(&self, from_s: f64, to_s: f64) -> f64 {
        let hanging = |[from, to]: &[f64; 2]| (to.min(to_s) - from.max(from_s)).max(0.0);
        to_s - from_s - self.hangs.iter().map(hanging).sum::<f64>()
    }
}
