use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::num::Nanos;

/// What will happen, earliest first; what happens at one moment, in the order in which it was planned.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    entries: BinaryHeap<Entry<E>>,
    planned: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: Nanos,
    order: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Self {
        Self { entries: BinaryHeap::new(), planned: 0 }
    }

    pub(crate) fn plan(&mut self, at: Nanos, event: E) {
        let order = self.planned;
        self.planned += 1;
        self.entries.push(Entry { at, order, event });
    }

    pub(crate) fn next(&mut self) -> Option<(Nanos, E)> {
        self.entries.pop().map(|entry| (entry.at, entry.event))
    }
}

impl<E> Ord for Entry<E> {
    /// The heap has its greatest on top, so the earliest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_as_planned() {
        let mut agenda = Agenda::new();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b'), (5, 'e')] {
            agenda.plan(at, event);
        }
        let order: Vec<_> = std::iter::from_fn(|| agenda.next()).collect();
        assert_eq!(order, [(1, 'a'), (2, 'b'), (5, 'c'), (5, 'd'), (5, 'e')]);
    }
}
