//! Averages that several rivals share.

/// An exponential average that begins as a plain one: Netflix' `ExpAvgMeasurement` and failsafe-go's `MovingAverage`.
///
/// The first `warm_up` values are averaged equally; after them a value weighs 2 / (window + 1).
#[derive(Clone, Debug)]
pub(super) struct WarmAverage {
    weight: f64,
    warm_up: u32,
    count: u32,
    value: f64,
}

impl WarmAverage {
    pub(super) fn new(window: u32, warm_up: u32) -> Self {
        Self { weight: 2.0 / f64::from(window + 1), warm_up, count: 0, value: 0.0 }
    }

    /// Adds a value; the average then.
    pub(super) fn add(&mut self, value: f64) -> f64 {
        let weight = if self.count < self.warm_up {
            self.count += 1;
            1.0 / f64::from(self.count)
        } else {
            self.weight
        };
        self.value += weight * (value - self.value);
        self.value
    }

    pub(super) fn scale(&mut self, factor: f64) {
        self.value *= factor;
    }
}

/// The value that a share of the samples does not exceed, by nearest rank; `None` of nothing. Sorts the samples.
pub(super) fn quantile(samples: &mut [f64], share: f64) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    let count = f64::from(u32::try_from(samples.len()).unwrap_or(u32::MAX));
    let rank = super::whole((share * count).ceil()).max(1);
    samples.get(usize::try_from(rank).unwrap_or(usize::MAX) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_samples() {
        let mut samples = [5.0, 1.0, 4.0, 2.0, 3.0];
        let quantiles = [0.0, 0.2, 0.5, 0.8, 0.9, 1.0].map(|share| quantile(&mut samples, share));
        assert_eq!(quantiles, [1.0, 1.0, 3.0, 4.0, 5.0, 5.0].map(Some));
        assert_eq!(quantile(&mut [], 0.5), None);
    }

    #[test]
    fn it_is_a_plain_mean_at_first_and_exponential_then() {
        let mut average = WarmAverage::new(3, 2);
        for (value, mean) in [(10.0, 10.0), (20.0, 15.0), (25.0, 20.0), (40.0, 30.0)] {
            assert!((average.add(value) - mean).abs() < 1e-12, "{value}");
        }
    }
}
