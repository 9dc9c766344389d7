use crate::scenario::Oracle;
use crate::{Policy, Scenario, SimError, run};

/// A limit whose goodput is this close to the best counts as good as the best.
const EQUAL: f64 = 0.995;

/// The best fixed limit for a scenario: the highest mean goodput over `seeds` among the limits of `limits` with which the
/// pool gives up on nobody, and of those within 0.5% of it the lowest limit. `None` if every limit has pool timeouts.
///
/// # Errors
///
/// If a run fails.
pub fn sweep(scenario: &Scenario, limits: &[u32], seeds: &[u64]) -> Result<Option<Oracle>, SimError> {
    let mut safe: Vec<Oracle> = Vec::new();
    for &limit in limits {
        let mut goodput = 0.0;
        let mut timeouts = 0;
        for &seed in seeds {
            let report = run(scenario, &Policy::fixed(limit), seed)?;
            timeouts += report.whole.pool_timeouts;
            goodput += report.whole.goodput;
        }
        if timeouts == 0 {
            let runs = u32::try_from(seeds.len()).map_or(f64::INFINITY, f64::from);
            safe.push(Oracle { limit, goodput: goodput / runs });
        }
    }
    let best = safe.iter().map(|oracle| oracle.goodput).fold(0.0, f64::max);
    let good = safe.iter().filter(|oracle| oracle.goodput >= EQUAL * best);
    Ok(good.min_by_key(|oracle| oracle.limit).map(|oracle| Oracle { limit: oracle.limit, goodput: best }))
}

/// Limits to sweep, from 1 to all experts at once in steps of about a tenth.
#[must_use]
pub fn sweep_limits(scenario: &Scenario) -> Vec<u32> {
    let most = scenario.load.jobs.saturating_mul(scenario.load.experts);
    let next = |limit: &u32| (*limit < most).then(|| (limit + limit.div_ceil(10)).min(most));
    std::iter::successors(Some(1), next).collect()
}
