use std::collections::VecDeque;
use std::time::Duration;

use tidegate_core::PoolReading;

use crate::slab::Key;

/// A pool's connections and the line in front of it.
///
/// It serves its callers in order and opens connections when it needs them.
#[derive(Debug)]
pub(crate) struct PoolModel {
    max: u32,
    /// Connections; those above `max` are closed when they come back.
    open: u32,
    idle: u32,
    /// Connections being opened or tested for a caller.
    opening: u32,
    held: u32,
    waiting: VecDeque<Key>,
}

/// What a caller's connection needs before it is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Connect,
    Ping,
}

impl PoolModel {
    pub(crate) fn new(max: u32) -> Self {
        Self { max, open: 0, idle: 0, opening: 0, held: 0, waiting: VecDeque::new() }
    }

    pub(crate) const fn max(&self) -> u32 {
        self.max
    }

    pub(crate) const fn used(&self) -> u32 {
        self.open - self.idle
    }

    pub(crate) const fn reading(&self, acquire_timeout: Duration) -> PoolReading {
        PoolReading::new(self.max, self.open, self.idle, acquire_timeout)
    }

    /// A caller asks; what its connection needs, unless it has to wait for one.
    pub(crate) fn request(&mut self, caller: Key) -> Option<Opening> {
        let opening = if !self.waiting.is_empty() {
            None
        } else if self.idle > 0 {
            self.idle -= 1;
            Some(Opening::Ping)
        } else if self.open < self.max {
            self.open += 1;
            Some(Opening::Connect)
        } else {
            None
        };
        match opening {
            Some(_) => self.opening += 1,
            None => self.waiting.push_back(caller),
        }
        opening
    }

    /// The connection is open and tested: it is the caller's.
    pub(crate) const fn grant(&mut self) {
        self.opening -= 1;
        self.held += 1;
    }

    /// A caller that waits in line leaves without a connection.
    pub(crate) fn leave_line(&mut self, caller: Key) {
        if let Some(place) = self.waiting.iter().position(|waiting| *waiting == caller) {
            self.waiting.remove(place);
        }
    }

    /// A caller leaves while its connection is being opened or tested, which ends that connection.
    ///
    /// The first in line, if a new connection is opened for it now.
    pub(crate) fn abandon_opening(&mut self) -> Option<Key> {
        self.opening -= 1;
        self.open -= 1;
        self.open_for_first()
    }

    /// A connection comes back; the first in line, if it is that one's once it is tested.
    pub(crate) fn release(&mut self) -> Option<Key> {
        self.held -= 1;
        if self.open > self.max {
            self.open -= 1;
            return None;
        }
        let next = self.waiting.pop_front();
        match next {
            Some(_) => self.opening += 1,
            None => self.idle += 1,
        }
        next
    }

    /// The size changes; those in line for whom connections are opened now.
    pub(crate) fn resize(&mut self, max: u32) -> Vec<Key> {
        self.max = max;
        let closed = self.open.saturating_sub(max).min(self.idle);
        self.idle -= closed;
        self.open -= closed;
        std::iter::from_fn(|| self.open_for_first()).collect()
    }

    fn open_for_first(&mut self) -> Option<Key> {
        if self.open >= self.max {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.open += 1;
        self.opening += 1;
        Some(next)
    }

    /// What does not add up, if anything, where so many calls hold a connection and so many others have asked for one.
    pub(crate) fn imbalance(&self, held: u32, pending: u32) -> Option<String> {
        let adds_up = self.held == held
            && self.opening as usize + self.waiting.len() == pending as usize
            && self.open == self.idle + self.opening + self.held
            && (self.idle == 0 || self.open <= self.max)
            && (self.waiting.is_empty() || (self.idle == 0 && self.open >= self.max));
        (!adds_up).then(|| {
            format!("the pool's counts do not add up with {held} held and {pending} pending: {self:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    fn setup(max: u32) -> (PoolModel, Vec<Key>) {
        let mut keys = Slab::new();
        (PoolModel::new(max), (0..4).map(|_| keys.insert(())).collect())
    }

    #[track_caller]
    fn counts(pool: &PoolModel, open: u32, idle: u32, held: u32, pending: u32) {
        assert_eq!((pool.open, pool.idle), (open, idle));
        assert_eq!(pool.imbalance(held, pending), None);
    }

    #[test]
    fn connections_are_opened_when_needed_and_handed_on_in_order() {
        let (mut pool, callers) = setup(1);
        assert_eq!(pool.request(callers[0]), Some(Opening::Connect));
        counts(&pool, 1, 0, 0, 1);
        pool.grant();
        counts(&pool, 1, 0, 1, 0);
        assert_eq!(pool.request(callers[1]), None);
        assert_eq!(pool.request(callers[2]), None);
        assert_eq!(pool.release(), Some(callers[1]), "first come, first served");
        pool.grant();
        counts(&pool, 1, 0, 1, 1);
        assert!(pool.imbalance(1, 0).is_some() && pool.imbalance(0, 1).is_some());
    }

    #[test]
    fn an_idle_connection_is_tested_before_it_is_lent() {
        let (mut pool, callers) = setup(2);
        pool.request(callers[0]);
        pool.grant();
        assert_eq!(pool.release(), None);
        counts(&pool, 1, 1, 0, 0);
        assert_eq!(pool.request(callers[1]), Some(Opening::Ping));
    }

    #[test]
    fn who_gives_up_in_line_leaves_the_line() {
        let (mut pool, callers) = setup(1);
        pool.request(callers[0]);
        pool.grant();
        pool.request(callers[1]);
        pool.request(callers[2]);
        pool.leave_line(callers[1]);
        counts(&pool, 1, 0, 1, 1);
        assert_eq!(pool.release(), Some(callers[2]));
    }

    #[test]
    fn who_gives_up_while_opening_ends_the_connection_and_the_next_opens_one() {
        let (mut pool, callers) = setup(1);
        pool.request(callers[0]);
        pool.request(callers[1]);
        assert_eq!(pool.abandon_opening(), Some(callers[1]));
        counts(&pool, 1, 0, 0, 1);
        assert_eq!(pool.abandon_opening(), None);
        counts(&pool, 0, 0, 0, 0);
    }

    #[test]
    fn a_smaller_pool_closes_idle_connections_at_once_and_lent_ones_when_they_come_back() {
        let (mut pool, callers) = setup(3);
        for caller in &callers[..3] {
            pool.request(*caller);
            pool.grant();
        }
        pool.release();
        pool.request(callers[3]);
        pool.grant();
        pool.release();
        counts(&pool, 3, 1, 2, 0);
        assert_eq!(pool.resize(1), []);
        counts(&pool, 2, 0, 2, 0);
        assert_eq!(pool.request(callers[3]), None);
        assert_eq!(pool.release(), None, "nobody is served by a connection too many");
        counts(&pool, 1, 0, 1, 1);
        assert_eq!(pool.release(), Some(callers[3]));
    }

    #[test]
    fn a_larger_pool_opens_connections_for_those_in_line() {
        let (mut pool, callers) = setup(1);
        for caller in &callers {
            pool.request(*caller);
        }
        pool.grant();
        assert_eq!(pool.resize(3), callers[1..3]);
        counts(&pool, 3, 0, 1, 3);
    }
}
