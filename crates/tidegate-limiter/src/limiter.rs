use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_core::{Decision, Outcome, Timestamp};

use crate::gate::Gate;
use crate::telemetry::Telemetry;
use crate::{Acquire, LimiterBuilder, Permit, Snapshot, TryAcquireError};

/// How many decisions are remembered.
pub(crate) const DECISIONS_KEPT: usize = 256;

/// Hands out permits, as many at once as its control law finds right.
///
/// Clones share the limit, the queue and the driver; a clone costs one atomic increment.
/// The driver is a task that lives as long as a clone, a permit or a waiting caller does, and sleeps while there is no
/// work.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidegate_limiter::Limiter;
///
/// let limiter = Limiter::builder().name("experts").fixed(2).build()?;
/// let permit = limiter.acquire().await;
/// assert_eq!(limiter.snapshot().in_flight, 1);
/// drop(permit);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
}

/// What the handles, permits and the driver of one limiter share.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) gate: Gate,
    pub(crate) outcomes: Outcomes,
    pub(crate) telemetry: Telemetry,
    pub(crate) decisions: Mutex<VecDeque<DecisionRecord>>,
}

/// Counts of outcomes other than success, which is the rest.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) overload: AtomicU64,
    pub(crate) ignored: AtomicU64,
}

impl Outcomes {
    /// Success costs nothing here: most calls succeed.
    pub(crate) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Overload => &self.overload,
            Outcome::Ignored => &self.ignored,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A decision and when it was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DecisionRecord {
    /// The moment, since the limiter was built.
    pub at: Timestamp,
    /// The decision.
    pub decision: Decision,
}

impl Limiter {
    /// Settings for a new limiter.
    pub fn builder() -> LimiterBuilder {
        LimiterBuilder::default()
    }

    pub(crate) const fn from_shared(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Waits for a permit.
    ///
    /// Callers are served in the order in which they first polled; a permit that comes back goes to the first in line
    /// directly, so a newcomer cannot overtake. The future owns a handle and may be moved to another task.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in line. A permit that was handed over and not yet seen goes to the next in
    /// line; none is lost. A future that is polled anew, as in `select!` in a loop over `&mut acquire`, keeps its place.
    pub fn acquire(&self) -> Acquire {
        Acquire::new(Arc::clone(&self.shared))
    }

    /// A permit if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] if all permits are out, callers are waiting, or the brake is on.
    pub fn try_acquire(&self) -> Result<Permit, TryAcquireError> {
        if self.shared.gate.try_enter() {
            Ok(Permit::new(Arc::clone(&self.shared)))
        } else {
            Err(TryAcquireError(()))
        }
    }

    /// The limiter's counts now, all of one moment as far as callers in the queue are concerned.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let seen = self.shared.gate.peek();
        Snapshot {
            limit: seen.limit,
            in_flight: seen.in_flight,
            reserved: seen.reserved,
            queued: seen.queued,
            overhang: seen.in_flight.saturating_sub(seen.limit),
            is_braked: seen.is_braked,
        }
    }

    /// The last decisions that changed the limit, oldest first, at most 256.
    #[must_use]
    pub fn decisions(&self) -> Vec<DecisionRecord> {
        let ring = self.shared.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().copied().collect()
    }

    /// The name given at build; the `limiter` label of its metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("name", &self.name()).field("snapshot", &self.snapshot()).finish()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.gate.wake_driver();
    }
}
