use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use apalis::layers::limit::GlobalConcurrencyLimitLayer;
use apalis::layers::retry::backoff::{ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff as _};
use apalis::layers::retry::{BackoffRetryPolicy, HasherRng, RetryLayer, RetryPolicy};
use apalis::prelude::{
    BackendExt as _, BoxDynError, WorkerBuilder, WorkerBuilderExt as _, WorkerContext, WorkerError,
};
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use futures_util::future::BoxFuture;
use futures_util::{Stream, stream};
use tidegate::{LimitLayer, Limiter};
use tokio::task::JoinHandle;

use super::JobQueue;
use super::store::{Diary, Pool};

/// The worker of the recipe on either backend, whose types have no name to be generic over.
macro_rules! run {
    ($backend:expr, $context:expr, $plan:expr, $work:expr) => {{
        let worker = WorkerBuilder::new(&$context)
            .backend($backend.poll_with_stream(ticks(Duration::from_millis(20))))
            .option_layer($plan.retry_after.map(retry))
            .option_layer($plan.limiter.map(LimitLayer::new))
            .option_layer($plan.global)
            .build(move |job: u32| $work(job));
        tokio::spawn(worker.run())
    }};
}

/// What a job does.
pub type Work = Arc<dyn Fn(u32) -> BoxFuture<'static, Result<(), BoxDynError>> + Send + Sync>;

/// What a job does, from an async closure.
pub fn work<F, Fut>(work: F) -> Work
where
    F: Fn(u32) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), BoxDynError>> + Send + 'static,
{
    Arc::new(move |job| Box::pin(work(job)))
}

/// How a worker is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerPlan {
    /// Its name, which no other worker has.
    pub name: String,
    /// Behind `LimitLayer`, if any.
    pub limiter: Option<Limiter>,
    /// Behind tower's own limit that several services share, if any.
    pub global: Option<GlobalConcurrencyLimitLayer>,
    /// A job that fails is tried once more in the worker after this time, if any.
    pub retry_after: Option<Duration>,
    /// Jobs fetched at once.
    pub batch_size: usize,
    /// A worker that was not seen for 20 times this long is taken for dead, on SQLite for 40 times, where apalis counts
    /// in whole seconds and so takes one for dead that was seen within the last.
    pub heartbeat: Duration,
}

impl WorkerPlan {
    /// As the recipe has it: one job at a time is fetched, and a dead worker is noticed after two seconds, on SQLite four.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            limiter: None,
            global: None,
            retry_after: None,
            batch_size: 1,
            heartbeat: Duration::from_millis(100),
        }
    }

    /// Its jobs hold a permit of this limiter each.
    #[must_use]
    pub fn limiter(mut self, limiter: &Limiter) -> Self {
        self.limiter = Some(limiter.clone());
        self
    }
}

/// A worker that runs. Dropping it aborts it, as a runtime does that shuts down.
#[derive(Debug)]
pub struct JobWorker {
    context: WorkerContext,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl JobWorker {
    /// Starts a worker on the queue.
    #[must_use]
    pub fn start(queue: &JobQueue, plan: WorkerPlan, work: Work) -> Self {
        let context = WorkerContext::new(&plan.name);
        let own = context.clone();
        let work = written_down(work, plan.name.clone(), queue.diary());
        let task = match &queue.queue {
            Pool::Postgres(pool) => {
                let config = apalis_postgres::Config::default()
                    .queue(std::any::type_name::<u32>())
                    .batch_size(plan.batch_size)
                    .heartbeat_interval(plan.heartbeat)
                    .missed_heartbeats(20);
                let backend = PostgresStorage::new(pool).with_config(config);
                run!(backend, own, plan, work)
            }
            Pool::Sqlite(pool) => {
                let config = apalis_sqlite::Config::default()
                    .queue(std::any::type_name::<u32>())
                    .batch_size(plan.batch_size)
                    .heartbeat_interval(plan.heartbeat)
                    .missed_heartbeats(40);
                let backend = SqliteStorage::new(pool).with_config(config);
                run!(backend, own, plan, work)
            }
        };
        Self { context, task }
    }

    /// Asks it to take no more jobs, and waits until it has ended those it has.
    ///
    /// # Errors
    ///
    /// What the worker died of, if it did.
    ///
    /// # Panics
    ///
    /// When it panicked.
    pub async fn stop(mut self) -> Result<(), WorkerError> {
        self.context.stop()?;
        (&mut self.task).await.expect("the worker does not panic")
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// What the worker died of, if it did.
    ///
    /// # Panics
    ///
    /// When it panicked.
    pub async fn ended(mut self) -> Result<(), WorkerError> {
        (&mut self.task).await.expect("the worker does not panic")
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for JobWorker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks for jobs every so often. apalis's own interval is not heard again if it ends while a slow fetch runs.
pub fn ticks(every: Duration) -> impl Stream<Item = ()> + Unpin + Send {
    let mut interval = tokio::time::interval(every);
    stream::poll_fn(move |cx| {
        while interval.poll_tick(cx).is_ready() {}
        Poll::Pending
    })
}

fn retry(after: Duration) -> RetryLayer<BackoffRetryPolicy<ExponentialBackoff>> {
    let mut waits = ExponentialBackoffMaker::new(after, after, 0.0, HasherRng::new())
        .expect("a wait without chance in it");
    RetryLayer::new(RetryPolicy::retries(1).with_backoff(waits.make_backoff()))
}

/// The work, with each run written down as it begins and as it ends.
fn written_down(job_does: Work, worker: String, diary: Diary) -> Work {
    work(move |job| {
        let (worker, diary, does) = (worker.clone(), diary.clone(), job_does(job));
        async move {
            diary.begins(job, &worker).await;
            does.await?;
            diary.ends(job, &worker).await;
            Ok(())
        }
    })
}
