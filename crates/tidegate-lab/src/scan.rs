//! What `deep-scan` was asked to do, as meant: every value checked, every default filled in.

use std::time::Duration;

use crate::args::DeepScanArgs;
use crate::db::Target;
use crate::faults::{Fault, Faults};
use crate::files::OutFile;
use crate::parse;
use crate::plan::ceiling;
use crate::policy::Policy;
use crate::queue::QueueKind;
use crate::workload::{NAMES, QueryMode, Statements, Workload};

/// A checked order for `deep-scan`.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) target: Target,
    pub(crate) queue: QueueKind,
    pub(crate) workload: Workload,
    pub(crate) policies: Vec<Policy>,
    pub(crate) bounds: Bounds,
    /// Whether the user wants to watch.
    pub(crate) live: bool,
    pub(crate) json: Option<OutFile>,
    pub(crate) report: Option<OutFile>,
    pub(crate) trace: Option<OutFile>,
}

/// Where the adaptive limit may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
}

/// More connections than this each with a thread of its own and three open files would end the process, not the pool.
const SQLITE_POOL_MAX: u32 = 200;
pub(crate) const POOL_MAX: u32 = 10_000;
const JOBS_MAX: u32 = 10_000;
const EXPERTS_MAX: u32 = 1_000;
const EXPERTS_AT_ONCE_MAX: u32 = 100_000;
const QUERIES_MAX: u32 = 100;
const LIMIT_MAX: u32 = 100_000;
const HOLD_MAX: Duration = Duration::from_secs(600);
pub(crate) const TIMEOUT_MIN: Duration = Duration::from_millis(1);
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(3600);
pub(crate) const DURATION_MIN: Duration = Duration::from_millis(500);
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);

const DEFAULT_POLICIES: &str = "none,per-job:5,adaptive";

impl Scan {
    /// Reads what was typed.
    ///
    /// # Errors
    ///
    /// Every field that cannot be used; nothing was made or connected to.
    pub(crate) fn from_args(args: &DeepScanArgs) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let target = faults.take(Target::asked(args.database_url.as_deref()));
        let queue = queue(args, target.as_ref(), &mut faults);
        let policies = faults.take(Policy::list(args.policy.as_deref().unwrap_or(DEFAULT_POLICIES)));
        let named = faults.take(named(args.workload.as_deref().unwrap_or("ticket")));
        // Where the name is wrong the other fields are still worth checking.
        let mut workload = named.or_else(|| Workload::named("ticket"));
        if let Some(workload) = &mut workload {
            override_counts(workload, args, &mut faults);
            override_times(workload, args, &mut faults);
            check_together(workload, target.as_ref(), &mut faults);
        }
        let bounds = bounds(args, workload.as_ref(), &mut faults);
        let json = faults.take(OutFile::asked("json", args.json.as_deref())).flatten();
        let report = faults.take(OutFile::asked("report", args.report.as_deref())).flatten();
        let trace = faults.take(OutFile::asked("trace", args.trace.as_deref())).flatten();
        OutFile::check_distinct([&json, &report, &trace], &mut faults);
        if let (Some(_), Some(policies)) = (&trace, &policies) {
            let given = args.policy.as_deref().unwrap_or(DEFAULT_POLICIES);
            let is_one = policies.len() == 1 && policies[0] != Policy::Oracle;
            faults.require(is_one, "policy", given, "one policy other than oracle where a trace is written");
        }
        faults.check()?;
        match (target, workload, policies) {
            (Some(target), Some(workload), Some(policies)) => {
                let live = args.live;
                Ok(Self { target, queue, workload, policies, bounds, live, json, report, trace })
            }
            // Each of them is missing only with a fault, which was returned above.
            _ => Err(faults),
        }
    }
}

fn queue(args: &DeepScanArgs, target: Option<&Target>, faults: &mut Faults) -> QueueKind {
    let Some(name) = &args.queue else { return QueueKind::None };
    let queue = faults.take(QueueKind::named(name)).unwrap_or_default();
    if queue == QueueKind::Apalis {
        let has_backend = !matches!(target, Some(Target::MySql { .. }));
        faults.require(
            has_backend,
            "queue",
            name,
            "none on MySQL and MariaDB; apalis on PostgreSQL and SQLite",
        );
    }
    queue
}

