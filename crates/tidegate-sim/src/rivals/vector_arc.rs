use std::time::Duration;

use tidegate_core::{Outcome, Timestamp};

use super::aimd::AimdLimit;
use super::{EndedCall, Rival};

const INITIAL: f64 = 1.0;
const WEIGHT: f64 = 0.4;
const DEVIATIONS: f64 = 2.5;
const DECREASE: f64 = 0.9;

/// Adaptive request concurrency: Vector, `sinks/util/adaptive_concurrency/controller.rs` at c3445d4 (August 2026).
///
/// Once per mean latency of the past: the mean latency since is compared with the exponential mean and variance of earlier
/// ones (0.4 a step). If the limit was reached, nothing failed and it is not above the mean, the limit grows by 1; if a call
/// failed, or it is 2.5 standard deviations above the mean, the limit is ⌊0.9 · limit⌋. Only successful calls are timed.
/// A cancelled call frees its permit and says nothing. Published bounds are 1 to 200; here 1 to 1,000.
#[derive(Debug)]
pub(super) struct VectorArc {
    limit: AimdLimit,
    past: Option<Past>,
    next_update: Timestamp,
    latency_sum: f64,
    timed: f64,
    had_back_pressure: bool,
    reached_limit: bool,
}

/// In seconds.
#[derive(Clone, Copy, Debug)]
struct Past {
    mean: f64,
    variance: f64,
}

impl VectorArc {
    pub(super) fn new() -> Self {
        Self {
            limit: AimdLimit::new(INITIAL, DECREASE),
            past: None,
            next_update: Timestamp::default(),
            latency_sum: 0.0,
            timed: 0.0,
            had_back_pressure: false,
            reached_limit: false,
        }
    }

    fn change_limit(&mut self, past: Past, latency: Option<f64>) {
        let is_fast = latency.is_some_and(|latency| latency <= past.mean);
        let slow = past.mean + DEVIATIONS * past.variance.sqrt();
        let is_slow = latency.unwrap_or(0.0) >= slow;
        if !self.limit.is_highest() && self.reached_limit && !self.had_back_pressure && is_fast {
            self.limit.grow();
        } else if self.had_back_pressure || is_slow {
            self.limit.shrink();
        }
    }
}

impl Rival for VectorArc {
    fn limit(&self) -> u32 {
        self.limit.permits()
    }

    fn admitted(&mut self, _now: Timestamp, in_flight: u32) {
        self.reached_limit |= in_flight >= self.limit();
    }

    fn ended(&mut self, call: &EndedCall) {
        match call.outcome {
            Outcome::Success => {
                self.latency_sum += call.latency.as_secs_f64();
                self.timed += 1.0;
            }
            Outcome::Overload => self.had_back_pressure = true,
            _ => return,
        }
        let latency = (self.timed > 0.0).then(|| self.latency_sum / self.timed);
        match (self.past, latency) {
            (None, None) => {}
            (None, Some(mean)) => {
                self.past = Some(Past { mean, variance: 0.0 });
                self.next_update = call.now + Duration::from_secs_f64(mean);
            }
            (Some(mut past), _) if call.now >= self.next_update => {
                self.change_limit(past, latency);
                if let Some(latency) = latency {
                    let difference = latency - past.mean;
                    past.mean += WEIGHT * difference;
                    past.variance = (1.0 - WEIGHT) * (past.variance + WEIGHT * difference * difference);
                    self.past = Some(past);
                }
                self.next_update = call.now + Duration::from_secs_f64(past.mean);
                (self.latency_sum, self.timed) = (0.0, 0.0);
                (self.had_back_pressure, self.reached_limit) = (false, false);
            }
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::call;

    #[test]
    fn the_formula_by_hand() {
        let mut law = VectorArc::new();
        // Permits out at an admission before it (0: none), end in ms, latency in ms, outcome, limit after it.
        let rows = [
            (1, 100, 100, Outcome::Success, 1), // mean 100, until 200
            (1, 150, 90, Outcome::Success, 1),
            (1, 200, 90, Outcome::Success, 2), // (100 + 90 + 90) / 3 ≤ 100: mean 97.33, variance 10.67, until 297.3
            (2, 297, 90, Outcome::Success, 2),
            (0, 298, 90, Outcome::Success, 3), // mean 94.4, variance 19.31, until 392.4
            (2, 400, 90, Outcome::Success, 3), // the limit of 3 was not reached: mean 92.64, variance 16.23, until 492.6
            (3, 500, 103, Outcome::Success, 2), // 92.64 + 2.5 · 4.03 = 102.7 is passed: mean 96.78, until 596.8
            (2, 600, 90, Outcome::Ignored, 2),
            (0, 610, 0, Outcome::Overload, 1), // no latency: the mean stays
        ];
        for (in_flight, end, ms, outcome, limit) in rows {
            law.admitted(Timestamp::from_millis(end - 1), in_flight);
            law.ended(&call(end, ms, in_flight, outcome));
            assert_eq!(law.limit(), limit, "{end} {ms} {outcome:?} {law:?}");
        }
    }
}
