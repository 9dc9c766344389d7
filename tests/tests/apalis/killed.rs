//! A worker's process that is killed in the middle of its jobs.

use std::process::{Child, Command};
use std::time::Duration;

use tidegate_tests::job_queue::{JobQueue, JobWorker, WorkerPlan};

use crate::{job_of, jobs, until};

const JOBS: u32 = 20;

/// A process that is killed as it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn process(queue: &JobQueue, permits: u32, job_millis: u32) -> Killed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_job_worker"));
    command.args([queue.url(), "killed", &permits.to_string(), &job_millis.to_string()]);
    Killed(command.spawn().unwrap())
}

async fn check_killed_worker_loses_nothing(queue: JobQueue) {
    queue.push(0..JOBS).await;
    let gate = jobs(3);
    let process = process(&queue, 2, 300);
    queue.until("Done", 4).await;
    let survivor = JobWorker::start(
        &queue,
        WorkerPlan::new("survivor").limiter(&gate),
        job_of(Duration::from_millis(300)),
    );
    until(|| gate.snapshot().in_flight == 3).await;
    // SIGKILL.
    drop(process);
    queue.until("Done", i64::from(JOBS)).await;
    survivor.stop().await.unwrap();

    let runs = queue.runs().await;
    for job in 0..i32::try_from(JOBS).unwrap() {
        let of_job: Vec<_> = runs.iter().filter(|run| run.job == job).collect();
        // At least once: a second run is owed to the death of the first, or of its acknowledgement.
        assert!(of_job.iter().any(|run| run.ended), "{of_job:?}");
        let by_survivor = of_job.iter().filter(|run| run.worker == "survivor").count();
        assert!(by_survivor <= 1 && of_job.len() <= 2, "{of_job:?}");
    }
    let cut_off = runs.iter().filter(|run| !run.ended).count();
    assert!((1..=2).contains(&cut_off), "{cut_off} runs were cut off: {runs:?}");
    assert_eq!((gate.snapshot().in_flight, gate.snapshot().reserved, gate.snapshot().limit), (0, 0, 3));
}

#[tokio::test]
async fn killed_worker_loses_no_job_on_postgres() {
    check_killed_worker_loses_nothing(JobQueue::postgres().await).await;
}

#[tokio::test]
async fn killed_worker_loses_no_job_on_sqlite() {
    check_killed_worker_loses_nothing(JobQueue::sqlite().await).await;
}
