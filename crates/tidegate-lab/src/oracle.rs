//! The oracle: the best fixed limit, found by trying.

use std::time::Duration;

use serde::Serialize;

use crate::db::Database;
use crate::failure::Failure;
use crate::num::{ratio, round3, to_f64};
use crate::policy::Policy;
use crate::queue::QueueKind;
use crate::run::{Glimpse, Measured, Order, run};
use crate::workload::Workload;

/// One fixed limit that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Trial {
    pub(crate) limit: u32,
    pub(crate) duration_s: f64,
    pub(crate) experts_per_s: f64,
    pub(crate) connection_errors: u64,
}

/// How a sweep goes, for those who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) limit: u32,
    pub(crate) number: usize,
    pub(crate) of: usize,
}

/// The limits of the second round: the best of the first.
const FINALISTS: usize = 3;
const TRIAL_MIN: Duration = Duration::from_secs(1);
const TRIAL_MAX: Duration = Duration::from_secs(6);

/// Tries fixed limits on short runs of the workload, the best ones twice as long again, then runs the best in full.
///
/// The best is the one with the most experts per second among those without a connection error; where every one has
/// some, the one with the fewest.
pub(crate) async fn run_best(
    database: &Database,
    workload: &Workload,
    queue: QueueKind,
    mut step: impl FnMut(Step),
    watch: impl FnMut(Glimpse<'_>),
) -> Result<(u32, Vec<Trial>, Measured), Failure> {
    let short = (workload.duration / 4).clamp(TRIAL_MIN, TRIAL_MAX).min(workload.duration);
    let limits = candidates(workload);
    let of = limits.len() + FINALISTS.min(limits.len());
    let mut sweep = Vec::new();
    for limit in limits {
        step(Step { limit, number: sweep.len() + 1, of });
        sweep.push(attempt(database, &workload.lasting(short), queue, limit).await?);
    }
    let long = (short * 2).min(workload.duration);
    let mut finals = Vec::new();
    for limit in ranked(&sweep).take(FINALISTS) {
        step(Step { limit, number: sweep.len() + finals.len() + 1, of });
        finals.push(attempt(database, &workload.lasting(long), queue, limit).await?);
    }
    let best = ranked(&finals).next().unwrap_or(workload.pool);
    sweep.extend(finals);
    let measured = run(database, workload, Order::of(Policy::Fixed(best), queue), None, watch).await?;
    Ok((best, sweep, measured))
}

async fn attempt(
    database: &Database,
    workload: &Workload,
    queue: QueueKind,
    limit: u32,
) -> Result<Trial, Failure> {
    let measured = run(database, workload, Order::of(Policy::Fixed(limit), queue), None, |_| ()).await?;
    let seconds = measured.duration.as_secs_f64();
    Ok(Trial {
        limit,
        duration_s: round3(seconds),
        experts_per_s: round3(ratio(to_f64(measured.tally.experts_ok), seconds).unwrap_or(0.0)),
        connection_errors: measured.tally.connection_errors(),
    })
}

/// Limits worth trying: every small one, then steps of about a quarter, up to all experts at once; and for each the pool
/// and its half, where the answer often lies.
fn candidates(workload: &Workload) -> Vec<u32> {
    let most = workload.experts_at_once();
    let mut limits = vec![workload.pool, workload.pool.div_ceil(2), workload.pool.saturating_sub(1), most];
    let mut limit = 1;
    while limit < most {
        limits.push(limit);
        limit += (limit / 4).max(1);
    }
    limits.retain(|limit| (1..=most).contains(limit));
    limits.sort_unstable();
    limits.dedup();
    limits
}

/// The limits that were tried, best first.
fn ranked(trials: &[Trial]) -> impl Iterator<Item = u32> + use<> {
    let mut trials = trials.to_vec();
    trials.sort_by(|a, b| {
        let by_errors = a.connection_errors.cmp(&b.connection_errors);
        by_errors.then(b.experts_per_s.total_cmp(&a.experts_per_s)).then(a.limit.cmp(&b.limit))
    });
    trials.into_iter().map(|trial| trial.limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_run_from_one_to_all_at_once() {
        let ticket = candidates(&Workload::named("ticket").unwrap());
        assert_eq!(ticket, [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 19, 20, 22, 27, 33, 41, 51, 55]);
        let think = candidates(&Workload::named("think").unwrap());
        assert_eq!((think.first(), think.last()), (Some(&1), Some(&440)));
        let one = Workload { jobs: 1, experts: 1, ..Workload::named("ticket").unwrap() };
        assert_eq!(candidates(&one), [1]);
    }

    fn trial(limit: u32, experts_per_s: f64, connection_errors: u64) -> Trial {
        Trial { limit, duration_s: 1.0, experts_per_s, connection_errors }
    }

    #[test]
    fn the_best_has_no_connection_error_and_the_most_experts() {
        let trials = [trial(5, 20.0, 0), trial(12, 49.0, 0), trial(10, 49.0, 0), trial(55, 60.0, 9)];
        assert_eq!(ranked(&trials).collect::<Vec<_>>(), [10, 12, 5, 55]);
    }
}
