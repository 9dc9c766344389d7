//! Every setting of a limiter as one value: what the builder fills and what is read from a file.

mod law;
mod queue;
#[cfg(feature = "schema")]
mod read;
mod retry;

pub use law::LawSettings;
pub use queue::{QueueSettings, SojournSettings};
pub use retry::RetrySettings;

use std::time::Duration;

use tidegate_core::{ConfigChecks, ConfigError};

use crate::BuildError;

const TICK_MIN: Duration = Duration::from_millis(10);
const TICK_MAX: Duration = Duration::from_secs(1);

/// Every setting of a limiter but its name and its pool.
///
/// The defaults are those of [`LimiterBuilder`](crate::LimiterBuilder), which fills such a value.
///
/// ```
/// use std::time::Duration;
/// use tidegate_limiter::{LawSettings, Limiter, Settings};
///
/// let mut settings = Settings::default();
/// settings.law = LawSettings::Fixed { limit: 0 };
/// settings.tick = Duration::from_secs(2);
///
/// let fault = settings.check(None).unwrap_err();
/// assert_eq!(fault.to_string(), "law.limit is 0, allowed is 1 to 1048575; tick is 2s, allowed is 10ms to 1s");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(description = "Every setting of a limiter but its name and its pool.")
)]
#[non_exhaustive]
pub struct Settings {
    /// How the limit is found. Default: `pool_aimd`, from the pool's wait and its free connections, which needs no tuning.
    pub law: LawSettings,
    /// Whether calls are held back: `enforce` or `shadow`. Default: `enforce`, since that is what a limiter is for.
    pub mode: Mode,
    /// How often the law looks: 10 ms to 1 s. Default 100 ms, since 20 to 200 ms make no difference to throughput.
    ///
    /// It bounds the reaction, not the pace of the law, which decides by rounds of work: above 500 ms the reaction to a slow
    /// database is late.
    #[cfg_attr(feature = "serde", serde(with = "tidegate_core::duration_text"))]
    #[cfg_attr(feature = "schema", schemars(schema_with = "tidegate_core::duration_text::schema"))]
    pub tick: Duration,
    /// The bounded queue, in which calls with a class wait.
    pub queue: QueueSettings,
    /// The retries that the limiter lends; see [`RetryBudget`](crate::RetryBudget).
    pub retry: RetrySettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            law: LawSettings::default(),
            mode: Mode::default(),
            tick: Duration::from_millis(100),
            queue: QueueSettings::default(),
            retry: RetrySettings::default(),
        }
    }
}

/// Whether a limiter holds calls back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Mode {
    /// Calls wait, and are refused, as the limit says.
    #[default]
    Enforce,
    /// Every call is let through at once; the limit, and what would have waited or been refused, is only reported.
    Shadow,
}

impl Settings {
    /// Checks every setting against its range and the others, and what depends on the pool's size if that is known.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range; all of them are named, with the parts they stand in: `queue.places`.
    pub fn check(&self, pool_max: Option<u32>) -> Result<(), BuildError> {
        Ok(self.checked(pool_max)?)
    }

    fn checked(&self, pool_max: Option<u32>) -> Result<(), ConfigError> {
        let mut checks = ConfigChecks::default();
        checks.include("law", self.law.check(pool_max));
        checks.require(
            (TICK_MIN..=TICK_MAX).contains(&self.tick),
            "tick",
            format_args!("{:?}", self.tick),
            format_args!("{TICK_MIN:?} to {TICK_MAX:?}"),
        );
        checks.include("queue", self.queue.check());
        checks.include("retry", self.retry.check());
        checks.finish(())
    }
}
