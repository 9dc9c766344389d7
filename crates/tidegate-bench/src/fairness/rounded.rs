//! A model to compare with: the limit split into whole permits, each key's own, as limiters with fixed partitions do.

use serde::Serialize;

use crate::num::round3;

/// Where every key waits, each keeps its own permits, so this is all there is to it, whatever the service times are.
#[derive(Debug, Serialize)]
pub(super) struct Rounded {
    permits: Vec<u32>,
    /// The largest error of a key, in permits.
    pub(super) error: f64,
    /// The wait of the lightest key for its next permit in turns, when every call takes the same time; `None` is for ever.
    pub(super) wait: Option<f64>,
}

/// Each key gets its share rounded down; what is left goes to the largest remainders, the heavier key first.
pub(super) fn split(limit: u32, shares: &[u32]) -> Rounded {
    let whole: u32 = shares.iter().sum();
    let mut permits: Vec<u32> = shares.iter().map(|share| limit * share / whole).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|&key| std::cmp::Reverse(limit * shares[key] % whole));
    let left = limit - permits.iter().sum::<u32>();
    for (_, key) in (0..left).zip(order) {
        permits[key] += 1;
    }
    let error =
        |(&got, &share): (&u32, &u32)| (f64::from(got) - f64::from(limit * share) / f64::from(whole)).abs();
    let error = permits.iter().zip(shares).map(error).fold(0.0, f64::max);
    let lightest = permits.last().copied().filter(|&got| got > 0);
    Rounded {
        error: round3(error),
        wait: lightest.map(|got| round3(f64::from(limit) / f64::from(got))),
        permits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_a_small_limit_is_rounded_to_nothing() {
        let light = |limit: u32| split(limit, &[9, 1]).permits[1];
        assert_eq!([1, 2, 3, 4, 5, 6, 14, 15, 16].map(light), [0, 0, 0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(split(4, &[7, 2, 1]).permits, [3, 1, 0]);
        assert_eq!(split(5, &[9, 1]).wait, None);
        assert!((split(5, &[9, 1]).error - 0.5).abs() < 1e-9);
    }
}
