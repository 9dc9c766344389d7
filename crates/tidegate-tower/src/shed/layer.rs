use std::fmt;

use tidegate_core::Outcome;
use tidegate_limiter::Limiter;
use tower_layer::Layer;

use crate::{ClassifyErrors, DefaultClassify, OneClass, Shed};

/// Puts a limiter in front of services that refuses instead of making calls wait: a call whose permits are not free at
/// once ends with [`Overloaded`](tidegate_limiter::Overloaded).
///
/// All services made from one layer, from clones of the layer and from other layers on the same limiter share one limit.
/// While others wait on that limiter nothing is free. Of the class, the deadline is not looked at: the call does not wait.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
/// use tidegate_limiter::{Limiter, OverloadReason, Overloaded};
/// use tidegate_tower::ShedLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// let limiter = Limiter::builder().name("previews").fixed(1).build()?;
/// let preview = ServiceBuilder::new()
///     .layer(ShedLayer::new(limiter.clone()))
///     .service(service_fn(|()| async { Ok::<_, std::io::Error>("preview") }));
/// assert_eq!(preview.clone().oneshot(()).await?, "preview");
///
/// let _all = limiter.acquire().await?;
/// let refused = preview.oneshot(()).await.unwrap_err();
/// let refused = refused.downcast_ref::<Overloaded>().expect("it was the limiter that refused");
/// assert_eq!(refused.reason(), OverloadReason::NoPermit);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ShedLayer<K = OneClass, C = DefaultClassify> {
    limiter: Limiter,
    class_of: K,
    classify: C,
}

impl ShedLayer {
    /// A layer that takes its permits from `limiter`.
    #[must_use]
    pub const fn new(limiter: Limiter) -> Self {
        Self { limiter, class_of: OneClass, classify: DefaultClassify }
    }
}

impl<K, C> ShedLayer<K, C> {
    /// Gives each request the class that `class_of` says, which implements [`ClassOf`](crate::ClassOf).
    #[must_use]
    pub fn class<L>(self, class_of: L) -> ShedLayer<L, C> {
        ShedLayer { limiter: self.limiter, class_of, classify: self.classify }
    }

    /// Judges results by `classify`, which implements [`Classify`](crate::Classify).
    #[must_use]
    pub fn classify<D>(self, classify: D) -> ShedLayer<K, D> {
        ShedLayer { limiter: self.limiter, class_of: self.class_of, classify }
    }

    /// Judges errors by `of_error`; every response is a success.
    #[must_use]
    pub fn classify_errors<F, Err>(self, of_error: F) -> ShedLayer<K, ClassifyErrors<F>>
    where
        F: Fn(&Err) -> Outcome,
    {
        self.classify(ClassifyErrors::new(of_error))
    }
}

impl<S, K: Clone, C: Clone> Layer<S> for ShedLayer<K, C> {
    type Service = Shed<S, K, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Shed::new(inner, &self.limiter, self.class_of.clone(), self.classify.clone())
    }
}

impl<K, C> fmt::Debug for ShedLayer<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShedLayer").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}
