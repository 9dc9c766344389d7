//! The simulator's twin of a workload: the same demand, with what a query was seen to cost.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tidegate_sim::Scenario;

use crate::calls::{Calls, mode};
use crate::db::Database;
use crate::failure::Failure;
use crate::num::to_ms;
use crate::policy::Policy;
use crate::queue::QueueKind;
use crate::run::{Order, run};
use crate::workload::{BURST, BURST_PERIOD, QueryMode, SLOWDOWN_FACTOR, Shape, Statements, Workload};

/// What the simulator cannot know of a database.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Costs {
    /// How long a query holds its connection on average, its statements included, when the whole pool is at work.
    pub(super) query_ms: f64,
    /// How that scatters: standard deviation over mean.
    pub(super) query_cv: f64,
    /// From asking the pool to holding a connection that is free and open.
    pub(super) ping_ms: f64,
    /// The same with a connection that has to be opened, with the others of the pool.
    pub(super) connect_ms: f64,
}

const MEASURED: Duration = Duration::from_secs(3);

impl Costs {
    /// Measures it on a run in which every connection is at work and nobody waits for one: without think time, and with as
    /// many experts at once as the pool has connections for.
    pub(super) async fn measure(database: &Database, workload: &Workload) -> Result<Self, Failure> {
        let wanted = if workload.query_mode == QueryMode::Parallel { workload.queries } else { 1 };
        let connections = wanted.max(workload.connections_per_call());
        let experts = (workload.pool / connections).max(1);
        let plain = Workload {
            think_time: Duration::ZERO,
            shape: Shape::Steady,
            jobs: workload.jobs.max(experts.div_ceil(workload.experts)),
            ..workload.lasting(MEASURED)
        };
        let calls = Some(Calls::begin());
        let seen =
            run(database, &plain, Order::of(Policy::Fixed(experts), QueueKind::None), calls, |_| ()).await?;
        let (query_ms, query_cv) =
            seen.use_ms.ok_or_else(|| Failure::work("no query came to its end in three seconds"))?;
        let wait = &seen.tally.pool_wait;
        let ping_ms = wait.quantile(0.5).map_or(0.5, to_ms);
        Ok(Self { query_ms, query_cv, ping_ms, connect_ms: wait.max().map_or(20.0, to_ms).max(ping_ms) })
    }
}

/// Whether the simulator can play it.
pub(super) fn can_play(workload: &Workload) -> bool {
    workload.statements == Statements::Spread
        && workload.big_job_experts == 0
        && workload.updates == 0
        && workload.tries == 1
}

/// The scenario of a workload.
pub(super) fn twin(workload: &Workload, costs: Costs) -> Result<Scenario, Failure> {
    let lognormal = json!({ "lognormal": { "cv": costs.query_cv } });
    let mut load = json!({
        "jobs": workload.jobs,
        "experts": workload.experts,
        "queries": workload.queries,
        "mode": mode(workload.query_mode),
        "think": { "mean_ms": to_ms(workload.think_time), "distribution": "deterministic" },
        // The lab starts the next job at once.
        "retry_pause_ms": 1,
    });
    let mut changes = Vec::new();
    match workload.shape {
        Shape::Steady => {}
        Shape::Burst => {
            let off = BURST_PERIOD.saturating_sub(BURST);
            load["bursts"] = json!({ "on_ms": to_ms(BURST), "off_ms": to_ms(off) });
        }
        Shape::Slowdown => {
            let third = (workload.duration / 3).as_secs_f64();
            changes.push(json!({ "at_s": third, "speed": 1.0 / f64::from(SLOWDOWN_FACTOR) }));
            changes.push(json!({ "at_s": 2.0 * third, "speed": 1 }));
        }
    }
    let scenario = json!({
        "name": workload.name,
        "about": "a workload of the lab",
        "seeds": [1],
        "duration_s": workload.duration.as_secs_f64(),
        "load": load,
        "pool": {
            "max": workload.pool,
            "acquire_timeout_ms": to_ms(workload.acquire_timeout),
            "ping_ms": costs.ping_ms,
            "connect_ms": costs.connect_ms,
        },
        "database": { "query": { "mean_ms": costs.query_ms, "distribution": lognormal }, "changes": changes },
        "limiter": { "connections_per_call": workload.connections_per_call() },
    });
    Scenario::parse(&text(&scenario)?).map_err(Failure::work)
}

fn text(scenario: &Value) -> Result<String, Failure> {
    Ok(toml::to_string(scenario)?)
}

#[cfg(test)]
mod tests {
    use tidegate_sim::{Policy as Law, run as simulate};

    use super::*;
    use crate::workload::NAMES;

    const COSTS: Costs = Costs { query_ms: 20.0, query_cv: 0.1, ping_ms: 0.5, connect_ms: 10.0 };

    #[test]
    fn every_workload_of_spread_statements_has_a_twin() {
        for name in NAMES {
            let workload = Workload::named(name).unwrap();
            if can_play(&workload) {
                let scenario = twin(&workload, COSTS).unwrap();
                assert_eq!((scenario.load.jobs, scenario.pool.max), (workload.jobs, workload.pool), "{name}");
                assert_eq!(scenario.load.bursts.is_some(), name == "burst");
                let held = if name == "nested" { 2 } else { 1 };
                assert_eq!(scenario.limiter.connections_per_call, held, "{name}");
            } else {
                assert!(["thrash", "retries", "n-plus-one", "jobs-mixed"].contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn the_twin_of_slowdown_is_slow_in_its_middle_third() {
        let slowdown = Workload::named("slowdown").unwrap().lasting(Duration::from_secs(9));
        let report = simulate(&twin(&slowdown, COSTS).unwrap(), &Law::fixed(10), 1).unwrap();
        let done: Vec<u32> = report.goodput_bins.chunks(30).map(|third| third.iter().sum()).collect();
        assert!(done[1] * 4 < done[0] && done[1] * 4 < done[2], "{done:?}");
    }
}
