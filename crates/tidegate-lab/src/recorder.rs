//! What a run counts and times.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::ask::JobTag;
use crate::error_kind::ErrorKind;

/// Shared by all jobs of one run.
#[derive(Debug)]
pub(crate) struct Recorder {
    begun: Instant,
    deadline: Instant,
    tally: Mutex<Tally>,
    in_flight: AtomicU32,
    queued: AtomicU32,
    jobs: AtomicU64,
}

/// The sums of a run.
///
/// Throughput counts what was done by the deadline. Jobs still running then are followed to their end: one that fails
/// counts as failed, because its error happened; one that succeeds counts as neither.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) jobs_ok: u64,
    pub(crate) jobs_failed: u64,
    pub(crate) jobs_unfinished: u64,
    /// Experts done by the deadline, for whatever job.
    pub(crate) experts_ok: u64,
    /// Of those, the ones whose job failed.
    pub(crate) experts_wasted: u64,
    /// Queries begun by the deadline.
    pub(crate) queries: u64,
    /// Queries begun for the jobs that ended by the deadline, done or failed.
    pub(crate) queries_of_ended: u64,
    /// Experts of the jobs that were done by the deadline.
    pub(crate) experts_of_done: u64,
    pub(crate) errors: BTreeMap<ErrorKind, u64>,
    /// From a job asking for an expert to the expert's end, experts done only.
    pub(crate) expert_time: Times,
    /// From a job's begin to its end, jobs done only.
    pub(crate) job_time: Times,
    /// The same of the jobs other than the big one, where there is one; those that the deadline cut short count with the time
    /// they had had. Without them, a policy under which no job ends would be judged by the few that do.
    pub(crate) small_job_time: Times,
    /// From a job asking for an expert to its permit.
    pub(crate) queue_wait: Times,
    /// From asking the pool to holding a connection or giving up.
    pub(crate) pool_wait: Times,
    /// The same for the one-connection pool of SQLite's writer.
    pub(crate) writer_wait: Times,
}

/// Jobs by their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Jobs {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobEnd {
    /// An expert failed.
    Failed,
    /// Every expert is done.
    Ok,
    /// The run ended before every expert could begin.
    Unfinished,
}

