use tidegate_core::{ConfigChecks, ConfigError, MAX_LIMIT};

use super::Scenario;
use crate::random::{Distribution, Span};

/// A day: longer spans are a slip of the unit.
pub(crate) const MS_MAX: f64 = 86_400_000.0;
/// A phase lasts for more than no time, in seconds.
const MOMENT: f64 = 0.001;

impl Scenario {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let mut checks = Checks::default();
        checks.count("seeds", self.seeds.len().try_into().unwrap_or(u32::MAX));
        checks.within("duration_s", self.duration_s, 0.1, 86_400.0);
        checks.count_within("processes", self.processes, 1, 10_000);
        self.check_load(&mut checks);
        self.check_load_changes(&mut checks);
        self.check_pool(&mut checks);
        self.database.check(&mut checks, self.duration_s);
        self.check_phases(&mut checks);
        self.check_expectations(&mut checks);
        checks.finish()
    }

    fn check_phases(&self, checks: &mut Checks) {
        let mut from = 0.0;
        for &phase in &self.phases_s {
            checks.within("phases_s", phase, from + MOMENT, self.duration_s - MOMENT);
            from = phase;
        }
        for oracle in &self.oracle {
            checks.count("oracle.limit", oracle.limit);
            checks.within("oracle.goodput", oracle.goodput, 0.0, f64::MAX);
        }
        let (given, phases) = (self.oracle.len(), self.phases_s.len() + 1);
        checks.0.require(
            given == 0 || given == phases,
            "oracle",
            format_args!("{given} entries"),
            format_args!("{phases}, one for each phase, or none"),
        );
    }

    fn check_expectations(&self, checks: &mut Checks) {
        for expectation in &self.expectations {
            if expectation.statistic.needs_oracle() {
                checks.0.require(
                    !self.oracle.is_empty(),
                    "oracle",
                    "absent",
                    "present (the expectations need it)",
                );
            }
            let [from, to] = expectation.during_s.unwrap_or([0.0, self.duration_s]);
            checks.within("expect.during_s (start)", from, 0.0, self.duration_s);
            checks.within("expect.during_s (end)", to, from.max(f64::MIN_POSITIVE), self.duration_s);
        }
    }

    fn check_load(&self, checks: &mut Checks) {
        let load = &self.load;
        checks.within("load.arrivals_per_s", load.arrivals_per_s, 0.0, 1e6);
        let has_jobs = load.is_open() || load.jobs_max() > 0;
        checks.0.require(
            has_jobs && load.jobs_max() <= MAX_LIMIT,
            "load.jobs",
            load.jobs,
            format_args!("1 to {MAX_LIMIT}, or 0 with load.arrivals_per_s above 0"),
        );
        checks.count("load.experts", load.experts);
        checks.count("load.queries", load.queries);
        checks.span("load.think.mean_ms", &load.think, 0.0);
        if let Some(patience) = &load.patience {
            checks.span("load.patience.mean_ms", patience, 1.0);
        }
        // Without any pause a job that fails at once would start again at the same moment, for ever.
        checks.within("load.retry_pause_ms", load.retry_pause_ms, 1.0, MS_MAX);
        if let Some(bursts) = load.bursts {
            checks.within("load.bursts.on_ms", bursts.on_ms, 1.0, MS_MAX);
            checks.within("load.bursts.off_ms", bursts.off_ms, 0.0, MS_MAX);
        }
    }

    fn check_load_changes(&self, checks: &mut Checks) {
        let mut rest = 1.0;
        for kind in &self.load.kinds {
            checks.within("load.kinds.share", kind.share, 0.0, rest);
            rest = (rest - kind.share).max(0.0);
            checks.within("load.kinds.work", kind.work, 0.001, 1e6);
            if let Some(queries) = kind.queries {
                checks.count("load.kinds.queries", queries);
            }
            if let Some(think) = &kind.think {
                checks.span("load.kinds.think.mean_ms", think, 0.0);
            }
            if let Some(patience) = &kind.patience {
                checks.span("load.kinds.patience.mean_ms", patience, 1.0);
            }
        }
        let mut from = 0.0;
        for change in &self.load.changes {
            checks.within("load.changes.at_s", change.at_s, from, self.duration_s);
            from = change.at_s;
            let last = f64::from(self.processes) - 1.0;
            checks.within("load.changes.process", change.process.unwrap_or(0).into(), 0.0, last);
            checks.within("load.changes.arrivals_per_s", change.arrivals_per_s.unwrap_or(0.0), 0.0, 1e6);
        }
    }

    fn check_pool(&self, checks: &mut Checks) {
        let pool = &self.pool;
        checks.count("pool.max", pool.max);
        // A call that holds more than the pool has would wait for itself.
        checks.count_within("limiter.connections_per_call", self.limiter.connections_per_call, 1, pool.max);
        if let Some(reserve) = pool.reserve {
            let least = pool.resizes.iter().map(|resize| resize.max).fold(pool.max, u32::min);
            checks.count_within("pool.reserve", reserve, 2, least);
        }
        checks.within("pool.acquire_timeout_ms", pool.acquire_timeout_ms, 1.0, MS_MAX);
        checks.within("pool.connect_ms", pool.connect_ms, 0.0, MS_MAX);
        checks.within("pool.ping_ms", pool.ping_ms, 0.0, MS_MAX);
        let mut from = 0.0;
        for resize in &pool.resizes {
            checks.within("pool.resizes.at_s", resize.at_s, from, self.duration_s);
            checks.count("pool.resizes.max", resize.max);
            from = resize.at_s;
        }
        for tenant in &pool.tenants {
            checks.within("pool.tenants.from_s", tenant.from_s, 0.0, self.duration_s);
            checks.within("pool.tenants.to_s", tenant.to_s, tenant.from_s.max(0.0), 86_400.0);
            checks.count("pool.tenants.connections", tenant.connections);
        }
    }
}

