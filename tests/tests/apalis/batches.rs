//! Why the recipe fetches one job at a time.

use std::time::Duration;

use tidegate_tests::job_queue::{JobQueue, JobWorker, WorkerPlan};

use crate::{check_runs, job_of, jobs};

/// Longer than the two seconds after which a worker that was not seen is taken for dead.
const LONG: Duration = Duration::from_millis(2500);

/// The same where it is four.
const LONG_ON_SQLITE: Duration = Duration::from_millis(4500);

async fn check_jobs_behind_a_gate_run_once(queue: JobQueue, time: Duration) {
    queue.push(0..6).await;
    let workers = ["one", "two"]
        .map(|name| JobWorker::start(&queue, WorkerPlan::new(name).limiter(&jobs(1)), job_of(time)));
    queue.until("Done", 6).await;
    for worker in workers {
        worker.stop().await.unwrap();
    }
    check_runs(&queue.runs().await, 6, 1);
}

#[tokio::test]
async fn nothing_runs_twice_behind_a_closed_gate_on_postgres() {
    check_jobs_behind_a_gate_run_once(JobQueue::postgres().await, LONG).await;
}

#[tokio::test]
async fn nothing_runs_twice_behind_a_closed_gate_on_sqlite() {
    check_jobs_behind_a_gate_run_once(JobQueue::sqlite().await, LONG_ON_SQLITE).await;
}

/// The gate is closed for longer than it takes to be thought dead, while jobs of the worker still run.
#[tokio::test]
async fn worker_behind_a_closed_gate_is_still_seen_and_its_jobs_are_acknowledged() {
    let queue = JobQueue::postgres().await;
    let gate = jobs(2);
    let permit = gate.try_acquire().unwrap();
    let held_back = JobWorker::start(&queue, WorkerPlan::new("held-back").limiter(&gate), job_of(LONG));
    let other = JobWorker::start(&queue, WorkerPlan::new("other").limiter(&jobs(1)), job_of(LONG));
    queue.push(0..4).await;
    queue.until("Done", 4).await;
    drop(permit);
    check_runs(&queue.runs().await, 4, 1);
    held_back.stop().await.unwrap();
    other.stop().await.unwrap();
}
