//! What laws sum up between two of their decisions.

use std::time::Duration;

use tidegate_core::{Evidence, Outcome, Timestamp};

use super::EndedCall;

/// Spans of a law's own length; each ends at the first look at or after its end.
#[derive(Debug)]
pub(super) struct Interval {
    length: Duration,
    since: Timestamp,
}

impl Interval {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, since: Timestamp::default() }
    }

    /// The length of the span that ends now in seconds, if one does.
    pub(super) fn ends(&mut self, now: Timestamp) -> Option<f64> {
        let span = now.since(self.since);
        if span < self.length {
            return None;
        }
        self.since = now;
        Some(span.as_secs_f64())
    }
}

/// What happened at the pool over an interval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PoolSums {
    /// Acquires that ended with a connection.
    pub(super) grants: u64,
    /// Acquires that timed out or that the server refused.
    pub(super) losses: u64,
    /// Total time of the acquires that ended.
    pub(super) wait: Duration,
    /// Connections given back.
    pub(super) returns: u64,
    /// Total time those were held.
    pub(super) use_time: Duration,
    /// Whether the limit held a caller back.
    pub(super) held_back: bool,
}

impl PoolSums {
    pub(super) fn add(&mut self, evidence: &Evidence) {
        self.held_back |= evidence.demand.held_back;
        let Some(pool) = &evidence.pool else { return };
        self.grants += pool.activity.grants;
        self.losses += pool.activity.timeouts + pool.activity.refused;
        self.wait += pool.activity.wait;
        self.returns += pool.activity.returns;
        self.use_time += pool.activity.use_time;
    }

    /// Mean time of the acquires that ended, in seconds; 0 of none.
    pub(super) fn mean_wait(&self) -> f64 {
        mean(self.wait, self.grants + self.losses)
    }

    /// Mean time that a connection was held, in seconds; 0 of none.
    pub(super) fn mean_use_time(&self) -> f64 {
        mean(self.use_time, self.returns)
    }
}

fn mean(total: Duration, count: u64) -> f64 {
    if count == 0 { 0.0 } else { total.as_secs_f64() / count_f64(count) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of an interval are far below 2^53")]
pub(super) const fn count_f64(count: u64) -> f64 {
    count as f64
}

/// Throughput and load over an interval: what Heiss and Wagner's laws look at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Throughput {
    done: f64,
    in_flight: f64,
    ended: f64,
}

impl Throughput {
    pub(super) fn add(&mut self, call: &EndedCall) {
        self.done += f64::from(u8::from(call.outcome == Outcome::Success));
        self.in_flight += f64::from(call.in_flight_at_end);
        self.ended += 1.0;
    }

    /// Calls done in the interval.
    pub(super) const fn done(&self) -> f64 {
        self.done
    }

    /// Mean permits out, over the calls that ended; `None` if none did.
    pub(super) fn load(&self) -> Option<f64> {
        (self.ended > 0.0).then(|| self.in_flight / self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_ends_at_the_first_look_after_its_length() {
        let mut interval = Interval::new(Duration::from_millis(100));
        let ends: Vec<Option<f64>> =
            [40, 99, 100, 150, 230, 330].map(|ms| interval.ends(Timestamp::from_millis(ms))).into();
        assert_eq!(ends, [None, None, Some(0.1), None, Some(0.13), Some(0.1)]);
    }
}
