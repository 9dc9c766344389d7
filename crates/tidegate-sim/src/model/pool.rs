use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate_core::{PoolActivity, PoolEvidence, PoolReading};
use tidegate_limiter::PoolProbe;

use crate::num::Nanos;
use crate::slab::Key;

/// A pool that serves its callers in order and opens connections when it needs them.
///
/// What it counts means the same as in the limiter's `PoolMeter`, in virtual time: an acquire is pending from its request
/// until it holds a tested connection.
#[derive(Debug)]
pub(crate) struct PoolModel {
    max: u32,
    acquire_timeout: Duration,
    open: u32,
    idle: u32,
    /// Connections being opened or tested for a caller.
    opening: u32,
    held: u32,
    waiting: VecDeque<Key>,
    /// When the pending acquires began, by their ticket; tickets rise with time.
    pending: BTreeMap<Ticket, Nanos>,
    activity: PoolActivity,
    /// Up to when the counts are integrated.
    integrated: Nanos,
}

/// The number of an acquire.
pub(crate) type Ticket = u64;

/// What a caller's connection needs before it is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Connect,
    Ping,
}

/// Why an acquire ends without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    Cancelled,
    TimedOut,
}

impl PoolModel {
    pub(crate) fn new(max: u32, acquire_timeout: Duration) -> Self {
        Self {
            max,
            acquire_timeout,
            open: 0,
            idle: 0,
            opening: 0,
            held: 0,
            waiting: VecDeque::new(),
            pending: BTreeMap::new(),
            activity: PoolActivity::default(),
            integrated: 0,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "each pending acquire is a value in memory")]
    pub(crate) fn pending(&self) -> u32 {
        self.pending.len() as u32
    }

    pub(crate) const fn held(&self) -> u32 {
        self.held
    }

    pub(crate) const fn used(&self) -> u32 {
        self.open - self.idle
    }

    /// An acquire begins; what its connection needs, unless it has to wait for one.
    pub(crate) fn request(&mut self, now: Nanos, caller: Key) -> (Ticket, Option<Opening>) {
        self.integrate(now);
        let ticket = self.activity.requests;
        self.activity.requests += 1;
        self.pending.insert(ticket, now);
        (ticket, self.assign(caller))
    }

    fn integrate(&mut self, now: Nanos) {
        self.activity = self.activity_at(now);
        self.integrated = now;
    }

    fn activity_at(&self, now: Nanos) -> PoolActivity {
        let span = Duration::from_nanos(now - self.integrated);
        let mut activity = self.activity;
        activity.pending_time += span * self.pending();
        activity.held_time += span * self.held;
        activity
    }

    fn assign(&mut self, caller: Key) -> Option<Opening> {
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
    pub(crate) fn grant(&mut self, now: Nanos, ticket: Ticket) {
        self.end_wait(now, ticket);
        self.activity.grants += 1;
        self.opening -= 1;
        self.held += 1;
    }

    /// A caller that waits in line leaves without a connection.
    pub(crate) fn leave_line(&mut self, now: Nanos, caller: Key, ticket: Ticket, why: GiveUp) {
        if let Some(place) = self.waiting.iter().position(|waiting| *waiting == caller) {
            self.waiting.remove(place);
        }
        self.count_give_up(now, ticket, why);
    }

    /// A caller leaves while its connection is being opened or tested, which ends that connection.
    ///
    /// The first in line, if there is one, for whom a new connection is opened now.
    pub(crate) fn abandon_opening(&mut self, now: Nanos, ticket: Ticket, why: GiveUp) -> Option<Key> {
        self.count_give_up(now, ticket, why);
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.opening -= 1;
            self.open -= 1;
        }
        next
    }

    /// A connection comes back at `now` after `used`; the first in line, if there is one, whose it will be once it is tested.
    pub(crate) fn release(&mut self, now: Nanos, used: Nanos) -> Option<Key> {
        self.integrate(now);
        self.held -= 1;
        self.activity.returns += 1;
        self.activity.use_time += Duration::from_nanos(used);
        let next = self.waiting.pop_front();
        match next {
            Some(_) => self.opening += 1,
            None => self.idle += 1,
        }
        next
    }

    fn count_give_up(&mut self, now: Nanos, ticket: Ticket, why: GiveUp) {
        self.end_wait(now, ticket);
        match why {
            GiveUp::Cancelled => self.activity.cancelled += 1,
            GiveUp::TimedOut => self.activity.timeouts += 1,
        }
    }

    fn end_wait(&mut self, now: Nanos, ticket: Ticket) {
        self.integrate(now);
        if let Some(began) = self.pending.remove(&ticket) {
            self.activity.wait += Duration::from_nanos(now - began);
        }
    }

    pub(crate) fn evidence(&self, now: Nanos) -> PoolEvidence {
        let mut evidence = PoolEvidence::default();
        evidence.reading = PoolReading::new(self.max, self.open, self.idle, self.acquire_timeout);
        evidence.pending = self.pending();
        evidence.held = self.held;
        evidence.oldest_pending = self
            .pending
            .first_key_value()
            .map_or(Duration::ZERO, |(_, began)| Duration::from_nanos(now - began));
        evidence.activity = self.activity_at(now);
        evidence
    }

