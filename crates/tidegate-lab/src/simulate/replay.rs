//! `tidegate simulate --trace`: what another setting would have done with recorded calls.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tidegate_sim::scoreboard::limited;
use tidegate_sim::{Policy, Report, Scenario, SimError, Trace, TraceOutcome, run};

use super::crew::share_out;
use super::order::laws;
use super::progress::Progress;
use super::unless_stopped;
use crate::args::SimulateArgs;
use crate::failure::Failure;
use crate::faults::{Fault, Faults};
use crate::files::OutFile;
use crate::num::{round3, to_ms};
use crate::recorder::Times;
use crate::scan::{POOL_MAX, TIMEOUT_MAX, TIMEOUT_MIN};
use crate::table::{number, table};
use crate::{parse, say};

/// What came of a trace: what was recorded, and what each law makes of it. It is the JSON, schema 1.
#[derive(Debug, Serialize)]
struct Replay {
    schema: u32,
    pool: u32,
    acquire_timeout_ms: f64,
    laws: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    law: String,
    done: u32,
    failed: u32,
    /// Calls that had not ended when the simulation did.
    unfinished: u32,
    /// Acquires that the pool gave up on; unknown of what was recorded.
    timeouts: Option<u32>,
    /// From the arrival to the end, of calls that were done.
    call_p50_ms: Option<f64>,
    call_p99_ms: Option<f64>,
    pool_wait_p99_ms: Option<f64>,
    /// While calls came.
    limit_mean: Option<f64>,
}

/// Plays the trace under each law and shows what came of it.
///
/// # Errors
///
/// Bad input, before any run; a run that fails; a signal; a report that cannot be written.
pub(super) async fn replay(args: &SimulateArgs) -> Result<(), Failure> {
    let (trace, scenario, laws, json) = read(args)?;
    let played = unless_stopped(move || {
        let progress = Progress::begin("laws", laws.len());
        let rows = share_out(laws.len(), |number| {
            let row = Row::of(&scenario, &laws[number]);
            progress.ended(laws[number].name());
            row
        });
        rows.map(|rows| (scenario, rows))
    });
    let (scenario, mut rows) = played.await?.map_err(Failure::work)?;
    rows.insert(0, Row::recorded(&trace));
    let replay = Replay {
        schema: 1,
        pool: scenario.pool.max,
        acquire_timeout_ms: scenario.pool.acquire_timeout_ms,
        laws: rows,
    };
    let said = say(&format!("{}\n", shown(&replay)));
    if let Some(file) = json {
        file.write(&serde_json::to_string(&replay)?)?;
    }
    said
}

type Read = (Trace, Scenario, Vec<Policy>, Option<OutFile>);

fn read(args: &SimulateArgs) -> Result<Read, Faults> {
    let mut faults = Faults::default();
    let trace = args.trace.as_deref().and_then(|path| faults.take(read_trace(path)));
    let pool = args.pool.as_deref().map(|text| parse::count("pool", text, 1, POOL_MAX));
    let pool = pool.and_then(|pool| faults.take(pool));
    let timeout = args.acquire_timeout.as_deref();
    let timeout = timeout.map(|text| parse::span("acquire_timeout", text, TIMEOUT_MIN, TIMEOUT_MAX));
    let timeout = timeout.and_then(|timeout| faults.take(timeout)).map(to_ms);
    let laws = faults.take(laws(args.laws.as_deref().unwrap_or("default,none")));
    let json = faults.take(OutFile::asked("json", args.json.as_deref())).flatten();
    if let (Some(json), Some(trace)) = (&json, args.trace.as_deref()) {
        faults.require(!json.is_at(trace), "json", trace.display(), "a file other than that of trace");
    }
    faults.check()?;
    let (Some(trace), Some(laws)) = (trace, laws) else { return Err(faults) };
    let pool = pool.or(trace.settings.pool);
    let timeout = timeout.or(trace.settings.acquire_timeout_ms);
    let first_line = "given, because the trace does not begin with its settings";
    faults.require(pool.is_some(), "pool", "absent", first_line);
    faults.require(timeout.is_some(), "acquire_timeout", "absent", first_line);
    faults.check()?;
    let (Some(pool), Some(timeout)) = (pool, timeout) else { return Err(faults) };
    let path = args.trace.as_deref().unwrap_or(Path::new(""));
    let scenario = trace.scenario(pool, timeout).map_err(|error| no_trace(path, &error))?;
    Ok((trace, scenario, laws, json))
}

