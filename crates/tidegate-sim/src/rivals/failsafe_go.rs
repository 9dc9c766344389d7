use std::time::Duration;

use tidegate_core::{Outcome, Timestamp};

use super::correlation::{Correlation, CorrelationWindow};
use super::smooth::{WarmAverage, quantile};
use super::{EndedCall, LIMIT_MAX, Rival, log_step, whole};

const INITIAL: f64 = 20.0;
const WINDOW_MIN: f64 = 1.0;
const WINDOW_MAX: f64 = 30.0;
const SAMPLES_MIN: usize = 50;
const QUANTILE: f64 = 0.9;
const SMOOTHED: usize = 5;
const BASELINE_AGE: u32 = 10;
const WARM_UP: u32 = 10;
const CORRELATION_WINDOW: usize = 50;
const CORRELATION_WARM_UP: usize = 10;
const MAX_LIMIT_FACTOR: f64 = 5.0;

/// failsafe-go's adaptive limiter: `adaptivelimiter/adaptivelimiter.go` at 5759a5e (August 2026).
///
/// A window is the clamp of twice its lowest latency to 1 s…30 s, and 50 calls at least. Its 90th percentile goes through a
/// median of 5 and an average to become `recent`, and through a slower average to become `base`; queue = ⌈limit ·
/// (1 − base / recent)⌉. With s = ⌊log₁₀ limit⌋ (at least 1), the limit loses s if queue > 6s, or if all permits are out and
/// throughput does not rise with the permits out while latency does; else it gains s if queue < 3s. It is at most 5 times
/// the most permits out. A failed call counts as its latency; a cancelled one does not count, as at home.
/// The t-digest there is an exact percentile here. Published bounds are 1 to 200; here 1 to 1,000.
#[derive(Debug)]
pub(super) struct FailsafeGo {
    limit: f64,
    /// In seconds, as all times here.
    latencies: Vec<f64>,
    in_flight_max: f64,
    next_update: Timestamp,
    median: MedianFilter,
    recent: WarmAverage,
    base: WarmAverage,
    throughput: CorrelationWindow,
    latency: CorrelationWindow,
}

impl FailsafeGo {
    pub(super) fn new() -> Self {
        Self {
            limit: INITIAL,
            latencies: Vec::new(),
            in_flight_max: 0.0,
            next_update: Timestamp::default(),
            median: MedianFilter::default(),
            recent: WarmAverage::new(5, WARM_UP),
            base: WarmAverage::new(BASELINE_AGE, WARM_UP),
            throughput: CorrelationWindow::new(CORRELATION_WINDOW, CORRELATION_WARM_UP),
            latency: CorrelationWindow::new(CORRELATION_WINDOW, CORRELATION_WARM_UP),
        }
    }

    /// The window of calls has ended with this percentile.
    fn update(&mut self, percentile: f64, is_full: bool) {
        let recent = self.recent.add(self.median.add(percentile));
        let base = self.base.add(recent);
        let queue = (self.limit * (1.0 - base / recent)).ceil();
        let in_flight = self.in_flight_max;
        let throughput = self.throughput.add(in_flight, in_flight / recent);
        let latency = self.latency.add(in_flight, recent);
        let step = log_step(self.limit);
        let overloaded = is_full && is_overload(throughput, latency);
        let wanted = self.limit
            + if queue > 6.0 * step || overloaded {
                -step
            } else if queue < 3.0 * step {
                step
            } else {
                0.0
            };
        let ceiling = MAX_LIMIT_FACTOR * in_flight;
        self.limit = if wanted <= ceiling {
            wanted
        } else if self.limit > ceiling {
            // Gently, because the permits out may fluctuate.
            self.limit - step
        } else {
            ceiling
        }
        .clamp(1.0, LIMIT_MAX);
    }
}

/// Throughput falls as more permits are out, or does not rise while latency does.
fn is_overload(throughput: Correlation, latency: Correlation) -> bool {
    throughput.coefficient < 0.0
        || latency.coefficient > 0.5 && (throughput.coefficient < 0.3 || throughput.variation < 0.2)
}

