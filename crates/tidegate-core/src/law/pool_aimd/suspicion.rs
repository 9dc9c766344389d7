use super::constants::PoolAimdConstants;
use super::trial::{Sample, Tally};

/// Whether more connections may get no more done.
///
/// It goes by the time a query holds a connection. While that stays as it was with fewer connections, throughput grows
/// with them; once it is longer by half, it may not. Only a trial can tell, because the database may have become slow by
/// itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Suspicion {
    known: Option<Known>,
    /// Whether `known` was held against fewer connections, and is not just the first that was seen.
    is_proven: bool,
    /// For how long queries have been slow without more connections than were fast.
    slow_seconds: f64,
    /// The suspect rounds in a row under about one limit.
    rounds: u32,
    limit: f64,
    seen: Tally,
}

/// A number of connections that is no reason to worry.
#[derive(Clone, Copy, Debug)]
struct Known {
    held: f64,
    slowness: f64,
    /// The queries it rests on.
    done: f64,
    /// The most connections that were about as fast.
    fast: f64,
}

impl Suspicion {
    pub(super) fn note(&mut self, constants: &PoolAimdConstants, sample: &Sample) {
        let is_suspect = sample.held >= constants.suspect_held && self.judge(constants, sample);
        if !is_suspect {
            self.clear();
        } else if self.rounds == 0 || (sample.limit / self.limit).ln().abs() > constants.suspect_range {
            (self.rounds, self.limit, self.seen) = (1, sample.limit, sample.tally);
        } else {
            self.rounds += 1;
            self.seen.add(sample.tally);
        }
    }

    /// Whether the round is suspect; if it is not, it may become what is known.
    fn judge(&mut self, constants: &PoolAimdConstants, sample: &Sample) -> bool {
        let (held, slowness, done) = (sample.held, sample.slowness(), sample.tally.done.max(1.0));
        let Some(known) = &mut self.known else {
            self.known = Some(Known { held, slowness, done, fast: held });
            return false;
        };
        let excess = (slowness / known.slowness).ln();
        let error = (1.0 / done + 1.0 / known.done).sqrt();
        let allowed = constants.suspect_ratio.ln();
        let is_more = held >= constants.suspect_ratio * known.held;
        if excess > allowed {
            // As many connections were fast before: the database has become slow by itself.
            let is_known = self.is_proven && held <= constants.suspect_more * known.fast;
            self.slow_seconds += sample.tally.seconds;
            return !is_known || self.slow_seconds > constants.suspect_lasting_s;
        }
        self.slow_seconds = 0.0;
        if excess + error <= allowed {
            known.fast = known.fast.max(held);
            if is_more {
                *known = Known { held, slowness, done, ..*known };
                self.is_proven = true;
                return false;
            }
        }
        if !is_more {
            known.slowness += done / (done + known.done) * (slowness - known.slowness);
            known.done = (known.done + done).min(constants.suspect_memory);
        }
        !self.is_proven
    }

    /// Whether this round is so much slower than one with fewer connections that still more would be rash.
    pub(super) fn bars_jump(&self, constants: &PoolAimdConstants, sample: &Sample) -> bool {
        self.known.is_some_and(|known| {
            let is_more = sample.held > known.held.max(constants.suspect_more * known.fast);
            is_more && sample.slowness() > constants.suspect_ratio * known.slowness
        })
    }

    /// What was seen, once that is enough for a trial.
    pub(super) fn evidence(&self, constants: &PoolAimdConstants) -> Option<Tally> {
        (self.rounds >= 2 && self.seen.done >= constants.suspect_done).then_some(self.seen)
    }

    /// Nothing that was seen lately counts.
    pub(super) fn clear(&mut self) {
        self.rounds = 0;
    }

