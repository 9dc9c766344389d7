//! What a job's error does in the queue.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apalis::prelude::AbortError;
use tidegate_tests::job_queue::{JobQueue, JobWorker, WorkerPlan, work};

use crate::{jobs, queues};

#[tokio::test]
async fn job_that_failed_is_pending_again_and_gives_its_permit_back_meanwhile() {
    for queue in queues().await {
        let gate = jobs(1);
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let does = work(move |_| {
            let nth = counted.fetch_add(1, Ordering::Relaxed);
            async move { if nth < 2 { Err(sqlx::Error::PoolTimedOut.into()) } else { Ok(()) } }
        });
        let worker = JobWorker::start(&queue, WorkerPlan::new("worker").limiter(&gate), does);
        queue.push(0..1).await;
        queue.until("Done", 1).await;
        worker.stop().await.unwrap();
        assert_eq!(tries.load(Ordering::Relaxed), 3);
        assert_eq!((gate.snapshot().in_flight, gate.snapshot().reserved), (0, 0));
    }
}

#[tokio::test]
async fn job_that_aborts_is_not_run_again() {
    let queue = JobQueue::postgres().await;
    let does = work(|_| async { Err(AbortError::new("no such user").into()) });
    let worker = JobWorker::start(&queue, WorkerPlan::new("worker").limiter(&jobs(1)), does);
    queue.push(0..1).await;
    queue.until("Killed", 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    worker.stop().await.unwrap();
    assert_eq!(queue.runs().await.len(), 1);
}

#[tokio::test]
async fn job_that_waits_for_its_retry_above_the_limit_holds_no_permit() {
    let queue = JobQueue::postgres().await;
    let gate = jobs(1);
    let began = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&began);
    let does = work(move |job| {
        let mut began = noted.lock().unwrap();
        began.push(job);
        let fails = job == 0 && began.len() == 1;
        async move { if fails { Err("not yet".into()) } else { Ok(()) } }
    });
    let mut plan = WorkerPlan::new("worker").limiter(&gate);
    plan.retry_after = Some(Duration::from_secs(1));
    let worker = JobWorker::start(&queue, plan, does);
    queue.push(0..1).await;
    // The job is in the worker, and waits; another one has the only permit meanwhile.
    while began.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    queue.push(1..2).await;
    queue.until("Done", 2).await;
    worker.stop().await.unwrap();
    assert_eq!(*began.lock().unwrap(), [0, 1, 0]);
}
