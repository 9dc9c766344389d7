use std::fmt;

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
    /// Whose code has the connection in hand.
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
        let (before, flow) = (self.flow.take(), Flow::current());
        self.flow = flow;
        if before.is_none() && flow.is_none() {
            return;
        }
        let mut counts = self.meter.shared.lock();
        if let Some(before) = before {
            counts.holders.remove(before);
        }
        if let Some(flow) = flow {
            counts.holders.add(flow, self.site);
        }
    }

    /// The caller's code is done with the connection, which may still be on its way back.
    ///
    /// If the pool reserves connection sets, and this was the last of its set, the set is closed.
    pub fn out_of_hand(&mut self) {
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
        let woken = counts.give_back(self.pass.take(), now);
        drop(counts);
        wake(woken);
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
