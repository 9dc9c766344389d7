use std::any::Any;
use std::fmt;
use std::time::Duration;

use tidegate_core::{ConfigError, Outcome, error_chain};
use tidegate_limiter::{OverloadReason, Overloaded, RetryBudget};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::retry::Policy;
use tower::retry::backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
use tower::util::rng::HasherRng;

use super::{Idempotent, NoneIdempotent, RetryConfig};
use crate::classify::as_error;
use crate::{ClassOf, Classify, ClassifyErrors, DefaultClassify, OneClass};

/// Chance adds up to this share of a wait.
const JITTER: f64 = 1.0;

/// Tries a call again that failed for want of room, if its limiter lends a retry: a policy for
/// [`tower::retry::RetryLayer`].
///
/// # What is tried again
///
/// A request that may be made twice, as [`idempotent`](Self::idempotent) says. Unless that is said of it, no request is: a
/// call that failed may have done its work all the same.
///
/// Of those, calls that were refused ([`Overloaded`], unless the limiter is closed or the deadline is the reason), and calls
/// whose result the [classifier](Self::classify) takes for [`Outcome::Overload`]: timeouts and, with `classify_sqlx` or
/// `classify_error`, pool timeouts, deadlocks and serialization failures. Every other error is the caller's own business
/// and comes back as it is.
///
/// # When
///
/// After a wait that doubles with each try and has chance in it ([`RetryConfig`]); if the call was refused with a hint, after
/// the time of the hint and that wait besides. A retry that could not begin before the deadline of the request's
/// [class](Self::class) is not made.
///
/// # If not
///
/// The failure comes back as it is: when the tries are used up, when the deadline is too near, and when the budget lends
/// nothing. Nobody waits for a retry to be lent.
///
/// # Where
///
/// Above the limit, so that each try takes its permit anew, in the place of a newcomer; a call that waits between two tries
/// holds none. A timeout above the retries covers all the tries together.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
/// use std::time::Duration;
/// use tidegate_limiter::Limiter;
/// use tidegate_tower::{QueueLayer, RetryPolicy};
/// use tower::retry::RetryLayer;
/// use tower::timeout::TimeoutLayer;
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// #[derive(Clone)]
/// enum Query {
///     Find(u32),
///     Book(u32),
/// }
///
/// let limiter = Limiter::builder().name("experts").fixed(5).build()?;
/// let policy = RetryPolicy::new(limiter.retry_budget()).idempotent(|query: &Query| matches!(query, Query::Find(_)));
/// let expert = ServiceBuilder::new()
///     .layer(RetryLayer::new(policy))
///     .layer(QueueLayer::new(limiter))
///     .layer(TimeoutLayer::new(Duration::from_secs(30)))
///     .service(service_fn(|query: Query| async move {
///         match query {
///             Query::Find(id) | Query::Book(id) => Ok::<_, BoxError>(id * 2),
///         }
///     }));
/// assert_eq!(expert.oneshot(Query::Find(21)).await?, 42);
/// # Ok(()) }
/// ```
///
/// # Cancel safety
///
/// Dropping a call that waits for its next try ends it; it holds nothing meanwhile. The retry that was lent to it is spent.
///
/// # What a clone shares
///
/// The budget. tower gives each call a clone of its own, which counts the tries of that call.
pub struct RetryPolicy<I = NoneIdempotent, K = OneClass, C = DefaultClassify> {
    budget: RetryBudget,
    config: RetryConfig,
    idempotent: I,
    class_of: K,
    classify: C,
    /// Retries made in this call.
    retries: u32,
    /// Of this call; made at its first failure.
    backoff: Option<ExponentialBackoff>,
    /// Of this call, as its class said when it began.
    deadline: Option<Instant>,
}

impl RetryPolicy {
    /// A policy that makes the retries `budget` lends. It tries nothing again until it is told what is
    /// [`idempotent`](Self::idempotent).
    #[must_use]
    pub fn new(budget: RetryBudget) -> Self {
        Self {
            budget,
            config: RetryConfig::default(),
            idempotent: NoneIdempotent,
            class_of: OneClass,
            classify: DefaultClassify,
            retries: 0,
            backoff: None,
            deadline: None,
        }
    }
}

impl<I, K, C> RetryPolicy<I, K, C> {
    /// Tries as often, and waits as long, as `config` says.
    ///
    /// # Errors
    ///
    /// As [`RetryConfig::check`].
    pub fn config(mut self, config: RetryConfig) -> Result<Self, ConfigError> {
        config.check()?;
        self.config = config;
        Ok(self)
    }

    /// Tries those requests again that `idempotent` says may be made twice; it implements [`Idempotent`].
    ///
    /// It is asked before each try, so it should be quick. A request is cloned only if the answer is yes.
    #[must_use]
    pub fn idempotent<J>(self, idempotent: J) -> RetryPolicy<J, K, C> {
        self.with(|_, class_of, classify| (idempotent, class_of, classify))
    }

