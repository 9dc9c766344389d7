use fastrand::Rng;
use tidegate_core::Outcome;

use super::{EndedCall, LIMIT_MAX, Rival, log_step, whole};

const INITIAL: f64 = 20.0;
const PROBE_MULTIPLIER: f64 = 30.0;

/// Vegas: Netflix concurrency-limits, `VegasLimit.java` at 78a74b9 (January 2026), every limiter's default there.
///
/// Each call decides. With rtt₀ the lowest latency seen, queue = ⌈limit · (1 − rtt₀ / rtt)⌉ and s = max(1, ⌊log₁₀ limit⌋):
/// a drop takes s off; fewer than half the limit out when the call began holds; queue ≤ s adds 6s; queue < 3s adds s;
/// queue > 6s takes s off. Every 30 · limit calls (times a random figure from 0.5 to 1) the call's own latency becomes rtt₀.
/// Without the window that may be put around it, which is not the default. Published bounds are 1 to 1,000, here too.
#[derive(Debug)]
pub(super) struct Vegas {
    limit: f64,
    /// In seconds; infinite before the first call.
    rtt_no_load: f64,
    calls: f64,
    jitter: f64,
    rng: Rng,
}

impl Vegas {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let jitter = jitter(&mut rng);
        Self { limit: INITIAL, rtt_no_load: f64::INFINITY, calls: 0.0, jitter, rng }
    }

    fn decide(&mut self, rtt: f64, call: &EndedCall) {
        let queue = (self.limit * (1.0 - self.rtt_no_load / rtt)).ceil();
        let step = log_step(self.limit);
        let change = if call.outcome == Outcome::Overload {
            -step
        } else if 2.0 * f64::from(call.in_flight_at_start) < self.limit {
            0.0
        } else if queue <= step {
            6.0 * step
        } else if queue < 3.0 * step {
            step
        } else if queue > 6.0 * step {
            -step
        } else {
            0.0
        };
        self.limit = (self.limit + change).clamp(1.0, LIMIT_MAX);
    }
}

fn jitter(rng: &mut Rng) -> f64 {
    0.5 + 0.5 * rng.f64()
}

impl Rival for Vegas {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn ended(&mut self, call: &EndedCall) {
        let rtt = call.latency.as_secs_f64();
        // At home a latency of zero is an error.
        if call.outcome == Outcome::Ignored || rtt <= 0.0 {
            return;
        }
        self.calls += 1.0;
        if self.calls >= self.jitter * PROBE_MULTIPLIER * self.limit {
            self.jitter = jitter(&mut self.rng);
            self.calls = 0.0;
            self.rtt_no_load = rtt;
        } else if rtt < self.rtt_no_load {
            self.rtt_no_load = rtt;
        } else {
            self.decide(rtt, call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::{by_hand, call};

    #[test]
    fn the_formula_by_hand() {
        // In flight, latency in ms, outcome, limit after it.
        let rows = [
            (20, 100, Outcome::Success, 20), // the first is rtt₀
            (20, 100, Outcome::Success, 26), // queue 0
            (12, 100, Outcome::Success, 26), // fewer than half
            (26, 108, Outcome::Success, 27), // queue ⌈1.93⌉ = 2
            (27, 112, Outcome::Success, 27), // queue ⌈2.89⌉ = 3
            (27, 128, Outcome::Success, 27), // queue ⌈5.91⌉ = 6
            (27, 129, Outcome::Success, 26), // queue ⌈6.07⌉ = 7
            (26, 100, Outcome::Overload, 25),
            (25, 500, Outcome::Ignored, 25),
            (25, 90, Outcome::Success, 25),  // a new rtt₀
            (25, 120, Outcome::Success, 24), // queue ⌈6.25⌉ = 7
        ];
        let rows = rows.map(|(in_flight, ms, outcome, limit)| (call(0, ms, in_flight, outcome), limit));
        by_hand(Vegas::new(1), rows);
    }

    #[test]
    fn the_probe_takes_the_calls_own_latency_as_the_baseline() {
        let mut law = Vegas::new(1);
        law.ended(&call(0, 100, 1, Outcome::Success));
        let probe = (1..=600).find(|_| {
            law.ended(&call(0, 300, 1, Outcome::Success));
            law.rtt_no_load > 0.2
        });
        // 30 · 20 calls, times 0.5 to 1, one of which was the first.
        assert!(probe.is_some_and(|calls| (299..600).contains(&calls)), "{probe:?}");
    }

    #[test]
    fn steps_are_longer_for_long_limits() {
        let mut law = Vegas::new(1);
        law.limit = 150.0;
        law.ended(&call(0, 100, 150, Outcome::Success));
        law.ended(&call(0, 100, 150, Outcome::Success));
        assert_eq!(law.limit(), 162, "6 · 2");
        law.ended(&call(0, 100, 162, Outcome::Overload));
        assert_eq!(law.limit(), 160);
    }
}
