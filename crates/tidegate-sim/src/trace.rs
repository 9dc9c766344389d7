//! Recorded calls, to be played again under another setting.

use serde::{Deserialize, Serialize};

use crate::num::nanos;
use crate::random::Span;
use crate::scenario::{Checks, Database, LimiterSettings, Load, MS_MAX, Plan, Pool, QueryMode, Recorded};
use crate::{Scenario, SimError};

/// Calls as they were recorded, one JSON object a line, `docs/simulate.md` has the format.
///
/// Played again, each call comes when it came, thinks as long as it thought and holds each of its connections as long as it
/// held them on average; what is new is who waits for whom. So a trace answers what another limit or pool would have done
/// with the same calls on a database that is as fast. It cannot know how fast the database is with more queries at once.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// What was in force.
    pub settings: TraceSettings,
    /// The calls in the order in which they came.
    pub calls: Vec<TraceCall>,
}

/// The settings in force when a trace was recorded: its first line, if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TraceSettings {
    /// Connections of the pool.
    pub pool: Option<u32>,
    /// How long the pool lets a caller wait, in milliseconds.
    pub acquire_timeout_ms: Option<f64>,
}

/// One recorded call.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TraceCall {
    /// When the call came, before any limiter, in milliseconds since the recording began.
    pub arrival_ms: f64,
    /// How long it worked before its first query, without a connection, in milliseconds.
    #[serde(default)]
    pub think_ms: f64,
    /// How many queries it made.
    #[serde(default = "one")]
    pub queries: u32,
    /// How they followed each other.
    #[serde(default)]
    pub mode: QueryMode,
    /// How long each of them held its connection on average, in milliseconds. None if it got no connection: it is then taken
    /// to be the median of the other calls.
    pub use_ms: Option<f64>,
    /// How it ended.
    #[serde(default)]
    pub outcome: TraceOutcome,
    /// From its arrival to its end, in milliseconds. Only for comparison.
    pub took_ms: Option<f64>,
}

/// How a recorded call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TraceOutcome {
    /// It failed.
    Failed,
    /// It was done.
    #[default]
    Ok,
}

const fn one() -> u32 {
    1
}

impl Scenario {
    /// How many recorded calls it plays; only a scenario made from a [`Trace`] does.
    #[must_use]
    pub fn recorded_calls(&self) -> usize {
        self.load.recorded.len()
    }
}

impl TraceSettings {
    /// Both of them.
    #[must_use]
    pub const fn new(pool: u32, acquire_timeout_ms: f64) -> Self {
        Self { pool: Some(pool), acquire_timeout_ms: Some(acquire_timeout_ms) }
    }
}

impl TraceCall {
    /// A call that came then, made so many queries in that mode, and is done.
    #[must_use]
    pub const fn new(arrival_ms: f64, queries: u32, mode: QueryMode) -> Self {
        let outcome = TraceOutcome::Ok;
        Self { arrival_ms, think_ms: 0.0, queries, mode, use_ms: None, outcome, took_ms: None }
    }

    fn check(&self) -> Result<(), SimError> {
        let mut checks = Checks::default();
        checks.within("arrival_ms", self.arrival_ms, 0.0, MS_MAX / 2.0);
        checks.within("think_ms", self.think_ms, 0.0, MS_MAX);
        checks.within("use_ms", self.use_ms.unwrap_or(0.0), 0.0, MS_MAX);
        checks.within("took_ms", self.took_ms.unwrap_or(0.0), 0.0, MS_MAX);
        checks.count_within("queries", self.queries, 1, 10_000);
        checks.finish().map_err(SimError::new)
    }
}

impl Trace {
    /// Reads a trace and checks every figure of it. Empty lines are nothing.
    ///
    /// # Errors
    ///
    /// If a line is neither settings (the first line only) nor a call, or a figure is outside its range: the line is named.
    pub fn parse(text: &str) -> Result<Self, SimError> {
        let mut trace = Self { settings: TraceSettings::default(), calls: Vec::new() };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        for (first, (number, line)) in lines.enumerate() {
            let fault = |why: &dyn std::fmt::Display| {
                SimError::new(format_args!("line {} of the trace: {why}", number + 1))
            };
            if first == 0 && !line.contains("\"arrival_ms\"") {
                trace.settings = serde_json::from_str(line).map_err(|error| fault(&error))?;
                continue;
            }
            let call: TraceCall = serde_json::from_str(line).map_err(|error| fault(&error))?;
            call.check().map_err(|error| fault(&error))?;
            trace.calls.push(call);
        }
        if trace.calls.iter().all(|call| call.use_ms.is_none()) {
            return Err(SimError::new("the trace has no call with a use_ms"));
        }
        trace.calls.sort_by(|a, b| a.arrival_ms.total_cmp(&b.arrival_ms));
        Ok(trace)
    }

    /// The calls as a scenario, in front of a pool of that size with that acquire timeout in milliseconds.
    ///
    /// Its first phase is as long as calls come; after it, they have the time to end.
    ///
    /// # Errors
    ///
    /// If the pool is outside its range.
    pub fn scenario(&self, pool: u32, acquire_timeout_ms: f64) -> Result<Scenario, SimError> {
        let usual = self.median_use_ms();
        let recorded: Vec<Recorded> = self.calls.iter().map(|call| call.recorded(usual)).collect();
        let nested = self.calls.iter().filter(|call| call.mode == QueryMode::Nested).map(|call| call.queries);
        let last_s = self.last_ms() / 1e3;
        let scenario = Scenario {
            name: "trace".to_owned(),
            about: "recorded calls".to_owned(),
            tests_laws: false,
            seeds: vec![1],
            duration_s: last_s + self.rest_s(usual, acquire_timeout_ms),
            phases_s: if last_s > 0.001 { vec![last_s] } else { Vec::new() },
            processes: 1,
            load: Load::of_recorded(recorded),
            pool: Pool::new(pool, acquire_timeout_ms),
            // A call's work is its own use time, as a multiple of this.
            database: Database::plain(Span::exactly(1.0)),
            limiter: LimiterSettings { connections_per_call: nested.max().unwrap_or(1) },
            oracle: Vec::new(),
            expectations: Vec::new(),
        };
        scenario.check().map_err(SimError::new)?;
        Ok(scenario)
    }

    fn median_use_ms(&self) -> f64 {
        crate::scoreboard::median(self.calls.iter().filter_map(|call| call.use_ms)).unwrap_or(0.0)
    }

    fn last_ms(&self) -> f64 {
        self.calls.last().map_or(0.0, |call| call.arrival_ms)
    }

    /// The time that the calls have to end after the last has come: what they all would need one after the other, and the
    /// longest of them its waits.
    fn rest_s(&self, usual: f64, acquire_timeout_ms: f64) -> f64 {
        let work = |call: &TraceCall| call.think_ms + f64::from(call.queries) * call.use_ms.unwrap_or(usual);
        let waits = |call: &TraceCall| f64::from(call.queries) * acquire_timeout_ms;
        let all: f64 = self.calls.iter().map(work).sum();
        let longest = self.calls.iter().map(|call| work(call) + waits(call)).fold(0.0, f64::max);
        ((longest + all) / 1e3).clamp(1.0, 43_200.0)
    }
}

impl TraceCall {
    fn recorded(&self, usual: f64) -> Recorded {
        let (think, queries, mode) = (Span::exactly(self.think_ms), self.queries, self.mode);
        let plan = Plan { think, queries, mode, patience: None, work: self.use_ms.unwrap_or(usual) };
        Recorded { at: nanos(self.arrival_ms / 1e3), plan }
    }
}

#[cfg(test)]
mod tests;