    /// Makes no retry that could not begin before the deadline of the request's class, which implements [`ClassOf`].
    ///
    /// It is asked when the call begins: a class with [`within`](tidegate_limiter::Class::within) says how long the call may
    /// take with all of its tries.
    #[must_use]
    pub fn class<L>(self, class_of: L) -> RetryPolicy<I, L, C> {
        self.with(|idempotent, _, classify| (idempotent, class_of, classify))
    }

    /// Tries calls again whose results `classify` takes for [`Outcome::Overload`]; it implements [`Classify`].
    #[must_use]
    pub fn classify<D>(self, classify: D) -> RetryPolicy<I, K, D> {
        self.with(|idempotent, class_of, _| (idempotent, class_of, classify))
    }

    /// Tries calls again whose errors `of_error` takes for [`Outcome::Overload`].
    #[must_use]
    pub fn classify_errors<F, Err>(self, of_error: F) -> RetryPolicy<I, K, ClassifyErrors<F>>
    where
        F: Fn(&Err) -> Outcome,
    {
        self.classify(ClassifyErrors::new(of_error))
    }

    fn with<J, L, D>(self, change: impl FnOnce(I, K, C) -> (J, L, D)) -> RetryPolicy<J, L, D> {
        let Self { budget, config, retries, backoff, deadline, .. } = self;
        let (idempotent, class_of, classify) = change(self.idempotent, self.class_of, self.classify);
        RetryPolicy { budget, config, idempotent, class_of, classify, retries, backoff, deadline }
    }

    const fn has_tries_left(&self) -> bool {
        self.retries + 1 < self.config.tries
    }

    /// When the next try may begin, if not before `hint` has passed.
    fn next_try(&mut self, hint: Duration) -> Option<Instant> {
        if self.backoff.is_none() {
            // The maker would give all calls the same chance: its generator is copied to each of them. So each call makes
            // one. It refuses only what the configuration's check has refused before.
            let RetryConfig { backoff_min, backoff_max, .. } = self.config;
            let maker = ExponentialBackoffMaker::new(backoff_min, backoff_max, JITTER, HasherRng::new());
            self.backoff = Some(maker.ok()?.make_backoff());
        }
        self.backoff.as_mut()?.next_backoff().deadline().checked_add(hint)
    }
}

impl<I, K, C, Request, Res, Err> Policy<Request, Res, Err> for RetryPolicy<I, K, C>
where
    Request: Clone,
    Err: 'static,
    I: Idempotent<Request>,
    K: ClassOf<Request>,
    C: Classify<Res, Err>,
{
    type Future = Sleep;

    fn retry(&mut self, _request: &mut Request, result: &mut Result<Res, Err>) -> Option<Sleep> {
        let refusal = result.as_ref().err().and_then(|error| refusal(error));
        let hint = match refusal {
            Some(refusal) if is_final(refusal.reason()) => return None,
            Some(refusal) => refusal.retry_after().unwrap_or_default(),
            None if self.classify.classify(result.as_ref()) == Outcome::Overload => Duration::ZERO,
            None => return None,
        };
        let at = self.next_try(hint)?;
        if self.deadline.is_some_and(|deadline| at >= deadline) {
            return None;
        }
        // Last, since what is lent is spent.
        self.budget.withdraw().ok()?;
        self.retries += 1;
        Some(sleep_until(at))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        if !self.has_tries_left() || !self.idempotent.is_idempotent(request) {
            return None;
        }
        if self.retries == 0 {
            self.deadline = self.class_of.class_of(request).deadline_at();
        }
        Some(request.clone())
    }
}

/// The refusal that this error is, or that is behind it, if its type is one that may hold one.
fn refusal<Err: 'static>(error: &Err) -> Option<&Overloaded> {
    let error: &dyn Any = error;
    error
        .downcast_ref()
        .or_else(|| as_error(error).and_then(|error| error_chain(error).find_map(|e| e.downcast_ref())))
}

/// Whether trying again is of no use: nobody is admitted any more, or the time is over.
const fn is_final(reason: OverloadReason) -> bool {
    matches!(reason, OverloadReason::Closed | OverloadReason::Deadline | OverloadReason::Expired)
}

impl<I: Clone, K: Clone, C: Clone> Clone for RetryPolicy<I, K, C> {
    fn clone(&self) -> Self {
        Self {
            budget: self.budget.clone(),
            config: self.config,
            idempotent: self.idempotent.clone(),
            class_of: self.class_of.clone(),
            classify: self.classify.clone(),
            retries: self.retries,
            backoff: self.backoff.clone(),
            deadline: self.deadline,
        }
    }
}

impl<I, K, C> fmt::Debug for RetryPolicy<I, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("budget", &self.budget)
            .field("config", &self.config)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}
