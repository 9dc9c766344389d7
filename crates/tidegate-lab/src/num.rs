//! Counts as fractions, in one place.

use std::time::Duration;

/// A count as a floating-point number; exact up to 2⁵³, which no run reaches.
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
pub(crate) const fn to_f64(count: u64) -> f64 {
    count as f64
}

/// Milliseconds with the microseconds kept as a fraction.
pub(crate) fn to_ms(span: Duration) -> f64 {
    round3(span.as_secs_f64() * 1000.0)
}

/// Three decimals are more than any figure here is worth.
pub(crate) fn round3(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// `part ÷ whole`, or `None` where there is no whole.
pub(crate) fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}
