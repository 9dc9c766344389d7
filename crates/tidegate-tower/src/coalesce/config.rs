use std::time::Duration;

use tidegate_core::{ConfigChecks, ConfigError};

/// How calls are joined; the settings of a [`CoalesceLayer`](crate::CoalesceLayer).
///
/// ```
/// use std::time::Duration;
/// use tidegate_tower::{CoalesceConfig, CoalesceLayer};
///
/// let config = CoalesceConfig::default().max_batch(500).linger(Duration::ZERO);
/// assert!(CoalesceLayer::<u64>::new(config).is_ok());
/// let error = CoalesceLayer::<u64>::new(config.max_batch(0)).unwrap_err();
/// assert_eq!(error.to_string(), "max_batch is 0, allowed is 1 to 10000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoalesceConfig {
    pub(super) max_batch: usize,
    pub(super) linger: Duration,
    pub(super) concurrency: usize,
    pub(super) queue: usize,
}

impl Default for CoalesceConfig {
    fn default() -> Self {
        Self { max_batch: 100, linger: Duration::from_millis(1), concurrency: 1, queue: 1_000 }
    }
}

impl CoalesceConfig {
    /// The most rows of one batch: 1 to 10,000.
    ///
    /// Default 100: most of what a round trip costs is saved by then, and a statement of so few rows is short.
    /// A larger batch saves more round trips; it holds its locks longer, and a bad row costs more calls to find.
    /// A statement that binds each value must stay below its database's limit, 65,535 values in PostgreSQL.
    #[must_use]
    pub const fn max_batch(mut self, rows: usize) -> Self {
        self.max_batch = rows;
        self
    }

    /// How long a row waits for others while its batch is not full: 0 to 1 s.
    ///
    /// Default 1 ms: about a round trip, so that a lone row takes at most twice as long as without the layer.
    /// Longer makes larger batches of calls that come slowly; it delays them all. At 0 a batch is what has gathered while
    /// those before it ran, and nothing is delayed while none runs.
    #[must_use]
    pub const fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// How many batches run at the same time at most: 1 to 1,000.
    ///
    /// Default 1: one connection does all of the writing, statements of this layer cannot lock each other out, and the
    /// slower the database is the larger the batches are. More is faster where the database has room for it.
    #[must_use]
    pub const fn concurrency(mut self, batches: usize) -> Self {
        self.concurrency = batches;
        self
    }

    /// How many calls may wait, besides those the layer is making its next batch of, before it is not ready for more:
    /// 1 to 1,000,000.
    ///
    /// Default 1,000, ten full batches. More hides a slow database from the callers longer, and takes memory.
    #[must_use]
    pub const fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    pub(super) fn check(self) -> Result<Self, ConfigError> {
        let mut checks = ConfigChecks::default();
        let batch = self.max_batch;
        checks.require((1..=10_000).contains(&batch), "max_batch", batch, "1 to 10000");
        let is_short = self.linger <= Duration::from_secs(1);
        checks.require(is_short, "linger", format_args!("{:?}", self.linger), "0s to 1s");
        let batches = self.concurrency;
        checks.require((1..=1_000).contains(&batches), "concurrency", batches, "1 to 1000");
        let queue = self.queue;
        checks.require((1..=1_000_000).contains(&queue), "queue", queue, "1 to 1000000");
        checks.finish(self)
    }
}
