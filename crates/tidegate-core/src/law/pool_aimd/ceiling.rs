use std::time::Duration;

use super::constants::PoolAimdConstants;
use super::suspicion::Suspicion;
use super::trial::{Gain, Proof, Sample, Tally, Trial, Verdict};
use crate::Timestamp;

/// The limit above which the database gets less done, if there is one.
///
/// The pool cannot show it: connections are free while queries are in each other's way. So it is found by trials: when
/// [`Suspicion`] arises, a much lower limit is tried; if more gets done with it, that is the ceiling, and further trials
/// above and below it follow, ever more rarely as long as they change nothing.
#[derive(Clone, Debug)]
pub(super) struct Ceiling {
    /// Infinite while none is known.
    limit: f64,
    trial: Option<Trial>,
    began: Timestamp,
    /// The connections held in the round before the trial.
    held_before: f64,
    suspicion: Suspicion,
    /// Whether calls that reported overload set it.
    is_for_losses: bool,
    /// Whether the next trial is of a higher limit, and how often its step was doubled.
    upwards: bool,
    doublings: i32,
    /// Neighbours that were compared with it.
    below: Option<Neighbour>,
    above: Option<Neighbour>,
    /// No trial before this moment; and how many times the length of a trial it takes to the next.
    due: Timestamp,
    patience: f64,
    /// Until this moment calls that a trial of a higher limit let in may still fail.
    aftermath: Timestamp,
    /// Rounds to let pass unseen: they show what was before.
    skip: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Neighbour {
    limit: f64,
    /// The logarithm of how much more gets done with it than under the ceiling.
    gain: f64,
}

impl Ceiling {
    pub(super) fn new(constants: &PoolAimdConstants) -> Self {
        Self {
            limit: f64::INFINITY,
            trial: None,
            began: Timestamp::default(),
            held_before: 0.0,
            suspicion: Suspicion::default(),
            is_for_losses: false,
            upwards: false,
            doublings: 0,
            below: None,
            above: None,
            due: Timestamp::default(),
            patience: constants.patience,
            aftermath: Timestamp::default(),
            skip: 0,
        }
    }

    /// The limit of the trial, or else the ceiling.
    pub(super) fn in_force(&self) -> f64 {
        self.trial.as_ref().map_or(self.limit, Trial::limit)
    }

    pub(super) fn is_trying(&self) -> bool {
        self.trial.is_some()
    }

    pub(super) const fn is_known(&self) -> bool {
        self.limit.is_finite()
    }

    /// A round has ended under the law's own limit.
    pub(super) fn note(&mut self, constants: &PoolAimdConstants, own_limit: f64, sample: &Sample) {
        if own_limit <= self.limit && self.is_known() {
            // The pool's own evidence asks for no more: the ceiling has nothing to add.
            *self = Self { patience: self.patience, ..Self::new(constants) };
        }
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.is_known() {
            self.suspicion.clear();
        } else {
            self.suspicion.note(constants, sample);
        }
    }

    pub(super) fn bars_jump(&self, constants: &PoolAimdConstants, sample: &Sample) -> bool {
        self.suspicion.bars_jump(constants, sample)
    }

    /// Begins a trial if it is time for one; whether it did. `own_limit` is the law's own after the round.
    pub(super) fn begin(
        &mut self,
        constants: &PoolAimdConstants,
        now: Timestamp,
        own_limit: f64,
        sample: &Sample,
    ) -> bool {
        if now < self.due {
            return false;
        }
        let (base, tally) = if self.is_known() {
            (self.limit, sample.limit_bound.then_some(sample.tally))
        } else {
            (sample.limit.min(sample.in_flight).min(own_limit).round(), self.suspicion.evidence(constants))
        };
        let Some(tally) = tally.filter(|_| sample.limit >= base) else { return false };
        let step = 1.0 + constants.tune_step;
        let share = if self.is_known() { constants.tune_share } else { constants.trial_share };
        let lower = sample.limit_for_share(share).min((base / step).floor()).max(1.0);
        self.upwards &= self.is_known();
        let other = if self.upwards || (self.is_known() && lower >= base) {
            self.upwards = true;
            base + (constants.tune_step * base * f64::from(self.doublings).exp2()).clamp(1.0, base).round()
        } else {
            lower
        };
        if other < base || self.upwards {
            (self.began, self.held_before) = (now, sample.held);
            self.trial = Some(Trial::new(base, tally, other));
        }
        self.is_trying()
    }

