use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tidegate_core::{MAX_LIMIT, Outcome};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::flow::{CallId, poll_as_call};
use crate::gate::{Gate, Hold};
use crate::history::{DecisionRecord, History};
use crate::live::Live;
use crate::retry::Retries;
use crate::telemetry::Telemetry;
use crate::{Acquire, Class, Drain, LimiterBuilder, Overloaded, Permit, Snapshot};

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
/// let permit = limiter.acquire().await?;
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
    /// What times of waiters count from.
    pub(crate) start: Instant,
    pub(crate) gate: Gate,
    /// The gate's limit, for limiters that follow this one.
    pub(crate) limit_told: watch::Sender<u32>,
    pub(crate) live: Live,
    pub(crate) outcomes: Outcomes,
    pub(crate) retries: Retries,
    pub(crate) telemetry: Telemetry,
    pub(crate) history: Mutex<History>,
}

impl Shared {
    /// Sets the limit and tells those who follow it. Only the driver does.
    pub(crate) fn set_limit(&self, limit: u32) {
        let limit = limit.clamp(1, MAX_LIMIT);
        self.gate.set_limit(limit);
        self.limit_told.send_replace(limit);
    }
}

/// Counts of outcomes other than success, in permits; success is the rest.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) overload: AtomicU64,
    pub(crate) ignored: AtomicU64,
    /// Of those ignored, the permits of work that was cut short, the pieces of work, and the looks of the driver the permits
    /// had been out.
    pub(crate) abandoned: AtomicU64,
    pub(crate) abandoned_calls: AtomicU64,
    pub(crate) abandoned_looks: AtomicU64,
    /// Of those ignored, the permits that were handed over and came back unseen.
    pub(crate) unused: AtomicU64,
}

impl Outcomes {
    /// Success costs nothing here: most calls succeed.
    #[inline]
    pub(crate) fn count(&self, outcome: Outcome, permits: u32) {
        let counter = match outcome {
            Outcome::Overload => &self.overload,
            Outcome::Ignored => &self.ignored,
            _ => return,
        };
        counter.fetch_add(u64::from(permits), Ordering::Relaxed);
    }

    /// Permits came back that were handed over to a caller who had gone.
    pub(crate) fn unseen(&self, permits: u32) {
        if permits > 0 {
            self.count(Outcome::Ignored, permits);
            self.unused.fetch_add(u64::from(permits), Ordering::Relaxed);
        }
    }

    /// Work cut short, so many looks after its permits were given.
    pub(crate) fn abandon(&self, permits: u32, looks: u32) {
        self.count(Outcome::Ignored, permits);
        self.abandoned.fetch_add(u64::from(permits), Ordering::Relaxed);
        self.abandoned_calls.fetch_add(1, Ordering::Relaxed);
        self.abandoned_looks.fetch_add(u64::from(permits) * u64::from(looks), Ordering::Relaxed);
    }
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

    /// Waits for a permit, however long it takes.
    ///
    /// Callers are served in the order in which they first polled; a permit that comes back goes to the first in line
    /// directly, so a newcomer cannot overtake. Beside calls with a class they are together one key of share 1 and
    /// normal priority. The future owns a handle and may be moved to another task.
    ///
    /// # Errors
    ///
    /// [`Overloaded`] with the reason [`Closed`](crate::OverloadReason::Closed), and no other.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in line. A permit that was handed over and not yet seen goes to the next in
    /// line; none is lost. A future that is polled anew, as in `select!` in a loop over `&mut acquire`, keeps its place.
    pub fn acquire(&self) -> Acquire {
        Acquire::new(Arc::clone(&self.shared), None, false)
    }

    /// Waits for the permits of a call of this class, in the bounded queue.
    ///
    /// # Order
    ///
    /// The highest priority goes first, and a lower one that waits gets one in ten of the permits that go to it and to higher
    /// ones. Within a priority the keys that wait share the limit by their shares: a key never holds more than its share of the
    /// limit, rounded up, unless a wider call waits; and where calls take equally long, what it was given since it began to
    /// wait is within two permits of its share at every limit. Within a key the oldest goes first.
    /// A call of weight *n* whose turn it is keeps its turn until *n* permits are free together.
    ///
    /// # Errors
    ///
    /// [`Overloaded`], whose reason says why the call was refused: at once, if its turn would come after its deadline or
    /// the queue is full of calls of no lower priority; or later, while it waits. See
    /// [`OverloadReason`](crate::OverloadReason).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire): dropping the future gives up the place in line, and what was handed over and not yet
    /// seen goes to the next in line.
    pub fn acquire_with(&self, class: Class) -> Acquire {
        Acquire::new(Arc::clone(&self.shared), Some(class), false)
    }

    /// A permit if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`Overloaded`] if all permits are out, callers are waiting, the brake is on, or the limiter is closed.
    pub fn try_acquire(&self) -> Result<Permit, Overloaded> {
        match self.shared.gate.try_enter() {
            Ok(()) => Ok(Permit::new(Arc::clone(&self.shared), Hold::PLAIN)),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// The permits of a call of this class if they are free and nobody waits. The deadline is not looked at.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_with(&self, class: Class) -> Result<Permit, Overloaded> {
        match self.shared.gate.try_enter_class(&class) {
            Ok(hold) => Ok(Permit::new(Arc::clone(&self.shared), hold)),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    fn refused(&self, refusal: Overloaded) -> Overloaded {
        self.shared.telemetry.refused(refusal.reason());
        refusal
    }

    /// Runs `work` with a permit, once there is one; its end counts as a success.
    ///
    /// Where a result can mean that the database had no room, hold the permit yourself and say so with
    /// [`Permit::finish`].
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire); then `work` has not been polled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work`, then gives back the place in line or the permit. Work cut short is not a success.
    pub async fn run<F: Future>(&self, work: F) -> Result<F::Output, Overloaded> {
        let permit = self.acquire().await?.begin();
        let done = {
            let mut work = pin!(work);
            let mut id = CallId::new();
            poll_fn(|cx| poll_as_call(&mut id, || work.as_mut().poll(cx))).await
        };
        permit.finish(Outcome::Success);
        Ok(done)
    }

    /// Admits nobody any more, for good: calls that wait and calls that come are refused.
    ///
    /// Permits that are out stay valid. A service of `LimitLayer` is not ready any more, since its error type has no word
    /// for a refusal; a call it had said "ready" for is still served.
    pub fn close(&self) {
        self.shared.gate.close();
    }

    /// Closes the limiter and waits until every permit has come back.
    ///
    /// It is closed by this call, not by the first poll. A service of `LimitLayer` that was ready before may make its one
    /// call after the end of this all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only stops the waiting: the limiter stays closed.
    pub fn drain(&self) -> Drain {
        self.close();
        Drain::new(Arc::clone(&self.shared))
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
            is_closed: seen.is_closed,
            is_frozen: self.shared.live.is_frozen(),
            mode: seen.mode(),
            would_have_queued: seen.would_have.waited,
            would_have_refused: seen.would_have.refused,
            would_have_waited: self.shared.live.would_have_waited(),
            retries: self.shared.retries.balance(),
        }
    }

    /// The last decisions that changed the limit or the settings, oldest first, at most 256. [`explain`](Self::explain) says
    /// them in words.
    #[must_use]
    pub fn decisions(&self) -> Vec<DecisionRecord> {
        self.shared.history.lock().changes().collect()
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
