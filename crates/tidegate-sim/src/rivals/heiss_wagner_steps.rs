use std::time::Duration;

use tidegate_core::{Evidence, Timestamp};

use super::interval::Throughput;
use super::{EndedCall, LIMIT_MAX, Rival, whole};

const INITIAL: f64 = 10.0;
const INTERVAL: Duration = Duration::from_secs(1);
const STEP: f64 = 1.0;

/// Incremental steps: Heiss and Wagner, Adaptive load control in transaction processing systems, VLDB 1991, pp. 47–54.
///
/// Each interval the limit moves by one step, in the same direction as before while throughput does not fall, in the other
/// one when it does. The paper's text was not at hand, only its abstract and accounts of it: that the step is 1, the
/// interval 1 s and the first limit 10 is a reading of ours.
#[derive(Debug)]
pub(super) struct HeissWagnerSteps {
    limit: f64,
    direction: f64,
    /// Calls done per second in the previous interval.
    previous: f64,
    throughput: Throughput,
}

impl HeissWagnerSteps {
    pub(super) fn new() -> Self {
        Self { limit: INITIAL, direction: 1.0, previous: 0.0, throughput: Throughput::new(INTERVAL) }
    }

    fn decide(&mut self, rate: f64) {
        if rate < self.previous {
            self.direction = -self.direction;
        }
        self.previous = rate;
        self.limit = (self.limit + STEP * self.direction).clamp(1.0, LIMIT_MAX);
    }
}

impl Rival for HeissWagnerSteps {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn ended(&mut self, call: &EndedCall) {
        self.throughput.add(call);
    }

    fn elapsed(&mut self, now: Timestamp, _evidence: &Evidence) {
        if let Some(point) = self.throughput.look(now) {
            self.decide(point.rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::Outcome;

    use super::*;
    use crate::rivals::tests::call;

    #[test]
    fn the_formula_by_hand() {
        let mut law = HeissWagnerSteps::new();
        // Calls done per second, limit after it.
        let rows = [(10, 11), (12, 12), (12, 13), (11, 12), (13, 11), (10, 12), (9, 11), (9, 10)];
        for (step, (done, limit)) in (1..).zip(rows) {
            for outcome in [Outcome::Success, Outcome::Overload] {
                (0..done).for_each(|_| law.ended(&call(step * 1_000, 10, 20, outcome)));
            }
            law.elapsed(Timestamp::from_millis(step * 1_000), &Evidence::default());
            assert_eq!(law.limit(), limit, "{done}");
        }
    }
}
