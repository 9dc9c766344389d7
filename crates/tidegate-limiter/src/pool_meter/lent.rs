use std::fmt;
use std::mem;
use std::thread::panicking;

use tokio::time::Instant;

use super::nested::Site;
use super::{PoolMeter, wake};
use crate::flow::Flow;
use crate::sets::Pass;

/// One connection lent to a caller. Dropping it says the connection is back, or is gone for good.
#[must_use = "dropping it says the connection is back"]
pub struct PoolUse {
    pub(super) meter: PoolMeter,
    pub(super) started: Instant,
    /// Whether the drop is the connection's return.
    pub(super) tracked: bool,
    pub(super) hand: Hand,
    /// What let it past the gate, if the pool reserves connection sets.
    pub(super) pass: Option<Pass<Flow>>,
    pub(super) site: Site,
}

/// Who has a connection in hand.
/// ```text
/// None  → Taker    the caller's code has it
/// Taker → Moved    other code uses it
/// Moved → Shared   and other code again
/// any   → None     the caller's code is done with it
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// Nobody: it is lent for one statement, or on its way back.
    None,
    /// The call or task that took it, if there is one.
    Taker(Option<Flow>),
    /// The call or task that it was moved to.
    Moved(Flow),
    /// Several that use it in turn, of which nobody can tell who has it.
    Shared,
}

impl Hand {
    const fn flow(self) -> Option<Flow> {
        match self {
            Self::Taker(flow) => flow,
            Self::Moved(flow) => Some(flow),
            Self::None | Self::Shared => None,
        }
    }
}

impl PoolUse {
    /// From now on the connection is in the hands of the caller's code: the call (of a tidegate layer) or the task that runs
    /// now. If it asks for another one meanwhile, that acquire is nested.
    ///
    /// Leave it out for a connection that is held for one statement, during which the caller's code cannot ask.
    pub fn in_hand(&mut self) {
        self.put(Hand::Taker(Flow::current()));
    }

    /// The caller's code uses a connection that it has [in hand](Self::in_hand). If that is not within the call or task that
    /// took it, it was moved, and is in the hands of the one that runs now. If it moves again, calls share it, and it is in
    /// nobody's hands: a nested acquire by one of them is not seen.
    #[inline]
    pub fn used(&mut self) {
        let is_elsewhere = |flow| !Flow::any_current(|running| running == flow);
        let moves = match self.hand {
            Hand::None | Hand::Shared => false,
            Hand::Taker(flow) => flow.is_none_or(is_elsewhere),
            Hand::Moved(flow) => is_elsewhere(flow),
        };
        if moves && let Some(flow) = Flow::current() {
            let is_first = matches!(self.hand, Hand::Taker(_));
            self.put(if is_first { Hand::Moved(flow) } else { Hand::Shared });
        }
    }

    /// The caller's code is done with the connection, which may still be on its way back.
    ///
    /// If the pool reserves connection sets, and this was the last of its set, the set is closed.
    pub fn out_of_hand(&mut self) {
        self.put(Hand::None);
    }

    fn put(&mut self, hand: Hand) {
        let before = mem::replace(&mut self.hand, hand).flow();
        let flow = hand.flow();
        if before.is_none() && flow.is_none() && self.pass.is_none() {
            return;
        }
        let now = if self.pass.is_some() { Some(Instant::now()) } else { None };
        let mut counts = self.meter.shared.lock();
        if let Some(before) = before {
            counts.holders.remove(before);
        }
        if let Some(flow) = flow {
            counts.holders.add(flow, self.site);
        }
        let Some(now) = now else { return };
        counts.integrate(now);
        if let (Some(door), Some(pass)) = (&mut counts.door, &mut self.pass) {
            match hand {
                Hand::None => door.sets.out_of_hand(pass),
                _ => door.sets.move_to(pass, flow),
            }
        }
        let woken = counts.give_back(None, now);
        drop(counts);
        wake(woken);
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
        let now = Instant::now();
        let used = now.saturating_duration_since(self.started);
        let shared = &*self.meter.shared;
        // All under one lock: a waker that panics must find everything counted.
        let mut counts = shared.lock();
        counts.integrate(now);
        if let Some(flow) = self.hand.flow() {
            counts.holders.remove(flow);
        }
        counts.held = counts.held.saturating_sub(1);
        if self.tracked {
            counts.activity.returns += 1;
            counts.activity.use_time += used;
        }
        let woken = counts.give_back(self.pass.take(), now);
        drop(counts);
        wake(woken);
        // A recorder that panics as this is dropped by its panic would end the process.
        if self.tracked && !panicking() {
            shared.handles().use_time.record(used);
        }
    }
}

impl fmt::Debug for PoolUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolUse").field("pool", &self.meter.name()).finish_non_exhaustive()
    }
}