impl Rival for FailsafeGo {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn ended(&mut self, call: &EndedCall) {
        let latency = call.latency.as_secs_f64();
        if call.outcome == Outcome::Ignored || latency <= 0.0 {
            return;
        }
        self.latencies.push(latency);
        self.in_flight_max = self.in_flight_max.max(call.in_flight_at_start.into());
        if call.now <= self.next_update || self.latencies.len() < SAMPLES_MIN {
            return;
        }
        let Some(percentile) = quantile(&mut self.latencies, QUANTILE) else { return };
        // Sorted by now.
        let window = (2.0 * self.latencies[0]).clamp(WINDOW_MIN, WINDOW_MAX);
        self.update(percentile, f64::from(call.in_flight_at_end) >= self.limit.floor());
        self.latencies.clear();
        self.in_flight_max = 0.0;
        self.next_update = call.now + Duration::from_secs_f64(window);
    }
}

/// The median of the last five; the first four pass unchanged.
#[derive(Debug, Default)]
struct MedianFilter {
    last: [f64; SMOOTHED],
    next: usize,
    count: usize,
}

impl MedianFilter {
    fn add(&mut self, value: f64) -> f64 {
        self.last[self.next] = value;
        self.next = (self.next + 1) % SMOOTHED;
        self.count += 1;
        if self.count < SMOOTHED {
            return value;
        }
        let mut sorted = self.last;
        sorted.sort_by(f64::total_cmp);
        sorted[SMOOTHED / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::call;

    #[test]
    fn the_formula_by_hand() {
        let mut law = FailsafeGo::new();
        // 90th percentile in ms, most permits out, whether all are out at the end, limit after it.
        let rows = [
            (100.0, 20.0, false, 21.0), // queue 0 < 3
            (100.0, 3.0, false, 20.0),  // 5 · 3 is below the limit: gently down
            (100.0, 4.1, false, 20.5),  // up to 5 · 4.1
            // recent (300 + 250) / 4 = 137.5; base (100 + 100 + 100 + 137.5) / 4 = 109.4: queue ⌈20.5 · 0.205⌉ = 5
            (250.0, 20.0, false, 20.5),
            // The median of five: 100. recent 130; base (437.5 + 130) / 5 = 113.5: queue ⌈20.5 · 0.127⌉ = 3
            (900.0, 20.0, false, 20.5),
            // The median: 250. recent 150; base (567.5 + 150) / 6 = 119.6: queue ⌈20.5 · 0.203⌉ = 5
            (900.0, 20.0, true, 20.5),
            // The median: 900. recent (900 + 900) / 7 = 257.1; base (717.5 + 257.1) / 7 = 139.2: queue ⌈9.4⌉ = 10
            (900.0, 20.0, false, 19.5),
        ];
        for (percentile, in_flight, is_full, limit) in rows {
            law.in_flight_max = in_flight;
            law.update(percentile / 1e3, is_full);
            assert!((law.limit - limit).abs() < 1e-9, "{percentile} {in_flight}: {}", law.limit);
        }
    }

    #[track_caller]
    fn overload(throughput: f64, variation: f64, latency: f64, expected: bool) {
        let throughput = Correlation { coefficient: throughput, variation };
        let latency = Correlation { coefficient: latency, variation: 0.5 };
        assert_eq!(is_overload(throughput, latency), expected);
    }

    #[test]
    fn overload_shows_in_correlations() {
        overload(-0.01, 0.5, 0.0, true);
        overload(0.0, 0.5, 0.5, false);
        overload(0.29, 0.5, 0.51, true);
        overload(0.31, 0.5, 0.51, false);
        overload(0.9, 0.19, 0.51, true);
        overload(0.9, 0.19, 0.5, false);
    }

    #[test]
    fn a_window_ends_with_time_and_fifty_calls() {
        let mut law = FailsafeGo::new();
        let mut changes = Vec::new();
        for at in 1..=3_000 {
            let before = law.limit();
            law.ended(&call(at, 100, 20, Outcome::Success));
            if law.limit() != before {
                changes.push(at);
            }
        }
        // The 50th call; then a second each, the shortest window.
        assert_eq!(changes, [50, 1_051, 2_052]);
        let mut law = FailsafeGo::new();
        for at in 1..=200 {
            law.ended(&call(at, 700, 20, Outcome::Success));
        }
        assert_eq!(law.next_update, Timestamp::from_millis(50 + 1_400), "twice the lowest latency");
    }
}
