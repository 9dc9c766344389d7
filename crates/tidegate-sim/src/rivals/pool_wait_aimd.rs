use std::time::Duration;

use tidegate_core::{Evidence, Timestamp};

use super::Rival;
use super::aimd::AimdLimit;
use super::interval::PoolIntervals;

const INITIAL: f64 = 10.0;
const INTERVAL: Duration = Duration::from_millis(100);
const TARGET_WAIT: f64 = 0.01;
const DECREASE: f64 = 0.9;

/// Plain AIMD on pool wait, the textbook law (Chiu and Jain 1989) with the signal of ours and nothing else of it.
///
/// Every 100 ms: a loss, or a mean wait above 10 ms, makes the limit ⌊0.9 · limit⌋; otherwise it adds 1 if it held a caller
/// back. Nobody's product; it shows what rounds, relative targets and jumps are worth.
#[derive(Debug)]
pub(super) struct PoolWaitAimd {
    limit: AimdLimit,
    pool: PoolIntervals,
}

impl PoolWaitAimd {
    pub(super) fn new() -> Self {
        Self { limit: AimdLimit::new(INITIAL, DECREASE), pool: PoolIntervals::new(INTERVAL) }
    }
}

impl Rival for PoolWaitAimd {
    fn limit(&self) -> u32 {
        self.limit.permits()
    }

    fn elapsed(&mut self, now: Timestamp, evidence: &Evidence) {
        let Some(sums) = self.pool.look(now, evidence) else { return };
        if sums.losses > 0 || sums.mean_wait() > TARGET_WAIT {
            self.limit.shrink();
        } else if sums.held_back && sums.grants > 0 {
            self.limit.grow();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::evidence;

    #[test]
    fn the_formula_by_hand() {
        let mut law = PoolWaitAimd::new();
        // Grants, losses, total wait in ms, whether the limit held a caller back, limit after it.
        let rows = [
            (5, 0, 50, true, 11),
            (5, 0, 50, false, 11),
            (0, 0, 0, true, 11),
            (5, 0, 51, true, 9),
            (99, 1, 100, true, 8),
        ];
        for (step, (grants, losses, wait, held_back, limit)) in (1..).zip(rows) {
            law.elapsed(Timestamp::from_millis(step * 100), &evidence(grants, losses, wait, held_back));
            assert_eq!(law.limit(), limit, "{grants} {losses} {wait} {held_back}");
        }
    }

    #[test]
    fn looks_inside_an_interval_are_added_up() {
        let mut law = PoolWaitAimd::new();
        law.elapsed(Timestamp::from_millis(30), &evidence(1, 0, 25, false));
        law.elapsed(Timestamp::from_millis(60), &evidence(2, 0, 0, true));
        assert_eq!(law.limit(), 10);
        law.elapsed(Timestamp::from_millis(100), &evidence(0, 0, 0, false));
        assert_eq!(law.limit(), 11, "a mean of 8.3 ms, and somebody was held back");
    }
}
