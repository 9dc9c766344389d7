use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_core::{Decision, Timestamp};

use crate::driver::Driver;
use crate::occupancy::micros;

/// A clock that stands still until it is set, for those who own the time; see
/// [`LimiterBuilder::clock`](crate::LimiterBuilder::clock). A clone is the same clock.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Sets it, to a whole microsecond. It must not go backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.store(micros(now.since_start()), Ordering::Relaxed);
    }

    pub(crate) fn micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The driver of a limiter as a value, for those who own the time: simulators and tests.
///
/// Made by [`LimiterBuilder::build_manual`](crate::LimiterBuilder::build_manual). It does what the driver's task does, when
/// it is told to. It keeps no handle: once the last one is gone its calls do nothing.
pub struct ManualDriver {
    driver: Driver,
}

impl ManualDriver {
    pub(crate) const fn new(driver: Driver) -> Self {
        Self { driver }
    }

    /// A look at the brake, at idle reservations and at those who wait, at `now`; the task does it four times a tick.
    pub fn look(&mut self, now: Timestamp) {
        self.driver.look(now);
    }

    /// One tick of the law at `now`, which must not go backwards; what the law said.
    pub fn tick(&mut self, now: Timestamp) -> Option<Decision> {
        self.driver.tick(now).map(|ticked| ticked.decision)
    }
}

impl fmt::Debug for ManualDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualDriver").finish_non_exhaustive()
    }
}
