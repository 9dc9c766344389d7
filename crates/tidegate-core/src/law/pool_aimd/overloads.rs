use super::constants::PoolAimdConstants;
use super::round::to_f64;
use crate::Demand;

/// Calls that reported overload, against all that ended lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Overloads {
    overloads: f64,
    ended: f64,
}

impl Overloads {
    /// Adds a tick; whether calls reported overload in it, and such calls are many.
    pub(super) fn note(&mut self, constants: &PoolAimdConstants, demand: &Demand) -> bool {
        let ended = to_f64(demand.completed.max(demand.overloads));
        let turns = constants.residence_turns * f64::from(demand.in_flight_peak.max(demand.in_flight));
        let keep = (-ended / turns.max(constants.overload_calls)).exp();
        self.overloads = keep * self.overloads + to_f64(demand.overloads);
        self.ended = keep * self.ended + ended;
        demand.overloads > 0 && self.overloads >= constants.overload_share * self.ended
    }

    /// The share of calls that report none, as far as those show that ended lately: of few it is nearer to a half than theirs,
    /// by two more of either kind (Agresti and Coull, "Approximate is better than exact", 1998).
    pub(super) fn success_share(&self) -> f64 {
        (self.ended - self.overloads + 2.0) / (self.ended + 4.0)
    }

    /// Whether most of the calls that ended lately reported overload.
    pub(super) fn dominate(&self) -> bool {
        2.0 * self.overloads >= self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ticks: &[(u64, u64)], expected: bool) {
        let constants = PoolAimdConstants::default();
        let mut overloads = Overloads::default();
        let tick =
            |&(completed, overloads)| Demand { in_flight: 10, completed, overloads, ..Demand::default() };
        let last = ticks.iter().map(|counts| overloads.note(&constants, &tick(counts))).last();
        assert_eq!(last, Some(expected));
    }

    #[test]
    fn a_rare_overload_among_calls_that_succeed_is_not_many() {
        check(&[(100, 0), (100, 1)], false);
        // Of few calls that have ended at all, one is many.
        check(&[(5, 1)], true);
    }

    #[test]
    fn overloads_are_many_at_a_twentieth() {
        check(&[(100, 4), (100, 4)], false);
        check(&[(100, 6), (100, 6)], true);
    }

    #[test]
    fn calls_that_reported_overload_without_an_end_count_as_ended() {
        check(&[(0, 2)], true);
    }

    #[test]
    fn the_share_that_succeeds_is_of_what_ended_lately() {
        #[track_caller]
        fn check(completed: u64, reported: u64, share: f64) {
            let mut overloads = Overloads::default();
            let demand = Demand { in_flight: 10, completed, overloads: reported, ..Demand::default() };
            overloads.note(&PoolAimdConstants::default(), &demand);
            assert!((overloads.success_share() - share).abs() < 1e-9, "{overloads:?}");
        }
        check(96, 48, 0.5);
        check(96, 96, 0.02);
        // One call proves little.
        check(1, 1, 0.4);
        check(0, 0, 0.5);
    }

    #[test]
    fn it_is_over_once_none_is_reported() {
        check(&[(100, 100), (100, 0)], false);
        check(&[(100, 100), (400, 0), (400, 0), (100, 1)], false);
    }
}
