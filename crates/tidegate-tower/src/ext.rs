use std::time::Duration;

use tidegate_core::ConfigError;
use tidegate_limiter::{Limiter, RetryBudget};
use tower::ServiceBuilder;
use tower::retry::RetryLayer;
use tower_layer::Stack;

use crate::{LimitLayer, QueueLayer, RateLayer, RetryPolicy, ShedLayer};

/// What [`ServiceBuilderExt::retry_within`] makes.
type RetryStack<I, L> = ServiceBuilder<Stack<RetryLayer<RetryPolicy<I>>, L>>;

/// Adds Tidegate's layers to [`ServiceBuilder`].
pub trait ServiceBuilderExt<L>: sealed::Sealed {
    /// Admits a call when `limiter` has a permit for it; short for `.layer(LimitLayer::new(limiter))`.
    ///
    /// Layers above it act on calls that still wait, layers below it only on calls that hold a permit: a timeout above it
    /// covers the wait, a timeout below it only the work.
    fn limit(self, limiter: Limiter) -> ServiceBuilder<Stack<LimitLayer, L>>;

    /// Queues a call until `limiter` has permits for it; short for `.layer(QueueLayer::new(limiter))`.
    fn queue(self, limiter: Limiter) -> ServiceBuilder<Stack<QueueLayer, L>>;

    /// Refuses a call for which `limiter` has no permit free; short for `.layer(ShedLayer::new(limiter))`.
    fn shed(self, limiter: Limiter) -> ServiceBuilder<Stack<ShedLayer, L>>;

    /// Lets at most `starts` calls begin in any `period`; short for `.layer(RateLayer::new(starts, period)?)`. It belongs above
    /// the limit.
    ///
    /// # Errors
    ///
    /// As [`RateLayer::new`].
    fn rate(self, starts: u32, period: Duration) -> Result<ServiceBuilder<Stack<RateLayer, L>>, ConfigError>;

    /// Tries failed calls again as far as `budget` lends retries, if `idempotent` says that the request may be made twice;
    /// short for `.layer(RetryLayer::new(RetryPolicy::new(budget).idempotent(idempotent)))`. It belongs above the limit.
    fn retry_within<I>(self, budget: RetryBudget, idempotent: I) -> RetryStack<I, L>;
}

impl<L> ServiceBuilderExt<L> for ServiceBuilder<L> {
    fn limit(self, limiter: Limiter) -> ServiceBuilder<Stack<LimitLayer, L>> {
        self.layer(LimitLayer::new(limiter))
    }

    fn queue(self, limiter: Limiter) -> ServiceBuilder<Stack<QueueLayer, L>> {
        self.layer(QueueLayer::new(limiter))
    }

    fn shed(self, limiter: Limiter) -> ServiceBuilder<Stack<ShedLayer, L>> {
        self.layer(ShedLayer::new(limiter))
    }

    fn rate(self, starts: u32, period: Duration) -> Result<ServiceBuilder<Stack<RateLayer, L>>, ConfigError> {
        Ok(self.layer(RateLayer::new(starts, period)?))
    }

    fn retry_within<I>(self, budget: RetryBudget, idempotent: I) -> RetryStack<I, L> {
        self.layer(RetryLayer::new(RetryPolicy::new(budget).idempotent(idempotent)))
    }
}

mod sealed {
    #[expect(
        unnameable_types,
        reason = "sealed: methods may be added without breaking an implementation elsewhere"
    )]
    pub trait Sealed {}
    impl<L> Sealed for tower::ServiceBuilder<L> {}
}
