use std::fmt;

use tidegate_core::Outcome;
use tidegate_limiter::Limiter;
use tower_layer::Layer;

use crate::{ClassifyErrors, DefaultClassify, Limit};

/// Puts a limiter in front of services: each call holds one permit from its start to its end.
///
/// All services made from one layer, from clones of the layer and from other layers on the same limiter share one limit
/// and one queue. For a limit of its own, give a service a limiter of its own.
/// A call must pass one layer of a limiter only: a second one would wait for a permit while the call holds one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::io::{Error, ErrorKind};
/// use tidegate_core::Outcome;
/// use tidegate_limiter::Limiter;
/// use tidegate_tower::LimitLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// let limiter = Limiter::builder().name("experts").fixed(5).build()?;
/// let layer = LimitLayer::new(limiter.clone()).classify_errors(|error: &Error| match error.kind() {
///     ErrorKind::TimedOut => Outcome::Overload,
///     _ => Outcome::Ignored,
/// });
/// let expert = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|()| async { Ok::<_, Error>("found") }));
/// assert_eq!(expert.oneshot(()).await?, "found");
/// assert_eq!(limiter.snapshot().in_flight, 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct LimitLayer<C = DefaultClassify> {
    limiter: Limiter,
    classify: C,
}

impl LimitLayer {
    /// A layer that takes its permits from `limiter`.
    #[must_use]
    pub const fn new(limiter: Limiter) -> Self {
        Self { limiter, classify: DefaultClassify }
    }
}

impl<C> LimitLayer<C> {
    /// Judges results by `classify`, which implements [`Classify`](crate::Classify).
    ///
    /// A closure needs its argument's type, because that is what makes it work for results of any lifetime:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tidegate_core::Outcome;
    /// # use tidegate_limiter::Limiter;
    /// # use tidegate_tower::LimitLayer;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let limiter = Limiter::builder().fixed(5).build()?;
    /// // 503 is how this service says that it had no room.
    /// let layer = LimitLayer::new(limiter).classify(|result: Result<&u16, &std::io::Error>| match result {
    ///     Ok(503) => Outcome::Overload,
    ///     Ok(_) => Outcome::Success,
    ///     Err(_) => Outcome::Ignored,
    /// });
    /// let service = layer.layer(service_fn(|status: u16| async move { Ok::<_, std::io::Error>(status) }));
    /// assert_eq!(service.oneshot(503).await?, 503);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn classify<D>(self, classify: D) -> LimitLayer<D> {
        LimitLayer { limiter: self.limiter, classify }
    }

    /// Judges errors by `of_error`; every response is a success.
    #[must_use]
    pub fn classify_errors<F, Err>(self, of_error: F) -> LimitLayer<ClassifyErrors<F>>
    where
        F: Fn(&Err) -> Outcome,
    {
        self.classify(ClassifyErrors::new(of_error))
    }
}

impl<S, C: Clone> Layer<S> for LimitLayer<C> {
    type Service = Limit<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Limit::new(inner, &self.limiter, self.classify.clone())
    }
}

impl<C> fmt::Debug for LimitLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitLayer").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}
