use super::Measured;

/// A shrink that was to shorten the calls has, if with half as many out they take no more than this share of the time.
const HELPED: f64 = 0.75;
/// Bad rounds in a row at a limit that cannot shrink, after which calls are known to take so long by themselves.
const ROUNDS_AT_FLOOR: u32 = 3;

/// Says, of rounds in which calls take too long, whether that is our doing.
///
/// Where calls queue in the service, half as many take about half as long. Where they take as long as before, the service
/// has become slower by itself, and no limit of ours mends that: what it does now is what it can do.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::law) struct Baseline {
    /// Where the bad rounds began, or where a shrink last helped: the permits out, the call time, and the limit.
    since: Option<Since>,
    rounds_at_floor: u32,
}

#[derive(Clone, Copy, Debug)]
struct Since {
    in_flight: f64,
    call_seconds: f64,
    limit: u32,
}

impl Baseline {
    /// A round was good.
    pub(in crate::law) fn good(&mut self) {
        *self = Self::default();
    }

    /// A round was bad, under this limit, which can shrink no more if it `is_floor`; the limit to go back to, if it was not
    /// our doing.
    pub(in crate::law) fn bad(&mut self, measured: &Measured, limit: u32, is_floor: bool) -> Option<u32> {
        let Measured { call_seconds, in_flight, .. } = *measured;
        let here = Since { in_flight, call_seconds, limit };
        let since = *self.since.get_or_insert(here);
        self.rounds_at_floor = if is_floor { self.rounds_at_floor + 1 } else { 0 };
        if self.rounds_at_floor >= ROUNDS_AT_FLOOR {
            self.good();
            return Some(limit);
        }
        if 2.0 * in_flight > since.in_flight {
            return None;
        }
        if call_seconds > HELPED * since.call_seconds {
            self.good();
            return Some(since.limit);
        }
        self.since = Some(here);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::calls::testing::measured;

    #[test]
    fn half_as_many_calls_that_take_as_long_were_not_the_cause() {
        let mut baseline = Baseline::default();
        assert_eq!(baseline.bad(&measured(0.4, 40.0), 40, false), None);
        assert_eq!(baseline.bad(&measured(0.4, 25.0), 25, false), None, "not yet half");
        assert_eq!(baseline.bad(&measured(0.4, 20.0), 20, false), Some(40));
    }

    #[test]
    fn half_as_many_that_take_half_as_long_were() {
        let mut baseline = Baseline::default();
        assert_eq!(baseline.bad(&measured(0.4, 40.0), 40, false), None);
        assert_eq!(baseline.bad(&measured(0.2, 20.0), 20, false), None);
        // From there on it is asked anew.
        assert_eq!(baseline.bad(&measured(0.19, 10.0), 10, false), Some(20));
    }

    #[test]
    fn at_the_floor_three_bad_rounds_are_enough_and_a_good_one_begins_anew() {
        let mut baseline = Baseline::default();
        assert_eq!(baseline.bad(&measured(0.4, 1.0), 1, true), None);
        assert_eq!(baseline.bad(&measured(0.4, 1.0), 1, true), None);
        baseline.good();
        assert_eq!(baseline.bad(&measured(0.4, 1.0), 1, true), None);
        assert_eq!(baseline.bad(&measured(0.4, 1.0), 1, true), None);
        assert_eq!(baseline.bad(&measured(0.4, 1.0), 1, true), Some(1));
    }
}
