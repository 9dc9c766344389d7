use std::time::Duration;

use tidegate_core::Outcome;

use super::{EndedCall, LIMIT_MAX, Rival, whole};

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
    limit: f64,
}

impl NetflixAimd {
    pub(super) const fn new() -> Self {
        Self { limit: INITIAL }
    }
}

impl Rival for NetflixAimd {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn ended(&mut self, call: &EndedCall) {
        if call.outcome == Outcome::Ignored {
            return;
        }
        if call.outcome == Outcome::Overload || call.latency > TIMEOUT {
            self.limit = (self.limit * BACKOFF).floor();
        } else if 2.0 * f64::from(call.in_flight_at_start) >= self.limit {
            self.limit += 1.0;
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
        let mut law = NetflixAimd::new();
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
        for (in_flight, ms, outcome, limit) in rows {
            law.ended(&call(0, ms, in_flight, outcome));
            assert_eq!(law.limit(), limit, "{in_flight} {ms} {outcome:?}");
        }
    }
}
