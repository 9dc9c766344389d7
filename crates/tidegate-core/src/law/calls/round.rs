use super::{duration, to_f64};
use crate::{Demand, Terms};

/// The fewest calls whose mean says something: with fewer, exponential times vary by more than a third.
const CALLS_MIN: f64 = 10.0;

/// The calls between two decisions.
///
/// A round first lets those end that were let in under an earlier limit, then measures until as many have ended as are out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// Calls that were out at the last change of the limit and have not ended.
    to_settle: f64,
    seconds: f64,
    /// Permits out, integrated over time.
    area: f64,
    ended: f64,
    /// Of those, the calls that came to an end of their own and reported no overload.
    finished: f64,
    peak: u32,
    was_held_back: bool,
}

/// What a round has shown.
#[derive(Clone, Copy, Debug)]
pub(in crate::law) struct Measured {
    /// Mean seconds of a call: the time all calls spent in the round, over those that ended of themselves.
    ///
    /// Calls that were cut short, failed or have not ended add their time and no end to it: they would have taken at least as
    /// long. For exponential times this is the most likely mean given what was cut off.
    pub(in crate::law) call_seconds: f64,
    /// Mean permits out.
    pub(in crate::law) in_flight: f64,
    /// The most permits out.
    pub(in crate::law) peak: u32,
    /// Whether the limit held callers back, and most of it was in use.
    pub(in crate::law) is_bound: bool,
    /// Calls that ended of themselves per second.
    pub(super) throughput: f64,
}

impl Round {
    /// A round after a change of the limit, with so many permits out.
    pub(super) fn after(in_flight: u32) -> Self {
        Self { to_settle: f64::from(in_flight), ..Self::default() }
    }

    pub(super) const fn peak(&self) -> u32 {
        self.peak
    }

    /// Adds a tick of so many seconds, with the permits out integrated over it.
    pub(super) fn add(&mut self, limit: u32, seconds: f64, area: f64, demand: &Demand) {
        let ended = to_f64(demand.completed.saturating_sub(demand.unused));
        if self.to_settle > 0.0 || demand.in_flight > limit {
            self.to_settle -= ended;
            return;
        }
        let failed = to_f64(demand.abandoned.saturating_add(demand.overloads));
        self.seconds += seconds;
        self.area += area;
        self.ended += ended;
        self.finished += (ended - failed).max(0.0);
        self.peak = self.peak.max(demand.in_flight_peak).max(demand.in_flight);
        self.was_held_back |= demand.held_back;
    }

    /// What it has shown, if it has ended; then the next one begins.
    pub(super) fn finish(&mut self, limit: u32) -> Option<Measured> {
        if self.ended < self.area / self.seconds || self.ended < CALLS_MIN || self.seconds <= 0.0 {
            return None;
        }
        let measured = self.measured(limit);
        *self = Self::default();
        Some(measured)
    }

    fn measured(&self, limit: u32) -> Measured {
        let in_flight = if self.seconds > 0.0 { self.area / self.seconds } else { 0.0 };
        Measured {
            call_seconds: self.area / self.finished.max(1.0),
            in_flight,
            peak: self.peak,
            is_bound: self.was_held_back && 2.0 * in_flight >= f64::from(limit),
            throughput: if self.seconds > 0.0 { self.finished / self.seconds } else { 0.0 },
        }
    }

    /// The figures so far.
    pub(super) fn terms(&self, demand: &Demand) -> Terms {
        Terms { losses: demand.overloads, ..self.measured(u32::MAX).terms() }
    }
}

impl Measured {
    pub(in crate::law) fn terms(&self) -> Terms {
        Terms {
            in_flight: self.in_flight,
            throughput: self.throughput,
            call_time: duration(self.call_seconds),
            ..Terms::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(in_flight: u32, completed: u64) -> Demand {
        Demand { in_flight, in_flight_peak: in_flight, completed, held_back: true, ..Demand::default() }
    }

    #[test]
    fn calls_of_an_earlier_limit_are_let_end_before_it_measures() {
        let mut round = Round::after(20);
        round.add(40, 0.1, 4.0, &tick(40, 12));
        round.add(40, 0.1, 4.0, &tick(40, 8));
        assert!(round.finish(40).is_none(), "twenty ended, but they were old");
        round.add(40, 0.1, 4.0, &tick(40, 40));
        let measured = round.finish(40).unwrap();
        assert!((measured.call_seconds - 0.1).abs() < 1e-12 && (measured.in_flight - 40.0).abs() < 1e-9);
        assert!(measured.is_bound);
        assert!(round.finish(40).is_none(), "the next one begins");
    }

    #[test]
    fn while_more_are_out_than_the_limit_nothing_is_measured() {
        let mut round = Round::after(0);
        round.add(10, 0.1, 4.0, &tick(40, 30));
        assert!(round.finish(10).is_none());
        round.add(10, 0.1, 1.0, &tick(10, 10));
        assert!(round.finish(10).is_some());
    }

    #[test]
    fn calls_that_failed_or_were_cut_short_count_with_their_time_and_not_as_ends() {
        let mut round = Round::after(0);
        round.add(10, 1.0, 10.0, &Demand { abandoned: 4, overloads: 1, unused: 10, ..tick(10, 20) });
        assert!((round.finish(10).unwrap().call_seconds - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_limit_that_is_half_used_is_not_what_holds_callers_back() {
        let mut round = Round::after(0);
        round.add(10, 1.0, 4.9, &tick(9, 10));
        assert!(!round.finish(10).unwrap().is_bound);
    }
}