    /// Every tick: gives up a trial under whose limit next to nothing gets done; whether it did.
    pub(super) fn give_up(&mut self, constants: &PoolAimdConstants, now: Timestamp, tick: Tally) -> bool {
        let stalls = self.trial.as_mut().is_some_and(|trial| trial.stalls(constants, tick));
        if stalls {
            self.abort(constants, now);
        }
        stalls
    }

    /// Ends a trial, if there is one, without a result: something else has happened.
    pub(super) fn abort(&mut self, constants: &PoolAimdConstants, now: Timestamp) {
        if let Some(trial) = self.trial.take() {
            self.note_end(constants, now, &trial);
            self.wait(constants, now);
        }
        self.suspicion.clear();
        self.skip = 1;
    }

    /// A round of a trial has ended; whether the ceiling has moved.
    pub(super) fn end_round(
        &mut self,
        constants: &PoolAimdConstants,
        now: Timestamp,
        sample: &Sample,
    ) -> bool {
        let proof = match (self.is_known(), self.is_for_losses && self.upwards) {
            (false, _) => Proof::Beyond,
            (true, false) => Proof::Either,
            (true, true) => Proof::Patient,
        };
        let Some(trial) = &mut self.trial else { return false };
        let verdict = trial.note(constants, proof, sample);
        let (base, tally) = trial.base();
        let other = trial.other();
        match verdict {
            Verdict::Open => return false,
            Verdict::Void => self.wait(constants, now),
            Verdict::Taken(gain) => self.take(constants, now, base, other, gain),
            Verdict::Refused(gain) if self.is_known() => self.stay(constants, now, other, gain),
            Verdict::Refused(gain) => {
                self.suspicion.settle(self.held_before, tally, gain.significance() < -constants.trial_doubt);
                self.wait(constants, now);
            }
        }
        if let Some(trial) = self.trial.take()
            && !matches!(verdict, Verdict::Taken(_))
        {
            self.note_end(constants, now, &trial);
        }
        self.is_known() && (self.limit - base).abs() >= 1.0
    }

    /// What a trial of a higher limit let in may fail when the trial is over.
    fn note_end(&mut self, constants: &PoolAimdConstants, now: Timestamp, trial: &Trial) {
        if trial.is_upwards() {
            self.aftermath = now + Duration::try_from_secs_f64(constants.epoch_max_s).unwrap_or_default();
        }
    }

    /// More gets done with the other limit.
    fn take(&mut self, constants: &PoolAimdConstants, now: Timestamp, base: f64, other: f64, gain: Gain) {
        self.doublings = if other > base { self.doublings + 1 } else { 0 };
        self.move_to(other);
        if gain.log > constants.trial_gain {
            (self.due, self.patience) = (now, constants.patience);
        } else {
            self.wait(constants, now);
        }
        let left = Some(Neighbour { limit: base, gain: -gain.log });
        *(if other > base { &mut self.below } else { &mut self.above }) = left;
    }

    /// Not more gets done with the other limit. With neighbours on both sides, the best may lie between them.
    fn stay(&mut self, constants: &PoolAimdConstants, now: Timestamp, other: f64, gain: Gain) {
        self.doublings = 0;
        let neighbour = Some(Neighbour { limit: other, gain: gain.log });
        *(if other > self.limit { &mut self.above } else { &mut self.below }) = neighbour;
        self.upwards = !self.upwards;
        match (self.below, self.above) {
            (Some(below), Some(above)) => {
                self.move_to(vertex(self.limit, below, above));
                self.wait(constants, now);
            }
            _ if self.limit <= 1.0 => self.wait(constants, now),
            // The other side next.
            _ => self.due = now,
        }
    }

    fn move_to(&mut self, limit: f64) {
        self.limit = limit;
        (self.below, self.above) = (None, None);
    }

