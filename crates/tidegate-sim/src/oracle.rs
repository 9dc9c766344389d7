use crate::scenario::Oracle;
use crate::{Policy, Scenario, SimError, run};

/// A limit whose goodput is this close to the best counts as good as the best.
const EQUAL: f64 = 0.995;

/// The best fixed limit in each phase of a scenario: the highest mean goodput over `seeds` among the limits of `limits` with
/// which the pool gives up on nobody in that phase, and of those within 0.5% of it the lowest limit. `None` if there is a
/// phase in which every limit has pool timeouts.
///
/// # Errors
///
/// If a run fails.
pub fn sweep(scenario: &Scenario, limits: &[u32], seeds: &[u64]) -> Result<Option<Vec<Oracle>>, SimError> {
    let mut safe: Vec<Vec<Oracle>> = vec![Vec::new(); scenario.phases().len()];
    for &limit in limits {
        let mut reports = Vec::new();
        for &seed in seeds {
            reports.push(run(scenario, &Policy::fixed(limit), seed)?);
        }
        let runs = u32::try_from(seeds.len()).map_or(f64::INFINITY, f64::from);
        for (phase, safe) in safe.iter_mut().enumerate() {
            let figures = reports.iter().map(|report| &report.phases[phase]);
            if figures.clone().all(|figures| figures.pool_timeouts == 0) {
                let goodput = figures.map(|figures| figures.goodput).sum::<f64>() / runs;
                safe.push(Oracle { limit, goodput });
            }
        }
    }
    Ok(safe.iter().map(|safe| best(safe)).collect())
}

fn best(safe: &[Oracle]) -> Option<Oracle> {
    let goodput = safe.iter().map(|oracle| oracle.goodput).fold(0.0, f64::max);
    let good = safe.iter().filter(|oracle| oracle.goodput >= EQUAL * goodput);
    good.min_by_key(|oracle| oracle.limit).map(|oracle| Oracle { limit: oracle.limit, goodput })
}

/// Limits to sweep, from 1 to all experts of a process at once in steps of about a tenth; to a hundred times the pool, if
/// jobs come by themselves.
#[must_use]
pub fn sweep_limits(scenario: &Scenario) -> Vec<u32> {
    let most = if scenario.load.is_open() {
        scenario.pool.max.saturating_mul(100)
    } else {
        scenario.load.jobs_max().saturating_mul(scenario.load.experts)
    };
    let next = |limit: &u32| (*limit < most).then(|| (limit + limit.div_ceil(10)).min(most));
    std::iter::successors(Some(1), next).collect()
}
