use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::num::Nanos;
use crate::random::Span;

/// The jobs of one process; every process has the same load unless a change says otherwise.
///
/// Jobs come in two ways, which may be mixed: one after the other in each of a number of slots (closed loop), and by
/// themselves, however many are under way (open loop).
/// A job asks for all its experts at once and ends with the last of them. An expert waits for its permit, thinks, makes its
/// queries and gives the permit back. An expert whose acquire times out, whose query fails in a
/// deadlock, or whose caller loses patience, fails its job: those of its experts that still wait for a permit are dropped,
/// those that have one run to their end in vain. After the last of
/// them, and after a pause since the failure, the slot starts a new job, or the job that came by itself is tried again.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Load {
    /// Slots: jobs at once that follow each other. Default 0.
    #[serde(default)]
    pub jobs: u32,
    /// Jobs that come by themselves, per second, as a Poisson stream. Default 0.
    #[serde(default)]
    pub arrivals_per_s: f64,
    /// Experts per job.
    pub experts: u32,
    /// What an expert does before its first query, holding its permit.
    pub think: Span,
    /// Queries per expert.
    pub queries: u32,
    /// How an expert's queries follow each other.
    #[serde(default)]
    pub mode: QueryMode,
    /// How long an expert's caller waits for it, from asking for the permit on. Default: for ever.
    pub patience: Option<Span>,
    /// The pause after a failed job, in milliseconds. Default 500.
    #[serde(default = "half_a_second")]
    pub retry_pause_ms: f64,
    /// Demand that comes and goes; without it jobs follow each other at once.
    pub bursts: Option<Bursts>,
    /// Other kinds of experts among those described above.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// How the demand changes, in order of time.
    #[serde(default)]
    pub changes: Vec<LoadChange>,
    /// Jobs of one expert that were recorded, in order of time; they are not tried again. Only a [`Trace`](crate::Trace) has
    /// them.
    #[serde(skip)]
    pub(crate) recorded: Vec<Recorded>,
}

/// How an expert's queries follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QueryMode {
    /// Each query asks for a connection while those of the earlier ones are still held.
    Nested,
    /// All at the same time, each on its own connection.
    Parallel,
    /// One after the other, each on its own connection.
    #[default]
    Sequential,
}

/// Demand that comes and goes: no job starts in the pauses, and those that would come by themselves stay away.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Bursts {
    /// The length of a burst, in milliseconds; the first begins at once.
    pub on_ms: f64,
    /// The length of a pause, in milliseconds.
    pub off_ms: f64,
}

/// A kind of expert. What it does not say is as the load says.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Kind {
    /// The share of the experts that are of this kind; the shares of all kinds are at most 1, and the rest is as the load says.
    pub share: f64,
    /// See [`Load::think`].
    pub think: Option<Span>,
    /// See [`Load::queries`].
    pub queries: Option<u32>,
    /// See [`Load::mode`].
    pub mode: Option<QueryMode>,
    /// See [`Load::patience`].
    pub patience: Option<Span>,
    /// The work of each of its queries, as a multiple of the database's query time. Default 1.
    #[serde(default = "one")]
    pub work: f64,
}

/// The demand from a moment on. What it does not say stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LoadChange {
    /// The moment, in seconds.
    pub at_s: f64,
    /// The number of the process whose demand changes, from 0 on. Default: that of all.
    pub process: Option<u32>,
    /// See [`Load::jobs`]. Jobs under way in a slot that goes are not cut short.
    pub jobs: Option<u32>,
    /// See [`Load::arrivals_per_s`].
    pub arrivals_per_s: Option<f64>,
}

/// A job of one expert that was recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recorded {
    pub(crate) at: Nanos,
    pub(crate) plan: Plan,
}

/// What one expert will do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) think: Span,
    pub(crate) queries: u32,
    pub(crate) mode: QueryMode,
    pub(crate) patience: Option<Span>,
    /// A multiple of the database's query time.
    pub(crate) work: f64,
}

