//! How much is done in one measurement.

use std::time::Duration;

/// The size of each case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Calls with a permit free.
    pub(crate) free_calls: u32,
    /// Calls of each of the two tasks that hand one permit over.
    pub(crate) queue_calls: u32,
    /// How long contending tasks run on each thread; the longer, the less the runtime's own unfairness weighs.
    pub(crate) contended: Duration,
    /// Callers in the queue of the cases named `_100k`.
    pub(crate) waiters: u32,
    /// Changes of the limit.
    pub(crate) resizes: u32,
}

impl Scale {
    pub(crate) const FULL: Self = Self {
        free_calls: 100_000,
        queue_calls: 50_000,
        contended: Duration::from_millis(50),
        waiters: 100_000,
        resizes: 2_000,
    };

    /// Enough to run every line of the harness.
    pub(crate) const TINY: Self = Self {
        free_calls: 200,
        queue_calls: 100,
        contended: Duration::from_millis(2),
        waiters: 500,
        resizes: 20,
    };
}
