use super::PoolAimdConstants;
use super::round::to_f64;
use crate::Demand;

/// Calls that callers gave up on when they were old, against all that ended, over the last turns of the calls in flight.
///
/// A database that hangs while the limit is below the pool shows no wait in the pool. What does show is that callers lose
/// their patience, at an age at which calls used to be over for long.
#[derive(Clone, Debug, Default)]
pub(super) struct Abandonment {
    /// Permits and calls given up on when old, and all permits that came back.
    old: f64,
    old_calls: f64,
    ended: f64,
}

impl Abandonment {
    /// Adds a tick; whether old calls were abandoned in it, and such calls are many.
    ///
    /// `usual` is the mean time of a call in seconds, zero if not known.
    pub(super) fn note(&mut self, constants: &PoolAimdConstants, demand: &Demand, usual: f64) -> bool {
        let ended = to_f64(demand.completed);
        // Those that were out in the tick, not those that are left at its end: a burst's past is not forgotten with it.
        let out = f64::from(demand.in_flight_peak.max(demand.in_flight)).max(1.0);
        let keep = (-ended / (constants.residence_turns * out)).exp();
        let are_old = demand.abandoned > 0 && Self::age(demand) >= Self::old_age(constants, usual);
        let (old, old_calls) = if are_old { (demand.abandoned, demand.abandoned_calls) } else { (0, 0) };
        self.ended = keep * self.ended + ended;
        self.old = keep * self.old + to_f64(old);
        self.old_calls = keep * self.old_calls + to_f64(old_calls);
        are_old && self.prevails(constants)
    }

    /// Whether many of the calls that ended lately did so because callers gave up on them.
    pub(super) fn prevails(&self, constants: &PoolAimdConstants) -> bool {
        self.old_calls >= constants.abandoned_least && self.old >= constants.abandoned_share * self.ended
    }

    /// The mean age in seconds at which calls were abandoned in this tick.
    pub(super) fn age(demand: &Demand) -> f64 {
        demand.abandoned_time.as_secs_f64() / to_f64(demand.abandoned.max(1))
    }

    fn old_age(constants: &PoolAimdConstants, usual: f64) -> f64 {
        let PoolAimdConstants { abandoned_old, abandoned_min_s, .. } = constants;
        if usual > 0.0 { abandoned_min_s.max(abandoned_old * usual) } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const CONSTANTS: fn() -> PoolAimdConstants = PoolAimdConstants::default;

    fn tick(in_flight: u32, completed: u64, abandoned: u64, age_ms: u64) -> Demand {
        Demand {
            in_flight,
            completed,
            abandoned,
            abandoned_calls: abandoned,
            abandoned_time: Duration::from_millis(age_ms * abandoned),
            ..Demand::default()
        }
    }

    #[track_caller]
    fn check(ticks: &[Demand], usual: f64, expected: bool) {
        let mut abandonment = Abandonment::default();
        let last = ticks.iter().map(|demand| abandonment.note(&CONSTANTS(), demand, usual)).last();
        assert_eq!(last, Some(expected));
    }

    #[test]
    fn all_callers_giving_up_at_an_old_age_prevails() {
        check(&[tick(0, 20, 20, 1000)], 0.02, true);
    }

    #[test]
    fn one_call_given_up_is_no_evidence() {
        check(&[tick(5, 1, 1, 1000)], 0.02, false);
    }

    #[test]
    fn calls_given_up_young_are_no_evidence() {
        check(&[tick(0, 20, 20, 99)], 0.02, false);
        check(&[tick(0, 20, 20, 400)], 0.1, false);
    }

    #[test]
    fn before_any_call_has_ended_a_second_is_old() {
        check(&[tick(0, 20, 20, 900)], 0.0, false);
        check(&[tick(0, 20, 20, 1000)], 0.0, true);
    }

    #[test]
    fn a_few_among_many_that_succeed_are_no_evidence() {
        let mixed = tick(20, 100, 5, 1000);
        check(&[mixed, mixed, mixed, mixed], 0.02, false);
    }

    #[test]
    fn it_is_over_once_calls_succeed_again() {
        let mut abandonment = Abandonment::default();
        assert!(abandonment.note(&CONSTANTS(), &tick(0, 20, 20, 1000), 0.02));
        for _ in 0..10 {
            abandonment.note(&CONSTANTS(), &tick(10, 50, 0, 0), 0.02);
        }
        assert!(!abandonment.prevails(&CONSTANTS()));
    }
}
