use std::fmt;
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
    /// Whether it is in the hands of the caller's code, and whose, if that is known.
    pub(super) in_hand: bool,
    pub(super) flow: Option<Flow>,
    /// What let it past the gate, if the pool reserves connection sets.
    pub(super) pass: Option<Pass<Flow>>,
    pub(super) site: Site,
}

impl PoolUse {
    /// From now on the connection is in the hands of the caller's code: the call (of a tidegate layer) or the task that runs
    /// now. If it asks for another one meanwhile, that acquire is nested.
    ///
    /// Leave it out for a connection that is held for one statement, during which the caller's code cannot ask.
    pub fn in_hand(&mut self) {
        self.in_hand = true;
        if let Some(flow) = Flow::current() {
            self.move_to(flow);
        }
    }

    /// The caller's code uses a connection that it has [in hand](Self::in_hand). If that is not within the call or task that
    /// had it, it was moved, and is in the hands of the one that runs now.
    #[inline]
    pub fn used(&mut self) {
        if !self.in_hand || self.flow.is_some_and(|flow| Flow::any_current(|running| running == flow)) {
            return;
        }
        if let Some(flow) = Flow::current() {
            self.move_to(flow);
        }
    }

    fn move_to(&mut self, flow: Flow) {
        let before = self.flow.replace(flow);
        let now = if self.pass.is_some() { Some(Instant::now()) } else { None };
        let mut counts = self.meter.shared.lock();
        if let Some(before) = before {
            counts.holders.remove(before);
        }
        counts.holders.add(flow, self.site);
        let Some(now) = now else { return };
        counts.integrate(now);
        if let (Some(door), Some(pass)) = (&mut counts.door, &mut self.pass) {
            door.sets.move_to(pass, flow);
            // Those of its new call that stand in line go in: it has a connection.
            let woken = counts.give_back(None, now);
            drop(counts);
            wake(woken);
        }
    }

    /// The caller's code is done with the connection, which may still be on its way back.
    ///
    /// If the pool reserves connection sets, and this was the last of its set, the set is closed.
    pub fn out_of_hand(&mut self) {
        self.in_hand = false;
        let flow = self.flow.take();
        if flow.is_none() && self.pass.is_none() {
            return;
        }
        let now = if self.pass.is_some() { Some(Instant::now()) } else { None };
        let mut counts = self.meter.shared.lock();
        if let Some(flow) = flow {
            counts.holders.remove(flow);
        }
        let Some(now) = now else { return };
        counts.integrate(now);
        if let (Some(door), Some(pass)) = (&mut counts.door, &mut self.pass) {
            door.sets.out_of_hand(pass);
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
        if let Some(flow) = self.flow.take() {
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
