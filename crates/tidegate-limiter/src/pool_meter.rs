//! The counts of a pool of any kind, kept by guards.
//!
//! A wrapper around a pool (such as `tidegate_sqlx::MeteredPool`) calls [`PoolMeter::begin`] as an acquire starts and tells
//! the [`PoolWait`] it gets how the acquire ended; a granted wait becomes a [`PoolUse`] that lives as long as the
//! connection is lent.
//! Both count in their `Drop`, so an acquire that is cancelled, times out or panics is counted like any other.

mod waiting;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use parking_lot::{Mutex, MutexGuard};
use tidegate_core::{PoolActivity, PoolEvidence, PoolReading};
use tokio::time::Instant;

use self::waiting::{Place, Waiting};

/// Histogram, seconds: how long each acquire waited, however it ended.
pub(crate) const WAIT_TIME: &str = "db.client.connection.wait_time";
/// Histogram, seconds: how long each connection was lent.
pub(crate) const USE_TIME: &str = "db.client.connection.use_time";
/// Counter: acquires that the pool gave up on.
pub(crate) const TIMEOUTS: &str = "db.client.connection.timeouts";
/// The label that names the pool on every metric of it.
pub(crate) const POOL_NAME: &str = "db.client.connection.pool.name";

/// Keeps the counts of one pool: who waits for a connection, who holds one, and what became of each acquire.
///
/// A clone shares all counts.
///
/// The metric handles are made when the meter is built, by the recorder installed at that time: build it after the
/// recorder, or its histograms go nowhere.
/// The counts themselves, and so the limiter, need no recorder.
///
/// ```
/// use std::time::Duration;
/// use tidegate_core::PoolReading;
/// use tidegate_limiter::PoolMeter;
///
/// let meter = PoolMeter::new("reads");
/// let reading = PoolReading::new(20, 4, 1, Duration::from_secs(1));
///
/// let wait = meter.begin(reading); // the caller asks the pool for a connection …
/// assert_eq!(meter.evidence(reading).pending, 1);
/// let lent = wait.granted(); // … gets one …
/// assert_eq!(meter.evidence(reading).held, 1);
/// drop(lent); // … and gives it back
/// assert_eq!(meter.evidence(reading).activity.returns, 1);
/// ```
#[derive(Clone)]
pub struct PoolMeter {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    counts: Mutex<Counts>,
    wait_time: Histogram,
    use_time: Histogram,
    timeouts: Counter,
}

#[derive(Default)]
struct Counts {
    waiting: Waiting,
    /// Connections lent out whose return will be seen.
    held: u32,
    /// Whether a connection was ever lent out whose return will not be seen.
    untracked: bool,
    activity: PoolActivity,
    /// The latest beginning of an acquire that was granted. Older ones that still wait are not in line any more: their
    /// turn has come, and opening or testing their connection hangs.
    served: Option<Instant>,
    /// Up to when the counts are integrated.
    integrated: Option<Instant>,
    /// The pool's own count of used connections when it was last shown.
    used: u32,
}

impl Counts {
    fn held(&self) -> u32 {
        if self.untracked { self.used } else { self.held }
    }

    /// Adds the time since the last change; called before each change.
    fn integrate(&mut self, now: Instant) {
        let since = self.integrated.unwrap_or(now);
        // Two threads may come to the lock in the other order than they read the clock in.
        self.integrated = Some(now.max(since));
        let span = now.saturating_duration_since(since);
        let (pending, held) = (self.waiting.len(), self.held());
        self.activity.pending_time += span * pending;
        self.activity.held_time += span * held;
    }
}

impl Shared {
    /// Only arithmetic runs under this lock, so it guards sound counts also after a panic.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock()
    }
}

impl PoolMeter {
    /// A meter at zero, for the pool called `name` in the label `db.client.connection.pool.name`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        describe_histogram!(WAIT_TIME, Unit::Seconds, "time from asking the pool to holding a connection");
        describe_histogram!(USE_TIME, Unit::Seconds, "time from holding a connection to its return");
        describe_counter!(TIMEOUTS, Unit::Count, "acquires that the pool gave up on");
        let label = || name.clone();
        let wait_time = histogram!(WAIT_TIME, POOL_NAME => label());
        let use_time = histogram!(USE_TIME, POOL_NAME => label());
        let timeouts = counter!(TIMEOUTS, POOL_NAME => label());
        let counts = Mutex::default();
        Self { shared: Arc::new(Shared { name, counts, wait_time, use_time, timeouts }) }
    }

    /// The name of the pool.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// An acquire begins: call it as the wait starts, with the pool's figures at that moment.
    #[must_use = "dropping it at once counts a cancelled acquire"]
    pub fn begin(&self, reading: PoolReading) -> PoolWait {
        let started = Instant::now();
        let mut counts = self.shared.lock();
        counts.integrate(started);
        counts.used = reading.used();
        counts.activity.requests += 1;
        let place = counts.waiting.push(started);
        drop(counts);
        PoolWait { meter: self.clone(), started, place: Some(place) }
    }

    /// All counts now, beside the pool's own figures now.
    ///
    /// `activity` holds totals since the meter was built.
    /// `held` is the meter's own count, or, once a connection became [untracked](PoolUse::untracked), what
    /// `reading` says is used by anybody.
    #[must_use]
    pub fn evidence(&self, reading: PoolReading) -> PoolEvidence {
        let now = Instant::now();
        let mut counts = self.shared.lock();
        counts.integrate(now);
        counts.used = reading.used();
        let mut evidence = PoolEvidence::default();
        evidence.reading = reading;
        evidence.pending = counts.waiting.len();
        evidence.held = counts.held();
        evidence.oldest_pending = counts
            .waiting
            .oldest_after(counts.served)
            .map_or(Duration::ZERO, |started| now.saturating_duration_since(started));
        evidence.activity = counts.activity;
        evidence
    }
}

