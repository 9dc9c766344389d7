use std::time::Duration;

use tidegate_core::{ConfigChecks, ConfigError};

use crate::gate::{QueueConfig, QueueLimit};

const PLACES_MAX: u32 = 1_000_000;
const SOJOURN_MIN: Duration = Duration::from_millis(1);
const SOJOURN_MAX: Duration = Duration::from_hours(1);

/// The bounded queue, in which calls with a class wait. What `Limiter::acquire` and the reservations of services
/// wait in has no bound.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct QueueSettings {
    /// How many calls may wait for each permit of the limit: 1 to 1,000,000. Default 100, which lets a fan-out of a thousand
    /// calls through a limit of ten without a refusal.
    ///
    /// The queue follows the limit, so a call that is let into it waits at most so many turns, whatever the limit is. Lower
    /// it where a caller would rather hear "no" soon: a call of 20 ms behind 100 turns waits 2 s.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = PLACES_MAX)))]
    pub places_per_permit: u32,
    /// How many calls may wait, whatever the limit is: 1 to 1,000,000. Where it is given it stands in place of
    /// `places_per_permit`. Default: not given, since a queue that follows the limit bounds the wait.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = PLACES_MAX), example = 500))]
    pub places: Option<u32>,
    /// Refuses calls from a queue that does not clear. Default: off, because calls of a batch are willing to wait.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub sojourn: Option<SojournSettings>,
    /// Whether each wait for a permit, bounded or not, is a `tracing` span: `queue_wait`, of the target `tidegate::queue`.
    /// Default: no, because a span for each call that waits costs more than the wait's own bookkeeping.
    pub spans: bool,
}

/// Controlled delay: calls are refused from a queue that does not clear.
///
/// When the oldest call in the bounded queue has waited longer than `target` at every look for an `interval`, the newest
/// calls are served first and those that have waited longer than `target` are refused, at the next look (a quarter of a
/// tick). It ends when for an `interval` nobody had to be refused.
///
/// Use it where callers are many, independent, and gone after a while, as users of a page are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SojournSettings {
    /// The wait that is accepted: 1 ms to 1 h. No default; a tenth of the callers' patience is right.
    #[cfg_attr(feature = "serde", serde(with = "tidegate_core::duration_text"))]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "tidegate_core::duration_text::schema", example = "1s")
    )]
    pub target: Duration,
    /// How long the wait may be longer before calls are refused: `target` to 1 h. No default; the callers' patience is right.
    #[cfg_attr(feature = "serde", serde(with = "tidegate_core::duration_text"))]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "tidegate_core::duration_text::schema", example = "10s")
    )]
    pub interval: Duration,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { places_per_permit: 100, places: None, sojourn: None, spans: false }
    }
}

impl QueueSettings {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut checks = ConfigChecks::default();
        let places = [("places_per_permit", Some(self.places_per_permit)), ("places", self.places)];
        for (field, calls) in places {
            if let Some(calls) = calls {
                let allowed = format_args!("1 to {PLACES_MAX}");
                checks.require((1..=PLACES_MAX).contains(&calls), field, calls, allowed);
            }
        }
        if let Some(sojourn) = &self.sojourn {
            checks.include("sojourn", sojourn.check());
        }
        checks.finish(())
    }

    /// As the gate wants it.
    pub(crate) fn config(&self) -> QueueConfig {
        QueueConfig {
            limit: self.places.map_or(QueueLimit::PerPermit(self.places_per_permit), QueueLimit::Fixed),
            sojourn: self.sojourn.map(|sojourn| (sojourn.target, sojourn.interval)),
        }
    }
}

impl SojournSettings {
    /// Refuses calls that have waited longer than `target` for an `interval`.
    #[must_use]
    pub const fn new(target: Duration, interval: Duration) -> Self {
        Self { target, interval }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let mut checks = ConfigChecks::default();
        let (target, interval) = (self.target, self.interval);
        let is_target = (SOJOURN_MIN..=SOJOURN_MAX).contains(&target);
        let allowed = format_args!("{SOJOURN_MIN:?} to {SOJOURN_MAX:?}");
        checks.require(is_target, "target", format_args!("{target:?}"), allowed);
        let is_interval = (target..=SOJOURN_MAX).contains(&interval);
        let allowed = format_args!("{target:?} (target) to {SOJOURN_MAX:?}");
        checks.require(is_interval, "interval", format_args!("{interval:?}"), allowed);
        checks.finish(())
    }
}
