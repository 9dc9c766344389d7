//! The gate of connection sets in front of a pool: the one that the metered pool has.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_limiter::sets::{Pass, Sets, Ticket};

use crate::slab::Key;

#[derive(Debug)]
pub(super) struct Gate {
    pub(super) sets: Sets<Key>,
    /// The calls that stand in line.
    pub(super) callers: BTreeMap<Ticket, Key>,
    /// Nanoseconds, up to when its time has passed.
    at: u64,
}

impl Gate {
    pub(super) fn new(max: u32, per_call: u32) -> Self {
        Self { sets: Sets::new(max, per_call), callers: BTreeMap::new(), at: 0 }
    }

    /// To be called before each change.
    pub(super) fn pass_time(&mut self, now: u64) {
        self.sets.pass_time(Duration::from_nanos(now - self.at));
        self.at = now;
    }

    /// The next call that goes inside.
    pub(super) fn next(&mut self) -> Option<(Key, Pass<Key>)> {
        let (ticket, pass) = self.sets.admit()?;
        let call = self.callers.remove(&ticket)?;
        Some((call, pass))
    }
}
