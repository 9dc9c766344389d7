use super::PoolAimdConstants;
use super::trial::Tally;
use crate::{Demand, PoolEvidence};

/// The span of evidence that one decision rests on.
///
/// A round begins after each decision and is as long as it takes for as many acquires to be granted as there were calls in
/// flight at its start. What was begun under the previous limit is not counted: a shrink must first have drained, and the
/// first half of the grants is skipped.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// Calls in flight (or about to be) when the round began.
    calls: f64,
    /// Grants seen, measured or not.
    grants: u64,
    /// Whether the calls in flight have come down to the limit.
    drained: bool,
    /// Whether those must come down that ask the pool for nothing, too.
    waits_for_all: bool,
    /// Whether it began with a decrease, and once that has drained, the calls that must end before it shows what it did.
    is_cut: bool,
    settling: f64,
    /// Whether the skipped part is over.
    pub(super) is_measuring: bool,
    /// Whether the limit held a caller back.
    pub(super) limit_bound: bool,
    /// Measured time, in seconds, and how much of it the last tick was.
    seconds: f64,
    last_tick_seconds: f64,
    /// Grants in the measured time; connections given back, and calls that reported overload.
    measured: u64,
    returns: u64,
    overloads: u64,
    /// Counts integrated over the measured time, in seconds.
    pending_seconds: f64,
    held_seconds: f64,
    /// Connections used by others than our callers, summed over the ticks.
    others_at_ticks: f64,
    /// The same at the tick before.
    others_before: u32,
    in_flight_at_ticks: f64,
    ticks: u32,
}

/// Means over a finished round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) pending: f64,
    pub(super) held: f64,
    /// Share of the pool in use by anybody.
    pub(super) utilisation: f64,
    pub(super) in_flight: f64,
    /// Mean seconds a connection was held, by Little's law.
    pub(super) use_seconds: f64,
    /// What got done.
    pub(super) tally: Tally,
}

impl Round {
    pub(super) fn new(limit: u32, demand: &Demand) -> Self {
        let wanted = demand.in_flight.saturating_add(demand.queued).min(limit);
        let calls = demand.in_flight.max(wanted).max(1);
        Self {
            calls: f64::from(calls),
            grants: 0,
            drained: demand.in_flight <= limit,
            waits_for_all: false,
            is_cut: false,
            settling: 0.0,
            is_measuring: false,
            limit_bound: false,
            seconds: 0.0,
            last_tick_seconds: 0.0,
            measured: 0,
            returns: 0,
            overloads: 0,
            pending_seconds: 0.0,
            held_seconds: 0.0,
            others_at_ticks: 0.0,
            others_before: 0,
            in_flight_at_ticks: 0.0,
            ticks: 0,
        }
    }

    /// The first round of all: no earlier limit shows in it, so it is measured from its start.
    pub(super) fn first(limit: u32) -> Self {
        // Nor is there an earlier tick that could tell others' connections from those being opened for us.
        Self { is_measuring: true, others_before: u32::MAX, ..Self::new(limit, &Demand::default()) }
    }

    /// The same round, if the limit of it is to be compared with another: then every call above it must have ended.
    pub(super) fn exact(self) -> Self {
        Self { waits_for_all: true, ..self }
    }

    /// The same round, if it began with a decrease for pool wait.
    pub(super) fn after_cut(self, constants: &PoolAimdConstants, demand: &Demand) -> Self {
        let settling = if self.drained { constants.settle_turns * f64::from(demand.in_flight) } else { 0.0 };
        Self { is_cut: true, settling, ..self }
    }

    /// Whether what is out was let in under the limit in force.
    pub(super) const fn has_drained(&self) -> bool {
        self.drained
    }

    /// Grants needed to end the round.
    fn need(&self, constants: &PoolAimdConstants) -> f64 {
        self.calls.max(constants.round_min)
    }

