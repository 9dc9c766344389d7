//! A worker without a job permit leaves the jobs where they are.

use std::time::Duration;

use tidegate_tests::job_queue::{JobQueue, JobWorker, WorkerPlan};

use crate::{check_runs, job_of, jobs, queues, until};

/// What a worker that does fetch needs ten times over.
const LONG: Duration = Duration::from_millis(500);

async fn check_closed_gate_leaves_rows(queue: JobQueue) {
    let gate = jobs(1);
    let permit = gate.try_acquire().unwrap();
    let held_back =
        JobWorker::start(&queue, WorkerPlan::new("held-back").limiter(&gate), job_of(Duration::ZERO));
    while !queue.worker_is_known("held-back").await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    queue.push(0..5).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(queue.count("Pending").await, 5);

    let other = JobWorker::start(&queue, WorkerPlan::new("other").limiter(&jobs(2)), job_of(Duration::ZERO));
    queue.until("Done", 5).await;
    other.stop().await.unwrap();
    let runs = queue.runs().await;
    check_runs(&runs, 5, 1);
    assert!(runs.iter().all(|run| run.worker == "other"), "{runs:?}");

    // The gate opens, and the worker goes on by itself.
    queue.push(5..8).await;
    drop(permit);
    queue.until("Done", 8).await;
    held_back.stop().await.unwrap();
    check_runs(&queue.runs().await, 8, 1);
    assert_eq!((gate.snapshot().in_flight, gate.snapshot().reserved), (0, 0));
}

#[tokio::test]
async fn worker_without_a_permit_leaves_its_jobs_to_others_on_postgres() {
    check_closed_gate_leaves_rows(JobQueue::postgres().await).await;
}

#[tokio::test]
async fn worker_without_a_permit_leaves_its_jobs_to_others_on_sqlite() {
    check_closed_gate_leaves_rows(JobQueue::sqlite().await).await;
}

#[tokio::test]
async fn jobs_that_run_at_once_are_as_many_as_the_limit() {
    for queue in queues().await {
        let gate = jobs(2);
        let worker = JobWorker::start(&queue, WorkerPlan::new("worker").limiter(&gate), job_of(LONG));
        queue.push(0..6).await;
        until(|| gate.snapshot().in_flight == 2).await;
        tokio::time::sleep(LONG / 4).await;
        assert_eq!(queue.count("Pending").await, 4);
        queue.until("Done", 6).await;
        worker.stop().await.unwrap();
        check_runs(&queue.runs().await, 6, 1);
    }
}

/// "Ready" is a promise that tower lets nobody take back, so a worker that was idle has one job to its name.
#[tokio::test]
async fn idle_worker_that_lost_its_reservation_fetches_one_job_and_serves_it_next() {
    let queue = JobQueue::postgres().await;
    let gate = jobs(1);
    let worker = JobWorker::start(&queue, WorkerPlan::new("idle").limiter(&gate), job_of(Duration::ZERO));
    until(|| gate.snapshot().reserved == 1).await;
    // Somebody who has work gets the permit of the worker that has none.
    let permit = gate.acquire().await.unwrap();
    queue.push(0..4).await;
    queue.until("Running", 1).await;
    tokio::time::sleep(LONG).await;
    assert_eq!((queue.count("Pending").await, queue.runs().await), (3, Vec::new()));
    drop(permit);
    queue.until("Done", 4).await;
    worker.stop().await.unwrap();
    check_runs(&queue.runs().await, 4, 1);
}