impl Recorder {
    pub(crate) fn new(begun: Instant, duration: Duration) -> Self {
        Self {
            begun,
            deadline: begun + duration,
            tally: Mutex::default(),
            in_flight: AtomicU32::new(0),
            queued: AtomicU32::new(0),
            jobs: AtomicU64::new(0),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Counts a caller in for as long as the guard lives.
    pub(crate) fn count_in_flight(&self) -> Counted<'_> {
        Counted::new(&self.in_flight)
    }

    /// An expert waits for its turn; [`expert_left_queue`](Self::expert_left_queue) is due when that is over.
    pub(crate) fn expert_queued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn expert_left_queue(&self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
    }

    /// A number for a job that no other job of the run has.
    pub(crate) fn next_job(&self) -> u64 {
        self.jobs.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn queued(&self) -> u32 {
        self.queued.load(Ordering::Relaxed)
    }

    pub(crate) fn query_began(&self, job: &JobTag) {
        job.query_began();
        if !self.is_over() {
            self.tally().queries += 1;
        }
    }

    pub(crate) fn pool_waited(&self, wait: Duration) {
        self.tally().pool_wait.add(wait);
    }

    pub(crate) fn writer_waited(&self, wait: Duration) {
        self.tally().writer_wait.add(wait);
    }

    pub(crate) fn queue_waited(&self, wait: Duration) {
        self.tally().queue_wait.add(wait);
    }

    pub(crate) fn query_failed(&self, kind: ErrorKind) {
        *self.tally().errors.entry(kind).or_default() += 1;
    }

    /// An expert is done; says whether it counts.
    pub(crate) fn expert_done(&self, asked: Instant) -> bool {
        let counts = !self.is_over();
        if counts {
            let mut tally = self.tally();
            tally.experts_ok += 1;
            tally.expert_time.add(asked.elapsed());
        }
        counts
    }

    /// A job ended, for which `experts_counted` experts were counted as done.
    pub(crate) fn job_ended(&self, job: &JobTag, end: JobEnd, begun: Instant, experts_counted: u64) {
        let is_over = self.is_over();
        let mut tally = self.tally();
        if !is_over {
            tally.queries_of_ended += job.queries();
        }
        match end {
            JobEnd::Failed => {
                tally.jobs_failed += 1;
                tally.experts_wasted += experts_counted;
            }
            JobEnd::Ok if !is_over => {
                tally.jobs_ok += 1;
                tally.experts_of_done += u64::from(job.experts);
                tally.job_time.add(begun.elapsed());
            }
            JobEnd::Ok | JobEnd::Unfinished => tally.jobs_unfinished += 1,
        }
        if !job.is_big && end != JobEnd::Failed {
            let ended = Instant::now().min(self.deadline);
            tally.small_job_time.add(ended.saturating_duration_since(begun));
        }
    }

    /// Jobs that were given up while still running.
    pub(crate) fn jobs_dropped(&self, count: u64) {
        self.tally().jobs_unfinished += count;
    }

    pub(crate) fn totals(&self) -> Tally {
        self.tally().clone()
    }

    pub(crate) fn experts_ok(&self) -> u64 {
        self.tally().experts_ok
    }

    pub(crate) fn errors(&self) -> BTreeMap<ErrorKind, u64> {
        self.tally().errors.clone()
    }

    /// The jobs that ended until now.
    pub(crate) fn jobs(&self) -> Jobs {
        let tally = self.tally();
        Jobs { ok: tally.jobs_ok, failed: tally.jobs_failed }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // The sums are whole after every statement, so a panic elsewhere does not spoil them.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    pub(crate) fn connection_errors(&self) -> u64 {
        self.errors.iter().filter(|(kind, _)| kind.is_connection_error()).map(|(_, count)| count).sum()
    }
}

/// A count that comes down when the guard drops, however that happens.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A distribution of times, to the microsecond and three digits.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        // The histogram grows as needed; only a time of 5 million centuries would not fit.
        let _ = self.0.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that a share `quantile` of the times does not exceed; `None` of no times.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<Duration> {
        (!self.is_empty()).then(|| Duration::from_micros(self.0.value_at_quantile(quantile)))
    }

    pub(crate) fn max(&self) -> Option<Duration> {
        (!self.is_empty()).then(|| Duration::from_micros(self.0.max()))
    }
}

impl Default for Times {
    #[expect(clippy::expect_used, reason = "3 is within the 0 to 5 digits that the constructor takes")]
    fn default() -> Self {
        Self(Histogram::new(3).expect("3 significant digits are allowed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[tokio::test(start_paused = true)]
    async fn what_ends_after_the_deadline_counts_only_if_it_failed() {
        let begun = Instant::now();
        let recorder = Recorder::new(begun, MS(100));
        let job = |is_big| {
            let job = JobTag::new(0, 11, is_big);
            recorder.query_began(&job);
            job
        };
        assert!(recorder.expert_done(begun));
        recorder.job_ended(&job(false), JobEnd::Ok, begun, 1);
        recorder.job_ended(&job(true), JobEnd::Failed, begun, 0);
        tokio::time::advance(MS(100)).await;
        assert!(!recorder.expert_done(begun));
        recorder.job_ended(&job(false), JobEnd::Ok, begun, 0);
        recorder.job_ended(&job(false), JobEnd::Failed, begun, 2);
        recorder.job_ended(&job(false), JobEnd::Unfinished, begun, 0);
        let t = recorder.totals();
        assert_eq!((t.queries_of_ended, t.experts_of_done), (2, 11));
        assert_eq!((t.jobs_ok, t.jobs_failed, t.jobs_unfinished), (1, 2, 2));
        assert_eq!((t.experts_ok, t.experts_wasted, t.queries), (1, 2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn small_jobs_are_timed_apart() {
        let begun = Instant::now();
        let recorder = Recorder::new(begun, MS(9_000));
        tokio::time::advance(MS(100)).await;
        recorder.job_ended(&JobTag::new(0, 11, false), JobEnd::Ok, begun, 11);
        tokio::time::advance(MS(900)).await;
        recorder.job_ended(&JobTag::new(0, 1_000, true), JobEnd::Ok, begun, 1_000);
        let t = recorder.totals();
        assert_eq!((t.job_time.count(), t.small_job_time.count()), (2, 1));
        assert!(t.small_job_time.max().unwrap() < MS(101));
        tokio::time::advance(MS(10_000)).await;
        recorder.job_ended(&JobTag::new(0, 11, false), JobEnd::Unfinished, begun, 3);
        let longest = recorder.totals().small_job_time.max().unwrap();
        assert!((MS(8_990)..MS(9_010)).contains(&longest), "it ends with the run: {longest:?}");
    }

    #[tokio::test]
    async fn connection_errors_are_told_from_others() {
        let recorder = Recorder::new(Instant::now(), MS(100));
        recorder.query_failed(ErrorKind::PoolTimeout);
        recorder.query_failed(ErrorKind::PoolTimeout);
        recorder.query_failed(ErrorKind::Deadlock);
        assert_eq!(recorder.totals().connection_errors(), 2);
        assert_eq!(recorder.errors().values().sum::<u64>(), 3);
    }

    #[tokio::test]
    async fn a_dropped_guard_brings_the_count_down() {
        let recorder = Recorder::new(Instant::now(), MS(100));
        let guard = recorder.count_in_flight();
        assert_eq!((recorder.in_flight(), recorder.queued()), (1, 0));
        drop(guard);
        assert_eq!(recorder.in_flight(), 0);
    }

    #[test]
    fn quantiles_are_of_what_was_added() {
        let mut times = Times::default();
        assert_eq!((times.quantile(0.5), times.max()), (None, None));
        for ms in 1..=100 {
            times.add(MS(ms));
        }
        let p50 = times.quantile(0.5).unwrap();
        assert!((MS(50)..MS(51)).contains(&p50), "{p50:?}");
        assert!(times.max().unwrap() >= MS(100));
    }
}
