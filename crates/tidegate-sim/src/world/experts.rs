//! Experts: waiting for a permit, thinking, querying, done.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use fastrand::Rng;
use tidegate_core::Outcome;
use tidegate_limiter::{Acquire, Permit, Work};

use super::calls::CallState;
use super::{Event, World};
use crate::SimError;
use crate::num::Nanos;
use crate::scenario::{Plan, QueryMode};
use crate::slab::Key;

/// An expert that was asked for and is not done.
#[derive(Debug)]
pub(super) struct Expert {
    pub(super) process: usize,
    job: Key,
    pub(super) admission: Admission,
    pub(super) asked_at: Nanos,
    pub(super) plan: Plan,
    pub(super) rng: Rng,
    pub(super) queries_to_ask: u32,
    /// Its acquires and connections.
    pub(super) calls: Vec<Key>,
}

/// `Waiting → Admitted`, when the limiter grants the permit.
#[derive(Debug)]
pub(super) enum Admission {
    Waiting { acquire: Acquire, waker: Waker },
    Admitted { work: Work, at: Nanos, in_flight: u32 },
}

impl World<'_> {
    /// A new expert asks the limiter for a permit. It is polled with those that are woken by this event.
    pub(super) fn ask_permit(&mut self, process: usize, job: Key, plan: Plan, mut rng: Rng) -> Key {
        let patience = plan.patience.map(|patience| patience.nanos(&mut rng));
        let owner = self.process(process);
        owner.tally.experts_asked += 1;
        let acquire = owner.limiter.acquire();
        let waker = Waker::noop().clone();
        let key = self.experts.insert(Expert {
            process,
            job,
            admission: Admission::Waiting { acquire, waker },
            asked_at: self.now,
            plan,
            rng,
            queries_to_ask: plan.queries,
            calls: Vec::new(),
        });
        let own = self.ready.waker(key);
        own.wake_by_ref();
        if let Some(Expert { admission: Admission::Waiting { waker, .. }, .. }) = self.experts.get_mut(key) {
            *waker = own;
        }
        if let Some(patience) = patience {
            self.agenda.plan(self.now.saturating_add(patience), Event::PatienceEnds(key));
        }
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
            let process = expert.process;
            self.check_admission(process)?;
            self.admit(key, permit);
        }
        Ok(())
    }

    fn admit(&mut self, key: Key, permit: Permit) {
        let now = self.now;
        let Some(expert) = self.experts.get_mut(key) else { return };
        let (process, waited) = (expert.process, now - expert.asked_at);
        let in_flight = self.processes[process].admitted(now);
        expert.admission = Admission::Admitted { work: permit.begin(), at: now, in_flight };
        let think = expert.plan.think.nanos(&mut expert.rng);
        self.agenda.plan(now + think, Event::Thought(key));
        let tally = &mut self.process(process).tally;
        tally.experts_admitted += 1;
        tally.queue_time += u128::from(waited);
    }

    pub(super) fn thought(&mut self, key: Key) {
        let Some(expert) = self.experts.get(key) else { return };
        let at_once = match expert.plan.mode {
            QueryMode::Parallel => expert.plan.queries,
            QueryMode::Nested | QueryMode::Sequential => 1,
        };
        for _ in 0..at_once {
            self.ask_pool(key);
        }
    }

    /// One of the expert's queries has ended.
    pub(super) fn query_done(&mut self, key: Key, call: Key) {
        let Some(expert) = self.experts.get_mut(key) else { return };
        if expert.plan.mode != QueryMode::Nested {
            expert.calls.retain(|known| *known != call);
            self.release(call);
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
        self.process(expert.process).tally.experts_done += 1;
        self.end_permit(expert.process, expert.admission, Some(Outcome::Success));
        self.expert_of_job_done(expert.job, self.now - expert.asked_at);
    }

    /// An acquire of the expert timed out, a query of it failed in a deadlock, or its caller went away: the expert ends, and
    /// with it its job.
    ///
    /// What it still waits for is cancelled; a query that runs goes on to its end on its connection, as on a server that
    /// nobody told. No outcome is a caller who went away.
    pub(super) fn fail_expert(&mut self, key: Key, outcome: Option<Outcome>) {
        let Some(expert) = self.experts.remove(key) else { return };
        for call in expert.calls {
            self.abandon(call);
        }
        self.process(expert.process).tally.experts_failed += 1;
        self.end_permit(expert.process, expert.admission, outcome);
        self.expert_of_job_failed(expert.job);
    }

    /// The expert's caller waits no longer, for the permit or for the end.
    pub(super) fn patience_ends(&mut self, key: Key) {
        let Some(expert) = self.experts.get(key) else { return };
        let job = expert.job;
        self.books.expert_given_up(self.now);
        if self.drop_if_queued(key) {
            self.expert_of_job_failed(job);
        } else {
            self.fail_expert(key, None);
        }
    }

    /// Drops the expert if it waits for a permit; whether it did.
    pub(super) fn drop_if_queued(&mut self, key: Key) -> bool {
        let is_queued = |expert: &Expert| matches!(expert.admission, Admission::Waiting { .. });
        if !self.experts.get(key).is_some_and(is_queued) {
            return false;
        }
        if let Some(expert) = self.experts.remove(key) {
            let waited = self.now - expert.asked_at;
            let tally = &mut self.process(expert.process).tally;
            tally.experts_dropped += 1;
            tally.queue_time += u128::from(waited);
        }
        true
    }

    fn end_permit(&mut self, process: usize, admission: Admission, outcome: Option<Outcome>) {
        let Admission::Admitted { work, at, in_flight } = admission else { return };
        let (now, held) = (self.now, self.now - at);
        let process = self.process(process);
        process.tally.permit_time += u128::from(held);
        // Before the permit goes to the next in line: a law that shrinks with this call must have shrunk by then.
        process.ended(now, held, in_flight, outcome.unwrap_or(Outcome::Ignored));
        match outcome {
            Some(outcome) => work.finish(outcome),
            None => drop(work),
        }
    }

    fn is_idle(&self, call: Key) -> bool {
        self.calls.get(call).is_some_and(|call| matches!(call.state, CallState::Idle { .. }))
    }
}
