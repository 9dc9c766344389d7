use std::time::Duration;

/// When a queue stands, and who has stood in it for too long: controlled delay.
///
/// A queue that clears now and then is doing its work; one in which the oldest call has waited longer than the target at
/// every look for an interval only adds delay. Then the newest are served first, since they still have time, and those
/// who have waited longer than the target are refused, until for an interval nobody had to be.
/// (Nichols and Jacobson, "Controlling Queue Delay", 2012; the newest first and the short timeout are of Maurer, "Fail at
/// Scale", 2015.)
///
/// Times are nanoseconds since the limiter was built.
#[derive(Debug)]
pub(super) struct Sojourn {
    target: u64,
    interval: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The oldest had waited no longer than the target.
    Clear,
    /// Longer, at every look since then.
    Above { since: u64 },
    /// The queue stands; the last look that refused somebody.
    Standing { last_refused: u64 },
}

impl Sojourn {
    pub(super) fn new(target: Duration, interval: Duration) -> Self {
        Self { target: nanos(target), interval: nanos(interval), phase: Phase::Clear }
    }

    /// The target and the interval.
    pub(super) const fn bounds(&self) -> (Duration, Duration) {
        (Duration::from_nanos(self.target), Duration::from_nanos(self.interval))
    }

    /// Whether the queue stands.
    pub(super) fn stands(&self) -> bool {
        matches!(self.phase, Phase::Standing { .. })
    }

    /// One look, knowing when the oldest came; those who came before the time given back have waited too long.
    pub(super) fn look(&mut self, now: u64, oldest: Option<u64>) -> Option<u64> {
        let is_above = oldest.is_some_and(|since| now.saturating_sub(since) > self.target);
        self.phase = match self.phase {
            // Clear → Above, Above → Clear
            Phase::Clear if is_above => Phase::Above { since: now },
            Phase::Clear | Phase::Above { .. } if !is_above => Phase::Clear,
            // Above → Standing
            Phase::Above { since } if now.saturating_sub(since) >= self.interval => {
                Phase::Standing { last_refused: now }
            }
            // Standing → Clear
            Phase::Standing { .. } if is_above => Phase::Standing { last_refused: now },
            Phase::Standing { last_refused } if now.saturating_sub(last_refused) >= self.interval => {
                Phase::Clear
            }
            unchanged => unchanged,
        };
        (self.stands() && is_above).then(|| now.saturating_sub(self.target))
    }
}

/// 584 years are enough for a wait.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn sojourn() -> Sojourn {
        Sojourn::new(Duration::from_millis(5), Duration::from_millis(100))
    }

    #[test]
    fn a_queue_that_clears_now_and_then_does_not_stand() {
        let mut sojourn = sojourn();
        for look in 0..40 {
            let now = look * 25 * MS;
            let came = if look % 4 == 3 { now } else { now.saturating_sub(20 * MS) };
            assert_eq!(sojourn.look(now, Some(came)), None, "look {look}");
            assert!(!sojourn.stands());
        }
    }

    #[test]
    fn a_standing_queue_refuses_those_above_the_target_until_it_was_clear_for_an_interval() {
        let mut sojourn = sojourn();
        for now in [1000, 1025, 1050, 1075] {
            assert_eq!(sojourn.look(now * MS, Some(900 * MS)), None);
        }
        assert_eq!(sojourn.look(1100 * MS, Some(900 * MS)), Some(1095 * MS));
        assert!(sojourn.stands());
        // Nobody above the target now, but the interval has not passed.
        assert_eq!(sojourn.look(1125 * MS, Some(1124 * MS)), None);
        assert!(sojourn.stands());
        assert_eq!(sojourn.look(1150 * MS, Some(1140 * MS)), Some(1145 * MS), "above again");
        assert_eq!(sojourn.look(1249 * MS, None), None);
        assert!(sojourn.stands());
        assert_eq!(sojourn.look(1250 * MS, None), None);
        assert!(!sojourn.stands());
    }

    #[test]
    fn huge_times_do_not_overflow() {
        let mut sojourn = Sojourn::new(Duration::MAX, Duration::MAX);
        assert_eq!(sojourn.look(u64::MAX, Some(0)), None);
        assert_eq!(sojourn.look(0, Some(u64::MAX)), None);
    }
}
