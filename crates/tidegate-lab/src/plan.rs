//! The connection math of a deployment: what `tidegate plan` works out.

use serde::Serialize;
use tidegate::{ControlLaw as _, MAX_LIMIT, PoolAimd, PoolAimdConfig};

use crate::args::PlanArgs;
use crate::faults::Faults;
use crate::parse;

/// The deployment, as meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Deployment {
    pub(crate) pool: u32,
    pub(crate) jobs: u32,
    pub(crate) experts: u32,
    pub(crate) queries: u32,
    pub(crate) connections_per_expert: u32,
    pub(crate) instances: u32,
    pub(crate) server_max: u32,
}

/// What follows from a deployment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Plan {
    pub(crate) schema: u32,
    pub(crate) deployment: Deployment,
    /// Connections one job wants at once if nothing holds it back.
    pub(crate) need_per_job: u64,
    /// Connections all jobs of one instance want at once.
    pub(crate) need: u64,
    /// What the pool lacks for that.
    pub(crate) shortfall: u64,
    /// Experts that may run at once without a chance of a deadlock: ⌊(pool − 1) ÷ (c − 1)⌋; none if c is 1.
    pub(crate) deadlock_free_ceiling: Option<u32>,
    /// Connections of one instance if the instances divide the server evenly.
    pub(crate) fleet_share: u32,
    /// Connections all pools open at most.
    pub(crate) fleet_need: u64,
    pub(crate) warnings: Vec<String>,
    /// Settings that fit; none if no setting does.
    pub(crate) suggestion: Option<Suggestion>,
}

/// Layer settings, named as the builders name them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Suggestion {
    pub(crate) pool: PoolSuggestion,
    pub(crate) limiter: LimiterSuggestion,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PoolSuggestion {
    pub(crate) max_connections: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LimiterSuggestion {
    pub(crate) name: &'static str,
    pub(crate) min_limit: u32,
    pub(crate) initial_limit: u32,
    pub(crate) max_limit: u32,
    pub(crate) connections_per_call: u32,
}

const MOST: u32 = 100_000;

/// The limiter's own ceiling where nothing else sets one, as a multiple of the pool.
const MAX_LIMIT_PER_CONNECTION: u32 = 100;

impl Deployment {
    /// Reads what was typed, with the ticket's figures where nothing was.
    ///
    /// # Errors
    ///
    /// Every field that cannot be used.
    pub(crate) fn from_args(args: &PlanArgs) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let mut read = |field, text: &Option<String>, default, min| match text {
            Some(text) => faults.take(parse::count(field, text, min, MOST)).unwrap_or(default),
            None => default,
        };
        let deployment = Self {
            pool: read("pool", &args.pool, 20, 1),
            jobs: read("jobs", &args.jobs, 5, 1),
            experts: read("experts", &args.experts, 11, 1),
            queries: read("queries", &args.queries, 2, 1),
            connections_per_expert: read("connections_per_expert", &args.connections_per_expert, 1, 1),
            instances: read("instances", &args.instances, 1, 1),
            server_max: read("server_max", &args.server_max, 100, 1),
        };
        faults.check()?;
        Ok(deployment)
    }
}

impl Plan {
    pub(crate) fn of(deployment: Deployment) -> Self {
        let d = deployment;
        // An expert wants a connection for each query it runs at once, or the set it gathers, whichever is more.
        let per_expert = u64::from(d.queries.max(d.connections_per_expert));
        let need_per_job = u64::from(d.experts) * per_expert;
        let need = u64::from(d.jobs) * need_per_job;
        let fleet_share = d.server_max / d.instances;
        Self {
            schema: 1,
            deployment,
            need_per_job,
            need,
            shortfall: need.saturating_sub(u64::from(d.pool)),
            deadlock_free_ceiling: ceiling(d.pool, d.connections_per_expert),
            fleet_share,
            fleet_need: u64::from(d.instances) * u64::from(d.pool),
            warnings: warnings(&d, need),
            suggestion: suggest(&d, fleet_share),
        }
    }
}

/// ⌊(pool − 1) ÷ (c − 1)⌋ for calls that gather `c` connections one by one.
///
/// With that many calls, all but one may each hold `c − 1` and wait, and there is still a connection for one of them.
pub(crate) fn ceiling(pool: u32, connections_per_expert: u32) -> Option<u32> {
    (connections_per_expert > 1).then(|| pool.saturating_sub(1) / (connections_per_expert - 1))
}

fn warnings(d: &Deployment, need: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    let at_once = u64::from(d.jobs) * u64::from(d.experts);
    let c = d.connections_per_expert;
    match ceiling(d.pool, c) {
        Some(0) => warnings.push(format!(
            "deadlock: one expert alone gathers {c} connections and the pool has {}, so it can never finish",
            d.pool
        )),
        Some(ceiling) if at_once > u64::from(ceiling) => warnings.push(format!(
            "deadlock: {at_once} experts that gather {c} connections each can hold all {} and wait for one another; \
             at most {ceiling} may run at once",
            d.pool
        )),
        _ => {}
    }
    let fleet = u64::from(d.instances) * u64::from(d.pool);
    if fleet > u64::from(d.server_max) {
        warnings.push(format!(
            "server: {} × pool {} = {fleet} connections exceed the server's {} by {}; a pool may have at most {}",
            d.instances,
            d.pool,
            d.server_max,
            fleet - u64::from(d.server_max),
            d.server_max / d.instances
        ));
    }
    if need > u64::from(d.pool) {
        warnings.push(format!(
            "pool: without a limit, {} of {need} wanted connections are waited for, and past the acquire timeout \
             their jobs fail",
            need - u64::from(d.pool)
        ));
    }
    warnings
}

