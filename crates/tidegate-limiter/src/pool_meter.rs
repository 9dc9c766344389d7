//! The counts of a pool of any kind, kept by guards.
//!
//! A wrapper around a pool (such as `tidegate_sqlx::MeteredPool`) calls [`PoolMeter::begin`] as an acquire starts and tells
//! the [`PoolWait`] it gets how the acquire ended; a granted wait becomes a [`PoolUse`] that lives as long as the
//! connection is lent.
//! Both count in their `Drop`, so an acquire that is cancelled, times out or panics is counted like any other.

mod door;
mod handles;
mod lent;
mod nested;
mod policy;
mod wait;
mod waiting;

#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tidegate_core::{ConfigError, PoolActivity, PoolEvidence, PoolReading};
use tokio::time::Instant;

use self::door::{Door, Inside};
use self::handles::Handles;
pub(crate) use self::handles::POOL_NAME;
pub use self::lent::PoolUse;
use self::nested::{Held, Holders, Site, Sites};
pub use self::policy::{Nested, NestedDenied};
pub use self::wait::PoolWait;
use self::wait::Stand;
use self::waiting::Waiting;
use crate::flow::Flow;
use crate::sets::Pass;
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
    nested: Nested,
    counts: Mutex<Counts>,
    /// Touched by nested acquires alone.
    sites: Mutex<Sites>,
    handles: Late<Handles>,
}

#[derive(Default)]
struct Counts {
    /// Those that wait in the pool.
    waiting: Waiting,
    /// Those that wait in front of it, if it reserves connection sets.
    door: Option<Door>,
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
        let (pending, held) = (self.pending(), self.held());
        self.activity.pending_time += span * pending;
        self.activity.held_time += span * held;
        if let Some(door) = &mut self.door {
            door.sets.pass_time(span);
        }
    }

    fn pending(&self) -> u32 {
        self.waiting.len() + self.door.as_ref().map_or(0, Door::waiting)
    }

    /// When the oldest of those in line began: in front of the pool, or in it.
    fn oldest(&self) -> Option<Instant> {
        let at_door = self.door.as_ref().and_then(Door::oldest);
        let in_pool = self.waiting.oldest_after(self.served);
        at_door.into_iter().chain(in_pool).min()
    }

    /// Somebody within `flows` asks for a connection.
    fn enter(&mut self, flows: &[Flow], in_hand: bool, started: Instant, pool_max: u32) -> Stand {
        let asked = self.door.as_mut().map(|door| {
            if pool_max > 0 {
                door.sets.resize(pool_max);
            }
            (door.sets.ask(flows, in_hand), door)
        });
        match asked {
            Some((Err(ticket), door)) => {
                door.wait(ticket, started);
                Stand::InLine(ticket)
            }
            Some((Ok(pass), _)) => Stand::Inside(Some(pass), self.waiting.push(started)),
            None => Stand::Inside(None, self.waiting.push(started)),
        }
    }

    /// An acquire ends; its pass, and since when it was inside, if it was.
    fn leave(&mut self, stand: Stand, since: Instant) -> Left {
        let (inside, waker) = match (stand, &mut self.door) {
            (Stand::Inside(pass, place), _) => {
                self.waiting.remove(place);
                return Left { pass, since: Some(since), waker: None };
            }
            (Stand::InLine(ticket), Some(door)) => door.leave(ticket),
            _ => (None, None),
        };
        match inside {
            Some(Inside { pass, place, since }) => {
                self.waiting.remove(place);
                Left { pass: Some(pass), since: Some(since), waker }
            }
            None => Left { pass: None, since: None, waker },
        }
    }

    /// Gives back a pass, if there is one; those to be woken after the lock is released.
    fn give_back(&mut self, pass: Option<Pass<Flow>>, now: Instant) -> Vec<Waker> {
        let Some(door) = &mut self.door else { return Vec::new() };
        if let Some(pass) = pass {
            door.sets.end(pass);
        }
        door.let_in(&mut self.waiting, now)
    }
}

/// What somebody who leaves had.
struct Left {
    pass: Option<Pass<Flow>>,
    since: Option<Instant>,
    /// Foreign code, to be dropped after the lock is released.
    waker: Option<Waker>,
}

/// Wakers are foreign code, so they are called after the lock is released. If one panics, the others are woken all the same.
fn wake(woken: Vec<Waker>) {
    struct Woken(std::vec::IntoIter<Waker>);

    impl Drop for Woken {
        fn drop(&mut self) {
            self.0.by_ref().for_each(Waker::wake);
        }
    }

    Woken(woken.into_iter()).0.by_ref().for_each(Waker::wake);
}

impl Shared {
    #[inline]
    fn handles(&self) -> &Handles {
        self.handles.get(|| Handles::new(&self.name, self.reserves()))
    }

    const fn reserves(&self) -> bool {
        matches!(self.nested, Nested::Reserve { .. })
    }

