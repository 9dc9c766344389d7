use crate::law::calls::Bounds;
use crate::{ConfigChecks, ConfigError};

const QUEUE: [f64; 2] = [0.5, 100.0];

/// Settings of [`Vegas`](super::Vegas).
///
/// The two marks are in *steps*: a step is ⌊log₁₀ limit⌋ permits, at least 1.
///
/// ```
/// use tidegate_core::VegasConfig;
///
/// let config = VegasConfig::default().max_limit(200).queue_high(8.0);
/// assert_eq!(config.check(), Ok(()));
///
/// let fault = config.queue_low(9.0).check().unwrap_err();
/// assert_eq!(fault.to_string(), "queue_high is 8, allowed is 9 (queue_low) to 100");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct VegasConfig {
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
    /// The estimated queue in the service below which the limit grows, in steps: 0.5 to 100. Default 3, as published: enough
    /// that the service never waits for us.
    #[cfg_attr(feature = "schema", schemars(range(min = QUEUE[0], max = QUEUE[1])))]
    pub queue_low: f64,
    /// The estimated queue in the service above which the limit shrinks, in steps: `queue_low` to 100. Default 6, as
    /// published.
    ///
    /// Raising it lets a longer queue stand in the service; the gap to `queue_low` is where the limit rests.
    #[cfg_attr(feature = "schema", schemars(range(min = QUEUE[0], max = QUEUE[1])))]
    pub queue_high: f64,
}

impl Default for VegasConfig {
    fn default() -> Self {
        Self { min_limit: 1, max_limit: 1_000, initial_limit: None, queue_low: 3.0, queue_high: 6.0 }
    }
}

impl VegasConfig {
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

    /// Sets [`queue_low`](Self#structfield.queue_low).
    #[must_use]
    pub const fn queue_low(mut self, steps: f64) -> Self {
        self.queue_low = steps;
        self
    }

    /// Sets [`queue_high`](Self#structfield.queue_high).
    #[must_use]
    pub const fn queue_high(mut self, steps: f64) -> Self {
        self.queue_high = steps;
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
        let [least, most] = QUEUE;
        checks.require(
            (least..=most).contains(&self.queue_low),
            "queue_low",
            self.queue_low,
            format_args!("{least} to {most}"),
        );
        // A lower mark that is no number was named already.
        let low = if self.queue_low >= least { self.queue_low } else { least };
        checks.require(
            (low..=most).contains(&self.queue_high),
            "queue_high",
            self.queue_high,
            format_args!("{low} (queue_low) to {most}"),
        );
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
        let config = VegasConfig::default();
        assert_eq!(config.check(), Ok(()));
        let bad = config.min_limit(9).max_limit(8).initial_limit(10).queue_low(f64::NAN).queue_high(f64::NAN);
        assert_eq!(
            bad.check().unwrap_err().to_string(),
            "min_limit is 9, allowed is 1 to 8 (max_limit); \
             initial_limit is 10, allowed is 9 (min_limit) to 8 (max_limit); \
             queue_low is NaN, allowed is 0.5 to 100; queue_high is NaN, allowed is 0.5 (queue_low) to 100"
        );
    }
}
