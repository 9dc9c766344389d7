use tidegate_core::{ControlLaw, Decision, Evidence, Reason, Timestamp};

use super::Phase;
use crate::Policy;

/// The oracle as a law: it knows the best fixed limit of each phase beforehand.
#[derive(Debug)]
struct Schedule {
    limits: Vec<(f64, u32)>,
    limit: u32,
}

impl Policy {
    /// The best fixed limit of each phase, at its time; `None` without phases.
    #[must_use]
    pub fn oracle(phases: &[Phase]) -> Option<Self> {
        let limits: Vec<(f64, u32)> = phases.iter().map(|phase| (phase.from_s, phase.limit)).collect();
        let limit = phases.first()?.limit;
        Some(Self::law("oracle", move || Schedule { limits: limits.clone(), limit }))
    }
}

impl ControlLaw for Schedule {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn tick(&mut self, now: Timestamp, _evidence: &Evidence) -> Decision {
        let now = now.since_start().as_secs_f64();
        let due = self.limits.iter().rev().find(|(at, _)| *at <= now);
        let to = due.map_or(self.limit, |(_, limit)| *limit);
        let from = std::mem::replace(&mut self.limit, to);
        Decision::new(from, self.limit, Reason::Fixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_comes_at_its_time() {
        let mut law = Schedule { limits: vec![(0.0, 5), (10.0, 8), (20.0, 3)], limit: 5 };
        let mut at = |s: u64| law.tick(Timestamp::from_millis(s * 1000), &Evidence::default()).to;
        assert_eq!([at(0), at(9), at(10), at(19), at(20), at(90)], [5, 5, 8, 8, 3, 3]);
    }
}
