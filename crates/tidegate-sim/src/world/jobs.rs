//! Jobs: started, ended, given up.

use super::{Event, World};
use crate::num::{Nanos, nanos};
use crate::slab::Key;

/// A job some of whose experts have not ended.
#[derive(Debug)]
pub(super) struct Job {
    slot: usize,
    experts: Vec<Key>,
    unfinished: u32,
    /// When its experts were done.
    done: Vec<Nanos>,
    failed_at: Option<Nanos>,
}

impl World<'_> {
    /// The slot asks for all experts of its next job at once, or waits for the next burst.
    pub(super) fn start_job(&mut self, slot: usize) {
        if let Some(at) = self.next_burst() {
            self.agenda.plan(at, Event::StartJob(slot));
            return;
        }
        let experts = self.scenario.load.experts;
        let mut rng = self.slots[slot].fork();
        let job = self.jobs.insert(Job {
            slot,
            experts: Vec::new(),
            unfinished: experts,
            done: Vec::new(),
            failed_at: None,
        });
        let asked: Vec<Key> = (0..experts).map(|_| self.ask_permit(job, rng.fork())).collect();
        if let Some(job) = self.jobs.get_mut(job) {
            job.experts = asked;
        }
    }

    /// When the next burst begins, if none is on.
    fn next_burst(&self) -> Option<Nanos> {
        let bursts = self.scenario.load.bursts?;
        let (on, off) = (nanos(bursts.on_ms / 1e3), nanos(bursts.off_ms / 1e3));
        let since_start = self.now % (on + off);
        (since_start >= on).then(|| self.now - since_start + on + off)
    }

    /// An expert of the job is done. What it did counts unless its job has failed before or will fail later.
    pub(super) fn expert_of_job_done(&mut self, key: Key, time: Nanos) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(key) else { return };
        let counts = job.failed_at.is_none();
        job.done.push(now);
        for ledger in &mut self.ledgers {
            ledger.expert_done(now, time, counts);
        }
        self.experts_ended(key, 1);
    }

    /// An expert of the job failed, and so the job: those that wait for a permit are dropped, the others go on in vain.
    pub(super) fn expert_of_job_failed(&mut self, key: Key) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(key) else { return };
        let mut ended = 1;
        if job.failed_at.is_none() {
            job.failed_at = Some(now);
            for ledger in &mut self.ledgers {
                ledger.job_failed(now, &job.done);
            }
            for expert in std::mem::take(&mut job.experts) {
                ended += u32::from(self.drop_if_queued(expert));
            }
        }
        self.experts_ended(key, ended);
    }

    /// With the last of its experts the job ends, and its slot is free for the next one.
    fn experts_ended(&mut self, key: Key, ended: u32) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        job.unfinished -= ended;
        if job.unfinished > 0 {
            return;
        }
        let (slot, failed_at) = (job.slot, job.failed_at);
        self.jobs.remove(key);
        let next = match failed_at {
            Some(failed_at) => failed_at + nanos(self.scenario.load.retry_pause_ms / 1e3),
            None => {
                for ledger in &mut self.ledgers {
                    ledger.job_done(self.now);
                }
                self.now
            }
        };
        self.agenda.plan(next.max(self.now), Event::StartJob(slot));
    }
}
