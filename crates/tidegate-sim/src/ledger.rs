use std::time::Duration;

use crate::histogram::Histogram;
use crate::num::{Nanos, float, ratio, seconds};
use crate::report::{Figures, Spread, Times};

/// Counts that hold from one event to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) in_flight: u32,
    pub(crate) queued: u32,
    pub(crate) pending: u32,
    /// Connections lent or being opened, tenants' ones included.
    pub(crate) used: u32,
    /// The size of the pools.
    pub(crate) size: u32,
}

/// Keeps what is measured over one span of the run, of all processes together.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    from: Nanos,
    to: Nanos,
    in_flight_peak: u32,
    areas: Areas,
    experts_good: u32,
    ok_jobs: u32,
    failed_jobs: u32,
    pool_timeouts: u32,
    deadlocks: u32,
    given_up: u32,
    pool_wait: Histogram,
    expert_time: Histogram,
}

/// Counts summed over time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Areas {
    in_flight: u128,
    queued: u128,
    pending: u128,
    used: u128,
    size: u128,
}

/// What is measured of the span elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    pub(crate) limit: Spread,
    pub(crate) jain: f64,
    pub(crate) jain_5s: f64,
}

impl Ledger {
    pub(crate) fn new(from: Nanos, to: Nanos) -> Self {
        Self {
            from,
            to,
            in_flight_peak: 0,
            areas: Areas::default(),
            experts_good: 0,
            ok_jobs: 0,
            failed_jobs: 0,
            pool_timeouts: 0,
            deadlocks: 0,
            given_up: 0,
            pool_wait: Histogram::default(),
            expert_time: Histogram::default(),
        }
    }

    fn covers(&self, moment: Nanos) -> bool {
        (self.from..=self.to).contains(&moment)
    }

    pub(crate) const fn span(&self) -> (Nanos, Nanos) {
        (self.from, self.to)
    }

    /// `totals` held from `since` to `now`.
    pub(crate) fn pass(&mut self, since: Nanos, now: Nanos, totals: &Totals) {
        let span = u128::from(now.min(self.to).saturating_sub(since.max(self.from)));
        if span == 0 {
            return;
        }
        let area = |count: u32| u128::from(count) * span;
        self.areas.in_flight += area(totals.in_flight);
        self.areas.queued += area(totals.queued);
        self.areas.pending += area(totals.pending);
        self.areas.used += area(totals.used);
        self.areas.size += area(totals.size);
        self.in_flight_peak = self.in_flight_peak.max(totals.in_flight);
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

    pub(crate) fn expert_given_up(&mut self, now: Nanos) {
        self.given_up += u32::from(self.covers(now));
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

    pub(crate) fn figures(&self, beside: Beside) -> Figures {
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
            given_up: self.given_up,
            limit: beside.limit,
            in_flight_mean: mean(self.areas.in_flight),
            in_flight_peak: self.in_flight_peak,
            queued_mean: mean(self.areas.queued),
            pending_mean: mean(self.areas.pending),
            utilisation: ratio(float(self.areas.used), float(self.areas.size)),
            jain: beside.jain,
            jain_5s: beside.jain_5s,
            pool_wait: times(&self.pool_wait),
            expert_time: times(&self.expert_time),
        }
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

    const BESIDE: Beside =
        Beside { limit: Spread { mean: 1.0, min: 1, max: 1, cv: 0.0 }, jain: 1.0, jain_5s: 1.0 };

    #[test]
    fn means_are_weighted_with_time_and_cut_to_the_span() {
        let mut ledger = Ledger::new(SECOND, 5 * SECOND);
        ledger.pass(0, 2 * SECOND, &Totals { in_flight: 4, used: 2, size: 4, ..Totals::default() });
        ledger.pass(2 * SECOND, 9 * SECOND, &Totals { in_flight: 8, used: 6, size: 12, ..Totals::default() });
        let figures = ledger.figures(BESIDE);
        assert!((figures.in_flight_mean - 7.0).abs() < 1e-12, "(4 + 3 × 8) / 4");
        assert!((figures.utilisation - 0.5).abs() < 1e-12);
        assert_eq!(figures.in_flight_peak, 8);
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
        let figures = ledger.figures(BESIDE);
        assert!((figures.goodput - 1.0).abs() < 1e-12);
        assert_eq!((figures.failed_jobs, figures.ok_jobs), (1, 0));
    }
}
