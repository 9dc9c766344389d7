use std::time::Duration;

use crate::law::calls::Bounds;
use crate::{ConfigChecks, ConfigError};

const BACKOFF: [f64; 2] = [0.5, 0.99];
const LOSS_TOLERANCE: [f64; 2] = [0.0, 0.5];
const LATENCY_TARGET: [Duration; 2] = [Duration::from_millis(1), Duration::from_secs(3600)];

/// Settings of [`Aimd`](super::Aimd).
///
/// ```
/// use std::time::Duration;
/// use tidegate_core::AimdConfig;
///
/// let config = AimdConfig::default().max_limit(200).latency_target(Duration::from_secs(2));
/// assert_eq!(config.check(), Ok(()));
///
/// let fault = config.backoff(0.2).loss_tolerance(-1.0).check().unwrap_err();
/// assert_eq!(
///     fault.to_string(),
///     "backoff is 0.2, allowed is 0.5 to 0.99; loss_tolerance is -1, allowed is 0 to 0.5"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AimdConfig {
    /// The lowest limit the law may reach, in permits: 1 to `max_limit`. Default 1: with less nothing would run and nothing
    /// would be seen.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = crate::MAX_LIMIT)))]
    pub min_limit: u32,
    /// The highest limit the law may reach, in permits: `min_limit` to 1,048,575. Default 1,000: no service we know of is the
    /// better for more calls at once from one process.
    ///
    /// It also bounds the harm where the service shows nothing while it is overloaded.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = crate::MAX_LIMIT)))]
    pub max_limit: u32,
    /// The limit before there is evidence, in permits: `min_limit` to `max_limit`. Default 20, or the nearest limit allowed:
    /// few services mind so many, and the law doubles from there.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = crate::MAX_LIMIT), example = 20))]
    pub initial_limit: Option<u32>,
    /// What is left of the limit after a decrease: 0.5 to 0.99, a share. Default 0.9, as in the laws of Netflix and Vector:
    /// decreases come once per recovery epoch only, so a gentle one loses little where the limit was nearly right.
    ///
    /// Where more than 1 − `backoff` of the calls are lost, the decrease is as large as the loss, up to a half.
    #[cfg_attr(feature = "schema", schemars(range(min = BACKOFF[0], max = BACKOFF[1])))]
    pub backoff: f64,
    /// The share of calls that may report overload without a decrease: 0 to 0.5. Default 0.01: networks lose one call in a
    /// hundred by themselves.
    ///
    /// Raise it for a service that refuses some calls whatever the load.
    #[cfg_attr(feature = "schema", schemars(range(min = LOSS_TOLERANCE[0], max = LOSS_TOLERANCE[1])))]
    pub loss_tolerance: f64,
    /// The mean call time above which the limit shrinks: 1 ms to 1 h. Default: none; the service refuses what it cannot
    /// serve, and no figure of ours would be right for both a cache and a language model.
    ///
    /// With it each call costs two reads of the clock.
    #[cfg_attr(
        feature = "serde",
        serde(with = "crate::duration_text::option", skip_serializing_if = "Option::is_none")
    )]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "crate::duration_text::option::schema", example = "2s")
    )]
    pub latency_target: Option<Duration>,
}

impl Default for AimdConfig {
    fn default() -> Self {
        Self {
            min_limit: 1,
            max_limit: 1_000,
            initial_limit: None,
            backoff: 0.9,
            loss_tolerance: 0.01,
            latency_target: None,
        }
    }
}

impl AimdConfig {
    /// Sets [`min_limit`](Self#structfield.min_limit).
    #[must_use]
    pub const fn min_limit(mut self, permits: u32) -> Self {
        self.min_limit = permits;
        self
    }

    /// Sets [`max_limit`](Self#structfield.max_limit).
    #[must_use]
    pub const fn max_limit(mut self, permits: u32) -> Self {
        self.max_limit = permits;
        self
    }

    /// Sets [`initial_limit`](Self#structfield.initial_limit).
    #[must_use]
    pub const fn initial_limit(mut self, permits: u32) -> Self {
        self.initial_limit = Some(permits);
        self
    }

    /// Sets [`backoff`](Self#structfield.backoff).
    #[must_use]
    pub const fn backoff(mut self, share: f64) -> Self {
        self.backoff = share;
        self
    }

    /// Sets [`loss_tolerance`](Self#structfield.loss_tolerance).
    #[must_use]
    pub const fn loss_tolerance(mut self, share: f64) -> Self {
        self.loss_tolerance = share;
        self
    }

    /// Sets [`latency_target`](Self#structfield.latency_target).
    #[must_use]
    pub const fn latency_target(mut self, mean: Duration) -> Self {
        self.latency_target = Some(mean);
        self
    }

    /// Checks every setting against its range and the others.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range; all of them are named.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut checks = ConfigChecks::default();
        self.bounds().check(&mut checks);
        let [min, max] = BACKOFF;
        checks.require(
            (min..=max).contains(&self.backoff),
            "backoff",
            self.backoff,
            format_args!("{min} to {max}"),
        );
        let [min, max] = LOSS_TOLERANCE;
        let is_share = (min..=max).contains(&self.loss_tolerance);
        checks.require(is_share, "loss_tolerance", self.loss_tolerance, format_args!("{min} to {max}"));
        if let Some(target) = self.latency_target {
            let [min, max] = LATENCY_TARGET;
            let is_target = (min..=max).contains(&target);
            let given = format_args!("{target:?}");
            checks.require(is_target, "latency_target", given, format_args!("{min:?} to {max:?}"));
        }
        checks.finish(())
    }

    pub(super) const fn bounds(&self) -> Bounds {
        Bounds { min: self.min_limit, max: self.max_limit, initial: self.initial_limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_named_with_its_range_at_once() {
        let config = AimdConfig::default();
        assert_eq!(config.check(), Ok(()));
        let bad = config
            .min_limit(0)
            .max_limit(0)
            .initial_limit(7)
            .backoff(f64::NAN)
            .loss_tolerance(f64::INFINITY)
            .latency_target(Duration::ZERO);
        assert_eq!(
            bad.check().unwrap_err().to_string(),
            "max_limit is 0, allowed is 1 to 1048575; min_limit is 0, allowed is 1 to 0 (max_limit); \
             initial_limit is 7, allowed is 0 (min_limit) to 0 (max_limit); \
             backoff is NaN, allowed is 0.5 to 0.99; loss_tolerance is inf, allowed is 0 to 0.5; \
             latency_target is 0ns, allowed is 1ms to 3600s"
        );
    }

    #[test]
    fn the_initial_limit_is_the_nearest_that_is_allowed() {
        assert_eq!(AimdConfig::default().bounds().initial(), 20);
        assert_eq!(AimdConfig::default().max_limit(8).bounds().initial(), 8);
        assert_eq!(AimdConfig::default().min_limit(50).bounds().initial(), 50);
        assert_eq!(AimdConfig::default().initial_limit(3).bounds().initial(), 3);
    }
}
