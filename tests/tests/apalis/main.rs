//! A real apalis worker behind the limiter's layer: what `docs/job-queue.md` says of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

mod backpressure;
mod batches;
mod killed;
mod retries;
mod shared;
mod stopped;

use std::time::Duration;

use tidegate::Limiter;
use tidegate_tests::job_queue::{JobQueue, Run, Work, work};

/// A job limiter of that many permits.
fn jobs(permits: u32) -> Limiter {
    Limiter::builder().name("jobs").fixed(permits).build().unwrap()
}

/// A job that takes that long.
fn job_of(time: Duration) -> Work {
    work(move |_| async move {
        tokio::time::sleep(time).await;
        Ok(())
    })
}

/// Waits until it is so.
async fn until(is_so: impl Fn() -> bool) {
    let come = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), come).await.unwrap();
}

/// Each job of that many ran that often.
#[track_caller]
fn check_runs(runs: &[Run], jobs: u32, times: usize) {
    for job in 0..jobs {
        let found = runs.iter().filter(|run| run.job == i32::try_from(job).unwrap()).count();
        assert_eq!(found, times, "job {job}: {runs:?}");
    }
}

/// A queue on each backend that the recipe is for.
async fn queues() -> [JobQueue; 2] {
    [JobQueue::postgres().await, JobQueue::sqlite().await]
}
