//! What the laws have in common that look at calls and not at a pool.
//!
//! They decide once a round, so at the speed of the calls; they grow only while the limit holds callers back; they shrink
//! once per recovery epoch, also for calls that hang or were given up on; and they double the limit up to what was last
//! proven, so that a hiccup costs seconds and not minutes.

mod baseline;
mod bounds;
mod round;
#[cfg(test)]
pub(super) mod testing;
mod watch;

pub(super) use baseline::Baseline;
pub(super) use bounds::Bounds;
pub(super) use round::Measured;
pub(super) use watch::Losses;

use std::time::Duration;

use self::round::Round;
use self::watch::Watch;
use crate::{Bound, Decision, Demand, MAX_LIMIT, Reason, Terms, Timestamp};

/// The least growth of the slow start, and of a law that has no better idea: one permit, or 2%, as in the default law.
const STEP_SHARE: f64 = 0.02;

/// The limit of such a law, and what it sees of its calls.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    bounds: Bounds,
    /// The limit before bounds and rounding.
    raw: f64,
    /// Up to here the limit doubles: what was last proven, less what the decrease after it took.
    threshold: f64,
    /// What decreases began from that were followed by no good round yet.
    bad_since: Option<f64>,
    /// Whether the last decrease was for lost calls.
    was_lost: bool,
    round: Round,
    watch: Watch,
    last_tick: Timestamp,
    /// Permits out at the previous tick.
    was_out: u32,
}

/// What a tick shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sight {
    /// Nothing to be judged: the reason why the limit stays, or has shrunk already.
    Decided(Reason, Terms),
    /// A round has ended.
    Round(Measured),
}

