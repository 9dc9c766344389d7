//! The tiers of `adaptive-tiers`: jobs, experts, retries.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tidegate::{
    Class, FollowConfig, LimitLayer, Limiter, Mode, Outcome, Overloaded, QueueLayer, RetryBudget,
};
use tokio::time::sleep;
use tower::retry::{Policy, RetryLayer};
use tower::{BoxError, ServiceBuilder};

use super::{ExpertService, limiter};
use crate::ask::Ask;
use crate::error_kind::ErrorKind;
use crate::expert::{Bench, ExpertError};
use crate::failure::Failure;
use crate::jobs::JobService;
use crate::recorder::Recorder;
use crate::scan::Bounds;

/// A limit of experts that is found from the pool and shared fairly by the jobs, and a limit of jobs that follows it.
#[derive(Debug)]
pub(super) struct Tiers {
    pub(super) experts: Limiter,
    jobs: Limiter,
}

/// A job with fewer experts at work than this only holds a place that another could use better.
const EXPERTS_PER_JOB: u32 = 2;

/// Tries of an expert, the first included.
const TRIES: u32 = 3;

/// The first retry waits about this long, the next twice as long: long enough that what failed it may have passed.
const BACK_OFF: Duration = Duration::from_millis(50);

impl Tiers {
    pub(super) fn new(bench: &Bench, bounds: Bounds) -> Result<Self, Failure> {
        let experts = limiter(bench, bounds, Mode::Enforce, |builder| {
            // Every expert of the workload may wait: what is refused would be tried again by its job.
            let builder = builder.queue_limit(bench.workload.experts_at_once());
            // The pool reserves what an expert holds at once, so that no cap is needed against deadlocks.
            builder.connections_per_call(1)
        })?;
        let follow = FollowConfig::default().experts_per_job(EXPERTS_PER_JOB);
        let jobs = Limiter::builder().name("jobs").follow(&experts, follow).build().map_err(Failure::work)?;
        Ok(Self { experts, jobs })
    }

    /// Queues the experts by job, and tries those again that failed for want of capacity, as far as the limiter lends retries.
    pub(super) fn in_front_of(&self, bench: &Arc<Bench>, expert: ExpertService) -> ExpertService {
        let queue = QueueLayer::new(self.experts.clone())
            .class(|ask: &Ask| Class::default().key(ask.job.key()))
            .classify_errors(|error: &ExpertError| error.outcome);
        let recorder = Arc::clone(&bench.recorder);
        let retries = Lent { budget: self.experts.retry_budget(), made: 0, recorder: Arc::clone(&recorder) };
        let service = ServiceBuilder::new()
            .layer(RetryLayer::new(retries))
            .map_err(move |error: BoxError| expert_error(&error, &recorder))
            .layer(queue)
            .service(expert);
        ExpertService::new(service)
    }

    /// A worker that has no permit for another job takes none.
    pub(super) fn in_front_of_jobs(&self, runner: JobService) -> JobService {
        JobService::new(ServiceBuilder::new().layer(LimitLayer::new(self.jobs.clone())).service(runner))
    }

    /// Jobs that may run at a time.
    pub(super) fn job_limit(&self) -> u32 {
        self.jobs.snapshot().limit
    }
}

/// An error of the queue is a refusal, which no expert has counted.
fn expert_error(error: &BoxError, recorder: &Recorder) -> ExpertError {
    match error.downcast_ref::<ExpertError>() {
        Some(error) => *error,
        None => {
            let is_refused = error.is::<Overloaded>();
            recorder.query_failed(if is_refused { ErrorKind::Refused } else { ErrorKind::Other });
            ExpertError { outcome: Outcome::Overload }
        }
    }
}

/// Retries of what failed for want of capacity, each of them lent by the limiter.
#[derive(Clone, Debug)]
struct Lent {
    budget: RetryBudget,
    made: u32,
    recorder: Arc<Recorder>,
}

impl<T> Policy<Ask, T, ExpertError> for Lent {
    type Future = BoxFuture<'static, ()>;

    fn retry(&mut self, _ask: &mut Ask, result: &mut Result<T, ExpertError>) -> Option<Self::Future> {
        let is_overload = matches!(result, Err(error) if error.outcome == Outcome::Overload);
        if !is_overload || self.made + 1 >= TRIES || self.recorder.is_over() {
            return None;
        }
        self.budget.withdraw().ok()?;
        let back_off = BACK_OFF * (1 << self.made);
        self.made += 1;
        // From a half to the whole, so that what failed together does not come back together.
        Some(Box::pin(sleep(back_off.mul_f64(0.5 + fastrand::f64() / 2.0))))
    }

    fn clone_request(&mut self, ask: &Ask) -> Option<Ask> {
        Some(ask.clone())
    }
}
