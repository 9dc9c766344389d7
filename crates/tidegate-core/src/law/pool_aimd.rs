mod abandonment;
mod ceiling;
mod config;
mod constants;
mod overloads;
mod round;
mod suspicion;
#[cfg(test)]
mod tests;
mod trial;

pub use config::PoolAimdConfig;
pub use constants::PoolAimdConstants;

use std::time::Duration;

use self::abandonment::Abandonment;
use self::ceiling::Ceiling;
use self::overloads::Overloads;
use self::round::{Measured, Round, to_f64};
use self::trial::{Sample, Tally};
use super::ControlLaw;
use crate::{
    Bound, ConfigError, Decision, Demand, Evidence, MAX_LIMIT, PoolEvidence, Reason, Terms, Timestamp,
};

/// The default law: additive increase, multiplicative decrease, driven by a pool's wait and its free connections.
///
/// # What it looks at
///
/// The dimensionless figure `x = pending / held`: acquires waiting in the pool per connection held.
/// By Little's law that is the pool wait as a multiple of the time a connection is used, so one target serves 2 ms and 2 s
/// queries alike. A queue has a true zero: there is no round-trip baseline that could drift.
///
/// # What it does
///
/// It decides once per *round* (as many acquires as there were calls in flight), so it moves at the speed of the work:
///
/// - acquires timed out or were refused, or callers gave up on old calls: halve, once per recovery epoch;
/// - many calls reported overload: a ceiling at half of what was out, or less where most did;
/// - `x` above the target in front of a busy pool, for two rounds: shrink by the surplus of waiters, by at most 15%; a wait
///   that nears the acquire timeout: at once, and by up to half;
/// - the limit held work back and the pool has free connections: jump to the limit that would fill it, by Little's law;
/// - the limit held work back and the wait is below target: one more, or 2%;
/// - nobody came near the limit: forget the unproven part of it;
/// - queries take much longer than with fewer connections: try a lower limit for some rounds, and keep it as a ceiling if the
///   database gets more done with it.
///
/// Besides, it brakes: while an acquire has waited for a quarter of the acquire timeout, nobody new is admitted.
///
/// The derivation, the constants and what was measured are in `docs/control-law.md`.
#[derive(Clone, Debug)]
pub struct PoolAimd {
    config: PoolAimdConfig,
    constants: PoolAimdConstants,
    /// The limit before bounds and rounding.
    raw_limit: f64,
    pool_max: u32,
    acquire_timeout: Duration,
    /// Mean seconds a connection is held; 0 until the first round ended.
    use_seconds: f64,
    /// Mean connections we hold, from the last round.
    held_mean: f64,
    /// The chance that a call which is out is at the pool, from the last round.
    at_pool: f64,
    utilisation_mean: f64,
    /// Mean seconds a call holds its permit; 0 until that is known.
    residence_seconds: f64,
    /// The acquires that waited in the previous round, if they waited longer than the target for a busy pool.
    queue_before: Option<f64>,
    /// The permits out, integrated over the last two turns of them, and how many came back in that time.
    occupied_seconds: f64,
    completions: f64,
    /// The permits out, integrated since a call last ended of itself.
    open_seconds: f64,
    abandonment: Abandonment,
    overloads: Overloads,
    ceiling: Ceiling,
    /// For how many seconds nobody has come near the limit, and for how many of them it has faded.
    unproven_seconds: f64,
    faded_seconds: f64,
    /// No shrink for losses before this moment: the calls that were already out may still fail.
    epoch_end: Timestamp,
    /// No shrink for calls given up on before this moment: those that began before the last one have the same patience.
    patience_end: Timestamp,
    last_tick: Timestamp,
    round: Round,
}

impl PoolAimd {
    /// A law for a pool of `pool_max` connections.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range; all of them are named.
    pub fn new(config: PoolAimdConfig, pool_max: u32) -> Result<Self, ConfigError> {
        Self::with_constants(config, PoolAimdConstants::default(), pool_max)
    }

