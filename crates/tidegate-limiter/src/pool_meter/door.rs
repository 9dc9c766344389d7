//! The gate of connection sets as the meter keeps it: under its lock, with the wakers of those in line.

use std::collections::HashMap;
use std::task::Waker;

use foldhash::fast::RandomState;
use tidegate_core::PoolSets;
use tokio::time::Instant;

use super::waiting::{Place, Waiting};
use crate::flow::Flow;
use crate::sets::{Pass, Sets, Ticket};

/// Who stands in line in front of a pool, and who went in and does not know it yet.
pub(super) struct Door {
    pub(super) sets: Sets<Flow>,
    in_line: Waiting,
    callers: HashMap<Ticket, Caller, RandomState>,
}

enum Caller {
    InLine {
        place: Place,
        waker: Waker,
    },
    /// Let in, with the pass and the place among those that wait in the pool.
    Inside(Inside),
}

/// An acquire that is inside.
pub(super) struct Inside {
    pub(super) pass: Pass<Flow>,
    pub(super) place: Place,
    pub(super) since: Instant,
}

impl Door {
    pub(super) fn new(max: u32, connections_per_call: u32) -> Self {
        let sets = Sets::new(max, connections_per_call);
        Self { sets, in_line: Waiting::default(), callers: HashMap::default() }
    }

    /// Somebody got a place in line.
    pub(super) fn wait(&mut self, ticket: Ticket, started: Instant) {
        let place = self.in_line.push(started);
        self.callers.insert(ticket, Caller::InLine { place, waker: Waker::noop().clone() });
    }

    pub(super) const fn waiting(&self) -> u32 {
        self.in_line.len()
    }

    pub(super) fn oldest(&self) -> Option<Instant> {
        self.in_line.oldest_after(None)
    }

    pub(super) fn evidence(&self) -> PoolSets {
        PoolSets::new(self.sets.open(), self.sets.most(), self.in_line.len())
    }

    /// Lets in whoever can go in now, to wait in the pool; those to be woken.
    pub(super) fn let_in(&mut self, pool: &mut Waiting, now: Instant) -> Vec<Waker> {
        let mut woken = Vec::new();
        while let Some((ticket, pass)) = self.sets.admit() {
            let inside = Inside { pass, place: pool.push(now), since: now };
            if let Some(Caller::InLine { place, waker }) = self.callers.insert(ticket, Caller::Inside(inside))
            {
                self.in_line.remove(place);
                woken.push(waker);
            }
        }
        woken
    }

    /// Takes what somebody in line was given meanwhile, or else keeps the waker. The waker not needed any more comes back:
    /// it is foreign code, not to be dropped under a lock.
    pub(super) fn take(&mut self, ticket: Ticket, waker: Waker) -> (Option<Inside>, Option<Waker>) {
        match self.callers.remove(&ticket) {
            None => (None, Some(waker)),
            Some(Caller::Inside(inside)) => (Some(inside), Some(waker)),
            Some(Caller::InLine { place, waker: old }) => {
                self.callers.insert(ticket, Caller::InLine { place, waker });
                (None, Some(old))
            }
        }
    }

    /// Somebody gives up; what they were given meanwhile, if they were let in, and the waker if not.
    pub(super) fn leave(&mut self, ticket: Ticket) -> (Option<Inside>, Option<Waker>) {
        match self.callers.remove(&ticket) {
            None => (None, None),
            Some(Caller::Inside(inside)) => (Some(inside), None),
            Some(Caller::InLine { place, waker }) => {
                self.in_line.remove(place);
                self.sets.leave(ticket);
                (None, Some(waker))
            }
        }
    }
}
