use sqlx::Error;
use tidegate_limiter::NestedDenied;

/// The refusal of a nested acquire that an error is, if it is one: see [`Nested::Deny`](crate::Nested::Deny).
///
/// It is a fault in the code rather than a sign of load, so [`classify`](crate::classify) ignores it.
#[must_use]
pub fn nested_denied(error: &Error) -> Option<&NestedDenied> {
    match error {
        Error::Configuration(cause) => cause.downcast_ref(),
        _ => None,
    }
}