    /// The law with other constants, for the simulator that shows how little they matter.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    #[doc(hidden)]
    pub fn with_constants(
        config: PoolAimdConfig,
        constants: PoolAimdConstants,
        pool_max: u32,
    ) -> Result<Self, ConfigError> {
        config.check(Some(pool_max))?;
        let mut law = Self {
            config,
            constants,
            raw_limit: 1.0,
            pool_max,
            acquire_timeout: Duration::MAX,
            use_seconds: 0.0,
            held_mean: f64::from(pool_max),
            at_pool: 0.0,
            utilisation_mean: 0.0,
            residence_seconds: 0.0,
            queue_before: None,
            occupied_seconds: 0.0,
            completions: 0.0,
            open_seconds: 0.0,
            abandonment: Abandonment::default(),
            overloads: Overloads::default(),
            ceiling: Ceiling::new(&constants),
            unproven_seconds: 0.0,
            faded_seconds: 0.0,
            epoch_end: Timestamp::default(),
            patience_end: Timestamp::default(),
            last_tick: Timestamp::default(),
            round: Round::first(1),
        };
        law.raw_limit = law.rest_limit();
        law.round = Round::first(law.limit());
        Ok(law)
    }

    /// The deadlock-free ceiling for calls that hold several connections, or infinity.
    fn set_ceiling(&self) -> f64 {
        match self.config.connections_per_call {
            0 | 1 => f64::INFINITY,
            c => f64::from((self.pool_max.saturating_sub(1) / (c - 1)).max(1)),
        }
    }

    fn max(&self) -> f64 {
        let by_pool = self.constants.pool_multiple * f64::from(self.pool_max);
        self.config.max_limit.map_or(by_pool, f64::from).min(f64::from(MAX_LIMIT))
    }

    /// The limit in force before rounding, and the bound it rests on.
    fn effective(&self) -> (f64, Bound) {
        let min = f64::from(self.config.min_limit);
        let (sets, max) = (self.set_ceiling(), self.max());
        let wanted = self.raw_limit.min(self.ceiling.in_force());
        // The deadlock-free ceiling is a matter of safety: even `min_limit` gives way to it.
        if wanted.max(min) >= sets && sets <= max {
            (sets, Bound::ConnectionSets)
        } else if wanted >= min && wanted < self.raw_limit.min(max) {
            (wanted, Bound::Throughput)
        } else if wanted >= max {
            (max.max(min), Bound::Max)
        } else if wanted <= min {
            (min, Bound::Min)
        } else {
            (wanted, Bound::None)
        }
    }

    /// The accepted ratio of waiting to held connections.
    fn target_ratio(&self) -> f64 {
        let PoolAimdConstants { queue_factor, target_min, target_max, timeout_share, .. } = self.constants;
        let by_size = |n: f64| (queue_factor / n.max(1.0).sqrt()).max(target_min).min(target_max);
        let own = by_size(self.held_mean);
        let pool = by_size(f64::from(self.pool_max));
        // Of n calls that are at the pool with the chance p each, the number there varies by n·p·(1 − p): where hardly any
        // of them thinks, none comes back by surprise, and next to no queue keeps the pool busy.
        let needed = (own * (1.0 - self.at_pool).max(0.0).sqrt()).max(target_min);
        needed.min(own * self.ratio_of_timeout(timeout_share) / pool)
    }

    /// The ratio at which the mean wait takes this share of the acquire timeout; infinite without a use time yet.
    fn ratio_of_timeout(&self, share: f64) -> f64 {
        share * self.acquire_timeout.as_secs_f64() / self.use_seconds
    }

    /// Whether the mean wait is so long that some of the waiting may time out.
    fn is_threat(&self, wait_ratio: f64) -> bool {
        wait_ratio > self.ratio_of_timeout(self.constants.threat_share)
    }

    /// The limit that needs no proof: where the law begins, and where it comes back to when demand is low.
    fn rest_limit(&self) -> f64 {
        let half = f64::from(self.pool_max.div_ceil(2)).min(self.constants.start);
        self.config.initial_limit.map_or(half, f64::from)
    }

    /// The figure a decrease starts from: the limit, or what was really out if that was less.
    fn proven(&self, demand: &Demand) -> f64 {
        self.effective().0.min(f64::from(demand.in_flight_peak)).max(1.0)
    }

    fn set(&mut self, limit: f64, demand: &Demand) {
        self.raw_limit = limit.max(1.0);
        let round = Round::new(self.limit(), demand);
        self.round = if self.ceiling.is_trying() || self.ceiling.is_known() { round.exact() } else { round };
    }