fn suggest(d: &Deployment, fleet_share: u32) -> Option<Suggestion> {
    let pool = d.pool.min(fleet_share);
    let ceiling = ceiling(pool, d.connections_per_expert).unwrap_or(u32::MAX);
    if pool == 0 || ceiling == 0 {
        return None;
    }
    let max_limit = pool.saturating_mul(MAX_LIMIT_PER_CONNECTION).min(ceiling).min(MAX_LIMIT);
    let config = PoolAimdConfig::default()
        .min_limit(1)
        .max_limit(max_limit)
        .connections_per_call(d.connections_per_expert);
    let law = PoolAimd::new(config, pool).ok()?;
    Some(Suggestion {
        pool: PoolSuggestion { max_connections: pool },
        limiter: LimiterSuggestion {
            name: "experts",
            min_limit: 1,
            initial_limit: law.limit(),
            max_limit,
            connections_per_call: d.connections_per_expert,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKET: Deployment = Deployment {
        pool: 20,
        jobs: 5,
        experts: 11,
        queries: 2,
        connections_per_expert: 1,
        instances: 1,
        server_max: 100,
    };

    #[test]
    fn the_ticket_lacks_90_connections() {
        let plan = Plan::of(TICKET);
        assert_eq!((plan.need_per_job, plan.need, plan.shortfall), (22, 110, 90));
        assert_eq!(plan.deadlock_free_ceiling, None);
        assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
        let limiter = plan.suggestion.unwrap().limiter;
        assert_eq!((limiter.initial_limit, limiter.max_limit), (10, 2000));
    }

    #[test]
    fn a_deployment_that_fits_has_no_warning() {
        let plan = Plan::of(Deployment { jobs: 1, experts: 10, ..TICKET });
        assert_eq!((plan.shortfall, plan.warnings), (0, vec![]));
    }

    #[track_caller]
    fn check_ceiling(pool: u32, c: u32, expect: Option<u32>) {
        assert_eq!(
            Plan::of(Deployment { pool, connections_per_expert: c, ..TICKET }).deadlock_free_ceiling,
            expect
        );
    }

    #[test]
    fn the_ceiling_leaves_one_connection_for_one_call() {
        check_ceiling(20, 1, None);
        check_ceiling(20, 2, Some(19));
        check_ceiling(20, 3, Some(9));
        check_ceiling(20, 20, Some(1));
        check_ceiling(20, 21, Some(0));
        check_ceiling(1, 2, Some(0));
    }

    #[test]
    fn deadlocks_are_warned_of_and_excluded_by_the_suggestion() {
        let plan = Plan::of(Deployment { connections_per_expert: 2, ..TICKET });
        assert!(plan.warnings[0].starts_with("deadlock: 55 experts"), "{:?}", plan.warnings);
        assert!(plan.warnings[0].ends_with("at most 19 may run at once"), "{:?}", plan.warnings);
        assert_eq!(plan.suggestion.unwrap().limiter.max_limit, 19);

        let hopeless = Plan::of(Deployment { pool: 2, connections_per_expert: 3, ..TICKET });
        assert!(hopeless.warnings[0].contains("can never finish"), "{:?}", hopeless.warnings);
        assert_eq!(hopeless.suggestion, None);
    }

    /// The limiter used to refuse what was suggested for more than 10,485 connections.
    #[test]
    fn the_limiter_takes_what_is_suggested() {
        for pool in [1, 3, 20, 50, 20_000, 100_000] {
            let deployment = Deployment { pool, server_max: 100_000, ..TICKET };
            let limiter = Plan::of(deployment).suggestion.unwrap().limiter;
            let config = PoolAimdConfig::default().max_limit(limiter.max_limit);
            let law = PoolAimd::new(config.initial_limit(limiter.initial_limit), pool).unwrap();
            assert_eq!((law.limit(), limiter.initial_limit), (pool.div_ceil(2).min(20), law.limit()));
        }
    }

    #[test]
    fn a_fleet_shares_the_server() {
        let plan = Plan::of(Deployment { instances: 8, ..TICKET });
        assert_eq!((plan.fleet_need, plan.fleet_share), (160, 12));
        assert!(plan.warnings[0].starts_with("server: 8 × pool 20 = 160"), "{:?}", plan.warnings);
        assert_eq!(plan.suggestion.unwrap().pool.max_connections, 12);

        let crowded = Plan::of(Deployment { instances: 101, ..TICKET });
        assert_eq!((crowded.fleet_share, crowded.suggestion), (0, None));
    }

    #[test]
    fn every_bad_field_is_reported() {
        let args = PlanArgs {
            pool: Some("0".into()),
            instances: Some("NaN".into()),
            server_max: Some("-1".into()),
            ..PlanArgs::default()
        };
        let faults = Deployment::from_args(&args).unwrap_err();
        let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "pool is 0, allowed is a whole number from 1 to 100000");
    }
}
