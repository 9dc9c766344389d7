//! The counts of a pool of any kind, kept by guards.
//!
//! A wrapper around a pool (such as `tidegate_sqlx::MeteredPool`) calls [`PoolMeter::begin`] as an acquire starts and tells
//! the [`PoolWait`] it gets how the acquire ended; a granted wait becomes a [`PoolUse`] that lives as long as the
//! connection is lent.
//! Both count in their `Drop`, so an acquire that is cancelled, times out or panics is counted like any other.

mod handles;
mod nested;
mod waiting;

#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tidegate_core::{PoolActivity, PoolEvidence, PoolReading};
use tokio::time::Instant;

use self::handles::Handles;
pub(crate) use self::handles::POOL_NAME;
use self::nested::{Holders, Sites};
use self::waiting::{Place, Waiting};
use crate::flow::Flow;
use crate::telemetry::Late;

/// Keeps the counts of one pool: who waits for a connection, who holds one, and what became of each acquire.
///
/// A clone shares all counts.
///
/// A `metrics` recorder may be installed before or after: what happens once it is there is recorded.
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
    /// Touched by nested acquires alone.
    sites: Mutex<Sites>,
    handles: Late<Handles>,
}

#[derive(Default)]
struct Counts {
    waiting: Waiting,
    /// Connections lent out whose return will be seen.
    held: u32,
    /// Who has those of them that are in the hands of the caller's code.
    holders: Holders,
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
    #[inline]
    fn handles(&self) -> &Handles {
        self.handles.get(|| Handles::new(&self.name))
    }

    /// A call that holds a connection asks for another.
    #[cold]
    fn nested(&self, site: Option<&'static Location<'static>>, now: Instant) {
        self.handles().nested.increment(1);
        let is_news = self.sites.lock().is_news(site, now);
        if is_news {
            tracing::warn!(
                target: "tidegate::nested",
                pool = &*self.name,
                at = site.map(tracing::field::display),
                "a call that holds a connection asks for another one: once every connection is held by such calls, none can \
                 go on; give the first one back before, or say with connections_per_call how many a call holds",
            );
        }
    }

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
        let handles = Late::new(|| Handles::new(&name));
        let (counts, sites) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { name, counts, sites, handles }) }
    }

    /// The name of the pool.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// An acquire begins: call it as the wait starts, with the pool's figures at that moment.
    #[must_use = "dropping it at once counts a cancelled acquire"]
    pub fn begin(&self, reading: PoolReading) -> PoolWait {
        self.begin_at(reading, None)
    }

    /// As [`begin`](Self::begin), and the place in the caller's code that asks, if it is known.
    ///
    /// If the call or task that runs now has a connection [in hand](PoolUse::in_hand), the acquire is nested: it is counted,
    /// and each place is told of in a warning, once while it goes on.
    #[must_use = "dropping it at once counts a cancelled acquire"]
    pub fn begin_at(&self, reading: PoolReading, site: Option<&'static Location<'static>>) -> PoolWait {
        let started = Instant::now();
        let mut counts = self.shared.lock();
        counts.integrate(started);
        counts.used = reading.used();
        counts.activity.requests += 1;
        // Who came before takes the idle connections first, and then the places of those not yet open.
        let before = counts.waiting.len();
        let opens = reading.idle <= before && reading.free() > before;
        let place = counts.waiting.push(started);
        let is_nested = counts.holders.hold_now();
        drop(counts);
        // Dropped if foreign code, a recorder or a subscriber, panics.
        let wait = PoolWait { meter: self.clone(), started, place: Some(place), opens };
        if is_nested {
            self.shared.nested(site, started);
        }
        wait
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
    /// Whether it has not to wait in line, and a connection has to be opened for it.
    opens: bool,
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
    /// A connection was opened for this caller, and was ready at `at`.
    ///
    /// It goes into the histogram of create times if the caller did not wait in line first: how long it then stood there
    /// cannot be told from how long the opening took.
    pub fn opened(&self, at: Instant) {
        if self.opens {
            let took = at.saturating_duration_since(self.started);
            self.meter.shared.handles().create_time.record(took);
        }
    }

    /// The caller has a connection.
    pub fn granted(mut self) -> PoolUse {
        let now = Instant::now();
        self.end(End::Granted, now);
        PoolUse { meter: self.meter.clone(), started: now, tracked: true, flow: None }
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
        if matches!(end, End::TimedOut) && self.opens {
            counts.activity.connect_timeouts += 1;
        }
        if matches!(end, End::Granted) {
            counts.held += 1;
            counts.served = counts.served.max(Some(self.started));
        }
        drop(counts);
        // A recorder is foreign code, so it is called after the lock is released.
        let handles = shared.handles();
        handles.wait_time.record(waited);
        if matches!(end, End::TimedOut) {
            handles.timeouts.increment(1);
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
    /// Whose code has the connection in hand.
    flow: Option<Flow>,
}

impl PoolUse {
    /// From now on the connection is in the hands of the caller's code: the call (of a tidegate layer) or the task that runs
    /// now. If it asks for another one meanwhile, that acquire is nested.
    ///
    /// Leave it out for a connection that is held for one statement, during which the caller's code cannot ask.
    pub fn in_hand(&mut self) {
        self.out_of_hand();
        self.flow = Flow::current();
        if let Some(flow) = self.flow {
            self.meter.shared.lock().holders.add(flow);
        }
    }

    /// The caller's code is done with the connection, which may still be on its way back.
    pub fn out_of_hand(&mut self) {
        if let Some(flow) = self.flow.take() {
            self.meter.shared.lock().holders.remove(flow);
        }
    }

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
        self.out_of_hand();
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
            shared.handles().use_time.record(used);
        }
    }
}

impl fmt::Debug for PoolUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolUse").field("pool", &self.meter.name()).finish_non_exhaustive()
    }
}
