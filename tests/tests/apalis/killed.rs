//! A worker's process that is killed in the middle of its jobs.

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::PgPoolOptions;
use tidegate::{ByJob, FollowConfig, Job, Limiter, MeteredPool, QueueLayer};
use tidegate_tests::job_queue::{JobQueue, JobWorker, Work, WorkerPlan, work};
use tower::ServiceBuilder;

use crate::{job_of, jobs, until};

const JOBS: u32 = 20;
const MANY: u32 = 300;
const CONNECTIONS: u32 = 8;

/// A process that is killed as it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn process(queue: &JobQueue, permits: u32, job_millis: u32, table: Option<&str>) -> Killed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_job_worker"));
    command.args([queue.url(), "killed", &permits.to_string(), &job_millis.to_string()]).args(table);
    Killed(command.spawn().unwrap())
}

async fn check_killed_worker_loses_nothing(queue: JobQueue) {
    queue.push(0..JOBS).await;
    let gate = jobs(3);
    let process = process(&queue, 2, 300, None);
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

/// A job that asks eight experts at once, each of whom reads from the table `answers`.
fn asking(pool: &MeteredPool<sqlx::Postgres>, experts: &Limiter) -> Work {
    let pool = pool.clone();
    let expert = ServiceBuilder::new().layer(QueueLayer::new(experts.clone()).class(ByJob)).service_fn(
        move |_: u32| {
            let pool = pool.clone();
            async move { pool.execute("SELECT pg_sleep(0.03), count(*) FROM answers").await.map(drop) }
        },
    );
    work(move |job| {
        let answers = Job::new(job).fan_out(expert.clone(), 0..8_u32).all();
        async move { answers.await.map(drop) }
    })
}

/// A worker that has a table for itself is killed: meanwhile the other one has admitted nobody. It goes on with the limits
/// that it had found, the jobs' with the experts', and no job fails or is lost.
#[tokio::test]
async fn limits_recover_in_the_survivor() {
    let queue = JobQueue::postgres().await;
    let options = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(Duration::from_secs(10));
    let pool = MeteredPool::new(options.connect(queue.url()).await.unwrap());
    pool.execute("CREATE TABLE answers (answer BIGINT)").await.unwrap();
    let experts = Limiter::builder().name("experts").pool(pool.probe()).build().unwrap();
    let follow = FollowConfig::default().experts_per_job(2).max_limit(4);
    let gate = Limiter::builder().name("jobs").follow(&experts, follow).build().unwrap();

    queue.push(0..MANY).await;
    let plan = WorkerPlan::new("survivor").limiter(&gate);
    let survivor = JobWorker::start(&queue, plan, asking(&pool, &experts));
    until(|| experts.snapshot().limit > CONNECTIONS && gate.snapshot().limit == 4).await;
    let process = process(&queue, 1, 600_000, Some("answers"));
    // Calls wait for connections of calls that hang: nobody is admitted any more.
    until(|| experts.snapshot().is_braked).await;
    assert_eq!(pool.stats().held, CONNECTIONS);

    // SIGKILL.
    drop(process);
    until(|| !experts.snapshot().is_braked).await;
    until(|| experts.snapshot().limit >= CONNECTIONS && gate.snapshot().limit == 4).await;
    queue.until("Done", i64::from(MANY)).await;
    survivor.stop().await.unwrap();
    let runs = queue.runs().await;
    let ended: BTreeSet<i32> = runs.iter().filter(|run| run.ended).map(|run| run.job).collect();
    assert!(ended.into_iter().eq(0..i32::try_from(MANY).unwrap()));
    assert_eq!(runs.iter().filter(|run| !run.ended).count(), 1, "the one that was cut off");
    assert_eq!((experts.snapshot().in_flight, gate.snapshot().in_flight), (0, 0));
}
