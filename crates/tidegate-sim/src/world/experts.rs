//! Experts: waiting for a permit, thinking, querying, done.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fastrand::Rng;
use tidegate_core::{Outcome, Timestamp};
use tidegate_limiter::{Acquire, Permit};

use super::calls::CallState;
use super::{Event, World};
use crate::SimError;
use crate::num::Nanos;
use crate::rivals::EndedCall;
use crate::scenario::QueryMode;
use crate::slab::Key;

/// An expert that was asked for and is not done.
#[derive(Debug)]
pub(super) struct Expert {
    pub(super) job: Key,
    pub(super) admission: Admission,
    pub(super) asked_at: Nanos,
    pub(super) rng: Rng,
    pub(super) queries_to_ask: u32,
    /// Its acquires and connections.
    pub(super) calls: Vec<Key>,
}

/// `Waiting → Admitted`, when the limiter grants the permit.
#[derive(Debug)]
pub(super) enum Admission {
    Waiting { acquire: Acquire, waker: Waker },
    Admitted { permit: Permit, at: Nanos, in_flight: u32 },
}

impl World<'_> {
    /// A new expert asks the limiter for a permit. It is polled with those that are woken by this event.
    pub(super) fn ask_permit(&mut self, job: Key, rng: Rng) -> Key {
        let acquire = self.limiter.acquire();
        let waker = Waker::noop().clone();
        let key = self.experts.insert(Expert {
            job,
            admission: Admission::Waiting { acquire, waker },
            asked_at: self.now,
            rng,
            queries_to_ask: self.scenario.load.queries,
            calls: Vec::new(),
        });
        let own = self.ready.waker(key);
        own.wake_by_ref();
        if let Some(Expert { admission: Admission::Waiting { waker, .. }, .. }) = self.experts.get_mut(key) {
            *waker = own;
        }
        self.tally.experts_asked += 1;
        key
    }

    /// Polls the experts that were woken, until none is.
    pub(super) fn poll_ready(&mut self) -> Result<(), SimError> {
        while let Some(key) = self.ready.next() {
            let Some(expert) = self.experts.get_mut(key) else { continue };
            let Admission::Waiting { acquire, waker } = &mut expert.admission else { continue };
            let polled = Pin::new(acquire).poll(&mut Context::from_waker(waker));
            // Nobody closes the limiter, so nobody is refused.
            let Poll::Ready(Ok(permit)) = polled else { continue };
            self.check_admission()?;
            self.admit(key, permit);
        }
        Ok(())
    }

    fn admit(&mut self, key: Key, permit: Permit) {
        let Some(expert) = self.experts.get_mut(key) else { return };
        self.tally.experts_admitted += 1;
        self.tally.queue_time += u128::from(self.now - expert.asked_at);
        let in_flight = self.limiter.snapshot().in_flight;
        if let Some(rival) = &self.rival {
            rival.admitted(Timestamp::from_start(Duration::from_nanos(self.now)), in_flight);
        }
        expert.admission = Admission::Admitted { permit, at: self.now, in_flight };
        let think = self.scenario.load.think.nanos(&mut expert.rng);
        self.agenda.plan(self.now + think, Event::Thought(key));
    }

    pub(super) fn thought(&mut self, key: Key) {
        let at_once = match self.scenario.load.mode {
            QueryMode::Parallel => self.scenario.load.queries,
            QueryMode::Nested | QueryMode::Sequential => 1,
        };
        for _ in 0..at_once {
            self.ask_pool(key);
        }
    }

    /// One of the expert's queries has ended.
    pub(super) fn query_done(&mut self, key: Key, call: Key) {
        if self.scenario.load.mode != QueryMode::Nested {
            self.release(call);
            if let Some(expert) = self.experts.get_mut(key) {
                expert.calls.retain(|known| *known != call);
            }
        }
        let Some(expert) = self.experts.get(key) else { return };
        if expert.queries_to_ask > 0 {
            self.ask_pool(key);
        } else if expert.calls.iter().all(|call| self.is_idle(*call)) {
            self.complete(key);
        }
    }

    fn complete(&mut self, key: Key) {
        let Some(expert) = self.experts.remove(key) else { return };
        for call in expert.calls {
            self.release(call);
        }
        self.tally.experts_done += 1;
        self.end_permit(expert.admission, Outcome::Success);
        self.expert_of_job_done(expert.job, self.now - expert.asked_at);
    }

    /// An acquire of the expert timed out, or a query of it failed in a deadlock: the expert ends, and with it its job.
    ///
    /// What it still waits for is cancelled; a query that runs goes on to its end on its connection, as on a server that
    /// nobody told.
    pub(super) fn fail_expert(&mut self, key: Key) {
        let Some(expert) = self.experts.remove(key) else { return };
        for call in expert.calls {
            self.abandon(call);
        }
        self.tally.experts_failed += 1;
        self.end_permit(expert.admission, Outcome::Overload);
        self.expert_of_job_failed(expert.job);
    }

    /// Drops the expert if it waits for a permit; whether it did.
    pub(super) fn drop_if_queued(&mut self, key: Key) -> bool {
        let is_queued = |expert: &Expert| matches!(expert.admission, Admission::Waiting { .. });
        if !self.experts.get(key).is_some_and(is_queued) {
            return false;
        }
        if let Some(expert) = self.experts.remove(key) {
            self.tally.experts_dropped += 1;
            self.tally.queue_time += u128::from(self.now - expert.asked_at);
        }
        true
    }

    fn end_permit(&mut self, admission: Admission, outcome: Outcome) {
        let Admission::Admitted { permit, at, in_flight } = admission else { return };
        let held = self.now - at;
        self.tally.permit_time += u128::from(held);
        if let Some(rival) = &self.rival {
            let call = EndedCall {
                now: self.timestamp(),
                latency: Duration::from_nanos(held),
                in_flight_at_start: in_flight,
                in_flight_at_end: self.limiter.snapshot().in_flight,
                outcome,
            };
            // Before the permit goes to the next in line: a law that shrinks with this call must have shrunk by then.
            if rival.ended(&call) {
                self.driver.tick(call.now);
            }
        }
        permit.finish(outcome);
    }

    fn is_idle(&self, call: Key) -> bool {
        self.calls.get(call).is_some_and(|call| matches!(call.state, CallState::Idle { .. }))
    }
}