    /// Keeps the mean time a call holds its permit, by Little's law over the last two turns of the calls in flight.
    ///
    /// Only while those have settled under the limit: the ones that a jump let in have not ended yet, and would make the
    /// few that do end look slow.
    fn note_residence(&mut self, elapsed: Duration, evidence: &Evidence) {
        if evidence.pool.is_some() && !self.round.is_measuring {
            return;
        }
        let demand = &evidence.demand;
        let in_flight = f64::from(demand.in_flight);
        // Calls that were given up on say how patient callers are, not how long a call takes.
        let completed = to_f64(demand.completed.saturating_sub(demand.abandoned));
        let keep = (-completed / (self.constants.residence_turns * in_flight.max(1.0))).exp();
        // A tick is not counted longer than this, so that a driver that slept has not seen a slow call.
        let seconds = elapsed.as_secs_f64().min(self.constants.epoch_max_s);
        self.open_seconds += in_flight * seconds;
        self.open_seconds = (self.open_seconds - demand.abandoned_time.as_secs_f64()).max(0.0);
        if completed > 0.0 && self.open_seconds > 0.0 {
            self.occupied_seconds = keep * self.occupied_seconds + std::mem::take(&mut self.open_seconds);
            self.completions = keep * self.completions + completed;
            self.residence_seconds = self.occupied_seconds / self.completions;
        }
    }

    fn decide(&mut self, now: Timestamp, elapsed: Duration, evidence: &Evidence) -> (Reason, Option<Terms>) {
        let demand = &evidence.demand;
        let pool = evidence.pool.as_ref();
        if let Some(pool) = pool {
            self.acquire_timeout = pool.reading.acquire_timeout;
            if self.follow_resize(pool.reading.max, demand) {
                return (Reason::PoolResized, None);
            }
        }
        let is_given_up_on = self.abandonment.note(&self.constants, demand, self.residence_seconds);
        if let Some((reason, terms)) = self.shrink_for_losses(now, evidence) {
            return (reason, Some(terms));
        }
        if is_given_up_on && now >= self.epoch_end && now >= self.patience_end {
            return (Reason::Abandoned, Some(self.shrink_for_abandoned(now, demand, pool)));
        }
        let faded = self.fade(elapsed, demand);
        if let Some(pool) = pool.filter(|pool| !has_traffic(pool)) {
            self.round.others(pool);
        }
        let Some(pool) = pool.filter(|pool| has_traffic(pool)) else {
            let reason = if faded { Reason::LowDemand } else { Reason::NoEvidence };
            return (reason, None);
        };
        self.round.add(&self.constants, self.limit(), elapsed.as_secs_f64(), demand, pool);
        let tick = Tally::new(pool.activity.returns, demand.overloads, elapsed.as_secs_f64());
        if self.ceiling.give_up(&self.constants, now, tick) {
            self.set(self.raw_limit, demand);
            return (Reason::Trial, Some(self.gauges(demand, pool)));
        }
        if let Some(terms) = self.shrink_in_emergency(now, demand, pool) {
            return (Reason::Emergency, Some(terms));
        }
        let span_max = if self.ceiling.is_trying() {
            self.constants.trial_span_max_s
        } else {
            self.constants.span_max_s
        };
        let span = self.residence_seconds.min(span_max);
        match self.round.finish(&self.constants, self.pool_max, span) {
            Some(measured) => {
                let (reason, terms) = self.end_round(now, &measured, demand);
                (reason, Some(Terms { oldest_pending: pool.oldest_pending, ..terms }))
            }
            None if faded => (Reason::LowDemand, None),
            None => (Reason::RoundOpen, None),
        }
    }

    fn follow_resize(&mut self, pool_max: u32, demand: &Demand) -> bool {
        if pool_max == self.pool_max || pool_max == 0 {
            return false;
        }
        // What is scaled is the limit of the old pool: the bounds of the new one may already have cut it.
        let scaled = self.effective().0 * f64::from(pool_max) / f64::from(self.pool_max);
        self.pool_max = pool_max;
        self.ceiling = Ceiling::new(&self.constants);
        self.set(scaled, demand);
        true
    }

