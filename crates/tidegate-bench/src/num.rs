//! Counts as fractions, and the middle of several figures, in one place.

use std::time::Duration;

/// A count as a floating-point number; exact up to 2⁵³, which no run reaches.
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
pub(crate) const fn to_f64(count: u64) -> f64 {
    count as f64
}

/// Nanoseconds of `span` for each of `count` operations.
pub(crate) fn ns_each(span: Duration, count: u64) -> f64 {
    span.as_secs_f64() * 1e9 / to_f64(count)
}

/// Three decimals are more than any figure here is worth.
pub(crate) fn round3(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The median, the least and the most of some figures; `None` of none.
pub(crate) fn spread(figures: impl IntoIterator<Item = f64>) -> Option<(f64, f64, f64)> {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    let median = f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    Some((median, least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(spread([3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(spread([4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
        assert_eq!(spread([]), None);
    }
}
