//! What stands in front of the experts: each policy as a tower stack.

use std::sync::Arc;

use serde::Serialize;
use tidegate::{DecisionRecord, LimitLayer, Limiter, Mode};
use tokio::time::Instant;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::expert::{Bench, ExpertError};
use crate::failure::Failure;
use crate::num::round3;
use crate::policy::Policy;
use crate::scan::Bounds;

/// Runs one expert per call, which says when it was asked for.
pub(crate) type ExpertService = BoxCloneService<Instant, (), ExpertError>;

/// The service of one run, with what can be read off it.
#[derive(Debug)]
pub(crate) struct Gate {
    /// One for each job that runs at a time; what they share depends on the policy.
    services: Vec<ExpertService>,
    limit: Limit,
}

/// What a limiter in shadow mode would have done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Shadow {
    /// Experts that would have had to wait for a permit.
    pub(crate) would_have_queued: u64,
    pub(crate) would_have_refused: u64,
    /// How long they would have waited, all together.
    pub(crate) would_have_waited_s: f64,
}

#[derive(Debug)]
enum Limit {
    Adaptive(Limiter),
    Fixed(u32),
    None,
}

impl Gate {
    /// Puts the policy in front of the bench.
    ///
    /// # Errors
    ///
    /// Settings that the limiter refuses.
    pub(crate) fn new(bench: &Arc<Bench>, policy: Policy, bounds: Bounds) -> Result<Self, Failure> {
        let jobs = bench.workload.jobs;
        let expert = {
            let bench = Arc::clone(bench);
            service_fn(move |asked| {
                let bench = Arc::clone(&bench);
                async move {
                    let _counted = bench.recorder.count_in_flight();
                    bench.expert(asked).await
                }
            })
        };
        let shared = |service: ExpertService| (0..jobs).map(|_| service.clone()).collect();
        Ok(match policy {
            Policy::Fixed(limit) => {
                let layer = GlobalConcurrencyLimitLayer::new(limit as usize);
                let service = ServiceBuilder::new().layer(layer).service(expert).boxed_clone();
                Self { services: shared(service), limit: Limit::Fixed(limit) }
            }
            Policy::PerJob(limit) => {
                let stack =
                    || ServiceBuilder::new().concurrency_limit(limit as usize).service(expert.clone());
                let services = (0..jobs).map(|_| stack().boxed_clone()).collect();
                Self { services, limit: Limit::Fixed(limit.saturating_mul(jobs)) }
            }
            Policy::Adaptive | Policy::Shadow => {
                let mode = if policy == Policy::Shadow { Mode::Shadow } else { Mode::Enforce };
                let limiter = limiter(bench, bounds, mode)?;
                let layer =
                    LimitLayer::new(limiter.clone()).classify_errors(|error: &ExpertError| error.outcome);
                let service = ServiceBuilder::new().layer(layer).service(expert).boxed_clone();
                Self { services: shared(service), limit: Limit::Adaptive(limiter) }
            }
            // The oracle is a fixed limit once it is found; before, nothing is known.
            Policy::None | Policy::Oracle => {
                Self { services: shared(expert.boxed_clone()), limit: Limit::None }
            }
        })
    }

    /// The service of each job that runs at a time.
    pub(crate) fn services(&self) -> impl Iterator<Item = ExpertService> {
        self.services.iter().cloned()
    }

    /// Experts that may be in flight over all jobs now, if there is a limit; in shadow mode, those that would be.
    pub(crate) fn limit(&self) -> Option<u32> {
        match &self.limit {
            Limit::Adaptive(limiter) => Some(limiter.snapshot().limit),
            Limit::Fixed(limit) => Some(*limit),
            Limit::None => None,
        }
    }

    /// What shadow mode let through until now, if that is the policy.
    pub(crate) fn shadow(&self) -> Option<Shadow> {
        let Limit::Adaptive(limiter) = &self.limit else { return None };
        let seen = limiter.snapshot();
        (seen.mode == Mode::Shadow).then(|| Shadow {
            would_have_queued: seen.would_have_queued,
            would_have_refused: seen.would_have_refused,
            would_have_waited_s: round3(seen.would_have_waited.as_secs_f64()),
        })
    }

    /// The last changes of the limit, oldest first.
    pub(crate) fn decisions(&self) -> Vec<DecisionRecord> {
        match &self.limit {
            Limit::Adaptive(limiter) => limiter.decisions(),
            Limit::Fixed(_) | Limit::None => Vec::new(),
        }
    }
}

fn limiter(bench: &Bench, bounds: Bounds, mode: Mode) -> Result<Limiter, Failure> {
    let per_call = bench.workload.connections_per_call();
    let mut builder = Limiter::builder().name("experts").connections_per_call(per_call).mode(mode);
    if let Some(min) = bounds.min {
        builder = builder.min_limit(min);
    }
    if let Some(max) = bounds.max {
        builder = builder.max_limit(max);
    }
    bench.pools.probed_by(builder).build().map_err(Failure::work)
}
