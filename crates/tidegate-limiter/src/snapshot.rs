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
}

impl Snapshot {
    /// Permits a caller could take now: none while somebody waits, the brake is on or the limiter is closed.
    #[must_use]
    pub const fn headroom(&self) -> u32 {
        if self.is_braked || self.is_closed || self.queued > 0 {
            return 0;
        }
        self.limit.saturating_sub(self.in_flight).saturating_sub(self.reserved)
    }
}
