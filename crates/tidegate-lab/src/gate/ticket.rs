//! The ticket's own recipe for jobs: two at once, and two starts a second.

use std::time::Duration;

use tidegate::RateLayer;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::failure::Failure;
use crate::jobs::JobService;

/// Experts of each job at once.
pub(super) const EXPERTS_PER_JOB: u32 = 5;

/// Jobs at once.
pub(super) const JOBS: u32 = 2;

const STARTS: u32 = 2;
const PERIOD: Duration = Duration::from_secs(1);

/// What holds the jobs back.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    rate: RateLayer,
    at_once: GlobalConcurrencyLimitLayer,
}

impl Recipe {
    pub(super) fn new() -> Result<Self, Failure> {
        let rate = RateLayer::new(STARTS, PERIOD).map_err(Failure::work)?;
        Ok(Self { rate, at_once: GlobalConcurrencyLimitLayer::new(JOBS as usize) })
    }

    pub(super) fn in_front_of_jobs(&self, runner: JobService) -> JobService {
        let layers = ServiceBuilder::new().layer(self.rate.clone()).layer(self.at_once.clone());
        JobService::new(layers.service(runner))
    }
}
