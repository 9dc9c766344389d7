use std::fmt;

use tidegate_core::Outcome;

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

/// The classifier of a layer that was given none: a response is a success, an error is ignored.
///
/// An error whose type is unknown may be a business error, which must never shrink the limit.
/// Timeouts of the pool are seen by the pool's own probe, so ignoring them here loses nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultClassify;

impl<Res, Err> Classify<Res, Err> for DefaultClassify {
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Ignored,
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
