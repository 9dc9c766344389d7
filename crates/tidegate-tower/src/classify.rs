mod elapsed;

use std::fmt;

use tidegate_core::Outcome;

pub(crate) use elapsed::as_error;
pub use elapsed::classify_elapsed;

/// Says what a result means to the control law.
///
/// A law that reads a pool needs little of it: the pool shows its waits and timeouts itself.
/// What a classifier adds is [`Outcome::Overload`], for an error that means "the database had no room for this call".
///
/// Functions and closures from `Result<&Res, &Err>` to [`Outcome`] are classifiers.
/// To judge errors alone use [`LimitLayer::classify_errors`](crate::LimitLayer::classify_errors), where the types of a
/// closure need no annotation.
///
/// It runs before the permit goes back, on the task of the call, so it should be quick.
///
/// ```
/// use tidegate_core::Outcome;
/// use tidegate_tower::Classify;
///
/// /// A response says itself whether there was room.
/// #[derive(Clone)]
/// struct ByStatus;
///
/// impl<Err> Classify<u16, Err> for ByStatus {
///     fn classify(&self, result: Result<&u16, &Err>) -> Outcome {
///         match result {
///             Ok(503) => Outcome::Overload,
///             Ok(_) => Outcome::Success,
///             Err(_) => Outcome::Ignored,
///         }
///     }
/// }
///
/// assert_eq!(ByStatus.classify(Ok::<_, &()>(&503)), Outcome::Overload);
/// ```
pub trait Classify<Res, Err> {
    /// The outcome of a call that ended with `result`.
    ///
    /// A call that was dropped or panicked has no result; it counts as [`Outcome::Ignored`] unasked.
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome;
}

impl<F, Res, Err> Classify<Res, Err> for F
where
    F: Fn(Result<&Res, &Err>) -> Outcome,
{
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome {
        self(result)
    }
}

/// The classifier of a layer that was given none: a response is a success, a timeout is overload, any other error is
/// ignored.
///
/// An error that it does not know may be a business error, which must never shrink the limit.
/// Timeouts of the pool are seen by the pool's own probe, so ignoring them here loses nothing.
///
/// # What it knows
///
/// It judges as [`classify_elapsed`] does, if the error type is one of these:
///
/// - a box of any error: [`tower::BoxError`] and the like without `Send` or `Sync`, or `Arc<dyn Error + Send + Sync>`,
/// - the `Elapsed` of tower or of tokio itself,
/// - [`std::io::Error`].
///
/// It cannot look into an error type of your own, because `Err` need not be an error at all; for that, one line does:
/// `LimitLayer::new(limiter).classify_errors(|error: &ScanError| classify_elapsed(error))`.
/// If timeouts below the limit have other causes than the database (a foreign service, say), give the layer a classifier
/// that leaves them out.
///
/// # Bounds
///
/// `Err: 'static`, since a type is recognised by its [`TypeId`](std::any::TypeId). Error types of tower services are;
/// for one that borrows, use a closure.
///
/// ```
/// use tidegate_core::Outcome;
/// use tidegate_tower::{Classify, DefaultClassify};
/// use tower::BoxError;
/// use tower::timeout::error::Elapsed;
///
/// let judge = |error: BoxError| DefaultClassify::default().classify(Err::<&(), _>(&error));
///
/// assert_eq!(judge(Elapsed::new().into()), Outcome::Overload);
/// assert_eq!(judge("no such page".into()), Outcome::Ignored);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultClassify;

impl<Res, Err: 'static> Classify<Res, Err> for DefaultClassify {
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) => as_error(error).map_or(Outcome::Ignored, classify_elapsed),
        }
    }
}

/// The classifier of [`LimitLayer::classify_errors`](crate::LimitLayer::classify_errors): a response is a success, an
/// error is what the function says.
#[derive(Clone)]
pub struct ClassifyErrors<F> {
    of_error: F,
}

impl<F> ClassifyErrors<F> {
    pub(crate) const fn new(of_error: F) -> Self {
        Self { of_error }
    }
}

impl<F, Res, Err> Classify<Res, Err> for ClassifyErrors<F>
where
    F: Fn(&Err) -> Outcome,
{
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) => (self.of_error)(error),
        }
    }
}

impl<F> fmt::Debug for ClassifyErrors<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifyErrors").finish_non_exhaustive()
    }
}