impl fmt::Debug for PoolMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolMeter").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

/// One acquire that waits for a connection. Dropping it counts the acquire as cancelled.
///
/// However it ends, its time counts, and the caller is no longer pending.
#[must_use = "dropping it counts a cancelled acquire"]
pub struct PoolWait {
    meter: PoolMeter,
    started: Instant,
    /// `None` once the end was counted.
    place: Option<Place>,
}

#[derive(Clone, Copy)]
enum End {
    Cancelled,
    Failed,
    Granted,
    Refused,
    TimedOut,
}

impl PoolWait {
    /// The caller has a connection.
    pub fn granted(mut self) -> PoolUse {
        let now = Instant::now();
        self.end(End::Granted, now);
        PoolUse { meter: self.meter.clone(), started: now, tracked: true }
    }

    /// The pool gave up on the caller.
    pub fn timed_out(mut self) {
        self.end(End::TimedOut, Instant::now());
    }

    /// The server had no room for another connection.
    pub fn refused(mut self) {
        self.end(End::Refused, Instant::now());
    }

    /// The acquire failed for a reason that says nothing about load.
    pub fn failed(mut self) {
        self.end(End::Failed, Instant::now());
    }

    fn end(&mut self, end: End, now: Instant) {
        let Some(place) = self.place.take() else { return };
        let waited = now.saturating_duration_since(self.started);
        let shared = &*self.meter.shared;
        let mut counts = shared.lock();
        counts.integrate(now);
        counts.waiting.remove(place);
        counts.activity.wait += waited;
        let counter = match end {
            End::Cancelled => &mut counts.activity.cancelled,
            End::Failed => &mut counts.activity.failures,
            End::Granted => &mut counts.activity.grants,
            End::Refused => &mut counts.activity.refused,
            End::TimedOut => &mut counts.activity.timeouts,
        };
        *counter += 1;
        if matches!(end, End::Granted) {
            counts.held += 1;
            counts.served = counts.served.max(Some(self.started));
        }
        drop(counts);
        // A recorder is foreign code, so it is called after the lock is released.
        shared.wait_time.record(waited);
        if matches!(end, End::TimedOut) {
            shared.timeouts.increment(1);
        }
    }
}

impl Drop for PoolWait {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.end(End::Cancelled, Instant::now());
        }
    }
}

impl fmt::Debug for PoolWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolWait").field("pool", &self.meter.name()).finish_non_exhaustive()
    }
}

/// One connection lent to a caller. Dropping it says the connection is back, or is gone for good.
#[must_use = "dropping it says the connection is back"]
pub struct PoolUse {
    meter: PoolMeter,
    started: Instant,
    /// Whether the drop is the connection's return.
    tracked: bool,
}

impl PoolUse {
    /// The connection goes on being lent, but its return will not be seen.
    ///
    /// From now on and for good, the meter takes the pool's own count of used connections, by anybody, for the number
    /// held by our callers: its own count has become too low.
    /// The use time of this connection is not counted.
    pub fn untracked(mut self) {
        self.tracked = false;
        self.meter.shared.lock().untracked = true;
    }
}

impl Drop for PoolUse {
    fn drop(&mut self) {
        let now = Instant::now();
        let used = now.saturating_duration_since(self.started);
        let shared = &*self.meter.shared;
        let mut counts = shared.lock();
        counts.integrate(now);
        counts.held = counts.held.saturating_sub(1);
        if self.tracked {
            counts.activity.returns += 1;
            counts.activity.use_time += used;
        }
        drop(counts);
        if self.tracked {
            shared.use_time.record(used);
        }
    }
}

impl fmt::Debug for PoolUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolUse").field("pool", &self.meter.name()).finish_non_exhaustive()
    }
}
