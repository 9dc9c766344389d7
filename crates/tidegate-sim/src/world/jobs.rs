//! Jobs: started, ended, given up.

use fastrand::Rng;

use super::{Event, World};
use crate::num::{Nanos, nanos};
use crate::slab::Key;

/// A job some of whose experts have not ended.
#[derive(Debug)]
pub(super) struct Job {
    process: usize,
    origin: Origin,
    experts: Vec<Key>,
    unfinished: u32,
    /// When its experts were done.
    done: Vec<Nanos>,
    failed_at: Option<Nanos>,
}

/// Where a job comes from, and so what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// It came by itself; it is tried again if it fails.
    Arrival,
    /// It was recorded: nothing follows it that was not recorded too.
    Recorded(usize),
    /// The slot's next job follows it.
    Slot(usize),
}

impl World<'_> {
    /// Asks for all experts of a new job at once.
    pub(super) fn start_job(&mut self, process: usize, origin: Origin, mut rng: Rng) {
        let load = &self.scenario.load;
        let experts = if let Origin::Recorded(_) = origin { 1 } else { load.experts };
        let job = self.jobs.insert(Job {
            process,
            origin,
            experts: Vec::new(),
            unfinished: experts,
            done: Vec::new(),
            failed_at: None,
        });
        let mut asked = Vec::new();
        for _ in 0..experts {
            let mut rng = rng.fork();
            let plan = match origin {
                Origin::Recorded(number) => load.recorded[number].plan,
                Origin::Arrival | Origin::Slot(_) => load.draw(&mut rng),
            };
            asked.push(self.ask_permit(process, job, plan, rng));
        }
        if let Some(job) = self.jobs.get_mut(job) {
            job.experts = asked;
        }
    }

    /// An expert of the job is done. What it did counts unless its job has failed before or will fail later.
    pub(super) fn expert_of_job_done(&mut self, key: Key, time: Nanos) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(key) else { return };
        let counts = job.failed_at.is_none();
        if counts {
            job.done.push(now);
        }
        self.books.expert_done(job.process, now, time, counts);
        self.experts_ended(key, 1);
    }

    /// An expert of the job failed, and so the job: those that wait for a permit are dropped, the others go on in vain.
    pub(super) fn expert_of_job_failed(&mut self, key: Key) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(key) else { return };
        let mut ended = 1;
        if job.failed_at.is_none() {
            job.failed_at = Some(now);
            self.books.job_failed(job.process, now, &job.done);
            for expert in std::mem::take(&mut job.experts) {
                ended += u32::from(self.drop_if_queued(expert));
            }
        }
        self.experts_ended(key, ended);
    }

    /// With the last of its experts the job ends.
    fn experts_ended(&mut self, key: Key, ended: u32) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        job.unfinished -= ended;
        if job.unfinished > 0 {
            return;
        }
        let Some(Job { process, origin, failed_at, .. }) = self.jobs.remove(key) else { return };
        let pause = nanos(self.scenario.load.retry_pause_ms / 1e3);
        let next = failed_at.map_or(self.now, |failed_at| (failed_at + pause).max(self.now));
        if failed_at.is_none() {
            self.books.job_done(self.now);
        }
        match origin {
            Origin::Slot(slot) => self.agenda.plan(next, Event::StartJob { process, slot }),
            Origin::Arrival if failed_at.is_some() => self.agenda.plan(next, Event::Retry(process)),
            Origin::Arrival | Origin::Recorded(_) => {}
        }
    }
}