    /// Puts off the next trial by so many times the length of this one, more each time.
    fn wait(&mut self, constants: &PoolAimdConstants, now: Timestamp) {
        // Where calls report overload, a trial that was given up at once costs until those it let in have failed.
        let least = if self.is_for_losses { constants.epoch_max_s } else { 0.0 };
        let seconds = self.patience * now.since(self.began).as_secs_f64().max(least);
        self.due =
            now + Duration::try_from_secs_f64(seconds.min(constants.patience_max_s)).unwrap_or_default();
        self.patience *= if self.is_for_losses { constants.patience_of_losses } else { 2.0 };
    }

    /// Calls reported overload: the ceiling is `limit` now, or stays where it was if a trial above it is the reason, or
    /// was just before.
    pub(super) fn lower(&mut self, constants: &PoolAimdConstants, now: Timestamp, limit: f64) {
        let is_late = now < self.aftermath;
        let is_above = self.is_known() && (is_late || self.trial.as_ref().is_some_and(Trial::is_above));
        self.abort(constants, now);
        if !is_above {
            self.move_to(limit.floor().max(1.0));
            (self.due, self.patience) = (now, constants.patience);
            self.is_for_losses = true;
        }
        // Doubled twice, the step up is a doubling of the limit: back to where it was, if the overload is over.
        (self.upwards, self.doublings, self.skip) = (true, 2, 2);
    }
}

/// The top of the parabola over the logarithm of the limit, through a ceiling and its neighbours, rounded; at most half way
/// to one of these.
fn vertex(limit: f64, below: Neighbour, above: Neighbour) -> f64 {
    let (a, b) = ((below.limit / limit).ln(), (above.limit / limit).ln());
    let curve = a * above.gain - b * below.gain;
    let top =
        if curve.abs() < 1e-9 { 0.0 } else { (a * a * above.gain - b * b * below.gain) / (2.0 * curve) };
    (limit * top.clamp(a / 2.0, b / 2.0).exp()).round().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSTANTS: fn() -> PoolAimdConstants = PoolAimdConstants::default;

    /// A ceiling in front of a database that gets `throughput(limit)` done per second, and as many connections as calls.
    struct Bench {
        ceiling: Ceiling,
        now: Timestamp,
        throughput: fn(f64) -> f64,
    }

    impl Bench {
        fn new(throughput: fn(f64) -> f64) -> Self {
            Self { ceiling: Ceiling::new(&CONSTANTS()), now: Timestamp::default(), throughput }
        }

        /// One round of a second under the limit in force, at most `own`.
        fn round(&mut self, own: f64) {
            self.now = self.now + Duration::from_secs(1);
            let limit = self.ceiling.in_force().min(own);
            let tally = Tally { done: (self.throughput)(limit), seconds: 1.0 };
            let sample =
                Sample { limit, in_flight: limit, held: limit, pending: 0.0, tally, limit_bound: true };
            if self.ceiling.is_trying() {
                self.ceiling.end_round(&CONSTANTS(), self.now, &sample);
            } else {
                self.ceiling.note(&CONSTANTS(), own, &sample);
                self.ceiling.begin(&CONSTANTS(), self.now, own, &sample);
            }
        }

        fn rounds(&mut self, rounds: u32, own: f64) -> Vec<f64> {
            (0..rounds)
                .map(|_| {
                    self.round(own);
                    self.ceiling.in_force().min(own)
                })
                .collect()
        }
    }

    /// 100 per second and call up to 8 of them; each one more costs a tenth.
    fn thrashing(limit: f64) -> f64 {
        100.0 * limit.min(8.0) / (1.0 + 0.1 * (limit - 8.0).max(0.0))
    }

    #[test]
    fn a_ceiling_is_found_where_most_gets_done() {
        let mut bench = Bench::new(thrashing);
        bench.rounds(60, 40.0);
        assert!(bench.ceiling.is_known());
        assert!((7.0..=10.0).contains(&bench.ceiling.limit), "{:?}", bench.ceiling);
    }

    #[test]
    fn where_more_calls_get_more_done_one_trial_is_enough() {
        let mut bench = Bench::new(|limit| 100.0 * limit);
        let limits = bench.rounds(200, 40.0);
        assert!(!bench.ceiling.is_known());
        assert_eq!(limits.iter().filter(|limit| **limit < 40.0).count(), 1, "{limits:?}");
    }

    #[test]
    fn where_more_calls_get_as_much_done_there_is_no_ceiling() {
        let mut bench = Bench::new(|_| 400.0);
        bench.rounds(200, 40.0);
        assert!(!bench.ceiling.is_known());
    }

    #[test]
    fn trials_that_change_nothing_become_rare() {
        let mut bench = Bench::new(thrashing);
        bench.rounds(60, 40.0);
        let early = bench.rounds(100, 40.0).windows(2).filter(|pair| pair[0] < pair[1]).count();
        bench.rounds(200, 40.0);
        let late = bench.rounds(100, 40.0).windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!(late <= 2 && late < early.max(2), "{early} early, {late} late");
    }

    #[test]
    fn a_ceiling_follows_a_database_that_can_do_more() {
        let mut bench = Bench::new(thrashing);
        bench.rounds(60, 40.0);
        bench.throughput = |limit| 100.0 * limit;
        bench.ceiling.due = bench.now;
        // Steps double, and above the law's own limit there is nothing left to say.
        bench.rounds(20, 40.0);
        assert!(bench.ceiling.in_force() >= 40.0, "{:?}", bench.ceiling);
        bench.rounds(10, 39.0);
        assert!(!bench.ceiling.is_known());
    }

    #[test]
    fn overload_halves_and_the_way_back_is_one_step() {
        let mut bench = Bench::new(|limit| 100.0 * limit);
        bench.ceiling.lower(&CONSTANTS(), bench.now, 10.0);
        assert!((bench.ceiling.in_force() - 10.0).abs() < 1e-9);
        let limits = bench.rounds(6, 20.0);
        assert!((limits[5] - 20.0).abs() < 1e-9, "{limits:?}");
    }

    #[test]
    fn overload_above_the_ceiling_is_the_trials_fault() {
        let mut bench = Bench::new(|limit| 100.0 * limit);
        bench.ceiling.lower(&CONSTANTS(), bench.now, 4.0);
        let mut waits = Vec::new();
        for _ in 0..4 {
            let mut rounds = 0;
            while !bench.ceiling.is_trying() {
                bench.round(20.0);
                rounds += 1;
            }
            assert!((bench.ceiling.in_force() - 8.0).abs() < 1e-9);
            bench.now = bench.now + Duration::from_secs(1);
            bench.ceiling.lower(&CONSTANTS(), bench.now, 4.0);
            assert!((bench.ceiling.in_force() - 4.0).abs() < 1e-9, "it stays where it was");
            waits.push(rounds);
        }
        assert!(waits[1..].is_sorted() && waits[3] >= 3 * waits[1], "ever more rarely: {waits:?}");
        // Long after a trial the ceiling itself was too high.
        bench.ceiling.lower(&CONSTANTS(), bench.now + Duration::from_secs(2), 2.0);
        assert!((bench.ceiling.in_force() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn calls_that_a_trial_let_in_may_fail_when_it_is_over() {
        let after = |seconds: f64| {
            let mut bench = Bench::new(|limit| 100.0 * limit);
            bench.ceiling.lower(&CONSTANTS(), bench.now, 4.0);
            while !bench.ceiling.is_trying() {
                bench.round(20.0);
            }
            let tick = Tally { done: 0.0, seconds: 0.1 };
            assert!(bench.ceiling.give_up(&CONSTANTS(), bench.now, tick));
            let due = bench.ceiling.due;
            let late = bench.now + Duration::from_secs_f64(seconds);
            bench.ceiling.lower(&CONSTANTS(), late, 2.0);
            (bench.ceiling.limit, bench.ceiling.due == due)
        };
        let is = |found: (f64, bool), limit: f64, stays| (found.0 - limit).abs() < 1e-9 && found.1 == stays;
        assert!(is(after(0.9), 4.0, true), "the ceiling and the pause stay");
        assert!(is(after(1.1), 2.0, false), "the ceiling itself was too high");
    }

    #[test]
    fn calls_that_a_refused_trial_let_in_may_fail_later_too() {
        let mut bench = Bench::new(|limit| 100.0 * 4.0 / limit);
        bench.ceiling.lower(&CONSTANTS(), bench.now, 4.0);
        while !bench.ceiling.is_trying() {
            bench.round(20.0);
        }
        while bench.ceiling.is_trying() {
            bench.round(20.0);
        }
        let limit = bench.ceiling.limit;
        bench.ceiling.lower(&CONSTANTS(), bench.now + Duration::from_millis(900), 1.0);
        assert!((bench.ceiling.limit - limit).abs() < 1e-9);
    }

    #[test]
    fn a_trial_that_stalls_is_given_up() {
        let mut bench = Bench::new(|limit| 100.0 * limit);
        bench.ceiling.lower(&CONSTANTS(), bench.now, 1.0);
        while !bench.ceiling.is_trying() {
            bench.round(20.0);
        }
        let tick = Tally { done: 0.0, seconds: 0.1 };
        assert!(bench.ceiling.give_up(&CONSTANTS(), bench.now + Duration::from_millis(100), tick));
        assert!((bench.ceiling.in_force() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_next_trial_is_put_off_by_three_lengths_up_to_two_minutes() {
        #[track_caller]
        fn check(length_ms: u64, is_for_losses: bool, pause_ms: u64) {
            let mut ceiling = Ceiling { is_for_losses, ..Ceiling::new(&CONSTANTS()) };
            ceiling.wait(&CONSTANTS(), Timestamp::from_millis(length_ms));
            assert_eq!(ceiling.due, Timestamp::from_millis(length_ms + pause_ms));
        }
        check(500, false, 1_500);
        check(50_000, false, 120_000);
        // Where calls report overload, a trial takes a second at least.
        check(500, true, 3_000);
    }

    #[test]
    fn the_pause_grows_faster_where_calls_report_overload() {
        #[track_caller]
        fn check(is_for_losses: bool, pauses_s: [u64; 3]) {
            let mut ceiling = Ceiling { is_for_losses, ..Ceiling::new(&CONSTANTS()) };
            let now = Timestamp::from_millis(1_000);
            let found = pauses_s.map(|_| {
                ceiling.wait(&CONSTANTS(), now);
                ceiling.due.since(now).as_secs()
            });
            assert_eq!(found, pauses_s);
        }
        check(false, [3, 6, 12]);
        check(true, [3, 12, 48]);
    }

    #[test]
    fn between_two_neighbours_the_ceiling_moves_to_the_top_of_the_parabola() {
        let mut ceiling = Ceiling { limit: 16.0, ..Ceiling::new(&CONSTANTS()) };
        ceiling.below = Some(Neighbour { limit: 8.0, gain: -1.0 });
        ceiling.stay(&CONSTANTS(), Timestamp::default(), 32.0, Gain { log: 0.0, error: 0.1 });
        assert!((ceiling.limit - (16.0 * 2.0_f64.sqrt()).round()).abs() < 1e-9);
    }

    #[test]
    fn the_top_of_a_parabola_lies_between_the_neighbours() {
        #[track_caller]
        fn check(below: f64, above: f64, top: f64) {
            let neighbour = |limit, gain| Neighbour { limit, gain };
            let found = vertex(16.0, neighbour(8.0, below), neighbour(32.0, above));
            assert!((found - top).abs() < 1e-9, "{found} is not {top}");
        }
        check(-0.3, -0.3, 16.0);
        // log2: −1 at 1 below, 0 above: the top is half way up.
        check(-1.0, 0.0, (16.0 * 2.0_f64.sqrt()).round());
        check(0.0, -1.0, (16.0 / 2.0_f64.sqrt()).round());
        // 2 ^ (½ · (−0.1 + 0.3) / 0.4) = 2^0.25
        check(-0.3, -0.1, (16.0 * 2.0_f64.powf(0.25)).round());
        check(0.0, 0.0, 16.0);
    }
}
