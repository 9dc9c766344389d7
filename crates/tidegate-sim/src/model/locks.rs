use std::collections::{BTreeMap, VecDeque};

use crate::num::Nanos;
use crate::slab::Key;

/// Rows that queries lock until they end, in line.
///
/// A query waits for the one ahead of it in the line of one row, or for the row's holder if it is the first. So each waits
/// for one other at most, and a deadlock is a circle that is found by following that.
#[derive(Debug)]
pub(super) struct Locks {
    rows: Vec<Row>,
    /// The row each query waits for.
    waiting: BTreeMap<Key, u32>,
    /// When those that wait will look for a deadlock. They began in this order, so they look in this order.
    looks: VecDeque<(Nanos, Key, u32)>,
    deadlock_timeout: Nanos,
}

#[derive(Clone, Debug, Default)]
struct Row {
    holder: Option<Key>,
    line: VecDeque<Key>,
}

impl Locks {
    pub(super) fn new(rows: u32, deadlock_timeout: Nanos) -> Self {
        Self {
            rows: (0..rows).map(|_| Row::default()).collect(),
            waiting: BTreeMap::new(),
            looks: VecDeque::new(),
            deadlock_timeout,
        }
    }

    /// The query wants the row; whether it has it at once.
    pub(super) fn lock(&mut self, now: Nanos, query: Key, row: u32) -> bool {
        let place = &mut self.rows[row as usize];
        if place.holder.is_none() {
            place.holder = Some(query);
            return true;
        }
        place.line.push_back(query);
        self.waiting.insert(query, row);
        self.looks.push_back((now.saturating_add(self.deadlock_timeout), query, row));
        false
    }

    /// The query has ended and gives back the row; who has it now.
    pub(super) fn unlock(&mut self, row: u32) -> Option<Key> {
        let place = &mut self.rows[row as usize];
        place.holder = place.line.pop_front();
        if let Some(next) = place.holder {
            self.waiting.remove(&next);
        }
        place.holder
    }

    /// When the next look is due.
    pub(super) fn next_look(&mut self) -> Option<Nanos> {
        while let Some((at, query, row)) = self.looks.front() {
            // One that waits for another row now has another look planned; none locks a row twice.
            if self.waiting.get(query) == Some(row) {
                return Some(*at);
            }
            self.looks.pop_front();
        }
        None
    }

    /// The look that is due: the query that looks, if it finds itself in a circle; it waits no more.
    pub(super) fn look(&mut self) -> Option<Key> {
        self.next_look()?;
        let (_, query, row) = self.looks.pop_front()?;
        let mut seen = self.ahead_of(query)?;
        // The circle that is found may be one that this query only waits for: then it is others that break it.
        for _ in 0..self.waiting.len() {
            if seen == query {
                self.rows[row as usize].line.retain(|waiting| *waiting != query);
                self.waiting.remove(&query);
                return Some(query);
            }
            seen = self.ahead_of(seen)?;
        }
        None
    }

    /// Whom the query waits for.
    fn ahead_of(&self, query: Key) -> Option<Key> {
        let row = &self.rows[*self.waiting.get(&query)? as usize];
        let place = row.line.iter().position(|waiting| *waiting == query)?;
        match place.checked_sub(1) {
            Some(ahead) => row.line.get(ahead).copied(),
            None => row.holder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    fn setup(rows: u32) -> (Locks, Vec<Key>) {
        let mut keys = Slab::new();
        (Locks::new(rows, 100), (0..5).map(|_| keys.insert(())).collect())
    }

    #[test]
    fn a_row_goes_to_those_who_wait_in_order() {
        let (mut locks, queries) = setup(1);
        assert!(locks.lock(0, queries[0], 0));
        assert!(!locks.lock(1, queries[1], 0) && !locks.lock(2, queries[2], 0));
        assert_eq!(locks.next_look(), Some(101));
        assert_eq!(locks.unlock(0), Some(queries[1]));
        assert_eq!(locks.next_look(), Some(102), "who has its row need not look");
        assert_eq!(locks.look(), None, "to wait is no deadlock");
        assert_eq!(locks.unlock(0), Some(queries[2]));
        assert_eq!((locks.unlock(0), locks.next_look()), (None, None));
        assert!(locks.lock(9, queries[3], 0));
    }

    #[test]
    fn the_first_to_look_at_a_circle_it_is_in_gives_way() {
        let (mut locks, queries) = setup(3);
        assert!(locks.lock(0, queries[0], 0) && locks.lock(0, queries[0], 2) && locks.lock(0, queries[1], 1));
        assert!(!locks.lock(10, queries[2], 2), "waits for the circle without being in it");
        assert!(!locks.lock(20, queries[0], 1) && !locks.lock(30, queries[1], 0));
        assert_eq!((locks.next_look(), locks.look()), (Some(110), None));
        assert_eq!((locks.next_look(), locks.look()), (Some(120), Some(queries[0])));
        assert_eq!(locks.unlock(0), Some(queries[1]));
        assert_eq!(locks.unlock(2), Some(queries[2]));
        assert_eq!(locks.next_look(), None, "the others look no more");
        assert_eq!(locks.unlock(1), None, "the victim is in line no more");
    }

    #[test]
    fn one_that_holds_nothing_is_in_the_circle_of_those_around_it_in_line() {
        let (mut locks, queries) = setup(2);
        assert!(locks.lock(0, queries[0], 0) && locks.lock(0, queries[1], 1));
        assert!(!locks.lock(10, queries[2], 1));
        assert!(!locks.lock(20, queries[0], 1), "behind the one that holds nothing");
        assert!(!locks.lock(30, queries[1], 0));
        assert_eq!(locks.look(), Some(queries[2]));
        assert_eq!(locks.look(), Some(queries[0]), "the two are still in each other's way");
    }

    #[test]
    fn a_circle_of_three_closed_behind_others_is_found() {
        let (mut locks, queries) = setup(3);
        for row in 0..3 {
            assert!(locks.lock(0, queries[row as usize], row));
        }
        assert!(!locks.lock(1, queries[0], 1) && !locks.lock(2, queries[1], 2));
        assert_eq!((locks.look(), locks.look()), (None, None), "no circle yet");
        assert!(!locks.lock(300, queries[2], 0));
        assert_eq!((locks.next_look(), locks.look()), (Some(400), Some(queries[2])));
    }
}
