//! Workers that are stopped, aborted, or whose limiter is closed.

use std::time::Duration;

use tidegate_tests::job_queue::{JobQueue, JobWorker, WorkerPlan};

use crate::{check_runs, job_of, jobs, queues, until};

const TIME: Duration = Duration::from_millis(300);

#[tokio::test]
async fn stopped_worker_ends_what_it_has_and_leaves_the_rest() {
    for queue in queues().await {
        let gate = jobs(2);
        queue.push(0..8).await;
        let stopped = JobWorker::start(&queue, WorkerPlan::new("stopped").limiter(&gate), job_of(TIME));
        until(|| gate.snapshot().in_flight == 2).await;
        stopped.stop().await.unwrap();
        // All that it began is acknowledged, and what it has not begun waits for others.
        let runs = queue.runs().await;
        let done = i64::try_from(runs.len()).unwrap();
        assert!(done >= 2 && runs.iter().all(|run| run.ended), "{runs:?}");
        assert_eq!((queue.count("Done").await, queue.count("Pending").await), (done, 8 - done));
        assert_eq!((gate.snapshot().in_flight, gate.snapshot().reserved), (0, 0));

        let next = JobWorker::start(&queue, WorkerPlan::new("next").limiter(&gate), job_of(Duration::ZERO));
        queue.until("Done", 8).await;
        next.stop().await.unwrap();
        check_runs(&queue.runs().await, 8, 1);
    }
}

#[tokio::test]
async fn aborted_worker_gives_its_permits_back_and_its_jobs_run_again() {
    let queue = JobQueue::postgres().await;
    let gate = jobs(2);
    queue.push(0..6).await;
    let aborted = JobWorker::start(&queue, WorkerPlan::new("aborted").limiter(&gate), job_of(100 * TIME));
    until(|| gate.snapshot().in_flight == 2).await;
    queue.until("Running", 2).await;
    // A row is running before its job has said so.
    while queue.runs().await.len() < 2 {
        tokio::time::sleep(TIME / 10).await;
    }
    drop(aborted);
    until(|| gate.snapshot().in_flight == 0 && gate.snapshot().reserved == 0).await;

    let next = JobWorker::start(&queue, WorkerPlan::new("next").limiter(&gate), job_of(Duration::ZERO));
    queue.until("Done", 6).await;
    next.stop().await.unwrap();
    let mut twice: Vec<_> = queue.runs().await.into_iter().filter(|run| run.worker == "aborted").collect();
    assert_eq!(twice.len(), 2);
    assert!(twice.iter().all(|run| !run.ended));
    twice.extend(queue.runs().await.into_iter().filter(|run| run.worker == "next"));
    assert_eq!(twice.len(), 8);
}

/// A closed limiter is no stopped worker: it fetches nothing more, and stays.
#[tokio::test]
async fn worker_of_a_drained_limiter_fetches_nothing_more_and_can_be_stopped() {
    let queue = JobQueue::postgres().await;
    let gate = jobs(2);
    queue.push(0..6).await;
    let worker = JobWorker::start(&queue, WorkerPlan::new("worker").limiter(&gate), job_of(TIME));
    until(|| gate.snapshot().in_flight == 2).await;
    gate.drain().await;
    assert_eq!(gate.snapshot().in_flight, 0);
    queue.until("Done", 2).await;
    tokio::time::sleep(TIME).await;
    assert!(!worker.has_ended());
    assert_eq!(queue.count("Pending").await, 4);
    worker.stop().await.unwrap();
    check_runs(&queue.runs().await, 2, 1);
}
