use std::collections::BTreeMap;

use crate::scenario::Oracle;
use crate::{Policy, Scenario, SimError, run};

/// A limit whose goodput is this close to the best counts as good as the best.
const EQUAL: f64 = 0.995;
/// Limits on both sides of the one that is found are at most a twentieth away, or 1.
const FINE: u32 = 20;

/// The best fixed limit in each phase of a scenario: the highest mean goodput over `seeds` among the limits with which the
/// pool gives up on nobody in that phase with any of the seeds, and of those within 0.5% of it the lowest limit. `None` if
/// there is a phase in which every limit has pool timeouts.
///
/// Limits are tried from 1 to all experts of a process at once (a hundred times the pool, if jobs come by themselves), first
/// in steps of a half and then, around the best ones, ever finer down to a twentieth.
///
/// # Errors
///
/// If a run fails.
pub fn sweep(scenario: &Scenario, seeds: &[u64]) -> Result<Option<Vec<Oracle>>, SimError> {
    let phases = scenario.phases().len();
    search(most(scenario), phases, |limit| try_limit(scenario, limit, seeds))
}

/// The highest limit that can make a difference.
pub(crate) fn most(scenario: &Scenario) -> u32 {
    if scenario.load.is_open() {
        scenario.pool.max.saturating_mul(100)
    } else {
        scenario.load.jobs_max().saturating_mul(scenario.load.experts)
    }
}

/// Limits from 1 to the highest, each higher by one part of so many.
pub(crate) fn ladder(most: u32, parts: u32) -> impl Iterator<Item = u32> {
    let next = move |limit: &u32| (*limit < most).then(|| (limit + limit.div_ceil(parts)).min(most));
    std::iter::successors(Some(1), next)
}

/// The mean goodput of a limit in each phase, where it has no timeout in any run.
type Trial = Vec<Option<f64>>;

fn try_limit(scenario: &Scenario, limit: u32, seeds: &[u64]) -> Result<Trial, SimError> {
    let share = 1.0 / u32::try_from(seeds.len()).map_or(f64::INFINITY, f64::from);
    let mut trial = vec![Some(0.0); scenario.phases().len()];
    for &seed in seeds {
        let report = run(scenario, &Policy::fixed(limit), seed)?;
        for (sum, figures) in trial.iter_mut().zip(&report.phases) {
            *sum = sum.filter(|_| figures.pool_timeouts == 0).map(|sum| sum + share * figures.goodput);
        }
        // Other seeds would tell nothing more.
        if trial.iter().all(Option::is_none) {
            break;
        }
    }
    Ok(trial)
}

/// Tries limits until, in each phase, those around the best and around the lowest good one are known finely enough.
fn search(
    most: u32,
    phases: usize,
    mut try_limit: impl FnMut(u32) -> Result<Trial, SimError>,
) -> Result<Option<Vec<Oracle>>, SimError> {
    let mut wanted: Vec<u32> = ladder(most, 2).collect();
    let mut trials = BTreeMap::new();
    loop {
        for limit in std::mem::take(&mut wanted) {
            trials.insert(limit, try_limit(limit)?);
        }
        let phase =
            |phase| best(trials.iter().filter_map(move |(&limit, trial)| Some((limit, trial[phase]?))));
        let found: Option<Vec<Best>> = (0..phases).map(phase).collect();
        // Below a limit that is already too high, the lowest is 1, and that was tried.
        let Some(found) = found else { return Ok(None) };
        for best in &found {
            wanted.extend(between(&trials, best.highest));
            wanted.extend(between(&trials, best.lowest));
        }
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            let oracle = |best: Best| Oracle { limit: best.lowest, goodput: best.goodput };
            return Ok(Some(found.into_iter().map(oracle).collect()));
        }
    }
}

struct Best {
    goodput: f64,
    /// The limit that has it.
    highest: u32,
    /// The lowest limit that is as good.
    lowest: u32,
}

fn best(safe: impl Iterator<Item = (u32, f64)> + Clone) -> Option<Best> {
    let (highest, goodput) = safe.clone().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let (lowest, _) = safe.into_iter().find(|(_, found)| *found >= EQUAL * goodput)?;
    Some(Best { goodput, highest, lowest })
}

/// Limits halfway to the next ones that were tried on both sides, where these are not near enough.
fn between(trials: &BTreeMap<u32, Trial>, limit: u32) -> impl Iterator<Item = u32> {
    let below = trials.range(..limit).next_back().map(|(&below, _)| (below, limit));
    let above = trials.range(limit + 1..).next().map(|(&above, _)| (limit, above));
    let gaps = below.into_iter().chain(above);
    gaps.filter(|(from, to)| to - from > (from / FINE).max(1)).map(|(from, to)| from.midpoint(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks for the best of one phase; the limit that is found and how many were tried.
    fn find(most: u32, trial: impl Fn(u32) -> Option<f64>) -> (Option<u32>, u32) {
        let mut tried = 0;
        let found = search(most, 1, |limit| {
            tried += 1;
            Ok(vec![trial(limit)])
        });
        (found.unwrap().map(|oracle| oracle[0].limit), tried)
    }

    #[track_caller]
    fn check(most: u32, trial: impl Fn(u32) -> Option<f64>, limits: std::ops::RangeInclusive<u32>) {
        let (limit, tried) = find(most, trial);
        assert!(limit.is_some_and(|limit| limits.contains(&limit)), "{limit:?}");
        assert!(tried <= 40, "{tried} limits were tried");
    }

    #[test]
    fn the_lowest_limit_of_a_plateau_is_found() {
        let flat_from = |knee: u32| move |limit: u32| Some(f64::from(limit.min(knee)));
        check(20, flat_from(13), 13..=13);
        check(2_000, flat_from(900), 896..=945);
        check(2_000, flat_from(1), 1..=1);
        check(1, flat_from(1), 1..=1);
    }

    #[test]
    fn the_peak_of_a_database_that_thrashes_is_found() {
        let usl = |limit: u32| {
            let n = f64::from(limit);
            Some(n / (1.0 + 0.02 * (n - 1.0) + 0.01 * n * (n - 1.0)))
        };
        // √((1 − 0.02) / 0.01) = 9.9; 9 is within 0.5% of it.
        check(550, usl, 9..=10);
    }

    #[test]
    fn the_highest_limit_before_the_first_timeout_is_found() {
        let safe_to = |edge: u32| move |limit: u32| (limit <= edge).then(|| f64::from(limit));
        check(1_000, safe_to(19), 19..=19);
        check(1_000, safe_to(217), 206..=217);
        assert_eq!(find(1_000, |_| None).0, None);
    }

    #[test]
    fn each_phase_has_its_own() {
        let trial =
            |limit: u32| Ok(vec![Some(f64::from(limit.min(50))), (limit <= 7).then(|| f64::from(limit))]);
        let oracles = search(300, 2, trial).unwrap().unwrap();
        assert!((50..=52).contains(&oracles[0].limit) && oracles[1].limit == 7, "{oracles:?}");
    }
}