    /// Adds one tick's evidence.
    pub(super) fn add(
        &mut self,
        constants: &PoolAimdConstants,
        limit: u32,
        seconds: f64,
        demand: &Demand,
        pool: &PoolEvidence,
    ) {
        let activity = &pool.activity;
        self.grants += activity.grants;
        self.limit_bound |= demand.held_back;
        // Calls that are out above the limit and ask for nothing, thinking, need not be waited for.
        let asks_for_nothing = !self.waits_for_all && pool.pending == 0 && pool.reading.free() > 0;
        self.drain(constants, demand.in_flight <= limit || asks_for_nothing, demand, pool);
        let others = self.others(pool);
        let skipped = constants.skip * self.need(constants);
        let is_skipping = !self.is_measuring && (self.settling > 0.0 || to_f64(self.grants) < skipped);
        if !self.drained || is_skipping {
            return;
        }
        // The tick in which the skipped half ends is skipped with it.
        if self.is_measuring {
            self.seconds += seconds;
            self.last_tick_seconds = seconds;
            self.measured += activity.grants;
            self.returns += activity.returns;
            self.overloads += demand.overloads;
            self.pending_seconds += activity.pending_time.as_secs_f64();
            self.held_seconds += activity.held_time.as_secs_f64();
            self.others_at_ticks += f64::from(others);
            self.in_flight_at_ticks += f64::from(demand.in_flight);
            self.ticks += 1;
        }
        self.is_measuring = true;
    }

    /// Waits until the calls in flight have come down to the limit, and after a decrease until those have settled.
    fn drain(
        &mut self,
        constants: &PoolAimdConstants,
        has_drained: bool,
        demand: &Demand,
        pool: &PoolEvidence,
    ) {
        if self.drained {
            self.settling -= to_f64(demand.completed);
        } else if has_drained && self.is_cut {
            self.settling = constants.settle_turns * f64::from(demand.in_flight);
        }
        self.drained |= has_drained;
        if pool.pending == 0 && pool.reading.free() > 0 {
            self.settling = 0.0;
        }
    }

    /// Connections used by others than our callers; to be asked at every tick.
    ///
    /// What is used and not held may be a connection that is being opened, tested or returned for one of ours. That is over
    /// by the next tick; connections that others use are still there.
    pub(super) fn others(&mut self, pool: &PoolEvidence) -> u32 {
        let others = pool.reading.used().saturating_sub(pool.held);
        others.min(std::mem::replace(&mut self.others_before, others))
    }

    /// Whether anything was granted in this round, and what there is to see is of the limit in force.
    pub(super) const fn has_traffic(&self) -> bool {
        self.is_measuring && self.grants > 0
    }

    /// The means, once the round is over and has measured for `span` seconds, to the nearest tick.
    pub(super) fn finish(&self, constants: &PoolAimdConstants, pool_max: u32, span: f64) -> Option<Measured> {
        let measured = to_f64(self.measured);
        let has_span = self.seconds > 0.0 && self.seconds + self.last_tick_seconds / 2.0 >= span;
        let is_over = has_span && to_f64(self.grants) >= self.need(constants);
        // As long as fewer come back than go out, nobody knows how long they take.
        let is_steady = self.measured <= 2 * self.returns;
        if !is_over || !is_steady || measured < constants.round_min / 2.0 {
            return None;
        }
        let held = self.held_seconds / self.seconds;
        let used = held + self.others_at_ticks / f64::from(self.ticks);
        Some(Measured {
            pending: self.pending_seconds / self.seconds,
            held,
            utilisation: used / f64::from(pool_max.max(1)),
            in_flight: self.in_flight_at_ticks / f64::from(self.ticks),
            use_seconds: self.held_seconds / measured,
            tally: Tally::new(self.returns, self.overloads, self.seconds),
        })
    }
}

/// Sums over one round stay far below 2⁵³, where an `f64` is exact.
#[expect(clippy::cast_precision_loss, reason = "sums over one round are far below 2^53")]
pub(super) fn to_f64(n: u64) -> f64 {
    n as f64
}
