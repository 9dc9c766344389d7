use tidegate_core::Outcome;

use super::aimd::AimdLimit;
use super::{EndedCall, Rival};

const INITIAL: f64 = 20.0;
const DECREASE: f64 = 0.9;
const MIN_UTILISATION: f64 = 0.8;

/// AIMD on losses: congestion-limiter 0.1.0, `limits/aimd.rs`.
///
/// Each call decides: overload makes the limit ⌊0.9 · limit⌋; success adds 1 if more than 80% of the limit was out when the
/// call ended. A call without an outcome is ignored, as a cancelled one is here. Bounds are 1 to 1,000 as published; the
/// starting point is the caller's choice there, 20 here.
#[derive(Debug)]
pub(super) struct CongestionLimiterAimd {
    limit: AimdLimit,
}

impl CongestionLimiterAimd {
    pub(super) const fn new() -> Self {
        Self { limit: AimdLimit::new(INITIAL, DECREASE) }
    }
}

impl Rival for CongestionLimiterAimd {
    fn limit(&self) -> u32 {
        self.limit.permits()
    }

    fn ended(&mut self, call: &EndedCall) {
        match call.outcome {
            Outcome::Overload => self.limit.shrink(),
            Outcome::Success
                if f64::from(call.in_flight_at_end) / f64::from(self.limit()) > MIN_UTILISATION =>
            {
                self.limit.grow();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::{by_hand, call};

    #[test]
    fn the_formula_by_hand() {
        // In flight, outcome, limit after it.
        let rows = [
            (16, Outcome::Success, 20),
            (17, Outcome::Success, 21),
            (21, Outcome::Success, 22),
            (22, Outcome::Overload, 19),
            (19, Outcome::Ignored, 19),
            (1, Outcome::Overload, 17),
        ];
        let rows = rows.map(|(in_flight, outcome, limit)| (call(0, 60_000, in_flight, outcome), limit));
        by_hand(CongestionLimiterAimd::new(), rows);
    }
}
