//! Who asks for an expert: the job it works for, and whether its turn has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tidegate::Job;
use tokio::time::Instant;

use crate::recorder::Recorder;

/// One job, shared by all its experts.
#[derive(Debug)]
pub(crate) struct JobTag {
    pub(crate) experts: u32,
    /// Whether it is the one job of many experts in a mix.
    pub(crate) is_big: bool,
    job: Job,
    queries: AtomicU64,
}

/// One expert's work, as the layers in front of the experts see it. A retry asks again with a clone.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) job: Arc<JobTag>,
    turn: Arc<Turn>,
}

/// Counts the expert as queued until its turn comes or nobody waits for it any more.
#[derive(Debug)]
struct Turn {
    asked: Instant,
    is_waiting: AtomicBool,
    recorder: Arc<Recorder>,
}

impl JobTag {
    /// A job with a number of its own in the run.
    pub(crate) fn new(number: u64, experts: u32, is_big: bool) -> Arc<Self> {
        Arc::new(Self { experts, is_big, job: Job::new(number), queries: AtomicU64::new(0) })
    }

    /// On whose behalf its experts queue.
    pub(crate) fn job(&self) -> Job {
        self.job
    }

    pub(crate) fn query_began(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
    }

    /// Queries begun for it until now.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }
}

impl Ask {
    /// Asks for an expert now.
    pub(crate) fn now(recorder: &Arc<Recorder>, job: &Arc<JobTag>) -> Self {
        recorder.expert_queued();
        let (asked, recorder) = (Instant::now(), Arc::clone(recorder));
        let turn = Turn { asked, is_waiting: AtomicBool::new(true), recorder };
        Self { job: Arc::clone(job), turn: Arc::new(turn) }
    }

    /// When the job asked for it first.
    pub(crate) fn asked(&self) -> Instant {
        self.turn.asked
    }

    /// Whether no try of it has begun.
    pub(crate) fn is_waiting(&self) -> bool {
        self.turn.is_waiting.load(Ordering::Relaxed)
    }

    /// Its turn has come. Only the first try was queued as far as the figures go: a retry is the policy's doing.
    pub(crate) fn begin(&self) {
        if self.turn.end() {
            self.turn.recorder.queue_waited(self.turn.asked.elapsed());
        }
    }
}

impl Turn {
    /// Ends the wait; says whether it had not ended before.
    fn end(&self) -> bool {
        let ends = self.is_waiting.swap(false, Ordering::Relaxed);
        if ends {
            self.recorder.expert_left_queue();
        }
        ends
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_expert_waits_until_it_begins_or_is_dropped() {
        let recorder = Arc::new(Recorder::new(Instant::now(), Duration::from_secs(9)));
        let job = JobTag::new(0, 11, false);
        let [first, second] = [Ask::now(&recorder, &job), Ask::now(&recorder, &job)];
        assert_eq!(recorder.queued(), 2);
        tokio::time::advance(Duration::from_secs(1)).await;
        first.begin();
        first.clone().begin();
        assert_eq!((first.is_waiting(), second.is_waiting(), recorder.queued()), (false, true, 1));
        drop((first, second));
        let waits = recorder.totals().queue_wait;
        assert_eq!((recorder.queued(), waits.count()), (0, 1), "a retry is no second wait, a drop none");
        assert!(waits.max().unwrap() >= Duration::from_secs(1));
    }
}