    /// Timeouts and refusals: half of what was out, once per recovery epoch. Calls that report overload in numbers: a ceiling
    /// there.
    fn shrink_for_losses(&mut self, now: Timestamp, evidence: &Evidence) -> Option<(Reason, Terms)> {
        let demand = &evidence.demand;
        let pool = evidence.pool.unwrap_or_default();
        let timeouts = pool.activity.timeouts;
        let losses = timeouts + pool.activity.refused + demand.overloads;
        let prevails = self.overloads.note(&self.constants, demand);
        if losses == 0 {
            return None;
        }
        let terms = Terms { losses, ..self.gauges(demand, &pool) };
        if timeouts > 0 || pool.activity.refused > 0 {
            self.halve(now, self.epoch(), demand);
            return Some((if timeouts > 0 { Reason::PoolTimeout } else { Reason::Overload }, terms));
        }
        if !prevails {
            return None;
        }
        // The limit itself stays: the pool may well serve it. Calls that were let in before the last cut may fail still; but
        // while most that end report overload, it does not matter when they were let in.
        if now >= self.epoch_end && (self.round.has_drained() || self.overloads.dominate()) {
            self.epoch_end = now + self.epoch();
            let PoolAimdConstants { backoff_worst, backoff_min, .. } = self.constants;
            let factor = self.overloads.success_share().max(backoff_worst).min(backoff_min);
            self.ceiling.lower(&self.constants, now, factor * self.proven(demand));
            self.set(self.raw_limit, demand);
        }
        Some((Reason::Overload, terms))
    }

    /// Old calls that callers gave up on: half, as for losses. Those that began before have the same patience left.
    fn shrink_for_abandoned(
        &mut self,
        now: Timestamp,
        demand: &Demand,
        pool: Option<&PoolEvidence>,
    ) -> Terms {
        let terms = self.gauges(demand, &pool.copied().unwrap_or_default());
        self.patience_end = now + Duration::try_from_secs_f64(Abandonment::age(demand)).unwrap_or_default();
        self.halve(now, self.epoch(), demand);
        Terms { losses: demand.abandoned, ..terms }
    }

    fn halve(&mut self, now: Timestamp, epoch: Duration, demand: &Demand) {
        self.ceiling.abort(&self.constants, now);
        if now >= self.epoch_end {
            self.epoch_end = now + epoch;
            self.set(self.constants.backoff_min * self.proven(demand), demand);
        }
    }

    /// How long the calls that are out now may still fail for what is past.
    fn epoch(&self) -> Duration {
        let PoolAimdConstants { epoch_min_s, epoch_max_s, .. } = self.constants;
        let known = if self.residence_seconds > 0.0 { self.residence_seconds } else { epoch_max_s };
        Duration::try_from_secs_f64(known.max(epoch_min_s).min(epoch_max_s)).unwrap_or_default()
    }

    /// Somebody came near the limit, or it is new.
    const fn prove(&mut self) {
        (self.unproven_seconds, self.faded_seconds) = (0.0, 0.0);
    }

    /// A limit that nobody came near for a while is not known to be safe any more: let it fade.
    fn fade(&mut self, elapsed: Duration, demand: &Demand) -> bool {
        let (effective, peak) = (self.effective().0, f64::from(demand.in_flight_peak));
        let floor = (2.0 * peak).max(self.rest_limit());
        if demand.held_back || peak >= effective / 2.0 || self.raw_limit <= floor {
            self.prove();
            return false;
        }
        self.unproven_seconds += elapsed.as_secs_f64();
        let PoolAimdConstants { fade_after_s, fade_step_s, half_life_s, .. } = self.constants;
        let due = self.unproven_seconds - fade_after_s - self.faded_seconds;
        if due < fade_step_s {
            return false;
        }
        self.faded_seconds += due;
        let halvings = due / half_life_s;
        self.raw_limit = floor.max(self.raw_limit.min(self.max()) * (-halvings).exp2());
        true
    }

    /// What cannot wait for the end of the round: an acquire on its way to its timeout.
    fn shrink_in_emergency(&mut self, now: Timestamp, demand: &Demand, pool: &PoolEvidence) -> Option<Terms> {
        if self.use_seconds <= 0.0 || !self.round.has_traffic() || !self.brakes(pool) {
            return None;
        }
        let terms = self.gauges(demand, pool);
        self.ceiling.abort(&self.constants, now);
        self.set(self.without_surplus(&terms, demand), demand);
        self.settle(demand);
        Some(terms)
    }

