use crate::law::calls::Bounds;
use crate::{ConfigChecks, ConfigError};

const TOLERANCE: [f64; 2] = [1.1, 10.0];
const SMOOTHING: [f64; 2] = [0.01, 1.0];
const LONG_WINDOW: [u32; 2] = [10, 100_000];

/// Settings of [`Gradient2`](super::Gradient2).
///
/// ```
/// use tidegate_core::Gradient2Config;
///
/// let config = Gradient2Config::default().max_limit(200).tolerance(2.0);
/// assert_eq!(config.check(), Ok(()));
///
/// let fault = config.tolerance(1.0).check().unwrap_err();
/// assert_eq!(fault.to_string(), "tolerance is 1, allowed is 1.1 to 10");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Gradient2Config {
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
    /// How many times its long average the mean call time may be without a decrease: 1.1 to 10. Default 1.5, as published:
    /// means of a round vary by less.
    ///
    /// Raising it lets a longer queue stand in the service; lowering it gives up throughput to noise.
    #[cfg_attr(feature = "schema", schemars(range(min = TOLERANCE[0], max = TOLERANCE[1])))]
    pub tolerance: f64,
    /// How much of the way to its target the limit goes in a round: 0.01 to 1, a share. Default 0.2, as published: five
    /// rounds average one round's noise out.
    #[cfg_attr(feature = "schema", schemars(range(min = SMOOTHING[0], max = SMOOTHING[1])))]
    pub smoothing: f64,
    /// The good rounds that the long average covers: 10 to 100,000. Default 600, as published.
    ///
    /// Lowering it follows a service that grows slower with its data sooner; the average does not move in bad rounds, so it
    /// need not be long to survive an overload.
    #[cfg_attr(feature = "schema", schemars(range(min = LONG_WINDOW[0], max = LONG_WINDOW[1])))]
    pub long_window: u32,
}

impl Default for Gradient2Config {
    fn default() -> Self {
        Self {
            min_limit: 1,
            max_limit: 1_000,
            initial_limit: None,
            tolerance: 1.5,
            smoothing: 0.2,
            long_window: 600,
        }
    }
}

impl Gradient2Config {
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

    /// Sets [`tolerance`](Self#structfield.tolerance).
    #[must_use]
    pub const fn tolerance(mut self, times: f64) -> Self {
        self.tolerance = times;
        self
    }

    /// Sets [`smoothing`](Self#structfield.smoothing).
    #[must_use]
    pub const fn smoothing(mut self, share: f64) -> Self {
        self.smoothing = share;
        self
    }

    /// Sets [`long_window`](Self#structfield.long_window).
    #[must_use]
    pub const fn long_window(mut self, rounds: u32) -> Self {
        self.long_window = rounds;
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
        let [min, max] = TOLERANCE;
        checks.require(
            (min..=max).contains(&self.tolerance),
            "tolerance",
            self.tolerance,
            format_args!("{min} to {max}"),
        );
        let [min, max] = SMOOTHING;
        checks.require(
            (min..=max).contains(&self.smoothing),
            "smoothing",
            self.smoothing,
            format_args!("{min} to {max}"),
        );
        let [min, max] = LONG_WINDOW;
        let is_window = (min..=max).contains(&self.long_window);
        checks.require(is_window, "long_window", self.long_window, format_args!("{min} to {max}"));
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
        let config = Gradient2Config::default();
        assert_eq!(config.check(), Ok(()));
        let bad = config
            .min_limit(9)
            .max_limit(8)
            .initial_limit(10)
            .tolerance(f64::NAN)
            .smoothing(0.0)
            .long_window(9);
        assert_eq!(
            bad.check().unwrap_err().to_string(),
            "min_limit is 9, allowed is 1 to 8 (max_limit); \
             initial_limit is 10, allowed is 9 (min_limit) to 8 (max_limit); \
             tolerance is NaN, allowed is 1.1 to 10; smoothing is 0, allowed is 0.01 to 1; \
             long_window is 9, allowed is 10 to 100000"
        );
    }
}
