use std::time::Duration;

use tidegate_core::MAX_LIMIT;

use crate::Mode;

/// A limiter's counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Permits that may be out at once.
    pub limit: u32,
    /// Permits out.
    pub in_flight: u32,
    /// Permits kept for services that said "ready" and have not been called.
    pub reserved: u32,
    /// Callers waiting for a permit.
    pub queued: u32,
    /// Permits out above the limit after a shrink, until they come back.
    pub overhang: u32,
    /// Whether the brake is on: nobody is admitted, because the pool has stopped answering.
    pub is_braked: bool,
    /// Whether the limiter was closed: nobody is admitted any more.
    pub is_closed: bool,
    /// Whether the limit is held where it is, whatever the law would say.
    pub is_frozen: bool,
    /// Whether calls are held back. In shadow mode `limit` is the limit that would be in force, and `overhang` the permits
    /// that would not be out.
    pub mode: Mode,
    /// Calls that shadow mode let through and that would have had to wait, since the limiter was built.
    pub would_have_queued: u64,
    /// Calls that shadow mode let through and that would have been refused, since the limiter was built. Those that would
    /// have stood too long (sojourn) are not among them.
    pub would_have_refused: u64,
    /// How long calls would have waited, all together: the calls beyond the limit at each look of the driver, over time.
    pub would_have_waited: Duration,
    /// Retries that would be lent now; see [`RetryBudget::balance`](crate::RetryBudget::balance).
    pub retries: u32,
}

impl Snapshot {
    /// Permits a caller could take now: none while somebody waits, the brake is on or the limiter is closed.
    #[must_use]
    pub const fn headroom(&self) -> u32 {
        if self.is_braked || self.is_closed || self.queued > 0 {
            return 0;
        }
        let allowed = if matches!(self.mode, Mode::Shadow) { MAX_LIMIT } else { self.limit };
        allowed.saturating_sub(self.in_flight).saturating_sub(self.reserved)
    }
}