    fn end_round(&mut self, now: Timestamp, measured: &Measured, demand: &Demand) -> (Reason, Terms) {
        let Measured { pending, held, utilisation, in_flight, use_seconds, tally } = *measured;
        self.use_seconds = use_seconds;
        self.held_mean = held;
        self.at_pool = at_pool(held + pending, in_flight);
        let constants = self.constants;
        self.utilisation_mean += constants.utilisation_weight * (utilisation - self.utilisation_mean);
        let terms = Terms {
            pending,
            held,
            wait_ratio: ratio(pending, held),
            target_ratio: self.target_ratio(),
            utilisation,
            in_flight,
            use_time: Duration::try_from_secs_f64(use_seconds).unwrap_or_default(),
            throughput: tally.rate(),
            ..Terms::default()
        };
        let limit_bound = self.round.limit_bound;
        let sample = Sample { limit: f64::from(self.limit()), in_flight, held, pending, tally, limit_bound };
        if self.ceiling.is_trying() {
            let has_moved = self.ceiling.end_round(&constants, now, &sample);
            self.set(self.raw_limit, demand);
            return (if has_moved { Reason::Throughput } else { Reason::Trial }, terms);
        }
        self.ceiling.note(&constants, self.raw_limit, &sample);
        let reason = self.follow_pool(&sample, &terms, demand);
        let may_try = match reason {
            Reason::Balanced | Reason::Probe => true,
            // A trial lowers the limit by more than the decrease does; where the timeout is near, there is no time to try.
            Reason::PoolWait => !self.is_threat(terms.wait_ratio),
            _ => false,
        };
        let begins = may_try && self.ceiling.begin(&constants, now, self.raw_limit, &sample);
        self.set(self.raw_limit, demand);
        if reason == Reason::PoolWait && !begins {
            self.settle(demand);
        }
        (if begins { Reason::Trial } else { reason }, terms)
    }

    /// What the pool's wait and its free connections ask for.
    fn follow_pool(&mut self, sample: &Sample, terms: &Terms, demand: &Demand) -> Reason {
        let constants = self.constants;
        let Terms { wait_ratio, target_ratio, utilisation, .. } = *terms;
        let full = utilisation.min(self.utilisation_mean) >= constants.utilisation_full;
        // Waits while connections are free on average are of calls that come in step. A queue that matters stands in front
        // of a busy pool, for two rounds; one that nears the timeout matters at once.
        let is_threat = self.is_threat(wait_ratio);
        let is_above = wait_ratio > target_ratio && (utilisation >= constants.utilisation_busy || is_threat);
        let before = std::mem::replace(&mut self.queue_before, is_above.then_some(terms.pending));
        // Of two rounds, the shorter queue is what stood all the time; the rest came and went.
        let standing =
            if is_threat { Some(terms.pending) } else { before.map(|queue| queue.min(terms.pending)) };
        if let Some(pending) = standing.filter(|_| is_above) {
            self.raw_limit = self.without_surplus(&Terms { pending, ..*terms }, demand);
            Reason::PoolWait
        } else if full && wait_ratio > constants.mild_wait * target_ratio {
            self.raw_limit = constants.backoff_mild * self.proven(demand);
            Reason::NoFreeConnection
        } else if self.abandonment.prevails(&constants) {
            Reason::Abandoned
        } else if !is_above
            && sample.limit_bound
            && terms.in_flight >= constants.bound_share * self.effective().0
            && !self.ceiling.is_known()
        {
            self.grow(sample, terms)
        } else {
            Reason::Balanced
        }
    }

    /// A decrease has begun that takes as long to show as calls take to end.
    fn settle(&mut self, demand: &Demand) {
        self.round = self.round.clone().after_cut(&self.constants, demand);
    }

    /// The multiplicative decrease: by as many calls as have their connections waiting beyond the accepted queue.
    fn without_surplus(&self, terms: &Terms, demand: &Demand) -> f64 {
        let PoolAimdConstants { keep, backoff_min, backoff_standing, backoff_max, .. } = self.constants;
        let base = self.proven(demand);
        let connections_wanted = ratio(terms.held + terms.pending, terms.in_flight).max(1.0);
        let kept = keep * terms.target_ratio * terms.held;
        let surplus = (terms.pending - kept).max(0.0) / connections_wanted;
        let least = if self.is_threat(terms.wait_ratio) { backoff_min } else { backoff_standing };
        base * (1.0 - surplus / base).max(least).min(backoff_max)
    }

