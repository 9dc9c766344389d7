//! What people use today, each with its limit pinned where it can be, so that all let in the same number of calls.

use std::sync::Arc;
use std::time::Duration;

use congestion_limiter::limiter::{DefaultLimiter, Limiter, Outcome};
use congestion_limiter::limits::Aimd as CongestionAimd;
use little_loadshedder::{LoadShed, LoadShedResponse};
use tower::limit::ConcurrencyLimit;
use tower_resilience_adaptive::{AdaptiveService, Aimd};

use super::TOWER;
use super::plain::serve;
use crate::failure::Failure;
use crate::inner::Inner;
use crate::subject::{Answer, Excess, Gate, Subject, Through};

/// tower's own layer, with a fixed limit.
pub(crate) struct TowerConcurrencyLimit;

impl Subject for TowerConcurrencyLimit {
    const NAME: &'static str = TOWER;
    const EXCESS: Excess = Excess::Waits;
    type Gate<I: Inner> = Through<ConcurrencyLimit<I>>;

    fn gate<I: Inner>(limit: u32, inner: I) -> Result<Self::Gate<I>, Failure> {
        Ok(Through(ConcurrencyLimit::new(inner, limit as usize)))
    }
}

pub(crate) struct TowerResilience;

impl Subject for TowerResilience {
    const NAME: &'static str = "tower_resilience_aimd";
    const EXCESS: Excess = Excess::Waits;
    type Gate<I: Inner> = Through<AdaptiveService<I, Aimd>>;

    fn gate<I: Inner>(limit: u32, inner: I) -> Result<Self::Gate<I>, Failure> {
        let limit = limit as usize;
        let law = Aimd::builder().initial_limit(limit).min_limit(limit).max_limit(limit).build();
        let law = law.map_err(|err| Failure::work(format_args!("tower-resilience-adaptive: {err}")))?;
        Ok(Through(AdaptiveService::new(inner, Arc::new(law))))
    }
}

/// It has no service of its own; its tokens are taken and returned as its documentation shows.
pub(crate) struct CongestionLimiter;

impl Subject for CongestionLimiter {
    const NAME: &'static str = "congestion_limiter_aimd";
    const EXCESS: Excess = Excess::Waits;
    type Gate<I: Inner> = CongestionGate<I>;

    fn gate<I: Inner>(limit: u32, inner: I) -> Result<Self::Gate<I>, Failure> {
        let limit = limit as usize;
        let limiter = Arc::new(DefaultLimiter::new(CongestionAimd::new(limit, limit..=limit)));
        Ok(CongestionGate { limiter, inner })
    }
}

#[derive(Clone)]
pub(crate) struct CongestionGate<I> {
    limiter: Arc<DefaultLimiter<CongestionAimd>>,
    inner: I,
}

/// It waits only with a time limit; this one is never reached.
const LONG: Duration = Duration::from_secs(3600);

impl<I: Inner> Gate for CongestionGate<I> {
    async fn pass(&mut self) -> bool {
        let token = match self.limiter.try_acquire().await {
            Some(token) => token,
            None => match self.limiter.acquire_timeout(LONG).await {
                Some(token) => token,
                None => return false,
            },
        };
        let is_served = serve(&mut self.inner).await;
        self.limiter.release(token, Some(Outcome::Success)).await;
        is_served
    }
}

/// It finds limit and queue by itself, from 1, and refuses beyond.
pub(crate) struct LittleLoadshedder;

impl Subject for LittleLoadshedder {
    const NAME: &'static str = "little_loadshedder";
    const EXCESS: Excess = Excess::Chooses;
    type Gate<I: Inner> = Through<LoadShed<I>>;

    fn gate<I: Inner>(_: u32, inner: I) -> Result<Self::Gate<I>, Failure> {
        // The settings of its own example.
        Ok(Through(LoadShed::new(inner, 0.01, Duration::from_millis(2000))))
    }
}

impl Answer for LoadShedResponse<()> {
    fn is_served(&self) -> bool {
        matches!(self, Self::Inner(()))
    }
}
