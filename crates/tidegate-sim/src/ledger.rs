use std::time::Duration;

use crate::histogram::Histogram;
use crate::num::{Nanos, float, ratio, seconds};
use crate::report::{Figures, Spread, Times};

/// Counts that hold from one event to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gauges {
    pub(crate) limit: u32,
    pub(crate) in_flight: u32,
    pub(crate) queued: u32,
    pub(crate) pending: u32,
    pub(crate) held: u32,
    pub(crate) used: u32,
}

/// Keeps what is measured over one span of the run.
///
/// Areas (a count times the nanoseconds it held) are whole numbers, so that Little's law can be checked to the last digit.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    from: Nanos,
    to: Nanos,
    limit_square_area: u128,
    limit_min: u32,
    limit_max: u32,
    in_flight_peak: u32,
    pub(crate) areas: Areas,
    experts_good: u32,
    ok_jobs: u32,
    failed_jobs: u32,
    pool_timeouts: u32,
    deadlocks: u32,
    pool_wait: Histogram,
    expert_time: Histogram,
}

/// Counts summed over time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Areas {
    pub(crate) limit: u128,
    pub(crate) in_flight: u128,
    pub(crate) queued: u128,
    pub(crate) pending: u128,
    pub(crate) held: u128,
    pub(crate) used: u128,
}

impl Ledger {
    pub(crate) fn new(from: Nanos, to: Nanos) -> Self {
        Self {
            from,
            to,
            limit_square_area: 0,
            limit_min: u32::MAX,
            limit_max: 0,
            in_flight_peak: 0,
            areas: Areas::default(),
            experts_good: 0,
            ok_jobs: 0,
            failed_jobs: 0,
            pool_timeouts: 0,
            deadlocks: 0,
            pool_wait: Histogram::default(),
            expert_time: Histogram::default(),
        }
    }

    fn covers(&self, moment: Nanos) -> bool {
        (self.from..=self.to).contains(&moment)
    }

    /// `gauges` held from `since` to `now`.
    pub(crate) fn pass(&mut self, since: Nanos, now: Nanos, gauges: &Gauges) {
        let span = u128::from(now.min(self.to).saturating_sub(since.max(self.from)));
        if span == 0 {
            return;
        }
        let area = |count: u32| u128::from(count) * span;
        self.areas.limit += area(gauges.limit);
        self.areas.in_flight += area(gauges.in_flight);
        self.areas.queued += area(gauges.queued);
        self.areas.pending += area(gauges.pending);
        self.areas.held += area(gauges.held);
        self.areas.used += area(gauges.used);
        self.limit_square_area += u128::from(gauges.limit) * area(gauges.limit);
        self.limit_min = self.limit_min.min(gauges.limit);
        self.limit_max = self.limit_max.max(gauges.limit);
        self.in_flight_peak = self.in_flight_peak.max(gauges.in_flight);
    }

    pub(crate) fn pool_wait(&mut self, now: Nanos, wait: Nanos, timed_out: bool) {
        if self.covers(now) {
            self.pool_wait.record(wait);
            self.pool_timeouts += u32::from(timed_out);
        }
    }

    pub(crate) fn deadlock(&mut self, now: Nanos) {
        self.deadlocks += u32::from(self.covers(now));
    }

    pub(crate) fn expert_done(&mut self, now: Nanos, time: Nanos, counts: bool) {
        if self.covers(now) {
            self.expert_time.record(time);
            self.experts_good += u32::from(counts);
        }
    }

    /// `experts_done` are the moments at which experts of the job were done: now it turns out that it was in vain.
    pub(crate) fn job_failed(&mut self, now: Nanos, experts_done: &[Nanos]) {
        self.failed_jobs += u32::from(self.covers(now));
        for &moment in experts_done {
            self.experts_good -= u32::from(self.covers(moment));
        }
    }

    pub(crate) fn job_done(&mut self, now: Nanos) {
        self.ok_jobs += u32::from(self.covers(now));
    }

    pub(crate) fn figures(&self, pool_max: u32) -> Figures {
        let span = float(u128::from(self.to - self.from));
        let mean = |area: u128| ratio(float(area), span);
        Figures {
            from: Duration::from_nanos(self.from),
            to: Duration::from_nanos(self.to),
            goodput: f64::from(self.experts_good) / seconds(self.to - self.from),
            ok_jobs: self.ok_jobs,
            failed_jobs: self.failed_jobs,
            pool_timeouts: self.pool_timeouts,
            deadlocks: self.deadlocks,
            limit: self.limit_spread(mean(self.areas.limit), mean(self.limit_square_area)),
            in_flight_mean: mean(self.areas.in_flight),
            in_flight_peak: self.in_flight_peak,
            queued_mean: mean(self.areas.queued),
            pending_mean: mean(self.areas.pending),
            utilisation: mean(self.areas.used) / f64::from(pool_max),
            pool_wait: times(&self.pool_wait),
            expert_time: times(&self.expert_time),
        }
    }

    fn limit_spread(&self, mean: f64, mean_square: f64) -> Spread {
        let variance = (mean_square - mean * mean).max(0.0);
        Spread { mean, min: self.limit_min, max: self.limit_max, cv: ratio(variance.sqrt(), mean) }
    }
}

fn times(histogram: &Histogram) -> Times {
    Times {
        mean: histogram.mean(),
        p50: histogram.percentile(50),
        p99: histogram.percentile(99),
        max: histogram.max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::SECOND;

    #[test]
    fn means_are_weighted_with_time_and_cut_to_the_span() {
        let mut ledger = Ledger::new(SECOND, 5 * SECOND);
        ledger.pass(0, 2 * SECOND, &Gauges { limit: 10, in_flight: 4, ..Gauges::default() });
        ledger.pass(2 * SECOND, 9 * SECOND, &Gauges { limit: 2, in_flight: 8, ..Gauges::default() });
        let figures = ledger.figures(10);
        assert!((figures.limit.mean - 4.0).abs() < 1e-12, "(10 + 3 × 2) / 4");
        assert!((figures.limit.cv - 12_f64.sqrt() / 4.0).abs() < 1e-12);
        assert_eq!((figures.limit.min, figures.limit.max, figures.in_flight_peak), (2, 10, 8));
        assert!((figures.in_flight_mean - 7.0).abs() < 1e-12);
    }

    #[test]
    fn the_work_of_a_failed_job_is_taken_back() {
        let mut ledger = Ledger::new(SECOND, 2 * SECOND);
        let moments = [SECOND / 2, SECOND + 1, SECOND + 2];
        for moment in moments {
            ledger.expert_done(moment, 5, true);
        }
        ledger.expert_done(SECOND + 3, 5, true);
        ledger.job_failed(SECOND + 4, &moments);
        let figures = ledger.figures(1);
        assert!((figures.goodput - 1.0).abs() < 1e-12);
        assert_eq!((figures.failed_jobs, figures.ok_jobs), (1, 0));
    }
}
