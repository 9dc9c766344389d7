use std::collections::VecDeque;

use tidegate_core::{Bound, Decision, PoolSets, Reason, Timestamp};

/// How many decisions are remembered.
const KEPT: usize = 256;

/// A decision and when it was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DecisionRecord {
    /// The moment, since the limiter was built.
    pub at: Timestamp,
    /// The decision.
    pub decision: Decision,
}

/// What a limiter remembers of its driver's decisions. It does not grow.
#[derive(Debug)]
pub(crate) struct History {
    changes: VecDeque<DecisionRecord>,
    latest: Option<DecisionRecord>,
    bound: Bound,
    sets: Option<PoolSets>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { changes: VecDeque::with_capacity(KEPT), latest: None, bound: Bound::None, sets: None }
    }

    /// What the law said at a tick; kept if it moved the limit.
    pub(crate) fn note(&mut self, record: DecisionRecord) {
        self.bound = record.decision.bound;
        // "Too little was seen yet" is said at most ticks, and does not tell why the limit is what it is.
        if record.decision.reason != Reason::RoundOpen || self.latest.is_none() {
            self.latest = Some(record);
        }
        if record.decision.is_change() {
            self.keep(record);
        }
    }

    /// The connection sets of the pool at the last tick, if it reserves them.
    pub(crate) const fn note_sets(&mut self, sets: Option<PoolSets>) {
        self.sets = sets;
    }

    pub(crate) const fn sets(&self) -> Option<PoolSets> {
        self.sets
    }

    /// What the owner asked for; kept also where the limit stays.
    pub(crate) fn keep_configured(&mut self, record: DecisionRecord) {
        self.latest = Some(record);
        self.keep(record);
    }

    fn keep(&mut self, record: DecisionRecord) {
        if self.changes.len() == KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(record);
    }

    /// Oldest first.
    pub(crate) fn changes(&self) -> impl DoubleEndedIterator<Item = DecisionRecord> + '_ {
        self.changes.iter().copied()
    }

    /// The last decision that says why the limit is what it is, whether or not it moved it.
    pub(crate) const fn latest(&self) -> Option<DecisionRecord> {
        self.latest
    }

    /// What the limit rests on now.
    pub(crate) const fn bound(&self) -> Bound {
        self.bound
    }
}
