use std::f64::consts::TAU;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Distribution {
    /// Always the mean.
    Deterministic,
    /// Without memory: the standard deviation is the mean.
    #[default]
    Exponential,
    /// Its logarithm is normal: many short and a few long ones.
    Lognormal {
        /// The coefficient of variation, standard deviation over mean; 0 to 100.
        cv: f64,
    },
    /// A heavy tail: the chance of more than x falls as x^−alpha.
    Pareto {
        /// The shape, 1.01 to 100. Up to 2 the variance is infinite.
        alpha: f64,
    },
}

impl Span {
    /// Always so many milliseconds.
    pub(crate) const fn exactly(ms: f64) -> Self {
        Self { mean_ms: ms, distribution: Distribution::Deterministic }
    }

    /// One draw, in seconds.
    ///
    /// The logarithms and exponentials are libm's, which gives the same bits on every platform.
    pub(crate) fn seconds(&self, rng: &mut Rng) -> f64 {
        let mean = self.mean_ms / 1e3;
        match self.distribution {
            Distribution::Deterministic => mean,
            Distribution::Exponential => -mean * libm::log(positive(rng)),
            Distribution::Lognormal { cv } => {
                let variance = libm::log1p(cv * cv);
                mean * libm::exp(libm::sqrt(variance) * normal(rng) - variance / 2.0)
            }
            Distribution::Pareto { alpha } => {
                mean * (alpha - 1.0) / alpha * libm::pow(positive(rng), -1.0 / alpha)
            }
        }
    }

    pub(crate) fn nanos(&self, rng: &mut Rng) -> Nanos {
        nanos(self.seconds(rng))
    }
}

/// Evenly between 0 and 1, never 0: its logarithm is finite.
fn positive(rng: &mut Rng) -> f64 {
    1.0 - rng.f64()
}

/// Standard normal, by the transform of Box and Muller.
fn normal(rng: &mut Rng) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(positive(rng)));
    radius * libm::cos(TAU * rng.f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 100_000;

    fn draws(distribution: Distribution) -> Vec<f64> {
        let span = Span { mean_ms: 200.0, distribution };
        let mut rng = Rng::with_seed(1);
        let draws: Vec<f64> = (0..DRAWS).map(|_| span.seconds(&mut rng)).collect();
        assert!(draws.iter().all(|x| *x >= 0.0 && x.is_finite()));
        draws
    }

    /// The mean lies within four standard errors of 0.2 s, and the share of draws above each of some times within four
    /// standard errors of its chance.
    #[track_caller]
    fn check(distribution: Distribution, cv: f64, tails: &[(f64, f64)]) {
        let draws = draws(distribution);
        let runs = f64::from(DRAWS);
        let mean = draws.iter().sum::<f64>() / runs;
        let error = 4.0 * 0.2 * cv / runs.sqrt();
        assert!((mean - 0.2).abs() <= error + 1e-12, "mean {mean}, allowed is 0.2 ± {error}");
        for &(above, chance) in tails {
            let found = draws.iter().map(|x| if *x > above { 1.0 } else { 0.0 }).sum::<f64>() / runs;
            let error = 4.0 * (chance * (1.0 - chance) / runs).sqrt();
            assert!((found - chance).abs() <= error, "{found} above {above}, allowed is {chance} ± {error}");
        }
    }

    #[test]
    fn draws_have_the_mean_and_the_tails_of_their_distribution() {
        check(Distribution::Deterministic, 0.0, &[(0.199, 1.0), (0.2, 0.0)]);
        check(Distribution::Exponential, 1.0, &[(0.1, (-0.5_f64).exp()), (1.0, (-5.0_f64).exp())]);
        // With alpha 3 the least is 0.4/3 and the coefficient of variation √(1/3).
        let chance = |x: f64, alpha: f64| (0.2 * (alpha - 1.0) / alpha / x).powf(alpha);
        let tails = [0.15, 0.3, 1.0].map(|x| (x, chance(x, 3.0)));
        check(Distribution::Pareto { alpha: 3.0 }, (1.0_f64 / 3.0).sqrt(), &tails);
        // The median is mean/√(1 + cv²); e^σ times that is exceeded with chance 0.158655.
        let (median, sigma) = (0.2 / 10.0_f64.sqrt(), 10.0_f64.ln().sqrt());
        let tails = [(median, 0.5), (median * sigma.exp(), 0.158_655), (median / sigma.exp(), 0.841_345)];
        check(Distribution::Lognormal { cv: 3.0 }, 3.0, &tails);
    }

    /// The mean of a sample from a tail this heavy says little; the tail itself is exact.
    #[test]
    fn a_pareto_tail_of_infinite_variance_is_as_heavy_as_it_should_be() {
        let draws = draws(Distribution::Pareto { alpha: 1.5 });
        for (above, chance) in [(0.2 / 3.0 * 4.0, 0.125), (0.2 / 3.0 * 100.0, 0.001)] {
            let found = draws.iter().map(|x| if *x > above { 1.0 } else { 0.0 }).sum::<f64>();
            let expected = f64::from(DRAWS) * chance;
            assert!((found - expected).abs() <= 4.0 * expected.sqrt(), "{found} above {above}");
        }
    }

    /// Taken once, to hold on every platform: a seed replays everywhere.
    #[test]
    fn draws_are_the_same_everywhere() {
        let first = |distribution| {
            let span = Span { mean_ms: 1000.0, distribution };
            span.nanos(&mut Rng::with_seed(7))
        };
        let drawn = [
            first(Distribution::Exponential),
            first(Distribution::Lognormal { cv: 2.0 }),
            first(Distribution::Pareto { alpha: 1.5 }),
        ];
        assert_eq!(drawn, [1_484_488_628, 651_354_964, 896_772_383]);
    }
}
