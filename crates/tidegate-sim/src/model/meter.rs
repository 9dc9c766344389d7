use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate_core::{PoolActivity, PoolEvidence, PoolReading};
use tidegate_limiter::PoolProbe;

use crate::num::Nanos;

/// What one process counts of its own acquires; it means the same as in the limiter's `PoolMeter`, in virtual time.
///
/// An acquire is pending from its request until it holds a tested connection.
#[derive(Debug, Default)]
pub(crate) struct MeterModel {
    /// When the pending acquires began, by their ticket; tickets rise with time.
    pending: BTreeMap<Ticket, Nanos>,
    held: u32,
    activity: PoolActivity,
    /// Up to when the counts are integrated.
    integrated: Nanos,
}

/// The number of an acquire.
pub(crate) type Ticket = u64;

/// Why an acquire ends without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    Cancelled,
    TimedOut,
}

impl MeterModel {
    #[expect(clippy::cast_possible_truncation, reason = "each pending acquire is a value in memory")]
    pub(crate) fn pending(&self) -> u32 {
        self.pending.len() as u32
    }

    pub(crate) const fn held(&self) -> u32 {
        self.held
    }

    /// An acquire begins.
    pub(crate) fn request(&mut self, now: Nanos) -> Ticket {
        self.integrate(now);
        let ticket = self.activity.requests;
        self.activity.requests += 1;
        self.pending.insert(ticket, now);
        ticket
    }

    /// The acquire has its connection.
    pub(crate) fn grant(&mut self, now: Nanos, ticket: Ticket) {
        self.end_wait(now, ticket);
        self.activity.grants += 1;
        self.held += 1;
    }

    /// The acquire ends without a connection.
    pub(crate) fn give_up(&mut self, now: Nanos, ticket: Ticket, why: GiveUp) {
        self.end_wait(now, ticket);
        match why {
            GiveUp::Cancelled => self.activity.cancelled += 1,
            GiveUp::TimedOut => self.activity.timeouts += 1,
        }
    }

    /// A connection is given back after `used`.
    pub(crate) fn release(&mut self, now: Nanos, used: Nanos) {
        self.integrate(now);
        self.held -= 1;
        self.activity.returns += 1;
        self.activity.use_time += Duration::from_nanos(used);
    }

    fn end_wait(&mut self, now: Nanos, ticket: Ticket) {
        self.integrate(now);
        if let Some(began) = self.pending.remove(&ticket) {
            self.activity.wait += Duration::from_nanos(now - began);
        }
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

    pub(crate) fn evidence(&self, now: Nanos, reading: PoolReading) -> PoolEvidence {
        let mut evidence = PoolEvidence::default();
        evidence.reading = reading;
        evidence.pending = self.pending();
        evidence.held = self.held;
        let oldest = self.pending.first_key_value();
        evidence.oldest_pending =
            oldest.map_or(Duration::ZERO, |(_, began)| Duration::from_nanos(now - began));
        evidence.activity = self.activity_at(now);
        evidence
    }

    /// Whether every acquire and every connection is accounted for.
    pub(crate) fn adds_up(&self) -> bool {
        let PoolActivity { requests, grants, timeouts, cancelled, returns, .. } = self.activity;
        requests == grants + timeouts + cancelled + u64::from(self.pending())
            && grants == returns + u64::from(self.held)
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

    #[test]
    fn the_counts_are_integrated_over_time() {
        let mut meter = MeterModel::default();
        let first = meter.request(0);
        meter.grant(1, first);
        meter.request(2);
        meter.request(3);
        let evidence = meter.evidence(5, PoolReading::default());
        assert_eq!((evidence.activity.requests, evidence.activity.grants), (3, 1));
        // The first was pending for 1 and held for 4; the others have been pending for 3 and 2.
        assert_eq!(evidence.activity.pending_time, Duration::from_nanos(1 + 3 + 2));
        assert_eq!(evidence.activity.held_time, Duration::from_nanos(4));
        assert_eq!(evidence.oldest_pending, Duration::from_nanos(3));
        assert!(meter.adds_up());
    }

    #[test]
    fn a_wait_ends_however_it_ends() {
        let mut meter = MeterModel::default();
        let tickets: Vec<Ticket> = (0..3).map(|began| meter.request(began)).collect();
        meter.give_up(10, tickets[1], GiveUp::TimedOut);
        meter.give_up(10, tickets[2], GiveUp::Cancelled);
        meter.grant(11, tickets[0]);
        meter.release(14, 3);
        let PoolActivity { timeouts, cancelled, returns, wait, use_time, .. } =
            meter.evidence(14, PoolReading::default()).activity;
        assert_eq!((timeouts, cancelled, returns), (1, 1, 1));
        assert_eq!((wait, use_time), (Duration::from_nanos(9 + 8 + 11), Duration::from_nanos(3)));
        assert_eq!((meter.pending(), meter.held()), (0, 0));
        assert!(meter.adds_up());
    }
}
