//! What laws sum up between two of their decisions.

use std::time::Duration;

use tidegate_core::{Evidence, Outcome, Timestamp};

use super::EndedCall;

/// Spans of a law's own length; each ends at the first look at or after its end.
#[derive(Debug)]
struct Interval {
    length: Duration,
    since: Timestamp,
}

impl Interval {
    fn new(length: Duration) -> Self {
        Self { length, since: Timestamp::default() }
    }

    /// The length of the span that ends now in seconds, if one does.
    fn ends(&mut self, now: Timestamp) -> Option<f64> {
        let span = now.since(self.since);
        if span < self.length {
            return None;
        }
        self.since = now;
        Some(span.as_secs_f64())
    }
}

/// What happens at the pool, interval by interval.
#[derive(Debug)]
pub(super) struct PoolIntervals {
    interval: Interval,
    sums: PoolSums,
}

impl PoolIntervals {
    pub(super) fn new(length: Duration) -> Self {
        Self { interval: Interval::new(length), sums: PoolSums::default() }
    }

    /// Adds what happened since the previous look; the sums of the interval that ends now, if one does.
    pub(super) fn look(&mut self, now: Timestamp, evidence: &Evidence) -> Option<PoolSums> {
        self.sums.add(evidence);
        self.interval.ends(now)?;
        Some(std::mem::take(&mut self.sums))
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
    fn add(&mut self, evidence: &Evidence) {
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

/// Throughput and load, interval by interval: what Heiss and Wagner's laws look at.
#[derive(Debug)]
pub(super) struct Throughput {
    interval: Interval,
    done: f64,
    in_flight: f64,
    ended: f64,
}

/// What an interval has shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Calls done per second.
    pub(super) rate: f64,
    /// Mean permits out, over the calls that ended; `None` if none did.
    pub(super) load: Option<f64>,
}

impl Throughput {
    pub(super) fn new(length: Duration) -> Self {
        Self { interval: Interval::new(length), done: 0.0, in_flight: 0.0, ended: 0.0 }
    }

    pub(super) fn add(&mut self, call: &EndedCall) {
        self.done += f64::from(u8::from(call.outcome == Outcome::Success));
        self.in_flight += f64::from(call.in_flight_at_end);
        self.ended += 1.0;
    }

    /// The point of the interval that ends now, if one does.
    pub(super) fn look(&mut self, now: Timestamp) -> Option<Point> {
        let span = self.interval.ends(now)?;
        let load = (self.ended > 0.0).then(|| self.in_flight / self.ended);
        let point = Point { rate: self.done / span, load };
        (self.done, self.in_flight, self.ended) = (0.0, 0.0, 0.0);
        Some(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::{call, evidence};

    #[test]
    fn an_interval_ends_at_the_first_look_after_its_length() {
        let mut interval = Interval::new(Duration::from_millis(100));
        let ends: Vec<Option<f64>> =
            [40, 99, 100, 150, 230, 330].map(|ms| interval.ends(Timestamp::from_millis(ms))).into();
        assert_eq!(ends, [None, None, Some(0.1), None, Some(0.13), Some(0.1)]);
    }

    #[test]
    fn looks_at_the_pool_are_added_up_to_the_end_of_their_interval() {
        let mut pool = PoolIntervals::new(Duration::from_secs(1));
        let mut second = evidence(2, 0, 0, true);
        if let Some(pool) = &mut second.pool {
            (pool.activity.refused, pool.activity.returns) = (1, 4);
            pool.activity.use_time = Duration::from_millis(80);
        }
        assert!(pool.look(Timestamp::from_millis(400), &evidence(1, 1, 25, false)).is_none());
        assert!(pool.look(Timestamp::from_millis(800), &second).is_none());
        let sums = pool.look(Timestamp::from_millis(1_200), &evidence(0, 0, 25, false)).unwrap();
        assert_eq!((sums.grants, sums.losses, sums.held_back), (3, 2, true));
        assert!((sums.mean_wait() - 0.01).abs() < 1e-12 && (sums.mean_use_time() - 0.02).abs() < 1e-12);
        let next = pool.look(Timestamp::from_millis(2_200), &evidence(0, 0, 0, false)).unwrap();
        assert_eq!((next.grants, next.losses, next.held_back), (0, 0, false));
        assert!(next.mean_wait().abs() < f64::EPSILON && next.mean_use_time().abs() < f64::EPSILON);
    }

    #[test]
    fn a_point_is_what_was_done_a_second_and_the_permits_that_were_out() {
        let mut throughput = Throughput::new(Duration::from_secs(1));
        for (in_flight, outcome) in [(6, Outcome::Success), (8, Outcome::Success), (10, Outcome::Overload)] {
            throughput.add(&call(500, 10, in_flight, outcome));
        }
        assert_eq!(throughput.look(Timestamp::from_millis(999)), None);
        let point = throughput.look(Timestamp::from_millis(1_250));
        assert_eq!(point, Some(Point { rate: 1.6, load: Some(8.0) }));
        let point = throughput.look(Timestamp::from_millis(2_250));
        assert_eq!(point, Some(Point { rate: 0.0, load: None }));
    }
}
