use std::time::Duration;

use tidegate_core::{ConfigChecks, ConfigError};

const TRIES_MAX: u32 = 10;
const BACKOFF_LEAST: Duration = Duration::from_millis(1);
const BACKOFF_MOST: Duration = Duration::from_hours(1);

/// How often a call is tried, and how long it waits between two tries.
///
/// ```
/// use std::time::Duration;
/// use tidegate_tower::RetryConfig;
///
/// let config = RetryConfig::default().tries(0).backoff(Duration::from_secs(2), Duration::from_secs(1));
/// assert_eq!(
///     config.check().unwrap_err().to_string(),
///     "tries is 0, allowed is 1 to 10; backoff_max is 1s, allowed is 2s (backoff_min) to 3600s"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryConfig {
    /// Tries of one call, the first one included: 1 to 10. Default 3: what fails three times by chance is so rare that a
    /// fourth try helps next to nobody.
    ///
    /// It bounds one call. What bounds all of them together is the budget.
    pub tries: u32,
    /// The wait before the second try, before chance is added: 1 ms to 1 h. Default 100 ms, a tick of the limiter: it has seen
    /// by then what failed.
    ///
    /// Each further wait is twice the one before. Chance adds up to as much again, so that calls that failed together do not
    /// come back together.
    pub backoff_min: Duration,
    /// The longest such wait, chance included: `backoff_min` to 1 h. Default 10 s, since few callers have more patience.
    pub backoff_max: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { tries: 3, backoff_min: Duration::from_millis(100), backoff_max: Duration::from_secs(10) }
    }
}

impl RetryConfig {
    /// Sets [`tries`](Self#structfield.tries).
    #[must_use]
    pub const fn tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }

    /// Sets [`backoff_min`](Self#structfield.backoff_min) and [`backoff_max`](Self#structfield.backoff_max).
    #[must_use]
    pub const fn backoff(mut self, min: Duration, max: Duration) -> Self {
        (self.backoff_min, self.backoff_max) = (min, max);
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range; all of them are named.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut checks = ConfigChecks::default();
        let Self { tries, backoff_min: min, backoff_max: max } = *self;
        let allowed = format_args!("1 to {TRIES_MAX}");
        checks.require((1..=TRIES_MAX).contains(&tries), "tries", tries, allowed);
        let allowed = format_args!("{BACKOFF_LEAST:?} to {BACKOFF_MOST:?}");
        let is_min = (BACKOFF_LEAST..=BACKOFF_MOST).contains(&min);
        checks.require(is_min, "backoff_min", format_args!("{min:?}"), allowed);
        let allowed = format_args!("{min:?} (backoff_min) to {BACKOFF_MOST:?}");
        checks.require((min..=BACKOFF_MOST).contains(&max), "backoff_max", format_args!("{max:?}"), allowed);
        checks.finish(())
    }
}
