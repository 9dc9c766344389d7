use std::time::Duration;

use tidegate_core::{Evidence, MAX_LIMIT, Timestamp};

use super::interval::{PoolIntervals, PoolSums, count_f64};
use super::{Rival, whole};

const STEP: Duration = Duration::from_secs(1);
const TIMEOUT_SHARE: f64 = 0.05;
const SAFE_DELTA: f64 = 10.0;
const LOAD_EPOCHS: f64 = 3.0;
const SHORT_EPOCHS: f64 = 3.0;
const LONG_EPOCHS: f64 = 30.0;
const BURST: f64 = 5.0;
const TIMING_MIN: f64 = 0.02;
const LIMIT_MIN: f64 = 10.0;
const REQUESTS_MIN: u64 = 10;
const BACKOFF: f64 = 0.95;

/// The congestion control in userver's database drivers: `congestion_control/controllers/linear.cpp` at 0c746bf, with the
/// step of 1 s from `v2.cpp`.
///
/// Once a second it is overloaded if more than 5% of the queries timed out, or if their mean time over 3 s is above 5 times
/// the mean over 30 s (20 ms at least), which is not brought up to date meanwhile. There is no limit until the first
/// overload after 30 s; then it is the load of the moment, × 0.95 with each further second of overload, + 1 without, and
/// none again once it is 10 above the load. Never below 10, which is part of the law.
///
/// A query's time is its wait for a connection and its use of it, as a driver sees it. There the limit is the pool's size
/// and the load its connections in use; here they are the permits. The smoothing over n seconds is read as an average in
/// which the last second weighs 1/n.
#[derive(Debug)]
pub(super) struct Userver {
    /// In permits; `None` is no limit.
    limit: Option<f64>,
    pool: PoolIntervals,
    load: f64,
    short: f64,
    long: f64,
    epochs: f64,
}

impl Userver {
    pub(super) fn new() -> Self {
        Self { limit: None, pool: PoolIntervals::new(STEP), load: 0.0, short: 0.0, long: 0.0, epochs: 0.0 }
    }

    fn decide(&mut self, sums: &PoolSums, in_flight: f64) {
        let timing = sums.mean_wait() + sums.mean_use_time();
        smooth(&mut self.short, timing, SHORT_EPOCHS);
        smooth(&mut self.load, in_flight, LOAD_EPOCHS);
        let total = sums.grants + sums.losses;
        if total < REQUESTS_MIN && self.limit.is_none() {
            return;
        }
        if self.epochs < LONG_EPOCHS {
            self.epochs += 1.0;
            smooth(&mut self.long, timing, LONG_EPOCHS);
            return;
        }
        let mut overloaded = count_f64(sums.losses) > TIMEOUT_SHARE * count_f64(total.max(1));
        if self.short > BURST * self.long.max(TIMING_MIN) {
            overloaded = true;
        } else {
            smooth(&mut self.long, timing, LONG_EPOCHS);
        }
        let load = self.load.floor();
        self.limit = match self.limit {
            Some(limit) if overloaded => Some((limit * BACKOFF).floor()),
            None if overloaded => Some(load),
            Some(limit) if limit <= load + SAFE_DELTA => Some(limit + 1.0),
            _ => None,
        };
        self.limit = self.limit.map(|limit| limit.max(LIMIT_MIN));
    }
}

fn smooth(average: &mut f64, value: f64, epochs: f64) {
    *average += (value - *average) / epochs;
}

impl Rival for Userver {
    fn limit(&self) -> u32 {
        self.limit.map_or(MAX_LIMIT, whole)
    }

    fn elapsed(&mut self, now: Timestamp, evidence: &Evidence) {
        if let Some(sums) = self.pool.look(now, evidence) {
            self.decide(&sums, f64::from(evidence.demand.in_flight));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::evidence;

    fn sums(grants: u64, losses: u64, use_ms: u64) -> PoolSums {
        let use_time = Duration::from_millis(use_ms * grants);
        PoolSums { grants, losses, returns: grants, use_time, ..PoolSums::default() }
    }

    /// After its first 30 s with queries of 100 ms and 40 permits out.
    fn grown_up() -> Userver {
        let mut law = Userver::new();
        for _ in 0..100 {
            law.decide(&sums(100, 0, 100), 40.0);
        }
        assert!((law.long - 0.1).abs() < 0.005 && (law.short - 0.1).abs() < 1e-9 && law.limit.is_none());
        law
    }

    #[test]
    fn timeouts_by_hand() {
        let mut law = grown_up();
        // Grants, losses, permits out, limit after it.
        let rows = [
            (95, 5, 40.0, None),       // 5% is not more than 5%
            (94, 6, 40.0, Some(39.0)), // the load, a whole number: 39.999…
            (94, 6, 40.0, Some(37.0)),
            (100, 0, 40.0, Some(38.0)),
            (100, 0, 40.0, Some(39.0)),
            (0, 0, 10.0, Some(40.0)), // load 30
            (0, 0, 10.0, None),       // load 23
        ];
        for (grants, losses, in_flight, limit) in rows {
            law.decide(&sums(grants, losses, 100), in_flight);
            assert_eq!(law.limit, limit, "{grants} {losses} {in_flight}");
        }
    }

    #[test]
    fn it_decides_once_a_second_on_the_permits_of_the_moment() {
        let mut law = grown_up();
        let mut seen = evidence(94, 6, 0, false);
        seen.demand.in_flight = 40;
        law.elapsed(Timestamp::from_millis(999), &seen);
        assert_eq!(law.limit(), MAX_LIMIT);
        // 6% of 100 and of 200 queries; the load: 40 + (10 − 40) / 3.
        seen.demand.in_flight = 10;
        law.elapsed(Timestamp::from_millis(1_000), &seen);
        assert_eq!(law.limit(), 29);
    }

    #[test]
    fn slow_queries_are_overload_and_do_not_become_the_normal() {
        let mut law = grown_up();
        let long = law.long;
        // 5 · 100 ms is passed in the first second: 100 + (2,000 − 100) / 3.
        for limit in [39.0, 37.0, 35.0] {
            law.decide(&sums(100, 0, 2_000), 40.0);
            assert_eq!(law.limit, Some(limit));
        }
        assert!((law.long - long).abs() < f64::EPSILON);
        for _ in 0..40 {
            law.decide(&sums(100, 0, 2_000), 40.0);
        }
        assert_eq!(law.limit, Some(LIMIT_MIN));
    }

    #[test]
    fn nothing_is_limited_in_the_first_half_minute_or_with_few_queries() {
        let mut law = Userver::new();
        for _ in 0..30 {
            law.decide(&sums(0, 100, 100), 40.0);
            assert_eq!(law.limit, None);
        }
        law.decide(&sums(0, 9, 100), 40.0);
        assert_eq!(law.limit, None);
        law.decide(&sums(0, 10, 100), 40.0);
        assert_eq!(law.limit, Some(39.0));
    }
}
