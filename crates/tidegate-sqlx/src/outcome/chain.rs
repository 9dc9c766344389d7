#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::sync::Arc;

use sqlx::Error;
use sqlx::error::DatabaseError;
use tidegate_core::{Outcome, error_chain};

use super::{judge, judge_database};

/// What an error says about load if a failed query or acquire is behind it: [`classify`](crate::classify) for errors in
/// boxes and in errors of your own.
///
/// It looks for an [`sqlx::Error`] in `error` and in the chain of [`source`](StdError::source)s below it, and judges the
/// first by which [`classify`](crate::classify) could know anything: an answer of the database or a pool that timed out.
/// Others, such as a failed migration, are passed over for what they hold.
/// If there is none, it is [`Outcome::Ignored`].
/// At most 64 errors of a chain are looked at.
///
/// ```
/// use tidegate_core::Outcome;
/// use tidegate_sqlx::classify_chain;
///
/// type BoxError = Box<dyn std::error::Error + Send + Sync>;
///
/// let classify = |error: BoxError| classify_chain(&*error);
///
/// assert_eq!(classify(sqlx::Error::PoolTimedOut.into()), Outcome::Overload);
/// assert_eq!(classify(sqlx::Error::RowNotFound.into()), Outcome::Ignored);
/// assert_eq!(classify("no such page".into()), Outcome::Ignored);
/// ```
#[must_use]
pub fn classify_chain(error: &(dyn StdError + 'static)) -> Outcome {
    error_chain(error).find_map(judge_any).unwrap_or(Outcome::Ignored)
}

/// The verdict on one error of a chain, if it has anything to say.
fn judge_any(error: &(dyn StdError + 'static)) -> Option<Outcome> {
    match (as_ref::<Error>(error), error.downcast_ref::<Box<dyn DatabaseError>>()) {
        (Some(error), _) => judge(error),
        (None, Some(error)) => Some(judge_database(&**error)),
        (None, None) => None,
    }
}

/// The `E` that it is, also from a box of its own; errors of sqlx, which cannot be cloned, are shared in an [`Arc`].
fn as_ref<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    error
        .downcast_ref::<E>()
        .or_else(|| error.downcast_ref::<Box<E>>().map(|boxed| &**boxed))
        .or_else(|| error.downcast_ref::<Arc<E>>().map(|shared| &**shared))
}
