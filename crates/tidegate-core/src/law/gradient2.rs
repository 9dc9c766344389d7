mod config;
mod long;
#[cfg(test)]
mod tests;

pub use config::Gradient2Config;

use self::long::LongAverage;
use super::ControlLaw;
use super::calls::{Baseline, Calls, Losses, Measured, Sight, duration};
use crate::{ConfigError, Decision, Demand, Evidence, Reason, Terms, Timestamp};

/// The limit at which no call waits needlessly grows with the root of the limit: chance averages out. At least four, as
/// published.
const QUEUE_MIN: f64 = 4.0;

/// Where the limit holds callers back, a call time of so many times the average is no queue yet.
const QUIET: f64 = 1.2;

/// Netflix' Gradient2 with guards: for calls to a service whose call time drifts, and which refuses nothing.
///
/// With `short` the mean call time of a round and `long` its long average, `g = clamp(tolerance · long / short, ½, 1)`.
///
/// - `g < 1`, calls take too long: shrink by `smoothing · (1 − g)`, and from the second such round on by `1 − g`;
/// - else, if the limit held callers back: double it up to what was proven before the last decrease, and beyond that add
///   `smoothing · max(4, √limit)`.
///
/// What is published adds the second term always, so it creeps up under an overload, and its average follows every overload,
/// so that it soon takes it for usual. Here the average stands still while calls queue. It follows only if calls are slow with
/// half as many out as well: then the service has become slower by itself. Three much faster rounds in a row begin it anew. Calls that are lost shrink the limit as in
/// [`Aimd`](super::Aimd).
///
/// Each call costs two reads of the clock.
///
/// ```
/// use tidegate_core::{ControlLaw, Gradient2, Gradient2Config};
///
/// let law = Gradient2::new(Gradient2Config::default().max_limit(10))?;
/// assert_eq!(law.limit(), 10);
/// # Ok::<(), tidegate_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gradient2 {
    config: Gradient2Config,
    calls: Calls,
    long: LongAverage,
    baseline: Baseline,
    was_bad: bool,
}

impl Gradient2 {
    /// A law with these settings.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range; all of them are named.
    pub fn new(config: Gradient2Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            calls: Calls::new(config.bounds()),
            long: LongAverage::new(config.long_window),
            baseline: Baseline::default(),
            was_bad: false,
        })
    }

    fn accepted(&self) -> f64 {
        self.config.tolerance * self.long.seconds()
    }

    fn end_round(&mut self, measured: &Measured, demand: &Demand) -> Reason {
        let short = measured.call_seconds;
        let gradient = if self.long.is_known() { (self.accepted() / short).clamp(0.5, 1.0) } else { 1.0 };
        if gradient < 1.0 {
            return self.slow(measured, gradient, demand);
        }
        self.was_bad = false;
        self.baseline.good();
        // An average that learnt of every queue that is tolerated would tolerate a longer one after it.
        if !measured.is_bound || short <= QUIET * self.long.seconds() || !self.long.is_known() {
            self.long.add(short);
        }
        let step = self.config.smoothing * QUEUE_MIN.max(f64::from(self.limit()).sqrt());
        self.calls.grow(measured, step, demand)
    }

    fn slow(&mut self, measured: &Measured, gradient: f64, demand: &Demand) -> Reason {
        let limit = self.limit();
        if let Some(limit) = self.baseline.bad(measured, limit, limit == self.config.min_limit) {
            self.long = LongAverage::new(self.config.long_window);
            self.long.add(measured.call_seconds);
            self.was_bad = false;
            self.calls.rest(measured);
            self.calls.set(limit.into(), demand);
            return Reason::Balanced;
        }
        // One bad round may be chance.
        let way = if std::mem::replace(&mut self.was_bad, true) { 1.0 } else { self.config.smoothing };
        self.calls.shrink_by_round(measured, 1.0 - way * (1.0 - gradient), demand)
    }
}

impl ControlLaw for Gradient2 {
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