    /// What does not add up, if anything.
    pub(crate) fn imbalance(&self) -> Option<String> {
        let PoolActivity { requests, grants, timeouts, cancelled, returns, .. } = self.activity;
        let adds_up = requests == grants + timeouts + cancelled + u64::from(self.pending())
            && grants == returns + u64::from(self.held)
            && self.open == self.idle + self.opening + self.held
            && self.open <= self.max
            && u64::from(self.pending()) == u64::from(self.opening) + self.waiting.len() as u64
            && (self.waiting.is_empty() || (self.idle == 0 && self.open == self.max));
        if adds_up { None } else { Some(format!("the pool's counts do not add up: {self:?}")) }
    }
}

/// The pool's evidence as last published; what the limiter's driver reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published(Arc<Mutex<PoolEvidence>>);

impl Published {
    pub(crate) fn set(&self, evidence: PoolEvidence) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = evidence;
    }
}

impl PoolProbe for Published {
    fn read(&self) -> PoolEvidence {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self) -> &str {
        "simulated"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    fn setup(max: u32) -> (PoolModel, Vec<Key>) {
        let mut keys = Slab::new();
        (PoolModel::new(max, Duration::from_secs(1)), (0..4).map(|_| keys.insert(())).collect())
    }

    #[track_caller]
    fn counts(pool: &PoolModel, open: u32, idle: u32, pending: u32, held: u32) {
        assert_eq!((pool.open, pool.idle, pool.pending(), pool.held), (open, idle, pending, held));
        assert_eq!(pool.imbalance(), None);
    }

    #[test]
    fn connections_are_opened_when_needed_and_handed_on_in_order() {
        let (mut pool, callers) = setup(1);
        let (first, opening) = pool.request(0, callers[0]);
        assert_eq!(opening, Some(Opening::Connect));
        counts(&pool, 1, 0, 1, 0);
        pool.grant(20, first);
        counts(&pool, 1, 0, 0, 1);
        let (second, opening) = pool.request(30, callers[1]);
        assert_eq!(opening, None);
        assert_eq!(pool.request(40, callers[2]).1, None);
        assert_eq!(pool.release(50, 15), Some(callers[1]), "first come, first served");
        pool.grant(50, second);
        counts(&pool, 1, 0, 1, 1);
        assert_eq!(pool.evidence(70).oldest_pending, Duration::from_nanos(30));
    }

    #[test]
    fn an_idle_connection_is_tested_before_it_is_lent() {
        let (mut pool, callers) = setup(2);
        let (first, _) = pool.request(0, callers[0]);
        pool.grant(1, first);
        assert_eq!(pool.release(2, 1), None);
        counts(&pool, 1, 1, 0, 0);
        assert_eq!(pool.request(2, callers[1]).1, Some(Opening::Ping));
    }

    #[test]
    fn the_counts_are_integrated_over_time() {
        let (mut pool, callers) = setup(1);
        let (first, _) = pool.request(0, callers[0]);
        pool.grant(1, first);
        pool.request(2, callers[1]);
        pool.request(3, callers[2]);
        let activity = pool.evidence(5).activity;
        assert_eq!((activity.requests, activity.grants), (3, 1));
        // The first was pending for 1 and held for 4; the others have been pending for 3 and 2.
        assert_eq!(activity.pending_time, Duration::from_nanos(1 + 3 + 2));
        assert_eq!(activity.held_time, Duration::from_nanos(4));
    }

    #[test]
    fn who_gives_up_in_line_leaves_the_line() {
        let (mut pool, callers) = setup(1);
        let (first, _) = pool.request(0, callers[0]);
        pool.grant(1, first);
        let (second, _) = pool.request(2, callers[1]);
        pool.request(3, callers[2]);
        pool.leave_line(9, callers[1], second, GiveUp::TimedOut);
        counts(&pool, 1, 0, 1, 1);
        assert_eq!(pool.release(9, 9), Some(callers[2]));
        let activity = pool.evidence(9).activity;
        assert_eq!((activity.timeouts, activity.wait), (1, Duration::from_nanos(8)));
    }

    #[test]
    fn who_gives_up_while_opening_ends_the_connection_and_the_next_opens_one() {
        let (mut pool, callers) = setup(1);
        let (first, _) = pool.request(0, callers[0]);
        let (second, _) = pool.request(0, callers[1]);
        assert_eq!(pool.abandon_opening(5, first, GiveUp::Cancelled), Some(callers[1]));
        counts(&pool, 1, 0, 1, 0);
        assert_eq!(pool.abandon_opening(6, second, GiveUp::TimedOut), None);
        counts(&pool, 0, 0, 0, 0);
        assert_eq!(pool.evidence(6).activity.cancelled, 1);
    }
}
