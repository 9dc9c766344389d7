use std::time::Duration;

use tidegate_core::{ConfigChecks, ConfigError};

use crate::retry::Terms;

const RESERVE_MAX: u32 = 1_000;
const WINDOW_MIN: Duration = Duration::from_secs(1);
const WINDOW_MAX: Duration = Duration::from_mins(1);

/// How many retries the limiter lends; see [`RetryBudget`](crate::RetryBudget).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RetrySettings {
    /// Retries lent for each permit that comes back with a success: 0 to 1, a share. Default 0.1, since a tenth is what
    /// retries then add to the load at most, and calls that fail by chance are fewer.
    ///
    /// Raise it where much fails by chance and little by load; at 1 retries may double the load. At 0 only the reserve is lent.
    #[cfg_attr(feature = "schema", schemars(range(min = 0.0, max = 1.0)))]
    pub share: f64,
    /// Retries lent in each window whatever has succeeded: 0 to 1,000. Default 3: in a quiet service a call has both of its
    /// retries, and under load so few are nothing.
    ///
    /// Raise it for a service of few calls a minute. It is what a database that fails gets in retries, per process.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = RESERVE_MAX)))]
    pub reserve: u32,
    /// How long a success counts, and how long the reserve takes to fill: 1 s to 1 m. Default 10 s, as in Finagle and tower:
    /// long enough for a slow call's success to be of use, and too short for a good hour to pay for a storm.
    #[cfg_attr(feature = "serde", serde(with = "tidegate_core::duration_text"))]
    #[cfg_attr(feature = "schema", schemars(schema_with = "tidegate_core::duration_text::schema"))]
    pub window: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self { share: 0.1, reserve: 3, window: Duration::from_secs(10) }
    }
}

impl RetrySettings {
    /// Lends so many retries for each success, so many in each window besides, of successes of the last `window`.
    #[must_use]
    pub const fn new(share: f64, reserve: u32, window: Duration) -> Self {
        Self { share, reserve, window }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut checks = ConfigChecks::default();
        let Self { share, reserve, window } = *self;
        checks.require((0.0..=1.0).contains(&share), "share", share, "0 to 1");
        checks.require(reserve <= RESERVE_MAX, "reserve", reserve, format_args!("0 to {RESERVE_MAX}"));
        let is_window = (WINDOW_MIN..=WINDOW_MAX).contains(&window);
        let allowed = format_args!("{WINDOW_MIN:?} to {WINDOW_MAX:?}");
        checks.require(is_window, "window", format_args!("{window:?}"), allowed);
        checks.finish(())
    }

    /// As the account wants it.
    pub(crate) fn terms(&self) -> Terms {
        Terms::new(self.share, self.reserve, self.window)
    }
}
