mod config;
#[cfg(test)]
mod tests;

pub use config::AimdConfig;

use super::ControlLaw;
use super::calls::{Calls, Losses, Measured, Sight};
use crate::{ConfigError, Decision, Demand, Evidence, Reason, Terms, Timestamp};

/// Additive increase, multiplicative decrease, on losses and, if a target is set, on call times: for calls to a service that
/// refuses what it cannot serve.
///
/// Calls are *lost* that report [`Outcome::Overload`](crate::Outcome::Overload), that callers gave up on when they were four
/// times as old as calls get, or that hang: of which none has ended for four times as long as one takes.
///
/// - more calls lost than the tolerance: shrink to the share that was not, by at least 1 − `backoff` and at most half, once
///   per recovery epoch;
/// - a mean call time above the target: shrink to target ÷ call time, within the same bounds;
/// - a round without, whose limit held callers back: double the limit up to what was proven before the last decrease, and
///   beyond that add one permit or 2%; but not while calls take four times as long as usual.
///
/// A round is as many calls as are out, and at least ten. Without a target it needs no clock.
///
/// ```
/// use std::time::Duration;
/// use tidegate_core::{Aimd, AimdConfig, ControlLaw};
///
/// let law = Aimd::new(AimdConfig::default().latency_target(Duration::from_secs(2)))?;
/// assert_eq!((law.limit(), law.wants_latency()), (20, true));
/// # Ok::<(), tidegate_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Aimd {
    config: AimdConfig,
    calls: Calls,
}

impl Aimd {
    /// A law with these settings.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range; all of them are named.
    pub fn new(config: AimdConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config, calls: Calls::new(config.bounds()) })
    }

    fn target(&self) -> f64 {
        self.config.latency_target.map_or(f64::INFINITY, |target| target.as_secs_f64())
    }

    fn end_round(&mut self, measured: &Measured, demand: &Demand) -> Reason {
        let share = self.target() / measured.call_seconds;
        if share < 1.0 {
            return self.calls.shrink_by_round(measured, share.min(self.config.backoff), demand);
        }
        if self.calls.is_slow(measured) {
            return self.calls.rest(measured);
        }
        let step = self.calls.step();
        self.calls.grow(measured, step, demand)
    }
}

impl ControlLaw for Aimd {
    fn limit(&self) -> u32 {
        self.calls.limit()
    }

    fn tick(&mut self, now: Timestamp, evidence: &Evidence) -> Decision {
        let from = self.limit();
        let losses = Losses { tolerance: self.config.loss_tolerance, backoff: self.config.backoff };
        let (reason, terms) = match self.calls.look(now, &evidence.demand, losses) {
            Sight::Decided(reason, terms) => (reason, terms),
            Sight::Round(measured) => (self.end_round(&measured, &evidence.demand), measured.terms()),
        };
        let call_time_max = self.config.latency_target.unwrap_or_default();
        self.calls.decision(from, reason, Terms { call_time_max, ..terms })
    }

    fn set_limit(&mut self, now: Timestamp, limit: u32) {
        self.calls.set_from_outside(now, limit);
    }

    fn is_recovering(&self, now: Timestamp) -> bool {
        self.calls.is_recovering(now)
    }

    fn wants_latency(&self) -> bool {
        self.config.latency_target.is_some()
    }
}
