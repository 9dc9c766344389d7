use std::time::Duration;

use tidegate_core::Outcome;

use super::aimd::AimdLimit;
use super::{EndedCall, Rival};

const INITIAL: f64 = 10.0;
const DECREASE: f64 = 0.5;
const THRESHOLD: Duration = Duration::from_millis(100);

/// AIMD on a latency threshold: tower-resilience-adaptive 0.14.0, `algorithm.rs`, with `aimd.rs` of tower-resilience-core.
///
/// Each call decides: success within 100 ms adds 1, whether the limit is used or not; a slower one, or any error, makes it
/// ⌊0.5 · limit⌋. A dropped call is ignored, as a cancelled one is here. Published bounds are 1 to 100; here 1 to 1,000.
#[derive(Debug)]
pub(super) struct TowerResilienceAimd {
    limit: AimdLimit,
}

impl TowerResilienceAimd {
    pub(super) const fn new() -> Self {
        Self { limit: AimdLimit::new(INITIAL, DECREASE) }
    }
}

impl Rival for TowerResilienceAimd {
    fn limit(&self) -> u32 {
        self.limit.permits()
    }

    fn ended(&mut self, call: &EndedCall) {
        match call.outcome {
            Outcome::Success if call.latency <= THRESHOLD => self.limit.grow(),
            Outcome::Success | Outcome::Overload => self.limit.shrink(),
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
        // Latency in ms, outcome, limit after it.
        let rows = [
            (100, Outcome::Success, 11),
            (1, Outcome::Success, 12),
            (101, Outcome::Success, 6),
            (1, Outcome::Success, 7),
            (1, Outcome::Overload, 3),
            (500, Outcome::Ignored, 3),
            (1, Outcome::Overload, 1),
            (1, Outcome::Overload, 1),
        ];
        let rows = rows.map(|(ms, outcome, limit)| (call(0, ms, 1, outcome), limit));
        by_hand(TowerResilienceAimd::new(), rows);
    }
}