    /// The increase: where the pool would be full by Little's law, or one step.
    fn grow(&mut self, sample: &Sample, terms: &Terms) -> Reason {
        if self.ceiling.bars_jump(&self.constants, sample) {
            return Reason::Balanced;
        }
        let PoolAimdConstants { utilisation_goal, jump_max, increase, increase_share, start, .. } =
            self.constants;
        let effective = self.effective().0;
        let ceiling = self.set_ceiling().min(self.max());
        // Permits that were not out held no connection.
        let calls = terms.in_flight.min(effective);
        let filling = calls * utilisation_goal / terms.utilisation;
        let connections = (2.0 * terms.held).max(start);
        let jump = filling.min(effective * jump_max).min(calls * connections / terms.held);
        let (limit, reason) = if terms.utilisation < utilisation_goal && jump > effective + increase {
            (jump, Reason::FreeConnections)
        } else {
            (effective + increase.max(increase_share * effective), Reason::Probe)
        };
        self.raw_limit = limit.min(ceiling);
        reason
    }

    /// The figures of this moment, where no round has measured them.
    fn gauges(&self, demand: &Demand, pool: &PoolEvidence) -> Terms {
        let (pending, held) = (f64::from(pool.pending), f64::from(pool.held));
        Terms {
            pending,
            held,
            wait_ratio: ratio(pending, held),
            target_ratio: self.target_ratio(),
            utilisation: ratio(f64::from(pool.reading.used()), f64::from(self.pool_max)),
            in_flight: f64::from(demand.in_flight),
            use_time: Duration::try_from_secs_f64(self.use_seconds).unwrap_or_default(),
            oldest_pending: pool.oldest_pending,
            ..Terms::default()
        }
    }
}

impl ControlLaw for PoolAimd {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the bounds keep the value within 1 and MAX_LIMIT"
    )]
    fn limit(&self) -> u32 {
        // Without the small addend, 0.97/0.97 of a limit could lose a permit to rounding.
        (self.effective().0 + 1e-9).floor() as u32
    }

    fn tick(&mut self, now: Timestamp, evidence: &Evidence) -> Decision {
        let from = self.limit();
        let elapsed = now.since(self.last_tick);
        self.last_tick = now;
        self.note_residence(elapsed, evidence);
        let (reason, terms) = self.decide(now, elapsed, evidence);
        Decision { from, to: self.limit(), reason, bound: self.effective().1, terms }
    }

    fn set_limit(&mut self, now: Timestamp, limit: u32) {
        // What was learned of the calls stays; a ceiling would hold the new limit down.
        self.ceiling = Ceiling::new(&self.constants);
        self.set(f64::from(limit), &Demand::default());
        self.queue_before = None;
        self.prove();
        self.last_tick = now;
    }

    fn brakes(&self, pool: &PoolEvidence) -> bool {
        let allowed = pool.reading.acquire_timeout.mul_f64(self.constants.brake_share);
        pool.oldest_pending > allowed
    }

    fn is_recovering(&self, now: Timestamp) -> bool {
        now < self.epoch_end.max(self.patience_end)
    }

    fn is_settled(&self) -> bool {
        self.raw_limit <= self.rest_limit()
    }
}

/// Whether the pool showed anything of us: a query that takes longer than a tick is held all through it.
fn has_traffic(pool: &PoolEvidence) -> bool {
    pool.activity.grants > 0 || pool.pending > 0 || !pool.activity.held_time.is_zero()
}

/// The chance that one of `calls` is at the pool, where they want so many connections together. Calls that want more than
/// one each want that many at once, give or take what a count at the ticks is off; then it is the chance of each of those.
fn at_pool(wanted: f64, calls: f64) -> f64 {
    let per_call = wanted / calls.max(1.0);
    (per_call / per_call.round().max(1.0)).min(1.0)
}

/// `part / whole`, where nothing of nothing is nothing.
fn ratio(part: f64, whole: f64) -> f64 {
    if part <= 0.0 { 0.0 } else { part / whole }
}
