use std::time::Duration;

use tidegate_core::{Evidence, Timestamp};

use super::interval::PoolIntervals;
use super::{LIMIT_MAX, Rival, whole};

const INITIAL: f64 = 1.0;
const POLL: Duration = Duration::from_secs(5);
const CONGESTED_WAIT: f64 = 0.001;

/// AIMD on the wait in a server's thread pool: opensearch-go, `opensearchtransport/pool_congestion.go` at 0bc1921
/// (August 2026).
///
/// Every 5 s, the shortest poll of the client: a rejection, or a mean wait of 1 ms or more, halves the limit and remembers
/// that as the threshold; otherwise the limit doubles below the threshold and grows by 1 above it. A poll without
/// completions holds. There is no guard for an unused limit.
///
/// The thread pool there is the connection pool here, a completion an acquire that was granted, a rejection one that timed
/// out. The ceiling there is the thread pool's size, because a request occupies a thread all the time; a call here holds a
/// connection only part of the time, so the ceiling is 1,000.
#[derive(Debug)]
pub(super) struct OpensearchGo {
    limit: f64,
    threshold: f64,
    pool: PoolIntervals,
}

impl OpensearchGo {
    pub(super) fn new() -> Self {
        Self { limit: INITIAL, threshold: LIMIT_MAX, pool: PoolIntervals::new(POLL) }
    }
}

impl Rival for OpensearchGo {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn elapsed(&mut self, now: Timestamp, evidence: &Evidence) {
        let Some(sums) = self.pool.look(now, evidence) else { return };
        if sums.losses > 0 || sums.grants > 0 && sums.mean_wait() >= CONGESTED_WAIT {
            self.limit = (self.limit / 2.0).floor().max(1.0);
            self.threshold = self.limit;
        } else if sums.grants > 0 {
            let grown = if self.limit < self.threshold { self.limit * 2.0 } else { self.limit + 1.0 };
            self.limit = grown.min(LIMIT_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::evidence;

    #[test]
    fn the_formula_by_hand() {
        let mut law = OpensearchGo::new();
        // Grants, losses, total wait in ms, limit after it.
        let rows = [
            (100, 0, 99, 2),
            (100, 0, 0, 4),
            (100, 0, 0, 8),
            (0, 0, 0, 8),
            (100, 0, 0, 16),
            (100, 0, 100, 8), // the threshold from here on
            (100, 0, 0, 9),
            (100, 0, 0, 10),
            (100, 1, 0, 5),
            (0, 1, 0, 2),
            (100, 0, 100, 1),
            (100, 0, 100, 1),
            (100, 0, 0, 2),
        ];
        for (step, (grants, losses, wait, limit)) in (1..).zip(rows) {
            law.elapsed(Timestamp::from_millis(step * 5_000), &evidence(grants, losses, wait, false));
            assert_eq!(law.limit(), limit, "{grants} {losses} {wait}");
        }
    }
}
