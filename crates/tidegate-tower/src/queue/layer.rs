use std::fmt;

use tidegate_core::Outcome;
use tidegate_limiter::Limiter;
use tower_layer::Layer;

use crate::{ClassifyErrors, DefaultClassify, OneClass, Queue};

/// Puts a limiter with its bounded queue in front of services: each call waits for its permits in the place its
/// [`Class`](tidegate_limiter::Class) gives it, or is refused with [`Overloaded`](tidegate_limiter::Overloaded).
///
/// All services made from one layer, from clones of the layer and from other layers on the same limiter share one limit
/// and one queue. How long the queue may be is the limiter's setting
/// ([`queue_limit_per_permit`](tidegate_limiter::LimiterBuilder::queue_limit_per_permit)).
///
/// [`LimitLayer`](crate::LimitLayer) is the other admission: it holds callers back before they have a request, refuses
/// nobody, and cannot tell one request from another.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
/// use tidegate_limiter::{Class, Key, Limiter};
/// use tidegate_tower::QueueLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// struct Question {
///     job: u64,
/// }
///
/// let limiter = Limiter::builder().name("experts").fixed(5).build()?;
/// // Jobs share the limit, however many questions each of them asks.
/// let by_job = |question: &Question| Class::default().key(Key::new(question.job));
/// let expert = ServiceBuilder::new()
///     .layer(QueueLayer::new(limiter).class(by_job))
///     .service(service_fn(|question: Question| async move { Ok::<_, std::io::Error>(question.job * 2) }));
/// assert_eq!(expert.oneshot(Question { job: 21 }).await?, 42);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct QueueLayer<K = OneClass, C = DefaultClassify> {
    limiter: Limiter,
    class_of: K,
    classify: C,
}

impl QueueLayer {
    /// A layer that takes its permits from `limiter`.
    #[must_use]
    pub const fn new(limiter: Limiter) -> Self {
        Self { limiter, class_of: OneClass, classify: DefaultClassify }
    }
}

impl<K, C> QueueLayer<K, C> {
    /// Gives each request the class that `class_of` says, which implements [`ClassOf`](crate::ClassOf).
    #[must_use]
    pub fn class<L>(self, class_of: L) -> QueueLayer<L, C> {
        QueueLayer { limiter: self.limiter, class_of, classify: self.classify }
    }

    /// Judges results by `classify`, which implements [`Classify`](crate::Classify).
    #[must_use]
    pub fn classify<D>(self, classify: D) -> QueueLayer<K, D> {
        QueueLayer { limiter: self.limiter, class_of: self.class_of, classify }
    }

    /// Judges errors by `of_error`; every response is a success.
    #[must_use]
    pub fn classify_errors<F, Err>(self, of_error: F) -> QueueLayer<K, ClassifyErrors<F>>
    where
        F: Fn(&Err) -> Outcome,
    {
        self.classify(ClassifyErrors::new(of_error))
    }
}

impl<S, K: Clone, C: Clone> Layer<S> for QueueLayer<K, C> {
    type Service = Queue<S, K, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Queue::new(inner, &self.limiter, self.class_of.clone(), self.classify.clone())
    }
}

impl<K, C> fmt::Debug for QueueLayer<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueLayer").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}
