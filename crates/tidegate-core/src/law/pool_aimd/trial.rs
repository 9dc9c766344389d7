use super::constants::PoolAimdConstants;
use super::round::to_f64;

/// What got done in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Connections given back, less one for each call that reported overload.
    pub(super) done: f64,
    pub(super) seconds: f64,
}

impl Tally {
    /// What got done where so many connections were given back, and so many calls reported overload.
    pub(super) fn new(returns: u64, overloads: u64, seconds: f64) -> Self {
        Self { done: to_f64(returns) - to_f64(overloads), seconds }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.done += other.done;
        self.seconds += other.seconds;
    }

    /// Per second. Nothing done counts as half a thing, so that it can be compared.
    pub(super) fn rate(&self) -> f64 {
        self.done.max(0.5) / self.seconds
    }

    /// How much more this does than `other`.
    pub(super) fn gain_over(&self, other: &Self) -> Gain {
        let error = (1.0 / self.done.max(1.0) + 1.0 / other.done.max(1.0)).sqrt();
        Gain { log: (self.rate() / other.rate()).ln(), error }
    }
}

/// The logarithm of a ratio of rates, and its standard error as for random arrivals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gain {
    pub(super) log: f64,
    pub(super) error: f64,
}

impl Gain {
    /// In standard errors.
    pub(super) fn significance(&self) -> f64 {
        self.log / self.error
    }
}

/// What one round showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) limit: f64,
    /// Means over the round.
    pub(super) in_flight: f64,
    pub(super) held: f64,
    pub(super) pending: f64,
    pub(super) tally: Tally,
    /// Whether the limit held a caller back.
    pub(super) limit_bound: bool,
}

impl Sample {
    /// Connection seconds per thing done. By Little's law that is the use time, and more where calls report overload.
    pub(super) fn slowness(&self) -> f64 {
        self.held / self.tally.rate()
    }

    /// The limit at which only this share of the connections would be held, if as much got done as now: calls that think
    /// would think as before, and nobody would wait.
    pub(super) fn limit_for_share(&self, share: f64) -> f64 {
        let per_call = ((self.held + self.pending) / self.in_flight).max(1.0);
        let fewer = (self.pending + (1.0 - share) * self.held) / per_call;
        (self.limit.min(self.in_flight) - fewer).floor().max(1.0)
    }
}

/// A comparison of two limits: rounds under the one and under the other in turn, so that whatever else changes meanwhile
/// touches both.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    base: Side,
    other: Side,
    is_other: bool,
    rounds: u32,
    /// Since the other limit was last put in force: what would have been done under the base, and what was.
    expected: f64,
    done: f64,
}

#[derive(Clone, Copy, Debug)]
struct Side {
    limit: f64,
    tally: Tally,
}

/// What is asked of the other limit to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// It must be better beyond doubt, and not by a little: there is no ceiling yet, and perhaps no need of one.
    Beyond,
    /// The better of two limits in the neighbourhood of a ceiling.
    Either,
    /// As `Either`, but not before losses under the other limit had the time to show.
    Patient,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Go on.
    Open,
    /// Take the other limit, or stay with the base; the gain of the other over the base.
    Taken(Gain),
    Refused(Gain),
    /// The lower limit held nobody back: there was nothing to compare.
    Void,
}

impl Trial {
    /// `base` has been in force with that result; `other` comes next.
    pub(super) fn new(base: f64, tally: Tally, other: f64) -> Self {
        let other = Side { limit: other, tally: Tally::default() };
        let base = Side { limit: base, tally };
        Self { base, other, is_other: true, rounds: 0, expected: 0.0, done: 0.0 }
    }

    pub(super) fn limit(&self) -> f64 {
        if self.is_other { self.other.limit } else { self.base.limit }
    }

    pub(super) fn base(&self) -> (f64, Tally) {
        (self.base.limit, self.base.tally)
    }

    pub(super) fn other(&self) -> f64 {
        self.other.limit
    }

    /// Whether it is of a higher limit.
    pub(super) fn is_upwards(&self) -> bool {
        self.other.limit > self.base.limit
    }

    /// Whether a higher limit is being tried just now.
    pub(super) fn is_above(&self) -> bool {
        self.is_other && self.is_upwards()
    }

