use std::time::Duration;

use crate::num::{float, ratio};
use crate::report::{LimitChange, Spread};

/// How the limits of several processes went between two moments. Each starts with its first limit.
pub(crate) fn spread(processes: &[Vec<LimitChange>], from: Duration, to: Duration) -> Spread {
    let (mut means, mut cvs, mut count) = (0.0, 0.0, 0.0);
    let (mut min, mut max) = (u32::MAX, 0);
    for changes in processes {
        let (mut area, mut square_area) = (0, 0);
        for (limit, held) in stretches(changes, from, to) {
            let weight = held.as_nanos() * u128::from(limit);
            area += weight;
            square_area += weight * u128::from(limit);
            min = min.min(limit);
            max = max.max(limit);
        }
        let mean_of = |area: u128| ratio(float(area), float((to - from).as_nanos()));
        let mean = mean_of(area);
        let variance = (mean_of(square_area) - mean * mean).max(0.0);
        means += mean;
        cvs += ratio(variance.sqrt(), mean);
        count += 1.0;
    }
    Spread { mean: ratio(means, count), min, max, cv: ratio(cvs, count) }
}

/// The limits that held for a while between two moments, and for how long.
fn stretches(changes: &[LimitChange], from: Duration, to: Duration) -> impl Iterator<Item = (u32, Duration)> {
    let ends = changes.iter().skip(1).map(|change| change.at).chain([Duration::MAX]);
    let held = changes.iter().zip(ends);
    held.map(move |(change, end)| (change.limit, end.min(to).saturating_sub(change.at.max(from))))
        .filter(|(_, held)| !held.is_zero())
}

#[cfg(test)]
mod tests {
    use tidegate_core::Reason;

    use super::*;

    fn trace(changes: &[(u64, u32)]) -> Vec<LimitChange> {
        let change =
            |&(at_s, limit)| LimitChange { at: Duration::from_secs(at_s), limit, reason: Reason::Probe };
        changes.iter().map(change).collect()
    }

    #[track_caller]
    fn check(processes: &[Vec<LimitChange>], from: u64, to: u64, mean: f64, min: u32, max: u32, cv: f64) {
        let found = spread(processes, Duration::from_secs(from), Duration::from_secs(to));
        assert!((found.mean - mean).abs() < 1e-12 && (found.cv - cv).abs() < 1e-12, "{found:?}");
        assert_eq!((found.min, found.max), (min, max));
    }

    #[test]
    fn means_are_weighted_with_time_and_cut_to_the_span() {
        // 10 for one of four seconds, then 2.
        let cv = 12_f64.sqrt() / 4.0;
        check(&[trace(&[(0, 10), (2, 2)])], 1, 5, 4.0, 2, 10, cv);
        // A limit that held for no time is none.
        check(&[trace(&[(0, 10), (2, 99), (2, 2), (7, 50)])], 1, 5, 4.0, 2, 10, cv);
    }

    /// Two limiters with limits of their own that never move are steady, however unequal they are.
    #[test]
    fn the_variation_is_that_of_each_process_over_time() {
        check(&[trace(&[(0, 4)]), trace(&[(0, 12)])], 0, 5, 8.0, 4, 12, 0.0);
    }
}
