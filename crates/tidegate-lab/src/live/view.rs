//! What the live view shows, as a value.

use std::time::Duration;

use tidegate::PoolReading;

use crate::error_kind::ErrorKind;
use crate::num::{ratio, to_f64};
use crate::oracle::Step;
use crate::recorder::Jobs;
use crate::run::Glimpse;
use crate::series::{Change, Point};

/// Everything on the screen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    /// What is run, and where.
    pub(super) title: String,
    pub(super) phases: Vec<Phase>,
    /// The policy that runs now, with what was seen of it.
    pub(super) now: Option<Now>,
    /// How long each policy runs.
    duration: Duration,
}

/// One policy of the run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Phase {
    pub(super) policy: String,
    pub(super) state: PhaseState,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum PhaseState {
    /// With its result in a few words.
    Done(String),
    Running {
        elapsed: Duration,
        duration: Duration,
    },
    /// The oracle looks for its limit.
    Sweeping(Step),
    Waiting,
}

/// The running policy's figures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Now {
    /// Until now; there is at least one.
    pub(super) points: Vec<Point>,
    pub(super) pool: PoolReading,
    pub(super) jobs: Jobs,
    pub(super) errors: Vec<(ErrorKind, u64)>,
    /// The last changes of the limit, newest first.
    pub(super) changes: Vec<Change>,
    /// In shadow mode the limit is only what would be in force.
    pub(super) is_shadow: bool,
}

/// Points over which figures are averaged, a second: those of a tenth jump.
pub(super) const AVERAGED: usize = 10;

/// More changes than any terminal has lines.
const CHANGES_MAX: usize = 200;

impl View {
    /// Before the first policy runs.
    pub(crate) fn new(title: String, policies: impl IntoIterator<Item = String>, duration: Duration) -> Self {
        let phases = policies.into_iter().map(|policy| Phase { policy, state: PhaseState::Waiting });
        Self { title, phases: phases.collect(), now: None, duration }
    }

    /// The policy of that name begins.
    pub(super) fn begin(&mut self, policy: &str) {
        let running = PhaseState::Running { elapsed: Duration::ZERO, duration: self.duration };
        if let Some(phase) = self.phases.iter_mut().find(|phase| phase.policy == policy) {
            phase.state = running;
        }
        self.now = None;
    }

    pub(super) fn sweep(&mut self, step: Step) {
        self.set_state(PhaseState::Sweeping(step));
    }

    pub(super) fn show(&mut self, glimpse: &Glimpse<'_>) {
        let elapsed = glimpse.elapsed.min(self.duration);
        self.set_state(PhaseState::Running { elapsed, duration: self.duration });
        let mut points = self.now.take().map_or_else(Vec::new, |now| now.points);
        points.push(glimpse.point);
        self.now = Some(Now {
            points,
            pool: glimpse.pool,
            jobs: glimpse.jobs,
            errors: glimpse.errors.iter().map(|(kind, count)| (*kind, *count)).collect(),
            changes: glimpse.changes.iter().rev().take(CHANGES_MAX).map(Change::of).collect(),
            is_shadow: glimpse.shadow.is_some(),
        });
    }

    /// The running policy ends; its last figures stay.
    pub(super) fn end(&mut self, summary: String) {
        self.set_state(PhaseState::Done(summary));
    }

    /// The place of the policy that runs, or of the last that did.
    pub(super) fn current(&self) -> usize {
        self.phases.iter().rposition(|phase| phase.state != PhaseState::Waiting).unwrap_or(0)
    }

    fn set_state(&mut self, state: PhaseState) {
        let current = self.current();
        if let Some(phase) = self.phases.get_mut(current) {
            phase.state = state;
        }
    }
}

impl Now {
    pub(super) fn last(&self) -> Option<&Point> {
        self.points.last()
    }

    /// Over the last second; none if no acquire ended in it.
    pub(super) fn pool_wait_ms(&self) -> Option<f64> {
        pool_wait_ms(self.last_second())
    }

    /// Over the last second.
    pub(super) fn experts_per_s(&self) -> f64 {
        experts_per_s(self.last_second()).unwrap_or(0.0)
    }

    fn last_second(&self) -> &[Point] {
        &self.points[self.points.len().saturating_sub(AVERAGED)..]
    }

    pub(super) fn used(&self) -> u32 {
        self.pool.open.saturating_sub(self.pool.idle)
    }

    /// `pool_timeout 9, deadlock 2`, or none.
    pub(super) fn errors_text(&self) -> Option<String> {
        let parts: Vec<_> =
            self.errors.iter().map(|(kind, count)| format!("{} {count}", kind.as_str())).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// The mean of those points in which an acquire ended.
pub(super) fn pool_wait_ms(points: &[Point]) -> Option<f64> {
    let waits: Vec<f64> = points.iter().filter_map(|point| point.pool_wait_ms).collect();
    ratio(waits.iter().sum(), to_f64(waits.len() as u64))
}

/// The mean of the points.
pub(super) fn experts_per_s(points: &[Point]) -> Option<f64> {
    ratio(points.iter().map(|point| point.experts_per_s).sum(), to_f64(points.len() as u64))
}
