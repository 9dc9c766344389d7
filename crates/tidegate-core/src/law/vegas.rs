mod config;
mod floor;
#[cfg(test)]
mod tests;

pub use config::VegasConfig;

use self::floor::Floor;
use super::ControlLaw;
use super::calls::{Baseline, Calls, Losses, Measured, Sight, duration};
use crate::{ConfigError, Decision, Demand, Evidence, Reason, Terms, Timestamp};

/// The mean of as many calls as are out varies by the root of their number, in calls; about half of that is left of the mean of
/// the last rounds, for exponential times.
const CHANCE: f64 = 0.5;

/// TCP Vegas for calls, with guards: for a service with a steady call time, in which next to no queue is to stand.
///
/// The calls that queue in the service are estimated as `queue = in flight · (1 − floor / call time) − ½ √(in flight)`, with
/// the call time of the last rounds and the `floor` it has when nothing queues; the root is what may be chance. A *step* is ⌊log₁₀ limit⌋ permits, at least 1.
///
/// - `queue > queue_high` steps: shrink by what is above the middle of the two marks, by at most half;
/// - `queue ≤ 1` step and the limit held callers back: double it up to what was proven before the last decrease, and beyond
///   that add `queue_high` steps, or one if the last decrease was for lost calls; `queue < queue_low` steps: add one.
///
/// What is published takes the shortest single call as the floor, which a lucky one spoils for long, and now and then whatever
/// call comes, so that it soon takes an overload for usual. Here the floor follows means of rounds, down faster than up, and
/// stands still while too much queues. It is raised only if calls are slow with half as many out as well: then the service has
/// become slower by itself. Calls that are lost shrink the limit as in [`Aimd`](super::Aimd).
///
/// Each call costs two reads of the clock.
///
/// ```
/// use tidegate_core::{ControlLaw, Vegas, VegasConfig};
///
/// let law = Vegas::new(VegasConfig::default().initial_limit(5))?;
/// assert_eq!(law.limit(), 5);
/// # Ok::<(), tidegate_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Vegas {
    config: VegasConfig,
    calls: Calls,
    floor: Floor,
    baseline: Baseline,
}

impl Vegas {
    /// A law with these settings.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range; all of them are named.
    pub fn new(config: VegasConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            calls: Calls::new(config.bounds()),
            floor: Floor::default(),
            baseline: Baseline::default(),
        })
    }

    fn step(&self) -> f64 {
        f64::from(self.limit().checked_ilog10().unwrap_or(0)).max(1.0)
    }

    fn end_round(&mut self, measured: &Measured, demand: &Demand) -> Reason {
        let in_flight = measured.in_flight;
        let recent = self.floor.look(measured.call_seconds, in_flight);
        let chance = CHANCE * in_flight.sqrt();
        let queue = (in_flight * (1.0 - self.floor.seconds() / recent) - chance).max(0.0);
        let (step, VegasConfig { queue_low, queue_high, .. }) = (self.step(), self.config);
        if queue > queue_high * step {
            let surplus = queue - step * f64::midpoint(queue_low, queue_high);
            return self.slow(measured, 1.0 - surplus / in_flight, demand);
        }
        self.baseline.good();
        self.floor.learn(recent, queue < queue_low * step);
        if queue <= step {
            let far = if self.calls.was_lost() { step } else { queue_high * step };
            self.calls.grow(measured, far, demand)
        } else if queue < queue_low * step {
            self.calls.grow_slowly(measured, step, demand)
        } else {
            self.calls.rest(measured)
        }
    }

    fn slow(&mut self, measured: &Measured, keep: f64, demand: &Demand) -> Reason {
        let limit = self.limit();
        if let Some(limit) = self.baseline.bad(measured, limit, limit == self.config.min_limit) {
            self.floor.set(measured.call_seconds);
            self.calls.rest(measured);
            self.calls.set(limit.into(), demand);
            return Reason::Balanced;
        }
        self.calls.shrink_by_round(measured, keep, demand)
    }

    /// The call time at which the limit begins to shrink.
    fn accepted(&self) -> f64 {
        let limit = f64::from(self.limit());
        let share = (self.config.queue_high * self.step() + CHANCE * limit.sqrt()) / limit;
        if share < 1.0 { self.floor.seconds() / (1.0 - share) } else { 0.0 }
    }
}

impl ControlLaw for Vegas {
    fn limit(&self) -> u32 {
        self.calls.limit()
    }

    fn tick(&mut self, now: Timestamp, evidence: &Evidence) -> Decision {
        let from = self.limit();
        let call_time_max = duration(self.accepted());
        let (reason, terms) = match self.calls.look(now, &evidence.demand, Losses::default()) {
            Sight::Decided(reason, terms) => (reason, terms),
            Sight::Round(measured) => (self.end_round(&measured, &evidence.demand), measured.terms()),
        };
        self.calls.decision(from, reason, Terms { call_time_max, ..terms })
    }

    fn set_limit(&mut self, now: Timestamp, limit: u32) {
        self.calls.set_from_outside(now, limit);
        self.baseline.good();
    }

    fn is_recovering(&self, now: Timestamp) -> bool {
        self.calls.is_recovering(now)
    }

    fn wants_latency(&self) -> bool {
        true
    }
}
