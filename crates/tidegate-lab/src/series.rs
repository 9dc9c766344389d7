//! What a run looked like over time: one point every 100 ms.

use std::time::Duration;

use serde::Serialize;
use tidegate::{DecisionRecord, PoolActivity, PoolReading};

use crate::expert::Bench;
use crate::gate::Gate;
use crate::num::{ratio, round3, to_f64, to_ms};

/// How often a point is taken.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

/// The state at `t_s`, and what happened since the point before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    pub(crate) t_s: f64,
    /// None if the policy has no limit.
    pub(crate) limit: Option<u32>,
    /// Experts at work.
    pub(crate) in_flight: u32,
    /// Experts waiting for the policy.
    pub(crate) queued: u32,
    /// Connections of the pool that are idle or not yet open.
    pub(crate) free: u32,
    /// Mean wait of the acquires that ended since the point before; none if none ended.
    pub(crate) pool_wait_ms: Option<f64>,
    /// Experts done since the point before, per second.
    pub(crate) experts_per_s: f64,
}

/// A change of the adaptive limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Change {
    pub(crate) t_s: f64,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) reason: &'static str,
    /// The decision in words, with its figures.
    pub(crate) text: String,
}

/// Takes the points of one run.
#[derive(Debug)]
pub(crate) struct Sampler {
    points: Vec<Point>,
    changes: Vec<DecisionRecord>,
    pool: PoolReading,
    seen: PoolActivity,
    elapsed: Duration,
    experts_ok: u64,
    job_limit: Option<[u32; 3]>,
}

impl Sampler {
    pub(crate) fn new(bench: &Bench) -> Self {
        let evidence = bench.pools.evidence();
        Self {
            points: Vec::new(),
            changes: Vec::new(),
            pool: evidence.reading,
            seen: evidence.activity,
            elapsed: Duration::ZERO,
            experts_ok: 0,
            job_limit: None,
        }
    }

    /// Takes a point now.
    pub(crate) fn take(&mut self, bench: &Bench, gate: &Gate) -> Point {
        let recorder = &bench.recorder;
        let elapsed = recorder.elapsed();
        let evidence = bench.pools.evidence();
        let since = evidence.activity.since(&self.seen);
        let experts_ok = recorder.experts_ok();
        let done = to_f64(experts_ok - self.experts_ok);
        let span = elapsed.saturating_sub(self.elapsed).as_secs_f64();
        let point = Point {
            t_s: round3(elapsed.as_secs_f64()),
            limit: gate.limit(),
            in_flight: recorder.in_flight(),
            queued: recorder.queued(),
            free: evidence.reading.free(),
            pool_wait_ms: mean_wait(&since),
            experts_per_s: round3(ratio(done, span).unwrap_or(0.0)),
        };
        (self.seen, self.elapsed, self.experts_ok) = (evidence.activity, elapsed, experts_ok);
        if let Some(limit) = gate.job_limit() {
            let [min, max, _] = self.job_limit.unwrap_or([limit; 3]);
            self.job_limit = Some([min.min(limit), max.max(limit), limit]);
        }
        self.pool = evidence.reading;
        self.points.push(point);
        self.keep_new(gate.decisions());
        point
    }

    /// The limiter remembers 256 changes; looking at every point misses none.
    fn keep_new(&mut self, decisions: Vec<DecisionRecord>) {
        let last = self.changes.last().map(|record| record.at);
        self.changes.extend(decisions.into_iter().filter(|record| last.is_none_or(|last| record.at > last)));
    }

    /// The pool at the last point.
    pub(crate) fn pool(&self) -> PoolReading {
        self.pool
    }

    /// Every change of the limit until the last point.
    pub(crate) fn changes(&self) -> &[DecisionRecord] {
        &self.changes
    }

    /// The least, the most and the last limit of jobs, if there was one.
    pub(crate) fn job_limit(&self) -> Option<[u32; 3]> {
        self.job_limit
    }

    pub(crate) fn into_parts(self) -> (Vec<Point>, Vec<Change>) {
        let changes = self.changes.iter().map(Change::of).collect();
        (self.points, changes)
    }
}

impl Change {
    pub(crate) fn of(record: &DecisionRecord) -> Self {
        Self {
            t_s: round3(record.at.since_start().as_secs_f64()),
            from: record.decision.from,
            to: record.decision.to,
            reason: record.decision.reason.as_str(),
            text: record.decision.to_string(),
        }
    }
}

fn mean_wait(since: &PoolActivity) -> Option<f64> {
    let ended = since.grants + since.timeouts + since.cancelled + since.refused + since.failures;
    ratio(to_ms(since.wait), to_f64(ended)).map(round3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_wait_counts_every_acquire_that_ended() {
        let mut activity = PoolActivity::default();
        assert_eq!(mean_wait(&activity), None);
        activity.wait = Duration::from_millis(300);
        activity.grants = 1;
        activity.timeouts = 2;
        assert_eq!(mean_wait(&activity), Some(100.0));
    }
}