pub(crate) fn named(name: &str) -> Result<Workload, Fault> {
    Workload::named(name).ok_or_else(|| Fault::new("workload", name, NAMES.join(", ")))
}

fn override_counts(workload: &mut Workload, args: &DeepScanArgs, faults: &mut Faults) {
    let mut set = |field, text: &Option<String>, max, value: &mut u32| {
        if let Some(text) = text {
            *value = faults.take(parse::count(field, text, 1, max)).unwrap_or(*value);
        }
    };
    set("jobs", &args.jobs, JOBS_MAX, &mut workload.jobs);
    set("experts", &args.experts, EXPERTS_MAX, &mut workload.experts);
    set("queries", &args.queries, QUERIES_MAX, &mut workload.queries);
    set("pool", &args.pool, POOL_MAX, &mut workload.pool);
    if let Some(text) = &args.query_mode {
        let mode = QueryMode::named(text.trim());
        faults.require(mode.is_some(), "query_mode", text, "parallel, sequential or nested");
        workload.query_mode = mode.unwrap_or(workload.query_mode);
    }
}

fn override_times(workload: &mut Workload, args: &DeepScanArgs, faults: &mut Faults) {
    let mut set = |value: &mut Duration, parsed: Option<Result<Duration, Fault>>| {
        if let Some(parsed) = parsed {
            *value = faults.take(parsed).unwrap_or(*value);
        }
    };
    let ms = |field, text: &Option<String>| text.as_deref().map(|text| parse::millis(field, text, HOLD_MAX));
    set(&mut workload.query_time, ms("query_ms", &args.query_ms));
    set(&mut workload.think_time, ms("think_ms", &args.think_ms));
    let timeout = args.acquire_timeout.as_deref();
    let timeout = timeout.map(|text| parse::span("acquire_timeout", text, TIMEOUT_MIN, TIMEOUT_MAX));
    set(&mut workload.acquire_timeout, timeout);
    let duration = args.duration.as_deref();
    set(
        &mut workload.duration,
        duration.map(|text| parse::span("duration", text, DURATION_MIN, DURATION_MAX)),
    );
}

fn check_together(workload: &Workload, target: Option<&Target>, faults: &mut Faults) {
    faults.require(
        workload.experts_at_once() <= EXPERTS_AT_ONCE_MAX,
        "experts",
        format_args!("{} × {} jobs", workload.experts, workload.jobs),
        format_args!("at most {EXPERTS_AT_ONCE_MAX} experts of all jobs together"),
    );
    if workload.query_mode == QueryMode::Nested {
        faults.require(
            workload.queries >= 2,
            "queries",
            workload.queries,
            "2 or more where queries are nested",
        );
        faults.require(workload.pool >= 2, "pool", workload.pool, "2 or more where queries are nested");
    }
    if target.is_some_and(Target::is_sqlite) {
        let pool = workload.pool;
        faults.require(
            pool <= SQLITE_POOL_MAX,
            "pool",
            pool,
            format_args!("1 to {SQLITE_POOL_MAX} on SQLite"),
        );
        faults.require(
            workload.statements == Statements::Spread,
            "workload",
            workload.name,
            "a workload other than thrash on SQLite; thrash needs --database-url of a PostgreSQL, MySQL or MariaDB server",
        );
    }
}

fn bounds(args: &DeepScanArgs, workload: Option<&Workload>, faults: &mut Faults) -> Bounds {
    let mut read = |field, text: &Option<String>| {
        text.as_deref().and_then(|text| faults.take(parse::count(field, text, 1, LIMIT_MAX)))
    };
    let bounds = Bounds { min: read("min_limit", &args.min_limit), max: read("max_limit", &args.max_limit) };
    if let (Some(min), Some(max)) = (bounds.min, bounds.max) {
        faults.require(min <= max, "min_limit", min, format_args!("1 to the max_limit, {max}"));
    }
    let ceiling = workload.and_then(|workload| ceiling(workload.pool, workload.connections_per_call()));
    if let (Some(min), Some(ceiling)) = (bounds.min, ceiling) {
        let allowed = format_args!("1 to {ceiling}, above which nested queries can deadlock the pool");
        faults.require(min <= ceiling, "min_limit", min, allowed);
    }
    bounds
}

#[cfg(test)]
mod tests;
