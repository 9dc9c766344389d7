//! Virtual time is counted in whole nanoseconds, so that sums over it are exact.

/// Nanoseconds since the world began, or a span of them.
pub(crate) type Nanos = u64;

pub(crate) const SECOND: Nanos = 1_000_000_000;

#[expect(
    clippy::cast_precision_loss,
    reason = "104 days of nanoseconds are exact, and more loses no more than a ratio of 2^-53"
)]
pub(crate) fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / 1e9
}

/// Rounded to the nearest; what is no time (negative, NaN) is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub(crate) fn nanos(seconds: f64) -> Nanos {
    (seconds * 1e9).round() as Nanos
}

/// For sums that are exact as integers and only read as a mean.
#[expect(clippy::cast_precision_loss, reason = "a mean of a sum needs no more than 53 bits")]
pub(crate) fn float(sum: u128) -> f64 {
    sum as f64
}

/// `part / whole`, where nothing of nothing is nothing.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
