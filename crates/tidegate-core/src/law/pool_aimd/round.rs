use super::constants::{ROUND_MIN, SKIP};
use crate::{Demand, PoolEvidence};

/// The span of evidence that one decision rests on.
///
/// A round begins after each decision and is as long as it takes for as many acquires to be granted as there were calls in
/// flight at its start. What was begun under the previous limit is not counted: a shrink must first have drained, and the
/// first half of the grants is skipped.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// Calls in flight (or about to be) when the round began.
    calls: f64,
    /// Grants seen, measured or not.
    grants: u64,
    /// Whether the calls in flight have come down to the limit.
    drained: bool,
    /// Whether the skipped part is over.
    measuring: bool,
    /// Whether the limit held a caller back.
    pub(super) limit_bound: bool,
    /// Measured time, in seconds.
    seconds: f64,
    requests: u64,
    /// Counts integrated over the measured time, in seconds.
    pending_seconds: f64,
    held_seconds: f64,
    /// Connections used by others than our callers, summed over the ticks.
    others_at_ticks: f64,
    in_flight_at_ticks: f64,
    ticks: u32,
}

/// Means over a finished round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) pending: f64,
    pub(super) held: f64,
    /// Share of the pool in use by anybody.
    pub(super) utilisation: f64,
    pub(super) in_flight: f64,
    /// Mean seconds a connection was held, by Little's law.
    pub(super) use_seconds: f64,
}

impl Round {
    pub(super) fn new(limit: u32, demand: &Demand) -> Self {
        let wanted = demand.in_flight.saturating_add(demand.queued).min(limit);
        let calls = demand.in_flight.max(wanted).max(1);
        Self {
            calls: f64::from(calls),
            grants: 0,
            drained: demand.in_flight <= limit,
            measuring: false,
            limit_bound: false,
            seconds: 0.0,
            requests: 0,
            pending_seconds: 0.0,
            held_seconds: 0.0,
            others_at_ticks: 0.0,
            in_flight_at_ticks: 0.0,
            ticks: 0,
        }
    }

    /// Grants needed to end the round.
    fn need(&self) -> f64 {
        self.calls.max(ROUND_MIN)
    }

    /// Adds one tick's evidence.
    pub(super) fn add(&mut self, limit: u32, seconds: f64, demand: &Demand, pool: &PoolEvidence) {
        let activity = &pool.activity;
        self.grants += activity.grants;
        self.limit_bound |= demand.held_back;
        self.drained |= demand.in_flight <= limit;
        if !self.drained || to_f64(self.grants) < SKIP * self.need() {
            return;
        }
        // The tick in which the skipped half ends is skipped with it.
        if self.measuring {
            self.seconds += seconds;
            self.requests += activity.requests;
            self.pending_seconds += activity.pending_time.as_secs_f64();
            self.held_seconds += activity.held_time.as_secs_f64();
            self.others_at_ticks += f64::from(pool.reading.used().saturating_sub(pool.held));
            self.in_flight_at_ticks += f64::from(demand.in_flight);
            self.ticks += 1;
        }
        self.measuring = true;
    }

    /// Whether anything was granted in this round, after the shrink before it took effect.
    pub(super) fn has_traffic(&self) -> bool {
        self.drained && self.grants > 0
    }

    /// The means, once the round is over and has measured for at least `span` seconds.
    pub(super) fn finish(&self, pool_max: u32, span: f64) -> Option<Measured> {
        let requests = to_f64(self.requests);
        let is_over = to_f64(self.grants) >= self.need() && self.seconds >= span && self.seconds > 0.0;
        if !is_over || requests < ROUND_MIN / 2.0 {
            return None;
        }
        let held = self.held_seconds / self.seconds;
        let used = held + self.others_at_ticks / f64::from(self.ticks);
        Some(Measured {
            pending: self.pending_seconds / self.seconds,
            held,
            utilisation: used / f64::from(pool_max.max(1)),
            in_flight: self.in_flight_at_ticks / f64::from(self.ticks),
            use_seconds: self.held_seconds / requests,
        })
    }
}

/// Sums over one round stay far below 2⁵³, where an `f64` is exact.
#[expect(clippy::cast_precision_loss, reason = "sums over one round are far below 2^53")]
pub(super) fn to_f64(n: u64) -> f64 {
    n as f64
}