const fn half_a_second() -> f64 {
    500.0
}

const fn one() -> f64 {
    1.0
}

impl Load {
    /// Recorded jobs and no others.
    pub(crate) const fn of_recorded(recorded: Vec<Recorded>) -> Self {
        Self {
            jobs: 0,
            arrivals_per_s: 0.0,
            experts: 1,
            think: Span::exactly(0.0),
            queries: 1,
            mode: QueryMode::Sequential,
            patience: None,
            retry_pause_ms: half_a_second(),
            bursts: None,
            kinds: Vec::new(),
            changes: Vec::new(),
            recorded,
        }
    }

    /// The plan of an expert whose kind falls as it does.
    pub(crate) fn draw(&self, rng: &mut Rng) -> Plan {
        let common = Plan {
            think: self.think,
            queries: self.queries,
            mode: self.mode,
            patience: self.patience,
            work: 1.0,
        };
        if self.kinds.is_empty() {
            return common;
        }
        let mut rest = rng.f64();
        let drawn = self.kinds.iter().find(|kind| {
            rest -= kind.share;
            rest < 0.0
        });
        drawn.map_or(common, |kind| Plan {
            think: kind.think.unwrap_or(common.think),
            queries: kind.queries.unwrap_or(common.queries),
            mode: kind.mode.unwrap_or(common.mode),
            patience: kind.patience.or(common.patience),
            work: kind.work,
        })
    }

    /// The most slots that a process has at any time.
    pub(crate) fn jobs_max(&self) -> u32 {
        self.changes.iter().filter_map(|change| change.jobs).fold(self.jobs, u32::max)
    }

    /// Whether a process has anything to do at some time of a span.
    pub(crate) fn has_work(&self, process: u32, from_s: f64, to_s: f64) -> bool {
        let (mut jobs, mut arrivals, mut found) = (self.jobs, self.arrivals_per_s, false);
        let applies = |change: &&LoadChange| change.process.is_none_or(|of| of == process);
        for change in self.changes.iter().filter(applies).take_while(|change| change.at_s < to_s) {
            found |= change.at_s > from_s && (jobs > 0 || arrivals > 0.0);
            jobs = change.jobs.unwrap_or(jobs);
            arrivals = change.arrivals_per_s.unwrap_or(arrivals);
        }
        found || jobs > 0 || arrivals > 0.0 || !self.recorded.is_empty()
    }

    /// Whether jobs come by themselves at any time.
    pub(crate) fn is_open(&self) -> bool {
        let is_recorded = !self.recorded.is_empty();
        is_recorded
            || self.arrivals_per_s > 0.0
            || self.changes.iter().any(|change| change.arrivals_per_s > Some(0.0))
    }
}

#[cfg(test)]
mod tests {
    use crate::Scenario;

    #[test]
    fn a_process_has_work_while_it_has_slots_or_arrivals() {
        let scenario = Scenario::parse(
            r#"
            name = "comes_and_goes"
            about = "the second process comes at 10 s and the first goes at 20 s"
            seeds = [1]
            duration_s = 60
            processes = 2
            load = { jobs = 4, experts = 6, queries = 1, think = { mean_ms = 60 }, changes = [
                { at_s = 0, process = 1, jobs = 0 },
                { at_s = 10, process = 1, arrivals_per_s = 1 },
                { at_s = 20, process = 0, jobs = 0 },
            ] }
            pool = { max = 4, acquire_timeout_ms = 5000 }
            database = { query = { mean_ms = 20 } }
            "#,
        )
        .unwrap();
        let has_work = |process, from_s, to_s| scenario.load.has_work(process, from_s, to_s);
        assert!(has_work(0, 0.0, 10.0) && has_work(0, 15.0, 30.0) && !has_work(0, 20.0, 60.0));
        assert!(!has_work(1, 0.0, 10.0) && has_work(1, 0.0, 11.0) && has_work(1, 10.0, 20.0));
    }
}