    /// A call that holds a connection asks for another.
    #[cold]
    fn nested(&self, site: Site, held: Held, now: Instant) {
        self.handles().nested.increment(1);
        let what = match self.nested {
            Nested::Warn => {
                "a call that holds a connection asks for another one: once every connection is held by such calls, none can \
                 go on; give the first one back before, or say how many a call holds: to the pool, which then reserves \
                 sets of them, or with connections_per_call to the limiter"
            }
            Nested::Deny => "a call that holds a connection asked for another one, and was refused",
            Nested::Reserve { connections_per_call } if held.connections < connections_per_call => return,
            Nested::Reserve { .. } => {
                "a call asks for more connections than the pool reserves for one: once every connection is held by such \
                 calls, none can go on; reserve as many as a call holds at most"
            }
        };
        let is_news = self.sites.lock().is_news(site, now);
        if is_news {
            tracing::warn!(
                target: "tidegate::nested",
                pool = &*self.name,
                at = site.map(tracing::field::display),
                held_since = held.since.map(tracing::field::display),
                held = held.connections,
                "{what}",
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
        Self::made(name.into(), Nested::Warn, None)
    }

    /// A meter at zero of a pool of `pool_max` connections, which does something else about nested acquires than to warn.
    ///
    /// # Errors
    ///
    /// If it is to reserve sets of fewer connections than two, or of more than the pool has.
    pub fn with_nested(name: impl Into<String>, nested: Nested, pool_max: u32) -> Result<Self, ConfigError> {
        nested.check(pool_max)?;
        let door = match nested {
            Nested::Reserve { connections_per_call } => Some(Door::new(pool_max, connections_per_call)),
            Nested::Warn | Nested::Deny => None,
        };
        Ok(Self::made(name.into(), nested, door))
    }

    fn made(name: String, nested: Nested, door: Option<Door>) -> Self {
        let handles = Late::new(|| Handles::new(&name, door.is_some()));
        let counts = Mutex::new(Counts { door, ..Counts::default() });
        Self { shared: Arc::new(Shared { name, nested, counts, sites: Mutex::default(), handles }) }
    }

    /// What is done about nested acquires.
    #[must_use]
    pub fn nested(&self) -> Nested {
        self.shared.nested
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
    ///
    /// The connection is meant for one statement: if the pool reserves connection sets, it takes none.
    #[must_use = "dropping it at once counts a cancelled acquire"]
    pub fn begin_at(&self, reading: PoolReading, site: Option<&'static Location<'static>>) -> PoolWait {
        self.start(reading, site, false)
    }

    /// As [`begin_at`](Self::begin_at), of a connection that will be [in hand](PoolUse::in_hand): the call may ask for more
    /// meanwhile, so if the pool reserves connection sets, it takes one, or is nested in the set that its call has.
    #[must_use = "dropping it at once counts a cancelled acquire"]
    pub fn begin_in_hand(&self, reading: PoolReading, site: Option<&'static Location<'static>>) -> PoolWait {
        self.start(reading, site, true)
    }

    fn start(&self, reading: PoolReading, site: Site, in_hand: bool) -> PoolWait {
        let flows = if self.shared.reserves() { Flow::all_current() } else { Vec::new() };
        let started = Instant::now();
        let mut counts = self.shared.lock();
        counts.integrate(started);
        counts.used = reading.used();
        counts.activity.requests += 1;
        // Who came before takes the idle connections first, and then the places of those not yet open.
        let before = counts.waiting.len();
        let opens = reading.idle <= before && reading.free() > before;
        let held = counts.holders.held_now();
        let stand = counts.enter(&flows, in_hand, started, reading.max);
        let opens = opens && matches!(stand, Stand::Inside(..));
        let woken = counts.give_back(None, started);
        drop(counts);
        // Dropped if foreign code, a recorder, a subscriber or a waker, panics.
        let denied = held
            .filter(|_| self.shared.nested == Nested::Deny)
            .map(|held| NestedDenied { held_since: held.since, asked_at: site });
        let wait = PoolWait { meter: self.clone(), started, since: started, stand, opens, site, denied };
        wake(woken);
        if let Some(held) = held {
            self.shared.nested(site, held, started);
        }
        wait
    }

    /// All counts now, beside the pool's own figures now.
    ///
    /// `activity` holds totals since the meter was built.
    /// If the pool reserves connection sets, their gauges are moved.
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
        evidence.pending = counts.pending();
        evidence.held = counts.held();
        let oldest = counts.oldest();
        evidence.oldest_pending =
            oldest.map_or(Duration::ZERO, |started| now.saturating_duration_since(started));
        evidence.activity = counts.activity;
        // What sets hold on the average has fallen meanwhile, it may be, and nothing else lets in who waits for that.
        let woken = counts.give_back(None, now);
        evidence.sets = counts.door.as_ref().map(Door::evidence);
        drop(counts);
        wake(woken);
        if let Some(sets) = evidence.sets {
            self.shared.handles().show(sets);
        }
        evidence
    }
}

impl fmt::Debug for PoolMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolMeter").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
