use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::thread::panicking;
use std::time::Duration;

use tokio::time::Instant;

use super::door::Inside;
use super::lent::Hand;
use super::nested::Site;
use super::waiting::Place;
use super::{Left, NestedDenied, PoolMeter, PoolUse, wake};
use crate::flow::Flow;
use crate::sets::{Pass, Ticket};

/// One acquire that waits for a connection. Dropping it counts the acquire as cancelled.
///
/// However it ends, its time counts, and the caller is no longer pending.
#[must_use = "dropping it counts a cancelled acquire"]
pub struct PoolWait {
    pub(super) meter: PoolMeter,
    pub(super) started: Instant,
    /// When it came to the pool itself, once it did.
    pub(super) since: Instant,
    pub(super) stand: Stand,
    /// Whether it has not to wait in line, and a connection has to be opened for it.
    pub(super) opens: bool,
    pub(super) site: Site,
    /// Why it must not go on.
    pub(super) denied: Option<NestedDenied>,
}

/// Where an acquire is. It leads from the first to the last.
pub(super) enum Stand {
    /// In front of a pool that reserves connection sets.
    InLine(Ticket),
    /// In the pool, with a pass if that reserves connection sets.
    Inside(Option<Pass<Flow>>, Place),
    /// Its end was counted.
    Ended,
}

#[derive(Clone, Copy)]
enum End {
    Cancelled,
    Failed,
    Granted,
    Refused,
    TimedOut,
}

/// What others are told of an acquire that has ended.
struct Told {
    waited: Duration,
    timed_out: bool,
    woken: Vec<Waker>,
    /// Its own, to be dropped after the lock is released.
    _waker: Option<Waker>,
}

impl PoolWait {
    /// Waits until it may ask the pool: call it before you do. Where the pool does not [reserve](crate::Nested::Reserve) connection
    /// sets, it is ready at once.
    ///
    /// This wait counts as waiting for the pool, so let both end at one deadline.
    ///
    /// # Errors
    ///
    /// If the acquire is nested and the pool [denies](crate::Nested::Deny) that; then say that it [failed](Self::failed).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future keeps the place in line, which dropping the `PoolWait` gives up.
    pub async fn admitted(&mut self) -> Result<(), NestedDenied> {
        match self.denied {
            Some(denied) => Err(denied),
            None => {
                poll_fn(|cx| self.poll_admitted(cx)).await;
                Ok(())
            }
        }
    }

    /// Whether it may ask the pool now.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        self.denied.is_none() && !matches!(self.stand, Stand::InLine(_))
    }

    pub(super) fn poll_admitted(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Stand::InLine(ticket) = self.stand else { return Poll::Ready(()) };
        let waker = cx.waker().clone();
        let mut counts = self.meter.shared.lock();
        let (inside, unused) = match &mut counts.door {
            Some(door) => door.take(ticket, waker),
            None => (None, Some(waker)),
        };
        drop(counts);
        drop(unused);
        let Some(Inside { pass, place, since }) = inside else { return Poll::Pending };
        self.stand = Stand::Inside(Some(pass), place);
        self.since = since;
        Poll::Ready(())
    }

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
        let (pass, told) = self.count(End::Granted, now);
        // Dropped, and so counted as back, if foreign code panics.
        let (meter, site) = (self.meter.clone(), self.site);
        let lent = PoolUse { meter, started: now, tracked: true, hand: Hand::None, pass, site };
        self.tell(told);
        lent
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
        let (_, told) = self.count(end, now);
        self.tell(told);
    }

    /// Counts its end, if that was not counted: its pass, if it was granted and has one, and what is to be told.
    fn count(&mut self, end: End, now: Instant) -> (Option<Pass<Flow>>, Option<Told>) {
        let stand = std::mem::replace(&mut self.stand, Stand::Ended);
        if matches!(stand, Stand::Ended) {
            return (None, None);
        }
        let waited = now.saturating_duration_since(self.started);
        let shared = &*self.meter.shared;
        let mut counts = shared.lock();
        counts.integrate(now);
        let Left { mut pass, since, waker } = counts.leave(stand, self.since);
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
            counts.served = counts.served.max(since);
        }
        let lost = if matches!(end, End::Granted) { None } else { pass.take() };
        let woken = counts.give_back(lost, now);
        drop(counts);
        (pass, Some(Told { waited, timed_out: matches!(end, End::TimedOut), woken, _waker: waker }))
    }

    /// Wakers and recorders are foreign code, so they are called after the lock is released; a recorder not while a panic
    /// goes on, which might be its own and would end the process.
    fn tell(&self, told: Option<Told>) {
        let Some(told) = told else { return };
        wake(told.woken);
        if panicking() {
            return;
        }
        let handles = self.meter.shared.handles();
        handles.wait_time.record(told.waited);
        if told.timed_out {
            handles.timeouts.increment(1);
        }
    }
}

impl Drop for PoolWait {
    fn drop(&mut self) {
        if !matches!(self.stand, Stand::Ended) {
            self.end(End::Cancelled, Instant::now());
        }
    }
}

impl fmt::Debug for PoolWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolWait").field("pool", &self.meter.name()).finish_non_exhaustive()
    }
}
