use std::time::Duration;

use tidegate_core::Outcome;

use super::aimd::AimdLimit;
use super::{EndedCall, Rival};

const INITIAL: f64 = 20.0;
const BACKOFF: f64 = 0.9;
const TIMEOUT: Duration = Duration::from_secs(5);

/// AIMD on losses: Netflix concurrency-limits, `AIMDLimit.java` at 78a74b9 (January 2026).
///
/// Each call decides: a drop, or a latency above 5 s, makes the limit ⌊0.9 · limit⌋; any other adds 1 if at least half the
/// limit was out when the call began. An expert that fails is a drop, one that was cancelled is ignored, as at home.
/// Published bounds are 20 to 200; here 1 to 1,000.
#[derive(Debug)]
pub(super) struct NetflixAimd {
    limit: AimdLimit,
}

impl NetflixAimd {
    pub(super) const fn new() -> Self {
        Self { limit: AimdLimit::new(INITIAL, BACKOFF) }
    }
}

impl Rival for NetflixAimd {
    fn limit(&self) -> u32 {
        self.limit.permits()
    }

    fn ended(&mut self, call: &EndedCall) {
        if call.outcome == Outcome::Ignored {
            return;
        }
        if call.outcome == Outcome::Overload || call.latency > TIMEOUT {
            self.limit.shrink();
        } else if 2 * call.in_flight_at_start >= self.limit() {
            self.limit.grow();
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
            (9, 10, Outcome::Success, 20),
            (10, 10, Outcome::Success, 21),
            (21, 10, Outcome::Success, 22),
            (22, 5_000, Outcome::Success, 23),
            (23, 5_001, Outcome::Success, 20),
            (20, 10, Outcome::Overload, 18),
            (20, 10, Outcome::Ignored, 18),
            (1, 10, Outcome::Overload, 16),
        ];
        let rows = rows.map(|(in_flight, ms, outcome, limit)| (call(0, ms, in_flight, outcome), limit));
        by_hand(NetflixAimd::new(), rows);
    }
}
