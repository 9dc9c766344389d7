use crate::num::{Nanos, float, seconds};

/// Counts of spans in buckets 1.6% wide, with an exact sum and maximum. Its size does not grow with the count.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u128,
    max: Nanos,
}

/// Each power of two is divided into this many buckets, as a power of two.
const FINENESS: u32 = 6;

impl Histogram {
    pub(crate) fn record(&mut self, value: Nanos) {
        let bucket = bucket(value);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    /// In seconds; 0 of nothing.
    pub(crate) fn mean(&self) -> f64 {
        if self.total == 0 { 0.0 } else { float(self.sum) / 1e9 / float(u128::from(self.total)) }
    }

    /// The value in seconds that `percent` of a hundred do not exceed, up to a bucket's width; 0 of nothing.
    pub(crate) fn percentile(&self, percent: u64) -> f64 {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return seconds(upper_edge(bucket).min(self.max));
            }
        }
        0.0
    }

    pub(crate) fn max(&self) -> f64 {
        seconds(self.max)
    }
}

/// Values below 2^FINENESS have a bucket each; above, the leading FINENESS + 1 bits choose the bucket.
#[expect(clippy::cast_possible_truncation, reason = "there are less than 4,000 buckets")]
fn bucket(value: Nanos) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(FINENESS + 1);
    ((u64::from(shift) << FINENESS) + (value >> shift)) as usize
}

fn upper_edge(bucket: usize) -> Nanos {
    let shift = (bucket >> FINENESS).saturating_sub(1);
    let leading = (bucket - (shift << FINENESS)) as u64;
    ((leading + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_hold_what_they_say() {
        for value in (0..5_000).chain([1_000_000, 123_456_789, u64::MAX >> 8]) {
            let found = bucket(value);
            assert!(value <= upper_edge(found), "{value}");
            assert!(found == 0 || value > upper_edge(found - 1), "{value}");
            assert!(upper_edge(found) - value <= value / 64 + 1, "{value}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.mean(), histogram.percentile(99), histogram.max()), (0.0, 0.0, 0.0));
        for ms in 1..=1_000 {
            histogram.record(ms * 1_000_000);
        }
        assert!((histogram.mean() - 0.5005).abs() < 1e-12);
        assert!((histogram.percentile(50) / 0.5 - 1.0).abs() < 0.016);
        assert!((histogram.percentile(99) / 0.99 - 1.0).abs() < 0.016);
        assert!((histogram.percentile(100) - 1.0).abs() < 1e-12);
    }
}