    /// A trial found that as many connections as these are none too many; `is_proven` if it left no doubt.
    pub(super) fn settle(&mut self, held: f64, tally: Tally, is_proven: bool) {
        let known = Known { held, slowness: held / tally.rate(), done: tally.done.max(1.0), fast: held };
        *self = Self { known: Some(known), is_proven, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `held` connections for a second in which each query took `slowness` seconds of them.
    fn round(limit: f64, held: f64, slowness: f64) -> Sample {
        let tally = Tally { done: held / slowness, seconds: 1.0 };
        Sample { limit, in_flight: limit, held, pending: 0.0, tally, limit_bound: true }
    }

    /// Whether the rounds leave enough evidence for a trial.
    #[track_caller]
    fn check(rounds: &[Sample], is_suspect: bool) {
        let constants = PoolAimdConstants::default();
        let mut suspicion = Suspicion::default();
        for sample in rounds {
            suspicion.note(&constants, sample);
        }
        assert_eq!(suspicion.evidence(&constants).is_some(), is_suspect);
    }

    #[test]
    fn connections_that_are_as_fast_as_fewer_are_no_reason() {
        check(&[round(10.0, 7.0, 0.05), round(20.0, 14.0, 0.05), round(20.0, 14.0, 0.05)], false);
        check(&[round(10.0, 7.0, 0.05), round(20.0, 14.0, 0.06), round(20.0, 14.0, 0.06)], false);
    }

    #[test]
    fn connections_that_are_slower_by_half_for_two_rounds_are_a_reason() {
        let known = [round(10.0, 7.0, 0.05), round(20.0, 14.0, 0.05)];
        let slow = round(30.0, 20.0, 0.1);
        check(&[known[0], known[1], slow], false);
        check(&[known[0], known[1], slow, slow], true);
        check(&[known[0], known[1], slow, slow, known[1]], false);
        // The rounds must be of about one limit…
        check(&[known[0], known[1], slow, round(60.0, 20.0, 0.1)], false);
        // …and forty queries long together.
        let short = round(30.0, 20.0, 2.0);
        check(&[known[0], known[1], short, short], false);
        check(&[known[0], known[1], short, short, short, short], true);
    }

    #[test]
    fn connections_that_were_fast_before_do_not_slow_each_other() {
        let known = [round(10.0, 7.0, 0.05), round(20.0, 14.0, 0.05), round(30.0, 20.0, 0.05)];
        let slow = round(30.0, 20.0, 0.15);
        check(&[known[0], known[1], slow, slow], true);
        check(&[known[0], known[1], known[2], slow, slow], false);
        // A tenth more are no more, a fifth more are.
        let more = |held| round(30.0, held, 0.15);
        check(&[known[0], known[1], known[2], more(21.9), more(21.9)], false);
        check(&[known[0], known[1], known[2], more(24.0), more(24.0)], true);
    }

    #[test]
    fn what_lasts_is_suspect_all_the_same() {
        let slow = round(30.0, 20.0, 0.15);
        let mut rounds = vec![round(10.0, 7.0, 0.05), round(20.0, 14.0, 0.05), round(30.0, 20.0, 0.05)];
        rounds.extend([slow; 21]);
        check(&rounds, false);
        check(&[rounds.as_slice(), &[slow]].concat(), true);
        // It must last in one go.
        rounds.extend([round(30.0, 20.0, 0.05), slow, slow]);
        check(&rounds, false);
    }

    #[test]
    fn the_first_connections_that_are_seen_prove_nothing() {
        let first = round(100.0, 80.0, 0.5);
        check(&[first, first], false);
        check(&[first, first, first], true);
        // Next to no connections are too few to look at.
        let idle = round(100.0, 0.2, 0.001);
        check(&[idle, idle, idle], false);
    }

    #[test]
    fn a_doubt_of_one_standard_error_is_no_proof() {
        // 1.4 times as slow by ten queries each: between 0.9 and 2.2 times.
        let few = |limit, held, slowness| Sample {
            tally: Tally { done: 10.0, seconds: 10.0 * slowness / held },
            ..round(limit, held, slowness)
        };
        let doubtful = few(20.0, 14.0, 0.07);
        check(&[few(10.0, 7.0, 0.05), doubtful, doubtful, doubtful, doubtful], true);
        let clear = few(20.0, 14.0, 0.045);
        check(&[few(10.0, 7.0, 0.05), clear, clear, clear, clear], false);
    }

    #[test]
    fn no_jump_leads_beyond_connections_that_are_slower() {
        let constants = PoolAimdConstants::default();
        let mut suspicion = Suspicion::default();
        assert!(!suspicion.bars_jump(&constants, &round(10.0, 7.0, 0.05)));
        suspicion.note(&constants, &round(10.0, 7.0, 0.05));
        assert!(suspicion.bars_jump(&constants, &round(20.0, 14.0, 0.08)));
        assert!(!suspicion.bars_jump(&constants, &round(20.0, 14.0, 0.07)));
        assert!(!suspicion.bars_jump(&constants, &round(20.0, 6.0, 0.2)), "slow with fewer: slow by itself");
    }

    #[test]
    fn after_a_trial_what_it_found_is_known() {
        let constants = PoolAimdConstants::default();
        let slow = round(30.0, 20.0, 0.1);
        for is_proven in [true, false] {
            let mut suspicion = Suspicion::default();
            suspicion.settle(20.0, slow.tally, is_proven);
            suspicion.note(&constants, &slow);
            suspicion.note(&constants, &slow);
            assert_eq!(suspicion.evidence(&constants).is_none(), is_proven);
        }
    }
}
