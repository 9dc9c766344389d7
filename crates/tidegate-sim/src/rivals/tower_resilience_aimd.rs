use std::time::Duration;

use tidegate_core::Outcome;

use super::{EndedCall, LIMIT_MAX, Rival, whole};

const INITIAL: f64 = 10.0;
const DECREASE: f64 = 0.5;
const THRESHOLD: Duration = Duration::from_millis(100);

/// AIMD on a latency threshold: tower-resilience-adaptive 0.14.0, `algorithm.rs`, with `aimd.rs` of tower-resilience-core.
///
/// Each call decides: success within 100 ms adds 1, whether the limit is used or not; a slower one, or any error, makes it
/// ⌊0.5 · limit⌋. A dropped call is ignored, as a cancelled one is here. Published bounds are 1 to 100; here 1 to 1,000.
#[derive(Debug)]
pub(super) struct TowerResilienceAimd {
    limit: f64,
}

impl TowerResilienceAimd {
    pub(super) const fn new() -> Self {
        Self { limit: INITIAL }
    }
}

impl Rival for TowerResilienceAimd {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn ended(&mut self, call: &EndedCall) {
        match call.outcome {
            Outcome::Success if call.latency <= THRESHOLD => self.limit += 1.0,
            Outcome::Success | Outcome::Overload => self.limit = (self.limit * DECREASE).floor(),
            _ => {}
        }
        self.limit = self.limit.clamp(1.0, LIMIT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::call;

    #[test]
    fn the_formula_by_hand() {
        let mut law = TowerResilienceAimd::new();
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
        for (ms, outcome, limit) in rows {
            law.ended(&call(0, ms, 1, outcome));
            assert_eq!(law.limit(), limit, "{ms} {outcome:?}");
        }
    }
}
