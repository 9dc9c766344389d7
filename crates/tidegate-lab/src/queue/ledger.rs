//! What became of the rows of a queue.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use apalis::prelude::Task;
use futures_util::future::BoxFuture;
use serde::Serialize;
use tower::{BoxError, Service};

use crate::jobs::{JobService, NewJob};
use crate::recorder::{JobEnd, Recorder};

/// The rows of a run, all of them accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Rows {
    /// Rows that were written.
    pub(crate) enqueued: u64,
    /// Rows that ran to their end and are noted so.
    pub(crate) ended: u64,
    /// Rows that wait still, or were taken when the worker stopped and never begun: another worker would run them.
    pub(crate) left: u64,
    /// Rows that are gone, were noted as ended without having run, or ran without being noted: must be 0.
    pub(crate) lost: u64,
    /// Rows that were begun more than once: must be 0.
    pub(crate) run_twice: u64,
}

/// Counts the rows that are written, and notes those that begin.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pushed: AtomicU64,
    has_big: AtomicBool,
    begun: Mutex<HashMap<String, u32>>,
}

impl Ledger {
    pub(super) fn pushed(&self, rows: u64) {
        self.pushed.fetch_add(rows, Ordering::Relaxed);
    }

    /// Rows that have not begun.
    pub(super) fn waiting(&self) -> u64 {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        self.pushed.load(Ordering::Relaxed).saturating_sub(begun)
    }

    /// Whether the big job is missing; whoever asks sees to that.
    pub(super) fn wants_big(&self) -> bool {
        !self.has_big.swap(true, Ordering::Relaxed)
    }

    /// The big job has ended, so the next one is due.
    fn big_ended(&self) {
        self.has_big.store(false, Ordering::Relaxed);
    }

    fn begin(&self, row: String) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner).entry(row).or_default() += 1;
    }

    /// Holds what is in the database at the end, ids and statuses, against what was seen.
    pub(super) fn settle(&self, rows: &[(String, String)]) -> Rows {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let enqueued = self.pushed.load(Ordering::Relaxed);
        let (mut ended, mut left) = (0, 0);
        for (id, status) in rows {
            let is_noted = !["Pending", "Queued", "Running"].contains(&status.as_str());
            match (begun.contains_key(id), is_noted) {
                (true, true) => ended += 1,
                (false, false) => left += 1,
                (true, false) | (false, true) => {}
            }
        }
        let run_twice = begun.values().filter(|times| **times > 1).count() as u64;
        Rows { enqueued, ended, left, lost: enqueued.saturating_sub(ended + left), run_twice }
    }
}

/// The worker's service: notes each row that begins, and tells the queue how its job ended. When the run is over it is no longer
/// ready, so that the worker takes no more rows and tells the queue what has ended until nothing runs.
///
/// Unless it has said "ready" and was not called since: it may not take that back. The worker is fetching a row then, and with
/// a row in hand that it cannot pass on it would not tell the queue of anything any more.
#[derive(Debug)]
pub(super) struct Noting {
    pub(super) service: JobService,
    pub(super) recorder: Arc<Recorder>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) is_ready: bool,
}

impl Service<Task<NewJob>> for Noting {
    type Response = ();
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<(), BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Nobody has to be woken: what is over stays over.
        if self.recorder.is_over() && !self.is_ready {
            return Poll::Pending;
        }
        let ready = self.service.poll_ready(cx);
        self.is_ready |= matches!(ready, Poll::Ready(Ok(())));
        ready
    }

    fn call(&mut self, task: Task<NewJob>) -> Self::Future {
        self.is_ready = false;
        self.ledger.begin(task.task_id().map(ToString::to_string).unwrap_or_default());
        let (job, _) = task.take();
        let (running, ledger) = (self.service.call(job), Arc::clone(&self.ledger));
        Box::pin(async move {
            let ended = running.await;
            if job.is_big {
                ledger.big_ended();
            }
            match ended? {
                JobEnd::Ok => Ok(()),
                JobEnd::Failed => Err("an expert failed".into()),
                JobEnd::Unfinished => Err("the run ended".into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use tower::service_fn;

    use super::*;

    #[test]
    fn every_row_is_accounted_for() {
        let ledger = Ledger::default();
        ledger.pushed(7);
        for row in ["done", "twice", "failed", "twice", "unnoted"] {
            ledger.begin(row.to_owned());
        }
        assert_eq!(ledger.waiting(), 3);
        let row = |id: &str, status: &str| (id.to_owned(), status.to_owned());
        let rows = [
            row("done", "Done"),
            row("twice", "Done"),
            row("failed", "Failed"),
            row("unnoted", "Running"),
            row("waits", "Pending"),
            row("never begun", "Done"),
        ];
        // Lost are the one that ran without being noted, the one noted without having run, and the one that is gone.
        assert_eq!(ledger.settle(&rows), Rows { enqueued: 7, ended: 3, left: 1, lost: 3, run_twice: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_run_is_over_it_is_ready_only_if_it_was_so_before() {
        let recorder = Arc::new(Recorder::new(Instant::now(), Duration::from_secs(1)));
        let service = JobService::new(service_fn(|_: NewJob| async { Ok(JobEnd::Ok) }));
        let noting = || Noting {
            service: service.clone(),
            recorder: Arc::clone(&recorder),
            ledger: Arc::default(),
            is_ready: false,
        };
        let (mut fetches, mut asks) = (noting(), noting());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(fetches.poll_ready(&mut cx).is_ready());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(fetches.poll_ready(&mut cx).is_ready() && asks.poll_ready(&mut cx).is_pending());
        let job = NewJob { number: 0, is_big: false, asked: None };
        fetches.call(Task::new(job)).await.unwrap();
        assert!(fetches.poll_ready(&mut cx).is_pending());
    }

    #[test]
    fn one_big_job_is_on_its_way() {
        let ledger = Ledger::default();
        assert_eq!([ledger.wants_big(), ledger.wants_big()], [true, false]);
        ledger.big_ended();
        assert!(ledger.wants_big());
    }
}
