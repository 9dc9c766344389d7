use fastrand::Rng;
use serde::Deserialize;

use crate::num::{Nanos, nanos};

/// A random span of time: its mean and how it scatters.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Span {
    /// The mean, in milliseconds; 0 is no time at all.
    pub mean_ms: f64,
    /// How it scatters around the mean. Default: exponential.
    #[serde(default)]
    pub distribution: Distribution,
}

/// How a span scatters around its mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Distribution {
    /// Always the mean.
    Deterministic,
    /// Without memory: the standard deviation is the mean.
    #[default]
    Exponential,
}

impl Span {
    /// One draw, in seconds.
    pub(crate) fn seconds(&self, rng: &mut Rng) -> f64 {
        let mean = self.mean_ms / 1e3;
        match self.distribution {
            Distribution::Deterministic => mean,
            // `f64()` is below 1, so the logarithm is finite.
            Distribution::Exponential => -mean * (1.0 - rng.f64()).ln(),
        }
    }

    pub(crate) fn nanos(&self, rng: &mut Rng) -> Nanos {
        nanos(self.seconds(rng))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(distribution: Distribution, cv: f64) {
        let span = Span { mean_ms: 200.0, distribution };
        let mut rng = Rng::with_seed(1);
        let draws = 100_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..draws {
            let x = span.seconds(&mut rng);
            assert!(x >= 0.0 && x.is_finite());
            sum += x;
            squares += x * x;
        }
        let mean = sum / f64::from(draws);
        let deviation = (squares / f64::from(draws) - mean * mean).max(0.0).sqrt();
        assert!((mean - 0.2).abs() < 0.003, "mean {mean}");
        assert!((deviation / mean - cv).abs() < 0.02, "cv {}", deviation / mean);
    }

    #[test]
    fn draws_have_the_mean_and_the_scatter_of_their_distribution() {
        check(Distribution::Deterministic, 0.0);
        check(Distribution::Exponential, 1.0);
    }
}
