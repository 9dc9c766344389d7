//! What workers share with others: a job limit, and a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use apalis::layers::limit::GlobalConcurrencyLimitLayer;
use futures_util::StreamExt as _;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tidegate_tests::job_queue::{JobQueue, JobWorker, Work, WorkerPlan, ticks, work};

use crate::{check_runs, job_of, jobs, queues, until};

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn idle_workers_leave_a_shared_limit_to_the_one_with_jobs() {
    for (idle, queue) in queues().await.into_iter().zip(queues().await) {
        let gate = jobs(2);
        let sleepers = ["one", "two"]
            .map(|name| JobWorker::start(&idle, WorkerPlan::new(name).limiter(&gate), job_of(SHORT)));
        // Both are ready and have nothing to do.
        until(|| gate.snapshot().reserved == 2).await;
        let busy = JobWorker::start(&queue, WorkerPlan::new("busy").limiter(&gate), job_of(SHORT));
        queue.push(0..10).await;
        queue.until("Done", 10).await;
        check_runs(&queue.runs().await, 10, 1);
        for worker in sleepers.into_iter().chain([busy]) {
            worker.stop().await.unwrap();
        }
        assert_eq!((gate.snapshot().in_flight, gate.snapshot().reserved), (0, 0));
    }
}

/// With tower's own shared limit the third worker runs nothing while two idle ones are there. This holds what the one
/// above is compared with; it may go when tower or apalis mend it.
#[tokio::test]
async fn idle_workers_keep_towers_shared_limit_from_the_one_with_jobs() {
    let (idle, queue) = (JobQueue::postgres().await, JobQueue::postgres().await);
    let global = GlobalConcurrencyLimitLayer::new(2);
    let plan = |name| {
        let mut plan = WorkerPlan::new(name);
        plan.global = Some(global.clone());
        plan
    };
    let [one, two] = ["one", "two"].map(|name| JobWorker::start(&idle, plan(name), job_of(SHORT)));
    while !(idle.worker_is_known("one").await && idle.worker_is_known("two").await) {
        tokio::time::sleep(SHORT).await;
    }
    let busy = JobWorker::start(&queue, plan("busy"), job_of(SHORT));
    queue.push(0..10).await;
    tokio::time::sleep(20 * SHORT).await;
    assert_eq!(queue.count("Done").await, 0);
    one.stop().await.unwrap();
    queue.until("Done", 10).await;
    two.stop().await.unwrap();
    busy.stop().await.unwrap();
}

/// The application's pool, of one connection.
async fn application(queue: &JobQueue) -> PgPool {
    let options = PgPoolOptions::new().max_connections(1).acquire_timeout(4 * SHORT);
    options.connect(queue.url()).await.unwrap()
}

/// A job that asks the application's pool.
fn asks(pool: &PgPool) -> Work {
    let pool = pool.clone();
    work(move |_| {
        let pool = pool.clone();
        async move {
            sqlx::query("SELECT 1").execute(&pool).await?;
            Ok(())
        }
    })
}

#[tokio::test]
async fn worker_on_a_pool_of_its_own_outlives_the_exhaustion_of_the_applications() {
    let queue = JobQueue::postgres().await;
    let pool = application(&queue).await;
    let worker = JobWorker::start(&queue, WorkerPlan::new("worker").limiter(&jobs(2)), asks(&pool));
    let held = pool.acquire().await.unwrap();
    queue.push(0..4).await;
    // Each try fails after the acquire timeout and goes back to the queue.
    until_some_run_twice(&queue).await;
    assert!(!worker.has_ended());
    drop(held);
    queue.until("Done", 4).await;
    worker.stop().await.unwrap();
}

async fn until_some_run_twice(queue: &JobQueue) {
    while queue.runs().await.len() <= 4 {
        tokio::time::sleep(SHORT).await;
    }
}

/// Why the recipe gives the queue a pool of its own. It may go when apalis outlives an error of its database.
#[tokio::test]
async fn worker_on_the_applications_pool_dies_of_its_exhaustion() {
    let queue = JobQueue::postgres().await;
    let pool = application(&queue).await;
    let shared = queue.on_pool(&pool);
    let worker = JobWorker::start(&shared, WorkerPlan::new("worker").limiter(&jobs(2)), asks(&pool));
    let held = pool.acquire().await.unwrap();
    let error = worker.ended().await.unwrap_err().to_string();
    assert!(error.starts_with("Failed to poll backend: ") && error.contains("pool timed out"), "{error}");
    drop(held);
}

/// Counts how often a task would be woken.
#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// apalis asks once each time its worker is awake, perhaps long after the tick; nothing else may wake the worker again.
#[tokio::test]
async fn ticks_leave_a_wake_behind_however_late_they_are_asked() {
    let (wakes, mut ticks) = (Arc::new(Wakes::default()), ticks(SHORT));
    let waker = Waker::from(Arc::clone(&wakes));
    for asked in 1..=3 {
        assert!(ticks.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        tokio::time::sleep(3 * SHORT).await;
        assert_eq!(wakes.0.load(Ordering::Relaxed), asked);
    }
}
