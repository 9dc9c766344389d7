use std::time::Duration;

use tidegate_core::{Outcome, Timestamp};

use super::smooth::WarmAverage;
use super::{EndedCall, LIMIT_MAX, Rival, whole};

const INITIAL: f64 = 20.0;
const LONG_WINDOW: u32 = 600;
const WARM_UP: u32 = 10;
const TOLERANCE: f64 = 1.5;
const QUEUE: f64 = 4.0;
const SMOOTHING: f64 = 0.2;
const WINDOW: Duration = Duration::from_secs(1);
const WINDOW_CALLS: f64 = 10.0;
const LATENCY_MIN: Duration = Duration::from_micros(100);

/// Gradient2: Netflix concurrency-limits, `Gradient2Limit.java` in a `WindowedLimit.java`, both at 78a74b9 (January 2026)
/// with their defaults, as the README and every example there combine them.
///
/// Each window of 1 s with 10 calls or more decides, by its mean latency rtt and the most permits out. With `long` the
/// exponential average of rtt over 600 windows: g = clamp(1.5 · long / rtt, ½, 1), and the limit moves by a fifth of the way
/// to g · limit + 4, unless less than half of it was out. While long > 2 · rtt, `long` shrinks by 5% a window. Drops count as
/// their latency and as nothing else, as at home. Published bounds are 20 to 200; here 1 to 1,000.
#[derive(Debug)]
pub(super) struct Gradient2 {
    limit: f64,
    /// In seconds.
    long: WarmAverage,
    window: Window,
    next_update: Timestamp,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    latency_sum: f64,
    calls: f64,
    in_flight_max: f64,
}

impl Gradient2 {
    pub(super) fn new() -> Self {
        Self {
            limit: INITIAL,
            long: WarmAverage::new(LONG_WINDOW, WARM_UP),
            window: Window::default(),
            next_update: Timestamp::default(),
        }
    }

    /// In seconds, and in permits.
    fn update(&mut self, rtt: f64, in_flight: f64) {
        let long = self.long.add(rtt);
        if long / rtt > 2.0 {
            self.long.scale(0.95);
        }
        if in_flight < self.limit / 2.0 {
            return;
        }
        let gradient = (TOLERANCE * long / rtt).clamp(0.5, 1.0);
        let target = gradient * self.limit + QUEUE;
        self.limit = ((1.0 - SMOOTHING) * self.limit + SMOOTHING * target).clamp(1.0, LIMIT_MAX);
    }
}

impl Rival for Gradient2 {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn ended(&mut self, call: &EndedCall) {
        if call.outcome == Outcome::Ignored || call.latency < LATENCY_MIN {
            return;
        }
        self.window.latency_sum += call.latency.as_secs_f64();
        self.window.calls += 1.0;
        self.window.in_flight_max = self.window.in_flight_max.max(call.in_flight_at_start.into());
        if call.now <= self.next_update {
            return;
        }
        self.next_update = call.now + WINDOW;
        let window = std::mem::take(&mut self.window);
        if window.calls >= WINDOW_CALLS {
            self.update(window.latency_sum / window.calls, window.in_flight_max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::call;

    #[test]
    fn the_formula_by_hand() {
        let mut law = Gradient2::new();
        // Permits out, latency in ms, limit after it; the first ten latencies are averaged equally.
        let rows = [
            (20.0, 100.0, 20.8),      // long 100, g 1: 0.8 · 20 + 0.2 · (20 + 4)
            (10.0, 100.0, 20.8),      // less than half
            (20.0, 100.0, 21.6),      // long 100, g 1
            (20.0, 500.0, 20.672),    // long 200, g 0.6: 0.8 · 21.6 + 0.2 · (12.96 + 4)
            (20.0, 2_000.0, 19.4048), // long 560, g ½: 0.8 · 20.672 + 0.2 · (10.336 + 4)
        ];
        for (in_flight, ms, limit) in rows {
            law.update(ms / 1e3, in_flight);
            assert!((law.limit - limit).abs() < 1e-9, "{in_flight} {ms}: {}", law.limit);
        }
    }

    #[test]
    fn a_long_average_that_is_twice_the_latency_shrinks_faster() {
        let mut law = Gradient2::new();
        for rtt in [1.0, 0.1, 0.1] {
            law.update(rtt, 1.0);
        }
        // 1,000; 550 · 0.95 = 522.5; (522.5 · 2 + 100) / 3 = 381.67 · 0.95 = 362.58; and one more: (362.58 · 3 + 100) / 4.
        assert!((law.long.add(0.1) - 0.296_937_5).abs() < 1e-9);
    }

    #[test]
    fn a_window_lasts_a_second_and_needs_ten_calls() {
        let mut law = Gradient2::new();
        // The first call ends the first window, which is too small.
        for (at, limit) in [(1, 20), (500, 20), (1_001, 20), (1_002, 20)] {
            law.ended(&call(at, 100, 25, Outcome::Success));
            assert_eq!(law.limit(), limit, "{at}");
        }
        let calls = [Outcome::Success, Outcome::Overload, Outcome::Ignored];
        calls.iter().cycle().take(14).for_each(|outcome| law.ended(&call(1_500, 100, 25, *outcome)));
        // Ten that count, and the one that ends the window: 0.8 · 20 + 0.2 · (20 + 4), twice.
        law.ended(&call(2_003, 100, 25, Outcome::Success));
        assert!((law.limit - 20.8).abs() < 1e-9, "{}", law.limit);
    }
}