    /// Counts a tick; whether next to nothing gets done under the other limit.
    pub(super) fn stalls(&mut self, constants: &PoolAimdConstants, tick: Tally) -> bool {
        if !self.is_other {
            return false;
        }
        self.expected += self.base.tally.rate() * tick.seconds;
        self.done += tick.done;
        self.expected >= constants.trial_stall && self.done < constants.trial_stall_share * self.expected
    }

    /// Counts a round and judges.
    pub(super) fn note(&mut self, constants: &PoolAimdConstants, proof: Proof, sample: &Sample) -> Verdict {
        self.rounds += 1;
        let is_below = self.other.limit < self.base.limit;
        if self.is_other && is_below && !sample.limit_bound {
            return Verdict::Void;
        }
        let side = if self.is_other { &mut self.other } else { &mut self.base };
        side.tally.add(sample.tally);
        let gain = self.other.tally.gain_over(&self.base.tally);
        match self.judge(constants, proof, gain) {
            Some(true) => Verdict::Taken(gain),
            Some(false) => Verdict::Refused(gain),
            None => {
                self.is_other = !self.is_other;
                (self.expected, self.done) = (0.0, 0.0);
                Verdict::Open
            }
        }
    }

    fn judge(&self, constants: &PoolAimdConstants, proof: Proof, gain: Gain) -> Option<bool> {
        let least = self.base.tally.done.min(self.other.tally.done);
        // A round under the base after one under the other: or a database that recovers meanwhile would pass for one that
        // thrashed before.
        let is_fair = self.rounds >= 2;
        let is_over =
            is_fair && (least >= constants.trial_done || f64::from(self.rounds) >= constants.trial_rounds);
        let significance = gain.significance();
        match proof {
            Proof::Beyond
                if is_fair && gain.log > constants.trial_gain && significance > constants.trial_sure =>
            {
                Some(true)
            }
            Proof::Beyond => (is_over || significance < -constants.trial_doubt).then_some(false),
            // Losses come late, and a few seconds of a full database may look well.
            Proof::Patient if significance > 0.0 && self.other.tally.seconds < constants.epoch_max_s => None,
            _ if significance.abs() > constants.tune_sure => Some(significance > 0.0),
            _ => is_over.then_some(gain.log > constants.tune_gain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(done: f64, seconds: f64) -> Tally {
        Tally { done, seconds }
    }

    fn sample(limit: f64, done: f64) -> Sample {
        let tally = tally(done, 1.0);
        Sample { limit, in_flight: limit, held: limit, pending: 0.0, tally, limit_bound: true }
    }

    /// The verdict on a trial of 10 against 20, after rounds of a second each: first of 10, then of either in turn.
    #[track_caller]
    fn check(proof: Proof, base: f64, rounds: &[f64], expected: &str) {
        let constants = PoolAimdConstants::default();
        let mut trial = Trial::new(20.0, tally(base, 1.0), 10.0);
        let mut verdict = Verdict::Open;
        for &done in rounds {
            assert_eq!(verdict, Verdict::Open);
            verdict = trial.note(&constants, proof, &sample(trial.limit(), done));
        }
        let found = match verdict {
            Verdict::Open => "open",
            Verdict::Taken(_) => "taken",
            Verdict::Refused(_) => "refused",
            Verdict::Void => "void",
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_gain_is_known_as_well_as_random_arrivals_tell() {
        let gain = tally(200.0, 2.0).gain_over(&tally(50.0, 1.0));
        assert!((gain.log - 2.0_f64.ln()).abs() < 1e-12);
        assert!((gain.error - (1.0_f64 / 200.0 + 1.0 / 50.0).sqrt()).abs() < 1e-12);
        // Nothing done is not infinitely worse.
        let nothing = tally(0.0, 1.0).gain_over(&tally(50.0, 1.0));
        assert!(nothing.log.is_finite() && nothing.significance() < -3.0);
    }

    #[test]
    fn the_first_ceiling_takes_a_gain_beyond_doubt() {
        // ln 1.3 = 0.26, standard error √(1/100 + 1/130) = 0.133: 1.97 of them. After two more rounds 2.79.
        check(Proof::Beyond, 100.0, &[130.0, 100.0], "open");
        check(Proof::Beyond, 100.0, &[130.0, 100.0, 130.0], "taken");
        // Beyond doubt at once, but only once the base was seen again.
        check(Proof::Beyond, 100.0, &[300.0], "open");
        check(Proof::Beyond, 100.0, &[300.0, 100.0], "taken");
        // More than 2.5 standard errors, of a gain of less than 10%.
        check(Proof::Beyond, 2000.0, &[2180.0, 2000.0], "refused");
    }

    #[test]
    fn a_lower_limit_with_which_less_gets_done_is_refused_at_once() {
        check(Proof::Beyond, 40.0, &[20.0], "refused");
        check(Proof::Beyond, 40.0, &[38.0], "open");
    }

    #[test]
    fn near_a_ceiling_two_standard_errors_decide_or_the_end_of_the_trial() {
        check(Proof::Either, 100.0, &[140.0], "taken");
        check(Proof::Either, 100.0, &[70.0], "refused");
        check(Proof::Either, 100.0, &[105.0], "open");
        // 300 queries under either: 5% are taken then, 2% are not.
        check(Proof::Either, 150.0, &[157.0, 150.0, 157.0], "taken");
        check(Proof::Either, 150.0, &[153.0, 150.0, 153.0], "refused");
        // Where little gets done, after 60 rounds.
        check(Proof::Either, 1.0, &[1.0; 59], "open");
        check(Proof::Either, 1.0, &[1.0; 60], "refused");
    }

    #[test]
    fn losses_are_given_time_to_show() {
        let constants = PoolAimdConstants::default();
        let half = |done| Sample { tally: tally(done, 0.5), ..sample(10.0, done) };
        for (proof, is_open) in [(Proof::Either, false), (Proof::Patient, true)] {
            let mut trial = Trial::new(10.0, tally(50.0, 0.5), 20.0);
            assert_eq!(trial.note(&constants, proof, &half(100.0)) == Verdict::Open, is_open);
        }
        // What gets less done need not be looked at for long.
        let mut trial = Trial::new(10.0, tally(50.0, 0.5), 20.0);
        assert!(matches!(trial.note(&constants, Proof::Patient, &half(10.0)), Verdict::Refused(_)));
    }

    #[test]
    fn a_lower_limit_that_holds_nobody_back_is_no_trial() {
        let constants = PoolAimdConstants::default();
        let free = Sample { limit_bound: false, ..sample(10.0, 100.0) };
        let mut trial = Trial::new(20.0, tally(100.0, 1.0), 10.0);
        assert_eq!(trial.note(&constants, Proof::Beyond, &free), Verdict::Void);
        // A higher one need not be reached.
        let mut trial = Trial::new(10.0, tally(100.0, 1.0), 20.0);
        assert_eq!(trial.note(&constants, Proof::Either, &free), Verdict::Open);
    }

    #[test]
    fn a_trial_stalls_when_next_to_nothing_gets_done() {
        let constants = PoolAimdConstants::default();
        // Under the base there would be 10 in a tick.
        let mut trial = Trial::new(10.0, tally(100.0, 1.0), 20.0);
        assert!(!trial.stalls(&constants, tally(0.0, 0.07)), "7 would have been done: too early to tell");
        assert!(trial.stalls(&constants, tally(0.0, 0.02)));
        let mut trial = Trial::new(10.0, tally(100.0, 1.0), 20.0);
        assert!(!trial.stalls(&constants, tally(1.0, 0.1)), "a tenth is something");
    }

    #[test]
    fn the_lower_limit_leaves_half_of_the_connections_in_use_if_as_much_gets_done() {
        let sample = |in_flight, held, pending| Sample { in_flight, held, pending, ..sample(30.0, 1.0) };
        #[track_caller]
        fn check(sample: &Sample, limit: f64) {
            let found = sample.limit_for_share(0.5);
            assert!((found - limit).abs() < 1e-9, "{found} is not {limit}");
        }
        // Ten wait and twenty are served: ten of these remain.
        check(&sample(30.0, 20.0, 10.0), 10.0);
        // Calls that think remain.
        check(&sample(30.0, 10.0, 0.0), 25.0);
        // Each call wants two connections.
        check(&sample(30.0, 40.0, 20.0), 10.0);
        check(&sample(1.0, 1.0, 0.0), 1.0);
    }
}