impl Calls {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            raw: f64::from(bounds.initial()),
            threshold: f64::INFINITY,
            bad_since: None,
            was_lost: false,
            round: Round::default(),
            watch: Watch::default(),
            last_tick: Timestamp::default(),
            was_out: 0,
        }
    }

    pub(super) fn limit(&self) -> u32 {
        let permits = self.raw.clamp(f64::from(self.bounds.min), f64::from(self.bounds.max.min(MAX_LIMIT)));
        whole(permits)
    }

    /// Adds a tick, and shrinks if calls were lost or hang.
    pub(super) fn look(&mut self, now: Timestamp, demand: &Demand, losses: Losses) -> Sight {
        let elapsed = now.since(self.last_tick).as_secs_f64();
        self.last_tick = now;
        let was_out = std::mem::replace(&mut self.was_out, demand.in_flight);
        let area = if demand.in_flight_time.is_zero() {
            // Nobody times the calls, so the two ends of the tick have to do.
            (f64::from(was_out) + f64::from(demand.in_flight)) / 2.0 * elapsed
        } else {
            demand.in_flight_time.as_secs_f64()
        };
        self.round.add(self.limit(), elapsed, area, demand);
        let lost = self.watch.note(now, elapsed, area, demand, losses);
        if let Some(lost) = lost {
            let terms = Terms { losses: lost.calls, ..self.round.terms(demand) };
            let from = self.proven(demand);
            let keep = if self.has_doubled(from) { 0.5 } else { lost.keep.clamp(0.5, losses.backoff) };
            self.shrink(from * keep, from, demand);
            self.was_lost = true;
            self.watch.begin_epoch(now, demand);
            return Sight::Decided(lost.reason, terms);
        }
        if demand.in_flight == 0 && was_out == 0 && demand.completed == 0 {
            return Sight::Decided(Reason::NoEvidence, Terms::default());
        }
        match self.round.finish(self.limit()) {
            Some(measured) => Sight::Round(measured),
            None => Sight::Decided(Reason::RoundOpen, self.round.terms(demand)),
        }
    }

    pub(super) fn is_recovering(&self, now: Timestamp) -> bool {
        self.watch.is_epoch(now)
    }

    /// The figure a decrease starts from: the limit, or what was really out if that was less.
    fn proven(&self, demand: &Demand) -> f64 {
        let out = self.round.peak().max(demand.in_flight_peak).max(demand.in_flight);
        f64::from(self.limit().min(out).max(1))
    }

    /// The round was good: its call time is usual. Nothing else changes.
    pub(super) const fn rest(&mut self, measured: &Measured) -> Reason {
        self.bad_since = None;
        self.watch.learn(measured.call_seconds);
        Reason::Balanced
    }

    /// Whether calls took so much longer than usual that this is no time to grow.
    pub(super) fn is_slow(&self, measured: &Measured) -> bool {
        self.watch.is_slow(measured.call_seconds)
    }

    /// Whether the last decrease was for lost calls: then they say sooner than call times where the service ends.
    pub(super) const fn was_lost(&self) -> bool {
        self.was_lost
    }

    /// The round was good and its limit held callers back: double it up to what was proven, and beyond that add `step`.
    pub(super) fn grow(&mut self, measured: &Measured, step: f64, demand: &Demand) -> Reason {
        self.rest(measured);
        if !measured.is_bound {
            return Reason::Balanced;
        }
        let from = self.raw;
        let slow = (2.0 * from).min(self.threshold);
        self.set(slow.max(from + step), demand);
        Reason::Probe
    }

    /// The same without doubling.
    pub(super) fn grow_slowly(&mut self, measured: &Measured, step: f64, demand: &Demand) -> Reason {
        self.threshold = self.threshold.min(self.raw);
        self.grow(measured, step, demand)
    }

    /// One permit or 2%.
    pub(super) fn step(&self) -> f64 {
        (STEP_SHARE * f64::from(self.limit())).max(1.0)
    }

    /// The round was bad: so much of what was out in it is kept, at least a half.
    pub(super) fn shrink_by_round(&mut self, measured: &Measured, keep: f64, demand: &Demand) -> Reason {
        let from = f64::from(self.limit()).min(f64::from(measured.peak)).max(1.0);
        let keep = if self.has_doubled(from) { 0.5 } else { keep.clamp(0.5, 1.0) };
        self.shrink(from * keep, from, demand);
        self.was_lost = false;
        Reason::CallTime
    }

    /// Whether the limit was just doubled, or would be next; what the last doubling added is taken back whole.
    fn has_doubled(&self, from: f64) -> bool {
        self.bad_since.is_none() && from < self.threshold
    }

    fn shrink(&mut self, to: f64, from: f64, demand: &Demand) {
        let proven = *self.bad_since.get_or_insert(from);
        // A service that hangs takes the limit down to the least, but says nothing of what it can do when it is back.
        self.threshold = to.max(proven / 2.0);
        self.set(to, demand);
    }

    /// Goes on from this limit, with a new round: what is out now was let in under another one.
    pub(super) fn set(&mut self, limit: f64, demand: &Demand) {
        let min = f64::from(self.bounds.min);
        let max = f64::from(self.bounds.max);
        // NaN is no limit.
        self.raw = if limit >= min { limit.min(max) } else { min };
        self.round = Round::after(demand.in_flight);
    }

    /// Goes on from a limit that was set from outside. What was proven before stays proven.
    pub(super) fn set_from_outside(&mut self, now: Timestamp, limit: u32) {
        self.set(f64::from(limit), &Demand::default());
        (self.bad_since, self.last_tick) = (None, now);
    }

    /// As if the present limit were all that was ever proven.
    #[cfg(test)]
    pub(super) const fn stop_doubling(&mut self) {
        self.threshold = self.raw;
    }

    pub(super) fn decision(&self, from: u32, reason: Reason, terms: Terms) -> Decision {
        let to = self.limit();
        let bound = match to {
            _ if to == self.bounds.max => Bound::Max,
            _ if to == self.bounds.min => Bound::Min,
            _ => Bound::None,
        };
        let terms = (reason != Reason::NoEvidence).then_some(terms);
        Decision { bound, terms, ..Decision::new(from, to, reason) }
    }
}

/// A span of seconds that may be too long for one, or no number.
pub(super) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a round are far below 2^53, and are only compared")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a limit within its bounds")]
const fn whole(limit: f64) -> u32 {
    limit as u32
}