fn read_trace(path: &Path) -> Result<Trace, Fault> {
    let text = fs::read_to_string(path).map_err(|error| no_trace(path, &error))?;
    Trace::parse(&text).map_err(|error| no_trace(path, &error))
}

fn no_trace(path: &Path, why: &dyn std::fmt::Display) -> Fault {
    Fault::new("trace", path.display(), format_args!("a file of recorded calls ({why})"))
}

impl Row {
    fn of(scenario: &Scenario, law: &Policy) -> Result<Self, SimError> {
        let report = run(scenario, law, 1)?;
        let whole = &report.whole;
        let ms = |seconds: f64| Some(round3(seconds * 1e3));
        Ok(Self {
            law: law.name().to_owned(),
            done: whole.ok_jobs,
            failed: whole.failed_jobs,
            unfinished: count(scenario).saturating_sub(whole.ok_jobs + whole.failed_jobs),
            timeouts: Some(whole.pool_timeouts),
            call_p50_ms: ms(whole.expert_time.p50),
            call_p99_ms: ms(whole.expert_time.p99),
            pool_wait_p99_ms: ms(whole.pool_wait.p99),
            limit_mean: limit_mean(&report),
        })
    }

    fn recorded(trace: &Trace) -> Self {
        let ended = |outcome| trace.calls.iter().filter(move |call| call.outcome == outcome);
        let count = |outcome| u32::try_from(ended(outcome).count()).unwrap_or(u32::MAX);
        let mut took = Times::default();
        for ms in ended(TraceOutcome::Ok).filter_map(|call| call.took_ms) {
            took.add(Duration::from_secs_f64(ms / 1e3));
        }
        Self {
            law: "recorded".to_owned(),
            done: count(TraceOutcome::Ok),
            failed: count(TraceOutcome::Failed),
            unfinished: 0,
            timeouts: None,
            call_p50_ms: took.quantile(0.5).map(to_ms),
            call_p99_ms: took.quantile(0.99).map(to_ms),
            pool_wait_p99_ms: None,
            limit_mean: None,
        }
    }
}

/// While calls came; none if the law has no limit.
fn limit_mean(report: &Report) -> Option<f64> {
    let mean = report.phases.first().map_or(report.whole.limit.mean, |coming| coming.limit.mean);
    limited(mean).map(round3)
}

fn count(scenario: &Scenario) -> u32 {
    u32::try_from(scenario.recorded_calls()).unwrap_or(u32::MAX)
}

fn shown(replay: &Replay) -> String {
    let header = [
        "law",
        "done",
        "failed",
        "not over",
        "pool timeouts",
        "call p50, ms",
        "call p99, ms",
        "pool wait p99, ms",
        "limit mean",
    ];
    let rows = replay.laws.iter().map(|row| {
        vec![
            row.law.clone(),
            row.done.to_string(),
            row.failed.to_string(),
            row.unfinished.to_string(),
            number(row.timeouts.map(f64::from), 0),
            number(row.call_p50_ms, 0),
            number(row.call_p99_ms, 0),
            number(row.pool_wait_p99_ms, 1),
            number(row.limit_mean, 1),
        ]
    });
    let (pool, timeout) = (replay.pool, replay.acquire_timeout_ms);
    format!("pool of {pool}, acquire timeout {timeout} ms\n{}", table(&header, rows))
}
