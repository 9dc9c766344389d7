use std::any::Any;
use std::error::Error;
use std::io;
use std::sync::Arc;

use tidegate_core::{Outcome, error_chain};

/// Says whether a call failed because its time ran out: what [`DefaultClassify`](crate::DefaultClassify) says of an error.
///
/// [`Outcome::Overload`] if `error`, or an error below it in the chain of [`source`](Error::source)s, is the `Elapsed` of
/// tower's timeout layer or of `tokio::time::timeout`; [`Outcome::Ignored`] otherwise.
/// At most 64 errors of a chain are looked at.
///
/// The classifier of a limit sees the timeouts below the limit: those calls had their permit and were too slow with it.
/// A refusal without work, like `Overloaded` of tower's load shedder, is ignored: it says nothing about the database.
/// So is [`io::ErrorKind::TimedOut`], which is also what an unreachable host looks like.
///
/// It takes part in a classifier of your own, for an error type that the default cannot look into:
///
/// ```
/// # #[derive(Debug)] struct ScanError(std::io::Error);
/// # impl std::fmt::Display for ScanError {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("the scan failed") }
/// # }
/// # impl std::error::Error for ScanError {
/// #     fn source(&self) -> Option<&(dyn std::error::Error + 'static)> { Some(&self.0) }
/// # }
/// use tidegate_core::Outcome;
/// use tidegate_tower::classify_elapsed;
/// use tower::timeout::error::Elapsed;
///
/// let classify = |error: &ScanError| classify_elapsed(error);
///
/// assert_eq!(classify(&ScanError(std::io::Error::other(Elapsed::new()))), Outcome::Overload);
/// assert_eq!(classify(&ScanError(std::io::Error::other("no such page"))), Outcome::Ignored);
/// ```
#[must_use]
pub fn classify_elapsed(error: &(dyn Error + 'static)) -> Outcome {
    if error_chain(error).any(is_elapsed) { Outcome::Overload } else { Outcome::Ignored }
}

fn is_elapsed(error: &(dyn Error + 'static)) -> bool {
    is::<tower::timeout::error::Elapsed>(error) || is::<tokio::time::error::Elapsed>(error)
}

/// Whether it is an `E`, also one in a box of its own, which `Err(Box::new(error))?` puts into another box.
fn is<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    error.is::<E>() || error.is::<Box<E>>() || error.is::<Arc<E>>()
}

/// The error that `value` is or holds, if its type is one that may stand for a timeout or a refusal.
pub(crate) fn as_error(value: &dyn Any) -> Option<&(dyn Error + 'static)> {
    held::<Box<dyn Error + Send + Sync>>(value, |error| &**error)
        .or_else(|| held::<Box<dyn Error + Send>>(value, |error| &**error))
        .or_else(|| held::<Box<dyn Error>>(value, |error| &**error))
        .or_else(|| held::<Arc<dyn Error + Send + Sync>>(value, |error| &**error))
        .or_else(|| held::<tower::timeout::error::Elapsed>(value, |error| error))
        .or_else(|| held::<tokio::time::error::Elapsed>(value, |error| error))
        .or_else(|| held::<io::Error>(value, |error| error))
}

fn held<T: 'static>(
    value: &dyn Any,
    error: impl Fn(&T) -> &(dyn Error + 'static),
) -> Option<&(dyn Error + 'static)> {
    value.downcast_ref().map(error)
}
