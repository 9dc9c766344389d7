use super::{duration, to_f64};
use crate::{Demand, Reason, Timestamp};

/// A call is old at this many times the usual call time, but not before [`OLD_MIN_S`]; so exponential times that are older
/// are 2 in 100. Without a usual time it is old at [`OLD_UNKNOWN_S`].
const OLD: f64 = 4.0;
const OLD_MIN_S: f64 = 0.1;
const OLD_UNKNOWN_S: f64 = 1.0;
/// Not before so many seconds do calls hang of which none ends; and where it is not known how long they take, not before as
/// many as a language model's answer takes.
const HUNG_MIN_S: f64 = 1.0;
const HUNG_UNKNOWN_S: f64 = 30.0;
/// Losses are counted over so many turns of the calls that are out.
const TURNS: f64 = 2.0;
/// How fast the usual call time moves: a tenth a round averages some ten rounds; up by no more than a fiftieth a round, so that
/// an overload is long over before it is usual.
const USUAL_SHARE: f64 = 0.1;
const USUAL_RISE: f64 = 0.02;

/// When calls count as lost, and what that costs at least.
#[derive(Clone, Copy, Debug)]
pub(in crate::law) struct Losses {
    /// The share of calls that may be lost.
    pub(in crate::law) tolerance: f64,
    /// What is left of the limit after a decrease, at most.
    pub(in crate::law) backoff: f64,
}

impl Default for Losses {
    fn default() -> Self {
        Self { tolerance: 0.01, backoff: 0.9 }
    }
}

/// Losses that ask for a decrease.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost {
    pub(super) reason: Reason,
    pub(super) calls: u64,
    /// The share of the permits that is not too many.
    pub(super) keep: f64,
}

/// The last turns of the calls that are out.
#[derive(Clone, Copy, Debug, Default)]
struct Lately {
    lost: f64,
    ended: f64,
    /// Those that ended of themselves and reported no overload.
    finished: f64,
    /// Permits out, integrated over time.
    area: f64,
}

impl Lately {
    fn add(&mut self, ended: f64, area: f64, demand: &Demand) {
        let out = f64::from(demand.in_flight_peak.max(demand.in_flight).max(1));
        let keep = (-ended / (TURNS * out)).exp();
        let failed = to_f64(demand.abandoned.saturating_add(demand.overloads));
        self.lost *= keep;
        self.ended = keep * self.ended + ended;
        self.finished = keep * self.finished + (ended - failed).max(0.0);
        self.area = keep * self.area + area;
    }

    /// The share of the permits that did useful work, by Little's law, given the usual call time.
    ///
    /// Not the share of calls: a service that refuses at once can refuse twenty calls in the time of one, and one permit too
    /// many is enough for that.
    fn useful(&self, usual: f64) -> f64 {
        if usual > 0.0 {
            self.finished * usual / self.area.max(f64::MIN_POSITIVE)
        } else {
            1.0 - self.lost / self.ended.max(self.lost)
        }
    }
}

/// Looks out for calls that are lost: that report overload, that were given up on when they were old, that hang.
///
/// ```text
/// watching → epoch      a decrease
/// epoch    → watching   as many calls have ended as were out then, or it has lasted for as long as they should take
/// ```
/// In an epoch nothing is counted: what fails in it was let in before the decrease.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    usual: f64,
    /// Seconds since a call ended of itself, with calls out all the time.
    silence: f64,
    lately: Lately,
    is_epoch: bool,
    /// Calls of before the decrease, and until when to wait for their end.
    epoch_calls: f64,
    epoch_end: Timestamp,
}

impl Watch {
    /// Whether calls of this mean time are old.
    pub(super) fn is_slow(&self, call_seconds: f64) -> bool {
        self.usual > 0.0 && call_seconds >= OLD * self.usual
    }

    /// The call time of a round without losses.
    pub(super) const fn learn(&mut self, call_seconds: f64) {
        if self.usual <= 0.0 {
            self.usual = call_seconds;
        } else if call_seconds > 0.0 {
            let step = (USUAL_SHARE * (call_seconds - self.usual)).min(USUAL_RISE * self.usual);
            self.usual += step;
        }
    }

    /// Adds a tick of so many seconds; the losses, if they ask for a decrease.
    pub(super) fn note(
        &mut self,
        now: Timestamp,
        seconds: f64,
        area: f64,
        demand: &Demand,
        losses: Losses,
    ) -> Option<Lost> {
        let ended = to_f64(demand.completed.saturating_sub(demand.unused));
        self.listen(seconds, demand);
        if self.is_epoch {
            self.epoch_calls -= ended;
            // The tick in which it ends is of both times, so nothing of it counts.
            self.is_epoch = self.epoch_calls > 0.0 && now < self.epoch_end;
            (self.lately, self.silence) = (Lately::default(), 0.0);
            return None;
        }
        if let Some(lost) = self.hung(demand) {
            return Some(lost);
        }
        self.lately.add(ended, area, demand);
        let given_up = if self.are_old(demand) { demand.abandoned } else { 0 };
        let lost = demand.overloads.saturating_add(given_up);
        self.lately.lost += to_f64(lost);
        if lost == 0 || self.lately.lost <= losses.tolerance * self.lately.ended {
            return None;
        }
        let reason = if given_up > demand.overloads { Reason::Abandoned } else { Reason::Overload };
        Some(Lost { reason, calls: lost, keep: self.lately.useful(self.usual) })
    }

    /// Whether calls that were let in before the last decrease may still be out.
    pub(super) fn is_epoch(&self, now: Timestamp) -> bool {
        self.is_epoch && now < self.epoch_end
    }

    /// Calls that were let in before now cannot cause another decrease.
    pub(super) fn begin_epoch(&mut self, now: Timestamp, demand: &Demand) {
        // Those that began before have the same patience as those that were given up on.
        let patience = demand.abandoned_time.as_secs_f64() / to_f64(demand.abandoned.max(1));
        self.is_epoch = true;
        self.epoch_calls = f64::from(demand.in_flight);
        self.epoch_end = now + duration(HUNG_MIN_S.max(2.0 * self.usual).max(patience));
    }

    fn listen(&mut self, seconds: f64, demand: &Demand) {
        let is_heard = demand.completed > demand.abandoned.saturating_add(demand.unused);
        if is_heard || demand.in_flight == 0 {
            self.silence = 0.0;
        } else {
            self.silence += seconds;
        }
    }

    /// Calls are out and none has ended for much longer than one takes.
    fn hung(&self, demand: &Demand) -> Option<Lost> {
        let most = if self.usual > 0.0 { HUNG_MIN_S.max(OLD * self.usual) } else { HUNG_UNKNOWN_S };
        let calls = u64::from(demand.in_flight);
        (self.silence >= most).then_some(Lost { reason: Reason::Hung, calls, keep: 0.0 })
    }

    /// Whether the calls that were given up on in this tick were older, in the mean, than calls get; or the calls of late
    /// together, where callers have waited for their permits for so long that little of their patience was left.
    fn are_old(&self, demand: &Demand) -> bool {
        if self.usual > 0.0 && self.lately.area >= OLD * self.usual * self.lately.finished.max(1.0) {
            return true;
        }
        let age = demand.abandoned_time.as_secs_f64() / to_f64(demand.abandoned.max(1));
        let old = if self.usual > 0.0 { OLD_MIN_S.max(OLD * self.usual) } else { OLD_UNKNOWN_S };
        age >= old
    }
}