/// The faults found so far.
#[derive(Default)]
pub(crate) struct Checks(ConfigChecks);

impl Checks {
    /// NaN lies in no range.
    pub(crate) fn within(&mut self, field: &'static str, given: f64, min: f64, max: f64) {
        self.0.require((min..=max).contains(&given), field, given, format_args!("{min} to {max}"));
    }

    pub(super) fn count(&mut self, field: &'static str, given: u32) {
        self.count_within(field, given, 1, MAX_LIMIT);
    }

    pub(super) fn span(&mut self, field: &'static str, given: &Span, min: f64) {
        self.within(field, given.mean_ms, min, MS_MAX);
        match given.distribution {
            Distribution::Deterministic | Distribution::Exponential => {}
            Distribution::Lognormal { cv } => self.within("lognormal.cv", cv, 0.0, 100.0),
            // Up to a shape of 1 the mean is infinite.
            Distribution::Pareto { alpha } => self.within("pareto.alpha", alpha, 1.01, 100.0),
        }
    }

    /// A whole number within a range of its own.
    pub(crate) fn count_within(&mut self, field: &'static str, given: u32, min: u32, max: u32) {
        self.0.require((min..=max).contains(&given), field, given, format_args!("{min} to {max}"));
    }

    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        self.0.finish(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "good"
        about = "a test"
        seeds = [1]
        duration_s = 10.0
        load = { jobs = 1, experts = 2, queries = 1, think = { mean_ms = 1.5 } }
        pool = { max = 4, acquire_timeout_ms = 1000 }
        database = { query = { mean_ms = 20 }, changes = [{ at_s = 1, speed = 0 }] }
        expect = [{ statistic = "goodput", min = 1 }]
    "#;

    #[track_caller]
    fn check(replace: &str, with: &str, message: &str) {
        assert!(GOOD.contains(replace), "{replace}");
        let error = Scenario::parse(&GOOD.replace(replace, with)).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn a_good_scenario_is_read_with_its_defaults() {
        let scenario = Scenario::parse(GOOD).unwrap();
        assert_eq!((scenario.tests_laws, scenario.limiter.connections_per_call), (false, 1));
        assert!((scenario.load.retry_pause_ms - 500.0).abs() < 1e-9);
    }

    #[test]
    fn every_fault_is_named_with_its_range() {
        check("jobs = 1", "jobs = 0", "scenario good: load.jobs is 0, allowed is 1 to 1048575, or 0 with");
        check("duration_s = 10.0", "duration_s = nan", "duration_s is NaN, allowed is 0.1 to 86400");
        check("mean_ms = 1.5", "mean_ms = -1", "load.think.mean_ms is -1");
        check("speed = 0", "speed = inf", "database.changes.speed is inf");
        check("at_s = 1", "at_s = 11", "database.changes.at_s is 11, allowed is 0 to 10");
        check(
            "mean_ms = 20",
            "mean_ms = 20, distribution = { pareto = { alpha = 1 } }",
            "pareto.alpha is 1, allowed is 1.01 to 100",
        );
        check(
            "mean_ms = 1.5",
            "mean_ms = 1, distribution = { lognormal = { cv = -1 } }",
            "lognormal.cv is -1, allowed is 0 to 100",
        );
        check("seeds = [1]", "seeds = []", "seeds is 0");
        check("goodput\"", "goodput_of_oracle\"", "oracle is absent");
        check("seeds = [1]", "seeds = [1]\nphases_s = [4, 4]", "phases_s is 4, allowed is 4.001 to 9.999");
        check("seeds = [1]", "seeds = [1]\nprocesses = 0", "processes is 0, allowed is 1 to 10000");
        check(
            "seeds = [1]",
            "seeds = [1]\nphases_s = [4]\noracle = [{ limit = 1, goodput = 1 }]",
            "oracle is 1 entries, allowed is 2, one for each phase, or none",
        );
        check(
            "jobs = 1",
            "jobs = 1, arrivals_per_s = -1",
            "load.arrivals_per_s is -1, allowed is 0 to 1000000",
        );
        check(
            "jobs = 1",
            "jobs = 1, kinds = [{ share = 0.75 }, { share = 0.5 }]",
            "load.kinds.share is 0.5, allowed is 0 to 0.25",
        );
        check(
            "jobs = 1",
            "jobs = 1, changes = [{ at_s = 5, process = 1, jobs = 0 }]",
            "load.changes.process is 1, allowed is 0 to 0",
        );
        check(
            "max = 4",
            "max = 4, resizes = [{ at_s = 1, max = 0 }]",
            "pool.resizes.max is 0, allowed is 1 to",
        );
        check(
            "max = 4",
            "max = 4, tenants = [{ from_s = 5, to_s = 4, connections = 1 }]",
            "pool.tenants.to_s is 4, allowed is 5 to",
        );
        check("min = 1", "min = 1, during_s = [5, 4]", "expect.during_s (end) is 4, allowed is 5 to 10");
        check(
            "seeds = [1]",
            "seeds = [1]\nlimiter = { connections_per_call = 5 }",
            "limiter.connections_per_call is 5, allowed is 1 to 4",
        );
        check("max = 4", "max = 4, reserve = 5", "pool.reserve is 5, allowed is 2 to 4");
        check(
            "max = 4",
            "max = 4, reserve = 3, resizes = [{ at_s = 1, max = 2 }]",
            "pool.reserve is 3, allowed is 2 to 2",
        );
        check("max = 4", "max = 4, colour = 1", "unknown field `colour`");
        check("min = 1", "", "neither");
    }
}
