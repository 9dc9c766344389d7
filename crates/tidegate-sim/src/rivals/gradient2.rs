use tidegate_core::Outcome;

use super::smooth::WarmAverage;
use super::{EndedCall, LIMIT_MAX, Rival, whole};

const INITIAL: f64 = 20.0;
const LONG_WINDOW: u32 = 600;
const WARM_UP: u32 = 10;
const TOLERANCE: f64 = 1.5;
const QUEUE: f64 = 4.0;
const SMOOTHING: f64 = 0.2;

/// Gradient2: Netflix concurrency-limits, `Gradient2Limit.java` at 78a74b9 (January 2026).
///
/// Each call decides. With `long` the exponential average of latencies over 600 calls: g = clamp(1.5 · long / rtt, ½, 1), and
/// the limit moves by a fifth of the way to g · limit + 4, unless fewer than half the limit were out when the call began.
/// While long > 2 · rtt, `long` shrinks by 5% a call. Drops count as their latency and as nothing else, as at home.
/// Published bounds are 20 to 200; here 1 to 1,000.
#[derive(Debug)]
pub(super) struct Gradient2 {
    limit: f64,
    /// In seconds.
    long: WarmAverage,
}

impl Gradient2 {
    pub(super) fn new() -> Self {
        Self { limit: INITIAL, long: WarmAverage::new(LONG_WINDOW, WARM_UP) }
    }
}

impl Rival for Gradient2 {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn ended(&mut self, call: &EndedCall) {
        let rtt = call.latency.as_secs_f64();
        if call.outcome == Outcome::Ignored || rtt <= 0.0 {
            return;
        }
        let long = self.long.add(rtt);
        if long / rtt > 2.0 {
            self.long.scale(0.95);
        }
        if f64::from(call.in_flight_at_start) < self.limit / 2.0 {
            return;
        }
        let gradient = (TOLERANCE * long / rtt).clamp(0.5, 1.0);
        let target = gradient * self.limit + QUEUE;
        self.limit = ((1.0 - SMOOTHING) * self.limit + SMOOTHING * target).clamp(1.0, LIMIT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::call;

    #[test]
    fn the_formula_by_hand() {
        let mut law = Gradient2::new();
        // In flight, latency in ms, outcome, limit after it; the first ten latencies are averaged equally.
        let rows = [
            (20, 100, Outcome::Success, 20.8), // long 100, g 1: 0.8 · 20 + 0.2 · (20 + 4)
            (10, 100, Outcome::Success, 20.8), // fewer than half
            (20, 100, Outcome::Success, 21.6), // long 100, g 1
            (20, 500, Outcome::Overload, 20.672), // long 200, g 0.6: 0.8 · 21.6 + 0.2 · (12.96 + 4)
            (20, 900, Outcome::Ignored, 20.672),
            (20, 2_000, Outcome::Success, 19.4048), // long 560, g ½: 0.8 · 20.672 + 0.2 · (10.336 + 4)
        ];
        for (in_flight, ms, outcome, limit) in rows {
            law.ended(&call(0, ms, in_flight, outcome));
            assert!((law.limit - limit).abs() < 1e-9, "{in_flight} {ms} {outcome:?}: {}", law.limit);
        }
    }

    #[test]
    fn a_long_average_that_is_twice_the_latency_shrinks_faster() {
        let mut law = Gradient2::new();
        for ms in [1_000, 100, 100] {
            law.ended(&call(0, ms, 1, Outcome::Success));
        }
        // 1,000; 550 · 0.95 = 522.5; (522.5 · 2 + 100) / 3 = 381.67 · 0.95 = 362.58; and one more: (362.58 · 3 + 100) / 4.
        assert!((law.long.add(0.1) - 0.296_937_5).abs() < 1e-9);
    }
}
