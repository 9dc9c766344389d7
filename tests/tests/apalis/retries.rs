//! What a job's error does in the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
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
