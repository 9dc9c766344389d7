//! The tiers of `adaptive-tiers`: jobs, experts, retries.

use std::sync::Arc;
use std::time::Duration;

use tidegate::{
    FollowConfig, LimitLayer, Limiter, Mode, Outcome, Overloaded, QueueLayer, RetryConfig, RetryPolicy,
};
use tower::retry::RetryLayer;
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

/// The first retry waits about this long, the next twice as long: long enough that what failed it may have passed.
const BACK_OFF: Duration = Duration::from_millis(50);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

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
    ///
    /// # Errors
    ///
    /// Settings that the policy refuses.
    pub(super) fn in_front_of(
        &self,
        bench: &Arc<Bench>,
        expert: ExpertService,
    ) -> Result<ExpertService, Failure> {
        let queue = QueueLayer::new(self.experts.clone())
            .class(|ask: &Ask| ask.job.job().class())
            .classify_errors(|error: &ExpertError| error.outcome);
        let [retried, failed] = [(); 2].map(|()| Arc::clone(&bench.recorder));
        let retries = RetryPolicy::new(self.experts.retry_budget())
            .config(RetryConfig::default().backoff(BACK_OFF, BACK_OFF_MAX))
            .map_err(Failure::work)?
            // An expert reads, and writes what it writes over. What begins after the run is no part of it.
            .idempotent(move |_: &Ask| !retried.is_over())
            .classify_errors(outcome);
        let service = ServiceBuilder::new()
            .map_err(move |error: BoxError| expert_error(&error, &failed))
            .layer(RetryLayer::new(retries))
            .layer(queue)
            .service(expert);
        Ok(ExpertService::new(service))
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

/// What an expert's error says. That a refusal may be tried again the policy knows by itself.
fn outcome(error: &BoxError) -> Outcome {
    error.downcast_ref::<ExpertError>().map_or(Outcome::Ignored, |error| error.outcome)
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
