//! What stands in front of the experts, and in front of the jobs: each policy as tower stacks.

mod ticket;
mod tiers;
mod tries;

use std::sync::Arc;

use serde::Serialize;
use tidegate::{DecisionRecord, LimitLayer, Limiter, LimiterBuilder, Mode};
use tower::limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer};
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, service_fn};

use self::ticket::Recipe;
use self::tiers::Tiers;
use self::tries::AtOnce;
use crate::ask::Ask;
use crate::expert::{Bench, ExpertError};
use crate::failure::Failure;
use crate::jobs::JobService;
use crate::joined::Joined;
use crate::num::round3;
use crate::policy::Policy;
use crate::queue::QueueKind;
use crate::run::Order;
use crate::scan::Bounds;

/// Runs one expert per call.
pub(crate) type ExpertService = BoxCloneSyncService<Ask, (), ExpertError>;

/// The services of one run, with what can be read off them.
#[derive(Debug)]
pub(crate) struct Gate {
    experts: Experts,
    /// How experts that fail are tried again, if they are.
    retries: Option<AtOnce>,
    limit: Limit,
    jobs: Jobs,
}

/// What the experts of different jobs share.
#[derive(Debug)]
enum Experts {
    Shared(ExpertService),
    /// A limit in each job, in front of that service.
    PerJob(u32, ExpertService),
}

/// What holds jobs back.
#[derive(Debug)]
enum Jobs {
    /// So many at a time.
    AtOnce(u32),
    /// Those who ask for them: they are as many as may run.
    Nobody,
    Ticket(Recipe),
    Tiers,
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
    Tiers(Tiers),
}

impl Gate {
    /// Puts the policy in front of the bench. Where jobs come from a queue, its worker has to be told how many it may run; else
    /// there are as many as the workload has.
    ///
    /// # Errors
    ///
    /// Settings that the limiter refuses.
    pub(crate) fn new(bench: &Arc<Bench>, order: Order) -> Result<Self, Failure> {
        let Order { policy, bounds, queue } = order;
        let jobs = bench.workload.jobs_at_once();
        let has_tiers = policy == Policy::AdaptiveTiers;
        let joined = has_tiers.then(|| Joined::new(bench)).transpose()?;
        let expert = expert(bench, joined);
        let (experts, limit) = match policy {
            Policy::Fixed(limit) => {
                let layer = GlobalConcurrencyLimitLayer::new(limit as usize);
                let service = ServiceBuilder::new().layer(layer).service(expert);
                (Experts::Shared(ExpertService::new(service)), Limit::Fixed(limit))
            }
            Policy::PerJob(limit) => {
                (Experts::PerJob(limit, expert), Limit::Fixed(limit.saturating_mul(jobs)))
            }
            Policy::Adaptive | Policy::Shadow => {
                let mode = if policy == Policy::Shadow { Mode::Shadow } else { Mode::Enforce };
                let limiter = limiter(bench, bounds, mode, |builder| builder)?;
                let layer =
                    LimitLayer::new(limiter.clone()).classify_errors(|error: &ExpertError| error.outcome);
                let service = ServiceBuilder::new().layer(layer).service(expert);
                (Experts::Shared(ExpertService::new(service)), Limit::Adaptive(limiter))
            }
            Policy::AdaptiveTiers => {
                let tiers = Tiers::new(bench, bounds)?;
                (Experts::Shared(tiers.in_front_of(bench, expert)?), Limit::Tiers(tiers))
            }
            Policy::Ticket => {
                let limit = ticket::EXPERTS_PER_JOB;
                (Experts::PerJob(limit, expert), Limit::Fixed(limit.saturating_mul(ticket::JOBS)))
            }
            // The oracle is a fixed limit once it is found; before, nothing is known.
            Policy::None | Policy::Oracle => (Experts::Shared(expert), Limit::None),
        };
        let tries = bench.workload.tries;
        let retries = (tries > 1 && !has_tiers).then(|| AtOnce::tries(tries, &bench.recorder));
        let jobs = match policy {
            Policy::AdaptiveTiers => Jobs::Tiers,
            Policy::Ticket => Jobs::Ticket(Recipe::new()?),
            _ if queue == QueueKind::Apalis => Jobs::AtOnce(jobs),
            _ => Jobs::Nobody,
        };
        Ok(Self { experts, retries, limit, jobs })
    }

    /// The service for the experts of one job.
    pub(crate) fn experts_of_a_job(&self) -> ExpertService {
        let service = match &self.experts {
            Experts::Shared(service) => service.clone(),
            Experts::PerJob(limit, service) => {
                let layer = ConcurrencyLimitLayer::new(*limit as usize);
                ExpertService::new(ServiceBuilder::new().layer(layer).service(service.clone()))
            }
        };
        match &self.retries {
            // In front of the limit, so that each try waits for a turn of its own.
            Some(retries) => {
                let layer = RetryLayer::new(retries.clone());
                ExpertService::new(ServiceBuilder::new().layer(layer).service(service))
            }
            None => service,
        }
    }

    /// What holds jobs back, in front of the service that runs them.
    pub(crate) fn jobs(&self, runner: JobService) -> JobService {
        match (&self.jobs, &self.limit) {
            (Jobs::Tiers, Limit::Tiers(tiers)) => tiers.in_front_of_jobs(runner),
            (Jobs::Ticket(recipe), _) => recipe.in_front_of_jobs(runner),
            (Jobs::AtOnce(jobs), _) => {
                let layer = GlobalConcurrencyLimitLayer::new(*jobs as usize);
                JobService::new(ServiceBuilder::new().layer(layer).service(runner))
            }
            (Jobs::Nobody | Jobs::Tiers, _) => runner,
        }
    }

    /// Jobs that may run at a time, if the policy finds that out.
    pub(crate) fn job_limit(&self) -> Option<u32> {
        if let Limit::Tiers(tiers) = &self.limit { Some(tiers.job_limit()) } else { None }
    }

    /// Experts that may be in flight over all jobs now, if there is a limit; in shadow mode, those that would be.
    pub(crate) fn limit(&self) -> Option<u32> {
        match &self.limit {
            Limit::Adaptive(limiter) => Some(limiter.snapshot().limit),
            Limit::Tiers(tiers) => Some(tiers.experts.snapshot().limit),
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
            Limit::Tiers(tiers) => tiers.experts.decisions(),
            Limit::Fixed(_) | Limit::None => Vec::new(),
        }
    }
}

/// An expert at work, with nothing in front of it.
fn expert(bench: &Arc<Bench>, joined: Option<Joined>) -> ExpertService {
    let bench = Arc::clone(bench);
    ExpertService::new(service_fn(move |ask: Ask| {
        let (bench, joined) = (Arc::clone(&bench), joined.clone());
        async move {
            ask.begin();
            let _counted = bench.recorder.count_in_flight();
            bench.expert(&ask, joined.as_ref()).await
        }
    }))
}

fn limiter(
    bench: &Bench,
    bounds: Bounds,
    mode: Mode,
    further: impl FnOnce(LimiterBuilder) -> LimiterBuilder,
) -> Result<Limiter, Failure> {
    let per_call = bench.workload.connections_per_call();
    let mut builder = Limiter::builder().name("experts").connections_per_call(per_call).mode(mode);
    if let Some(min) = bounds.min {
        builder = builder.min_limit(min);
    }
    if let Some(max) = bounds.max {
        builder = builder.max_limit(max);
    }
    bench.pools.probed_by(further(builder)).build().map_err(Failure::work)
}
